"""The model: functions on workers that crash, deploys, time-outs, task tokens, redrive, what is pending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND, duration_us
from durable_sim.models.executions import Execution
from durable_sim.world.services.payments import Payments
from tests.models.state_machine.driver import machine_of, task
from tests.models.state_machine.shop import ORDER, Simulated, simulate, workflow_of

RETRY = [{"ErrorEquals": ["States.ALL"]}]
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "N"}]


def function(name: str, body: Callable[[ds.ActivityContext, Any], Any]) -> Callable[..., Any]:
    """An activity of that name that awaits what `body` gives, or returns it."""

    @ds.activity(name=name)
    async def code(ctx: ds.ActivityContext, payload: Any) -> Any:
        found = body(ctx, payload)
        return await found if hasattr(found, "__await__") else found

    return code


async def _pay(ctx: ds.ActivityContext, payload: Any) -> Any:
    return await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)


async def _nap(ctx: ds.ActivityContext, payload: Any) -> str:
    await ctx.sleep("10s")
    return "rested"


async def _pay_late(ctx: ds.ActivityContext, payload: Any) -> Any:
    await ctx.sleep("10s")
    return await _pay(ctx, payload)


PAY, NAP, PAY_LATE = function("pay", _pay), function("nap", _nap), function("pay_late", _pay_late)


# --- functions ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "resource",
    ["pay", "arn:aws:lambda:eu-west-1:123456789012:function:pay:prod", "arn:aws:states:eu-west-1:1:activity:pay"],
)
def test_a_resource_names_a_function(resource: str) -> None:
    """A bare name, the last part of a Lambda's ARN, an activity's: the activity of that name is called."""
    states = machine_of(T={**task(), "Resource": resource})
    played = simulate(workflow_of(states, PAY)).run()
    assert (played.execution.status, played.made) == ("completed", ["payments.charge"])
    assert played.execution.result["status"] == "succeeded"


def test_the_invoke_integration_wraps_payload_and_result() -> None:
    """The function gets the Payload; the state gets it back in an answer with a StatusCode."""
    invoke = task(
        Parameters={"FunctionName": "arn:aws:lambda:us-east-1:1:function:echo", "Payload": {"x.$": "$.order_id"}}
    )
    invoke["Resource"] = "arn:aws:states:::lambda:invoke"
    played = simulate(workflow_of(machine_of(T=invoke), function("echo", lambda ctx, payload: payload))).run()
    assert played.execution.result["StatusCode"] == 200
    assert played.execution.result["Payload"] == {"x": "o-1"}


def test_an_error_of_users_code_has_the_name_that_it_was_given() -> None:
    """An ApplicationError's type is the error's name, its message is in the cause."""

    def refuse(ctx: ds.ActivityContext, payload: Any) -> Any:
        raise ds.ApplicationError("too dear", "Budget")

    catch = [{"ErrorEquals": ["Budget"], "Next": "S"}]
    states = machine_of(T=task("refuse", Catch=catch), S={"Type": "Succeed"})
    result = simulate(workflow_of(states, function("refuse", refuse))).run().execution.result
    assert result == {"Error": "Budget", "Cause": '{"errorMessage":"too dear","errorType":"Budget","trace":[]}'}


def test_a_function_that_nobody_has_is_refused_beforehand() -> None:
    """A definition that names no activity of the workflow is the user's mistake, told when it starts."""
    with pytest.raises(ds.UserError, match=r"state 'T' calls 'f', and there is no activity of that name; define it"):
        simulate(workflow_of(machine_of(T=task()))).run()


def test_functions_are_called_on_the_workers_in_turn() -> None:
    """Round robin over the living."""
    states = machine_of(A=task("nap", Next="B"), B=task("nap", Next="C"), C=task("nap"))
    played = simulate(workflow_of(states, NAP), ds.Crash(at="25s", worker="w1", restart_after="1h"), workers=3).run()
    assert [record.worker for record in played.of("task_started")] == ["w1", "w2", "w3"]


def test_a_call_waits_for_a_worker() -> None:
    """Without a living worker nothing is called; the time of the task does not run yet."""
    gone = ds.Crash(at="0s", worker="w1", restart_after="1m")
    played = simulate(workflow_of(machine_of(T=task("nap", TimeoutSeconds=20)), NAP), gone, workers=1).run("30s")
    assert played.model.pending(played.execution) == "nap, attempt 1, waiting for a worker"
    assert played.run().execution.result == "rested"
    assert played.of("task_started")[0].time_us == 60 * SECOND


