"""A server that loses its memory goes on from its store: whatever was open, and whoever was waiting."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.workflows.handlers import QueryFailed
from tests.models.replay_engine.scenes import beats, caught_s, checked, do, echo, nap, shape


async def child(ctx: ds.WorkflowContext) -> str:
    """Half a minute's work."""
    return str(await do(ctx, nap, "30s"))


@ds.activity
async def flaky(ctx: ds.ActivityContext) -> int:
    """Fails twice."""
    if ctx.attempt < 3:
        raise ds.ApplicationError(f"attempt {ctx.attempt}")
    return ctx.attempt


async def busy(ctx: ds.WorkflowContext) -> list[Any]:
    """Activities that run, wait for a retry, and heartbeat; a timer, a child, signals, updates and queries."""
    got: list[Any] = []

    async def add(item: Any) -> int:
        await ctx.sleep("5s")
        got.append(item)
        return len(got)

    ctx.set_signal_handler("add", got.append)
    ctx.set_update_handler("add", add)
    ctx.set_query_handler("got", lambda: got)
    policy = ds.RetryPolicy(initial_interval="10s", backoff_coefficient=1)
    done = await ctx.gather(
        do(ctx, nap, "20s"),
        do(ctx, flaky, retry_policy=policy),
        do(ctx, beats, "1s", 25, heartbeat_timeout="3s"),
        ctx.sleep("15s"),
        ctx.execute_child_workflow(child, id="c-1"),
    )
    await ctx.wait_condition(lambda: len(got) >= 2)
    return [*done, *got]


EXPECTED = ["20s", 3, [1, []], None, "30s"]


@pytest.mark.parametrize("downtime", ["0s", "2s"])
@pytest.mark.parametrize("at", ["0s", "1s", "5s", "10s", "12s", "20s", "29s", "31s"])
def test_a_restart_at_any_time_loses_nothing(at: str, downtime: str) -> None:
    """Activities that run are not begun again, retries and timers keep their times, children are heard of."""
    sim = ds.Simulation([busy, child])
    handle = sim.start(busy)
    handle.signal("add", "signal")
    sim.advance(at)
    sim.restart_server(downtime)
    sim.advance("40s")
    assert handle.status == "RUNNING"
    assert handle.update("add", "update") == 2
    assert handle.result() == [*EXPECTED, "signal", "update"]
    assert len(caught_s(sim, "server_restarted")) == 1
    assert caught_s(sim, "attempt_timed_out") == []
    naps = [record for record in sim.trace if record.kind == "task_started" and record.subject == "nap"]
    assert len(naps) == 2
    checked(sim, busy, child)


def test_the_history_is_the_same_as_without_a_restart() -> None:
    """One that takes no time and comes when nothing else happens leaves no mark in it."""

    def played(restart: bool) -> tuple[ds.History, ...]:
        sim = ds.Simulation([busy, child])
        handle = sim.start(busy, signal=("add", 1))
        sim.advance("7s")
        if restart:
            sim.restart_server()
        handle.signal("add", 2)
        handle.result()
        return tuple(sim.histories().values())

    assert played(True) == played(False)


def test_many_restarts() -> None:
    """Every second, for a minute."""
    sim = ds.Simulation([busy, child])
    handle = sim.start(busy)
    handle.signal("add", 1)
    handle.signal("add", 2)
    for _ in range(60):
        sim.restart_server("100ms")
        sim.advance("1s")
    assert handle.result() == [*EXPECTED, 1, 2]
    checked(sim, busy, child)


def test_an_update_that_waits_is_answered_after_the_restart() -> None:
    """Accepted before it, or not; the client asks again."""
    sim = ds.Simulation([busy, child])
    handle = sim.start(busy)
    sim.advance("1s")
    accepted = handle.start_update("add", "a")
    sim.advance("2s")
    assert accepted.accepted
    sim.restart_server("1s")
    waiting = handle.start_update("add", "b")
    assert (accepted.result(), waiting.result()) == (1, 2)
    assert len(handle.history().of("WorkflowExecutionUpdateAccepted")) == 2
    handle.result()
    checked(sim, busy, child)


