"""Cancelling workflows and activities: who is told, who waits, and what is written."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.workflows.clock import EPOCH
from tests.models.replay_engine.scenes import at_s, caught_s, checked, do, echo, nap, only, shape

A = "AScheduled AStarted ACompleted"
BEATING = {"start_to_close_timeout": "1h", "heartbeat_timeout": "2s"}


@ds.activity
async def patient(ctx: ds.ActivityContext, when_cancelled: str) -> str:
    """Heartbeats every 0.1 s for a minute; cancelled, it cleans up for 0.5 s and does as it is told."""
    try:
        for turn in range(600):
            ctx.heartbeat(turn)
            await ctx.sleep("100ms")
    except ds.CancelledError:
        await ctx.sleep("500ms")
        if when_cancelled == "give up":
            raise
        if when_cancelled == "fail":
            raise ds.ApplicationError("clean-up failed") from None
        return "ignored it"
    return "never asked"


async def limited(ctx: ds.WorkflowContext, cancellation_type: Any, when_cancelled: str, options: Any = None) -> Any:
    """Cancels its activity after 2 s, says what came of it, and goes on for a while."""
    running = ctx.execute_activity(patient, when_cancelled, cancellation_type=cancellation_type, **(options or BEATING))
    await ctx.sleep("2s")
    running.cancel()
    try:
        found = str(await running)
    except ds.ActivityError as error:
        found = type(error.cause).__name__
    at = (ctx.now() - EPOCH).total_seconds()
    await ctx.sleep("10s")
    return [found, at]


# --- activities -----------------------------------------------------------------------------------------------------
def test_try_cancel_tells_the_activity_and_does_not_wait() -> None:
    """The workflow goes on in the same task; the activity's own end is written when it comes, and heard by nobody."""
    sim = ds.Simulation([limited])
    handle = sim.start(limited, "TRY_CANCEL", "give up")
    assert handle.result() == ["CancelledFailure", 2.0]
    assert shape(handle.history()) == (
        "Started [T] AScheduled TimerStarted TimerFired [T] ACancelRequested TimerStarted AStarted ACanceled [T] "
        "TimerFired [T] Completed"
    )
    checked(sim, limited)


def test_wait_cancellation_completed_waits_for_the_activitys_end() -> None:
    """The cancellation reaches it with the answer to a heartbeat; then it cleans up; then the workflow goes on."""
    sim = ds.Simulation([limited])
    handle = sim.start(limited, "WAIT_CANCELLATION_COMPLETED", "give up")
    found, at = handle.result()
    assert found == "CancelledFailure"
    # heartbeats leave the worker every 1.6 s: at 0, 1.6 and 3.2 s; then 0.5 s of cleaning up
    assert at == pytest.approx(3.7)
    assert at_s(handle.history(), "ActivityTaskCanceled") == [pytest.approx(3.7)]
    told = only(handle.history(), "ActivityTaskCanceled")
    assert told["latest_cancel_requested_event_id"] == handle.history().of("ActivityTaskCancelRequested")[0].id
    checked(sim, limited)


def test_an_activity_may_take_no_notice() -> None:
    """It completes, and a workflow that waits gets its result."""
    sim = ds.Simulation([limited])
    handle = sim.start(limited, "WAIT_CANCELLATION_COMPLETED", "insist")
    assert handle.result()[0] == "ignored it"
    assert len(handle.history().of("ActivityTaskCompleted")) == 1
    checked(sim, limited)


def test_an_activity_that_fails_while_it_is_cancelled_is_not_retried() -> None:
    """Whatever its policy allows: nobody wants another attempt."""
    sim = ds.Simulation([limited])
    handle = sim.start(limited, "WAIT_CANCELLATION_COMPLETED", "fail")
    assert handle.result()[0] == "ApplicationError"
    assert only(handle.history(), "ActivityTaskFailed")["retry_state"] == "CANCEL_REQUESTED"
    assert len(caught_s(sim, "task_started")) == 1
    checked(sim, limited)


def test_abandon_leaves_the_activity_alone() -> None:
    """It is not told, and nothing of it is in the history; only the end of the workflow, at 12 s, ends it too."""
    sim = ds.Simulation([limited])
    handle = sim.start(limited, "ABANDON", "give up")
    assert handle.result() == ["CancelledFailure", 2.0]
    assert "ACancelRequested" not in shape(handle.history())
    sim.run()
    assert caught_s(sim, "result_reported") == [13.3]  # its heartbeat of 12.8 s finds nobody, and it cleans up
    checked(sim, limited)


