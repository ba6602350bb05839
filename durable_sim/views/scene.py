"""What there is to see of one execution: its steps, its calls, the workers, and the blows that struck them.

Reads a finished recording, and makes plain data of it. Always holds: what a call came to is what its caller recorded,
and its effects are what the world recorded; nothing lies outside of the execution's own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from durable_sim import trace as kinds
from durable_sim.durations import format_us
from durable_sim.errors import UnknownNameError
from durable_sim.models.executions import Execution
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record
from durable_sim.views.work import attempts_in

BLOWS_MAX: Final = 4
"""Up to so many blows to workers are marked in all lanes; of more, only those that hit the execution."""
WORKERS_MAX: Final = 4
"""Of more workers, only those are shown that had to do with the execution."""
CALL_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "ok": "call ok",
        "failed": "call failed",
        "timed_out": "client time-out",
        "cut_off": "caller died",
        "under_way": "call under way",
        "undo": "compensation",
    }
)
"""What can become of a call, in words."""

_DEATHS: Final = (kinds.WORKER_CRASHED, kinds.WORKER_STOPPED)
_STEP_ENDS: Final = (kinds.TASK_COMPLETED, kinds.RESULT_RECORDED, kinds.TIMER_FIRED, kinds.TIMER_CANCELLED)


_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        kinds.SIGNAL_RECEIVED: "signal {name}",
        kinds.UPDATE_ACCEPTED: "update {name}",
        kinds.CANCEL_REQUESTED: "cancel",
        kinds.CONTINUED_AS_NEW: "as new",
        kinds.EXECUTION_RESTARTED: "run {run}",
        kinds.WORKFLOW_TASK_FAILED: "task failed",
        kinds.SERVER_RESTARTED: "server restart",
    }
)
"""What reaches an execution as a whole, in as few words as a label has room for."""


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
    """A worker's lives, the times at which it stood still, and what it did for this execution: attempts, replays."""

    name: str
    lives: tuple[Bar, ...]
    pauses: tuple[Bar, ...]
    busy: tuple[Bar, ...]
    replays_us: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Blow:
    """The end of a worker's process: a crash, or a stop for a deploy; `hit` if it had the execution in memory."""

    time_us: int
    kind: str
    worker: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Message:
    """Something that reached the execution as a whole: a signal, a request to stop, another run, a new server."""

    time_us: int
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a timeline shows."""

    execution: Execution
    records: tuple[Record, ...]
    start_us: int
    end_us: int
    steps: tuple[Bar, ...]
    backoffs: tuple[Bar, ...]
    """When a step waited for its next attempt, under the step's name."""
    calls: tuple[Call, ...]
    workers: tuple[Worker, ...]
    blows: tuple[Blow, ...]
    """In the order of time; only those within the execution's own time, and of the workers shown."""
    messages: tuple[Message, ...]
    moments_us: tuple[int, ...]
    """When something happened that must be seen, in order."""

    @property
    def idle(self) -> list[tuple[int, int]]:
        """The stretches between two moments in which no call was under way."""
        calls = [call.bar for call in self.calls]
        pairs = pairwise(self.moments_us)
        return [(a, b) for a, b in pairs if not any(bar.start_us <= a and b <= bar.end_us for bar in calls)]


