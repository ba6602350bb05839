"""What the interpreter asks of whoever runs it: plain frozen data.

A token names what was asked for, and comes back with its end. `step` is the number of a stay in a state: attempts of
one stay share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from durable_sim.models.state_machine.language.definition import StateMachine

Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
TaskKind = Literal["lambda", "service", "activity"]
TimerKind = Literal["wait", "retry", "timeout", "heartbeat", "transition", "execution"]


@dataclass(frozen=True, slots=True)
class InvokeTask:
    """Call a function with a payload. `task_started` and `task_ended` are to follow.

    With `waits_for_callback`, the end of the call is not the end of the task: somebody who has the token ends it.
    `is_lambda` if the function is Lambda's, which tells of errors in a form of its own.
    """

    token: str
    kind: TaskKind
    function: str
    payload: Any
    state: str
    step: int
    attempt: int
    timeout_us: int | None = None
    heartbeat_us: int | None = None
    waits_for_callback: bool = False
    is_lambda: bool = True


@dataclass(frozen=True, slots=True)
class ForgetTask:
    """Nobody waits for a task any more; it is not interrupted. `timeout` says which time-out it was, if it was one."""

    token: str
    step: int
    function: str
    timeout: Literal["START_TO_CLOSE", "HEARTBEAT"] | None = None


@dataclass(frozen=True, slots=True)
class TaskClosed:
    """A task state is done with its task for good: it succeeded, or no retry is left."""

    step: int
    function: str
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `timer_fired` with the token at `due_us`."""

    token: str
    due_us: int
    kind: TimerKind
    step: int
    subject: str = ""
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """A timer is no longer wanted."""

    token: str
    kind: TimerKind
    step: int


@dataclass(frozen=True, slots=True)
class StartChild:
    """Run a child execution of a distributed Map; `child_ended` is to follow.

    With `goes_on`, it is a child that failed or was stopped before, to be redriven; if it cannot be, begun anew.
    """

    token: str
    name: str
    definition: StateMachine
    input: Any
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class StopChild:
    """Stop a child execution."""

    token: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The execution is over."""

    status: Status
    output: Any = None
    error: str | None = None
    cause: str | None = None


Action = InvokeTask | ForgetTask | TaskClosed | SetTimer | CancelTimer | StartChild | StopChild | Ended
