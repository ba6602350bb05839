"""What people do to executions, and restarts of the server: who is reached, who is not, and how it is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.checks.owed import debts
from durable_sim.durations import SECOND
from durable_sim.library.approvals import approval_services, approve_purchase
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.models.registry import MODELS
from durable_sim.models.state_machine import StateMachineDefinition
from durable_sim.simulation.run import simulate
from durable_sim.world.faults import Cancel, Redrive, ServerRestart, Signal

ORDERS = ({"order_id": "o-1"}, {"order_id": "o-2"})
TAKERS = tuple(model for model, kind in MODELS.items() if "cancel" in kind.takes)
SERVERLESS = ("regular", "regular_rerun", "status_columns", "status_columns_transactional", "state_machine")
YES = Signal(at="2d", name="decide", arguments=("yes",))


def approval(*stimuli: Any, **settings: Any) -> ds.Scenario:
    """One purchase that waits for its approval."""
    purchase = {"purchase_id": "p-1", "amount": 40}
    return ds.Scenario(approve_purchase, (purchase,), approval_services(), stimuli=stimuli, **settings)


def orders(*faults: Any, inputs: Any = ORDERS, **settings: Any) -> ds.Scenario:
    """Orders that arrive together, in a calm world."""
    return ds.Scenario(correct_order(), tuple(inputs), shop(), tuple(faults), **settings)


def kinds(run: ds.Run, *wanted: str) -> list[tuple[str, str | None]]:
    """The records of these kinds, with whom they are about."""
    return [(record.kind, record.execution) for record in run.trace if record.kind in wanted]


# --- signals --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["replay", "steps"])
@pytest.mark.parametrize(("answer", "result"), [("yes", "paid"), ("no", "refused")])
def test_a_signal_reaches_the_execution_that_waits_for_it(model: str, answer: str, result: str) -> None:
    """Its argument decides; an answer to the contrary is owed nothing but the question."""
    run = ds.run_scenario(approval(replace(YES, arguments=(answer,))), model)
    assert run.executions[0].execution.result == result
    assert run.verdicts == {"completed": 1}
    assert kinds(run, "signal_received") == [("signal_received", "p-1")]
    (told,) = run.recording.stimuli
    assert told.hit == ["p-1"] and told.fired_us == 2 * 86_400 * SECOND


@pytest.mark.parametrize("model", ["replay", "steps"])
def test_without_its_signal_the_execution_has_another_end(model: str) -> None:
    """After a week nobody has decided: that is what the scenario owes then."""
    run = ds.run_scenario(approval(), model)
    assert run.executions[0].execution.result == "nobody has decided"
    assert run.verdicts == {"completed": 1}


def test_a_signal_that_is_lost_is_a_lost_effect() -> None:
    """The step engine drops an event that nobody waits for yet; the calm run of the scenario says what it owes."""
    early = approval(Signal(after="effect_applied", of="email.send", name="decide", arguments=("yes",)))
    assert ds.run_scenario(early, "replay").verdicts == {"completed": 1}
    missed = ds.run_scenario(early, "steps")
    assert missed.verdicts == {"lost_effect": 1}
    assert missed.recording.stimuli[0].fired_us is not None and missed.recording.stimuli[0].hit == []


@pytest.mark.parametrize("at", ["30d", "8d"])
def test_a_signal_to_an_execution_that_has_ended_has_not_fired(at: str) -> None:
    """The server refuses it, and the run ends as if it had not been sent."""
    run = ds.run_scenario(approval(replace(YES, at=at), horizon="60d"), "replay")
    assert [strike.fired_us for strike in run.recording.stimuli] == [None]
    assert run.executions[0].execution.result == "nobody has decided"


def test_a_signal_before_the_arrival_has_not_fired_and_one_at_it_has() -> None:
    """Nobody can be reached before there is anybody."""
    inputs = ({"purchase_id": "p-1", "amount": 4}, {"purchase_id": "p-2", "amount": 4})
    stimuli = tuple(replace(YES, at=at, target="p-2") for at in ("59s", "1m"))
    scenario = replace(approval(), inputs=inputs, arrivals=ds.Arrivals("1m"), stimuli=stimuli)
    recording = simulate(scenario, "replay", 0)
    assert [strike.fired_us for strike in recording.stimuli] == [None, 60 * SECOND]
    assert [one.result for one in recording.executions] == ["nobody has decided", "paid"]


def test_stimuli_are_no_faults() -> None:
    """A run whose only events from outside are stimuli has no fault plan, and is not vacuous."""
    run = ds.run_scenario(approval(YES), "replay")
    assert run.faults == {"planned": 0, "fired": 0, "hit": 0}
    assert not run.vacuous


@pytest.mark.parametrize("model", ["replay", "steps"])
def test_a_crash_after_any_record_does_not_lose_a_signal(model: str) -> None:
    """Signal, crash, and still paid: exactly once."""
    scenario = approval(YES)
    owed = debts(scenario, 0)
    for index in range(len(simulate(scenario, model, 0).trace)):
        run = ds.run_scenario(replace(scenario, faults=(ds.Crash(after_record=index),)), model, owed=owed)
        assert run.verdicts == {"completed": 1} and not run.violations, index
        assert run.executions[0].execution.result == "paid", index


@pytest.mark.parametrize("rpc_latency", ["0s", "3ms"])
def test_a_signal_may_come_after_any_record(rpc_latency: str) -> None:
    """Also in the middle of what server, worker or network are doing: the first yes that comes in time is heard."""
    options = {"replay": {"rpc_latency": rpc_latency}}
    calm = simulate(approval(YES, model_options=options), "replay", 0).trace
    before = next(record.index for record in calm if record.kind == "signal_received")
    outcomes = []
    for index in range(before):
        run = ds.run_scenario(approval(replace(YES, at=None, after_record=index), model_options=options), "replay")
        heard = run.recording.stimuli[0].fired_us is not None
        assert run.executions[0].execution.result == ("paid" if heard else "nobody has decided"), index
        assert run.check_replays() == (), index
        outcomes.append(heard)
    assert outcomes.count(True) > 10


# --- cancellations --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", TAKERS)
def test_a_cancellation_ends_the_execution_that_it_is_for(model: str) -> None:
    """The other order is none of its business."""
    cancel = Cancel(after="effect_applied", of="inventory.reserve", execution="o-2")
    run = ds.run_scenario(orders(cancel), model)
    assert [one.execution.status for one in run.executions] == ["completed", "failed"]
    assert kinds(run, "cancel_requested") == [("cancel_requested", "o-2")]
    assert run.faults == {"planned": 1, "fired": 1, "hit": 1}
    assert run.recording.strikes[0].hit == ["o-2"]


@pytest.mark.parametrize("model", SERVERLESS[:4])
def test_a_cancellation_as_a_fault_does_not_fire_where_nobody_listens(model: str) -> None:
    """It is counted as planned only, and the run is vacuous."""
    run = ds.run_scenario(orders(Cancel(at="200ms", target="o-1")), model)
    assert run.faults == {"planned": 1, "fired": 0, "hit": 0}
    assert run.vacuous and run.verdicts == {"completed": 2}


@pytest.mark.parametrize("model", TAKERS)
def test_what_has_ended_cannot_be_cancelled(model: str) -> None:
    """The request has not fired."""
    run = ds.run_scenario(orders(Cancel(at="1d", target="o-1")), model)
    assert run.faults["fired"] == 0 and run.verdicts == {"completed": 2}


def test_an_express_state_machine_cannot_be_stopped() -> None:
    """Nobody can stop one, so the fault does not fire."""
    options = {"state_machine": {"express": "express_async"}}
    run = ds.run_scenario(orders(Cancel(at="200ms", target="o-1"), model_options=options), "state_machine")
    assert run.faults["fired"] == 0


def test_a_cancellation_after_any_record_leaves_an_order_whole_or_undone() -> None:
    """Under replay the code hears of it, and undoes what it has done."""
    scenario = orders(inputs=ORDERS[:1])
    owed = debts(scenario, 0)
    fired = 0
    for index in range(len(simulate(scenario, "replay", 0).trace)):
        run = ds.run_scenario(replace(scenario, faults=(Cancel(after_record=index),)), "replay", owed=owed)
        assert not run.violations, index
        assert run.check_replays() == (), index
        fired += run.faults["hit"]
    assert fired > 30


def test_a_cancellation_without_a_target_is_for_whom_the_record_is_about() -> None:
    """A record that is about nobody means nobody, unless there is only one execution."""
    first = ds.run_scenario(orders(Cancel(after="effect_applied", of="payments.charge")), "replay")
    (record,) = [one for one in first.trace if one.kind == "cancel_requested"]
    charged = next(one.execution for one in first.trace if one.kind == "effect_applied")
    assert record.execution == charged
    assert ds.run_scenario(orders(Cancel(at="200ms")), "replay").faults["fired"] == 0
    alone = ds.run_scenario(orders(Cancel(at="200ms"), inputs=ORDERS[:1]), "replay")
    assert alone.recording.strikes[0].hit == ["o-1"]


# --- restarts of the server -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("downtime", ["0s", "45s"])
@pytest.mark.parametrize("model", ["replay", "steps"])
def test_a_restart_after_any_record_loses_nothing(model: str, downtime: str) -> None:
    """The order completes, every effect once, and the restart is seen in the trace when the server is back."""
    scenario = orders(inputs=ORDERS[:1])
    owed = debts(scenario, 0)
    hit = 0
    for index in range(len(simulate(scenario, model, 0).trace)):
        restarted = replace(scenario, faults=(ServerRestart(after_record=index, downtime=downtime),))
        run = ds.run_scenario(restarted, model, owed=owed)
        assert run.verdicts == {"completed": 1} and not run.violations, index
        assert len(kinds(run, "server_restarted")) == run.faults["fired"] == 1, index
        hit += run.faults["hit"]
    assert hit > 30


@pytest.mark.parametrize("model", ["replay", "steps"])
def test_a_restart_hits_what_is_open_on_the_server_then(model: str) -> None:
    """Of two orders a day apart, the first is over and the second has not come."""
    faults = (ServerRestart(at="1d"), ServerRestart(at="12h"))
    scenario = orders(*faults, arrivals=ds.Arrivals("1d"))
    strikes = {str(one.fault.at): one.hit for one in simulate(scenario, model, 0).strikes}
    assert strikes == {"12h": [], "1d": []}
    during = replace(scenario, faults=(ServerRestart(after="effect_applied", execution="o-2"),))
    assert [one.hit for one in simulate(during, model, 0).strikes] == [["o-2"]]


@pytest.mark.parametrize("model", ["replay", "steps"])
def test_a_server_that_is_down_cannot_go_down(model: str) -> None:
    """A second restart meanwhile has not fired, and does not put off the first one's end."""
    faults = (ServerRestart(at="100ms", downtime="1m"), ServerRestart(at="30s", downtime="1h"))
    run = ds.run_scenario(orders(*faults), model)
    assert run.faults == {"planned": 2, "fired": 1, "hit": 1}
    (back,) = [record.time_us for record in run.trace if record.kind == "server_restarted"]
    assert back == 60 * SECOND + 100_000


