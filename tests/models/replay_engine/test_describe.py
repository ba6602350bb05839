"""What an operator sees of a workflow: what is pending, how often it failed, and the line in which the code waits."""

from __future__ import annotations

import inspect
from typing import Any

import durable_sim as ds
from durable_sim.durations import MINUTE, SECOND
from tests.models.replay_engine.scenes import beats, do, echo, nap


@ds.activity
async def flaky(ctx: ds.ActivityContext) -> None:
    """Fails always."""
    raise ds.ApplicationError(f"attempt {ctx.attempt}", "Flaky")


async def retrying(ctx: ds.WorkflowContext, attempts: int) -> Any:
    """Calls what fails always."""
    policy = ds.RetryPolicy(initial_interval="1m", backoff_coefficient=1, maximum_attempts=attempts)
    return await do(ctx, flaky, retry_policy=policy)


async def child(ctx: ds.WorkflowContext) -> None:
    """Takes a day."""
    await ctx.sleep("1d")


async def busy(ctx: ds.WorkflowContext) -> None:
    """Waits for one of each."""
    running = ctx.execute_activity(beats, "1s", 1000, start_to_close_timeout="1h", heartbeat_timeout="5s")
    timer = ctx.sleep("1h")
    children = ctx.execute_child_workflow(child, id="c-1", parent_close_policy="ABANDON")
    await ctx.gather(running, timer, children)