def test_an_activity_that_does_not_heartbeat_hears_nothing() -> None:
    """A workflow that waits for it waits to its end."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        running = do(ctx, nap, "30s", cancellation_type="WAIT_CANCELLATION_COMPLETED")
        await ctx.sleep("1s")
        running.cancel()
        return await running

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    assert handle.result() == "30s"
    assert sim.now_us == 30 * SECOND
    checked(sim, waits)


def test_an_activity_that_waits_for_its_next_attempt_ends_at_once() -> None:
    """No attempt is running that could be told."""

    @ds.activity
    async def fails(ctx: ds.ActivityContext) -> None:
        raise ds.ApplicationError("not yet")

    async def waits(ctx: ds.WorkflowContext) -> Any:
        policy = ds.RetryPolicy(initial_interval="1h")
        running = do(ctx, fails, retry_policy=policy, cancellation_type="WAIT_CANCELLATION_COMPLETED")
        await ctx.sleep("5s")
        running.cancel()
        try:
            return await running
        except ds.ActivityError as error:
            return type(error.cause).__name__

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    assert handle.result() == "CancelledFailure"
    assert sim.now_us == 5 * SECOND
    assert only(handle.history(), "ActivityTaskCanceled")["started_event_id"] == 0
    checked(sim, waits)


def test_an_activity_that_waits_for_a_worker_ends_at_once() -> None:
    """It was never started, and never will be."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        running = do(ctx, echo, task_queue="nobody's", cancellation_type="WAIT_CANCELLATION_COMPLETED")
        await ctx.sleep("5s")
        running.cancel()
        try:
            return await running
        except ds.ActivityError as error:
            return type(error.cause).__name__

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    assert handle.result() == "CancelledFailure"
    assert shape(handle.history()) == (
        "Started [T] AScheduled TimerStarted TimerFired [T] ACancelRequested ACanceled [T] Completed"
    )
    checked(sim, waits)


def test_an_activity_cancelled_in_the_task_that_starts_it_leaves_no_events() -> None:
    """Neither does a timer."""

    async def changes_its_mind(ctx: ds.WorkflowContext) -> str:
        timer, activity = ctx.sleep("1h"), do(ctx, echo)
        timer.cancel()
        activity.cancel()
        return "done"

    sim = ds.Simulation([changes_its_mind])
    handle = sim.start(changes_its_mind)
    assert handle.result() == "done"
    assert shape(handle.history()) == "Started [T] Completed"
    checked(sim, changes_its_mind)


