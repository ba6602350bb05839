"""Waiting for several things at once, or for one thing with a limit: built from futures alone.

`gather`, `first_of`, `race`, `shield` and `TimeoutScope` mean what their likenesses in asyncio and anyio mean.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from durable_sim.errors import UserError
from durable_sim.workflows.program import EngineSignal, Future, Program, Task, Turn

T = TypeVar("T")


def gather(program: Program, awaitables: tuple[Awaitable[Any], ...], return_exceptions: bool) -> Future[list[Any]]:
    """Wait for all, in parallel; the first failure is raised at once and the others go on, unless exceptions are
    returned. Cancelling it cancels them all."""
    futures = [as_future(program, awaitable) for awaitable in awaitables]
    gathered: Future[list[Any]] = Future(program.turn)
    left, cancelled = len(futures), False

    def one_done(future: Future[Any]) -> None:
        nonlocal left
        left -= 1
        signalled = isinstance(future.error, EngineSignal)  # meant for the engine, nobody's result
        if future.error is not None and (signalled or not return_exceptions):
            gathered.settle(error=future.error)
        elif left == 0 and cancelled:  # even where none of them has let its cancellation out
            gathered.settle(error=CancelledError())
        elif left == 0:
            gathered.settle([future._value if future.error is None else future.error for future in futures])

    def cancel() -> None:
        nonlocal cancelled
        cancelled = True
        _cancel_all(futures)

    gathered.on_cancel = cancel
    for future in futures:
        future.when_done(one_done)
    if not futures:
        gathered.settle([])
    return gathered


def first_of(program: Program, awaitables: tuple[Awaitable[Any], ...], cancel_others: bool) -> Future[tuple[int, Any]]:
    """Wait for the first to be done: its place and its value, or its error. The others go on, or are cancelled."""
    if not awaitables:
        raise UserError("first_of and race: nothing to wait for, expected one awaitable or more")
    return _First(program.turn, [as_future(program, awaitable) for awaitable in awaitables], cancel_others)


class _First(Future[tuple[int, Any]]):
    """Settled when one of several is; looks which when its result is taken: of those done by then, the first place."""

    __slots__ = ("_cancels", "_futures", "_place")

    def __init__(self, turn: Turn, futures: list[Future[Any]], cancel_others: bool) -> None:
        super().__init__(turn)
        self._futures = futures
        self._cancels = cancel_others
        self._place: int | None = None
        self.inline = True
        self.on_cancel = partial(_cancel_all, futures)
        for future in futures:
            future.when_done(self._one_done)

    def _one_done(self, _: Future[Any]) -> None:
        self.settle()

    def result(self) -> tuple[int, Any]:
        """The place and the value of the first, or its error raised."""
        if self._place is None:
            self._place = next(place for place, future in enumerate(self._futures) if future.done)
            if self._cancels:
                _cancel_all(self._futures)
        return self._place, self._futures[self._place].result()


def shield(program: Program, awaitable: Awaitable[T]) -> Future[T]:
    """Wait for something that goes on even if the wait is cancelled."""
    inner = as_future(program, awaitable)
    if inner.done:
        return inner
    outer: Future[T] = Future(program.turn)
    inner.when_done(outer.follow)
    return outer


def as_future(program: Program, awaitable: Awaitable[Any]) -> Future[Any]:
    """A future for whatever can be awaited here; a coroutine, or what stands for one, gets a task beside the others.

    Raises:
        UserError: it is nothing that simulated time could settle.
    """
    if isinstance(awaitable, Future):
        if not awaitable.inline or awaitable.done:
            return awaitable
        awaitable.leave_to_task()
        return program.spawn(_awaited(awaitable))
    if isinstance(awaitable, Coroutine):
        return program.spawn(awaitable)
    raise UserError(f"got a {type(awaitable).__name__}, expected what ctx gives to await, or a coroutine")


async def _awaited(future: Future[T]) -> T:
    return await future


async def result_or_request(
    turn: Turn, result: Future[T], request: Callable[[], None], *, gives_way: bool = False
) -> T:
    """Wait for a result that cancelling does not end: it only requests the end, of which the result will tell.

    With `gives_way` a cancellation that finds the result there already is raised instead of it.
    """
    while True:
        waiter: Future[T] = Future(turn)
        result.when_done(waiter.follow)
        try:
            return await waiter
        except CancelledError:
            if gives_way and result.done:
                raise
            request()


def _cancel_all(futures: list[Future[Any]]) -> None:
    for future in futures:
        future.cancel()


class TimeoutScope:
    """`async with ctx.timeout("5s"):` cancels what is awaited inside when the time is over, and raises TimeoutError.

    `expired` says afterwards whether it came to that. Leaving the block early calls the timer off.
    """

    __slots__ = ("_cancels", "_program", "_start_timer", "_task", "_timer", "expired")

    def __init__(self, program: Program, start_timer: Callable[[], Future[None]]) -> None:
        self._program = program
        self._start_timer = start_timer
        self._timer: Future[None] | None = None
        self._task: Task[Any] | None = None
        self._cancels = 0
        self.expired = False

    async def __aenter__(self) -> TimeoutScope:
        task = self._task = self._program.turn.task
        self._cancels = 0 if task is None else task.cancels
        self._timer = self._start_timer()
        self._timer.when_done(self._fired)
        return self

    def _fired(self, timer: Future[Any]) -> None:
        if timer.error is None and self._task is not None:
            self.expired = True
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._timer is not None:
            self._timer.cancel()
        if self.expired and task is not None:
            task.cancels -= 1
            if task.cancels <= self._cancels and isinstance(error, CancelledError):  # else somebody else wants it too
                raise TimeoutError from error


async def wait_for(program: Program, future: Future[T], start_timer: Callable[[], Future[None]]) -> T:
    """Wait with a limit, as `asyncio.wait_for` does, which the real SDK uses to wait for a condition.

    As that of Python 3.11 does, on every Python: one simulation makes one trace. That of 3.12 was written anew; there,
    whoever waits comes a turn earlier, two if in vain, and a cancellation wins over a result that is there.
    """
    turn, timer = program.turn, start_timer()
    first: Future[None] = Future(turn)
    timer.when_done(lambda _: first.settle())
    future.when_done(lambda _: first.settle())
    try:
        try:
            await first
        except CancelledError:
            if not future.done:
                await _cancelled(turn, future)
                raise
        if future.done:
            return future.result()
        await _cancelled(turn, future)
        raise TimeoutError
    finally:
        timer.cancel()


async def _cancelled(turn: Turn, future: Future[Any]) -> None:
    """Cancel, and wait until it is done."""
    done: Future[None] = Future(turn)
    future.when_done(lambda _: done.settle())
    future.cancel()
    await done
