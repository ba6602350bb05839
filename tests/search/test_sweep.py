"""Sweeps: every place is tried, each run is the run that its faults say, and what is found is really there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from durable_sim import trace as kinds
from durable_sim.checks.violations import Violation
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.results.run import Run
from durable_sim.search.families import CALL_FAMILIES, PROCESS_FAMILIES, Settings
from durable_sim.search.lineage import lineage_search
from durable_sim.search.places import Place
from durable_sim.search.result import Case, Sweep
from durable_sim.search.sometimes import sometimes
from durable_sim.search.sweep import crash_sweep, fault_sweep
from durable_sim.search.words import NO_HIT
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.faults import Crash, Fault, Script
from tests.search.scenes import (
    COMPENSATED,
    GIVE_BACK,
    ID,
    KEYLESS,
    ORDER,
    PAY,
    PAY_TWICE,
    PAYMENTS,
    charge,
    of_two,
    pay,
    refund,
)

ENGINES = ("replay", "steps", "state_machine")
NOT_CANCEL = tuple(family for family in (*PROCESS_FAMILIES, *CALL_FAMILIES) if family != "cancel")


ONCE = RetryPolicy(maximum_attempts=1)


@activity
async def charge_by_name(ctx: ActivityContext, order: Any) -> None:
    """A classic double charge: there is no key."""
    await ctx.service("payments").charge(order["customer"], 40, reference=ctx.workflow_id)


@workflow
async def charges_by_name(ctx: WorkflowContext, order: Any) -> None:
    """One charge, in several attempts."""
    retry = RetryPolicy(maximum_attempts=3)
    await ctx.execute_activity(charge_by_name, order, start_to_close_timeout="30s", retry_policy=retry)


@activity
async def hello(ctx: ActivityContext) -> None:
    """Does nothing to anybody."""
    await ctx.sleep("1s")


@workflow
async def says_hello(ctx: WorkflowContext, order: Any) -> None:
    """One step without an effect."""
    await ctx.execute_activity(hello, start_to_close_timeout="30s")


@workflow
async def give_back_if_declined(ctx: WorkflowContext, order: Any) -> None:
    """Charges in one attempt; gives up, and back, where that fails."""
    try:
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=ONCE)
    except ActivityError:
        await ctx.execute_activity(refund, order, start_to_close_timeout="30s")
        raise


@cache
def swept(name: str, model: str = "replay", faults: tuple[str, ...] = ("crash",), depth: int = 1) -> Sweep:
    """A sweep of one of the scenarios here, made once."""
    scenarios = {"pay": PAY, "two": of_two(PAY), "order": ORDER, "give back": GIVE_BACK, "pay twice": PAY_TWICE}
    return fault_sweep(scenarios[name], model, faults=faults, depth=depth, executions=None)


def at_records(case: Case, count: int | None = None) -> list[Fault]:
    """The process faults of a case, placed by the numbers of records in place of names."""
    unnamed = {"after": None, "of": None, "execution": None, "nth": 1}
    return [replace(one.fault, **unnamed, after_record=one.place.at) for one in case.placed[:count]]


def brute_force(sweep: Sweep, depth: int) -> Iterator[Run]:
    """The runs of a crash sweep as two plain loops make them."""

    def run(*records: int) -> Run:
        return sweep.trial.run([Crash(after_record=record) for record in records])

    yield run()
    for first in range(len(run().trace)):
        yield run(first)
        if depth > 1:
            for second in range(first + 1, len(run(first).trace)):
                yield run(first, second)


# --- every place ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", [*ENGINES, "regular", "regular_rerun", "status_columns"])
def test_every_record_of_the_calm_run_is_a_crash_point(model: str) -> None:
    """One run a record, in the order of the trace, and the calm run before them."""
    sweep = swept("pay", model)
    calm = simulate(PAY, model, 0).trace
    assert sweep.cases[0].placed == () and sweep.points == len(calm)
    assert [case.placed[0].place.at for case in sweep.cases[1:]] == list(range(len(calm)))


@pytest.mark.parametrize(
    ("name", "model", "depth"),
    [
        ("pay", "replay", 2),
        ("pay twice", "replay", 2),
        ("pay", "steps", 2),
        ("two", "replay", 1),
        ("order", "replay", 1),
    ],
)
def test_a_crash_sweep_makes_the_runs_of_two_plain_loops(name: str, model: str, depth: int) -> None:
    """Run for run the same trace and the same verdicts as crashes that are placed by the number of a record."""
    sweep = swept(name, model, depth=depth)
    expected = list(brute_force(sweep, depth))
    assert [case.verdicts for case in sweep.cases] == [tuple(e.verdict for e in run.executions) for run in expected]
    assert [case.violations for case in sweep.cases] == [run.violations for run in expected]
    assert [sweep.run(case).trace.digest() for case in sweep.cases] == [run.trace.digest() for run in expected]


@pytest.mark.parametrize("name", ["two", "give back", "order"])
@pytest.mark.parametrize("model", ENGINES)
def test_a_named_place_is_the_record_that_it_was_named_after(name: str, model: str) -> None:
    """A process fault of any family that strikes by name makes the same run as one that strikes by number."""
    if name == "give back" and model != "replay":
        name = "order"
    sweep = swept(name, model, faults=tuple(family for family in PROCESS_FAMILIES if family != "cancel"))
    for case in sweep.cases[1::3]:
        assert sweep.run(case).trace.digest() == sweep.trial.run(at_records(case)).trace.digest(), str(case)


def test_the_second_place_is_named_in_the_run_with_the_first_fault() -> None:
    """At depth 2, with two executions at a time, both names mean the records that they were made of."""
    sweep = crash_sweep(
        of_two(PAY),
        executions=2,
        depth=2,
        at=["effect", "replay", "execution_started", "worker_started", "worker_crashed", "end"],
    )
    pairs = [case for case in sweep.cases if len(case.placed) == 2]
    assert len(pairs) > 20
    for case in pairs:
        assert sweep.run(case).trace.digest() == sweep.trial.run(at_records(case)).trace.digest(), str(case)


@pytest.mark.parametrize("model", ENGINES)
def test_a_run_is_as_without_the_fault_up_to_the_place(model: str) -> None:
    """Record for record the run that has all faults but the last; a call that is struck differs in its fate alone."""
    sweep = swept("pay", model, faults=("crash", "lose_reply"), depth=2)
    for case in sweep.cases[1::5]:
        (*before, last) = case.placed
        parent = list(sweep.trial.run([one.fault for one in before]).trace)[: last.place.at + 1]
        found = list(sweep.run(case).trace)[: last.place.at + 1]
        if last.family in CALL_FAMILIES:
            assert found.pop() == parent.pop()._replace(data={"fault": last.family})
        assert found == parent


def test_every_set_of_faults_is_tried_once() -> None:
    """No two cases have the same faults, in whatever order."""
    sweep = swept("pay", faults=("crash", "pause", "lose_reply", "refuse"), depth=2)
    assert len({frozenset(case.faults) for case in sweep.cases}) == len(sweep.cases)
    assert all(len(set(case.faults)) == len(case.placed) for case in sweep.cases)


def test_later_faults_are_placed_later() -> None:
    """Places in a case go up, and each is a record of the run with the faults before it."""
    for case in swept("pay", faults=("crash", "lose_reply"), depth=2).cases:
        places = [one.place.at for one in case.placed]
        assert places == sorted(places)


# --- calls ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", CALL_FAMILIES)
def test_a_fault_of_calls_strikes_each_call_once(family: str) -> None:
    """One case a call, and in it exactly that call meets the fault."""
    sweep = fault_sweep(of_two(PAY), faults=family, executions=2)
    calls = [record for record in sweep.run(sweep.cases[0]).trace if record.kind == kinds.REQUEST_SENT]
    assert [case.placed[0].place.at for case in sweep.cases[1:]] == [record.index for record in calls]
    for case, call in zip(sweep.cases[1:], calls, strict=True):
        struck = [record for record in sweep.run(case).trace if (record.data or {}).get("fault")]
        assert [(record.index, record.execution) for record in struck] == [(call.index, call.execution)]
        assert struck[0].data == {"fault": family.removeprefix("very_")}


def test_the_second_call_of_an_operation_is_struck_as_the_second() -> None:
    """A retried call is a place of its own in the run in which the first one failed."""
    sweep = swept("give back", faults=("refuse",), depth=2)
    pairs = [case.faults for case in sweep.cases if len(case.placed) == 2]
    twice = tuple(Script("payments", "refund", nth, "refuse", execution="o-1") for nth in (1, 2))
    assert twice in pairs


def test_a_crash_may_strike_right_at_a_call_that_meets_a_fault() -> None:
    """The request of a scripted call is a place of the pair's second fault, for processes only."""
    sweep = swept("pay", faults=("lose_reply", "crash"), depth=2)
    same = [case for case in sweep.cases if len({one.place.at for one in case.placed}) < len(case.placed)]
    assert [tuple(one.family for one in case.placed) for case in same if len(case.placed) == 2][:1] == [
        ("lose_reply", "crash")
    ]
    assert all(case.placed[0].place.kind == kinds.REQUEST_SENT for case in same)


