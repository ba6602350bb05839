"""Runs as tidy data frames: one row one thing, the same columns however few rows there are.

Reads finished runs and what was judged of them. Always holds: a column that ends in `_us` is in whole microseconds, its
twin without the ending is the same as a Timedelta, counted from the start of the simulation; what is not known
is NA or NaT in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from durable_sim.checks.verdict import Judged, Judgement
from durable_sim.checks.violations import VERDICTS
from durable_sim.durations import duration_us
from durable_sim.simulation.injector import Strike
from durable_sim.simulation.run import Recording
from durable_sim.world.faults import Planned
from durable_sim.world.ledger import Entry

Row = dict[str, Any]


def trace_table(recording: Recording) -> pd.DataFrame:
    """One row a record of the trace, in order, under the record's index.

    Columns: time, time_us, kind, execution, worker, subject, step, attempt, call, data (a dict, or None).
    """
    columns = ("index", "time", "time_us", "kind", "execution", "worker", "subject", "step", "attempt", "call", "data")
    rows = (record._asdict() for record in recording.trace)
    return _frame(rows, columns, whole=("step", "attempt", "call"), certain=("index", "time_us")).set_index("index")


def executions_table(recording: Recording, judgement: Judgement) -> pd.DataFrame:
    """One row an execution, in the order of arrival.

    Columns: execution, verdict, status (what the engine says), arrived and ended and duration (each also in _us), runs
    (how often the code was begun from the top), violations (how many), repeats (effects made more often than owed where
    that is allowed), failure (its message), pending (what would move an open execution on).
    """
    times = ("arrived", "arrived_us", "ended", "ended_us", "duration", "duration_us")
    columns = ("execution", "verdict", "status", *times, "runs", "violations", "repeats", "failure", "pending")
    rows = (_execution_row(recording, judged) for judged in judgement.executions)
    certain = ("arrived_us", "runs", "violations", "repeats")
    return _frame(rows, columns, whole=("ended_us", "duration_us"), certain=certain)


def effects_table(recording: Recording) -> pd.DataFrame:
    """One row an effect in the ledger, under its index there, in the order in which the effects took place.

    Columns: time, time_us, service, kind ("payments.charge"), execution, step, subject, quantity (negative for an
    undo), unit, owed ("exactly_once", ...), reference, undoes and undone_by (indices of other effects), call, sent
    and sent_us (when the request left its caller).
    """
    what = ("index", "time", "time_us", "service", "kind", "execution", "step", "subject", "quantity", "unit", "owed")
    columns = (*what, "reference", "undoes", "undone_by", "call", "sent", "sent_us")
    undone_by = {entry.undoes: entry.index for entry in reversed(recording.ledger) if entry.undoes is not None}
    rows = (_effect_row(recording, entry, undone_by.get(entry.index)) for entry in recording.ledger)
    certain = ("index", "time_us", "quantity", "call", "sent_us")
    return _frame(rows, columns, whole=("step", "undoes", "undone_by"), certain=certain).set_index("index")


def violations_table(judgement: Judgement) -> pd.DataFrame:
    """One row a violation, those of executions first.

    Columns: kind, execution (missing for what concerns the whole run), subject, found, expected, time, time_us
    (missing for what shows only at the end).
    """
    columns = ("kind", "execution", "subject", "found", "expected", "time", "time_us")
    rows = ({name: getattr(one, name, None) for name in columns} for one in judgement.violations)
    return _frame(rows, columns, whole=("time_us",))


def faults_table(recording: Recording) -> pd.DataFrame:
    """One row a planned fault of processes, whether it fired or not (stimuli are no faults).

    Columns: kind (crash, deploy, pause, restart_server, cancel), worker (missing: whoever is at work), version (of a
    deploy), planned and planned_us (missing for a fault that waits for a record), trigger (in words), fired and
    fired_us (missing: never), hit (how many executions it hit), executions (their ids, with commas).
    """
    columns = ("kind", "worker", "version", "planned", "planned_us", "trigger", "fired", "fired_us", "hit")
    rows = map(_fault_row, recording.strikes)
    return _frame(rows, (*columns, "executions"), whole=("planned_us", "fired_us"), certain=("hit",))


def verdicts_table(counts_by_model: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """How many executions got each verdict: one row a model, one column a verdict, in the order of VERDICTS."""
    rows = [[counts.get(verdict, 0) for verdict in VERDICTS] for counts in counts_by_model.values()]
    index = pd.Index(list(counts_by_model), name="model", dtype="object")
    return pd.DataFrame(rows, index=index, columns=pd.Index(VERDICTS, name="verdict"), dtype="int64")


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


def _frame(
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