@pytest.mark.parametrize("model", ["replay", "steps"])
def test_nothing_goes_on_while_the_server_is_down(model: str) -> None:
    """No request is sent between the instant at which the server goes down and the one at which it is back."""
    run = ds.run_scenario(orders(ServerRestart(at="1s", downtime="1m")), model)
    sent = [record.time_us for record in run.trace if record.kind == "request_sent"]
    assert any(time_us < SECOND for time_us in sent) and any(time_us > 61 * SECOND for time_us in sent)
    assert not any(SECOND < time_us < 61 * SECOND for time_us in sent)


@pytest.mark.parametrize("model", SERVERLESS)
def test_where_there_is_no_server_a_restart_does_not_fire(model: str) -> None:
    """And changes nothing."""
    run = ds.run_scenario(orders(ServerRestart(at="200ms")), model)
    assert run.faults == {"planned": 1, "fired": 0, "hit": 0}
    assert run.trace.digest() == ds.run_scenario(orders(), model).trace.digest()


# --- triggers by execution ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("execution", ["o-1", "o-2"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_trigger_counts_the_records_of_its_execution_only(execution: str, nth: int) -> None:
    """The crash comes right after the nth reply to that order, whatever the other one has got by then."""
    crash = ds.Crash(after="reply_received", execution=execution, nth=nth)
    trace = list(simulate(orders(crash), "replay", 0).trace)
    crashed = next(record for record in trace if record.kind == "worker_crashed")
    before = [one for one in trace[: crashed.index] if (one.kind, one.execution) == ("reply_received", execution)]
    assert len(before) == nth and before[-1].index == crashed.index - 1


