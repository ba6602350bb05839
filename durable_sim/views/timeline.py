"""The timeline of one execution as a figure: the workflow, the workers, and what each service saw and did.

Reads a finished recording and makes plain data of it first (steps, calls, lives, blows), then a drawing. Always holds:
a bar is what the caller saw of one call, a diamond is where the world changed, and the two come from different records;
long stretches in which nothing happened to the execution are cut out of the time axis, and marked there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from matplotlib.figure import Figure

from durable_sim import trace as kinds
from durable_sim.checks.owed import debts
from durable_sim.checks.verdict import Judged, judge
from durable_sim.checks.violations import Violation
from durable_sim.durations import HOUR, MILLISECOND, MINUTE, SECOND, format_us
from durable_sim.errors import UnknownNameError
from durable_sim.models.executions import Execution
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record
from durable_sim.views import palette
from durable_sim.views.palette import BODY_PT, CALL_LOOKS, EDGE_PT, INK, MUTED, RULE, SMALL_PT, STEP_LOOKS
from durable_sim.views.palette import Canvas, Look, elided, text_width

WIDTH_PT: Final = 11.4 * palette.POINTS
LANE_PT: Final = 37.0
BAR_PT: Final = 19.5
STACKED_PT: Final = 13.0
"""The height of a bar in a lane where several run at the same time."""
SLIVER_PT: Final = 2.6
"""No bar is drawn narrower."""
CUT_PT: Final = 46.0
"""The width that is left of a stretch which was cut out."""
CUTS_MAX: Final = 5
CUT_RATIO: Final = 6
"""Stretches are cut out if each lasts this many times as long as all that is left."""
BLOWS_MAX: Final = 4
"""Up to so many blows to workers are drawn through all lanes; of more, only those that hit the execution."""
WORKERS_MAX: Final = 4
"""Of more workers, only those are shown that had to do with the execution."""

_DEATHS: Final = (kinds.WORKER_CRASHED, kinds.WORKER_STOPPED)
_STEP_ENDS: Final = (kinds.TASK_COMPLETED, kinds.RESULT_RECORDED, kinds.TIMER_FIRED)
_WRONG: Mapping[str, str] = MappingProxyType(
    {
        "duplicate_effect": "duplicate",
        "compensation_order": "wrong order",
        "lost_effect": "lost",
        "orphaned_effect": "orphaned",
    }
)
_CALLS: Mapping[str, str] = MappingProxyType(
    {
        "ok": "call ok",
        "failed": "call failed",
        "timed_out": "client time-out",
        "cut_off": "caller died",
        "undo": "compensation",
    }
)


# --- what there is to see -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted; the first of its labels that fits is written into it."""

    start_us: int
    end_us: int
    kind: str
    labels: tuple[str, ...] = ()
    gid: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a service, as its caller saw it, and when it had its effects."""

    service: str
    bar: Bar
    effects_us: tuple[tuple[int, int], ...]
    """The index in the ledger and the time of each."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's lives, the times at which it stood still, and when it replayed this execution's history."""

    name: str
    lives: tuple[Bar, ...]
    pauses: tuple[Bar, ...]
    replays_us: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Blow:
    """The end of a worker's process: a crash, or a stop for a deploy; `hit` if it had the execution in memory."""

    time_us: int
    kind: str
    worker: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a timeline shows."""

    execution: Execution
    records: tuple[Record, ...]
    start_us: int
    end_us: int
    steps: tuple[Bar, ...]
    calls: tuple[Call, ...]
    workers: tuple[Worker, ...]
    blows: tuple[Blow, ...]
    """In the order of time; only those within the execution's own time."""
    moments_us: tuple[int, ...]
    """When something happened that must be seen, in order."""


def scene(recording: Recording, execution_id: str) -> Scene:
    """What there is to see of one execution.

    Raises:
        UnknownNameError: there is no execution of that id.
    """
    execution = _find(recording, execution_id)
    own = tuple(recording.trace.of(execution_id))
    deaths = [record for record in recording.trace if record.kind in _DEATHS]
    hits_us = [record.time_us for record in deaths if _hits(record, execution_id)]
    times_us = sorted({execution.arrived_us, *(record.time_us for record in own), *hits_us})
    start_us, end_us = times_us[0], times_us[-1]
    blows = _shown(tuple(_blows(deaths, execution_id, start_us, end_us)))
    moments_us = tuple(sorted({*times_us, *(blow.time_us for blow in blows if len(blows) <= BLOWS_MAX or blow.hit)}))
    return Scene(
        execution,
        own,
        start_us,
        end_us,
        tuple(_steps(sorted([*own, *deaths]), end_us)),
        tuple(_calls(own, deaths, end_us)),
        tuple(_workers(recording, own, start_us, end_us)),
        blows,
        moments_us,
    )


def _find(recording: Recording, execution_id: str) -> Execution:
    for execution in recording.executions:
        if execution.id == execution_id:
            return execution
    raise UnknownNameError("execution", execution_id, [execution.id for execution in recording.executions])


