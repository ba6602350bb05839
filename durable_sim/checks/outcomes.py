"""Outcomes: do two runs of one scenario come to the same business state?

What is compared is how each execution ended and what stands in the ledger for it: never messages and their order,
times or ids. Two sources of the idea: S. Burckhardt et al., "Durable Functions: Semantics for Stateful Serverless",
OOPSLA 2021, prove that under faults an engine reaches only what the fault-free model reaches, if activities are
idempotent; and simulators that hold two engines against each other need a third answer where neither is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from durable_sim import trace
from durable_sim.checks.ledgers import Kinds, entries_by_execution, kinds_of, name_of, standing
from durable_sim.checks.violations import Violation
from durable_sim.errors import UserError
from durable_sim.models.executions import Execution, Status
from durable_sim.simulation.run import Recording, simulate
from durable_sim.trace import Record
from durable_sim.workflows.failures import CallTimeout, ServerError, ServiceUnavailable
from durable_sim.world.ledger import Entry

SAME_OUTCOME = "same_outcome"
FAULT_FREE_MODEL = "replay"
Answer = Literal["same", "different", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution ended: the engine's status, and each effect that stands, with its quantity and how often.

    Effects that are owed at least once are there or not, and only where it completed: a failure takes no mail back, and
    nothing that is irrevocable. Those of best effort do not count.
    """

    status: Status
    standing: tuple[tuple[str, int, int], ...]

    @property
    def undone(self) -> bool:
        """Whether it failed and left nothing behind."""
        return self.status == "failed" and not self.standing

    def __str__(self) -> str:
        effects = [
            name + (f" ({quantity})" if quantity > 1 else "") + (f" x {count}" if count > 1 else "")
            for name, quantity, count in self.standing
        ]
        return f"{self.status}, with {', '.join(effects) or 'nothing'} standing"


