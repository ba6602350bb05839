"""What platform and SDK say to each other: a call, and the answer to it. Frozen data without behaviour.

A call carries all that the platform remembers of a run; the SDK keeps nothing between two calls. Always holds: steps
are named by their hashed ids (`step_ids`), and `stack` has the ids of `memo` in the order in which they were recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

STEP_RUN, STEP_PLANNED, STEP_ERROR, STEP_FAILED = "StepRun", "StepPlanned", "StepError", "StepFailed"
SLEEP, WAIT_FOR_EVENT, INVOKE_FUNCTION = "Sleep", "WaitForEvent", "InvokeFunction"

OK, STEPS, ERROR = 200, 206, 500
"""The statuses of an answer: the run is finished, what the steps did or want, a failure outside the steps."""
BROKEN = 0
"""Stands for the status of a call whose connection broke, or that took too long: nothing was answered."""

Mode = Literal["wait", "race"]
"""When the function is entered again while steps run side by side: once all are done, or after each."""
Match = str | Callable[["Event", "Event"], bool] | None
"""A field that must be the same in both events ("data.order_id"), or a function of the original and the new event."""


class StepFailure(NamedTuple):
    """An error as it is sent and remembered: the name of its type, its message, and the SDK's code for it."""

    name: str
    message: str
    code: str = "unknown"

    def to_json(self) -> dict[str, str]:
        """As in a request or a response."""
        return {"name": self.name, "message": self.message, "code": self.code}


class Refusal(NamedTuple):
    """What a step gives whose code has met an error that is final, in place of raising it: the error as data."""

    name: str
    message: str

    def to_json(self) -> dict[str, str]:
        """As it is remembered."""
        return {"name": self.name, "message": self.message}


class Memo(NamedTuple):
    """What is remembered of a step: its data, or its error."""

    data: Any = None
    error: StepFailure | None = None


class Event(NamedTuple):
    """Something that has happened; `data` is JSON-like."""

    name: str
    data: Any = None
    id: str = ""
    time_us: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a step remembers it; `ts` is in milliseconds."""
        return {"id": self.id, "name": self.name, "data": self.data, "ts": self.time_us // 1000}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Event:
        """Read back what a step remembers.

        >>> Event.from_json(Event("order/paid", {"id": "o-1"}, "e-1", 5000).to_json()).time_us
        5000
        """
        return cls(fields["name"], fields["data"], fields["id"], fields["ts"] * 1000)


class WaitFor(NamedTuple):
    """An event that a step waits for."""

    event: str
    timeout_us: int
    match: Match = None


class Invocation(NamedTuple):
    """A function that a step calls, and what it is given; `function` where the code has named it by itself."""

    function_id: str
    data: Any
    function: Any = None


class Op(NamedTuple):
    """What became of one step in a call, or what it wants.

    `detail` depends on the kind: the instant in microseconds at which a Sleep ends, a `WaitFor`, an `Invocation`.
    """

    op: str
    id: str
    name: str
    repeat: int | None = None
    data: Any = None
    error: StepFailure | None = None
    detail: Any = None
    mode: Mode = "race"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function. `attempt` counts from 0; `target` is the one step that is to be run, if it is one.

    `events` are all those that started the run together, `event` is the first of them.
    """

    function_id: str
    run_id: str
    event: Event
    memo: Mapping[str, Memo] = field(default_factory=dict)
    stack: tuple[str, ...] = ()
    attempt: int = 0
    max_attempts: int | None = None
    target: str | None = None
    disable_immediate_execution: bool = False
    events: tuple[Event, ...] = ()

    def is_last(self, attempt: int) -> bool:
        """Whether no attempt comes after this one."""
        return self.max_attempts is not None and attempt + 1 >= self.max_attempts


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call: ops with status 206, a result with 200, an error with any other.

    `no_retry` says that another attempt would be of no use, `retry_after_us` when the next one should be made.
    """

    status: int
    ops: tuple[Op, ...] = ()
    result: Any = None
    error: StepFailure | None = None
    no_retry: bool = False
    retry_after_us: int | None = None
