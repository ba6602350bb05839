"""A running piece of user code: its coroutines, what they wait for, and the commands they have issued.

The one doorway between user code and machinery. Nothing here knows time, randomness or SimPy: the machinery sets
`now_us`, settles futures and calls `advance`, and gets commands. Always holds: coroutines run in the order in which
what they waited for was settled, so the same settlements in the same order give the same commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

from durable_sim.errors import UserError
from durable_sim.workflows.commands import Command

T = TypeVar("T")
_NO_LOOP = ("no running event loop",)  # what asyncio.sleep and its like say where no event loop runs


class Note(NamedTuple):
    """A remark of user code for the trace."""

    kind: str
    subject: str | None


class Future(Generic[T]):
    """A result to come; `await` it."""

    __slots__ = ("_callbacks", "_error", "_value", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Future[Any]], None]] = []

    def __await__(self) -> Generator[Future[T], None, T]:
        if not self.done:
            yield self
        return self.result()

    def result(self) -> T:
        """The value, or the error raised."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[no-any-return]

    @property
    def error(self) -> BaseException | None:
        """What went wrong, if anything did."""
        return self._error

    def when_done(self, callback: Callable[[Future[Any]], None]) -> None:
        """Call back once the result is there (at once if it is already)."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def settle(self, value: Any = None, error: BaseException | None = None) -> None:
        """Give the result; a second one is ignored."""
        if self.done:
            return
        self.done, self._value, self._error = True, value, error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


class Task(Future[T]):
    """A coroutine that is being run; its result is the coroutine's."""

    __slots__ = ("_coroutine", "_ready")

    def __init__(self, coroutine: Coroutine[Any, Any, T], ready: deque[Task[Any]]) -> None:
        super().__init__()
        self._coroutine = coroutine
        self._ready = ready
        ready.append(self)

    def step(self) -> None:
        """Run the coroutine up to its next wait or its end."""
        try:
            awaited = self._coroutine.send(None)
            while not isinstance(awaited, Future):
                awaited = self._coroutine.throw(_foreign(_named(awaited)))
        except StopIteration as end:
            self.settle(end.value)
        except UserError:
            raise  # a mistake in how the simulator is used ends the simulation, not the simulated workflow
        except Exception as error:
            if type(error) is RuntimeError and error.args == _NO_LOOP:
                raise _foreign("something of asyncio") from error
            self.settle(error=error)
        else:
            awaited.when_done(self._wake)

    def _wake(self, _: Future[Any]) -> None:
        self._ready.append(self)


class Program:
    """The coroutines of one workflow run or one activity attempt."""

    __slots__ = ("_issued", "_notes", "_ready", "_steps", "_waiting", "dead", "main", "now_us")

    def __init__(self) -> None:
        self.now_us = 0
        self.main: Task[Any] | None = None
        self.dead = False
        self._ready: deque[Task[Any]] = deque()
        self._steps = 0
        self._issued: list[Command] = []
        self._waiting: dict[int, Future[Any]] = {}
        self._notes: list[Note] = []

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Make `coroutine` the main one; the program ends when it does."""
        self.main = self.spawn(coroutine)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Run a coroutine beside the others."""
        return Task(coroutine, self._ready)

    def advance(self) -> None:
        """Run everything that can run, until all wait or the main coroutine has ended."""
        ready, main = self._ready, self.main
        while ready and not self.dead and not (main is not None and main.done):
            ready.popleft().step()

    def next_step(self) -> int:
        """The number of the command about to be issued."""
        self._steps += 1
        return self._steps

    def issue(self, command: Command) -> Future[Any]:
        """Hand a command to the machinery; the future is settled with its result. A dead program's is never settled."""
        future: Future[Any] = Future()
        if not self.dead:
            self._issued.append(command)
            self._waiting[command.step] = future
        return future

    def note(self, kind: str, subject: str | None) -> None:
        """Leave a remark for the trace."""
        self._notes.append(Note(kind, subject))

    def take_issued(self) -> list[Command]:
        """The commands issued since the last time."""
        issued, self._issued = self._issued, []
        return issued

    def take_notes(self) -> list[Note]:
        """The remarks made since the last time."""
        if not self._notes:
            return self._notes
        notes, self._notes = self._notes, []
        return notes

    def settle(self, step: int, value: Any = None, error: BaseException | None = None) -> None:
        """Give the result of a command; `advance` then lets the code go on."""
        self._waiting.pop(step).settle(value, error)


def gather(program: Program, awaitables: tuple[Awaitable[Any], ...], return_exceptions: bool) -> Future[list[Any]]:
    """Wait for all, in parallel; the first failure is raised at once and the others go on, unless exceptions are
    returned."""
    futures = [_as_future(program, awaitable) for awaitable in awaitables]
    gathered: Future[list[Any]] = Future()
    left = len(futures)

    def one_done(future: Future[Any]) -> None:
        nonlocal left
        left -= 1
        if future.error is not None and not return_exceptions:
            gathered.settle(error=future.error)
        elif left == 0:
            gathered.settle([future._value if future.error is None else future.error for future in futures])

    for future in futures:
        future.when_done(one_done)
    if not futures:
        gathered.settle([])
    return gathered


def _as_future(program: Program, awaitable: Awaitable[Any]) -> Future[Any]:
    if isinstance(awaitable, Future):
        return awaitable
    if isinstance(awaitable, Coroutine):
        return program.spawn(awaitable)
    raise UserError(f"gather: got a {type(awaitable).__name__}, expected what ctx gives to await, or a coroutine")


def _named(awaited: object) -> str:
    return "asyncio.sleep(0) or another bare yield" if awaited is None else f"a {type(awaited).__qualname__}"


def _foreign(found: str) -> UserError:
    return UserError(
        f"user code awaited {found}, which simulated time cannot settle; await what the context gives "
        "(ctx.sleep, ctx.execute_activity, ctx.gather, ctx.service(...))"
    )
