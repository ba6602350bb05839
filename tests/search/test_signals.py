"""Signals that sweeps move: where they come, what is owed then, and what that finds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.files.token import Token, read_token
from durable_sim.library.approvals import approval_services, approve_purchase
from durable_sim.search.again import run_again
from durable_sim.search.deploys import deploy_sweep
from durable_sim.search.explorer import moves
from durable_sim.search.families import Settings, faults_at, strikes_at
from durable_sim.search.lineage import lineage_search
from durable_sim.search.places import places
from durable_sim.search.result import Sweep
from durable_sim.search.signals import alike, owed_with, signals_of, with_faults
from durable_sim.search.sweep import crash_sweep, fault_sweep
from durable_sim.search.trial import trial_of
from durable_sim.search.witness import witness
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import workflow
from durable_sim.workflows.failures import ApplicationError
from durable_sim.world.faults import Cancel, Crash, Signal
from tests.search.scenes import ID, PAY, PAYMENTS, charge, refund

GO = Signal(at="10m", name="go", arguments=({"by": "ada"},))


def stoppable(gives_back: bool) -> Any:
    """A charge, an hour in which somebody may stop the order, then the end: stopped orders fail."""

    @workflow(name="stoppable")
    async def stoppable(ctx: WorkflowContext, order: Any) -> str:
        said: list[Any] = []
        ctx.set_signal_handler("go", said.append)
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
        await ctx.sleep("5m")
        if said:
            if gives_back:
                await ctx.execute_activity(refund, order, start_to_close_timeout="30s")
            raise ApplicationError("stopped", type="Stopped")
        await ctx.sleep("1h")
        return "sold"

    return stoppable


def patient(gives_back: bool) -> Any:
    """A charge, and an hour in which somebody has to say go: else the order fails, a minute later."""

    @workflow(name="patient")
    async def patient(ctx: WorkflowContext, order: Any) -> str:
        said: list[Any] = []
        ctx.set_signal_handler("go", said.append)
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
        try:
            await ctx.wait_condition(lambda: bool(said), timeout="1h")
        except TimeoutError:
            await ctx.sleep("1m")
            if gives_back or not said:
                await ctx.execute_activity(refund, order, start_to_close_timeout="30s")
            raise ApplicationError("too late", type="TooLate") from None
        return "sold"

    return patient


def scenario(code: Any, *signals: Signal, **settings: Any) -> Scenario:
    """An order with signals."""
    return Scenario(code, (ID,), PAYMENTS, stimuli=signals or (GO,), horizon="3h", **settings)


@cache
def swept(maker: Any, gives_back: bool) -> Sweep:
    """One order, its signal anywhere."""
    return fault_sweep(scenario(maker(gives_back)), faults="signal")


# --- what a sweep finds -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("maker", "when"),
    [
        pytest.param(stoppable, "signal go after effect applied of payments.charge", id="earlier than it was to"),
        pytest.param(patient, "signal go after timer started no. 2", id="later than it was to"),
    ],
)
def test_a_bug_that_shows_only_if_a_signal_comes_at_another_instant(maker: Any, when: str) -> None:
    """The charge is left standing; where it is given back the same sweep finds nothing."""
    wrong, right = swept(maker, gives_back=False), swept(maker, gives_back=True)
    assert crash_sweep(wrong.trial.base.scenario).ok
    assert not wrong.ok and when in map(str, wrong.found)
    assert {case.violations[0].kind for case in wrong.found} == {"orphaned_effect"}
    assert right.ok and "signal" in right.guarantee + right.bounds


def test_a_signal_comes_once_and_wherever_its_execution_is_open() -> None:
    """Instead of when it was to: after each record of the run in which it never comes, but for those that refuse it."""
    sweep = swept(patient, gives_back=True)
    never = replace(scenario(patient(gives_back=True)), stimuli=())
    recording = simulate(never, "replay", 0)
    open_then = [one for one in places(recording) if one.execution and one.kind != "execution_ended"]
    assert {case.placed[0].place for case in sweep.cases[1:]} <= set(open_then)
    assert len(sweep.cases) - 1 >= len(open_then) - 2
    for case in sweep.cases[1:]:
        run = sweep.run(case)
        (strike,) = run.recording.stimuli
        assert strike.fault == case.faults[0] and strike.fired_us is not None
        assert (case.fired, case.hit) == (1, 1)
    assert sweep.coverage.families == ("signal",)


def test_two_faults_never_move_one_signal_twice() -> None:
    """To depth 2 it goes together with a crash, before it or after it."""
    at = ("effect_applied", "timer_started")
    sweep = fault_sweep(scenario(patient(gives_back=True)), faults=("signal", "crash"), depth=2, at=at)
    assert sweep.ok
    assert {tuple(one.family for one in case.placed) for case in sweep.cases} == {
        (),
        ("signal",),
        ("crash",),
        ("signal", "crash"),
        ("crash", "signal"),
        ("crash", "crash"),
    }


def test_each_of_two_signals_is_moved_and_both_are() -> None:
    """One that says the same as another is the same: the first of them is moved."""
    no = Signal(at="20m", name="no")
    two = scenario(patient(gives_back=True), GO, no, replace(GO, at="15m"))
    assert signals_of(two) == (GO, no)
    sweep = fault_sweep(two, faults="signal", depth=2, at="waiting")
    named = {tuple(fault.name for fault in case.faults if isinstance(fault, Signal)) for case in sweep.cases}
    assert named == {(), ("go",), ("no",), ("go", "no"), ("no", "go")}


def test_of_several_executions_each_signal_stays_with_its_own() -> None:
    """It is placed in the course of the one that it is for, and judged by what that one owes."""
    two = replace(
        scenario(patient(gives_back=False)),
        inputs=(ID, {"order_id": "o-2"}),
        stimuli=(replace(GO, target="o-1"), replace(GO, target="o-2")),
    )
    sweep = fault_sweep(two, faults="signal", executions=None)
    assert {(one.place.execution, one.fault.target) for case in sweep.cases for one in case.placed} == {  # type: ignore[union-attr]
        ("o-1", "o-1"),
        ("o-2", "o-2"),
    }
    assert {case.violations[0].execution for case in sweep.found} == {"o-1", "o-2"}


# --- what is owed then ------------------------------------------------------------------------------------------------
def test_what_is_owed_is_what_the_workflow_does_if_the_signal_comes_then() -> None:
    """In time the order is sold, after the hour it fails: both are right."""
    sweep = swept(patient, gives_back=True)
    assert sweep.verdicts.keys() == {"completed", "compensated"}
    trial = sweep.trial
    (early,) = owed_with(trial.base.scenario, [replace(GO, at=None, after="timer_started")], 0, trial.owed)
    (late,) = owed_with(trial.base.scenario, [replace(GO, at=None, after="timer_started", nth=2)], 0, trial.owed)
    assert (early[0].completes, late[0].completes) == (True, False)
    assert owed_with(trial.base.scenario, [Crash(at="1s")], 0, trial.owed) == (trial.owed,)


def test_where_the_calm_world_does_not_know_the_instant_either_is_fine() -> None:
    """There is no second attempt in it: as if the signal came when it was to, or never."""
    trial = swept(patient, gives_back=True).trial
    second = replace(GO, at=None, after="request_sent", of="payments.charge", nth=2)
    never, as_planned = owed_with(trial.base.scenario, [second], 0, trial.owed)
    assert (never[0].completes, as_planned) == (False, trial.owed)


def test_a_model_that_loses_a_signal_is_found() -> None:
    """A step function gets no event that comes before it waits; a workflow keeps the signal: it pays in time."""
    yes = Signal(at="1h", name="decide", arguments=("yes",))
    approval = Scenario(approve_purchase, ({"purchase_id": "p-1", "amount": 40},), approval_services(), stimuli=(yes,))
    kept, lost = (fault_sweep(approval, model, faults="signal") for model in ("replay", "steps"))
    assert kept.ok and {case.placed[0].place.phase for case in kept.cases[1:]} >= {"request out", "waiting"}
    assert {case.violations[0].kind for case in lost.found} == {"lost_effect"}
    assert "signal decide after request sent of email.send" in map(str, lost.found)
    waiting = [case for case in lost.cases[1:] if case.placed[0].place.phase == "waiting"]
    assert waiting and not all(case.violations for case in waiting)


# --- what is moved, and what is refused -------------------------------------------------------------------------------
def test_a_moved_signal_takes_the_place_of_the_scenario_s_own() -> None:
    """Faults besides it are added as ever."""
    moved = replace(GO, at=None, after="timer_started", execution="o-1")
    changed = with_faults(scenario(patient(gives_back=True)), [Crash(at="1s"), moved])
    assert (changed.stimuli, changed.faults) == ((moved,), (Crash(at="1s"),))
    assert alike(GO, moved) and hash(GO) != hash(moved)
    assert not alike(GO, replace(GO, name="stop")) and not alike(GO, replace(GO, arguments=()))
    assert not alike(replace(GO, target="o-1"), replace(GO, target="o-2")) and not alike(GO, Cancel(at="10m"))


def test_a_signal_that_the_scenario_does_not_send_cannot_be_moved() -> None:
    """Nor can one be moved twice: nothing is dropped in silence."""
    trial = trial_of(scenario(patient(gives_back=True)), "replay", 0)
    for faults in ([Signal(at="1s", name="stop")], [GO, GO]):
        with pytest.raises(UserError) as refused:
            trial.run(faults)
        assert str(refused.value).startswith(f"faults: signal {faults[-1].name!r} is none of the scenario's own (")
    with pytest.raises(UserError, match="scenario: faults have Signal"):
        replace(PAY, faults=(GO,))  # type: ignore[arg-type]


@pytest.mark.parametrize("search", [fault_sweep, partial(deploy_sweep, to=PAY.workflow)])
def test_a_scenario_without_signals_has_none_to_be_moved(search: Any) -> None:
    """A family that cannot strike is no guarantee."""
    with pytest.raises(UserError) as refused:
        search(PAY, faults=("crash", "signal"))
    assert str(refused.value) == (
        "faults: 'signal' moves the signals of a scenario, and this one sends none; give it some, as in "
        "stimuli=[Signal(at='1h', name='approve')]"
    )
    (place, *_) = places(simulate(PAY, "replay", 0))
    assert not strikes_at("signal", place, PAY) and not [*faults_at("signal", place, PAY, Settings())]


def test_a_search_by_lineage_moves_no_signals() -> None:
    """It is said, and by what they are moved."""
    with pytest.raises(UserError, match=r"^lineage: signals are moved by sweeps only, .*; fault_sweep moves them$"):
        lineage_search(scenario(patient(gives_back=True)), faults=("crash", "signal"))


def test_a_moved_signal_is_in_story_token_and_repetition() -> None:
    """Its arguments, too, which may be anything that JSON can say."""
    sweep = swept(patient, gives_back=False)
    found = witness(sweep.trial, sweep.smallest[0].faults)
    assert "Signal(after=" in found.faults_as_code
    token = read_token(found.token)
    assert isinstance(token, Token) and token.faults == found.faults
    run, same = run_again(token, scenario(patient(gives_back=False)))
    assert same and run.violations == found.run.violations


def test_moves_go_on_after_those_of_the_run_in_which_the_signal_comes() -> None:
    """Only where the signal is missing does the hour pass."""
    trial = trial_of(scenario(patient(gives_back=True)), "replay", 0)
    kinds = [place.kind for place, _ in moves(trial)]
    assert "timer_fired" in kinds and "timer_fired" not in [record.kind for record in trial.run(()).trace]
    moved = next(signal for place, signal in moves(trial) if place.kind == "timer_fired")
    assert [*moves(trial, [moved])] == []
