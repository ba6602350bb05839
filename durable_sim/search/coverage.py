"""What faults have struck: of which family, in which phase of an execution, at which operation; and what never was.

Reads traces only, so that it can be said of any run. Always holds: a fault that hit nothing in flight covers nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from durable_sim import trace as kinds
from durable_sim.search.places import BETWEEN, COMPENSATION, END, PHASES, Place, places
from durable_sim.simulation.run import Recording
from durable_sim.views import text
from durable_sim.world.faults import Script

BLOWS: Mapping[str, str] = MappingProxyType(
    {
        kinds.WORKER_CRASHED: "crash",
        kinds.WORKER_STOPPED: "deploy",
        kinds.WORKER_PAUSED: "pause",
        kinds.SERVER_RESTARTED: "restart_server",
        kinds.CANCEL_REQUESTED: "cancel",
    }
)
"""The records that faults of processes leave, and their families."""
_LATE = ("restart_server", "cancel")
"""Families whose record is written when the fault is over, or when somebody has taken note of it."""
_BEGINNINGS = (kinds.EXECUTION_STARTED, kinds.EXECUTION_RESTARTED)
ALL_PHASES = (*dict.fromkeys(PHASES.values()), BETWEEN, COMPENSATION)


class Struck(NamedTuple):
    """One fault that hit an execution: what that was at, and the operation or activity that it was about."""

    family: str
    phase: str
    subject: str
    compensating: bool

    def is_in(self, phase: str) -> bool:
        """Whether the execution was in this phase; compensation can be one besides another."""
        return self.compensating if phase == COMPENSATION else self.phase == phase

    @classmethod
    def at(cls, family: str, place: Place) -> Struck:
        """A fault at a place."""
        return cls(family, place.phase, place.subject or "", place.compensating)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How often which family of faults hit an execution in which phase; compensation is a phase across the others."""

    counts: Mapping[Struck, int]

    @classmethod
    def of(cls, struck: Iterable[Struck]) -> Coverage:
        """The coverage of faults that have struck."""
        return cls(dict(Counter(struck)))

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(dict(Counter(self.counts) + Counter(other.counts)))

    @property
    def families(self) -> tuple[str, ...]:
        """The families that have struck."""
        return tuple(dict.fromkeys(struck.family for struck in self.counts))

    def hits(self, phase: str, family: str | None = None) -> int:
        """How many faults of a family (of any, by default) hit an execution in a phase."""
        found = (item for item in self.counts.items() if family in (None, item[0].family))
        return sum(count for struck, count in found if struck.is_in(phase))

    @property
    def never(self) -> tuple[str, ...]:
        """The phases in which no fault has hit anything. At its end an execution cannot be hit any more."""
        return tuple(phase for phase in ALL_PHASES if phase != END and not self.hits(phase))

    @property
    def subjects(self) -> dict[str, int]:
        """How often each operation or activity was hit."""
        found: Counter[str] = Counter()
        for struck, count in self.counts.items():
            found[struck.subject] += count if struck.subject else 0
        return {subject: count for subject, count in found.items() if count}

    def to_json(self) -> dict[str, Any]:
        """Phases by families, operations, and the phases that were never hit."""
        phases = {phase: {one: self.hits(phase, one) for one in self.families} for phase in ALL_PHASES}
        return {"phases": phases, "subjects": self.subjects, "never": list(self.never)}

    def __str__(self) -> str:
        shown = [phase for phase in ALL_PHASES if self.hits(phase)]
        rows = [[family, *(self.hits(phase, family) or "-" for phase in shown)] for family in self.families]
        lines = [text.table(["hit in phase", *shown], rows)] if rows else []
        return "\n".join([*lines, f"never hit: {', '.join(self.never) or 'nothing'}"])


def struck_in(recording: Recording, but: Iterable[Script] = ()) -> Iterator[Struck]:
    """The faults that hit an execution in a run, `but` some scripts: of calls and of workers from its trace; of the
    server, and requests to stop, whose records come late, from what became of each."""
    scripted = {script.target for script in but}
    calls: Counter[str | None] = Counter()
    last: dict[str | None, Place] = {}
    ended: set[str | None] = set()
    late = {name: sorted(_late(recording, name)) for name in _LATE}
    for place in places(recording):
        record = recording.trace[place.at]
        data = record.data or {}
        if place.kind == kinds.REQUEST_SENT:
            calls[place.subject] += 1
        targets = (place.subject, None, calls[place.subject]), (place.subject, record.execution, place.nth)
        if place.settled and scripted.isdisjoint(targets):
            yield Struck.at(data["fault"], place)
        elif place.kind in BLOWS and BLOWS[place.kind] not in _LATE:
            for execution in data.get("in_flight", [record.execution]):
                if execution in last and execution not in ended:
                    yield Struck.at(BLOWS[place.kind], last[execution])
        if place.kind == kinds.EXECUTION_ENDED:
            ended.add(record.execution)
        elif place.kind in _BEGINNINGS:
            ended.discard(record.execution)
        if place.kind not in BLOWS:
            last[record.execution] = place
        for family, strikes in late.items():
            for _, execution in (strike for strike in strikes if strike[0] == place.at):
                if execution in last:
                    yield Struck.at(family, last[execution])


def struck_after(recording: Recording, after: int, family: str, hit: Collection[str]) -> Iterator[Struck]:
    """What a fault that struck after a record hit: each execution in the phase in which it was itself."""
    last: dict[str | None, Place] = {}
    for place in places(recording):
        if place.at > after:
            break
        if place.kind not in BLOWS:
            last[recording.trace[place.at].execution] = place
    yield from (Struck.at(family, last[execution]) for execution in hit if execution in last)


def _late(recording: Recording, family: str) -> Iterator[tuple[int, str]]:
    """After which record a fault of this family struck, and whom it hit."""
    for strike in recording.strikes:
        if strike.fault.kind == family and strike.after is not None:
            yield from ((strike.after, execution) for execution in strike.hit)