@pytest.mark.parametrize("execution", [None, "o-1"])
def test_a_call_whose_fate_the_scenario_has_scripted_keeps_it(execution: str | None) -> None:
    """Only processes are hit there: the script is part of what the scenario is about."""
    scripted = replace(PAY, faults=(Script("payments", "charge", 1, "refuse", execution=execution),))
    sweep = fault_sweep(scripted, faults=("refuse", "crash"))
    placed = [
        (one.family, one.place.nth) for case in sweep.cases for one in case.placed if one.place.phase == "request out"
    ]
    assert placed == [("crash", 1), ("refuse", 2), ("crash", 2)]


def test_settings_say_how_the_faults_are() -> None:
    """How long a worker is away, how long a pause lasts, which code a deploy brings, and how late an effect lands."""
    settings = Settings("3s", "4m", "other", "5s", "6s", "7h")
    scenario = replace(PAY, versions={"other": pay})
    sweep = fault_sweep(scenario, faults=("all", "cancel"), at="request_sent", settings=settings)
    faults = {case.placed[0].family: case.faults[0] for case in sweep.cases[1:]}
    assert faults["crash"].restart_after == "3s" and faults["pause"].lasts == "4m"
    assert (faults["deploy"].version, faults["deploy"].downtime, faults["deploy"].rolling) == ("other", "5s", False)
    assert faults["restart_server"].downtime == "5s" and faults["cancel"].target == "o-1"
    assert (faults["late_effect"].late_by, faults["very_late_effect"].late_by) == ("6s", "7h")
    assert faults["lose_reply"].late_by is None