# --- what is refused ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stimuli", "text"),
    [
        ((replace(YES, target="p-3"),), "unknown execution 'p-3'"),
        ((Signal(after="timer_fired", execution="p_1", name="x", target="p-1"),), "unknown execution 'p_1'"),
        ((Signal(after="effect_aplied", name="x", target="p-1"),), "unknown kind of trace record 'effect_aplied'"),
        ((YES,), "signal: there are several executions, expected target='<id of one of them>'"),
        ((Cancel(after="timer_fired"),), "cancel: there are several executions, expected target="),
        ((ds.Crash(at="1s"),), "scenario: stimuli have Crash("),
    ],
)
def test_a_stimulus_that_cannot_be_meant_is_refused(stimuli: Any, text: str) -> None:
    """With what was found and what was expected."""
    inputs = ({"purchase_id": "p-1", "amount": 4}, {"purchase_id": "p-2", "amount": 4})
    with pytest.raises(ds.UserError) as caught:
        replace(approval(), inputs=inputs, stimuli=stimuli)
    assert text in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stimulus", [replace(YES, target="o-1"), Cancel(at="1s", target="o-1")])
def test_a_model_that_does_not_take_a_stimulus_says_which_do(stimulus: Any, model: str) -> None:
    """A scenario with signals asks nothing of regular code."""
    scenario = orders(stimuli=(stimulus,))  # written as a function of steps too
    takers = {"signal": ["replay", "steps"], "cancel": ["replay", "steps", "state_machine"]}[stimulus.kind]
    if model in takers:
        simulate(scenario, model, 0)
        return
    with pytest.raises(ds.UserError) as caught:
        simulate(scenario, model, 0)
    found = f"model {model} takes no stimulus of kind {stimulus.kind!r}"
    assert str(caught.value) == f"{found}; choose from {', '.join(takers)}"


