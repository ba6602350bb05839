"""What was measured of the real engine beyond the recorded histories: one fact a test."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.workflows.clock import EPOCH
from durable_sim.workflows.handlers import QueryFailed
from tests.conformance.temporal.native_workflows import ACTIVITIES, Once, echo, nap, workflows

Workflow = Callable[..., Coroutine[Any, Any, Any]]
CODE = workflows()
T = ("WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted")
A = ("ActivityTaskScheduled", "ActivityTaskStarted", "ActivityTaskCompleted")
STARTED, COMPLETED = "WorkflowExecutionStarted", "WorkflowExecutionCompleted"


def simulation(*code: Workflow, **options: Any) -> ds.Simulation:
    """One worker that knows some workflows and all recorded activities."""
    return ds.Simulation(code, activities=ACTIVITIES, **{"workers": 1} | options)


def played(code: Workflow, *arguments: Any, **options: Any) -> ds.WorkflowHandle:
    """An execution that was started, and then left alone until nothing more happens."""
    sim = simulation(code, *options.pop("also", ()), **options.pop("simulation", {}))
    run = sim.start(code, *arguments, **options)
    sim.run()
    return run


def types(run: ds.WorkflowHandle) -> tuple[str, ...]:
    """The types of an execution's events."""
    return tuple(event.type for event in run.history())


def only(run: ds.WorkflowHandle, event_type: str) -> dict[str, Any]:
    """The attributes of the one event of its type."""
    (event,) = (event for event in run.history() if event.type == event_type)
    return event.attributes


def ended_s(run: ds.WorkflowHandle) -> float:
    """When the last event of an execution was written."""
    return run.history()[-1].time_us / SECOND


# --- workflow tasks -------------------------------------------------------------------------------------------------
def test_a_stuck_workflow_task_is_retried_ever_more_slowly() -> None:
    """Attempts of a failing task come at 0, 0, 10, 20, 35, 55 and 85 s."""
    seen: list[float] = []

    async def stuck(ctx: ds.WorkflowContext) -> None:
        seen.append((ctx.now() - EPOCH).total_seconds())
        raise ValueError("a mistake")

    sim = simulation(stuck)
    sim.start(stuck)
    sim.advance("90s")
    assert len(seen) == 7
    assert seen == pytest.approx([0, 0, 10, 20, 35, 55, 85], abs=2.5)


def test_a_later_attempt_of_a_stuck_task_is_given_more_time() -> None:
    """From attempt 4 on the task's time-out grows by 5, 10, 20 s, ...: attempt 6, under way at 70 s, has 30 s."""
    sim = simulation(CODE["RaisePlain"])
    run = sim.start("RaisePlain", "plain")
    sim.advance("70s")
    stored, shown = run.history(), run.history(transient=True)
    assert list(shown[:-2]) == list(stored)
    scheduled, started = shown[-2:]
    assert (scheduled.type, scheduled.attributes["attempt"], started.type) == (T[0], 6, T[1])
    assert scheduled.attributes["start_to_close_us"] == 30 * SECOND
    assert started.time_us == 55 * SECOND


def test_only_the_first_failure_of_a_task_is_in_the_history() -> None:
    """Later attempts of a failing task leave no events until one succeeds, whose attempt is then written."""
    failing = [True]

    async def mended(ctx: ds.WorkflowContext) -> str:
        if failing:
            raise ValueError("a mistake")
        return "ok"

    sim = simulation(mended)
    run = sim.start(mended)
    sim.advance("50s")
    failing.clear()
    sim.run()
    assert types(run) == (STARTED, *T[:2], "WorkflowTaskFailed", *T, COMPLETED)
    assert run.history()[4].attributes["attempt"] == 6


def test_signals_before_the_first_worker_are_delivered_in_one_task() -> None:
    """Two signals that come before there is a worker stand between Scheduled and Started; one task sees both."""
    sim = simulation(CODE["SignalWait"])
    sim.crash("w1", restart_after=None)
    run = sim.start("SignalWait", 2)
    run.signal("go", "a")
    run.signal("go", "b")
    sim.advance("1s")
    sim.start_worker("w1")
    sim.run()
    signalled = "WorkflowExecutionSignaled"
    assert types(run) == (STARTED, T[0], signalled, signalled, *T[1:], COMPLETED)
    assert run.result() == "a,b"


def test_signal_with_start_comes_before_the_first_task() -> None:
    """Signal-with-start writes Started, Signaled, TaskScheduled."""
    run = played(CODE["SignalWait"], 1, signal=("go", "first"))
    assert types(run) == (STARTED, "WorkflowExecutionSignaled", *T, COMPLETED)
    assert run.result() == "first"


