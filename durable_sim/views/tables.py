"""Runs as tidy data frames: one row one thing, the same columns however few rows there are; `TABLES` has them by name.

Reads finished runs and what was judged of them. Always holds: a column that ends in `_us` is in whole microseconds, its
twin without the ending is the same as a Timedelta, counted from the start of the simulation; what is not known
is NA or NaT in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Protocol

import pandas as pd

from durable_sim.checks.verdict import Judged, Judgement
from durable_sim.checks.violations import VERDICTS, Violation
from durable_sim.durations import duration_us
from durable_sim.library.windows import Window
from durable_sim.simulation.injector import Strike
from durable_sim.simulation.run import Recording
from durable_sim.views.events import events
from durable_sim.views.work import Attempt, Call, Life, attempts, calls, lives
from durable_sim.world.faults import Planned
from durable_sim.world.ledger import Entry

Row = dict[str, Any]


class Judgeable(Protocol):
    """What is read of a run: its recording, the judgement of it, and what further checks found."""

    @property
    def recording(self) -> Recording:
        """What the simulation left behind."""

    @property
    def judgement(self) -> Judgement:
        """The verdicts."""

    @property
    def findings(self) -> tuple[Violation, ...]:
        """What further checks found."""


def trace_table(recording: Recording) -> pd.DataFrame:
    """One row a record of the trace, in order, under the record's index.

    Columns: time, time_us, kind, execution, worker, subject, step, attempt, call, data (a dict, or None).
    """
    columns = ("index", "time", "time_us", "kind", "execution", "worker", "subject", "step", "attempt", "call", "data")
    rows = (record._asdict() for record in recording.trace)
    return frame_of(rows, columns, whole=("step", "attempt", "call"), certain=("index", "time_us")).set_index("index")


def executions_table(recording: Recording, judgement: Judgement) -> pd.DataFrame:
    """One row an execution, in the order of arrival.

    Columns: execution, verdict, status (what the engine says), arrived and ended and duration (each also in _us), runs
    (how often the code was begun from the top, or redriven), violations (how many), repeats (effects made more often
    than owed where that is allowed), failure (its message), pending (what would move an open execution on).
    """
    times = ("arrived", "arrived_us", "ended", "ended_us", "duration", "duration_us")
    columns = ("execution", "verdict", "status", *times, "runs", "violations", "repeats", "failure", "pending")
    rows = (_execution_row(recording, judged) for judged in judgement.executions)
    certain = ("arrived_us", "runs", "violations", "repeats")
    return frame_of(rows, columns, whole=("ended_us", "duration_us"), certain=certain)


def effects_table(recording: Recording) -> pd.DataFrame:
    """One row an effect in the ledger, under its index there, in the order in which the effects took place.

    Columns: time, time_us, service, kind ("payments.charge"), execution, step, subject, whose (for whom it is),
    quantity (negative for an undo), unit, owed ("exactly_once", ...), reference, undoes and undone_by (indices of other
    effects), call, sent and sent_us (when the request left its caller).
    """
    what = (
        "index",
        "time",
        "time_us",
        "service",
        "kind",
        "execution",
        "step",
        "subject",
        "whose",
        "quantity",
        "unit",
        "owed",
    )
    columns = (*what, "reference", "undoes", "undone_by", "call", "sent", "sent_us")
    undone_by = {entry.undoes: entry.index for entry in reversed(recording.ledger) if entry.undoes is not None}
    rows = (_effect_row(recording, entry, undone_by.get(entry.index)) for entry in recording.ledger)
    certain = ("index", "time_us", "quantity", "call", "sent_us")
    return frame_of(rows, columns, whole=("step", "undoes", "undone_by"), certain=certain).set_index("index")


def attempts_table(recording: Recording) -> pd.DataFrame:
    """One row an attempt of an activity, in the order in which they were scheduled.

    Columns: execution, activity, step, attempt, worker (missing: none took it), scheduled, started, ended (the code
    ended, or died with its worker), closed (the engine knew what came of it), each also in _us; wait (from scheduled to
    started) and duration (from started to ended), also in _us; outcome (completed, failed, cancelled, timed_out,
    worker_died, refused, running, waiting), error (what the engine was told), backoff and backoff_us (until the next
    attempt).
    """
    times = [name for base in ("scheduled", "started", "ended", "closed", "wait", "duration") for name in _twins(base)]
    columns = ("execution", "activity", "step", "attempt", "worker", *times, "outcome", "error", *_twins("backoff"))
    whole = ("step", *(name for name in columns if name.endswith("_us")))
    return frame_of(map(_attempt_row, attempts(recording)), columns, whole=whole, certain=("attempt",))


def calls_table(recording: Recording) -> pd.DataFrame:
    """One row a request to a service, under its number, in the order in which they were sent.

    Columns: execution, step, attempt, worker, service, operation, sent, received (by the service, the first time),
    answered (or given up), duration (from sent to answered), each also in _us; outcome as its caller saw it (ok,
    failed, timed_out, caller_died, under_way), error, fault (what the world did to it), effects (how many it had).
    """
    times = [name for base in ("sent", "received", "answered", "duration") for name in _twins(base)]
    who = ("call", "execution", "step", "attempt", "worker", "service", "operation")
    columns = (*who, *times, "outcome", "error", "fault", "effects")
    whole = ("step", "attempt", "received_us", "answered_us", "duration_us")
    rows = map(_call_row, calls(recording))
    return frame_of(rows, columns, whole=whole, certain=("call", "sent_us", "effects")).set_index("call")


def workers_table(recording: Recording) -> pd.DataFrame:
    """One row a life of a worker's process, in the order in which they began.

    Columns: worker, life (from 1), version (missing: the first code), started, ended (missing: alive at the end), each
    also in _us; ended_how (crash, deploy, alive), attempts (begun in it), in_flight (how many executions were in its
    memory when it ended), executions (their ids, with commas), pauses (how often it stood still), paused and paused_us
    (how long in all, without a pause that it did not come out of).
    """
    times = (*_twins("started"), *_twins("ended"), "ended_how", "attempts", "in_flight", "executions")
    columns = ("worker", "life", "version", *times, "pauses", *_twins("paused"))
    certain = ("life", "started_us", "attempts", "in_flight", "pauses", "paused_us")
    return frame_of(map(_life_row, lives(recording)), columns, whole=("ended_us",), certain=certain)


def events_table(recording: Recording) -> pd.DataFrame:
    """One row an event that the engine remembers, run by run: under `replay` and `state_machine` those of their
    histories; other models keep none, and have what the trace says of the engine's doings.

    Columns: execution, run (the id of the run; missing where there is only one), event (its number there), time,
    time_us, type, subject (the activity, timer, signal or child that it is about), step, attempt, worker, details (a
    dict).
    """
    what = ("execution", "run", "event", *_twins("time"), "type", "subject", "step", "attempt", "worker", "details")
    rows = (event._asdict() for event in events(recording))
    return frame_of(rows, what, whole=("step", "attempt"), certain=("event", "time_us"))


def violations_table(judgement: Judgement, findings: Iterable[Violation] = ()) -> pd.DataFrame:
    """One row a violation, those of executions first, then those of the whole run, then what further checks found.

    Columns: kind, execution (missing for what concerns the whole run), subject, found, expected, time, time_us
    (missing for what shows only at the end), source ("verdict", or "finding" of a further check).
    """
    columns = ("kind", "execution", "subject", "found", "expected", "time", "time_us", "source")
    sources = {"verdict": judgement.violations, "finding": tuple(findings)}
    rows = (
        {name: getattr(one, name, None) for name in columns} | {"source": source}
        for source, violations in sources.items()
        for one in violations
    )
    return frame_of(rows, columns, whole=("time_us",))


def windows_table(windows: Iterable[Window]) -> pd.DataFrame:
    """One row a window in which a customer is charged and nothing is fulfilled (`library.windows.windows`).

    Columns: execution, begun, ended (of the run, where it is open), length, each also in _us; closed (fulfilled,
    undone, open).
    """
    columns = ("execution", *_twins("begun"), *_twins("ended"), *_twins("length"), "closed")
    rows = ({**asdict(window), "length_us": window.length_us} for window in windows)
    return frame_of(rows, columns, certain=("begun_us", "ended_us", "length_us"))


def faults_table(recording: Recording) -> pd.DataFrame:
    """One row a planned fault of processes, whether it fired or not (stimuli are no faults).

    Columns: kind (crash, deploy, pause, restart_server, cancel), worker (missing: whoever is at work), version (of a
    deploy), planned and planned_us (missing for a fault that waits for a record), trigger (in words), fired and
    fired_us (missing: never), hit (how many executions it hit), executions (their ids, with commas).
    """
    columns = ("kind", "worker", "version", "planned", "planned_us", "trigger", "fired", "fired_us", "hit")
    rows = map(_fault_row, recording.strikes)
    return frame_of(rows, (*columns, "executions"), whole=("planned_us", "fired_us"), certain=("hit",))


def verdicts_table(counts_by_model: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """How many executions got each verdict: one row a model, one column a verdict, in the order of VERDICTS."""
    rows = [[counts.get(verdict, 0) for verdict in VERDICTS] for counts in counts_by_model.values()]
    index = pd.Index(list(counts_by_model), name="model", dtype="object")
    return pd.DataFrame(rows, index=index, columns=pd.Index(VERDICTS, name="verdict"), dtype="int64")


TABLES: Mapping[str, Callable[[Judgeable], pd.DataFrame]] = MappingProxyType(
    {
        "executions": lambda run: executions_table(run.recording, run.judgement),
        "attempts": lambda run: attempts_table(run.recording),
        "calls": lambda run: calls_table(run.recording),
        "effects": lambda run: effects_table(run.recording),
        "events": lambda run: events_table(run.recording),
        "faults": lambda run: faults_table(run.recording),
        "trace": lambda run: trace_table(run.recording),
        "violations": lambda run: violations_table(run.judgement, run.findings),
        "workers": lambda run: workers_table(run.recording),
    }
)
"""The tables of one run."""


def _execution_row(recording: Recording, judged: Judged) -> Row:
    execution = judged.execution
    ended_us = execution.ended_us
    return {
        "execution": execution.id,
        "verdict": judged.verdict,
        "status": execution.status,
        "arrived_us": execution.arrived_us,
        "ended_us": ended_us,
        "duration_us": None if ended_us is None else ended_us - execution.arrived_us,
        "runs": execution.runs,
        "violations": len(judged.violations),
        "repeats": judged.repeats,
        "failure": None if execution.failure is None else execution.failure.told,
        "pending": recording.pending.get(execution.id),
    }


def _effect_row(recording: Recording, entry: Entry, undone_by: int | None) -> Row:
    kind = recording.effect_kinds[entry.kind]
    owed = recording.scenario.owed.get(entry.kind, kind.owed)
    service = entry.kind.rpartition(".")[0]
    return entry.to_json() | {"service": service, "unit": kind.unit, "owed": owed, "undone_by": undone_by}


def _attempt_row(attempt: Attempt) -> Row:
    wait_us = _between(attempt.scheduled_us, attempt.started_us)
    return asdict(attempt) | {"wait_us": wait_us, "duration_us": _between(attempt.started_us, attempt.ended_us)}


def _call_row(call: Call) -> Row:
    return asdict(call) | {"duration_us": _between(call.sent_us, call.answered_us)}


def _life_row(life: Life) -> Row:
    return asdict(life) | {"in_flight": len(life.in_flight), "executions": ", ".join(life.in_flight)}


def _between(start_us: int | None, end_us: int | None) -> int | None:
    return None if start_us is None or end_us is None else end_us - start_us


def _twins(name: str) -> tuple[str, str]:
    return name, f"{name}_us"


def _fault_row(strike: Strike) -> Row:
    fault = strike.fault
    return {
        "kind": fault.kind,
        "worker": getattr(fault, "worker", None),
        "version": getattr(fault, "version", None),
        "planned_us": None if fault.at is None else duration_us(fault.at),
        "trigger": _trigger(fault),
        "fired_us": strike.fired_us,
        "hit": len(strike.hit),
        "executions": ", ".join(strike.hit),
    }


def _trigger(fault: Planned) -> str:
    if fault.at is not None:
        return f"at {fault.at}"
    if fault.after_record is not None:
        return f"after record {fault.after_record}"
    of = f" of {fault.of}" if fault.of else ""
    of += f" in {fault.execution}" if fault.execution else ""
    return f"after {fault.after}{of}" + (f", number {fault.nth}" if fault.nth > 1 else "")


def frame_of(
    rows: Iterable[Row], columns: Sequence[str], *, whole: Sequence[str] = (), certain: Sequence[str] = ()
) -> pd.DataFrame:
    """Rows as a frame with these columns: `whole` numbers that may be missing, `certain` ones that may not, and a
    Timedelta for each column whose twin in microseconds is there."""
    frame = pd.DataFrame(list(rows), columns=list(columns), dtype="object")
    for name in (*whole, *certain):
        frame[name] = frame[name].astype("Int64" if name in whole else "int64")
    for name in columns:
        if f"{name}_us" in columns:
            frame[name] = _timedeltas(frame[f"{name}_us"])
    return frame


def _timedeltas(us: pd.Series[int]) -> pd.Series[pd.Timedelta]:
    known = us.astype("Int64")
    return pd.to_timedelta(known.fillna(0).astype("int64"), unit="us").astype("timedelta64[us]").where(known.notna())
