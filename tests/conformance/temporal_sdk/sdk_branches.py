"""The twin of branches.py for the real SDK: does a plan that it is told from outside, as another build would be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

Operation = tuple[Any, ...]
Plan = tuple[Operation, ...]
_TOLD: list[Plan] = []


@contextmanager
def telling(plan: Plan) -> Iterator[None]:
    """The plan that there is, for as long as this lasts."""
    _TOLD.append(plan)
    try:
        yield
    finally:
        _TOLD.pop()


class _First(asyncio.Future[None]):
    """Done when one of several tasks is; cancelled, it cancels them."""

    def __init__(self, tasks: list[asyncio.Task[None]]) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._tasks = tasks
        for task in tasks:
            task.add_done_callback(self._one_done)

    def _one_done(self, _: asyncio.Task[None]) -> None:
        if not self.done():
            self.set_result(None)

    def cancel(self, msg: Any = None) -> bool:
        """Ask them all."""
        if self.done():
            return False
        for task in self._tasks:
            task.cancel()
        return True


class _Branches:
    """One run of a plan."""

    def __init__(self) -> None:
        self._flags: dict[str, bool] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def awaitable(self, operation: Operation) -> Any:
        """What an operation gives to await, as the SDK gives it."""
        match operation:
            case ("do", name):
                return workflow.execute_activity(name, start_to_close_timeout=timedelta(seconds=100))
            case ("sleep", seconds):
                return workflow.sleep(seconds)
            case ("child", id, seconds):
                return workflow.execute_child_workflow("Nap", seconds, id=id)
        raise AssertionError(operation)

    async def perform(self, plan: Plan) -> None:
        """Do it."""
        for operation in plan:
            await self._do(operation)

    async def _first(self, plans: tuple[Plan, ...], *, cancel_others: bool) -> int:
        tasks = [asyncio.create_task(self.perform(plan)) for plan in plans]
        await _First(tasks)
        place = next(place for place, task in enumerate(tasks) if task.done())
        if cancel_others:
            for task in tasks:
                task.cancel()
        tasks[place].result()
        return place

    async def _do(self, operation: Operation) -> None:
        match operation:
            case ("all", plans):
                await asyncio.gather(*map(self.perform, plans))
            case ("together", operations):
                await asyncio.gather(*map(self.awaitable, operations))
            case ("first" | "race" as kind, plans):
                place = await self._first(plans, cancel_others=kind == "race")
                await self.awaitable(("do", f"won-{place}"))
            case ("within", seconds, plan, late):
                try:
                    async with asyncio.timeout(seconds):
                        await self.perform(plan)
                except TimeoutError:
                    await self.perform(late)
            case ("wait", flag, seconds, late):
                try:
                    await workflow.wait_condition(lambda: flag in self._flags, timeout=seconds)
                except TimeoutError:
                    await self.perform(late)
            case ("set", flag):
                self._flags[flag] = True
            case ("shield", plan):
                await asyncio.shield(self.perform(plan))
            case ("spawn", plan):
                self._tasks.append(asyncio.create_task(self.perform(plan)))
            case ("cancel", number) if number < len(self._tasks):
                self._tasks[number].cancel()
            case ("join", number) if number < len(self._tasks):
                try:
                    await self._tasks[number]
                except (asyncio.CancelledError, ActivityError):
                    await self.awaitable(("do", "joined"))
            case ("finally", plan, clean_up):
                try:
                    await self.perform(plan)
                finally:
                    await self.perform(clean_up)
            case ("caught", plan, failed, cancelled):
                try:
                    await self.perform(plan)
                except ActivityError:
                    await self.perform(failed)
                except asyncio.CancelledError:
                    await self.perform(cancelled)
            case ("cancel" | "join", _):
                pass  # no such task yet
            case _:
                await self.awaitable(operation)


@workflow.defn(name="Branches")
class Branches:
    """Does the plan that it is told."""

    @workflow.run
    async def run(self) -> None:
        """Do it."""

        async def tell() -> None:
            await workflow.execute_activity("told", start_to_close_timeout=timedelta(seconds=100))

        workflow.set_signal_handler("tell", tell)
        await _Branches().perform(_TOLD[-1])