def test_usual_settings() -> None:
    """What is not given: a short absence, a pause longer than most time-outs, effects a little and very late."""
    assert Settings() == Settings("2s", "2m", None, "1s", "1s", "1h")


# --- children -------------------------------------------------------------------------------------------------------
async def with_a_child(ctx: Any, order: Any) -> Any:
    """Lets a child pay."""
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    return await ctx.execute_child_workflow(pay, order, id="kid")


def test_a_child_is_struck_like_its_parent() -> None:
    """Its records are places, though the scenario has no name for it: then those of all executions are counted."""
    sweep = fault_sweep(Scenario(with_a_child, (ID,), PAYMENTS), faults=("crash", "lose_reply"))
    calm = sweep.run(sweep.cases[0])
    calls = [record for record in calm.trace if record.kind == kinds.REQUEST_SENT]
    started = [record.execution for record in calm.trace if record.kind == kinds.EXECUTION_STARTED]
    assert started == ["o-1", "kid"] and len(calls) == 2
    lost = [case.faults[0] for case in sweep.cases[1:] if case.placed[0].family == "lose_reply"]
    assert lost == [
        Script("payments", "charge", 1, "lose_reply", execution="o-1"),
        Script("payments", "charge", 2, "lose_reply", execution="o-1"),
    ]
    crashes = [case for case in sweep.cases[1:] if case.placed[0].family == "crash"]
    assert len(crashes) == len(calm.trace)
    assert Crash(after="execution_started", nth=2) in [case.faults[0] for case in crashes]
    for case in crashes:
        assert sweep.run(case).trace.digest() == sweep.trial.run(at_records(case)).trace.digest(), str(case)