def line_of(function: Any, text: str) -> int:
    """The number of the line of a function's source that has this text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(place for place, line in enumerate(lines) if text in line)


def test_an_activity_in_back_off_shows_attempt_limit_next_retry_and_last_failure() -> None:
    """State and number are those of the next attempt, which is scheduled, as in the real engine."""
    sim = ds.Simulation([retrying])
    handle = sim.start(retrying, 5)
    sim.advance("90s")
    (activity,) = handle.describe().activities
    assert (activity.name, activity.activity_id, activity.state) == ("flaky", "1", "SCHEDULED")
    assert (activity.attempt, activity.maximum_attempts, activity.next_retry_us) == (3, 5, 2 * MINUTE)
    assert activity.last_failure == "Flaky: attempt 2"
    assert "attempt 3 of 5, next at 120.000s, last failure: Flaky: attempt 2" in str(handle.describe())


def test_without_a_limit_it_says_unlimited() -> None:
    """0 attempts stand for that."""
    sim = ds.Simulation([retrying])
    handle = sim.start(retrying, 0)
    sim.advance("1s")
    assert "attempt 2 of unlimited" in str(handle.describe())


def test_a_running_attempt_shows_its_worker_and_its_heartbeat() -> None:
    """And when it began; a timer its time, a child its run and what becomes of it."""
    sim = ds.Simulation([busy, child])
    handle = sim.start(busy)
    sim.advance("10s")
    shown = handle.describe()
    (activity,) = shown.activities
    assert (activity.state, activity.attempt) == ("STARTED", 1)
    assert activity.worker in sim.workers
    assert activity.heartbeat_details == (7,)  # sent every 4 s: at 0, 4 and 8 s, the last one made before that
    assert [(timer.timer_id, timer.due_us) for timer in shown.timers] == [("1", 60 * MINUTE)]
    (other,) = shown.children
    assert (other.workflow_id, other.run_id, other.parent_close_policy) == ("c-1", "c-1", "ABANDON")
    text = str(shown)
    for part in (f"on {activity.worker}", "timer 1: due at 3600.000s", "child child (c-1): running"):
        assert part in text


def test_a_started_attempt_knows_when_it_began() -> None:
    """In simulated microseconds."""

    async def later(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("5s")
        await do(ctx, nap, "30s")

    sim = ds.Simulation([later])
    handle = sim.start(later)
    sim.advance("10s")
    (activity,) = handle.describe().activities
    assert activity.started_us == 5 * SECOND


def test_a_cancelled_activity_says_so() -> None:
    """Until it has ended."""

    async def cancels(ctx: ds.WorkflowContext) -> None:
        running = do(ctx, nap, "50s", cancellation_type="WAIT_CANCELLATION_COMPLETED")
        await ctx.sleep("1s")
        running.cancel()
        await running

    sim = ds.Simulation([cancels])
    handle = sim.start(cancels)
    sim.advance("5s")
    (activity,) = handle.describe().activities
    assert activity.cancel_requested and "cancel requested" in str(handle.describe())


async def inner(ctx: ds.WorkflowContext) -> None:
    """Waits in a function of its own."""
    await ctx.sleep("1h")


async def outer(ctx: ds.WorkflowContext) -> None:
    """Calls it."""
    await inner(ctx)


def test_where_the_code_waits_is_said_with_file_and_line() -> None:
    """From the workflow function to the innermost await; the same from a cache and by replay."""
    for cache in ("warm", "cold"):
        sim = ds.Simulation([outer], cache=cache)
        handle = sim.start(outer)
        sim.advance("1s")
        waits = handle.describe().waits
        assert waits is not None
        assert waits[0].frames == (
            ("outer", __file__, line_of(outer, "await inner")),
            ("inner", __file__, line_of(inner, "await ctx.sleep")),
        )
        assert f"inner ({__file__}:{line_of(inner, 'await ctx.sleep')})" in str(handle.describe())


def test_looking_changes_nothing() -> None:
    """A description between any two instants gives the history of a run without."""

    def played(looking: bool) -> ds.History:
        sim = ds.Simulation([outer, retrying], cache="cold")
        handle, other = sim.start(outer), sim.start(retrying, 3)
        for _ in range(20):
            sim.advance("3m")
            if looking:
                str(handle.describe()), str(other.describe()), repr(handle)
        return handle.history()

    assert played(True) == played(False)


def test_a_stuck_workflow_shows_how_often_its_task_failed_and_why() -> None:
    """The last failure, the attempt, and the wait in which the code was before it went wrong."""

    async def broken(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("1s")
        raise KeyError("order_id")

    sim = ds.Simulation([broken])
    handle = sim.start(broken)
    sim.advance("30s")
    shown = handle.describe()
    assert shown.status == "RUNNING" and shown.task is not None
    assert shown.task.failures >= 3 and "KeyError: 'order_id'" in shown.task.last_failure
    assert f"failed {shown.task.failures} time(s) in a row" in str(shown)
    assert f"the code waits at broken ({__file__}:{line_of(broken, 'await ctx.sleep')})" in str(shown)


def test_code_that_does_not_fit_its_history_cannot_be_shown() -> None:
    """The problem is said in place of the wait."""

    @ds.workflow(name="outer")
    async def other(ctx: ds.WorkflowContext) -> None:
        await do(ctx, echo)

    sim = ds.Simulation([outer], versions={"other": other})
    handle = sim.start("outer")
    sim.advance("1s")
    sim.deploy("other", rolling=False)
    sim.advance("5s")
    shown = handle.describe()
    assert shown.waits is None
    assert shown.waits_problem is not None and "TMPRL1100" in shown.waits_problem
    assert "the code cannot be run: [TMPRL1100]" in str(shown)


def test_a_task_that_nobody_takes_is_shown() -> None:
    """Scheduled, with its attempt."""
    sim = ds.Simulation([outer], workers=1)
    sim.crash("w1", restart_after=None)
    handle = sim.start(outer)
    sim.advance("1s")
    shown = handle.describe()
    assert shown.task is not None and (shown.task.state, shown.task.attempt) == ("SCHEDULED", 1)
    assert "workflow task: SCHEDULED, attempt 1" in str(shown)


def test_a_closed_workflow_has_nothing_pending() -> None:
    """Its status, its events, its memo; no waits."""

    async def quick(ctx: ds.WorkflowContext) -> str:
        ctx.upsert_memo({"b": 2})
        ctx.upsert_search_attributes({"State": "done"})
        return "done"

    sim = ds.Simulation([quick])
    handle = sim.start(quick, memo={"a": 1})
    handle.result()
    shown = handle.describe()
    assert (shown.status, shown.history_events) == ("COMPLETED", len(handle.history()))
    assert (shown.activities, shown.timers, shown.children, shown.task, shown.waits) == ((), (), (), None, ())
    assert (shown.memo, shown.search_attributes) == ({"a": 1, "b": 2}, {"State": "done"})


def test_who_waits_for_ever_is_told_where() -> None:
    """A result that nothing will ever bring: the error describes what is open."""

    async def hangs(ctx: ds.WorkflowContext) -> None:
        await ctx.wait_condition(lambda: False)

    sim = ds.Simulation([hangs])
    handle = sim.start(hangs)
    try:
        handle.result()
    except ds.UserError as error:
        text = str(error)
    assert "nothing will ever happen that could end it" in text
    assert f"hangs ({__file__}:{line_of(hangs, 'await ctx.wait_condition')})" in text
