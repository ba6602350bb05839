"""What can be told of the single things in a timeline: calls, steps, timers and effects, by their names in the figure.

Reads a finished recording. Always holds: the first line says which thing it is, the others what was recorded of it, in
order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from durable_sim import trace as kinds
from durable_sim.durations import seconds
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record
from durable_sim.world.ledger import Entry


def details_of(recording: Recording, execution_id: str) -> dict[str, str]:
    """The words for each thing, by its gid in `timeline`."""
    own = recording.trace.of(execution_id)
    grouped: dict[str, list[Record]] = {}
    for record in own:
        for gid in _gids(record):
            grouped.setdefault(gid, []).append(record)
    told = {gid: "\n".join([_head(records), *map(_line, records)]) for gid, records in grouped.items()}
    return told | {f"effect:{one.index}": _effect(one) for one in recording.ledger if one.execution == execution_id}


def _gids(record: Record) -> Iterable[str]:
    """A call is told by itself and in its step."""
    if record.call is not None:
        yield f"call:{record.call}"
    if record.step is not None:
        timer = record.kind in (kinds.TIMER_STARTED, kinds.TIMER_FIRED, kinds.TIMER_CANCELLED)
        yield f"{'timer' if timer else 'step'}:{record.step}"


def _head(records: list[Record]) -> str:
    first = records[0]
    what = first.subject or first.kind.replace("_", " ")
    attempts = [f"attempt {first.attempt}"] if first.call is not None and first.attempt else []
    call = [f"call {first.call}"] if first.call is not None else [f"step {first.step}"]
    workers = dict.fromkeys(record.worker for record in records if record.worker)
    return ", ".join([what, *attempts, *call, *(f"worker {worker}" for worker in workers)])


def _line(record: Record) -> str:
    attempt = f" (attempt {record.attempt})" if record.attempt else ""
    data = "" if record.data is None else f"  {json.dumps(record.data, default=str)}"
    return f"{seconds(record.time_us):>12}  {record.kind.replace('_', ' ')}{attempt}{data}"


def _effect(entry: Entry) -> str:
    facts = json.dumps(entry.to_json(), default=str)
    return f"{entry.kind}: an effect in the world, entry {entry.index} of the ledger\n{facts}"
