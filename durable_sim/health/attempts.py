"""Step executions: each attempt of a step, and how it ended as far as the engine learnt.

Reads the records of a trace. Always holds: an attempt ends when the engine learns of its end, not when its code did;
one of whose end no engine ever learns (its process died, and whoever waited for it too) is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from durable_sim import trace as kinds
from durable_sim.trace import Record

ENDS = (kinds.RESULT_RECORDED, kinds.TASK_COMPLETED, kinds.BACKOFF_BEGUN, kinds.ATTEMPT_TIMED_OUT)
"""The first of these for a step after its attempt has started is that attempt's end."""


class Attempt(NamedTuple):
    """One attempt that has ended; `error` says how it failed, None if it did not."""

    execution: str
    step: str
    number: int | None
    started_us: int
    ended_us: int
    error: str | None


def attempts_of(records: Iterable[Record]) -> Iterator[Attempt]:
    """The attempts that have ended, in the order in which they ended; those that were called off are left out."""
    begun: dict[tuple[str | None, int | None], Record] = {}
    for record in records:
        if record.kind == kinds.TASK_STARTED:
            begun[record.execution, record.step] = record
        elif record.kind in ENDS:
            start = begun.pop((record.execution, record.step), None)
            if start is not None and not (record.data or {}).get("cancelled"):
                yield _ended(start, record)


def _ended(start: Record, end: Record) -> Attempt:
    name, error = start.subject or "", error_told(end)
    return Attempt(start.execution or "", name, start.attempt, start.time_us, end.time_us, error)


def error_told(record: Record) -> str | None:
    """The failure that a record tells of, in words."""
    data = record.data or {}
    if record.kind == kinds.ATTEMPT_TIMED_OUT:
        return f"timed out ({data.get('timeout', 'no answer in time')})"
    failure = data.get("failure")
    return None if failure is None else _worded(failure)


def _worded(failure: dict[str, Any]) -> str:
    return f"{failure.get('type') or failure.get('name') or 'error'}: {failure.get('message', '')}"
