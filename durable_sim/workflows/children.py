"""Other workflows, seen from a workflow: children that it starts, and strangers that it signals or cancels."""

from __future__ import annotations

from functools import partial
from typing import Any

from durable_sim.workflows.commands import CancelExternal, CancellationType, SignalExternal, StartChild
from durable_sim.workflows.failures import cancelled_failure, child_error
from durable_sim.workflows.payloads import copied_arguments
from durable_sim.workflows.program import Future, Program
from durable_sim.workflows.retry import CANCEL_REQUESTED


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


def start_child(program: Program, command: StartChild, cancellation: CancellationType) -> Future[ChildHandle]:
    """Issue the command; the future is settled with the child's handle once it has started."""
    started, closed = program.issue(command), program.expect(-command.step)
    handle: Future[ChildHandle] = Future(program.turn)

    def has_started(future: Future[Any]) -> None:
        if future.error is None:
            handle.settle(ChildHandle(program, command.workflow_id, future.result(), closed))
        else:
            handle.settle(error=future.error)

    started.when_done(has_started)
    cancel = partial(_cancel_child, program, command, cancellation, closed)
    closed.on_cancel = cancel
    handle.on_cancel = partial(_cancel_start, cancel, closed, handle)
    return handle


async def execute_child(started: Future[ChildHandle]) -> Any:
    """Wait for a child's start, and for its end."""
    return await (await started).result


def _cancel_start(cancel: Any, closed: Future[Any], handle: Future[ChildHandle]) -> None:
    cancel()
    if closed.done:
        handle.settle(error=closed.error)
    else:
        closed.when_done(lambda future: handle.settle(error=future.error))


def _cancel_child(program: Program, command: StartChild, cancellation: CancellationType, closed: Future[Any]) -> None:
    if not program.retract(command.step):
        if cancellation != "ABANDON" and not closed.told:
            closed.told = True
            program.issue(CancelExternal(program.next_step(), command.workflow_id, None, True))
        if cancellation == "WAIT_CANCELLATION_COMPLETED":
            return
    info = {"workflow_id": command.workflow_id, "workflow_type": command.workflow_type, "retry_state": CANCEL_REQUESTED}
    closed.settle(error=child_error(command.workflow_id, CANCEL_REQUESTED, cancelled_failure(), info))
