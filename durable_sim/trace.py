"""The trace: what the simulator watched, one record type, in the order in which it happened.

Everybody appends to it; only checks and views read it; no engine does. Always holds: the index of a record is its place
in the trace, and times never go back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import simpy

# One call of a service, in the order in which it happens. A crash can fall between any two.
REQUEST_SENT = "request_sent"
REQUEST_RECEIVED = "request_received"
EFFECT_APPLIED = "effect_applied"
REPLY_SENT = "reply_sent"
REPLY_RECEIVED = "reply_received"
CALL_GIVEN_UP = "call_given_up"  # the client's own time-out: no answer, nothing known
# One attempt of an activity, as the engine sees it.
TASK_SCHEDULED = "task_scheduled"
TASK_STARTED = "task_started"
RESULT_REPORTED = "result_reported"
RESULT_RECORDED = "result_recorded"
RESULT_REFUSED = "result_refused"  # nobody took it: too late, the attempt was given up; or `lost` on the way out
ATTEMPT_TIMED_OUT = "attempt_timed_out"
BACKOFF_BEGUN = "backoff_begun"
BACKOFF_ENDED = "backoff_ended"
TASK_COMPLETED = "task_completed"
TIMER_STARTED = "timer_started"
TIMER_FIRED = "timer_fired"
TIMER_CANCELLED = "timer_cancelled"
# The life of an execution.
EXECUTION_STARTED = "execution_started"
EXECUTION_RESTARTED = "execution_restarted"
EXECUTION_LOST = "execution_lost"
EXECUTION_ENDED = "execution_ended"
REPLAYED = "replayed"
WORKFLOW_TASK_FAILED = "workflow_task_failed"
WORKFLOW_TASK_TIMED_OUT = "workflow_task_timed_out"
SIGNAL_RECEIVED = "signal_received"
UPDATE_ACCEPTED = "update_accepted"
UPDATE_COMPLETED = "update_completed"
CANCEL_REQUESTED = "cancel_requested"
CHILD_STARTED = "child_started"
CHILD_ENDED = "child_ended"
CONTINUED_AS_NEW = "continued_as_new"
COMPENSATION_BEGUN = "compensation_begun"
COMPENSATION_ENDED = "compensation_ended"
# What was done to the workers.
WORKER_STARTED = "worker_started"
WORKER_CRASHED = "worker_crashed"
WORKER_STOPPING = "worker_stopping"
WORKER_STOPPED = "worker_stopped"
WORKER_PAUSED = "worker_paused"
WORKER_RESUMED = "worker_resumed"
SERVER_RESTARTED = "server_restarted"


class Record(NamedTuple):
    """One instant of a run.

    `time_us` is simulated time since the start; `subject` is a service operation ("payments.charge") or an activity's
    name; `step` is the number of the command in its workflow, counted on where an execution has several runs; `call`
    numbers service calls; `data` is plain JSON data or None.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    time_us: int
    kind: str
    execution: str | None
    worker: str | None
    subject: str | None
    step: int | None
    attempt: int | None
    call: int | None
    data: dict[str, Any] | None


class Trace:
    """An append-only list of records, with the simulation's clock."""

    __slots__ = ("_env", "_rows", "observers")

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._rows: list[tuple[Any, ...]] = []  # plain tuples: a record is made only when somebody looks
        self.observers: list[Callable[[Record], None]] = []

    def add(
        self,
        kind: str,
        execution: str | None = None,
        worker: str | None = None,
        subject: str | None = None,
        step: int | None = None,
        attempt: int | None = None,
        call: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Append a record at the current instant, then tell the observers (a fault may strike right here)."""
        rows = self._rows
        rows.append((len(rows), self._env._now, kind, execution, worker, subject, step, attempt, call, data))
        if self.observers:
            record = Record._make(rows[-1])
            for observer in tuple(self.observers):
                observer(record)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Record]:
        return map(Record._make, self._rows)

    def __getitem__(self, index: int) -> Record:
        return Record._make(self._rows[index])

    def of(self, execution: str) -> list[Record]:
        """The records of one execution, in order."""
        return [Record._make(row) for row in self._rows if row[3] == execution]

    def to_jsonl(self) -> str:
        """The trace as JSON lines, one object a record; empty fields are left out."""
        return "".join(map(record_to_json, self))

    def digest(self) -> str:
        """SHA-256 of the JSON lines: equal digests mean equal runs, to the byte."""
        digest = hashlib.sha256()
        for record in self:
            digest.update(record_to_json(record).encode())
        return digest.hexdigest()


def record_to_json(record: Record) -> str:
    """One record as a line of JSON."""
    fields = {name: value for name, value in zip(Record._fields, record, strict=True) if value is not None}
    return json.dumps(fields, separators=(",", ":")) + "\n"


def records_from_jsonl(lines: Iterable[str]) -> list[Record]:
    """Read back what `Trace.to_jsonl` wrote, given line by line (an open file, or `text.splitlines()`).

    >>> records_from_jsonl(['{"index":0,"time_us":5,"kind":"worker_started","worker":"w1"}'])[0].worker
    'w1'
    """
    parsed = (json.loads(line) for line in lines if line.strip())
    return [Record(*(fields.get(name) for name in Record._fields)) for fields in parsed]


def first_difference(left: Iterable[Record], right: Iterable[Record]) -> str | None:
    """Where two traces differ first, in words; None where they are equal."""
    left, right = list(left), list(right)
    for one, other in zip(left, right, strict=False):
        if one != other:
            return f"record {one.index}: {record_to_json(one).strip()} against {record_to_json(other).strip()}"
    if len(left) != len(right):
        return f"one trace ends after {min(len(left), len(right))} records, the other has {max(len(left), len(right))}"
    return None
