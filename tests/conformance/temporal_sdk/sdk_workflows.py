"""Workflows for the real SDK, which judges histories that the simulated engine made of their twins.

Each class has a twin of the same workflow type in native_workflows.py that issues the same commands in the same order.
Nothing here runs an activity: the Replayer only replays.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError
from temporalio.workflow import ActivityCancellationType

THIRTY = timedelta(seconds=30)
OPTIONS: dict[str, Any] = {"start_to_close_timeout": THIRTY, "retry_policy": RetryPolicy(maximum_attempts=3)}


async def do(name: str, *arguments: Any, **options: Any) -> Any:
    """Run an activity by its name."""
    return await workflow.execute_activity(name, args=list(arguments), **OPTIONS | options)


@workflow.defn(name="Order")
class Order:
    """Five steps, one after the other."""

    @workflow.run
    async def run(self, order: str) -> str:
        for name in ("check", "reserve", "charge", "ship", "thank"):
            await do(name, order)
        return f"{order} done"


@workflow.defn(name="Trip")
class Trip:
    """A saga: the third booking fails, the first two are undone in reverse order, and the workflow fails."""

    @workflow.run
    async def run(self, trip: str) -> str:
        booked: list[str] = []
        try:
            for name in ("hotel", "flight"):
                await do("book", name)
                booked.append(name)
            await do("refuse", "car")
        except ActivityError:
            for name in reversed(booked):
                await do("undo", name)
            raise ApplicationError(f"{trip} is off", type="TripFailed") from None
        return trip


@workflow.defn(name="Stubborn")
class Stubborn:
    """An activity that fails twice, and one that is given up."""

    @workflow.run
    async def run(self) -> list[str]:
        first = await do("flaky", 2)
        try:
            second = await do("flaky", 99)
        except ActivityError as error:
            second = f"gave up: {error.cause}"
        return [first, second]


@workflow.defn(name="Nap")
class Nap:
    """Two timers in a row, and two at once."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(60)
        await asyncio.gather(asyncio.sleep(5), asyncio.sleep(3))
        return "rested"


@workflow.defn(name="Inbox")
class Inbox:
    """Waits for two signals without a limit, then for a third with one."""

    def __init__(self) -> None:
        self.got: list[str] = []

    @workflow.signal
    def put(self, word: str) -> None:
        self.got.append(word)

    @workflow.run
    async def run(self, limit_s: int) -> list[str]:
        await workflow.wait_condition(lambda: len(self.got) >= 2)
        await do("echo", self.got[0])
        try:
            await workflow.wait_condition(lambda: len(self.got) >= 3, timeout=timedelta(seconds=limit_s))
        except TimeoutError:
            await do("echo", "nobody")
        return self.got


@workflow.defn(name="Family")
class Family:
    """A child that completes and one that fails, started with ids of their own."""

    @workflow.run
    async def run(self, name: str) -> list[str]:
        told = [await workflow.execute_child_workflow("Kid", False, id=f"{name}-kid-1", result_type=str)]
        try:
            await workflow.execute_child_workflow("Kid", True, id=f"{name}-kid-2")
        except ChildWorkflowError as error:
            told.append(f"{error.cause}")
        return told


@workflow.defn(name="Kid")
class Kid:
    """Does as it is told."""

    @workflow.run
    async def run(self, fails: bool) -> str:
        await do("echo", "kid")
        if fails:
            raise ApplicationError("no", type="Tantrum")
        return "yes"


@workflow.defn(name="Countdown")
class Countdown:
    """Continues as new until it is at zero."""

    @workflow.run
    async def run(self, n: int) -> str:
        await do("echo", str(n))
        if n > 0:
            workflow.continue_as_new(n - 1)
        return "zero"


@workflow.defn(name="Counter")
class Counter:
    """Takes updates that act before they answer, until the sum is 10 or more."""

    def __init__(self) -> None:
        self.sum = 0

    @workflow.update
    async def add(self, n: int) -> int:
        await do("echo", str(n))
        self.sum += n
        return self.sum

    @add.validator
    def _validate(self, n: int) -> None:
        if n < 0:
            raise ValueError("less than nothing")

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.sum >= 10 and workflow.all_handlers_finished())
        return self.sum


@workflow.defn(name="Fashion")
class Fashion:
    """Code that was changed: the new path where the patch is recorded."""

    @workflow.run
    async def run(self) -> str:
        await do("echo", "before")
        way = "new" if workflow.patched("other-way") else "old"
        await do("echo", way)
        return way


@workflow.defn(name="Fashion")
class FashionBefore:
    """The same before the change."""

    @workflow.run
    async def run(self) -> str:
        await do("echo", "before")
        await do("echo", "old")
        return "old"


@workflow.defn(name="Settled")
class Settled:
    """Code whose change is old: the patch is deprecated; and another change beside it."""

    @workflow.run
    async def run(self) -> str:
        workflow.deprecate_patch("other-way")
        await do("echo", "new")
        if workflow.patched("another-change"):
            await asyncio.sleep(1)
        await do("echo", "end")
        return "new"


@workflow.defn(name="Careful")
class Careful:
    """Cleans up when it is cancelled, and is then cancelled."""

    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.sleep(3600)
            return "slept"
        finally:
            await do("echo", "cleanup")


@workflow.defn(name="Impatient")
class Impatient:
    """Cancels a slow activity after a while, waits for how it ends, and goes on."""

    @workflow.run
    async def run(self) -> str:
        slow = workflow.start_activity(
            "slow",
            **OPTIONS,
            heartbeat_timeout=timedelta(seconds=5),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await asyncio.sleep(2)
        slow.cancel()
        try:
            told = str(await slow)
        except ActivityError as error:
            told = type(error.cause).__name__
        await do("echo", told)
        return told


@workflow.defn(name="Homework")
class Homework:
    """Local activities: two that work, one that is none, and one whose retry is waited for by a timer."""

    @workflow.run
    async def run(self) -> list[str]:
        done = []
        for word in ("a", "b"):
            done.append(await workflow.execute_local_activity("echo", word, start_to_close_timeout=THIRTY))
        done.append(await do("echo", "c"))
        await asyncio.sleep(1)
        done.append(
            await workflow.execute_local_activity(
                "flaky",
                1,
                start_to_close_timeout=THIRTY,
                local_retry_threshold=timedelta(seconds=2),
                retry_policy=RetryPolicy(initial_interval=timedelta(seconds=5), maximum_attempts=3),
            )
        )
        return done


CLASSES: tuple[type, ...] = (
    *(
        Order,
        Trip,
        Stubborn,
        Nap,
        Inbox,
        Family,
        Kid,
        Countdown,
        Counter,
        Fashion,
        Settled,
        Careful,
        Impatient,
        Homework,
    ),
)
