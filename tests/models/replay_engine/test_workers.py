"""Workers: slots, caches, stops and crashes, zombies, and code that holds its thread."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from tests.models.replay_engine.scenes import at_s, caught_s, checked, do, echo, nap, only, shape

A = "AScheduled AStarted ACompleted"


async def sleepy(ctx: ds.WorkflowContext) -> str:
    """Sleeps three times a minute."""
    for _ in range(3):
        await ctx.sleep("1m")
    return "done"


def replays(sim: ds.Simulation) -> int:
    """How often a worker had to run a history from its beginning."""
    return len(caught_s(sim, "replayed"))


# --- slots ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("workers", "slots", "starts"), [(1, 2, [0, 0, 10, 10, 20]), (2, 2, [0, 0, 0, 0, 10])])
def test_activity_slots_limit_what_runs_at_once(workers: int, slots: int, starts: list[int]) -> None:
    """Five naps of 10 s on so many slots; what waits is taken in its order."""

    async def five(ctx: ds.WorkflowContext) -> Any:
        return await ctx.gather(*[do(ctx, nap, "10s") for _ in range(5)])

    sim = ds.Simulation([five], workers=workers, max_concurrent_activities=slots)
    handle = sim.start(five)
    handle.result()
    assert caught_s(sim, "task_started") == starts
    steps = [record.step for record in sim.trace if record.kind == "task_started"]
    assert steps == sorted(steps)  # type: ignore[type-var]
    checked(sim, five)


def test_workflow_task_slots_limit_what_runs_at_once() -> None:
    """One slot, three workflows whose code takes a second each: one after the other."""

    async def heavy(ctx: ds.WorkflowContext) -> str:
        ctx.block_for("1s")
        return "done"

    sim = ds.Simulation([heavy], workers=1, max_concurrent_workflow_tasks=1)
    handles = [sim.start(heavy) for _ in range(3)]
    assert [handle.result() for handle in handles] == ["done"] * 3
    assert [at_s(handle.history(), "WorkflowTaskStarted") for handle in handles] == [[0], [1], [2]]
    checked(sim, heavy)


def test_a_slot_is_free_again_after_a_failed_task() -> None:
    """Neither a failure nor a refusal uses it up for good."""

    async def broken(ctx: ds.WorkflowContext) -> None:
        raise ValueError("a mistake")

    async def fine(ctx: ds.WorkflowContext) -> str:
        return "done"

    sim = ds.Simulation([broken, fine], workers=1, max_concurrent_workflow_tasks=1)
    stuck = [sim.start(broken) for _ in range(3)]
    sim.advance("2m")
    assert sim.start(fine).result() == "done"
    assert {handle.status for handle in stuck} == {"RUNNING"}


def test_a_slot_is_free_again_after_an_attempt_that_was_given_up() -> None:
    """A timed-out attempt holds its slot until its code ends."""

    async def calls(ctx: ds.WorkflowContext) -> Any:
        policy = ds.RetryPolicy(maximum_attempts=1)
        try:
            await do(ctx, nap, "10s", start_to_close_timeout="1s", retry_policy=policy)
        except ds.ActivityError:
            return await do(ctx, echo, "second")

    sim = ds.Simulation([calls], workers=1, max_concurrent_activities=1)
    assert sim.start(calls).result() == "second"
    assert caught_s(sim, "task_started") == [0, 10]
    checked(sim, calls)


# --- caches ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("cache", "times"), [("warm", 0), ("cold", 3), ("evicted", 3), (1, 0), (0, 3)])
def test_a_cache_saves_replays_and_changes_nothing_else(cache: Any, times: int) -> None:
    """The types of events are the same; without an instance in the cache each task replays from the start."""
    sim = ds.Simulation([sleepy], workers=1, cache=cache)
    handle = sim.start(sleepy)
    assert handle.result() == "done"
    assert shape(handle.history()) == "Started [T]" + " TimerStarted TimerFired [T]" * 3 + " Completed"
    assert replays(sim) == times
    sticky = [event.attributes["task_queue_kind"] for event in handle.history().of("WorkflowTaskScheduled")]
    assert sticky == ["NORMAL"] + ["NORMAL" if cache in ("cold", 0) else "STICKY"] * 3
    checked(sim, sleepy)


def test_the_cache_keeps_those_used_last() -> None:
    """Three workflows in turn on a cache of two: the one used longest ago is gone when its turn comes."""

    async def waits(ctx: ds.WorkflowContext) -> None:
        got: list[int] = []
        ctx.set_signal_handler("go", lambda: got.append(1))
        await ctx.wait_condition(lambda: len(got) == 9)

    sim = ds.Simulation([waits], workers=1, cache=2)
    one, two, three = (sim.start(waits, id=name) for name in ("one", "two", "three"))
    sim.advance("1s")  # "one" was dropped for "three"
    for handle, found in ((three, 0), (two, 0), (one, 1), (two, 1), (one, 1), (three, 2)):
        handle.signal("go")
        sim.advance("1s")
        assert replays(sim) == found, handle.workflow_id
    checked(sim, waits)


# --- stops and crashes ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("how", "cost"), [("stop", 0), ("crash", 10)])
def test_a_graceful_stop_costs_nothing_and_a_crash_ten_seconds(how: str, cost: int) -> None:
    """After a crash the next task waits on the dead worker's sticky queue; a stop gives back what sticks to it."""

    async def naps(ctx: ds.WorkflowContext) -> str:
        await ctx.sleep("1m")
        return "done"

    sim = ds.Simulation([naps])
    handle = sim.start(naps)
    sim.advance("1s")
    holder = handle.history().of("WorkflowTaskCompleted")[0].attributes["identity"].split("@")[0]
    assert getattr(sim, how)(holder, restart_after=None)
    assert handle.result() == "done"
    assert sim.now_us == (60 + cost) * SECOND
    kinds = [event.attributes["timeout_type"] for event in handle.history().of("WorkflowTaskTimedOut")]
    assert kinds == ["SCHEDULE_TO_START"] * (cost > 0)
    assert replays(sim) == 1
    checked(sim, naps)


