"""What an engine remembers, event by event.

Reads a finished recording, makes plain data of it. Always holds: events of one run are in the order in which the engine
wrote them, under its own numbers; nothing in them comes from the outside world's books.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from durable_sim import trace as kinds
from durable_sim.models.replay.model import Replay
from durable_sim.models.state_machine.model import StateMachines
from durable_sim.simulation.run import Recording

_WORLD = (
    kinds.REQUEST_SENT,
    kinds.REQUEST_RECEIVED,
    kinds.EFFECT_APPLIED,
    kinds.REPLY_SENT,
    kinds.REPLY_RECEIVED,
    kinds.CALL_GIVEN_UP,
)
"""Records of the trace that are of calls, not of the engine."""
_SUBJECTS = ("activity_type", "timer_id", "signal_name", "workflow_type", "marker_name", "name", "resource")
"""Details that say what an event is about; the first that is there counts."""


class Event(NamedTuple):
    """One event of an execution's run."""

    execution: str | None
    run: str | None
    event: int
    time_us: int
    type: str
    subject: str | None
    step: int | None
    attempt: int | None
    worker: str | None
    details: Mapping[str, Any]


def events(recording: Recording) -> Iterator[Event]:
    """The events of all runs: from histories where the model keeps some, else from the trace."""
    engine, _ = recording.engine
    if isinstance(engine, Replay):
        yield from _replayed(engine)
    elif isinstance(engine, StateMachines):
        yield from _interpreted(engine, recording)
    else:
        yield from _watched(recording)


def _replayed(engine: Replay) -> Iterator[Event]:
    for run in engine.server.runs.values():
        named: dict[int, str | None] = {}
        for event in run.history:
            told = event.attributes
            opened_by = told.get("scheduled_event_id") or told.get("started_event_id") or told.get("initiated_event_id")
            subject = _subject(told) or named.get(opened_by or 0)
            named[event.id] = subject
            attempt, worker = told.get("attempt"), told.get("identity")
            yield Event(
                run.trace_id, run.run_id, event.id, event.time_us, event.type, subject, None, attempt, worker, told
            )


def _interpreted(engine: StateMachines, recording: Recording) -> Iterator[Event]:
    for execution in recording.executions:
        runs = engine.runs(execution) if engine.stored(execution) else ()
        for number, run in enumerate(runs, start=1):
            name = f"{execution.id}/{number}" if len(runs) > 1 else None
            named: dict[int, str | None] = {}
            for event in run.machine.history:
                subject = named[event.id] = _subject(event.details) or named.get(event.previous_id)
                yield Event(
                    execution.id, name, event.id, event.time_us, event.type, subject, None, None, None, event.details
                )


def _watched(recording: Recording) -> Iterator[Event]:
    for record in recording.trace:
        if record.execution is not None and record.kind not in _WORLD:
            yield Event(
                record.execution,
                None,
                record.index,
                record.time_us,
                record.kind,
                record.subject,
                record.step,
                record.attempt,
                record.worker,
                record.data or {},
            )


def _subject(details: Mapping[str, Any]) -> str | None:
    return next((str(details[name]) for name in _SUBJECTS if details.get(name)), None)
