"""The four time-outs of an activity and what they have to do with each other, and those of a workflow.

Numbers like e4 are those of the recorded histories of the real engine in tests/conformance/temporal.
"""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from tests.models.replay_engine.scenes import Workflow, at_s, caught_s, checked, echo, nap, only, shape

NO_TIME = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"


@ds.activity
async def failing(ctx: ds.ActivityContext, after: str = "1s") -> None:
    """Fails in every attempt."""
    await ctx.sleep(after)
    raise ds.ApplicationError(f"attempt {ctx.attempt}", "Flaky")


def called(activity: Workflow, *arguments: Any, sim_options: Any = None, **options: Any) -> ds.WorkflowHandle:
    """A workflow that calls one activity, played to its end; it returns what it caught, and its causes."""

    async def calls(ctx: ds.WorkflowContext) -> Any:
        try:
            return await ctx.execute_activity(activity, *arguments, **options)
        except ds.ActivityError as error:
            chain: list[str] = []
            cause = error.cause
            while cause is not None:
                chain.append(getattr(cause, "timeout_type", None) or str(cause))
                cause = cause.__cause__
            return [error.retry_state, *chain]

    sim = ds.Simulation([calls], **(sim_options or {}))
    handle = sim.start(calls)
    handle.result()
    checked(sim, calls)
    return handle


def attempts_s(handle: ds.WorkflowHandle) -> list[float]:
    """When attempts began."""
    return [record.time_us / SECOND for record in handle._driver.world.trace if record.kind == "task_started"]


# --- start to close -------------------------------------------------------------------------------------------------
def test_start_to_close_bounds_each_attempt_and_is_retried() -> None:
    """No event until the attempts are over; then TimedOut, caused by the time-out before."""
    policy = ds.RetryPolicy(maximum_attempts=3, backoff_coefficient=1)
    handle = called(nap, "1h", start_to_close_timeout="2s", retry_policy=policy)
    assert handle.result() == ["MAXIMUM_ATTEMPTS_REACHED", "START_TO_CLOSE", "START_TO_CLOSE"]
    assert attempts_s(handle) == [0, 3, 6]
    assert shape(handle.history()) == "Started [T] AScheduled AStarted ATimedOut [T] Completed"
    assert only(handle.history(), "ActivityTaskStarted")["attempt"] == 3
    assert only(handle.history(), "ActivityTaskTimedOut")["failure"].message == "activity StartToClose timeout"


def test_an_attempt_that_ends_in_the_instant_of_its_limit() -> None:
    """The time-out stands: it was set before the sleep."""
    policy = ds.RetryPolicy(maximum_attempts=1)
    handle = called(nap, "2s", start_to_close_timeout="2s", retry_policy=policy)
    assert handle.result() in ("2s", ["MAXIMUM_ATTEMPTS_REACHED", "START_TO_CLOSE"])
    assert at_s(handle.history(), "WorkflowExecutionCompleted") == [2]


# --- schedule to close ----------------------------------------------------------------------------------------------
def test_e_the_deadline_comes_while_an_attempt_runs() -> None:
    """Closed at the deadline, with the last attempt's start and no cause on a first attempt."""
    handle = called(nap, "1h", schedule_to_close_timeout="1s")
    assert handle.result() == ["TIMEOUT", "SCHEDULE_TO_CLOSE"]
    assert shape(handle.history()) == "Started [T] AScheduled AStarted ATimedOut [T] Completed"
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [1]
    assert only(handle.history(), "ActivityTaskTimedOut")["failure"].message == NO_TIME


def test_e_alone_it_bounds_each_attempt_too() -> None:
    """The event says so: start-to-close and schedule-to-start are those of the whole."""
    handle = called(nap, "1h", schedule_to_close_timeout="1s")
    told = only(handle.history(), "ActivityTaskScheduled")
    assert [told[f"{name}_us"] for name in ("start_to_close", "schedule_to_start", "schedule_to_close")] == [SECOND] * 3


def test_e2_the_deadline_comes_while_the_next_attempt_is_waited_for() -> None:
    """Closed at the deadline without any start; the cause is the last failure. The server stretches short waits."""
    policy = ds.RetryPolicy(initial_interval="1s", backoff_coefficient=1)
    handle = called(
        failing, "1s", schedule_to_close_timeout="3s", retry_policy=policy, sim_options={"minimum_delay": "5s"}
    )
    assert handle.result() == ["TIMEOUT", "SCHEDULE_TO_CLOSE", "Flaky: attempt 1"]
    assert shape(handle.history()) == "Started [T] AScheduled ATimedOut [T] Completed"
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [3]


def test_e4_an_attempt_that_failed_with_no_time_for_another_closes_at_once() -> None:
    """Before the deadline, as failed, with the error itself: the workflow sees no time-out."""
    policy = ds.RetryPolicy(initial_interval="600ms", backoff_coefficient=1)
    handle = called(
        failing, "700ms", start_to_close_timeout="10s", schedule_to_close_timeout="3500ms", retry_policy=policy
    )
    assert handle.result() == ["TIMEOUT", "Flaky: attempt 3"]
    assert attempts_s(handle) == [0, 1.3, 2.6]
    assert at_s(handle.history(), "ActivityTaskFailed") == [3.3]  # the next would begin at 3.9 s
    assert only(handle.history(), "ActivityTaskFailed")["retry_state"] == "TIMEOUT"