# --- what is found --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("scenario", [ORDER, COMPENSATED], ids=["completes", "is compensated"])
@pytest.mark.parametrize("model", ENGINES)
def test_nothing_breaks_a_correct_order(scenario: Scenario, model: str) -> None:
    """No single fault of any family, at any place, under any durable engine."""
    sweep = fault_sweep(scenario, model, faults=NOT_CANCEL)
    assert sweep.ok and not sweep.found and not sweep.vacuous
    assert sweep.guarantee.startswith(f"{model}: nothing lost, doubled, stranded or undone out of order after each of ")
    assert set(sweep.verdicts) <= {"completed", "compensated"}


def test_a_cancellation_at_any_place_is_compensated_under_replay() -> None:
    """The code is told, and undoes what it did."""
    sweep = fault_sweep(ORDER, faults="cancel")
    assert sweep.ok and sweep.verdicts["compensated"] > 40


@pytest.mark.parametrize("model", ["steps", "state_machine"])
def test_a_cancellation_strands_what_was_done_where_the_code_is_not_told(model: str) -> None:
    """These models end a cancelled execution at once: whatever was charged by then is left standing."""
    sweep = fault_sweep(ORDER, model, faults="cancel")
    assert {violation.kind for case in sweep.found for violation in case.violations} <= {"orphaned_effect", "imbalance"}
    first = sweep.found[0].placed[0].place
    assert first.subject == "charge_card" and sweep.verdicts["orphaned_effect"] >= 50


@pytest.mark.parametrize("model", ENGINES)
def test_without_keys_a_crash_charges_twice(model: str) -> None:
    """From the request on until the result is recorded, every crash does the call again."""
    sweep = crash_sweep(KEYLESS, model)
    charges = [case for case in sweep.found if case.violations[0].subject == "payments.charge"]
    assert [case.placed[0].place.kind for case in charges] == [
        kinds.REQUEST_SENT,
        kinds.REQUEST_RECEIVED,
        kinds.EFFECT_APPLIED,
        kinds.REPLY_SENT,
        kinds.REPLY_RECEIVED,
    ]
    assert all(case.verdicts == ("duplicate_effect",) for case in charges)


@pytest.mark.parametrize(("model", "verdict"), [("regular", "orphaned_effect"), ("regular_rerun", "duplicate_effect")])
def test_code_without_a_memory_breaks_at_nearly_every_place(model: str, verdict: str) -> None:
    """Keys do not help: nobody goes on, or somebody begins anew."""
    sweep = crash_sweep(ORDER, model)
    assert len(sweep.found) > 0.8 * sweep.points and sweep.verdicts[verdict] > 0.8 * sweep.points


def test_a_workflow_that_needs_two_faults_breaks_at_depth_two_only() -> None:
    """At most two attempts to give the money back: one refusal is survived, two are not."""
    assert swept("give back", faults=("refuse",), depth=1).ok
    sweep = swept("give back", faults=("refuse",), depth=2)
    assert not sweep.ok and [str(case) for case in sweep.smallest] == [
        "refuse at call of payments.refund, then refuse at call no. 2 of payments.refund"
    ]
    assert [violation.kind for violation in sweep.smallest[0].violations] == ["orphaned_effect", "imbalance"]


def test_a_smallest_set_has_no_fault_that_can_be_left_out() -> None:
    """A pair with a fault that is enough alone is found, and is not among the smallest."""
    sweep = swept("pay twice", depth=2)
    alone = {case.faults[0] for case in sweep.found if len(case.placed) == 1}
    assert len(alone) == len(sweep.smallest) == 5
    assert any(alone.isdisjoint(case.faults) is False for case in sweep.found if len(case.placed) == 2)
    for case in swept("give back", faults=("crash", "refuse"), depth=2).smallest:
        assert len(case.placed) == 2
        assert all(not sweep_run(GIVE_BACK, fault).violations for fault in case.faults)


def sweep_run(scenario: Scenario, *faults: Fault) -> Run:
    """One run with some faults."""
    return crash_sweep(scenario, at="worker_started").trial.run(faults)


def test_what_breaks_in_calm_weather_needs_no_fault() -> None:
    """Then the empty set is the only smallest one."""
    sweep = crash_sweep(PAY, invariants=[lambda run: False])
    assert len(sweep.found) == len(sweep.cases) and [str(case) for case in sweep.smallest] == ["no fault at all"]