def test_a_signal_is_seen_before_a_timer_that_fired_earlier() -> None:
    """Within one task, signals come first: one overtakes a timer that fired before it."""

    async def both(ctx: ds.WorkflowContext) -> list[str]:
        seen: list[str] = []

        async def timer() -> None:
            await ctx.sleep("1s")
            seen.append("timer")

        ctx.set_signal_handler("go", lambda: seen.append("signal"))
        ctx.spawn(timer())
        await ctx.wait_condition(lambda: len(seen) == 2)
        return seen

    sim = simulation(both)
    run = sim.start(both)
    sim.advance("500ms")
    sim.crash("w1", restart_after=None)
    sim.advance("1s")
    run.signal("go")
    sim.start_worker("w1")
    sim.run()
    order = types(run)
    assert order.index("TimerFired") < order.index("WorkflowExecutionSignaled")
    assert run.result() == ["signal", "timer"]


def test_now_is_the_time_at_which_the_task_started() -> None:
    """A workflow that waited 2 s for a timer and 10 s for a dead worker's queue reads 12 s off its clock."""
    sim = simulation(CODE["Timer"])
    run = sim.start("Timer", 2.0)
    sim.advance("1s")
    sim.crash("w1", restart_after="100ms")
    assert run.result() == "slept 12.000"


def test_a_graceful_stop_costs_nothing_and_a_kill_costs_ten_seconds() -> None:
    """After a kill the next task waits 10 s on the dead worker's own queue; after a graceful stop it does not."""

    def timer_returns_at_s(end: Callable[[ds.Simulation], Any]) -> float:
        sim = simulation(CODE["Timer"])
        run = sim.start("Timer", 2.0)
        sim.advance("1s")
        end(sim)
        sim.advance("100ms")
        sim.start_worker("w1")
        sim.run()
        return ended_s(run)

    assert timer_returns_at_s(lambda sim: sim.stop("w1")) == pytest.approx(2, abs=0.05)
    assert timer_returns_at_s(lambda sim: sim.crash("w1", restart_after=None)) == pytest.approx(12, abs=0.05)


def test_a_cold_cache_changes_no_event_type() -> None:
    """Without a cache each task replays from the start, on the normal queue; the types of the events stay the same."""
    warm, cold = (played(CODE["Order"], "o", simulation={"cache": cache}) for cache in ("warm", "cold"))
    assert types(warm) == types(cold)
    kinds = [
        {event.attributes["task_queue_kind"] for event in run.history() if event.type == T[0]} for run in (warm, cold)
    ]
    assert kinds == [{"NORMAL", "STICKY"}, {"NORMAL"}]


def test_a_query_without_workers_times_out() -> None:
    """A query that no worker can answer ends with the deadline of its call, after 15 s."""
    sim = simulation(CODE["SignalWait"])
    run = sim.start("SignalWait", 1)
    sim.advance("1s")
    sim.crash("w1", restart_after=None)
    before = sim.now_us
    with pytest.raises(QueryFailed):
        run.query("state")
    assert sim.now_us - before == 15 * SECOND


def test_more_than_2000_pending_activities_fail_the_task() -> None:
    """The task that would schedule activity 2,001 fails and is retried; the workflow stays open."""

    async def greedy(ctx: ds.WorkflowContext, n: int) -> None:
        await ctx.gather(*(ctx.execute_activity(nap, 60.0, start_to_close_timeout="90s") for _ in range(n)))

    sim = simulation(greedy)
    run, allowed = sim.start(greedy, 2001), sim.start(greedy, 2000)
    sim.advance("1s")
    assert only(run, "WorkflowTaskFailed")["cause"] == "PENDING_ACTIVITIES_LIMIT_EXCEEDED"
    assert (run.status, allowed.status) == ("RUNNING", "RUNNING")
    assert types(allowed).count(A[0]) == 2000


def test_continue_as_new_is_suggested_from_event_4096_on() -> None:
    """The first task that is told so is the one started by event 4,101 of a history that grows by six events a step."""
    run = played(CODE["Steps"], 690)
    suggested = [event.id for event in run.history() if event.attributes.get("suggest_continue_as_new")]
    assert suggested[0] == 4101
    assert suggested == list(range(4101, len(run.history()), 6))