def test_a_query_that_waits_is_answered_after_the_restart() -> None:
    """Within its own deadline."""
    sim = ds.Simulation([busy, child])
    handle = sim.start(busy, signal=("add", 1))
    sim.advance("1s")
    sim.restart_server("5s")
    before = sim.now_us
    assert handle.query("got") == [1]
    assert sim.now_us - before == 5 * SECOND
    sim.restart_server("1m")
    with pytest.raises(QueryFailed, match="DEADLINE_EXCEEDED"):
        handle.query("got")
    assert sim.now_us - before == (5 + 15) * SECOND


def test_what_is_sent_to_a_server_that_is_down_arrives_later() -> None:
    """Clients and workers try again: signals and results are not lost, in their order. A start is refused, as nobody
    can say whether its id is taken."""
    sim = ds.Simulation([busy, child], workers=2)
    handle = sim.start(busy)
    sim.advance("18s")
    sim.restart_server("6s")
    handle.signal("add", 1)
    handle.signal("add", 2)
    with pytest.raises(ds.UserError, match="start of 'other': the server is down"):
        sim.start(child, id="other")
    sim.advance("11s")
    assert sim.start(child, id="other").status == "RUNNING"
    assert handle.result() == [*EXPECTED, 1, 2]
    first = next(record.time_us for record in sim.trace if record.kind == "result_recorded")
    assert first == 24 * SECOND  # the nap that was over at 20 s
    checked(sim, busy, child)


def test_timers_that_came_due_while_it_was_down_fire_at_once() -> None:
    """And so do time-outs."""

    async def naps(ctx: ds.WorkflowContext) -> Any:
        await ctx.sleep("5s")
        try:
            await do(ctx, nap, "1h", start_to_close_timeout="5s", retry_policy=ds.RetryPolicy(maximum_attempts=1))
        except ds.ActivityError as error:
            return error.cause.timeout_type  # type: ignore[union-attr]

    sim = ds.Simulation([naps])
    handle = sim.start(naps)
    sim.advance("1s")
    sim.restart_server("10s")
    sim.advance("12s")
    sim.restart_server("10s")
    assert handle.result() == "START_TO_CLOSE"
    assert [event.time_us // SECOND for event in handle.history().of("TimerFired")] == [11]
    assert [event.time_us // SECOND for event in handle.history().of("ActivityTaskTimedOut")] == [23]
    checked(sim, naps)


def test_a_stuck_workflow_goes_on_being_tried() -> None:
    """Attempts and back-off of its task are kept."""
    failing = [True]

    async def mended(ctx: ds.WorkflowContext) -> str:
        if failing:
            raise ValueError("a mistake")
        return "ok"

    sim = ds.Simulation([mended])
    handle = sim.start(mended)
    sim.advance("50s")
    attempt = handle.describe().task
    sim.restart_server("1s")
    sim.advance("2s")
    after = handle.describe().task
    assert attempt is not None and after is not None and after.attempt == attempt.attempt >= 5
    failing.clear()
    assert handle.result() == "ok"
    checked(sim, mended)


def test_with_messages_that_take_time_nothing_is_lost_either() -> None:
    """Tasks and answers that were on their way arrive at the server that came up."""
    for tenth in range(12):
        sim = ds.Simulation([busy, child], rpc_latency="200ms")
        handle = sim.start(busy)
        handle.signal("add", 1)
        handle.signal("add", 2)
        sim.advance(f"{tenth * 100}ms")
        sim.restart_server("300ms")
        assert handle.result() == [*EXPECTED, 1, 2]
        checked(sim, busy, child)


def test_crashes_and_restarts_together() -> None:
    """Server and workers fail in turn; each workflow still ends once, with what it should."""

    async def order(ctx: ds.WorkflowContext, number: int) -> list[Any]:
        got = [await do(ctx, echo, number, start_to_close_timeout="2s")]
        await ctx.sleep("3s")
        return [*got, await do(ctx, echo, -number, start_to_close_timeout="2s")]

    sim = ds.Simulation([order], rpc_latency="50ms", workers=2)
    handles = []
    for second in range(20):
        handles.append(sim.start(order, second))
        if second % 3 == 0:
            sim.restart_server("200ms")
        if second % 4 == 1:
            sim.crash(f"w{second % 2 + 1}", restart_after="500ms")
        sim.advance("1s")
    for number, handle in enumerate(handles):
        assert handle.result() == [number, -number]
        assert shape(handle.history()).count("ACompleted") == 2
    checked(sim, order)
