"""Histories in the form in which the real tools exchange them, and back.

`to_json` makes what `temporal workflow show --output json` prints, the web UI downloads and up-loads, and
`temporalio.client.WorkflowHistory.from_json` reads; `from_json` reads what a real server wrote, too.

Always holds: `from_json(to_json(history)) == history`, but for
- what JSON changes in values: a tuple comes back as a list, a dataclass as a dict (`workflows.payloads.as_json`);
- attributes that are internal ("step") or None, which are not there afterwards; and empty ones (an empty list, False, a
  `started_event_id` of 0), which are there afterwards even where they were left out.

The real tools want run ids that look like UUIDs. Others are replaced by a UUID made from them, and travel in a header
of the first event, from which `from_json` restores them. Attributes that are not in the table (fields.py) are left
behind when a history is read, and times are cut to whole microseconds.
"""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from durable_sim.errors import did_you_mean
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.exchange.codecs import (
    ABSENT,
    EVENT_ID,
    Mismatch,
    read_fields,
    read_time,
    the,
    upper_snake,
    write_fields,
    write_time,
)
from durable_sim.models.replay.exchange.fields import FIELDS, fields_of
from durable_sim.models.replay.exchange.payloads import read_payload, write_payload
from durable_sim.models.replay.order import HistoryError
from durable_sim.version import __version__

RUN_IDS_HEADER = "durable-sim-run-ids"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NAMESPACED = ("ChildWorkflow", "StartChildWorkflow", "RequestCancelExternal", "SignalExternal", "ExternalWorkflow")
_SDK = {"coreUsedFlags": [1, 2, 3, 4], "langUsedFlags": [1], "sdkName": "durable_sim", "sdkVersion": __version__}
"""What the first completed workflow task says of its SDK: replay it by the rules of today, not by older ones."""


# --- writing --------------------------------------------------------------------------------------------------------
def to_json(events: Sequence[Event], *, namespace: str = "default") -> dict[str, Any]:
    """A history as protobuf JSON: `{"events": [...]}`.

    Raises:
        HistoryError: a value that JSON cannot carry, or a type of event that the real form does not have.
    """
    written = [_write_event(event, namespace) for event in events]
    first_done = next((event for event in written if event["eventType"].endswith("WORKFLOW_TASK_COMPLETED")), {})
    first_done.get("workflowTaskCompletedEventAttributes", {})["sdkMetadata"] = dict(_SDK)
    _replace_run_ids(written)
    return {"events": written}


def _write_event(event: Event, namespace: str) -> dict[str, Any]:
    if event.type not in FIELDS:
        raise HistoryError(f"event {event.id}", f"type {event.type!r}", did_you_mean(event.type, FIELDS))
    try:
        body = write_fields(fields_of(event.type, event.attributes.get("marker_name")), event.attributes)
    except Mismatch as mismatch:
        raise _refusal(f"event {event.id} ({event.type})", mismatch) from None
    if event.type.startswith(_NAMESPACED):
        body["namespace"] = namespace
    return {
        "eventId": str(event.id),
        "eventTime": write_time(event.time_us),
        "eventType": f"EVENT_TYPE_{upper_snake(event.type)}",
        "taskId": str(event.id),
        _attributes_key(event.type): body,
    }


def _attributes_key(kind: str) -> str:
    return f"{kind[0].lower()}{kind[1:]}EventAttributes"


# --- reading --------------------------------------------------------------------------------------------------------
def from_json(data: dict[str, Any] | str) -> tuple[Event, ...]:
    """The events of a history in protobuf JSON, given as text or already parsed.

    Both names of an event type are known, "EVENT_TYPE_TIMER_FIRED" and "TimerFired". Only each event by itself is
    looked at; whether they may follow each other is for `order.check_order`.

    Raises:
        HistoryError: which event has what at which place, and what was expected there.
    """
    found = _parsed(data) if isinstance(data, str) else data
    if not isinstance(found, dict) or not isinstance(found.get("events"), list):
        raise HistoryError("the file", _shown(found), 'an object {"events": [...]}')
    try:
        return tuple(_read_event(place, event) for place, event in enumerate(_restore_run_ids(found["events"]), 1))
    except RecursionError:
        raise HistoryError("the file", "data that is nested too deep", "failures with fewer causes") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise HistoryError("the file", "data that is nested too deep", "JSON") from None
    except ValueError as error:
        raise HistoryError("the file", f"text that is no JSON ({error})", "a history in JSON") from None