def test_a_deadlocked_task_fails_and_is_tried_again() -> None:
    """Code that does not yield for 2 s fails its task with TMPRL1101."""
    run = played(workflows(Once())["SlowTask"], 4.0)
    failed = only(run, "WorkflowTaskFailed")
    assert failed["cause"] == "WORKFLOW_WORKER_UNHANDLED_FAILURE"
    assert "[TMPRL1101]" in failed["failure"].message


def test_what_arrives_during_a_task_is_written_at_its_end_in_an_order_of_its_own() -> None:
    """Starts, signals and timers stand in their order of arrival, the end of an activity behind them all; each with
    the time at which it happened, so that times go backwards."""

    async def busy(ctx: ds.WorkflowContext) -> str:
        ctx.set_signal_handler("go", lambda: None)
        timer, slow = ctx.sleep("1s"), ctx.execute_activity(nap, 0.5, start_to_close_timeout="5s")
        await ctx.execute_activity(echo, "quick", start_to_close_timeout="5s")
        if not ctx.is_replaying:
            ctx.block_for("1.6s")
        await ctx.gather(timer, slow)
        return "ok"

    sim = simulation(busy)
    run = sim.start(busy)
    sim.advance("700ms")
    run.signal("go")
    sim.run()
    arrived = [event for event in run.history() if event.id >= 13][:4]
    assert [(event.type, event.time_us / SECOND) for event in arrived] == [
        ("ActivityTaskStarted", 0.0),
        ("WorkflowExecutionSignaled", 0.7),
        ("TimerFired", 1.0),
        ("ActivityTaskCompleted", 0.5),
    ]


# --- activities -----------------------------------------------------------------------------------------------------
def test_next_retry_delay_overrides_the_policy() -> None:
    """An error that says 0.7 s is retried after 0.7 s each time, whatever the policy says."""
    run = played(CODE["NonRetry"], "next_delay")
    scheduled, started = (next(event for event in run.history() if event.type == name) for name in A[:2])
    assert run.result() == "ok"
    assert started.attributes["attempt"] == 3
    assert started.time_us - scheduled.time_us == pytest.approx(1.4 * SECOND, abs=0.05 * SECOND)


@pytest.mark.parametrize(
    ("initial", "coefficient", "maximum", "waits"),
    [(1.0, 2.0, 0, (1, 2, 4)), (1.5, 2.0, 0, (1.5, 3, 6)), (1.0, 10.0, 2, (1, 2, 2)), (1.0, 1.0, 0, (1, 1, 1))],
)
def test_retries_wait_as_the_policy_says(
    initial: float, coefficient: float, maximum: float, waits: tuple[float, ...]
) -> None:
    """The wait before attempt n + 1 is the initial one times coefficient to the power n - 1, up to the maximum."""
    run = played(CODE["Rec"], ["key", initial, coefficient, maximum, 4, 0])
    scheduled, started = (next(event for event in run.history() if event.type == name) for name in A[:2])
    assert started.attributes["attempt"] == 4
    assert (started.time_us - scheduled.time_us) / SECOND == sum(waits)
    assert run.result() == "MAXIMUM_ATTEMPTS_REACHED ApplicationError ValueError: always"


def test_an_unregistered_activity_is_retried() -> None:
    """An activity type that no worker knows fails with a retryable NotFoundError."""
    run = played(CODE["NonRetry"], "unregistered")
    assert only(run, "ActivityTaskStarted")["attempt"] == 2
    failed = only(run, "ActivityTaskFailed")
    assert failed["failure"].type == "NotFoundError"
    assert failed["failure"].message.startswith("Activity function no_such_activity ")
    assert failed["retry_state"] == "MAXIMUM_ATTEMPTS_REACHED"


def test_a_start_to_close_timeout_out_of_attempts_tells_of_the_one_before() -> None:
    """Out of attempts, the activity is timed out as START_TO_CLOSE, caused by the time-out before it."""
    failure = only(played(CODE["Timeouts"], "s2c_exhaust"), "ActivityTaskTimedOut")["failure"]
    assert (failure.timeout_type, failure.cause.timeout_type) == ("START_TO_CLOSE", "START_TO_CLOSE")


def test_a_heartbeat_timeout_out_of_attempts_is_one() -> None:
    """An attempt that falls silent is timed out as HEARTBEAT."""
    timed_out = only(played(CODE["Timeouts"], "heartbeat_exhaust"), "ActivityTaskTimedOut")
    assert timed_out["failure"].timeout_type == "HEARTBEAT"
    assert timed_out["retry_state"] == "MAXIMUM_ATTEMPTS_REACHED"


