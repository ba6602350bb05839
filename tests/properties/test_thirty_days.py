"""A sleep of 30 days survives whatever happens to workers meanwhile."""

from __future__ import annotations

import random

import pytest

import durable_sim as ds
from durable_sim import trace
from durable_sim.durations import DAY, MINUTE, SECOND

STRIKES = 100
STICKY_TIMEOUT_US = 10 * SECOND
TASK_US = SECOND
"""More than a task takes here, messages included."""
WORKERS = ("w1", "w2", "w3")


async def send_reminder(ctx: ds.ActivityContext) -> int:
    """An activity after the sleep: gives the attempt."""
    return ctx.attempt


@ds.workflow(name="remind")
async def remind(ctx: ds.WorkflowContext) -> int:
    """Sleep for 30 days, and act."""
    await ctx.sleep("30 days")
    return await ctx.execute_activity(send_reminder, start_to_close_timeout="5s")


@ds.workflow(name="remind")
async def remind_2(ctx: ds.WorkflowContext) -> int:
    """The same, with a change that concerns only those who start later."""
    if ctx.patched("greet first"):
        await ctx.execute_activity(send_reminder, start_to_close_timeout="5s")
    await ctx.sleep("30 days")
    return await ctx.execute_activity(send_reminder, start_to_close_timeout="5s")


@ds.workflow(name="daily")
async def daily(ctx: ds.WorkflowContext, days: int) -> int:
    """Sleep day by day, and act after each."""
    for _ in range(days):
        await ctx.sleep("1 day")
        await ctx.execute_activity(send_reminder, start_to_close_timeout="5s")
    return days


KINDS = ("crash", "crash", "crash all", "deploy at once", "deploy rolling", "new version")


class Trouble:
    """Strikes workers: crashes and deploys of all sorts. A newer version is never taken back."""

    def __init__(self, sim: ds.Simulation, seed: int) -> None:
        self._sim = sim
        self._chance = random.Random(seed)
        self._version: str | None = None
        self.kinds: set[str] = set()

    def times(self, until_us: int) -> list[int]:
        """When to strike."""
        return sorted(self._chance.randrange(SECOND, until_us) for _ in range(STRIKES))

    def strike(self) -> None:
        """Once, at a time that nobody has chosen."""
        chance = self._chance
        kind = chance.choice(KINDS)
        self.kinds.add(kind)
        if kind.startswith("crash"):
            for worker in WORKERS if kind == "crash all" else [chance.choice(WORKERS)]:
                self._sim.crash(worker, chance.choice(["100ms", "2s", "1m"]))
            return
        self._version = "v2" if kind == "new version" else self._version
        rolling = kind == "deploy rolling" or (kind == "new version" and chance.random() < 0.5)
        self._sim.deploy(self._version, rolling=rolling, grace=chance.choice([None, "5s"]))


def processes(history: ds.History) -> set[str]:
    """The worker processes that ran the code."""
    return {event.attributes["identity"] for event in history.of("WorkflowTaskCompleted")}


@pytest.mark.parametrize("cache", ["warm", "cold", "evicted"])
@pytest.mark.parametrize("seed", range(6))
def test_a_30_day_sleep_survives_100_crashes_and_deploys(seed: int, cache: str) -> None:
    """It fires once, at the right time, on another process than the one that began it, and the next step follows."""
    sim = ds.Simulation(remind, workers=3, seed=seed, versions={"v2": remind_2}, cache=cache, rpc_latency="5ms")
    trouble = Trouble(sim, seed)
    handle = sim.start(remind, id="r-1")
    for at_us in trouble.times(30 * DAY - 2 * MINUTE):
        sim.advance(f"{at_us - sim.now_us}us")
        trouble.strike()
        assert sim.now_us == at_us and handle.status == "RUNNING"
    assert trouble.kinds == set(KINDS)
    sim.advance(f"{30 * DAY - SECOND - sim.now_us}us")
    assert set(sim.workers) == set(WORKERS)
    assert handle.describe().timers[0].due_us == handle.history().of("TimerStarted")[0].time_us + 30 * DAY
    sim.crash("w1", "100ms")  # the timer may be about to wake this one
    assert handle.result() == 1
    history = handle.history()
    history.check()
    (begun,), (fired,), (asked,) = map(history.of, ("TimerStarted", "TimerFired", "ActivityTaskScheduled"))
    assert fired.time_us - begun.time_us == 30 * DAY
    assert 0 <= asked.time_us - fired.time_us <= STICKY_TIMEOUT_US + TASK_US
    assert len(processes(history)) >= 2
    assert [one.kind for one in sim.trace].count(trace.TIMER_FIRED) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_workflow_that_wakes_every_day_moves_from_process_to_process(seed: int) -> None:
    """30 timers of a day each are exact while 100 crashes and deploys strike, and many processes take part."""
    sim = ds.Simulation(daily, workers=3, seed=seed, versions={"v2": daily}, rpc_latency="5ms")
    trouble = Trouble(sim, seed)
    handle = sim.start(daily, 30, id="d-1")
    for at_us in trouble.times(30 * DAY):
        sim.advance(f"{at_us - sim.now_us}us")
        trouble.strike()
    assert handle.result() == 30
    history = handle.history()
    history.check()
    begun, fired = history.of("TimerStarted"), history.of("TimerFired")
    assert [end.time_us - start.time_us for start, end in zip(begun, fired, strict=True)] == [DAY] * 30
    assert len(processes(history)) >= 10
    assert len(history.of("ActivityTaskCompleted")) == 30