def test_a_call_that_nobody_wants_any_more_is_not_made() -> None:
    """An execution that is stopped while its call waits for a worker has no function called."""
    gone = ds.Crash(at="0s", worker="w1", restart_after="1m")
    played = simulate(workflow_of(machine_of(T=task("nap")), NAP), gone, workers=1).run("30s")
    played.model.stop(played.execution)
    assert played.run().of("task_started") == []
    assert played.execution.status == "failed"


# --- crashes --------------------------------------------------------------------------------------------------------
def crashed(resource: str = "nap", **fields: Any) -> Simulated:
    """A nap on a worker that dies in it."""
    states = machine_of(T={**task("nap", **fields), "Resource": resource})
    return simulate(workflow_of(states, NAP), ds.Crash(at="5s", worker="w1"), crash_notice="3s").run()


def test_a_crash_fails_the_call_a_little_later() -> None:
    """Lambda.Unknown, `crash_notice` after the crash; without a Retry it fails the execution."""
    played = crashed()
    assert played.execution.failure is not None
    assert played.execution.failure.type == "Lambda.Unknown"
    assert played.execution.ended_us == duration_us("8s")


def test_a_retry_calls_the_function_again_elsewhere() -> None:
    """The state machine itself loses nothing."""
    played = crashed(Retry=[{"ErrorEquals": ["Lambda.Unknown"]}])
    assert (played.execution.status, [one.worker for one in played.of("task_started")]) == ("completed", ["w1", "w2"])
    assert [one.data["delay_us"] for one in played.of("backoff_begun") if one.data] == [SECOND]


def test_what_a_crash_is_called_can_be_chosen() -> None:
    """A retrier that knows only the errors that the service's own samples list helps where the crash is one of them."""
    samples = ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"]
    states = machine_of(T=task("nap", Retry=[{"ErrorEquals": samples}]))
    ended = [
        simulate(workflow_of(states, NAP), ds.Crash(at="5s", worker="w1"), crash_error=name).run().execution.status
        for name in ("Lambda.Unknown", "Lambda.ServiceException")
    ]
    assert ended == ["failed", "completed"]


def test_of_the_death_of_an_activitys_worker_nobody_hears() -> None:
    """Without a time-out the execution is stuck for ever; with a heartbeat's it is noticed."""
    arn = "arn:aws:states:us-east-1:1:activity:nap"
    stuck = crashed(arn, Retry=RETRY)
    assert (stuck.execution.status, stuck.model.pending(stuck.execution)) == ("open", None)
    noticed = crashed(arn, Retry=RETRY, HeartbeatSeconds=11)
    assert (noticed.execution.status, noticed.types.count("ActivityTimedOut")) == ("completed", 1)


# --- Lambda's own time-out ------------------------------------------------------------------------------------------
async def _train(ctx: ds.ActivityContext, payload: Any) -> str:
    try:
        await ctx.sleep("890s")
        await ctx.service("payments").charge("ada", 40)
        await ctx.sleep("1h")
    except BaseException:
        await ctx.service("inventory").reserve("book", 1)
        raise
    await ctx.service("email").send("ada", "trained")
    return "trained"


TRAIN = function("train", _train)


def test_a_lambda_function_is_cut_off_after_its_fifteen_minutes() -> None:
    """Sandbox.Timedout, then: what it had done stands, and none of its code runs any more, `except` blocks neither."""
    played = simulate(workflow_of(machine_of(T=task("train")), TRAIN)).run()
    assert played.execution.failure is not None
    assert played.execution.failure.type == "Sandbox.Timedout"
    assert "Task timed out after 900.00 seconds" in played.execution.failure.message
    assert played.of("result_recorded")[0].time_us - played.of("task_started")[0].time_us == duration_us("15m")
    assert played.made == ["payments.charge"]