def test_signals_reach_steps_in_their_own_idiom_only() -> None:
    """A common workflow has handlers that a step engine does not know: it is not run there, rather than blamed."""

    @ds.workflow
    async def wait(ctx: ds.WorkflowContext, purchase: Any) -> None:
        said: list[str] = []
        ctx.set_signal_handler("approve", said.append)
        await ctx.wait_condition(lambda: bool(said))

    scenario = ds.Scenario(wait, ({"purchase_id": "p-1"},), ds.library.shop(), stimuli=(YES,))
    with pytest.raises(ds.UserError, match=r"that is not in its own idiom \(workflow\(idioms=.*; choose from replay$"):
        simulate(scenario, "steps", 0)
    assert list(ds.compare_scenario(scenario).runs) == ["replay"]


# --- one execution alone --------------------------------------------------------------------------------------------
def test_alone_keeps_the_stimuli_of_one_execution() -> None:
    """By target, by the trigger's execution, or because there is only one; faults are left out."""
    inputs = ({"purchase_id": "p-1", "amount": 4}, {"purchase_id": "p-2", "amount": 4})
    stimuli = (replace(YES, target="p-1"), Cancel(after="timer_started", execution="p-2"))
    scenario = replace(approval(), inputs=inputs, stimuli=stimuli, faults=(ds.Crash(at="1s"),))
    first, second = scenario.alone(0), scenario.alone(1)
    assert (first.stimuli, first.execution_ids(), first.faults) == (stimuli[:1], ["p-1"], ())
    assert second.stimuli == (replace(stimuli[1], target="p-2"),)
    assert approval(YES).alone(0).stimuli == (replace(YES, target="p-1"),)