@dataclass(frozen=True, slots=True)
class Compared:
    """One execution in both runs; `why` says what makes the answer inconclusive."""

    execution: str
    answer: Answer
    left: Ending
    right: Ending
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Two runs of one scenario, execution by execution."""

    executions: tuple[Compared, ...]

    @property
    def answer(self) -> Answer:
        """ "different" if any execution is, else "inconclusive" if any is, else "same"."""
        if self.different:
            return "different"
        return "inconclusive" if self.inconclusive else "same"

    @property
    def different(self) -> tuple[Compared, ...]:
        """The executions that end as they must not."""
        return tuple(one for one in self.executions if one.answer == "different")

    @property
    def inconclusive(self) -> tuple[Compared, ...]:
        """The executions of which nothing can be said."""
        return tuple(one for one in self.executions if one.answer == "inconclusive")


def same_outcome(recording: Recording) -> Iterator[Violation]:
    """Executions that end as they do not in the same world without faults of processes."""
    for one in compare_outcomes(recording, fault_free(recording)).different:
        yield Violation(SAME_OUTCOME, one.execution, "outcome", str(one.left), f"{one.right}, as without faults")


def fault_free(recording: Recording) -> Recording:
    """The same scenario and seed by the model that says what is allowed, without faults of processes and without
    cancellations from outside the scenario; calls have the same fates, as far as they are the same calls."""
    scenario = recording.scenario
    return simulate(replace(scenario, faults=scenario.scripts), FAULT_FREE_MODEL, recording.seed)


def compare_outcomes(left: Recording, right: Recording) -> Outcomes:
    """Compare two runs: of two models, or of one with and without faults. Which is which does not matter.

    1. An execution that is still going on in one of them is inconclusive, whatever there is by now.
    2. Equal endings are the same; everything else is different, with two exceptions.
    3. The two were told different things from outside, or in another order: a signal before or after a time-out.
    4. One completed; the other failed and undid everything, after trouble in the world, or after a refusal that the
       first did not get: it may have been right to, as the same calls do not meet the same fates when there are more.

    Raises:
        UserError: the executions are not the same.
    """
    ids = [execution.id for execution in left.executions]
    if ids != [execution.id for execution in right.executions]:
        raise UserError(f"outcomes of {', '.join(ids)} can be compared only to another run of the same executions")
    sides = _sides(left), _sides(right)
    return Outcomes(tuple(_compared(name, one, other) for name, one, other in zip(ids, *sides, strict=True)))


@dataclass(frozen=True, slots=True)
class _Side:
    """All that counts of one execution in one run."""

    ending: Ending
    going_on: str | None
    records: tuple[Record, ...]

    @property
    def told(self) -> list[tuple[str, str]]:
        """What the code was told from outside, among the timers that fired, in order."""
        told = [(record.kind, _name(record)) for record in self.records if record.kind in _TOLD or _is_timer(record)]
        return told if any(kind in _TOLD for kind, _ in told) else []

    @property
    def trouble(self) -> list[str]:
        """The time-outs and broken calls that the engine or the code saw, each once."""
        return list(dict.fromkeys(_failure(record) for record in self.records if _error(record) in _TROUBLE))

    @property
    def refusals(self) -> Counter[str]:
        """The answers with any other error: what the services say no to."""
        errors = (record for record in self.records if record.kind == trace.REPLY_RECEIVED and _error(record))
        return Counter(_failure(record) for record in errors if _error(record) not in _TROUBLE)


def _sides(recording: Recording) -> Iterator[_Side]:
    kinds, ledgers = kinds_of(recording), entries_by_execution(recording)
    records: dict[str | None, list[Record]] = {}
    for record in recording.trace:
        records.setdefault(record.execution, []).append(record)
    for execution in recording.executions:
        ending = Ending(execution.status, _standing(execution, ledgers[execution.id], kinds))
        yield _Side(ending, _going_on(recording, execution.id), tuple(records.get(execution.id, ())))


def _going_on(recording: Recording, execution: str) -> str | None:
    pending = recording.pending.get(execution)
    if pending is not None:
        return f"still open at the horizon ({pending})"
    under_way = recording.requests_under_way.get(execution, 0)
    return f"{under_way} request(s) still under way at the horizon" if under_way else None


def _standing(execution: Execution, entries: Sequence[Entry], kinds: Kinds) -> tuple[tuple[str, int, int], ...]:
    counts: Counter[tuple[str, int]] = Counter()
    for entry in standing(entries):
        kind, name = kinds[entry.kind], name_of(entry.kind, entry.subject, entry.whose)
        excused = kind.irrevocable and execution.status == "failed"
        if kind.owed == "exactly_once" and not excused:
            counts[name, entry.quantity] += 1
        elif kind.owed == "at_least_once" and execution.status == "completed":
            counts[name, 0] = 1
    return tuple((name, quantity, count) for (name, quantity), count in sorted(counts.items()))


def _compared(name: str, left: _Side, right: _Side) -> Compared:
    why = left.going_on or right.going_on
    if why is None and left.ending == right.ending:
        return Compared(name, "same", left.ending, right.ending)
    why = why or _excuse(left, right) or _excuse(right, left)
    return Compared(name, "inconclusive" if why else "different", left.ending, right.ending, why or "")


def _excuse(one: _Side, other: _Side) -> str | None:
    """What may have made one execution end otherwise than the other, without anything being wrong."""
    if one.told != other.told:
        return "the two were told different things from outside, or in another order"
    reasons = [*one.trouble, *(one.refusals - other.refusals)]
    if one.ending.undone and other.ending.status == "completed" and reasons:
        return f"one was undone, after {', '.join(reasons)}; the other completed"
    return None


_TOLD = (trace.SIGNAL_RECEIVED, trace.UPDATE_ACCEPTED, trace.CANCEL_REQUESTED)
_TROUBLE = (CallTimeout.__name__, ServerError.__name__, ServiceUnavailable.__name__, trace.ATTEMPT_TIMED_OUT)


def _is_timer(record: Record) -> bool:
    return record.kind == trace.TIMER_FIRED


def _name(record: Record) -> str:
    return str((record.data or {}).get("name", ""))


def _error(record: Record) -> str:
    """The class of the error that a call ended with, or a time-out of an attempt."""
    return (
        trace.ATTEMPT_TIMED_OUT if record.kind == trace.ATTEMPT_TIMED_OUT else str((record.data or {}).get("error", ""))
    )


def _failure(record: Record) -> str:
    return f"{_error(record).replace('_', ' ')} of {record.subject}"
