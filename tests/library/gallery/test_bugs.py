"""The gallery: each bug is found where it says, its fixed twin is silent under the same search."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from durable_sim.library import gallery
from durable_sim.library.gallery import BUGS
from durable_sim.library.gallery.bug import Bug
from durable_sim.models.registry import MODELS
from durable_sim.search.result import Sweep
from durable_sim.search.sweep import fault_sweep
from durable_sim.simulation.scenario import Scenario

CASES = [(name, model) for name, bug in BUGS.items() for model in bug.models]


def sweep(bug: Bug, scenario: Scenario, model: str) -> Sweep:
    """What the bug says finds it."""
    return fault_sweep(scenario, model, faults=bug.faults, depth=bug.depth, executions=None, oracles=bug.oracles)


@pytest.mark.parametrize(("name", "model"), CASES)
def test_the_bug_is_found(name: str, model: str) -> None:
    """With the verdict, or the kind of violation, that it says."""
    bug = BUGS[name]
    found = sweep(bug, bug.broken, model)
    kinds = {violation.kind for case in found.found for violation in case.violations}
    assert bug.shows_as in kinds, found


@pytest.mark.parametrize(("name", "model"), CASES)
def test_the_fixed_twin_is_silent(name: str, model: str) -> None:
    """To the same depth, with faults that hit something in flight."""
    bug = BUGS[name]
    shown = sweep(bug, bug.fixed, model)
    assert shown.ok, shown


def test_there_are_enough_of_them() -> None:
    """At least twenty-five, each with its own name and words."""
    assert len(BUGS) >= 25
    assert len({bug.mistake for bug in BUGS.values()}) == len(BUGS)
    assert all(bug.remedy and set(bug.models) <= set(MODELS) for bug in BUGS.values())


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_says_in_a_sentence_what_is_wrong(name: str) -> None:
    """One sentence each for the mistake and for the remedy."""
    bug = BUGS[name]
    for words in (bug.mistake, bug.remedy):
        assert words.endswith(".") and words[0].isupper() and len(words) < 160


def test_no_bug_is_left_out() -> None:
    """Every bug that any file of the gallery defines is in it, under its own name."""
    names = [one.name for one in pkgutil.iter_modules(gallery.__path__)]
    files = [importlib.import_module(f"{gallery.__name__}.{name}") for name in names]
    defined = [one for file in files for one in vars(file).values() if isinstance(one, Bug)]
    assert len(defined) == len(BUGS) and all(BUGS.get(bug.name) is bug for bug in defined)
