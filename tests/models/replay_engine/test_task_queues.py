"""Task queues: work that nobody takes, and work that waits its turn."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.workflows.handlers import QueryFailed
from tests.models.replay_engine.scenes import at_s, caught_s, checked, do, echo, nap, shape


async def simple(ctx: ds.WorkflowContext) -> str:
    """One activity."""
    return str(await do(ctx, echo, "done"))


def test_a_workflow_on_a_queue_that_nobody_polls_waits() -> None:
    """Its first task is scheduled and never started; nothing will ever happen, and that is what is said."""
    sim = ds.Simulation([simple])
    handle = sim.start(simple, task_queue="nobody's")
    sim.advance("1d")
    assert shape(handle.history()) == "Started TScheduled"
    with pytest.raises(ds.UserError, match="nothing will ever happen that could end it"):
        handle.result()
    checked(sim, simple)


def test_such_a_workflow_can_be_signalled_and_terminated() -> None:
    """The server needs no worker for that; a query does, and is not answered in time."""
    sim = ds.Simulation([simple])
    handle = sim.start(simple, task_queue="nobody's")
    handle.signal("go", 1)
    before = sim.now_us
    with pytest.raises(QueryFailed, match="DEADLINE_EXCEEDED"):
        handle.query("state")
    assert sim.now_us - before == 15 * SECOND
    handle.terminate()
    assert shape(handle.history()) == "Started TScheduled Signal Terminated"
    checked(sim, simple)


def test_an_activity_on_a_queue_that_nobody_polls_waits_for_ever() -> None:
    """Without schedule-to-start or schedule-to-close nothing ends it: start-to-close has not begun."""

    async def lost(ctx: ds.WorkflowContext) -> Any:
        return await do(ctx, echo, task_queue="nobody's")

    sim = ds.Simulation([lost])
    handle = sim.start(lost)
    sim.advance("1d")
    assert shape(handle.history()) == "Started [T] AScheduled"
    (activity,) = handle.describe().activities
    assert (activity.state, activity.attempt, activity.worker) == ("SCHEDULED", 1, None)
    checked(sim, lost)


def test_a_childs_activities_are_on_its_own_queue() -> None:
    """A queue is inherited by default: by children from parents, by activities from workflows."""

    async def parent(ctx: ds.WorkflowContext) -> None:
        await ctx.start_child_workflow(simple, id="c-1")
        await ctx.start_child_workflow(simple, id="c-2", task_queue="nobody's")
        await ctx.sleep("1s")

    sim = ds.Simulation([parent, simple])
    sim.start(parent).result()
    assert sim.handle("c-1").status == "COMPLETED"
    assert sim.history_of("c-1").of("ActivityTaskScheduled")[0].attributes["task_queue"] == "main"
    assert shape(sim.history_of("c-2")).startswith("Started TScheduled")


def test_while_no_worker_runs_everything_waits_and_then_goes_on() -> None:
    """Workflow tasks and activities are taken when a worker comes, in the order in which they were put there."""

    async def three(ctx: ds.WorkflowContext) -> Any:
        first = await do(ctx, nap, "1s")
        return [first, *await ctx.gather(*[do(ctx, echo, number) for number in range(3)])]

    sim = ds.Simulation([three], workers=1)
    sim.crash("w1", restart_after="1h")
    handles = [sim.start(three) for _ in range(3)]
    sim.advance("59m")
    assert {shape(handle.history()) for handle in handles} == {"Started TScheduled"}
    for handle in handles:
        assert handle.result() == ["1s", 0, 1, 2]
    starts = [record.execution for record in sim.trace if record.kind == "task_started"][:3]
    assert starts == [handle.workflow_id for handle in handles]
    checked(sim, three)


def test_a_retry_goes_to_whoever_is_free() -> None:
    """Not back to the worker of the first attempt."""

    @ds.activity
    async def fails_once(ctx: ds.ActivityContext) -> int:
        if ctx.attempt == 1:
            raise ds.ApplicationError("not yet")
        return ctx.attempt

    async def calls(ctx: ds.WorkflowContext) -> Any:
        return await do(ctx, fails_once, retry_policy=ds.RetryPolicy(initial_interval="10s"))

    sim = ds.Simulation([calls], workers=2)
    handle = sim.start(calls)
    sim.advance("5s")
    (first,) = [record.worker for record in sim.trace if record.kind == "task_started"]
    assert first is not None
    sim.crash(first, restart_after=None)
    assert handle.result() == 2
    assert caught_s(sim, "task_started") == [0, 10]
    assert at_s(handle.history(), "ActivityTaskCompleted") == [10]
    checked(sim, calls)


def test_workers_share_the_work() -> None:
    """Ten activities at once on two workers: five each."""

    async def ten(ctx: ds.WorkflowContext) -> Any:
        return await ctx.gather(*[do(ctx, nap, "1s") for _ in range(10)])

    sim = ds.Simulation([ten], workers=2)
    sim.start(ten).result()
    done_by = [record.worker for record in sim.trace if record.kind == "task_started"]
    assert sorted(map(done_by.count, set(done_by))) == [5, 5]
    checked(sim, ten)