# --- the words ------------------------------------------------------------------------------------------------------
def test_the_guarantee_says_what_was_tried() -> None:
    """How many crashes and pairs struck, in how many runs, and how many of them hit work in flight."""
    nothing = "replay: nothing lost, doubled or stranded after each of"
    assert swept("pay").guarantee == f"{nothing} 14 crashes (15 runs; 10 hit work in flight)"
    assert swept("pay", depth=2).guarantee == (
        f"{nothing} 14 crashes and each of 138 pairs (176 runs; 10 and 59 hit work in flight)"
    )
    some = crash_sweep(PAY, at="effect")
    assert some.guarantee == f"{nothing} 1 crashes at the chosen places (2 runs; 1 hit work in flight)"
    deep = fault_sweep(PAY, faults="refuse", depth=4, at="payments.charge")
    assert deep.guarantee == (
        f"{nothing} 1 faults and each of 1 pairs and each of 1 triples and each of 1 sets of 4 faults at the chosen "
        "places (5 runs; 1 and 1 and 1 and 1 hit work in flight)"
    )


def test_a_broken_guarantee_counts_the_runs_that_go_wrong() -> None:
    """And nothing else is claimed."""
    assert swept("pay twice").guarantee == "replay: 5 of 15 runs go wrong"


def test_bounds_say_what_was_not_tried() -> None:
    """Which faults, executions, seed and workers; and what of the scenario was left out."""
    assert swept("two").bounds == "faults: crash; executions: o-1, o-2; seed 0, 2 worker(s)"
    planned = replace(of_two(PAY), faults=(Crash(at="1s"),), workers=3)
    assert crash_sweep(planned, seed=5, at="effect").bounds == (
        "faults: crash; executions: o-1; seed 5, 3 worker(s); left out: 1 fault(s) of the scenario's own plan, "
        "1 of 2 executions"
    )


def test_places_that_no_run_has_make_a_sweep_vacuous() -> None:
    """A sweep in which nothing was hit guarantees nothing."""
    sweep = crash_sweep(PAY, at="compensation")
    assert sweep.vacuous and not sweep.ok and not sweep.found
    assert sweep.guarantee == "replay: shows nothing: no fault hit anything in flight"
    assert (sweep.points, len(sweep.cases), sweep.runs_by_depth) == (0, 1, {0: 1})


def test_a_sweep_of_a_workflow_that_fails_by_itself_shows_nothing() -> None:
    """It owes nothing, and whatever strikes it all is well: a typo in the input must not pass for a guarantee."""
    typo = Scenario(charges_by_name, ({**ID, "custommer": "ada"},), PAYMENTS)
    right = replace(typo, inputs=({**ID, "customer": "ada"},))
    told = "shows nothing: without any fault the workflow fails (KeyError: 'customer')"
    for sweep in (crash_sweep(typo, depth=2), crash_sweep(typo, "steps"), lineage_search(typo, faults_max=1)):
        assert sweep.vacuous and not sweep.ok and sweep.guarantee == f"{sweep.trial.model}: {told}"
    assert crash_sweep(right).found and lineage_search(right, faults_max=1).smallest


def test_a_sweep_of_a_workflow_without_any_effect_shows_nothing() -> None:
    """Nothing of it can be lost or doubled."""
    sweep = crash_sweep(Scenario(says_hello, (ID,), PAYMENTS))
    assert any(case.hit for case in sweep.cases) and not sweep.ok
    assert sweep.guarantee == "replay: shows nothing: in calm weather this workflow has no effect"


def test_a_failure_that_is_meant_can_be_swept_and_is_told() -> None:
    """Sold out, and undone: the calm run fails, as the bounds say; a card that is declined by script, too."""
    sweep = crash_sweep(COMPENSATED)
    assert sweep.ok and set(sweep.verdicts) == {"compensated"} and "; verdicts: " in sweep.guarantee
    assert sweep.bounds.endswith("2 worker(s); without any fault the workflow fails (OutOfStock: inventory.reserve: "
                                 "fewer than 2 of lamp are left)")  # fmt: skip
    declined = Scenario(give_back_if_declined, (ID,), PAYMENTS, faults=(Script("payments", "charge", 1, "refuse"),))
    sweep = crash_sweep(declined)
    assert sweep.ok and set(sweep.verdicts) == {"compensated"} and "without any fault" not in sweep.bounds