def test_a_worker_that_stops_finishes_what_it_has() -> None:
    """It takes nothing new, and is gone once its attempt has ended."""

    async def calls(ctx: ds.WorkflowContext) -> Any:
        return [await do(ctx, nap, "5s"), await do(ctx, echo, "next")]

    sim = ds.Simulation([calls], workers=2)
    handle = sim.start(calls)
    sim.advance("1s")
    (working,) = (activity.worker for activity in handle.describe().activities)
    assert working is not None and sim.stop(working)
    assert not sim.stop(working)
    sim.advance("3s")
    assert working in sim.workers
    assert handle.result() == ["5s", "next"]
    assert working not in sim.workers
    started = [record.worker for record in sim.trace if record.kind == "task_started"]
    assert started[0] == working and started[1] != working
    checked(sim, calls)


def test_a_worker_can_be_started_again() -> None:
    """One that runs cannot; an unknown one is refused."""
    sim = ds.Simulation([sleepy], workers=1)
    assert not sim.start_worker("w1")
    assert sim.crash("w1", restart_after=None)
    assert (sim.workers, sim.crash("w1")) == ((), False)
    handle = sim.start(sleepy)
    sim.advance("1m")
    assert handle.history().types[-1] == "WorkflowTaskScheduled"
    assert sim.start_worker("w1")
    assert handle.result() == "done"
    with pytest.raises(ds.UserError, match="unknown worker 'w9': known: w1"):
        sim.crash("w9")
    checked(sim, sleepy)


def test_a_worker_that_dies_with_a_task_costs_the_tasks_time_out() -> None:
    """START_TO_CLOSE after 10 s; then another worker takes it from the normal queue."""
    sim = ds.Simulation([sleepy], rpc_latency="100ms")
    handle = sim.start(sleepy)
    sim.advance("50ms")
    for worker in sim.workers:
        sim.crash(worker, restart_after="1s")
    assert handle.result() == "done"
    told = only(handle.history(), "WorkflowTaskTimedOut")
    assert told["timeout_type"] == "START_TO_CLOSE"
    assert at_s(handle.history(), "WorkflowTaskTimedOut") == [10]
    checked(sim, sleepy)