def test_abandoning_an_activity_leaves_no_event() -> None:
    """ABANDON: the workflow goes on at once, and nothing of it is written."""
    run = played(CODE["ActCancel"], ["ABANDON", 5.0])
    assert "ActivityTaskCancelRequested" not in types(run)
    assert run.result() == "ActivityError cause=CancelledError"
    assert ended_s(run) == pytest.approx(1, abs=0.1)


def test_a_late_result_of_a_timed_out_attempt_is_not_taken() -> None:
    """An attempt that comes back after its time-out ran, but its result is refused: the second one's counts."""
    run = played(CODE["Timeouts"], "s2c_retry")
    assert run.result() == "done attempt 2"
    assert types(run).count("ActivityTaskCompleted") == 1


def test_a_local_activity_leaves_a_marker_and_waits_long_by_a_timer() -> None:
    """Retries within the threshold stay in the task; a longer one is a marker with a failure, and a real timer."""
    run = played(CODE["LocalAct"], 2)
    markers = [event.attributes for event in run.history() if event.type == "MarkerRecorded"]
    assert run.result() == "ok on attempt 3"
    assert [marker.get("failure") is not None for marker in markers] == [True, False]
    assert only(run, "TimerStarted")["start_to_fire_us"] == 900_000
    assert not set(A) & set(types(run))


# --- time-outs, cancellation ----------------------------------------------------------------------------------------
def test_a_run_timeout_closes_the_run_without_a_task() -> None:
    """The server closes the run; the code is not asked and cleans nothing up."""
    run = played(CODE["CancelCleanup"], run_timeout="5s")
    assert types(run) == (STARTED, *T, "TimerStarted", "WorkflowExecutionTimedOut")
    assert (run.status, ended_s(run)) == ("TIMED_OUT", 5)


def test_terminating_runs_no_clean_up() -> None:
    """Terminated ends the history; no task follows."""
    sim = simulation(CODE["CancelCleanup"])
    run = sim.start("CancelCleanup")
    sim.advance("1s")
    run.terminate("enough")
    sim.run()
    assert types(run) == (STARTED, *T, "TimerStarted", "WorkflowExecutionTerminated")


def test_a_cancel_before_the_first_task_meets_the_first_wait() -> None:
    """Code before the first await runs; that await raises, before its timer is started."""
    reached: list[str] = []

    async def waits(ctx: ds.WorkflowContext) -> None:
        reached.append("before")
        await ctx.sleep("60s")
        reached.append("behind")

    sim = simulation(waits)
    sim.crash("w1", restart_after=None)
    run = sim.start(waits)
    run.cancel()
    sim.start_worker("w1")
    sim.run()
    assert reached == ["before"]
    assert types(run) == (
        STARTED,
        T[0],
        "WorkflowExecutionCancelRequested",
        *T[1:],
        "WorkflowExecutionCanceled",
    )


def test_a_timer_started_and_cancelled_in_one_task_leaves_no_events() -> None:
    """Neither TimerStarted nor TimerCanceled is written."""
    assert types(played(CODE["SameTaskTimerCancel"])) == (STARTED, *T, *A, *T, COMPLETED)


# --- children, retries of workflows ---------------------------------------------------------------------------------
def test_a_failed_child_is_a_child_workflow_error() -> None:
    """The parent sees ChildWorkflowError, caused by the child's error, with RETRY_POLICY_NOT_SET."""
    run = played(CODE["Parent"], "fail", also=(CODE["Child"],))
    assert only(run, "ChildWorkflowExecutionFailed")["retry_state"] == "RETRY_POLICY_NOT_SET"
    assert only(run, "ChildWorkflowExecutionFailed")["failure"].type == "ChildBad"
    cause = "ApplicationError('ChildBad: child failed on purpose')"
    assert run.result() == f"child error retry_state=RETRY_POLICY_NOT_SET cause={cause}"


def test_a_retried_workflow_is_a_new_run_each_time() -> None:
    """Each attempt is a run of its own, about a second after the one before; only the last result is seen."""
    run = played(CODE["WfRetry"], retry_policy=ds.RetryPolicy(initial_interval="300ms", maximum_attempts=5))
    assert run.result() == "ok attempt 3"
    assert len(set(run.runs)) == 3
    first, second, third = (run.history(run_id) for run_id in run.runs)
    assert first[-1].type == second[-1].type == "WorkflowExecutionFailed"
    assert first[-1].attributes["retry_state"] == "IN_PROGRESS"
    assert first[-1].attributes["new_run_id"] == run.runs[1]
    begun = third[0].attributes
    assert (begun["attempt"], begun["initiator"], begun["continued_run_id"]) == (3, "RETRY", run.runs[1])
    assert begun["first_task_backoff_us"] > 0