def _hits(record: Record, execution_id: str) -> bool:
    return record.data is not None and execution_id in record.data.get("in_flight", ())


def _blows(deaths: Iterable[Record], execution_id: str, start_us: int, end_us: int) -> Iterator[Blow]:
    margin_us = (end_us - start_us) // 50
    for record in deaths:
        if start_us - margin_us <= record.time_us <= end_us + margin_us:
            kind = "crash" if record.kind == kinds.WORKER_CRASHED else "deploy"
            yield Blow(record.time_us, kind, record.worker or "", _hits(record, execution_id))


def _steps(records: Iterable[Record], end_us: int) -> Iterator[Bar]:
    """The steps and timers: from the record that scheduled each to the one that closed it, or to its process's death.

    A durable engine's steps belong to no worker and outlive them all.
    """
    under_way: list[tuple[Record, str]] = []
    undoing = False
    for record in records:
        undoing = _undoing(record, undoing)
        if record.kind in (kinds.TASK_SCHEDULED, kinds.TIMER_STARTED):
            timer = record.kind == kinds.TIMER_STARTED
            under_way.append((record, "timer" if timer else "undo" if undoing else "step"))
        for pair in [pair for pair in under_way if _closes(record, pair[0])]:
            under_way.remove(pair)
            yield _step_bar(*pair, record.time_us)
    for begun, kind in under_way:
        yield _step_bar(begun, kind, end_us)


def _undoing(record: Record, before: bool) -> bool:
    """Whether a compensation is under way from this record on."""
    if record.kind == kinds.COMPENSATION_BEGUN:
        return True
    ends = (kinds.COMPENSATION_ENDED, kinds.EXECUTION_RESTARTED, kinds.EXECUTION_LOST, kinds.EXECUTION_ENDED)
    return before and record.kind not in ends


def _closes(record: Record, begun: Record) -> bool:
    if record.kind in _STEP_ENDS:
        same = record.step == begun.step and record.subject == begun.subject
        return same and begun.worker in (None, record.worker)
    return record.kind in (*_DEATHS, kinds.EXECUTION_LOST) and begun.worker is not None and begun.worker == record.worker


def _step_bar(begun: Record, kind: str, end_us: int) -> Bar:
    if kind == "timer":
        lasts = format_us((begun.data or {}).get("duration_us", 0))
        labels: tuple[str, ...] = (f"sleep {lasts}", lasts)
    else:
        name = begun.subject or ""
        labels = (name, name.replace("_", " ").partition(" ")[0])
    return Bar(begun.time_us, end_us, kind, labels, f"{'timer' if kind == 'timer' else 'step'}:{begun.step}")


def _calls(own: Sequence[Record], deaths: Sequence[Record], end_us: int) -> Iterator[Call]:
    answers = {record.call: record for record in own if record.kind in (kinds.REPLY_RECEIVED, kinds.CALL_GIVEN_UP)}
    effects: dict[int | None, list[Record]] = {}
    for record in own:
        if record.kind == kinds.EFFECT_APPLIED:
            effects.setdefault(record.call, []).append(record)
    undo_steps: dict[int | None, bool] = {}
    undoing = False
    for record in own:
        undoing = _undoing(record, undoing)
        if record.kind == kinds.TASK_SCHEDULED:
            undo_steps[record.step] = undoing
        if record.kind == kinds.REQUEST_SENT:
            made = effects.get(record.call, [])
            undo = undo_steps.get(record.step, False) or any("undoes" in (one.data or {}) for one in made)
            yield _call(record, answers.get(record.call), made, deaths, undo, end_us)


def _call(
    sent: Record, answer: Record | None, made: Sequence[Record], deaths: Sequence[Record], undo: bool, end_us: int
) -> Call:
    if answer is not None:
        kind, until_us = _outcome(answer, undo), answer.time_us
    else:
        died = (one.time_us for one in deaths if one.worker == sent.worker and one.index > sent.index)
        kind, until_us = "cut_off", min(next(died, end_us), end_us)
    labels = () if sent.attempt is None else (str(sent.attempt),)
    effects_us = tuple(((one.data or {})["effect"], one.time_us) for one in made)
    service = (sent.subject or "").partition(".")[0]
    return Call(service, Bar(sent.time_us, until_us, kind, labels, f"call:{sent.call}"), effects_us)


def _outcome(answer: Record, undo: bool) -> str:
    if answer.kind == kinds.CALL_GIVEN_UP:
        return "timed_out"
    if answer.data is not None and "error" in answer.data:
        return "failed"
    return "undo" if undo else "ok"


def _workers(recording: Recording, own: Sequence[Record], start_us: int, end_us: int) -> Iterator[Worker]:
    names: Sequence[str] = recording.scenario.worker_ids
    involved = {record.worker for record in own}
    if len(names) > WORKERS_MAX:
        names = [name for name in names if name in involved]
    lived = [record for record in recording.trace if record.execution is None]
    for name in names:
        events = [record for record in lived if record.worker == name]
        replays_us = tuple(r.time_us for r in own if r.kind == kinds.REPLAYED and r.worker == name)
        lives = _stretches(events, kinds.WORKER_STARTED, _DEATHS, start_us, end_us)
        pauses = _stretches(events, kinds.WORKER_PAUSED, (kinds.WORKER_RESUMED, *_DEATHS), start_us, end_us)
        yield Worker(name, tuple(lives), tuple(pauses), replays_us)