def test_a_paused_worker_that_comes_back_late_is_not_heard() -> None:
    """Its answer is for a workflow task that was given to another meanwhile: one outcome, one history."""

    async def charges(ctx: ds.WorkflowContext) -> str:
        await ctx.sleep("10s")
        await do(ctx, echo, "charged")
        return "done"

    sim = ds.Simulation([charges], rpc_latency="100ms")
    handle = sim.start(charges)
    sim.advance("5s")
    holder = handle.history().of("WorkflowTaskCompleted")[0].attributes["identity"].split("@")[0]
    sim.run_until(lambda: handle.history().types.count("WorkflowTaskStarted") == 2)
    sim.pause(holder, lasts="1m")
    assert handle.result() == "done"
    sim.run()
    assert shape(handle.history()).count("AScheduled") == 1
    assert shape(handle.history()).endswith(f"{A} [T] Completed")
    checked(sim, charges)


def test_a_result_that_comes_late_is_refused() -> None:
    """The attempt ran, the server had given it up; the second one's result counts."""

    @ds.activity
    async def slow_at_first(ctx: ds.ActivityContext) -> int:
        await ctx.sleep("5s" if ctx.attempt == 1 else "1s")
        return ctx.attempt

    async def calls(ctx: ds.WorkflowContext) -> Any:
        got = await do(ctx, slow_at_first, start_to_close_timeout="2s")
        await ctx.sleep("1m")
        return got

    sim = ds.Simulation([calls])
    assert sim.start(calls).result() == 2
    assert caught_s(sim, "result_refused") == [5]
    checked(sim, calls)


# --- code that holds its thread -------------------------------------------------------------------------------------
def test_simulated_time_passes_in_a_workflow_task_that_blocks() -> None:
    """What it asks for is sent when the code lets go."""

    async def heavy(ctx: ds.WorkflowContext) -> str:
        ctx.block_for("1500ms")
        return str(await do(ctx, echo, "done"))

    sim = ds.Simulation([heavy])
    handle = sim.start(heavy)
    assert handle.result() == "done"
    assert at_s(handle.history(), "WorkflowTaskCompleted")[0] == 1.5
    checked(sim, heavy)


def test_code_that_does_not_yield_for_two_seconds_fails_its_task() -> None:
    """TMPRL1101, two seconds into the task; the next task may do better."""
    blocks = ["3s"]

    async def heavy(ctx: ds.WorkflowContext) -> str:
        if blocks:
            ctx.block_for(blocks.pop())
        return "done"

    sim = ds.Simulation([heavy])
    handle = sim.start(heavy)
    assert handle.result() == "done"
    failed = handle.history().of("WorkflowTaskFailed")
    assert [event.time_us for event in failed] == [2 * SECOND]
    assert failed[0].attributes["cause"] == "WORKFLOW_WORKER_UNHANDLED_FAILURE"
    assert "[TMPRL1101]" in failed[0].attributes["failure"].message
    checked(sim, heavy)


def test_without_detection_a_task_that_blocks_too_long_times_out() -> None:
    """The server gives it to another after 10 s; the late answer is not heard."""
    blocks = ["15s"]

    async def heavy(ctx: ds.WorkflowContext) -> str:
        if blocks:
            ctx.block_for(blocks.pop())
        await ctx.sleep("1m")
        return "done"

    sim = ds.Simulation([heavy], deadlock_timeout=None)
    handle = sim.start(heavy)
    assert handle.result() == "done"
    assert at_s(handle.history(), "WorkflowTaskTimedOut") == [10]
    assert len(handle.history().of("TimerStarted")) == 1
    checked(sim, heavy)


def test_blocking_in_one_go_counts_not_in_all() -> None:
    """Code that lets go between is no deadlock."""

    async def heavy(ctx: ds.WorkflowContext) -> str:
        for _ in range(3):
            ctx.block_for("1500ms")
            await ctx.sleep("1s")
        return "done"

    sim = ds.Simulation([heavy])
    handle = sim.start(heavy)
    assert handle.result() == "done"
    assert handle.history().of("WorkflowTaskFailed") == ()
    assert sim.now_us == 7_500_000
    checked(sim, heavy)