def test_what_goes_wrong_is_told_even_if_nothing_was_hit() -> None:
    """A violation is worth more than the remark that the sweep is vacuous."""
    sweep = crash_sweep(PAY, at="worker_started", invariants=[lambda run: False])
    assert sweep.vacuous and sweep.guarantee == "replay: 3 of 3 runs go wrong"


@pytest.mark.parametrize("model", ["regular", "regular_rerun", "replay", "steps", "state_machine", "status_columns"])
def test_after_its_end_an_execution_cannot_be_hit(model: str) -> None:
    """Though its code may still be in the memory of a worker; one record before the end it can."""
    sweep = fault_sweep(PAY, model, faults=("crash", "pause", "deploy", "restart_server"), at="execution_ended")
    assert {case.hit for case in sweep.cases} == {0} and sweep.guarantee.endswith(NO_HIT)
    assert {case.fired for case in sweep.cases[1:4]} == {1}
    assert crash_sweep(PAY, model, at="effect").cases[1].hit == 1


def test_only_faults_that_struck_are_counted() -> None:
    """A state machine has no server to restart: these runs are no evidence, and the bounds name the family."""
    sweep = fault_sweep(PAY, "state_machine", faults=("crash", "restart_server"), at="payments.charge")
    assert sweep.ok and sweep.runs_by_depth == {0: 1, 1: 10} and sweep.fired_by_depth == {0: 1, 1: 5}
    assert " after each of 5 faults at the chosen places (11 runs; " in sweep.guarantee
    assert sweep.bounds.startswith("faults: crash, restart_server (never struck: restart_server); ")
    twin = fault_sweep(PAY, "replay", faults=("crash", "restart_server"), at="payments.charge")
    assert twin.never_struck == () and twin.bounds.startswith("faults: crash, restart_server; ")


def test_an_order_that_was_undone_because_of_a_fault_is_seen_in_the_guarantee() -> None:
    """Nothing is lost or doubled, and yet a lost reply costs the order: the verdicts say so; where all completed they
    are left out."""
    sweep = fault_sweep(Scenario(give_back_if_declined, (ID,), PAYMENTS), faults="error_after_effect")
    assert sweep.ok and sweep.guarantee.endswith("2 runs; 1 hit work in flight; verdicts: 1 completed, 1 compensated)")
    assert "undone out of order" in sweep.guarantee
    assert "verdicts" not in swept("pay").guarantee and "undone" not in swept("pay").guarantee


def test_each_execution_that_is_hit_is_booked_in_its_own_phase() -> None:
    """A crash at a place of one execution that hits another one only covers what that one was at."""
    sweep = crash_sweep(replace(of_two(PAY), workers=1), "replay", executions=None, at="execution_ended")
    first, last = (sweep.run(case).recording.strikes[0].hit for case in sweep.cases[1:])
    assert [len(first), len(last)] == [1, 0] and sweep.cases[1].placed[0].place.execution not in first
    assert sum(sweep.coverage.counts.values()) == 1 and not sweep.coverage.hits("end")


def test_a_word_that_no_place_has_is_refused_before_the_sweep() -> None:
    """At depth 1 after the calm run, deeper when all places are known."""
    ran: list[Place] = []

    def watched(where: Iterable[Place]) -> Iterator[Place]:
        for place in where:
            ran.append(place)
            yield place

    with pytest.raises(UnknownNameError, match="did you mean 'effect'"):
        crash_sweep(PAY, at=("effect", "efect"), progress=watched)
    assert ran == []
    with pytest.raises(UnknownNameError, match="did you mean 'effect'"):
        crash_sweep(PAY, at=("effect", "efect"), depth=2, progress=watched)
    assert len(ran) == 1


def test_a_sweep_that_hits_idle_workers_only_is_vacuous() -> None:
    """The runs are made, and show nothing."""
    sweep = crash_sweep(PAY, at="worker_started")
    assert (len(sweep.cases), sweep.vacuous, sweep.ok) == (3, True, False)


