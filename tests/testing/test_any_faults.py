"""Searches with Hypothesis as the plugin carries them out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

import durable_sim as ds
from durable_sim.library.orders import correct_order
from durable_sim.results.run import Run
from durable_sim.search.sometimes import sometimes
from durable_sim.testing.every import PLAN, Searching, any_faults
from durable_sim.testing.searching import Found, search
from durable_sim.testing.targets import target_of
from durable_sim.world.faults import Crash, Script


@ds.activity
async def charge_by_name(ctx: ds.ActivityContext, order: Any) -> None:
    """One charge, of whom the order names."""
    await ctx.service("payments").charge(order["customer"], 40, idempotency_key=ctx.idempotency_key)


@ds.workflow
async def charges_by_name(ctx: ds.WorkflowContext, order: Any) -> None:
    """One charge, in several attempts."""
    retry = ds.RetryPolicy(maximum_attempts=5)
    await ctx.execute_activity(charge_by_name, order, start_to_close_timeout="30s", retry_policy=retry)


ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}


def look(keys: bool, model: str = "replay", invariants: Any = (), **asked: Any) -> Found:
    """Search the order workflow."""
    return look_at(correct_order(keys), ORDER, model, invariants, **asked)


def look_at(subject: Any, order: Any = None, model: str = "replay", invariants: Any = (), **asked: Any) -> Found:
    """Search a workflow or a scenario."""
    decorated = any_faults(subject, order, **({"max_examples": 150} | asked))(lambda run: None)
    plan = getattr(decorated, PLAN)
    assert isinstance(plan, Searching)
    target = target_of(plan.subject, plan.input, 0, dict(plan.settings))
    return search(plan, target, model, 0, invariants, f"test of {model} {subject!r:.200} {asked}")


@pytest.mark.parametrize("model", ["replay", "steps", "state_machine"])
def test_a_correct_order_is_shown_to_be_one(model: str) -> None:
    """In as many runs as were asked for, many of them with something hit."""
    found = look(True, model)
    assert found.ok and found.runs == 150 and found.hits > 15
    assert f"in 150 runs with faults drawn at random ({found.hits} hit work in flight" in found.words


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
    assert not found.ok and "shows nothing: no fault hit anything in flight" in found.words


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


def test_a_workflow_that_fails_by_itself_is_not_shown_to_be_right() -> None:
    """A typo in the input, and the search says so; where inputs are drawn, what these make of it counts."""
    scenario = ds.Scenario(charges_by_name, ({"order_id": "o-1", "custommer": "ada"},), ds.library.shop())
    found = look_at(scenario, max_examples=30, faults="process")
    told = "replay: shows nothing: without any fault the workflow fails (KeyError: 'customer')"
    assert found.hits > 0 and not found.ok and found.words == told
    drawn = {"inputs": st.just({"order_id": "o-1", "customer": "ada"}), "flaky": 0}
    found = look_at(scenario, max_examples=30, faults="pause", options=drawn)
    assert "shows nothing" not in found.words and "without any fault" not in found.bounds


def test_the_bounds_say_what_was_left_out() -> None:
    """Outages and the scenario's own plan are not searched: families, executions, seed and workers are named, too."""
    flaky = replace(ds.library.shop()["email"], outage=ds.Outage("1m", "1m"))
    scenario = ds.Scenario(
        correct_order(),
        ({"order_id": "o-1"}, {"order_id": "o-2"}),
        {**ds.library.shop(), "email": flaky},
        faults=(ds.Crashes(every="10s", until="1h"),),
    )
    found = look_at(scenario, max_examples=5, faults=("crash", "refuse"))
    assert found.bounds.startswith(
        "faults: crash, refuse; executions: o-1, o-2; seed 0, 2 worker(s); left out: the flakiness of email, "
        "1 fault(s) of the scenario's own plan; no fault in: "
    )


@pytest.mark.parametrize("options", [{}, {"executions": 1, "flaky": 0}])
def test_what_a_scenario_scripts_stays_and_is_no_fault_that_was_drawn(options: dict[str, Any]) -> None:
    """The card is declined in every run, whatever is drawn besides; alone it does not make a search show anything."""
    declined = ds.Script("payments", "charge", 1, "refuse")
    scenario = ds.Scenario(correct_order(), (ORDER,), ds.library.shop(), faults=(declined,))

    def is_declined(run: Run) -> None:
        (first, *_) = [one for one in run.trace if one.kind == "request_sent" and one.subject == "payments.charge"]
        assert (first.data or {}).get("fault") == "refuse"
        assert run.recording.scenario.scripts[0] == declined

    found = look_at(scenario, invariants=(is_declined,), faults="call", options=options)
    assert found.witness is None and found.ok, found.words
    alone = look_at(scenario, faults="crash", max_faults=0, max_examples=3, options=options)
    assert alone.hits == 0 and not alone.ok


def test_a_test_without_a_model_is_a_mistake() -> None:
    """It would be skipped, and show nothing."""
    for decorator in (ds.every_crash, any_faults):
        with pytest.raises(ds.UserError, match="models: there is none, expected at least one"):
            decorator(correct_order(), ORDER, models=[])
    ds.every_crash(correct_order(), ORDER, models="steps")


def test_an_unknown_family_is_a_mistake_where_the_test_is_written() -> None:
    """Before anything is run."""
    with pytest.raises(ds.UserError, match="unknown family of faults 'crsh': did you mean 'crash'"):
        any_faults(correct_order(), ORDER, faults="crsh")


# --- signals ----------------------------------------------------------------------------------------------------------
def approval(gives_back: bool) -> ds.Scenario:
    """An order that somebody may stop within an hour, and does not: a stopped one fails, and `gives_back` the money."""

    @ds.activity
    async def refund(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("payments").refund(reference=ctx.workflow_id)

    @ds.activity
    async def charge(ctx: ds.ActivityContext, order: Any) -> None:
        named = {"idempotency_key": ctx.idempotency_key, "reference": ctx.workflow_id}
        await ctx.service("payments").charge("ada", 40, **named)

    @ds.workflow
    async def stoppable(ctx: ds.WorkflowContext, order: Any) -> None:
        said: list[Any] = []
        ctx.set_signal_handler("stop", lambda: said.append(True))
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
        await ctx.sleep("1h")
        if said:
            if gives_back:
                await ctx.execute_activity(refund, order, start_to_close_timeout="30s")
            raise ds.ApplicationError("stopped", type="Stopped")
        await ctx.sleep("1d")

    late = ds.Signal(at="2h", name="stop")
    return ds.Scenario(stoppable, (ORDER,), ds.library.shop(), stimuli=(late,), horizon="2d")


def test_a_signal_is_drawn_at_other_instants_if_that_is_asked_for() -> None:
    """It counts as something that hit; what it shows is found and told as a fault is."""
    right = look_at(approval(gives_back=True), faults=("signal", "crash"), max_examples=60)
    assert right.ok and right.coverage.hits("waiting", "signal") and "signal" in right.bounds
    wrong = look_at(approval(gives_back=False), faults=("signal", "crash"), max_examples=60)
    assert wrong.witness is not None and [fault.kind for fault in wrong.witness.faults] == ["signal"]
    assert wrong.witness.violation.kind == "orphaned_effect"
    assert look_at(approval(gives_back=False), faults="crash", max_examples=30).ok
    with pytest.raises(ds.UserError, match="this one sends none"):
        look_at(replace(approval(gives_back=True), stimuli=()), faults=("signal", "crash"))
