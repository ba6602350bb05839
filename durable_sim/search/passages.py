"""The steps of a run: where in its trace each of them passes, how it went, and how far its support reaches.

Reads a trace only. Always holds: a step is named by what can be told of it, as a place is, so that it is the same step
in another run; and each record of an execution with steps lies within the reach of one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from durable_sim.trace import Trace


class Step(NamedTuple):
    """A step of an execution: the `nth` of this name."""

    execution: str
    name: str
    nth: int


Way = tuple[tuple[str, str | None, int | None, str | None], ...]
"""How a step went: kinds of records, subjects, attempts, errors."""


@dataclass(slots=True)
class Passage:
    """A step in the trace of one run: its first and its last record, and how it went."""

    first: int
    last: int
    way: Way


def passages_of(trace: Trace) -> dict[Step, Passage]:
    """The steps of a run; an execution is one step as a whole where its records tell of none."""
    found: dict[Step, Passage] = {}
    names: dict[tuple[str, int | None], Step] = {}
    counts: dict[tuple[str, str], int] = {}
    records = [record for record in trace if record.execution is not None]
    stepped = {record.execution for record in records if record.step is not None}
    for record in records:
        execution = str(record.execution)
        if record.step is None and execution in stepped:
            continue
        step = names.get((execution, record.step))
        if step is None:
            name = record.subject or record.kind
            counts[execution, name] = counts.get((execution, name), 0) + 1
            step = names[execution, record.step] = Step(execution, name, counts[execution, name])
            found[step] = Passage(record.index, record.index, ())
        passage = found[step]
        passage.last = record.index
        error = (record.data or {}).get("error")
        passage.way = (*passage.way, (record.kind, record.subject, record.attempt, error))
    return found


def reach_of(passages: Mapping[Step, Passage], length: int) -> dict[Step, tuple[int, int]]:
    """From where to where each step reaches: from the end of the one before to the beginning of the one after."""
    reach: dict[Step, tuple[int, int]] = {}
    for step, own in passages.items():
        others = [one for other, one in passages.items() if other.execution == step.execution]
        since = max((one.last for one in others if one.last < own.first), default=0)
        until = min((one.first for one in others if one.first > own.last), default=length)
        reach[step] = (since, until)
    return reach