def test_cancelling_an_activity_whose_result_is_on_its_way() -> None:
    """The result came while the task ran that cancels it: both are written, and the workflow sees a cancellation."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        running = do(ctx, nap, "2s")
        await ctx.sleep("2s")
        running.cancel()
        try:
            return await running
        except ds.ActivityError as error:
            return type(error.cause).__name__

    sim = ds.Simulation([waits], rpc_latency="100ms")
    handle = sim.start(waits)
    assert handle.result() in ("CancelledFailure", "2s")
    checked(sim, waits)


# --- workflows ------------------------------------------------------------------------------------------------------
async def tidy(ctx: ds.WorkflowContext) -> None:
    """Cleans up when it is cancelled."""
    try:
        await ctx.sleep("1h")
    finally:
        await do(ctx, echo, "cleaned up")


def test_a_cancelled_workflow_may_clean_up() -> None:
    """The timer is called off, `finally` runs an activity, and the run ends as cancelled."""
    sim = ds.Simulation([tidy])
    handle = sim.start(tidy)
    sim.advance("1s")
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed, match="CANCELED"):
        handle.result()
    assert handle.status == "CANCELED"
    assert shape(handle.history()) == f"Started [T] TimerStarted CancelRequested [T] TimerCanceled {A} [T] Canceled"
    checked(sim, tidy)


def test_a_second_request_to_cancel_changes_nothing() -> None:
    """One event, one cancellation; the clean-up is not disturbed."""
    sim = ds.Simulation([tidy], rpc_latency="100ms")
    handle = sim.start(tidy)
    sim.advance("1s")
    handle.cancel()
    sim.advance("50ms")
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed, match="CANCELED"):
        handle.result()
    assert len(handle.history().of("WorkflowExecutionCancelRequested")) == 1
    checked(sim, tidy)


def test_a_workflow_that_swallows_its_cancellation_completes() -> None:
    """It was asked, no more."""

    async def insists(ctx: ds.WorkflowContext) -> str:
        try:
            await ctx.sleep("1h")
        except ds.CancelledError:
            return "done anyway"
        return "slept"

    sim = ds.Simulation([insists])
    handle = sim.start(insists)
    sim.advance("1s")
    handle.cancel()
    assert handle.result() == "done anyway"
    assert handle.status == "COMPLETED"
    checked(sim, insists)


def test_a_cancellation_before_the_first_task_meets_the_first_wait() -> None:
    """The code begins, and its first await raises; a timer that it has just started is never written."""
    log: list[str] = []

    async def begins(ctx: ds.WorkflowContext) -> None:
        log.append("begun")
        await ctx.sleep("1h")
        log.append("too far")

    sim = ds.Simulation([begins])
    for worker in sim.workers:
        sim.crash(worker, restart_after="5s")
    handle = sim.start(begins)
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed, match="CANCELED"):
        handle.result()
    assert log == ["begun"]
    assert "TimerStarted" not in shape(handle.history())
    checked(sim, begins)


def test_a_cancelled_workflow_waits_for_an_activity_that_it_shields() -> None:
    """The shielded activity goes on while the wait for it raises."""

    async def careful(ctx: ds.WorkflowContext) -> None:
        charge = do(ctx, nap, "10s")
        try:
            await ctx.shield(charge)
        finally:
            ctx.upsert_memo({"charged": await charge})

    sim = ds.Simulation([careful])
    handle = sim.start(careful)
    sim.advance("1s")
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed, match="CANCELED"):
        handle.result()
    assert handle.describe().memo == {"charged": "10s"}
    assert "ACancelRequested" not in shape(handle.history())
    assert sim.now_us == 10 * SECOND
    checked(sim, careful)


def test_cancelling_a_workflow_cancels_all_that_it_gathers() -> None:
    """The timer is called off, each activity is told, and the workflow ends without waiting for them."""

    async def many(ctx: ds.WorkflowContext) -> Any:
        return await ctx.gather(ctx.sleep("1h"), do(ctx, nap, "50s"), do(ctx, nap, "40s"))

    sim = ds.Simulation([many])
    handle = sim.start(many)
    sim.advance("1s")
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed, match="CANCELED"):
        handle.result()
    assert shape(handle.history()) == (
        "Started [T] TimerStarted AScheduled AScheduled CancelRequested [T] TimerCanceled ACancelRequested "
        "ACancelRequested Canceled"
    )
    checked(sim, many)


def test_a_cancellation_survives_the_worker() -> None:
    """The request is an event; the replay is cancelled at the same place."""
    sim = ds.Simulation([tidy])
    handle = sim.start(tidy)
    sim.advance("1s")
    for worker in sim.workers:
        sim.crash(worker)
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed, match="CANCELED"):
        handle.result()
    assert len(handle.history().of("ActivityTaskCompleted")) == 1
    checked(sim, tidy)


def test_terminating_asks_nobody() -> None:
    """No task, no clean-up; activities that run are told when they heartbeat."""
    ended: list[str] = []

    @ds.activity
    async def works(ctx: ds.ActivityContext) -> None:
        try:
            while True:
                ctx.heartbeat()
                await ctx.sleep("1s")
        except ds.CancelledError:
            ended.append("told")
            raise

    async def busy(ctx: ds.WorkflowContext) -> None:
        try:
            await ctx.execute_activity(works, **BEATING)
        finally:
            ended.append("workflow")

    sim = ds.Simulation([busy])
    handle = sim.start(busy)
    sim.advance("5s")
    handle.terminate("enough", "detail")
    sim.advance("5s")
    assert (handle.status, ended) == ("TERMINATED", ["told"])
    told = only(handle.history(), "WorkflowExecutionTerminated")
    assert (told["reason"], told["details"]) == ("enough", ["detail"])
    with pytest.raises(ds.ExecutionFailed, match="TERMINATED"):
        handle.result()