def test_a_lambda_that_is_cut_off_is_retried_like_any_other_error() -> None:
    """A retrier for Sandbox.Timedout calls it again, and it is cut off again."""
    retry = [{"ErrorEquals": ["Sandbox.Timedout"], "MaxAttempts": 2}]
    played = simulate(workflow_of(machine_of(T=task("train", Retry=retry)), TRAIN), lambda_timeout="14m55s").run()
    assert (played.execution.status, len(played.of("task_started"))) == ("failed", 3)
    assert played.made == ["payments.charge"] * 3


def test_what_a_lambda_had_in_flight_when_it_was_cut_off_still_lands() -> None:
    """The request is on its way; the effect comes, the reply finds nobody, and the worker itself lives on."""

    async def pays(ctx: ds.ActivityContext, payload: Any) -> None:
        await ctx.sleep("1s")
        await ctx.service("payments").charge("ada", 40)
        await ctx.service("inventory").reserve("book", 1)

    late = {"payments": ds.ServiceSpec(Payments, latency=ds.Constant("4s"))}
    workflow = workflow_of(machine_of(T=task("pays", Catch=CATCH), N=task("nap")), function("pays", pays), NAP)
    played = simulate(workflow, services=late, workers=1, lambda_timeout="11s").run()
    assert played.made == ["payments.charge", "inventory.reserve"]
    played = simulate(workflow, services=late, workers=1, lambda_timeout="2s").run("1m")
    assert played.made == ["payments.charge"] and played.of("reply_received") == []
    assert [one.worker for one in played.of("task_started")] == ["w1", "w1"]


def test_a_lambda_is_cut_off_while_its_worker_stands_still() -> None:
    """Whoever thaws the worker afterwards does not find the call in it any more."""
    still = ds.Pause(at="5s", worker="w1", lasts="5m")
    played = simulate(workflow_of(machine_of(T=task("pay_late")), PAY_LATE), still, lambda_timeout="1m").run()
    assert played.execution.failure is not None and played.execution.failure.type == "Sandbox.Timedout"
    assert played.made == []


