"""The models side by side: every figure is measured."""

from __future__ import annotations

import pytest

from durable_sim.durations import SECOND
from durable_sim.models.registry import MODELS
from durable_sim.studies.choice import as_text, choice_table, measure


def test_regular_code_costs_nothing_and_keeps_nothing() -> None:
    """Until it crashes: then the run is lost, and has no cost to measure."""
    found = measure("regular")
    assert (found.step_us, found.kept, found.crash_us, found.crash) == (0, 0.0, None, "lost")


def test_replay_costs_messages_and_six_events_a_step() -> None:
    """Two messages of 2 ms there and back for each task; a crash in a step is found out by the step's time-out."""
    found = measure("replay")
    assert found.step_us == 8_000
    assert found.kept == 6.0
    assert found.crash_us is not None and 30 * SECOND < found.crash_us < 45 * SECOND
    assert found.talks == "signals, queries, updates"


def test_a_column_a_step_is_kept_by_status_columns() -> None:
    """And a crash is found by the sweeper, after the claim has run out."""
    found = measure("status_columns")
    assert found.kept == 1.0
    assert found.crash_us is not None and found.crash_us > 60 * SECOND
    assert found.deploy.words == "b is done again"


@pytest.mark.parametrize("model", [name for name in MODELS if name != "regular"])
def test_a_crash_in_the_middle_of_a_call_repeats_an_effect_that_has_no_key(model: str) -> None:
    """Whatever the model: a mail that was sent is sent again, as nobody knew of it."""
    assert measure(model).crash.endswith(" done again") and measure(model).crash != "nothing done again"


def test_the_text_has_a_line_for_each_model() -> None:
    """Under the heads of its columns."""
    lines = as_text(choice_table(("regular", "replay"))).splitlines()
    assert [line.split()[0] for line in lines] == ["model", "regular", "replay"]
    assert lines[1].split()[1:3] == ["0.000s", "5.000s"]