def _read_event(place: int, event: Any) -> Event:
    where = f"event {place}"
    try:
        head = the(dict, event, "an object")
        kind = _event_type(_required(head, "eventType", "an event type"))
        where = f"event {place} ({kind})"
        event_id = _at("eventId", EVENT_ID.read, _required(head, "eventId", EVENT_ID.expected))
        time_us = _at("eventTime", read_time, _required(head, "eventTime", "a time"))
        return Event(event_id, time_us, kind, _at(_attributes_key(kind), _reader(kind), _body(head, kind)))
    except Mismatch as mismatch:
        raise _refusal(where, mismatch) from None


def _event_type(name: Any) -> str:
    text: str = _at("eventType", lambda value: the(str, value, "an event type"), name)
    short = "".join(word.capitalize() for word in text.removeprefix("EVENT_TYPE_").split("_"))
    kind = short if text.startswith("EVENT_TYPE_") else text
    if kind not in FIELDS:
        raise Mismatch(text, f"a type of event that durable_sim knows; {did_you_mean(kind, FIELDS)}", "eventType")
    return kind


def _body(event: dict[str, Any], kind: str) -> dict[str, Any]:
    key = _attributes_key(kind)
    others = [name for name in event if name.endswith("EventAttributes") and name != key]
    if others:
        raise Mismatch(others[0], key)
    return the(dict, event.get(key) or {}, "an object")  # type: ignore[no-any-return]


def _reader(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: read_fields(fields_of(kind, body.get("markerName")), body)


def _required(event: dict[str, Any], name: str, expected: str) -> Any:
    if event.get(name) is None:
        raise Mismatch(ABSENT, expected, name)
    return event[name]


def _at(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except Mismatch as mismatch:
        raise mismatch.below(name) from None


def _refusal(where: str, mismatch: Mismatch) -> HistoryError:
    place = f"{where}: {mismatch.path}" if mismatch.path else where
    return HistoryError(place, _shown(mismatch.found), mismatch.expected)


def _shown(found: object) -> str:
    text = "nothing" if found is ABSENT else repr(found)
    return text if len(text) <= 80 else f"{text[:77]}..."


# --- run ids --------------------------------------------------------------------------------------------------------
def run_uuid(run_id: str) -> str:
    """A UUID for a run id; one that has the form already stays as it is.

    >>> run_uuid("r1") == run_uuid("r1") != run_uuid("r2")
    True
    """
    if _UUID.fullmatch(run_id) or not run_id:
        return run_id
    return str(uuid.UUID(bytes=blake2b(run_id.encode(), digest_size=16).digest(), version=4))


def _replace_run_ids(events: list[dict[str, Any]]) -> None:
    """Put UUIDs in the place of run ids, and note in the first event's header which stands for which."""
    replaced: dict[str, str] = {}

    def to_uuid(run_id: str) -> str:
        written = run_uuid(run_id)
        if written != run_id:
            replaced[written] = run_id
        return written

    _rename_runs(events, to_uuid)
    started = events[0].get("workflowExecutionStartedEventAttributes") if events else None
    if started is not None and replaced:
        started["header"] = {"fields": {RUN_IDS_HEADER: write_payload(replaced)}}


def _restore_run_ids(events: list[Any]) -> list[Any]:
    """The events with the run ids that they had before they were written, if they say so."""
    first = events[0] if events else None
    noted: Any = first
    for name in ("workflowExecutionStartedEventAttributes", "header", "fields", RUN_IDS_HEADER):
        noted = noted.get(name) if isinstance(noted, dict) else None
    if noted is None:
        return events
    try:
        restored = the(dict, read_payload(noted), "an object")
    except Mismatch as mismatch:
        raise _refusal(f"event 1: header.{RUN_IDS_HEADER}", mismatch) from None
    events = copy.deepcopy(events)
    _rename_runs(events, lambda run_id: str(restored.get(run_id, run_id)))
    return events


def _rename_runs(node: Any, rename: Callable[[str], str]) -> None:
    """Rename every text under a key that ends in "RunId". Users' values are out of reach: they are base64 there."""
    if isinstance(node, list):
        for item in node:
            _rename_runs(item, rename)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and key.endswith(("runId", "RunId")):
                node[key] = rename(value)
            else:
                _rename_runs(value, rename)