def test_an_environment_that_a_deploy_waits_for_is_free_once_its_call_is_cut_off() -> None:
    """A graceful stop does not wait for code that is dead."""
    deploy = ds.Deploy(at="5s", grace="1h", rolling=False)
    played = simulate(workflow_of(machine_of(T=task("train")), TRAIN), deploy, workers=1, lambda_timeout="1m").run()
    assert [one.time_us // SECOND for one in played.of("worker_stopped")] == [60]


def test_the_worker_of_an_activity_has_no_such_limit() -> None:
    """It polls, and may work for hours."""
    activity = {**task(), "Resource": "arn:aws:states:us-east-1:1:activity:train"}
    played = simulate(workflow_of(machine_of(T=activity), TRAIN)).run()
    assert (played.execution.result, len(played.of("task_started"))) == ("trained", 1)
    assert played.made == ["payments.charge", "email.send"]


def test_heartbeats_of_an_activity_reach_the_service() -> None:
    """An activity that says that it lives is not given up."""

    async def beats(ctx: ds.ActivityContext, payload: Any) -> str:
        for _ in range(5):
            await ctx.sleep("2s")
            ctx.heartbeat()
        return "alive"

    states = machine_of(T={**task(HeartbeatSeconds=3), "Resource": "arn:aws:states:us-east-1:1:activity:beats"})
    assert simulate(workflow_of(states, function("beats", beats))).run().execution.result == "alive"


# --- time-outs ------------------------------------------------------------------------------------------------------
def test_the_effect_of_a_late_result_stands_and_the_result_is_refused() -> None:
    """The service stops waiting and tries again; the first call charges all the same, a second time without a key."""

    async def slow(ctx: ds.ActivityContext, payload: Any) -> str:
        if ctx.attempt == 1:
            await ctx.sleep("10s")
        await ctx.service("payments").charge("ada", 40)
        return f"attempt {ctx.attempt}"

    states = machine_of(
        T=task("slow", TimeoutSeconds=5, Retry=RETRY, Next="W"), W={"Type": "Wait", "Seconds": 60, "End": True}
    )
    played = simulate(workflow_of(states, function("slow", slow))).run()
    assert played.execution.result == "attempt 2"
    assert played.made == ["payments.charge", "payments.charge"]
    assert [one.data for one in played.of("attempt_timed_out")] == [{"timeout": "START_TO_CLOSE"}]
    assert [one.attempt for one in played.of("result_refused")] == [1]


# --- deploys --------------------------------------------------------------------------------------------------------
def version(word: str, last: str) -> Callable[..., Any]:
    """A state machine that waits a minute between two calls; the code of its function says which version it is."""
    say = function("say", lambda ctx, payload: word)
    states = machine_of(
        First=task("say", ResultPath="$.first", Next="W"),
        W={"Type": "Wait", "Seconds": 60, "Next": last},
        **{last: task("say", ResultPath="$.last")},
    )
    return workflow_of(states, say)


def test_a_deploy_changes_the_code_of_functions_and_not_the_definition_of_what_runs() -> None:
    """The execution goes on in its own states, with the new code; one that starts later has the new definition."""
    orders = ({"order_id": "o-1"}, {"order_id": "o-2"})
    deploy = ds.Deploy(at="30s", version="new")
    versions = {"new": version("new", "NewEnd")}
    played = simulate(version("old", "OldEnd"), deploy, versions=versions, inputs=orders, every="45s").run("10m")
    assert [(one.result["first"], one.result["last"]) for one in played.executions] == [("old", "new"), ("new", "new")]
    assert [states_of(played, one) for one in played.executions] == [["First", "OldEnd"], ["First", "NewEnd"]]


def states_of(played: Simulated, execution: Execution) -> list[str]:
    """The task states that an execution entered."""
    history = played.model.history(execution)
    return [event.details["name"] for event in history if event.type == "TaskStateEntered"]


# --- task tokens ----------------------------------------------------------------------------------------------------
def asking(**fields: Any) -> dict[str, Any]:
    """A state that hands its task token to a function, and waits for who gets it."""
    payload = {"token.$": "$$.Task.Token"}
    state = task(Parameters={"FunctionName": "ask", "Payload": payload}, **fields)
    return {**state, "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}


def asked(answer: Callable[[ds.ActivityContext, str], Any], **fields: Any) -> Simulated:
    """Such a state, and a function that does something with the token."""
    code = function("ask", lambda ctx, payload: answer(ctx, payload["token"]))
    return simulate(workflow_of(machine_of(T=asking(**fields), S={"Type": "Succeed"}), code))


def test_who_has_the_token_ends_the_task() -> None:
    """The function returns at once; the task ends when somebody answers."""
    tokens: list[str] = []
    played = asked(lambda ctx, token: tokens.append(token), Next="S").run("1h")
    assert played.model.pending(played.execution) is None  # nothing that the simulation knows will ever answer
    assert played.model.answer(tokens[0], {"approved": True}) is True
    played.run("2h")
    assert played.execution.result == {"approved": True}
    assert played.types[2:7] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded", "TaskStateExited"]


def test_the_first_answer_counts_and_later_ones_are_refused() -> None:
    """A second answer, one after the time-out and one with an invented token change nothing."""
    tokens: list[str] = []
    retry = [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}]
    played = asked(lambda ctx, token: tokens.append(token), Next="S", TimeoutSeconds=60, Retry=retry).run("90s")
    late, current = tokens
    assert played.model.answer(late, 1) is False
    assert played.model.answer("invented", 2) is None
    assert played.model.answer(current, 3) is True
    assert played.model.fail(current, "No", "") is False
    assert played.run("1h").execution.result == 3


def test_code_answers_through_the_states_service() -> None:
    """An activity that holds a token calls the service like any other, over the network."""

    async def answer_itself(ctx: ds.ActivityContext, token: str) -> None:
        await ctx.service("states").send_task_heartbeat(token)
        await ctx.service("states").send_task_success(token, {"by": "itself"})

    assert asked(answer_itself, Next="S").run().execution.result == {"by": "itself"}


def test_a_refused_answer_is_an_error_of_the_caller() -> None:
    """An answer that comes too late raises TaskTimedOut in the code that gives it, an unknown one TaskDoesNotExist."""
    seen: list[str] = []

    async def twice(ctx: ds.ActivityContext, token: str) -> None:
        states = ctx.service("states")
        await states.send_task_failure(token, "Refused", "no")
        for one in (token, "invented"):
            try:
                await states.send_task_success(one, 1)
            except ds.Rejected as error:
                seen.append(type(error).__name__)

    played = asked(twice, Next="S").run()
    assert seen == ["TaskTimedOut", "TaskDoesNotExist"]
    assert played.execution.failure is not None
    assert played.execution.failure.type == "Refused"


def test_a_heartbeat_keeps_a_token_alive() -> None:
    """HeartbeatSeconds counts from the last heartbeat."""
    tokens: list[str] = []
    played = asked(lambda ctx, token: tokens.append(token), Next="S", HeartbeatSeconds=60)
    for minute in range(1, 5):
        played.run(f"{minute * 50}s")
        assert played.model.beat(tokens[0]) is True
    assert played.run("1h").execution.failure is not None
    assert played.execution.ended_us is not None
    assert 259 * SECOND < played.execution.ended_us < 261 * SECOND


# --- stop, redrive --------------------------------------------------------------------------------------------------
def test_a_redrive_goes_on_with_the_same_keys_and_code_that_was_mended() -> None:
    """The execution is open again, runs its failed task with the new code, and completes."""

    def fails(ctx: ds.ActivityContext, payload: Any) -> Any:
        raise ds.ApplicationError("broken")

    states = machine_of(A=task("pay", ResultPath=None, Next="B"), B=task("step"))
    broken = workflow_of(states, PAY, function("step", fails))
    mended = workflow_of(states, PAY, function("step", lambda ctx, payload: ctx.idempotency_key))
    played = simulate(broken, ds.Deploy(at="30s", version="mended"), versions={"mended": mended}).run("1m")
    assert played.execution.status == "failed"
    assert played.model.redrive(played.execution) == ["o-1"]
    played.run("2m")
    assert (played.execution.status, played.execution.result) == ("completed", "o-1/2")
    assert played.made == ["payments.charge"]
    assert "ExecutionRedriven" in played.types
    assert len(played.of("execution_restarted")) == 1


def test_what_completed_cannot_be_redriven() -> None:
    """Nor can what ended more than 14 days ago, or an Express execution."""
    fails = workflow_of(machine_of(F={"Type": "Fail", "Error": "E"}))
    refused = [
        simulate(workflow_of(machine_of(S={"Type": "Succeed"}))).run("1m"),
        simulate(fails).run("15d"),
        simulate(fails, express="express_sync").run("1m"),
    ]
    for played in refused:
        before = played.types
        assert played.model.redrive(played.execution) is None
        assert played.run().types == before


def test_a_history_without_room_for_two_events_is_not_redriven() -> None:
    """The redrive itself is an event, and one more must fit: as the service has it, fewer than the limit less one."""
    fails = workflow_of(machine_of(F={"Type": "Fail", "Error": "E"}))  # started, entered, failed: three events
    full = simulate(fails, history_limit=4).run("1m")
    assert len(full.types) == 3 and full.model.redrive(full.execution) is None
    roomy = simulate(fails, history_limit=5).run("1m")
    assert roomy.model.redrive(roomy.execution) == ["o-1"]
    assert roomy.run("2m").types[3:] == ["ExecutionRedriven", "ExecutionFailed"]


def test_a_redriven_map_begins_a_child_anew_whose_history_is_full() -> None:
    """The child runs from its first state, under the same name and so the same keys; it does not hang its parent."""
    broken: list[Any] = [True]

    def step(ctx: ds.ActivityContext, payload: Any) -> str:
        if broken and broken.pop():
            raise ds.ApplicationError("broken")
        return ctx.idempotency_key

    passes = {f"P{place}": {"Type": "Pass", "Next": f"P{place + 1}"} for place in range(9)}
    child = machine_of(**passes, P9=task("step"))
    child["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    states = machine_of(M={"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": child, "End": True})
    order = {**ORDER, "items": [1]}
    played = simulate(workflow_of(states, function("step", step)), inputs=(order,), history_limit=25).run("1m")
    assert played.execution.status == "failed"
    assert played.model.redrive(played.execution) == ["o-1"]
    played.run("2m")
    assert (played.execution.status, played.execution.result) == ("completed", ["o-1/M:1/0/10"])


def test_a_stopped_execution_fails_and_its_function_runs_on() -> None:
    """StopExecution does not interrupt a call: its effect comes all the same, its result is refused."""

    async def late(ctx: ds.ActivityContext, payload: Any) -> None:
        await ctx.sleep("10s")
        await ctx.service("payments").charge("ada", 40)

    played = simulate(workflow_of(machine_of(T=task("late")), function("late", late))).run("5s")
    played.model.stop(played.execution, "Enough", "by hand")
    played.run("1m")
    assert (played.execution.status, played.made) == ("failed", ["payments.charge"])
    assert len(played.of("result_refused")) == 1


# --- the trace, what is pending -------------------------------------------------------------------------------------
def test_the_trace_tells_the_steps() -> None:
    """A retried task, a wait and the end, in the records that every model makes."""
    attempts: list[int] = []

    def flaky(ctx: ds.ActivityContext, payload: Any) -> int:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ds.ApplicationError("not yet")
        return ctx.attempt

    states = machine_of(T=task("flaky", Retry=RETRY, Next="W"), W={"Type": "Wait", "Seconds": 3, "End": True})
    played = simulate(workflow_of(states, function("flaky", flaky))).run()
    attempt = ["task_started", "result_reported", "result_recorded"]
    assert [record.kind for record in played.trace if record.execution == "o-1"] == [
        "execution_started",
        "task_scheduled",
        *attempt,
        "backoff_begun",
        "backoff_ended",
        "task_scheduled",
        *attempt,
        "task_completed",
        "timer_started",
        "timer_fired",
        "execution_ended",
    ]
    assert {record.step for record in played.of("task_scheduled") + played.of("task_completed")} == {1}
    assert {record.subject for record in played.of("backoff_begun")} == {"flaky"}


def test_a_wait_that_is_called_off_never_fires() -> None:
    """The trace says that the timer was cancelled; its time passes without a word."""
    branches = [machine_of(W={"Type": "Wait", "Seconds": 60, "End": True}), machine_of(T=task("refuse"))]

    def refuse(ctx: ds.ActivityContext, payload: Any) -> Any:
        raise ds.ApplicationError("no")

    catch = [{"ErrorEquals": ["States.ALL"], "Next": "L"}]
    states = machine_of(
        P={"Type": "Parallel", "Branches": branches, "Catch": catch, "End": True},
        L={"Type": "Wait", "Seconds": 600, "End": True},
    )
    played = simulate(workflow_of(states, function("refuse", refuse))).run()
    assert (len(played.of("timer_started")), len(played.of("timer_cancelled")), len(played.of("timer_fired"))) == (
        2,
        1,
        1,
    )


def test_results_may_be_dataclasses() -> None:
    """What a function returns goes on as JSON data."""

    @dataclass
    class Parcel:
        weight: int

    states = machine_of(T=task("weigh", OutputPath="$.weight"))
    assert simulate(workflow_of(states, function("weigh", lambda ctx, one: Parcel(3)))).run().execution.result == 3


def test_what_is_pending_is_told_in_words() -> None:
    """A call says where it is, a wait until when; what has ended waits for nothing."""
    states = machine_of(T=task("nap", Next="W"), W={"Type": "Wait", "Seconds": 60, "End": True})
    played = simulate(workflow_of(states, NAP)).run("5s")
    assert played.model.pending(played.execution) == "nap, attempt 1, running on w1"
    assert played.run("20s").model.pending(played.execution) == "state W waits until 70.040s"
    assert played.run().model.pending(played.execution) is None


def test_children_of_a_distributed_map_have_keys_of_their_own() -> None:
    """Each child execution pays once, under its own name."""
    keys: list[str] = []

    async def note(ctx: ds.ActivityContext, payload: Any) -> Any:
        keys.append(ctx.idempotency_key)
        return await _pay(ctx, payload)

    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **machine_of(I=task("note"))}
    states = machine_of(M={"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True})
    order = {**ORDER, "items": [1, 2]}
    played = simulate(workflow_of(states, function("note", note)), inputs=(order,)).run()
    assert keys == ["o-1/M:1/0/1", "o-1/M:1/1/1"]
    assert played.made == ["payments.charge", "payments.charge"]
    assert len(played.of("child_started")) == len(played.of("child_ended")) == 2


# --- express --------------------------------------------------------------------------------------------------------
PAID_TWICE = machine_of(T=task("pay", Retry=RETRY))


def test_an_asynchronous_express_execution_may_run_twice() -> None:
    """Started twice, each of its steps is called twice; keys of the execution's name make one charge of it."""
    played = simulate(workflow_of(PAID_TWICE, PAY), express="express_async", started_twice=1.0).run()
    assert len(played.of("task_started")) >= 2
    assert played.made == ["payments.charge"]
    assert (played.execution.status, played.execution.runs) == ("completed", 2)
    assert len(played.of("execution_ended")) == 1


def test_an_asynchronous_express_execution_begins_again_when_its_host_dies() -> None:
    """At least once: the second run starts from the top."""
    nap_then_pay = machine_of(A=task("nap", Next="B"), B=task("nap", Next="C"), C=task("pay"))
    several = [
        simulate(workflow_of(nap_then_pay, NAP, PAY), express="express_async", host_dies=1.0, seed=seed).run()
        for seed in range(8)
    ]
    assert {one.execution.status for one in several} == {"completed"}
    assert {one.execution.runs for one in several} == {1, 2}  # some hosts would have died later than the end


def test_a_synchronous_express_execution_is_lost_with_its_host() -> None:
    """At most once: it fails, and nothing runs again."""
    nap_then_pay = machine_of(A=task("nap", Next="B"), B=task("nap", Next="C"), C=task("pay"))
    several = [
        simulate(workflow_of(nap_then_pay, NAP, PAY), express="express_sync", host_dies=1.0, seed=seed).run()
        for seed in range(8)
    ]
    assert {one.execution.status for one in several} == {"completed", "failed"}
    assert {one.execution.runs for one in several} == {1}


def test_an_express_execution_lasts_five_minutes_at_most() -> None:
    """It times out as a whole."""
    states = machine_of(W={"Type": "Wait", "Seconds": 600, "End": True})
    played = simulate(workflow_of(states), express="express_sync").run()
    assert played.execution.ended_us == duration_us("5m")
    assert played.types[-1] == "ExecutionTimedOut"


def test_an_express_history_has_no_limit() -> None:
    """A loop runs until its time is over, however many events it makes."""
    rule = {"Variable": "$.order_id", "StringEquals": "another", "Next": "S"}
    loop = {"Type": "Choice", "Choices": [rule], "Default": "W"}
    states = machine_of(W={"Type": "Wait", "Seconds": 1, "Next": "C"}, C=loop, S={"Type": "Succeed"})
    played = simulate(workflow_of(states), express="express_async", history_limit=100).run()
    assert (played.types[-1], len(played.types) > 1_000) == ("ExecutionTimedOut", True)
    standard = simulate(workflow_of(states), history_limit=100).run()
    assert (standard.types[-1], len(standard.types)) == ("ExecutionFailed", 100)


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (asking(), "waits for a task token"),
        ({**task(), "Resource": "arn:aws:states:us-east-1:1:activity:ask"}, "is an activity"),
        ({**task(), "Resource": "arn:aws:states:::states:startExecution.sync"}, "waits for a job"),
        ({**task(), "Resource": "arn:aws:states:::states:startExecution.sync:2"}, "waits for a job"),
    ],
)
def test_what_express_does_not_have_is_refused(state: dict[str, Any], what: str) -> None:
    """Task tokens, activities and jobs that are waited for are for Standard workflows."""
    names = ("ask", "states:startExecution.sync", "states:startExecution.sync:2")
    codes = [function(name, lambda ctx, payload: None) for name in names]
    with pytest.raises(ds.UserError, match=rf"state 'T' {what}.*, which Express workflows do not have"):
        simulate(workflow_of(machine_of(T=state), *codes), express="express_async").run()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"express": "fast"}, "express is 'fast', expected one of standard, express_async, express_sync"),
        ({"started_twice": 2.0}, "expected probabilities"),
        ({"express": "express_sync", "transition_latency": "0s"}, "transition_latency is 0s"),
        ({"lambda_timeout": "1h"}, "lambda_timeout is '1h', expected more than 0s and at most 15m"),
        ({"lambda_timeout": "0s"}, "lambda_timeout is '0s', expected more than 0s"),
        ({"crash_error": "States.ALL"}, "crash_error is 'States.ALL', expected the name of an error of Lambda"),
    ],
)
def test_options_are_checked(options: dict[str, Any], match: str) -> None:
    """A mistake in the options is told in words."""
    with pytest.raises(ds.UserError, match=match):
        simulate(workflow_of(machine_of(S={"Type": "Succeed"})), **options)
