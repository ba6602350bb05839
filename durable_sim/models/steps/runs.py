"""What the platform remembers: runs with the results of their steps, and the queue items that will call them again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from durable_sim.models.executions import Execution
from durable_sim.models.steps.chronicle import Chronicle
from durable_sim.models.steps.flow.limits import STATE_MAX_BYTES, STEP_OUTPUT_MAX_BYTES
from durable_sim.models.steps.protocol import STEP_PLANNED, Call, Event, Memo, Op, Refusal, StepFailure
from durable_sim.workflows.payloads import as_json

OUTPUT_TOO_LARGE, STATE_OVERFLOWED = "output_too_large", "InngestErrStateOverflowed"
ItemState = Literal["due", "waiting", "calling", "done"]


class Parent(NamedTuple):
    """The step of another run that waits for this one's end."""

    run: Run
    step: str


class TooLarge(Exception):
    """A run has more data than the platform takes; ends it as failed. `failure` says so."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.failure = StepFailure(name, message)


def size_of(memo: Memo) -> int:
    """The bytes that the data of a step takes as JSON.

    >>> size_of(Memo({"done": "é"})), size_of(Memo())
    (13, 4)
    """
    data = memo.data.to_json() if isinstance(memo.data, Refusal) else as_json(memo.data)
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


@dataclass(slots=True, eq=False)
class Run:
    """One run of a function. `ends` are the executions that end with it.

    `pending` has the steps that were told of and are not finished, in the order in which they were; `memo` the finished
    ones, `state_bytes` what their data takes as JSON. A run that is not open is never called again.
    """

    id: str
    function_id: str
    execution: Execution
    event: Event
    max_attempts: int
    chronicle: Chronicle
    events: tuple[Event, ...] = ()
    ends: tuple[Execution, ...] = ()
    parent: Parent | None = None
    memo: dict[str, Memo] = field(default_factory=dict)
    pending: dict[str, Op] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    open: bool = True
    result: Any = None
    failure: StepFailure | None = None
    calls: int = 0
    items_made: int = 0
    state_bytes: int = 0

    def new_item(self, target: Op | None = None, attempt: int = 0) -> Item:
        """Another call that is to be made."""
        self.items_made += 1
        item = Item(self, target, self.items_made, attempt)
        self.items.append(item)
        return item

    def close(self, item: Item) -> None:
        """A call need not be made again."""
        item.state = "done"
        if item in self.items:
            self.items.remove(item)

    def call(self, item: Item) -> Call:
        """What a call is made with: a copy of what is remembered now."""
        self.calls += 1
        others = any(one.target is None and one is not item for one in self.items)
        return Call(
            self.function_id,
            self.id,
            self.event,
            dict(self.memo),
            tuple(self.memo),
            item.attempt,
            self.max_attempts,
            None if item.target is None else item.target.id,
            item.target is not None or bool(self.pending) or others,
            self.events,
        )

    def remember(self, step: str, memo: Memo) -> None:
        """Keep what a step has given.

        Raises:
            TooLarge: it is more than the platform takes, by itself or with what it has already.
        """
        size = size_of(memo)
        if size > STEP_OUTPUT_MAX_BYTES:
            raise TooLarge(
                OUTPUT_TOO_LARGE, f"step output size is greater than the limit of {STEP_OUTPUT_MAX_BYTES} bytes"
            )
        if self.state_bytes + size > STATE_MAX_BYTES:
            told = f"The function run exceeded the state size limit of {STATE_MAX_BYTES} bytes."
            raise TooLarge(STATE_OVERFLOWED, told)
        self.state_bytes += size
        self.memo[step] = memo

    @property
    def asleep(self) -> Op | None:
        """A step that waits for something else than a call, if there is one."""
        return next((op for op in self.pending.values() if op.op != STEP_PLANNED), None)


@dataclass(slots=True, eq=False)
class Item:
    """A call that is to be made: of the whole function, or of one planned step. `attempt` counts from 0.

    `under_way` is the step that the call was last seen at, or whose error was its answer; only the trace is told of it.
    `counted` says that it holds a place of flow control.
    """

    run: Run
    target: Op | None
    number: int
    attempt: int = 0
    state: ItemState = "due"
    due_us: int = 0
    under_way: tuple[str, str] | None = None
    counted: bool = False
