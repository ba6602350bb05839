"""Heartbeats: time-outs, throttling, details that outlive an attempt."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.replay.worker import throttle_us
from tests.models.replay_engine.scenes import at_s, beats, caught_s, checked, only, shape


def calling(activity: Any, *arguments: Any, **options: Any) -> Any:
    """A workflow that calls one activity."""

    async def calls(ctx: ds.WorkflowContext) -> Any:
        try:
            return await ctx.execute_activity(activity, *arguments, **({"start_to_close_timeout": "1h"} | options))
        except ds.ActivityError as error:
            return [error.retry_state, error.cause.timeout_type]  # type: ignore[union-attr]

    return calls


def test_heartbeats_keep_a_long_attempt_alive() -> None:
    """A minute's work with a pause of one second at most, and a time-out of two."""
    calls = calling(beats, "1s", 60, heartbeat_timeout="2s")
    sim = ds.Simulation([calls])
    assert sim.start(calls).result() == [1, []]
    assert caught_s(sim, "attempt_timed_out") == []
    checked(sim, calls)


def test_silence_ends_an_attempt_and_its_details_reach_the_next() -> None:
    """The pause counts from the last heartbeat that was sent."""

    @ds.activity
    async def stops(ctx: ds.ActivityContext) -> Any:
        ctx.heartbeat("half", [1, 2])
        await ctx.sleep("1h" if ctx.attempt == 1 else "1s")
        return list(ctx.heartbeat_details)

    calls = calling(stops, heartbeat_timeout="5s")
    sim = ds.Simulation([calls])
    handle = sim.start(calls)
    assert handle.result() == ["half", [1, 2]]
    assert caught_s(sim, "attempt_timed_out") == [5]
    assert only(handle.history(), "ActivityTaskStarted")["last_failure"].timeout_type == "HEARTBEAT"
    checked(sim, calls)


def test_an_attempt_that_never_beats_has_the_time_out_from_its_start() -> None:
    """The first heartbeat is due like any other."""

    @ds.activity
    async def silent(ctx: ds.ActivityContext) -> None:
        await ctx.sleep("1h")

    calls = calling(silent, heartbeat_timeout="5s", retry_policy=ds.RetryPolicy(maximum_attempts=1))
    sim = ds.Simulation([calls])
    handle = sim.start(calls)
    assert handle.result() == ["MAXIMUM_ATTEMPTS_REACHED", "HEARTBEAT"]
    assert at_s(handle.history(), "ActivityTaskTimedOut") == [5]
    assert shape(handle.history()) == "Started [T] AScheduled AStarted ATimedOut [T] Completed"
    checked(sim, calls)


def test_a_worker_sends_one_heartbeat_in_80_percent_of_the_time_out() -> None:
    """The first at once, the latest of those that follow when the interval is over."""
    seen: list[tuple[float, tuple[Any, ...]]] = []
    calls = calling(beats, "300ms", 20, heartbeat_timeout="2s")
    sim = ds.Simulation([calls])
    handle = sim.start(calls)
    while handle.status == "RUNNING":
        sim.advance("100ms")
        for activity in handle.describe().activities:
            if not seen or activity.heartbeat_details != seen[-1][1]:
                seen.append((sim.now_us / 1e6, activity.heartbeat_details))
    # every 1.6 s; the heartbeats are made at 0, 0.3, 0.6, ..., number 16 just behind the one sent at 4.8 s
    assert seen == [(0.1, (0,)), (1.6, (5,)), (3.2, (10,)), (4.8, (15,))]
    checked(sim, calls)


@pytest.mark.parametrize(
    ("timeout_us", "throttle"),
    [(1_000_000, 800_000), (10_000_000, 8_000_000), (None, 30_000_000), (600_000_000, 60_000_000)],
)
def test_the_interval_has_a_default_and_a_maximum(timeout_us: int | None, throttle: int) -> None:
    """80 % of the time-out, half a minute without one, never more than a minute."""
    assert throttle_us(timeout_us) == throttle


def test_what_was_held_back_is_sent_when_the_attempt_fails() -> None:
    """The next attempt goes on from the latest heartbeat, not from the latest that had left."""

    @ds.activity
    async def counts(ctx: ds.ActivityContext) -> Any:
        if ctx.attempt == 2:
            return list(ctx.heartbeat_details)
        for turn in range(5):
            ctx.heartbeat(turn)
            await ctx.sleep("100ms")
        raise ds.ApplicationError("oh")

    calls = calling(counts, heartbeat_timeout="10s")
    sim = ds.Simulation([calls])
    assert sim.start(calls).result() == [4]
    checked(sim, calls)


def test_details_outlive_the_worker() -> None:
    """A crash loses what was held back, not what was sent."""
    calls = calling(beats, "1s", 20, heartbeat_timeout="5s")
    sim = ds.Simulation([calls])
    handle = sim.start(calls)
    sim.advance("7500ms")  # sent: 0 at 0 s and 3 at 4 s, just before 4 is made
    for worker in sim.workers:
        sim.crash(worker)
    assert handle.result() == [2, [3]]
    assert caught_s(sim, "attempt_timed_out") == [9]
    checked(sim, calls)


def test_details_survive_attempts_that_tell_nothing() -> None:
    """The third attempt still finds what the first told."""

    @ds.activity
    async def tells_once(ctx: ds.ActivityContext) -> Any:
        if ctx.attempt == 1:
            ctx.heartbeat("told once")
        if ctx.attempt < 3:
            raise ds.ApplicationError("again")
        return list(ctx.heartbeat_details)

    calls = calling(tells_once, heartbeat_timeout="1m")
    sim = ds.Simulation([calls])
    assert sim.start(calls).result() == ["told once"]
    checked(sim, calls)


def test_a_paused_worker_is_a_zombie_whose_result_is_refused() -> None:
    """It beats no more, another attempt is made elsewhere, and what it brings later is not taken."""
    calls = calling(beats, "1s", 10, heartbeat_timeout="3s")
    sim = ds.Simulation([calls], workers=2)
    handle = sim.start(calls)
    sim.advance("2500ms")
    (working,) = (activity.worker for activity in handle.describe().activities)
    assert working is not None
    sim.pause(working, lasts="1m")
    attempt, details = handle.result()
    assert attempt == 2 and details == [2]  # sent at 2.4 s
    sim.run()
    refused = [record for record in sim.trace if record.kind == "result_refused"]
    assert [record.worker for record in refused] == [working]
    checked(sim, calls)
