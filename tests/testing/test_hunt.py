"""The table of runs: how long random faults, a sweep and Hypothesis take to find a bug."""

from __future__ import annotations

import json

import pytest

from durable_sim.cli import main
from durable_sim.library.gallery import BUGS
from durable_sim.search.sweep import fault_sweep
from durable_sim.testing.hunt import Found, as_text, hunt


def test_each_search_finds_a_missing_key() -> None:
    """The sweep after as many runs as stand before the first crash that shows it; the others at their median."""
    found = hunt(BUGS["no_key"], "replay", repeats=3, most=120)
    sweep = fault_sweep(BUGS["no_key"].broken, "replay")
    assert found.sweep == next(place for place, case in enumerate(sweep.cases, start=1) if case.violations)
    assert found.sweep_runs == len(sweep.cases)
    assert (found.random.times, found.hypothesis.times) == (3, 3)
    assert found.random.runs is not None and 1 < found.random.runs < 120


def test_the_same_search_gives_the_same_figures() -> None:
    """Nothing depends on a clock, or on what was run before."""
    bug = BUGS["fifo_order"]
    assert hunt(bug, "replay", repeats=2, most=60) == hunt(bug, "replay", repeats=2, most=60)


def test_what_is_not_found_is_called_never() -> None:
    """And a median of some searches says of how many."""
    assert [str(Found(0, 3, None)), str(Found(3, 3, 7.0)), str(Found(2, 3, 7.5))] == ["never", "7", "7.5 (2/3)"]
    (heading, row) = as_text([hunt(BUGS["cleanup_not_shielded"], "replay", repeats=1, most=5)]).splitlines()
    assert heading.split()[:2] == ["bug", "model"] and "never" in row


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """As one JSON object, for the bugs that are named."""
    assert main(["bugs", "key_too_coarse", "--find", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["bug"], row["model"], row["sweep"]) == ("key_too_coarse", "replay", 1)


def test_the_gallery_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each bug with its mistake and its remedy; an unknown one is a line on stderr."""
    assert main(["bugs"]) == 0
    printed = capsys.readouterr().out
    assert all(bug.mistake in printed and bug.remedy in printed for bug in BUGS.values())
    assert main(["bugs", "no_keey"]) == 2
    assert "unknown bug 'no_keey': did you mean 'no_key'?" in capsys.readouterr().err
