"""The exchange form, part 2: values as payloads.

A payload is JSON (`json/plain`) or nothing (`binary/null`). Dataclasses are written as objects and tuples as arrays,
and stay so when they are read back; any other encoding is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from durable_sim.durations import SECOND
from durable_sim.models.replay.exchange.codecs import Codec, Mismatch, the
from durable_sim.workflows.clock import EPOCH
from durable_sim.workflows.payloads import as_json

_INDEXED_AS = {bool: "Bool", int: "Int", float: "Double", list: "KeywordList", tuple: "KeywordList"}
_EPOCH_SECOND = int(EPOCH.timestamp())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _read_base64(value: Any) -> bytes:
    text: str = the(str, value, "base64")
    padded = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Mismatch(value, "base64") from None


_NULL = _base64(b"binary/null")
_PLAIN = _base64(b"json/plain")


def write_payload(value: Any) -> dict[str, Any]:
    """One value.

    >>> write_payload({"id": 7})
    {'metadata': {'encoding': 'anNvbi9wbGFpbg=='}, 'data': 'eyJpZCI6N30='}
    """
    if value is None:
        return {"metadata": {"encoding": _NULL}}
    try:
        text = json.dumps(as_json(value), separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise Mismatch(value, f"data that JSON can carry ({error})") from None
    return {"metadata": {"encoding": _PLAIN}, "data": _base64(text.encode())}


def read_payload(payload: Any) -> Any:
    """The value of a payload."""
    metadata = the(dict, the(dict, payload, "a payload").get("metadata", {}), "a payload's metadata")
    encoding = _read_base64(metadata.get("encoding", "")).decode("utf-8", "replace")
    if encoding == "binary/null":
        return None
    if encoding != "json/plain":
        raise Mismatch(encoding, "json/plain or binary/null (export the history with its payloads decoded)", "encoding")
    data = _read_base64(payload.get("data", ""))
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Mismatch(data.decode("utf-8", "replace"), "JSON", "data") from None


def write_payloads(values: Any) -> dict[str, Any]:
    """Several values, such as the arguments of a call."""
    return {"payloads": [write_payload(value) for value in values]}


def read_payloads(value: Any) -> list[Any]:
    """The values of a list of payloads."""
    found = the(list, the(dict, value, "payloads").get("payloads", []), "a list of payloads")
    return [read_payload(payload) for payload in found]


def _read_result(value: Any) -> Any:
    values = read_payloads(value)
    if len(values) > 1:
        raise Mismatch(f"{len(values)} payloads", "one result")
    return values[0] if values else None


def _write_indexed(value: Any) -> dict[str, Any]:
    """A search attribute: its payload names the type of the index, which is guessed from the value."""
    payload = write_payload(value)
    payload["metadata"]["type"] = _base64(_INDEXED_AS.get(type(value), "Keyword").encode())
    return payload


def _each(write: Callable[[Any], Any], read: Callable[[Any], Any]) -> Codec:
    """A codec of objects with any keys."""

    def read_all(value: Any) -> dict[str, Any]:
        return {name: read(item) for name, item in the(dict, value, "an object").items()}

    return Codec(lambda values: {name: write(item) for name, item in values.items()}, read_all, "an object")


VALUES = Codec(write_payloads, read_payloads, "payloads", list)
RESULT = Codec(lambda value: write_payloads([value]), _read_result, "a payload", keeps_none=True)
NAMED_VALUES = _each(write_payload, read_payload)
NAMED_LISTS = _each(write_payloads, read_payloads)
SEARCH_ATTRIBUTES = _each(_write_indexed, read_payload)


# --- what the SDK's core notes about a local activity -----------------------------------------------------------------
def _write_local(details: dict[str, Any]) -> dict[str, Any]:
    return NAMED_LISTS.write(details | {"data": [_local_out(note) for note in details.get("data", ())]})  # type: ignore[no-any-return]


def _read_local(value: Any) -> dict[str, Any]:
    details: dict[str, Any] = NAMED_LISTS.read(value)
    notes = [the(dict, note, "an object") for note in details.get("data", ())]
    return details | {"data": [_local_in(note) for note in notes]}


def _local_out(note: dict[str, Any]) -> dict[str, Any]:
    times = {"complete_us": "complete_time", "backoff_us": "backoff", "original_schedule_us": "original_schedule_time"}
    return {times.get(name, name): _parts(value, name) if name in times else value for name, value in note.items()}


def _local_in(note: dict[str, Any]) -> dict[str, Any]:
    times = {"complete_time": "complete_us", "backoff": "backoff_us", "original_schedule_time": "original_schedule_us"}
    return {times.get(name, name): _us(value, name) if name in times else value for name, value in note.items()}


def _parts(us: int | None, name: str) -> dict[str, int] | None:
    if us is None:
        return None
    second, rest = divmod(us, SECOND)
    return {"seconds": second + (0 if name == "backoff_us" else _EPOCH_SECOND), "nanos": rest * 1000}


def _us(parts: Any, name: str) -> int | None:
    if parts is None:
        return None
    both = the(dict, parts, "an object with seconds and nanos")
    second, nanos = (the(int, both.get(unit, 0), "a whole number") for unit in ("seconds", "nanos"))
    return int((second - (0 if name == "backoff" else _EPOCH_SECOND)) * SECOND + nanos // 1000)


LOCAL_ACTIVITY = Codec(_write_local, _read_local, "an object")
