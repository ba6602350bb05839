"""One entry of a function's body: it is entered from the top, and what is remembered is told to it again.

Pure: no clock, no SimPy, no randomness. `Entry` runs the code as far as memory reaches; what is new then is for the
caller to carry out. Always holds: remembered steps are told in the order in which they were recorded, and entries of
the memo that the code does not ask for are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

from durable_sim.models.steps.protocol import STEPS, Answer, Call, Match, Memo, Mode
from durable_sim.models.steps.step_ids import StepIds
from durable_sim.workflows.program import EngineSignal, Program

_NOT_RECORDED = 1 << 60


class Run(NamedTuple):
    """Run an activity function in the process that serves the call."""

    function: Callable[..., Any] | None
    arguments: tuple[Any, ...]


class Send(NamedTuple):
    """Send an event."""

    event: str
    data: Any
    event_id: str


class Sleep(NamedTuple):
    """Come back after a time span, or at an instant."""

    duration_us: int | None
    until_us: int | None = None


class Wait(NamedTuple):
    """Come back when an event has come, or the time is over."""

    event: str
    timeout_us: int
    match: Match


class Invoke(NamedTuple):
    """Call another function and come back with its result."""

    function: Any
    data: Any


Want = Run | Send | Sleep | Wait | Invoke


class Asked(NamedTuple):
    """A step that the code asks for; its result settles the future `number` of the program.

    `planned` says that it stands in a group of parallel steps, whose `mode` is given.
    """

    number: int
    name: str
    want: Want
    planned: bool = False
    mode: Mode = "race"


class Found(NamedTuple):
    """A step that the code has come to, under its hashed id."""

    id: str
    repeat: int | None
    asked: Asked


class Body(Protocol):
    """User code of one kind, and how it asks for steps."""

    program: Program
    common: bool

    def start(self) -> None:
        """Enter the code."""

    def take(self) -> list[Asked]:
        """The steps that the code has asked for since the last time."""

    def settle(self, asked: Asked, memo: Memo) -> None:
        """Tell the code what became of a step."""


class CallEnds(EngineSignal):
    """Thrown into code whose call is to end with an answer: no `except Exception` catches it, `finally` blocks run.

    The answer is given only if this comes out of the function again.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer

    def of(self, found: Found) -> CallEnds:
        """As it is thrown at a step: one of a group gets its own part of the answer."""
        if not found.asked.planned or self.answer.status != STEPS:
            return self
        return CallEnds(replace(self.answer, ops=tuple(op for op in self.answer.ops if op.id == found.id)))


def merged(ends: Sequence[CallEnds]) -> CallEnds:
    """What has ended the branches of a group, as one: the steps that they want or have run, of all of them."""
    answers = [end.answer for end in ends if end.answer.status == STEPS]
    if not answers:
        return ends[0]
    return CallEnds(replace(answers[0], ops=tuple(op for answer in answers for op in answer.ops)))


class Entry:
    """The code of a function from its top to where it needs something new."""

    def __init__(self, call: Call, body: Body) -> None:
        self.body = body
        self.program = body.program
        self._memo = call.memo
        self._place = {step: place for place, step in enumerate(call.stack)}
        self._ids = StepIds()
        self._open: dict[str, Found] = {}

    def advance(self) -> list[Found]:
        """Run the code until it needs what is not remembered, or ends; gives what is new, in the order asked for."""
        while True:
            self._run()
            found = self._next_remembered()
            if found is None:
                return list(self._open.values())
            self.settle(found, self._memo[found.id])

    def settle(self, found: Found, memo: Memo) -> None:
        """Tell the code what became of a step."""
        del self._open[found.id]
        self.body.settle(found.asked, memo)

    def fail(self, found: Found, error: BaseException) -> None:
        """Raise an error where the code waits for a step; nothing of it is remembered."""
        del self._open[found.id]
        self.program.settle(found.asked.number, error=error)

    def interrupt(self, answer: Answer) -> list[Found]:
        """Let the code unwind: what it waits for raises `CallEnds`. Gives what it asks for meanwhile that is new."""
        end = CallEnds(answer)
        for found in list(self._open.values()):
            self.fail(found, end.of(found))
        return self.advance()

    def _run(self) -> None:
        program = self.program
        program.advance()
        for asked in self.body.take():
            step = self._ids.next(asked.name)
            self._open[step.hashed] = Found(step.hashed, step.repeat, asked)

    def _next_remembered(self) -> Found | None:
        remembered = [found for step, found in self._open.items() if step in self._memo]
        return min(remembered, key=lambda found: self._place.get(found.id, _NOT_RECORDED), default=None)