# --- updates, queries -----------------------------------------------------------------------------------------------
def test_an_update_unfinished_at_the_end_fails_for_its_caller() -> None:
    """The caller gets AcceptedUpdateCompletedWorkflow; the activity that the update scheduled is in the history."""
    sim = simulation(CODE["SignalWait"])
    run = sim.start("SignalWait", 1)
    sim.advance("1s")
    with pytest.raises(ds.UpdateFailed) as caught:
        run.update("upd", "x")
    assert isinstance(caught.value.cause, ds.ApplicationError)
    assert caught.value.cause.type == "AcceptedUpdateCompletedWorkflow"
    assert types(run)[-4:] == (T[2], "WorkflowExecutionUpdateAccepted", A[0], COMPLETED)


def test_a_query_works_on_a_closed_workflow_and_writes_nothing() -> None:
    """A closed workflow is replayed to answer a query; its history stays as it is."""
    run = played(CODE["SignalWait"], 1, signal=("go", "a"))
    before = run.history()
    assert run.query("state") == ["a"]
    assert list(run.history()) == list(before)


# --- errors, versions, reset ----------------------------------------------------------------------------------------
def test_non_determinism_fails_the_workflow_that_asks_for_it() -> None:
    """With NonDeterminismError among its failure_exception_types, a workflow fails instead of being stuck."""
    run = deployed(CODE["DeployV1"], CODE["DeployV2Fail"])
    assert run.status == "FAILED"
    assert types(run)[-1] == "WorkflowExecutionFailed"


def test_a_change_of_arguments_and_timers_is_not_noticed() -> None:
    """Other arguments, time-outs and timer lengths pass: the old history stands, the new result is returned."""
    run = deployed(CODE["DeployV1"], CODE["DeployArgs"])
    assert run.result() == "args"
    assert only(run, "TimerStarted")["start_to_fire_us"] == 2 * SECOND


def test_a_change_behind_the_point_reached_is_harmless() -> None:
    """Code that differs only where the run has not been yet goes on as if it had always been there."""

    @ds.workflow(name="Deploy")
    async def another_end(ctx: ds.WorkflowContext) -> str:
        await ctx.execute_activity("charge_card", "o", start_to_close_timeout="5s")
        await ctx.sleep("2s")
        await ctx.execute_activity("schedule_shipping", "o", start_to_close_timeout="5s")
        return "another end"

    run = deployed(CODE["DeployV1"], another_end)
    assert run.result() == "another end"
    assert "WorkflowTaskFailed" not in types(run)


def test_a_deprecated_patch_still_writes_its_marker() -> None:
    """deprecate_patch records the patch, marked as deprecated, and among the versions that can be searched for."""
    run = played(CODE["PatchedDeprecated"])
    marker = only(run, "MarkerRecorded")
    assert marker["marker_name"] == "core_patch"
    assert marker["details"] == {"patch-data": [{"id": "my-patch", "deprecated": True}]}
    upserted = only(run, "UpsertWorkflowSearchAttributes")
    assert upserted["search_attributes"] == {"TemporalChangeVersion": ["my-patch"]}


def deployed(old: Workflow, new: Workflow) -> ds.WorkflowHandle:
    """An execution of the old code, whose worker is replaced by one with the new code while its timer runs."""
    sim = simulation(old, versions={"new": new})
    run = sim.start(old)
    sim.advance("1s")
    sim.deploy(version="new")
    sim.advance("60s")
    return run


def test_a_reset_runs_the_activities_behind_it_again() -> None:
    """A reset copies the history up to a task, fails that task as RESET_WORKFLOW, and goes on in a new run."""
    attempts: list[str] = []

    @ds.activity
    async def counted(ctx: ds.ActivityContext, name: str) -> str:
        attempts.append(name)
        return name

    async def two_steps(ctx: ds.WorkflowContext) -> str:
        await ctx.execute_activity(counted, "a", start_to_close_timeout="5s")
        return await ctx.execute_activity(counted, "b", start_to_close_timeout="5s")

    sim = ds.Simulation([two_steps], activities=[counted], workers=1)
    run = sim.start(two_steps)
    sim.run()
    run.reset(10)  # the task behind the first activity
    sim.run()
    assert attempts == ["a", "b", "b"]
    assert len(run.runs) == 2
    assert types(run) == (STARTED, *T, *A, *T[:2], "WorkflowTaskFailed", *T, *A, *T, COMPLETED)
    assert only(run, "WorkflowTaskFailed")["cause"] == "RESET_WORKFLOW"