def test_e5_an_attempt_that_timed_out_with_no_time_for_another_hides_why() -> None:
    """Closed when start-to-close ends the first attempt, as SCHEDULE_TO_CLOSE without a cause."""
    policy = ds.RetryPolicy(initial_interval="3s")
    handle = called(nap, "1h", start_to_close_timeout="2s", schedule_to_close_timeout="4s", retry_policy=policy)
    assert handle.result() == ["TIMEOUT", "SCHEDULE_TO_CLOSE"]
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [2]
    assert only(handle.history(), "ActivityTaskTimedOut")["failure"].message == NO_TIME


def test_on_a_later_attempt_the_failure_before_is_the_cause() -> None:
    """What hides the start-to-close of the last attempt tells of the attempt before it."""

    @ds.activity
    async def fails_then_hangs(ctx: ds.ActivityContext) -> None:
        if ctx.attempt == 1:
            raise ds.ApplicationError("first", "Flaky")
        await ctx.sleep("1h")

    policy = ds.RetryPolicy(initial_interval="1s")
    handle = called(fails_then_hangs, start_to_close_timeout="2s", schedule_to_close_timeout="4s", retry_policy=policy)
    assert handle.result() == ["TIMEOUT", "SCHEDULE_TO_CLOSE", "Flaky: first"]
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [3]


def test_the_deadline_counts_from_the_schedule_not_from_the_start() -> None:
    """Time in the queue is part of it."""

    async def calls(ctx: ds.WorkflowContext) -> Any:
        first = ctx.execute_activity(nap, "4s", start_to_close_timeout="1h")
        try:
            return await ctx.execute_activity(nap, "2s", schedule_to_close_timeout="5s")
        except ds.ActivityError as error:
            await first
            return error.cause.timeout_type  # type: ignore[union-attr]

    sim = ds.Simulation([calls], workers=1, max_concurrent_activities=1)
    handle = sim.start(calls)
    assert handle.result() == "SCHEDULE_TO_CLOSE"
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [5]
    assert caught_s(sim, "task_started") == [0, 4]
    checked(sim, calls)


# --- schedule to start ----------------------------------------------------------------------------------------------
def test_f3_schedule_to_start_is_final() -> None:
    """Nobody took it in time: timed out without a start, and not retried."""
    handle = called(echo, start_to_close_timeout="1m", schedule_to_start_timeout="3s", task_queue="nobody's")
    assert handle.result() == ["TIMEOUT", "SCHEDULE_TO_START"]
    assert shape(handle.history()) == "Started [T] AScheduled ATimedOut [T] Completed"
    told = only(handle.history(), "ActivityTaskTimedOut")
    assert (told["retry_state"], told["started_event_id"]) == ("TIMEOUT", 0)
    assert told["failure"].message == "activity ScheduleToStart timeout"
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [3]


def test_schedule_to_start_counts_for_each_attempt_anew() -> None:
    """A retry waits in the queue again; the back-off is not part of that."""

    async def calls(ctx: ds.WorkflowContext) -> Any:
        policy = ds.RetryPolicy(initial_interval="10s")
        try:
            return await ctx.execute_activity(
                failing, "1s", start_to_close_timeout="1m", schedule_to_start_timeout="3s", retry_policy=policy
            )
        except ds.ActivityError as error:
            return error.cause.timeout_type  # type: ignore[union-attr]

    sim = ds.Simulation([calls], workers=1)
    handle = sim.start(calls)
    sim.advance("5s")
    assert handle.describe().activities[0].attempt == 2
    sim.crash("w1", restart_after="1h")
    assert handle.result() == "SCHEDULE_TO_START"
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [1 + 10 + 3]
    checked(sim, calls)


# --- workflows ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("option", ["run_timeout", "execution_timeout"])
def test_a_workflow_that_runs_out_of_time_is_closed_by_the_server(option: str) -> None:
    """Without a task: no code runs, nothing is cleaned up."""
    log: list[str] = []

    async def hangs(ctx: ds.WorkflowContext) -> None:
        try:
            await ctx.sleep("1h")
        finally:
            log.append("cleaned up")

    sim = ds.Simulation([hangs])
    handle = sim.start(hangs, **{option: "10s"})
    with pytest.raises(ds.ExecutionFailed, match="TIMED_OUT"):
        handle.result()
    assert (log, sim.now_us) == ([], 10 * SECOND)
    assert shape(handle.history()) == "Started [T] TimerStarted TimedOut"
    checked(sim, hangs)


def test_the_task_time_out_is_the_workflows_own() -> None:
    """A worker that dies with a workflow task costs so long, and no longer."""

    async def short(ctx: ds.WorkflowContext) -> str:
        return "done"

    sim = ds.Simulation([short], workers=1, rpc_latency="100ms")
    handle = sim.start(short, task_timeout="3s")
    sim.advance("50ms")
    sim.crash("w1", restart_after="100ms")
    assert handle.result() == "done"
    assert at_s(handle.history(), "WorkflowTaskTimedOut") == [3]
    assert only(handle.history(), "WorkflowTaskTimedOut")["timeout_type"] == "START_TO_CLOSE"
    checked(sim, short)
