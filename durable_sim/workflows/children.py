"""Other workflows, seen from a workflow: children that it starts, and strangers that it signals or cancels."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from durable_sim.workflows.combinators import result_or_request
from durable_sim.workflows.commands import CancelExternal, ChildCancellationType, SignalExternal, StartChild
from durable_sim.workflows.failures import cancelled_failure, child_error
from durable_sim.workflows.handles import CommandTask
from durable_sim.workflows.payloads import copied_arguments
from durable_sim.workflows.program import Future, LateTask, Program
from durable_sim.workflows.retry import CANCEL_REQUESTED

T = TypeVar("T")


class ExternalHandle:
    """Another workflow by its id."""

    __slots__ = ("_child", "_program", "run_id", "workflow_id")

    def __init__(self, program: Program, workflow_id: str, run_id: str | None = None, child: bool = False) -> None:
        self._program = program
        self._child = child
        self.workflow_id = workflow_id
        self.run_id = run_id

    def signal(self, name: str, *arguments: Any) -> Future[None]:
        """Send it a signal; await that it is delivered.

        Raises, when awaited:
            ApplicationError: there is no open workflow of that id.
        """
        program = self._program
        copies = copied_arguments(arguments, f"argument of signal {name}")
        step = program.next_step()
        return program.issue(SignalExternal(step, self.workflow_id, self._run, name, copies, self._child))

    def cancel(self) -> Future[None]:
        """Ask it to cancel; await that the request is delivered."""
        program = self._program
        return program.issue(CancelExternal(program.next_step(), self.workflow_id, self._run, self._child))

    @property
    def _run(self) -> str | None:
        """A child is meant whichever of its runs is the current one."""
        return None if self._child else self.run_id


class ChildHandle(ExternalHandle):
    """A child that has started; await `result` for its end."""

    __slots__ = ("result",)

    def __init__(self, program: Program, workflow_id: str, run_id: str, result: Future[Any]) -> None:
        super().__init__(program, workflow_id, run_id, child=True)
        self.result = result


def start_child(program: Program, command: StartChild, cancellation: ChildCancellationType) -> Future[ChildHandle]:
    """Issue the command; the future is settled with the child's handle once it has started."""
    child = _Child(program, command, cancellation)
    result = _End(program, child)
    handle: Future[ChildHandle] = Future(program.turn)

    def has_started(future: Future[Any]) -> None:
        if future.error is None:
            handle.settle(ChildHandle(program, command.workflow_id, future.result(), result))
        else:
            handle.settle(error=future.error)

    child.started.when_done(has_started)
    handle.on_cancel = partial(_cancel_start, child, handle)
    return handle


class ChildExecution(CommandTask[T]):
    """A child's start and its end."""

    __slots__ = ("_cancellation", "_child", "_start")

    def __init__(self, program: Program, start: Callable[[], StartChild], cancellation: ChildCancellationType) -> None:
        self._start = start
        self._cancellation: ChildCancellationType = cancellation
        super().__init__(program, StartChild)

    def issue(self) -> None:
        """Start it."""
        self._child = _Child(self._program, self._start(), self._cancellation)

    async def make(self) -> T:
        """Wait until it has started, and until it has ended."""
        child = self._child
        begun: Future[Any] = Future(self._turn)
        begun.on_cancel = partial(_cancel_start, child, begun)
        child.started.when_done(begun.follow)
        await begun
        return await child.result()  # type: ignore[no-any-return]


class _End(LateTask[Any]):
    """Waits for the end of a child."""

    __slots__ = ("_child",)

    def __init__(self, program: Program, child: _Child) -> None:
        super().__init__(program)
        self._child = child
        self.run_in_turn()

    def make(self) -> Coroutine[Any, Any, Any]:
        """Wait."""
        return self._child.result()


class _Child:
    """A child as the commands of its parent have made it: it starts, and it closes."""

    __slots__ = ("_turn", "cancel", "closed", "started")

    def __init__(self, program: Program, command: StartChild, cancellation: ChildCancellationType) -> None:
        self.started, self.closed = program.issue(command), program.expect(-command.step)
        self.cancel = partial(_cancel_child, program, command, cancellation, self.closed)
        self._turn = program.turn

    async def result(self) -> Any:
        """Wait for its end."""
        return await result_or_request(self._turn, self.closed, self.cancel)


def _cancel_start(child: _Child, handle: Future[Any]) -> None:
    child.cancel()
    child.closed.when_done(lambda future: handle.settle(error=future.error))


def _cancel_child(
    program: Program, command: StartChild, cancellation: ChildCancellationType, closed: Future[Any]
) -> None:
    if command.step in program.closing:
        return
    if not program.retract(command.step):
        if cancellation != "ABANDON" and not (closed.told and cancellation == "TRY_CANCEL"):
            closed.told = True
            program.issue(CancelExternal(program.next_step(), command.workflow_id, None, True))
        if cancellation in ("WAIT_CANCELLATION_COMPLETED", "WAIT_CANCELLATION_REQUESTED"):
            return
    info = {"workflow_id": command.workflow_id, "workflow_type": command.workflow_type, "retry_state": CANCEL_REQUESTED}
    program.answer_at_rest(closed, child_error(command.workflow_id, CANCEL_REQUESTED, cancelled_failure(), info))