def test_the_text_shows_at_most_five_of_the_smallest_sets() -> None:
    """And says how many there are."""
    sweep = crash_sweep(KEYLESS)
    text = str(sweep)
    assert text.startswith("replay: 15 of 55 runs go wrong\n  faults: crash;")
    assert "\n15 smallest set(s) of faults, 5 of them shown:\n" in text
    assert text.count("duplicate_effect: ") == 5 and "\n  verdicts: 40 completed, 15 duplicate_effect\n" in text
    assert "smallest" not in str(swept("pay")) and repr(sweep) == text
    assert "replay: 15 of 55 runs go wrong" in sweep._repr_html_() and "D duplicate effect: 15" in sweep._repr_html_()


def test_json_has_the_counts_and_the_words() -> None:
    """The same numbers as the text, as plain data."""
    sweep = swept("pay twice")
    data = sweep.to_json()
    assert data == {
        "model": "replay",
        "depth": 1,
        "faults": ["crash"],
        "seed": 0,
        "crash_points": 14,
        "runs": 15,
        "verdicts": {"completed": 10, "duplicate_effect": 5},
        "violations": 5,
        "vacuous": False,
        "never_reached": [],
        "guarantee": "replay: 5 of 15 runs go wrong",
        "bounds": "faults: crash; executions: o-1; seed 0, 2 worker(s)",
        "smallest": [{"faults": [str(case)], "violations": list(map(str, case.violations))} for case in sweep.smallest],
        "coverage": sweep.coverage.to_json(),
    }
    assert str(sweep.smallest[0]) == "crash after request sent of payments.charge"


def test_a_fault_counts_as_fired_and_as_hit() -> None:
    """A crash of an idle worker fires and hits nothing; a scripted call always hits."""
    crashes = swept("pay").cases
    assert [(case.fired, case.hit) for case in (crashes[0], crashes[1], crashes[6])] == [(0, 0), (1, 0), (1, 1)]
    both = [case for case in swept("pay", faults=("lose_reply", "crash"), depth=2).cases if len(case.placed) == 2]
    assert (2, 2) in [(case.fired, case.hit) for case in both]
    server = fault_sweep(PAY, "regular", faults="restart_server")
    assert server.vacuous and {case.fired for case in server.cases} == {0}


def test_hits_are_counted_by_depth() -> None:
    """A run counts where each of its faults hit something."""
    sweep = swept("pay", depth=2)
    assert sweep.runs_by_depth == {0: 1, 1: 14, 2: 161} and sweep.hits_by_depth == {0: 1, 1: 10, 2: 59}
    assert swept("pay", faults=("refuse",)).hits_by_depth == {0: 1, 1: 1}


# --- checks of the user's own ---------------------------------------------------------------------------------------
def one_charge(run: Run) -> None:
    """A customer pays once."""
    charges = len(run.ledger)
    if charges != 1:
        raise AssertionError(f"{charges} charges")


def test_what_an_invariant_asserts_is_a_violation() -> None:
    """It is found beside what the verdicts say, and is silent where it holds."""
    assert crash_sweep(PAY, invariants=[one_charge]).ok
    violations = crash_sweep(PAY_TWICE, invariants=[one_charge]).found[0].violations
    assert violations[-1].found.startswith("2 charges (in one_charge, test_sweep.py line ")
    assert replace(violations[-1], found="") == Violation("invariant", None, "one_charge", "", "A customer pays once.")
    assert [violation.kind for violation in violations] == ["duplicate_effect", "imbalance", "invariant"]


def test_an_invariant_sees_what_the_oracles_found() -> None:
    """Invariants come last, and are given the run as it stands."""

    def refused(recording: Recording) -> Iterable[Violation]:
        yield Violation("refused", None, "all", "a run", "none")

    def sees(run: Run) -> bool:
        return [one.kind for one in run.findings] == ["refused"]

    sweep = crash_sweep(PAY, at="effect", oracles=[refused], invariants=[sees])
    assert {tuple(one.kind for one in case.violations) for case in sweep.cases} == {("refused",)}


def test_an_oracle_that_is_not_known_is_refused() -> None:
    """Oracles can be asked for by name."""
    with pytest.raises(UnknownNameError, match="unknown oracle 'no such'"):
        crash_sweep(PAY, oracles=["no such"])


