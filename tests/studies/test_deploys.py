"""What a deploy does to executions in flight: each cell of the table is what happened in a run."""

from __future__ import annotations

import pytest

from durable_sim.studies.deploys import CHANGES, as_text, deploy_table, fate_of

STUCK = ("insert a step before", "remove a finished step", "rename a finished step", "reorder finished steps")
LOCAL = ("status_columns", "status_columns_transactional")


@pytest.mark.parametrize("change", CHANGES)
def test_replay_is_stuck_where_the_past_was_changed(change: str) -> None:
    """And goes on where only what is to come was: a replay compares commands with history."""
    assert (fate_of(change, "replay").verdict == "stuck") == (change in STUCK)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("model", LOCAL)
def test_status_columns_do_again_what_was_renamed(model: str, change: str) -> None:
    """A step's column goes by its name; anything else goes on on the new code."""
    fate = fate_of(change, model)
    assert (fate.verdict == "duplicate_effect") == (change == "rename a finished step")
    assert fate.verdict in ("completed", "duplicate_effect")


@pytest.mark.parametrize("change", CHANGES)
def test_regular_code_loses_what_is_in_flight_in_any_deploy(change: str) -> None:
    """The code does not matter: the process ends. A rerun does all again that the new code still has."""
    assert fate_of(change, "regular").words == "the run is lost"
    assert "a is done again" in fate_of(change, "regular_rerun").words


def test_a_timer_that_runs_keeps_its_length_only_where_it_is_recorded() -> None:
    """Replay passes a changed length silently over; a status column has none to keep."""
    assert fate_of("change the timer", "replay").words == "the timer keeps its old length"
    assert fate_of("change the timer", "status_columns").words == "the timer takes its new length"


def test_a_step_inserted_into_the_past_comes_late_where_nothing_compares() -> None:
    """After the steps that it was to come before."""
    assert fate_of("insert a step before", "status_columns").words == "x comes late"


def test_the_text_has_every_change_and_every_model() -> None:
    """Models that share a fate share a line."""
    models = ("replay", "status_columns", "regular")
    text = as_text(deploy_table(models))
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list(CHANGES)
    assert any(line.split("  ")[2:3] == ["goes on"] and line.endswith("  replay, status_columns") for line in lines)


@pytest.mark.parametrize("change", CHANGES)
def test_steps_notice_nothing_and_do_again_what_was_renamed(change: str) -> None:
    """A finished step goes by its name; whatever else was changed runs as the new code says when it comes to it."""
    fate = fate_of(change, "steps")
    assert fate.words == {
        "insert a step before": "x comes late",
        "rename a finished step": "b is done again",
        "change the timer": "the timer keeps its old length",
    }.get(change, "goes on")


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_machine_keeps_its_definition_and_not_its_functions(change: str) -> None:
    """Executions in flight go on as the old code, unless a function that they still need is gone."""
    fate = fate_of(change, "state_machine")
    assert fate.words == {
        "insert a step before": "goes on as the old code",
        "insert a step after": "goes on as the old code",
        "remove a step to come": "the execution fails",
        "reorder steps to come": "goes on as the old code",
        "change the timer": "the timer keeps its old length",
    }.get(change, "goes on")
