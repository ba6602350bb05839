"""Where in a run a fault can strike: after each record of its trace, or at each call.

Reads a finished run only. Always holds: a place is named by what can be told of it (the 2nd reply of payments.charge),
never by its number in the trace, so that it is the same place in another run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from durable_sim import trace as kinds
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record

BETWEEN = "between"
COMPENSATION = "compensation"
END = "end"
PHASES: Mapping[str, str] = MappingProxyType(
    {
        kinds.TASK_SCHEDULED: "before the request",
        kinds.TASK_STARTED: "before the request",
        kinds.REQUEST_SENT: "request out",
        kinds.REQUEST_RECEIVED: "request in",
        kinds.EFFECT_APPLIED: "effect",
        kinds.REPLY_SENT: "reply",
        kinds.REPLY_RECEIVED: "reply",
        kinds.CALL_GIVEN_UP: "given up",
        kinds.ATTEMPT_TIMED_OUT: "given up",
        kinds.RESULT_REPORTED: "record",
        kinds.RESULT_RECORDED: "record",
        kinds.RESULT_REFUSED: "record",
        kinds.TASK_COMPLETED: "record",
        kinds.BACKOFF_BEGUN: "back-off",
        kinds.BACKOFF_ENDED: "back-off",
        kinds.TIMER_STARTED: "waiting",
        kinds.TIMER_FIRED: "waiting",
        kinds.TIMER_CANCELLED: "waiting",
        kinds.REPLAYED: "replay",
        kinds.EXECUTION_STARTED: "start",
        kinds.EXECUTION_RESTARTED: "start",
        kinds.EXECUTION_ENDED: END,
        kinds.EXECUTION_LOST: END,
    }
)
"""What an execution is at when a fault strikes after a record of this kind; all others are "between"."""


class Place(NamedTuple):
    """The instant after one trace record.

    `nth` counts the records of this kind, subject and execution from 1 up to this one. `execution` is None where there
    is none, or one that the scenario does not know by name (a child): then those of all executions are counted.
    `compensating`: the execution is undoing what it did. `settled`: the fate of the call is settled, by a script or by
    chance.
    """

    at: int
    kind: str
    subject: str | None
    execution: str | None
    step: int | None
    attempt: int | None
    nth: int
    phase: str
    compensating: bool
    settled: bool = False

    @property
    def trigger(self) -> dict[str, Any]:
        """What makes a fault strike here."""
        named = {"of": self.subject, "execution": self.execution}
        plain = {key: value for key, value in named.items() if value is not None}
        return {"after": self.kind, **plain, **({"nth": self.nth} if self.nth > 1 else {})}

    @property
    def words(self) -> tuple[str | None, ...]:
        """What a place can be asked for by."""
        return self.kind, self.phase, self.subject, COMPENSATION if self.compensating else None

    def __str__(self) -> str:
        what = self.kind.replace("_", " ")
        which = "" if self.nth == 1 else f" no. {self.nth}"
        subject = f" of {self.subject}" if self.subject else ""
        return f"after {what}{which}{subject}"


def places(recording: Recording, since: int = 0) -> Iterator[Place]:
    """The places of a run, from the record number `since` on, in order."""
    undoing = _Undoing(recording)
    known = {execution.id: execution.id for execution in recording.executions}
    counts: Counter[tuple[str, str | None, str | None]] = Counter()
    for record in recording.trace:
        compensating = undoing.sees(record)
        for key in _keys(record):
            counts[key] += 1
        if record.index >= since:
            execution = known.get(str(record.execution))
            nth = counts[record.kind, record.subject, execution]
            phase = PHASES.get(record.kind, BETWEEN)
            yield Place(
                record.index,
                record.kind,
                record.subject,
                execution,
                record.step,
                record.attempt,
                nth,
                phase,
                compensating,
                record.kind == kinds.REQUEST_SENT and "fault" in (record.data or {}),
            )


def _keys(record: Record) -> list[tuple[str, str | None, str | None]]:
    """Under which descriptions a record counts: one that names no subject, or nobody, means any."""
    subjects = dict.fromkeys((record.subject, None))
    executions = dict.fromkeys((record.execution, None))
    return [(record.kind, subject, execution) for subject in subjects for execution in executions]


class _Undoing:
    """Which executions are compensating: while a saga says so, and in every call that undoes an effect."""

    def __init__(self, recording: Recording) -> None:
        self._undos = frozenset(name for name, kind in recording.effect_kinds.items() if kind.undoes is not None)
        self._open: Counter[str | None] = Counter()

    def sees(self, record: Record) -> bool:
        """Whether the execution is compensating right after this record."""
        if record.kind == kinds.COMPENSATION_BEGUN:
            self._open[record.execution] += 1
        elif record.kind == kinds.COMPENSATION_ENDED:
            self._open[record.execution] -= 1
        return self._open[record.execution] > 0 or record.subject in self._undos