def test_alone_calls_an_execution_without_an_id_by_its_new_name() -> None:
    """The second of two nameless ones is the first where it is alone."""
    scenario = replace(approval(), inputs=({"amount": 4}, {"amount": 5}), stimuli=())
    (_, name) = scenario.execution_ids()
    alone = replace(scenario, stimuli=(replace(YES, target=name),)).alone(1)
    assert name == "approve_purchase-2"
    assert alone.execution_ids() == ["approve_purchase-1"] == [alone.stimuli[0].target]


def test_each_execution_owes_what_it_does_with_its_own_stimuli() -> None:
    """Approved, not decided, cancelled: each is judged by what it alone would have done, names or no names."""
    inputs = tuple({"amount": 4, "approver": name} for name in ("ada", "bob", "eve"))
    stimuli = (replace(YES, target="approve_purchase-1"), Cancel(at="1d", target="approve_purchase-3"))
    scenario = replace(approval(), inputs=inputs, stimuli=stimuli, faults=(ds.Crash(at="2d"),))
    run = ds.run_scenario(scenario, "replay")
    assert [one.execution.result for one in run.executions] == ["paid", "nobody has decided", None]
    assert {one.execution.id: len(one.violations) for one in run.executions}["approve_purchase-1"] == 0
    assert [len(debt.effects) for debt in debts(scenario, 0)] == [3, 1, 1]


# --- the same again -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["replay", "steps"])
def test_signals_cancellations_and_restarts_give_the_same_trace_twice(model: str) -> None:
    """To the byte."""
    faults = (ServerRestart(at="1d", downtime="3d"), ds.Crash(at="2d"))
    stimuli = (YES, Cancel(after="signal_received", nth=1))
    scenario = approval(*stimuli, faults=faults)
    first, second = (simulate(scenario, model, 5).trace for _ in range(2))
    assert first.digest() == second.digest()
    assert "cancel_requested" in [record.kind for record in first]


# --- a simulation that is driven step by step -----------------------------------------------------------------------
def test_a_driven_simulation_takes_faults_for_executions_to_come() -> None:
    """They are named by the ids that its user will give."""
    cancel = Cancel(at="1m", target="p-2")
    crash = ds.Crash(after="effect_applied", execution="p-1")
    sim = ds.Simulation(approve_purchase, services=approval_services(), faults=[cancel, crash])
    first, second = (sim.start(approve_purchase, {"purchase_id": one, "amount": 4}, id=one) for one in ("p-1", "p-2"))
    sim.advance("2m")
    assert (first.status, second.status) == ("RUNNING", "CANCELED")
    assert [record.kind for record in sim.trace].count("worker_crashed") == 1


# --- the end of chance ----------------------------------------------------------------------------------------------
def test_after_calm_after_no_process_fault_is_drawn() -> None:
    """Those before are the same as without, and one that is planned strikes later all the same."""
    storm = (ds.Crashes(every="1s", until="1h"), ds.Deploys(every="2s", until="1h"), ds.Crash(at="30m", worker="w1"))
    whole = [strike.fault for strike in simulate(orders(*storm), "replay", 3).strikes]
    calm = [strike.fault for strike in simulate(orders(*storm, calm_after="1m"), "replay", 3).strikes]
    early = [fault for fault in whole if ds.durations.duration_us(str(fault.at)) < 60 * SECOND]
    assert 60 < len(early) < 120 < len(whole)
    assert calm == [*early, storm[-1]]


