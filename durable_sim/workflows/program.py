"""The coroutines of one body of user code, what they wait for, and the commands they have issued.

The one doorway between user code and machinery. Nothing here knows time, randomness or SimPy: the machinery sets
`now_us`, settles futures and calls `advance`, and gets commands. Always holds: the same settlements in the same order
give the same commands, and coroutines wake in the order in which asyncio would wake them. As there, one queue serves
all in turn: what is settled calls nobody back itself, it queues its callbacks, so that whoever stands behind one task
more comes one turn later. Cancelling works as it does in asyncio too: it reaches the innermost thing that is waited
for, and comes back as `CancelledError`.
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

from durable_sim.errors import UserError
from durable_sim.workflows.commands import Awaited, CancelLocalActivity, Command, ContinueAsNew, ScheduleLocalActivity

T = TypeVar("T")
_NO_LOOP = ("no running event loop",)  # what asyncio.sleep and its like say where no event loop runs


class Note(NamedTuple):
    """A remark of user code for the trace."""

    kind: str
    subject: str | None


class Turn:
    """Whose turn it is among the coroutines of a program, and who comes next.

    `task` is None while none of them runs; `ready` has what is to be called, each with the future that it is told of;
    `held` has what the one that runs has asked for and not begun yet. Futures know it instead of their program: with
    that they would make a circle, and be kept until Python's collector comes, which a simulation switches off.
    """

    __slots__ = ("held", "ready", "task")

    def __init__(self) -> None:
        self.task: Task[Any] | None = None
        self.ready: deque[tuple[Callable[[Future[Any]], None], Future[Any]]] = deque()
        self.held: list[Future[Any]] = []

    def begin_held(self) -> None:
        """Begin what is held, in the order in which it was asked for."""
        held, self.held = self.held, []
        for future in held:
            future.begin()


class Future(Generic[T]):
    """A result to come; `await` it.

    `inline` says that awaiting it stands for awaiting a coroutine: waited for together with others, it gets a task.
    """

    __slots__ = ("_callbacks", "_error", "_turn", "_value", "done", "inline", "on_cancel", "told")

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Future[Any]], None]] = []
        self.on_cancel: Callable[[], None] | None = None
        self.told = False  # whether what it stands for has been asked to stop
        self.inline = False

    def __await__(self) -> Generator[Future[T], None, T]:
        if not self.done:
            if self._turn.task is None:
                raise GeneratorExit  # nobody runs this code: Python is closing it, and `finally` wants to wait
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

    def begin(self) -> None:
        """Begin what it stands for, where that has waited until it is clear how it is awaited."""

    def leave_to_task(self) -> None:
        """Let a task that will wait for it begin what it stands for."""

    def when_done(self, callback: Callable[[Future[Any]], None]) -> None:
        """Call back in its turn, once the result is there (it may be already)."""
        if self.done:
            self._turn.ready.append((callback, self))
        else:
            self._callbacks.append(callback)

    def follow(self, other: Future[Any]) -> None:
        """Take over the result of another, which is done."""
        self.settle(other._value, other._error)

    def settle(self, value: Any = None, error: BaseException | None = None) -> None:
        """Give the result; a second one is ignored. Who waits for it goes on in its turn."""
        if self.done:
            return
        self.done, self._value, self._error = True, value, error
        self.on_cancel = None  # it may hold the future itself, which would never be freed
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._turn.ready.append((callback, self))

    def cancel(self) -> bool:
        """Ask that it be given up; False if it is done already. What was begun may still run to its end."""
        if self.done:
            return False
        if self.on_cancel is None:
            self.settle(error=CancelledError())
        else:
            self.on_cancel()
        return True


class Task(Future[T]):
    """A coroutine that is being run; its result is the coroutine's."""

    __slots__ = ("_cancelling", "awaited", "cancels", "coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, T], program: Program) -> None:
        self._prepare(program)
        self.coroutine = coroutine
        self.run_in_turn()

    def _prepare(self, program: Program) -> None:
        super().__init__(program.turn)
        self.awaited: Future[Any] | None = None
        self.cancels = 0  # how often it was asked to stop, without what a limit of its own has taken back
        self._cancelling = False

    def run_in_turn(self) -> None:
        """Begin to run, behind whoever is ready by now."""
        self._turn.ready.append((self.step, self))

    def step(self, _: Future[Any]) -> None:
        """Run the coroutine up to its next wait or its end."""
        if self.done:
            return  # ended from outside
        self._turn.task = self
        try:
            self.awaited = None
            awaited = self._cancelled() if self._cancelling else self.coroutine.send(None)
            while not isinstance(awaited, Future):
                awaited = self.coroutine.throw(_foreign(_named(awaited), self.coroutine))
        except StopIteration as end:
            self.settle(end.value)
        except UserError:
            raise  # a mistake in how the simulator is used ends the simulation, not the simulated workflow
        except CancelledError as error:
            self.settle(error=error.with_traceback(None))  # its frames know this task: they would make a circle
        except EngineSignal as error:
            self.settle(error=error)
        except Exception as error:
            if type(error) is RuntimeError and error.args == _NO_LOOP:
                raise _foreign("something of asyncio", None) from error
            self.settle(error=error)
        else:
            self.awaited = awaited
            awaited.when_done(self.step)
            if self._cancelling and awaited.cancel():  # it was asked to stop while it ran
                self._cancelling = False

    def _cancelled(self) -> Any:
        self._cancelling = False
        return self.coroutine.throw(CancelledError())

    def cancel(self) -> bool:
        """Throw a `CancelledError` into the coroutine where it waits, once what it waits for is given up."""
        if self.done:
            return False
        self.cancels += 1
        if self.awaited is None or not self.awaited.cancel():
            self._cancelling = True
        return True


class LateTask(Task[T]):
    """A task whose coroutine is made when it first runs: one that never does leaves nothing behind."""

    __slots__ = ("runs",)

    def __init__(self, program: Program) -> None:
        self._prepare(program)
        self.runs = False

    def make(self) -> Coroutine[Any, Any, T]:
        """Its coroutine."""
        raise NotImplementedError

    def step(self, told: Future[Any]) -> None:
        """Run the coroutine up to its next wait or its end."""
        if not self.runs:
            self.runs = True
            self.coroutine = self.make()
        super().step(told)


class Condition(NamedTuple):
    """Something that a coroutine waits for to become true."""

    holds: Callable[[], bool]
    future: Future[bool]


class Program:
    """The coroutines of one workflow run or one activity attempt."""

    __slots__ = (
        "_answers",
        "_conditions",
        "_issued",
        "_local",
        "_notes",
        "_steps",
        "_waiting",
        "blocked_us",
        "closing",
        "continue_as_new_suggested",
        "dead",
        "failure",
        "given_up",
        "history_length",
        "main",
        "now_us",
        "read_only",
        "replaying",
        "turn",
    )  # fmt: skip

    def __init__(self) -> None:
        self.now_us = 0
        self.blocked_us = 0
        self.closing: frozenset[int] = frozenset()
        self.history_length = 0
        self.continue_as_new_suggested = False
        self.main: Task[Any] | None = None
        self.turn = Turn()
        self.dead = False
        self.replaying = False
        self.read_only: str | None = None
        self.failure: BaseException | None = None
        self._steps = 0
        self._issued: list[Command] = []
        self._local: list[ScheduleLocalActivity] = []
        self.given_up: list[int] = []
        self._waiting: dict[int, Future[Any]] = {}
        self._conditions: list[Condition] = []
        self._answers: list[tuple[Future[Any], BaseException]] = []
        self._notes: list[Note] = []

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Make `coroutine` the main one; the program ends when it does."""
        self.main = Task(coroutine, self)

    def discard_unstarted(self) -> None:
        """Close the coroutines that were to run beside the others and never began: nothing of their code runs."""
        for _, future in self.turn.ready:
            coroutine = getattr(future, "coroutine", None)
            if coroutine is not None and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        self.turn.ready.clear()

    def end(self, error: BaseException) -> None:
        """Let the program end with an error that another coroutine than the main one has raised."""
        if self.main is not None:
            self.main.settle(error=error)

    def cancel(self) -> None:
        """Ask the main coroutine to stop, in its turn: whoever is ready by now runs first."""
        if self.main is not None:
            self.turn.ready.append((_cancel, self.main))

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Run a coroutine beside the others."""
        return Task(coroutine, self)

    def advance(self, *, more: bool = False) -> None:
        """Run everything that can run, until all wait. What is ready when the main coroutine ends still runs.

        `more` says that the machinery has more to tell: what is to be answered when all wait is kept for then.
        """
        if self.turn.task is not None:
            return  # the code that runs has caused this call: what is ready runs when it waits
        turn, main = self.turn, self.main
        ready = turn.ready
        try:
            while not self.dead:
                if ready:
                    callback, future = ready.popleft()
                    callback(future)
                    if turn.held:
                        turn.begin_held()
                elif self._conditions and self._check_conditions():
                    continue
                elif more or (main is not None and main.done) or not self._answer():
                    break
        finally:
            self.turn.task = None

    def _answer(self) -> bool:
        """Give the answers that waited until the code had come to rest; True if there were any."""
        answers, self._answers = self._answers, []
        for future, error in answers:
            future.settle(error=error)
        return bool(answers)

    def answer_at_rest(self, future: Future[Any], error: BaseException) -> None:
        """Settle a future with an error once all code waits, as an engine does that is asked to give something up."""
        self._answers.append((future, error))

    def _check_conditions(self) -> bool:
        """Settle every condition that holds; True if one did."""
        waiting = [condition for condition in self._conditions if not condition.future.done]
        self._conditions = waiting
        for condition in waiting:
            try:
                if condition.holds():
                    condition.future.settle(True)
            except Exception as error:
                condition.future.settle(error=error)
        return any(condition.future.done for condition in waiting)

    def next_step(self) -> int:
        """The number of the command about to be issued; what was asked for before it is issued first."""
        if self.turn.held:
            self.turn.begin_held()
        self._steps += 1
        return self._steps

    def check_may_issue(self, kind: type) -> None:
        """Complain of a command where code may only look.

        Raises:
            ReadOnlyError: a query or a validator runs.
        """
        if self.read_only is not None:
            raise ReadOnlyError(self.read_only, kind.__name__)

    def issue(self, command: Awaited, future: Future[Any] | None = None) -> Future[Any]:
        """Hand over a command; the future is settled with its result. A dead program's is never settled."""
        if future is None:
            future = Future(self.turn)
        if not self.dead:
            self.check_may_issue(type(command))
            self._issued.append(command)
            self._waiting[command.step] = future
        return future

    def tell(self, command: Command) -> None:
        """Hand over a command that has no result to wait for."""
        self.check_may_issue(type(command))
        if self.turn.held:
            self.turn.begin_held()
        self._issued.append(command)

    def expect(self, step: int) -> Future[Any]:
        """A future for another result of a command already issued, settled under the same `step`."""
        future: Future[Any] = Future(self.turn)
        self._waiting[step] = future
        return future

    def retract(self, step: int) -> bool:
        """Take a command back that has not been handed over yet; False if it has.

        True as well where what it asked for has ended, and the code is about to be told (`closing`): there is nothing
        left to cancel.
        """
        if step in self.closing:
            return True
        for command in self._issued:
            if getattr(command, "step", None) == step:
                self._issued.remove(command)
                self._waiting.pop(step, None)
                return True
        return False

    def wait_until(self, holds: Callable[[], bool]) -> Future[bool]:
        """A future that is settled once `holds()` is true, asked whenever the code has run."""
        future: Future[bool] = Future(self.turn)
        self._conditions.append(Condition(holds, future))
        return future

    def note(self, kind: str, subject: str | None) -> None:
        """Leave a remark for the trace."""
        self._notes.append(Note(kind, subject))

    def take_issued(self) -> list[Command]:
        """The commands issued since the last time."""
        if self.turn.held:
            self.turn.begin_held()
        issued, self._issued = self._issued, []
        return issued

    def issue_local(self, command: ScheduleLocalActivity) -> Future[Any]:
        """Hand over a command that the worker itself carries out, within the workflow task."""
        self.check_may_issue(type(command))
        self._local.append(command)
        return self.expect(command.step)

    def give_up_local(self, command: ScheduleLocalActivity) -> None:
        """Say that such a command is no longer waited for."""
        self.given_up.append(command.seq)
        self.tell(CancelLocalActivity(command.seq, command.name, command.attempt, command.scheduled_us))

    def take_local(self) -> list[ScheduleLocalActivity]:
        """Those issued since the last time that the worker itself carries out."""
        if not self._local:
            return self._local
        local, self._local = self._local, []
        return local

    def take_notes(self) -> list[Note]:
        """The remarks made since the last time."""
        if not self._notes:
            return self._notes
        notes, self._notes = self._notes, []
        return notes

    def settle(self, step: int, value: Any = None, error: BaseException | None = None) -> None:
        """Give the result of a command; `advance` then lets the code go on."""
        future = self._waiting.pop(step, None)
        if future is not None:
            future.settle(value, error)


class EngineSignal(BaseException):
    """What an engine throws into user code, or user code throws at its engine; no `except Exception` catches it."""


class ContinueRun(EngineSignal):
    """Carries the command that ends a run and starts the next out of the workflow's code."""

    def __init__(self, command: ContinueAsNew) -> None:
        super().__init__(command)
        self.command = command


class ReadOnlyError(Exception):
    """A query handler or an update validator has asked for a command; they may only look."""

    def __init__(self, where: str, command: str) -> None:
        super().__init__(where, command)
        self.where = where
        self.command = command

    def __str__(self) -> str:
        return (
            f"{self.where} issued {self.command}: it may read the workflow's state, but not act; use a signal handler"
        )


def _cancel(task: Future[Any]) -> None:
    task.cancel()


def _named(awaited: object) -> str:
    return "asyncio.sleep(0) or another bare yield" if awaited is None else f"a {type(awaited).__qualname__}"


def _foreign(found: str, coroutine: Any) -> UserError:
    frame = getattr(coroutine, "cr_frame", None)
    where = f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
    return UserError(
        f"user code awaited {found}{where}, which simulated time cannot settle; await what the context gives "
        "(ctx.sleep, ctx.execute_activity, ctx.gather, ctx.service(...))"
    )
