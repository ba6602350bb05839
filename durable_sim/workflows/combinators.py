"""Waiting for several things at once, or for one thing with a limit: built from futures alone.

`gather`, `first_of`, `race`, `shield` and `TimeoutScope` mean what their likenesses in asyncio and anyio mean.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from durable_sim.errors import UserError
from durable_sim.workflows.program import EngineSignal, Future, Program, Task

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
    futures = [as_future(program, awaitable) for awaitable in awaitables]
    first: Future[tuple[int, Any]] = Future(program.turn)

    def won(place: int) -> Callable[[Future[Any]], None]:
        def done(future: Future[Any]) -> None:
            if first.done:
                return
            first.settle((place, future._value), future.error)
            if cancel_others:
                _cancel_all(futures)

        return done

    first.on_cancel = lambda: _cancel_all(futures)
    for place, future in enumerate(futures):
        future.when_done(won(place))
    return first


def shield(program: Program, awaitable: Awaitable[T]) -> Future[T]:
    """Wait for something that goes on even if the wait is cancelled."""
    inner = as_future(program, awaitable)
    outer: Future[T] = Future(program.turn)
    inner.when_done(lambda future: outer.settle(future._value, future.error))
    return outer


def as_future(program: Program, awaitable: Awaitable[Any]) -> Future[Any]:
    """A future for whatever can be awaited here; a coroutine starts to run beside the others.

    Raises:
        UserError: it is nothing that simulated time could settle.
    """
    if isinstance(awaitable, Future):
        return awaitable
    if isinstance(awaitable, Coroutine):
        return program.spawn(awaitable)
    raise UserError(f"got a {type(awaitable).__name__}, expected what ctx gives to await, or a coroutine")


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
