"""The seam between the engine and whatever runs workflow code.

The server and the worker know user code only as a `CodeRunner`: it makes an instance of a run, which is given history
events and gives commands. `NativeRunner` (in native.py) runs this package's own workflow functions; a class of
another SDK can stand behind the same two protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from durable_sim.durations import format_us
from durable_sim.models.replay.events import Event
from durable_sim.workflows.commands import Command, ScheduleLocalActivity
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.handlers import UpdateRequest
from durable_sim.workflows.program import Note, Program

_CONTEXTS = str(Path(__file__).parents[2] / "workflows")


class Decision(NamedTuple):
    """What a stretch of workflow code brought.

    `commands` in the order issued, a closing one last. Where the code `waits` for local activities there are none yet:
    `local` are those to begin, and the commands come once all are told to the instance. `given_up` are those that run
    and are no longer wanted. `blocked_us` is how long the code held its thread.
    """

    commands: Sequence[Command] = ()
    notes: Sequence[Note] = ()
    local: tuple[ScheduleLocalActivity, ...] = ()
    blocked_us: int = 0
    waits: bool = False
    given_up: tuple[int, ...] = ()


class LocalOutcome(NamedTuple):
    """How a local activity ended, or that its next attempt is `backoff_us` away."""

    seq: int
    activity: str
    attempt: int
    complete_us: int
    scheduled_us: int
    result: Any = None
    failure: Failure | None = None
    retry_state: str = ""
    backoff_us: int | None = None


class Waiting(NamedTuple):
    """Where a coroutine of a workflow waits: innermost last, each with function, file and line. As text, without the
    frames of this package's own contexts."""

    frames: tuple[tuple[str, str, int], ...]

    def __str__(self) -> str:
        own = [frame for frame in self.frames if not frame[1].startswith(_CONTEXTS)] or self.frames
        return " > ".join(f"{function} ({file}:{line})" for function, file, line in own)


class WorkflowTaskError(Exception):
    """The code raised something that is no workflow failure: a mistake in it. The task fails, not the workflow."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    def __str__(self) -> str:
        return f"{self.failure.type}: {self.failure.message}"


class DeadlockError(WorkflowTaskError):
    """The code held its thread for longer than the worker allows."""

    def __init__(self, limit_us: int) -> None:
        what = f"[TMPRL1101] Potential deadlock detected: workflow didn't yield within {format_us(limit_us)}"
        super().__init__(Failure("_DeadlockError", f"{what}; move heavy work into an activity"))
        self.limit_us = limit_us

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limit_us,)


class WorkflowInstance(Protocol):
    """A run's code in memory, run up to `position` events of its history."""

    position: int
    replayed_tasks: int

    @property
    def token(self) -> Program:
        """What stands for it in the process's memory."""

    def apply(self, events: Sequence[Event], updates: Sequence[UpdateRequest] = ()) -> Decision:
        """Feed the events after `position`; where the last one starts a workflow task, gives that task's decision.

        Raises:
            NonDeterminismError: a command event is not what the code issued.
            WorkflowTaskError: the code raised something that is no workflow failure.
        """

    def resolve_local(self, outcome: LocalOutcome) -> Decision:
        """Tell how a local activity ended, within the task; gives what the code does next. Raises as `apply`."""

    def fails_on(self, error: BaseException) -> bool:
        """Whether the workflow asks to be failed by such an error, instead of its task."""

    def sent(self, commands: Sequence[Command]) -> None:
        """Remember that these commands were sent: their events will come back with the next task."""

    def rewind(self, events: int) -> None:
        """The server has dropped the last events again: those of a task that only refused an update."""

    def take_commands(self) -> Sequence[Command]:
        """The commands so far of a task whose local activities take long (a workflow task heartbeat)."""

    def query(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Answer a query. Raises QueryFailed."""

    def unheard(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the signals that no handler has taken, and of those that have a handler."""

    def waits(self) -> tuple[Waiting, ...]:
        """Where the code waits."""


class CodeRunner(Protocol):
    """What one build of a worker can run."""

    def instance(self, started: Event, run_id: str) -> WorkflowInstance:
        """A new instance for the run of this id, whose history begins with this event."""

    def activity(self, name: str) -> Callable[..., Any] | None:
        """The activity of that name, if this build has one."""