def _stretches(
    events: Iterable[Record], begins: str, ends: Sequence[str], start_us: int, end_us: int
) -> Iterator[Bar]:
    """The times between the records that begin and end something, as far as they are within the picture."""
    begun: Record | None = None
    for record in events:
        if record.kind == begins:
            begun = record
        elif record.kind in ends and begun is not None:
            if record.time_us > start_us and begun.time_us <= end_us:
                yield _stretch(begun, record.time_us, start_us, end_us)
            begun = None
    if begun is not None and begun.time_us <= end_us:
        yield _stretch(begun, end_us, start_us, end_us)


def _stretch(begun: Record, until_us: int, start_us: int, end_us: int) -> Bar:
    version = (begun.data or {}).get("version") or ""
    begin_us = max(begun.time_us, start_us)
    return Bar(begin_us, max(begin_us, min(until_us, end_us)), begun.kind, (str(version),))


# --- the time axis --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time that is drawn to scale, with its place on the canvas."""

    start_us: int
    end_us: int
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Time to points. Pieces to scale, and between them the stretches that are cut out, each as wide as the others."""

    pieces: tuple[Piece, ...]

    def x(self, time_us: int) -> float:
        """Where an instant is drawn."""
        place = max(0, bisect_right([piece.start_us for piece in self.pieces], time_us) - 1)
        piece = self.pieces[place]
        if time_us > piece.end_us and place + 1 < len(self.pieces):
            after = self.pieces[place + 1]
            piece = Piece(piece.end_us, after.start_us, piece.right, after.left)
        share = (time_us - piece.start_us) / max(1, piece.end_us - piece.start_us)
        return piece.left + share * (piece.right - piece.left)

    def cuts(self) -> list[Piece]:
        """The stretches that are cut out."""
        pairs = zip(self.pieces, self.pieces[1:], strict=False)
        return [Piece(one.end_us, other.start_us, one.right, other.left) for one, other in pairs]

    def is_cut(self, time_us: int) -> bool:
        """Whether an instant falls into such a stretch."""
        return any(cut.start_us < time_us < cut.end_us for cut in self.cuts())

    @property
    def shown_us(self) -> int:
        """How much time is drawn to scale."""
        return sum(piece.end_us - piece.start_us for piece in self.pieces)


def time_scale(moments_us: Sequence[int], left: float, right: float) -> TimeScale:
    """The scale between two places on the canvas, for moments in ascending order, the first and the last at its ends.

    Of the stretches between moments, the longest are cut out where they would leave too little room for the rest.
    """
    pairs = list(zip(moments_us, moments_us[1:], strict=False))
    cuts = _to_cut(pairs)
    whole_us = moments_us[-1] - moments_us[0]
    kept_us = whole_us - sum(end_us - start_us for start_us, end_us in cuts)
    pad_us = kept_us // 40  # what is left to see of a cut stretch at either end
    edges = [moments_us[0], *(us for start, end in cuts for us in (start + pad_us, end - pad_us)), moments_us[-1]]
    kept_us += 2 * pad_us * len(cuts)
    points_per_us = (right - left - CUT_PT * len(cuts)) / max(1, kept_us)
    pieces: list[Piece] = []
    for start_us, end_us in zip(edges[::2], edges[1::2], strict=True):
        begin = pieces[-1].right + CUT_PT if pieces else left
        pieces.append(Piece(start_us, end_us, begin, begin + (end_us - start_us) * points_per_us))
    return TimeScale(tuple(pieces))


def _to_cut(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The fewest stretches each of which lasts CUT_RATIO times as long as all shorter ones together."""
    longest = sorted(pairs, key=lambda pair: pair[0] - pair[1])
    for count in range(1, min(CUTS_MAX, len(longest) - 1) + 1):
        rest_us = sum(end - start for start, end in longest[count:])
        start_us, end_us = longest[count - 1]
        if 0 < rest_us * CUT_RATIO <= end_us - start_us:
            return sorted(longest[:count])
    return []


def _unit(shown_us: int) -> tuple[str, int]:
    """The unit for a stretch of time, and its microseconds."""
    for name, size in (("h", HOUR), ("min", MINUTE), ("s", SECOND)):
        if shown_us >= 2 * size:
            return name, size
    return ("s", SECOND) if shown_us >= SECOND else ("ms", MILLISECOND)


def _tick_step(unit_us: int, least_us: float) -> int:
    """The smallest round step that is at least so long."""
    sixties = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
    tens = [digit * 10**power for power in range(12) for digit in (1, 2, 5)]
    rounds = [count * unit_us for count in sixties] if unit_us >= MINUTE else tens
    return next((step for step in rounds if step >= least_us), rounds[-1])