def test_a_mark_that_is_never_reached_fails_the_sweep() -> None:
    """Though no check has anything against any run."""

    def marks(run: Run) -> None:
        sometimes("a crash", any(record.kind == kinds.WORKER_CRASHED for record in run.trace))
        sometimes("a refund", any(entry.kind == "payments.refund" for entry in run.ledger))

    sweep = crash_sweep(PAY, invariants=[marks])
    assert sweep.never_reached == ("a refund",) and not sweep.found and not sweep.ok
    assert sweep.guarantee == "replay: shows too little: never reached: a refund"
    assert sweep.to_json()["never_reached"] == ["a refund"]


# --- what is swept --------------------------------------------------------------------------------------------------
def test_by_default_the_first_execution_is_swept_alone() -> None:
    """One by default, as many as are asked for, or all."""
    counts = [len(crash_sweep(of_two(PAY), executions=count).cases[0].verdicts) for count in (1, 2, None)]
    assert counts == [1, 2, 2] and len(crash_sweep(of_two(PAY)).cases[0].verdicts) == 1


def test_two_executions_can_stand_in_each_others_way() -> None:
    """One lamp for two orders: one is compensated, whatever strikes."""
    lamps = shop(inventory={"options": {"stock": {"lamp": 1}}})
    inputs = tuple({"order_id": f"o-{n}", "items": [{"sku": "lamp", "quantity": 1}]} for n in (1, 2))
    sweep = crash_sweep(Scenario(correct_order(), inputs, lamps), executions=2, at=["effect", "request out"])
    assert {tuple(sorted(case.verdicts)) for case in sweep.cases} == {("compensated", "completed")}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("effect_applied", [7]),
        ("effect", [7]),
        ("reply", [8, 9]),
        ("payments.charge", [5, 6, 7, 8, 9]),
        (["effect", "end"], [7, 13]),
        (lambda place: place.at > 11, [12, 13]),
    ],
)
def test_places_can_be_chosen(at: Any, expected: list[int]) -> None:
    """By a word that a place has, by several, or by a condition."""
    sweep = crash_sweep(PAY, at=at)
    assert [case.placed[0].place.at for case in sweep.cases[1:]] == expected and not sweep.everywhere


def test_progress_is_told_of_the_places_of_the_first_fault() -> None:
    """Once for the whole sweep, however deep it goes."""
    told: list[list[int]] = []

    def progress(places: Iterable[Place]) -> Iterable[Place]:
        told.append([place.at for place in places])
        return places

    crash_sweep(PAY, depth=2, at="reply", progress=progress)
    assert told == [[8, 9]]


def test_the_seed_decides_the_latencies() -> None:
    """The same seed makes the same sweep; the run of a case has the seed of the sweep."""
    digests = [sweep.run(sweep.cases[0]).trace.digest() for sweep in (crash_sweep(ORDER, seed=s) for s in (1, 1, 2))]
    assert digests[0] == digests[1] != digests[2]
    assert crash_sweep(ORDER, seed=3, at="effect").seed == 3
    assert crash_sweep(ORDER, seed=3, at="effect").cases[0].verdicts == ("completed",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth is 0, expected 1 or more"),
        ({"executions": 0}, "executions is 0, expected 1 to 2, as many as there are inputs"),
        ({"executions": 3}, "executions is 3, expected 1 to 2, as many as there are inputs"),
        ({"faults": "crahs"}, "unknown family of faults 'crahs': did you mean 'crash'?"),
        ({"faults": ["crash", "proces"]}, "unknown family of faults 'proces': did you mean 'process'?"),
        ({"faults": ()}, "faults: there is none, expected at least one family, as in faults=('crash',)"),
        ({"model": "replya"}, "unknown execution model 'replya': did you mean 'replay'?"),
    ],
)
def test_arguments_that_make_no_sweep_are_refused(arguments: dict[str, Any], message: str) -> None:
    """With what was found, what is expected, and the nearest name."""
    with pytest.raises(UserError) as refused:
        fault_sweep(of_two(PAY), **arguments)
    assert str(refused.value) == message


def test_a_word_that_no_place_has_is_a_mistake() -> None:
    """Told with what it may have meant; a phase that is not reached is none."""
    with pytest.raises(UnknownNameError, match="'efect': did you mean 'effect'"):
        crash_sweep(PAY, at=["efect", "reply"])
    assert crash_sweep(PAY, at="compensation").vacuous
