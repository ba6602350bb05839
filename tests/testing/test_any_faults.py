"""Searches with Hypothesis as the plugin carries them out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

import durable_sim as ds
from durable_sim.api import Run
from durable_sim.library.orders import correct_order
from durable_sim.search.sometimes import sometimes
from durable_sim.testing.every import PLAN, Searching, any_faults
from durable_sim.testing.searching import Found, search
from durable_sim.testing.targets import target_of
from durable_sim.world.faults import Crash, Script

ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}


def look(keys: bool, model: str = "replay", invariants: Any = (), **asked: Any) -> Found:
    """Search the order workflow."""
    decorated = any_faults(correct_order(keys), ORDER, **({"max_examples": 150} | asked))(lambda run: None)
    plan = getattr(decorated, PLAN)
    assert isinstance(plan, Searching)
    target = target_of(plan.subject, plan.input, 0, dict(plan.settings))
    return search(plan, target, model, 0, invariants, f"test of {model} {keys} {asked}")


@pytest.mark.parametrize("model", ["replay", "steps", "state_machine"])
def test_a_correct_order_is_shown_to_be_one(model: str) -> None:
    """In as many runs as were asked for, many of them with something hit."""
    found = look(True, model)
    assert found.ok and found.runs == 150 and found.hits > 15
    assert f"in 150 runs with faults drawn at random ({found.hits} hit work in flight)" in found.words


@pytest.mark.parametrize("model", ["replay", "steps", "regular_rerun"])
def test_a_missing_key_is_found_and_one_fault_is_left(model: str) -> None:
    """None of the faults that are given can be left out."""
    found = look(False, model)
    assert not found.ok and found.witness is not None
    assert found.witness.violation.kind == "duplicate_effect"
    for left_out in range(len(found.witness.faults)):
        fewer = [fault for place, fault in enumerate(found.witness.faults) if place != left_out]
        assert all(one.kind != "duplicate_effect" for one in found.witness.trial.run(fewer).violations)


def test_only_the_families_asked_for_are_drawn() -> None:
    """Crashes alone, or faults of calls alone."""
    crashes, calls = look(False, faults="crash"), look(False, faults="call")
    assert crashes.witness is not None and all(isinstance(one, Crash) for one in crashes.witness.faults)
    assert calls.witness is not None and all(isinstance(one, Script) for one in calls.witness.faults)


def test_nothing_hit_is_nothing_shown() -> None:
    """A search that never draws a fault passes for no test."""
    found = look(True, max_faults=0, max_examples=5)
    assert not found.ok and "shows nothing: no fault hit anything in flight in 1 runs" in found.words


def test_what_the_test_asserts_is_looked_for() -> None:
    """An invariant that one crash breaks is found like a verdict."""

    def no_crash(run: Run) -> None:
        assert run.faults["hit"] == 0, "something was hit"

    found = look(True, invariants=(no_crash,), faults="crash")
    assert found.witness is not None and len(found.witness.faults) == 1
    assert found.witness.violation.found.startswith("something was hit")


def test_marks_must_be_reached() -> None:
    """Over the whole search, not in each run."""

    def marked(run: Run) -> None:
        sometimes("a crash", run.faults["hit"] > 0)
        sometimes("nine crashes", run.faults["hit"] > 8)

    found = look(True, invariants=(marked,), faults="crash")
    assert not found.ok and found.never_reached == ("nine crashes",)


def test_inputs_can_be_drawn_together_with_the_faults() -> None:
    """Both shrink: the order that is left is the smallest that shows it."""
    orders = st.fixed_dictionaries({"order_id": st.just("o-1"), "customer": st.just("c"), "total": st.integers(1, 500)})

    def cheap(run: Run) -> None:
        assert sum(entry.quantity for entry in run.ledger if entry.kind == "payments.charge") <= 20_000

    found = look(True, invariants=(cheap,), options={"inputs": orders, "flaky": 0}, faults="crash")
    assert found.witness is not None and found.witness.faults == ()
    assert found.witness.trial.base.scenario.inputs[0]["total"] == 201


def test_an_unknown_family_is_a_mistake_where_the_test_is_written() -> None:
    """Before anything is run."""
    with pytest.raises(ds.UserError, match="unknown family of faults 'crsh': did you mean 'crash'"):
        any_faults(correct_order(), ORDER, faults="crsh")