# --- redrives -------------------------------------------------------------------------------------------------------
IMPATIENT = {
    "StartAt": "Charge",
    "States": {
        "Charge": {"Type": "Task", "Resource": "charge", "ResultPath": None, "Next": "Reserve"},
        "Reserve": {"Type": "Task", "Resource": "reserve", "ResultPath": None, "End": True},
    },
}
"""Two tasks that are not tried again."""


@ds.activity
async def charge(ctx: ds.ActivityContext, order: Any) -> None:
    """With a key."""
    await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)


@ds.activity
async def reserve(ctx: ds.ActivityContext, order: Any) -> None:
    """Without one."""
    await ctx.service("inventory").reserve("book", 1)


@ds.workflow(idioms={"state_machine": StateMachineDefinition(IMPATIENT, (charge, reserve))})
async def impatient(ctx: ds.WorkflowContext, order: Any) -> None:
    """The same, as a function."""
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    await ctx.execute_activity(reserve, order, start_to_close_timeout="30s")


def redriven(*stimuli: Any, crash: str, inputs: Any = ORDERS[:1]) -> ds.Run:
    """An order whose worker dies right after that request was sent."""
    fault = ds.Crash(after="request_sent", of=crash)
    scenario = ds.Scenario(impatient, tuple(inputs), shop(), (fault,), stimuli=stimuli)
    return ds.run_scenario(scenario, "state_machine")


AN_HOUR_LATER = Redrive(at="1h")


@pytest.mark.parametrize("when", [AN_HOUR_LATER, Redrive(after="execution_ended")])
def test_a_redrive_takes_a_failed_execution_up_where_it_ended(when: Redrive) -> None:
    """The charge of before counts: its key is the same; without the redrive the order stays half done."""
    assert redriven(crash="payments.charge").verdicts == {"orphaned_effect": 1}
    run = redriven(when, crash="payments.charge")
    assert run.verdicts == {"completed": 1} and run.ok
    (told,) = run.recording.stimuli
    assert told.hit == ["o-1"] and told.fired_us is not None
    assert "is taken up again where it ended (run 2)" in run.story()
    assert kinds(run, "execution_ended") == [("execution_ended", "o-1")] * 2


def test_a_redrive_does_a_task_again_whose_effect_was_there() -> None:
    """Taking up again is no more exactly once than a retry is: a reservation without a key is made twice."""
    run = redriven(AN_HOUR_LATER, crash="inventory.reserve")
    assert run.verdicts == {"duplicate_effect": 1}
    assert [entry.kind for entry in run.ledger].count("payments.charge") == 1


def test_a_redrive_of_what_has_not_failed_has_not_fired() -> None:
    """Not one of an open execution, nor of a completed one."""
    early = Redrive(after="request_sent", of="payments.charge")
    run = redriven(early, AN_HOUR_LATER, replace(AN_HOUR_LATER, at="2h"), crash="payments.charge")
    assert [strike.fired_us for strike in run.recording.stimuli] == [None, 3_600 * SECOND, None]


def test_a_redrive_is_for_one_execution() -> None:
    """The other order, which has failed too, stays as it is; two crashes, one redrive."""
    faults = [ds.Crash(after="request_sent", of="payments.charge", execution=one["order_id"]) for one in ORDERS]
    scenario = ds.Scenario(
        impatient,
        ORDERS,
        shop(),
        tuple(faults),
        stimuli=(replace(AN_HOUR_LATER, target="o-2"),),
        arrivals=ds.Arrivals("1m"),
    )
    run = ds.run_scenario(scenario, "state_machine")
    assert [one.execution.status for one in run.executions] == ["failed", "completed"]


@pytest.mark.parametrize("model", [model for model in MODELS if model != "state_machine"])
def test_only_state_machines_are_redriven(model: str) -> None:
    """Elsewhere a scenario with a redrive is refused before it runs."""
    with pytest.raises(ds.UserError, match=f"model {model} takes no stimulus of kind 'redrive'; choose from state_mac"):
        ds.run(impatient, ORDERS[0], model=model, stimuli=[AN_HOUR_LATER])