def scene(recording: Recording, execution_id: str) -> Scene:
    """What there is to see of one execution.

    Raises:
        UnknownNameError: there is no execution of that id.
    """
    execution = _find(recording, execution_id)
    own = tuple(recording.trace.of(execution_id))
    deaths = [record for record in recording.trace if record.kind in _DEATHS]
    hits = [record for record in deaths if _hits(record, execution_id)]
    restarts = [one for one in recording.trace if one.kind == kinds.SERVER_RESTARTED and _hits(one, execution_id)]
    times_us = sorted({execution.arrived_us, *(record.time_us for record in (*own, *hits, *restarts))})
    start_us, end_us = times_us[0], times_us[-1]
    undos = frozenset(name for name, kind in recording.effect_kinds.items() if kind.undoes is not None)
    undo_steps = frozenset(record.step for record in own if record.subject in undos and record.step is not None)
    workers = tuple(_workers(recording, own, deaths, hits, start_us, end_us))
    seen = [record for record in deaths if record.worker in {worker.name for worker in workers}]
    blows = tuple(_blows(seen, execution_id, start_us, end_us))
    moments_us = tuple(sorted({*times_us, *(blow.time_us for blow in through_all_lanes(blows))}))
    return Scene(
        execution,
        own,
        start_us,
        end_us,
        tuple(_steps(sorted([*own, *deaths]), undo_steps, end_us)),
        tuple(_backoffs(sorted([*own, *deaths]), end_us)),
        tuple(_calls(own, deaths, undo_steps, end_us)),
        workers,
        blows,
        tuple(_messages(sorted([*own, *restarts]))),
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
    for record in deaths:
        if start_us <= record.time_us <= end_us:
            kind = "crash" if record.kind == kinds.WORKER_CRASHED else "deploy"
            yield Blow(record.time_us, kind, record.worker or "", _hits(record, execution_id))


def through_all_lanes(blows: Sequence[Blow]) -> list[Blow]:
    """Those that are marked in all lanes, not on the worker alone."""
    return [blow for blow in blows if blow.hit or len(blows) <= BLOWS_MAX]


def _messages(records: Iterable[Record]) -> Iterator[Message]:
    for record in records:
        if record.kind in _MESSAGES:
            yield Message(record.time_us, record.kind, _MESSAGES[record.kind].format_map(record.data or {}))


def _steps(records: Iterable[Record], undo_steps: frozenset[int], end_us: int) -> Iterator[Bar]:
    """The steps and timers: from the record that scheduled each to the one that closed it, or to its process's death.

    A durable engine's steps belong to no worker and outlive them all.
    """
    under_way: list[tuple[Record, str]] = []
    undoing = False
    for record in records:
        undoing = _undoing(record, undoing)
        if record.kind in (kinds.TASK_SCHEDULED, kinds.TIMER_STARTED):
            timer = record.kind == kinds.TIMER_STARTED
            undo = undoing or record.step in undo_steps
            under_way.append((record, "timer" if timer else "undo" if undo else "step"))
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
    return (
        record.kind in (*_DEATHS, kinds.EXECUTION_LOST) and begun.worker is not None and begun.worker == record.worker
    )


def _step_bar(begun: Record, kind: str, end_us: int) -> Bar:
    if kind == "timer":
        lasts = format_us((begun.data or {}).get("duration_us", 0))
        labels: tuple[str, ...] = (f"sleep {lasts}", lasts)
    else:
        name = begun.subject or ""
        labels = (name, name.replace("_", " ").partition(" ")[0])
    return Bar(begun.time_us, end_us, kind, labels, f"{'timer' if kind == 'timer' else 'step'}:{begun.step}")


def _backoffs(records: Iterable[Record], end_us: int) -> Iterator[Bar]:
    """The times between two attempts; that of a step that belongs to a worker ends with it."""
    begun: dict[tuple[int | None, str | None], Record] = {}
    for record in records:
        if record.kind == kinds.BACKOFF_BEGUN:
            begun[record.step, record.subject] = record
        for key, one in list(begun.items()):
            if _ends_backoff(record, one):
                del begun[key]
                yield _backoff(one, record.time_us)
    yield from (_backoff(one, end_us) for one in begun.values())


def _ends_backoff(record: Record, begun: Record) -> bool:
    if record.kind in (kinds.BACKOFF_ENDED, kinds.TASK_COMPLETED, kinds.TASK_STARTED):
        return (record.step, record.subject) == (begun.step, begun.subject)
    return record.kind in (kinds.EXECUTION_ENDED, kinds.EXECUTION_LOST, kinds.EXECUTION_RESTARTED)


def _backoff(begun: Record, end_us: int) -> Bar:
    return Bar(begun.time_us, end_us, "backoff", (), f"step:{begun.step}")


def _calls(own: Sequence[Record], deaths: Sequence[Record], undo_steps: frozenset[int], end_us: int) -> Iterator[Call]:
    answers = {record.call: record for record in own if record.kind in (kinds.REPLY_RECEIVED, kinds.CALL_GIVEN_UP)}
    effects: dict[int | None, list[Record]] = {}
    for record in own:
        if record.kind == kinds.EFFECT_APPLIED:
            effects.setdefault(record.call, []).append(record)
    under: dict[int | None, bool] = {}
    undoing = False
    for record in own:
        undoing = _undoing(record, undoing)
        if record.kind == kinds.TASK_SCHEDULED:
            under[record.step] = undoing
        if record.kind == kinds.REQUEST_SENT:
            made = effects.get(record.call, [])
            undo = under.get(record.step, False) or record.step in undo_steps
            yield _call(record, answers.get(record.call), made, deaths, undo, end_us)


def _call(
    sent: Record, answer: Record | None, made: Sequence[Record], deaths: Sequence[Record], undo: bool, end_us: int
) -> Call:
    if answer is not None:
        kind, until_us = _outcome(answer, undo), answer.time_us
    else:
        died = (one.time_us for one in deaths if one.worker == sent.worker and one.index > sent.index)
        died_us = next(died, None)
        kind, until_us = ("under_way", end_us) if died_us is None else ("cut_off", min(died_us, end_us))
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


def _workers(
    recording: Recording,
    own: Sequence[Record],
    deaths: Sequence[Record],
    hits: Sequence[Record],
    start_us: int,
    end_us: int,
) -> Iterator[Worker]:
    names: Sequence[str] = recording.scenario.worker_ids
    involved = {record.worker for record in (*own, *hits)}
    if len(names) > WORKERS_MAX:
        names = [name for name in names if name in involved]
    attempts = [one for one in attempts_in(sorted([*own, *deaths])) if one.started_us is not None]
    lived = [record for record in recording.trace if record.execution is None]
    for name in names:
        events = [record for record in lived if record.worker == name]
        replays_us = tuple(r.time_us for r in own if r.kind == kinds.REPLAYED and r.worker == name)
        lives = _stretches(events, kinds.WORKER_STARTED, _DEATHS, start_us, end_us)
        pauses = _stretches(events, kinds.WORKER_PAUSED, (kinds.WORKER_RESUMED, *_DEATHS), start_us, end_us)
        busy = [
            Bar(one.started_us or 0, end_us if one.ended_us is None else min(one.ended_us, end_us), "busy")
            for one in attempts
            if one.worker == name
        ]
        yield Worker(name, tuple(lives), tuple(pauses), tuple(busy), replays_us)


def _stretches(events: Iterable[Record], begins: str, ends: Sequence[str], start_us: int, end_us: int) -> Iterator[Bar]:
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
