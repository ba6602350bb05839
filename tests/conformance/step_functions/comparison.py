"""What must be the same in a recorded and a simulated execution, and where they differ, in words.

Compared are status, output, error, calls with their payloads, retry delays, and the events in order: type, causal
parent, time where it was recorded, and the details that `DETAILS` lists. Where branches race, only how many events
there are of each type. Left aside is what is random (task tokens) or a service's own words (causes that no function
gave).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from durable_sim.durations import SECOND
from durable_sim.models.state_machine.history import to_json
from tests.conformance.step_functions.goldens import Golden
from tests.conformance.step_functions.playing import Played

DETAILS = (
    "name",
    "index",
    "length",
    "error",
    "cause",
    "resource",
    "resourceType",
    "timeoutInSeconds",
    "heartbeatInSeconds",
    "input",
    "output",
    "parameters",
    "assignedVariables",
)
WITHIN_S = 0.15
"""The recorder ran in real time, and told tenths of seconds."""
_TEXTS = ("input", "output", "parameters")
_JITTERED = "JitterStrategy"


def differences(golden: Golden, played: Played) -> Iterator[str]:
    """Where a golden and its simulated likeness differ."""
    compare = golden["compare"]
    ended = played.ended
    yield from _differs("status", golden["status"], ended.status)
    yield from _differs("output", plain(golden["output"]), plain(ended.output))
    yield from _differs("error", golden["error"], ended.error)
    yield from _differs("cause", _cause(golden["cause"]), _cause(ended.cause))
    racing = "as a set" in compare
    yield from _differs("calls", _calls(golden["calls"], racing), _calls(played.calls, racing))
    yield from _delays(golden, played)
    if compare == "everything":
        yield from _events(golden["history"], played.events)
    else:
        yield from _numbers(Counter(golden["event_types"]), Counter(one.type for one in played.events))


def plain(value: Any) -> Any:
    """A value without what is random in it, and without causes that no function gave."""
    if isinstance(value, dict):
        return {
            key: "a token" if key == "t" else _cause(item) if key == "Cause" else plain(item)
            for key, item in value.items()
        }
    return [plain(item) for item in value] if isinstance(value, list) else value


def _cause(text: Any) -> Any:
    """The error that a function raised, as its cause has it; nothing for words of the service."""
    try:
        told = json.loads(text or "")
    except ValueError:
        return None
    return {name: told[name] for name in ("errorMessage", "errorType")}


def _calls(calls: Any, racing: bool) -> list[Any]:
    found = [(call["function"], plain(call["payload"])) for call in calls]
    return sorted(found, key=repr) if racing else found


def _delays(golden: Golden, played: Played) -> Iterator[str]:
    recorded, found = golden["retry_delays_s"], list(played.retry_delays_s)
    if _JITTERED not in json.dumps(golden["definition"]):
        yield from _differs("retry delays", recorded, found)
        return
    yield from _differs("number of retries", len(recorded), len(found))
    bounds = [2 * 2**number for number in range(len(found))]
    if any(not 0 <= delay <= bound for delay, bound in zip(found, bounds, strict=True)):
        yield f"retry delays: bounds {bounds}, simulated {found}"


def _events(recorded: list[dict[str, Any]], events: Any) -> Iterator[str]:
    for place, (theirs, ours) in enumerate(zip_longest(recorded, events), 1):
        if theirs is None or ours is None or theirs["type"] != ours.type:
            yield f"event {place}: recorded {theirs and theirs['type']}, simulated {ours and ours.type}"
            return
        where = f"event {place} ({ours.type})"
        yield from _differs(f"{where}: id", theirs["id"], ours.id)
        yield from _differs(f"{where}: prev", theirs["prev"], ours.previous_id)
        if "t" in theirs and abs(theirs["t"] - ours.time_us / SECOND) > WITHIN_S:
            yield f"{where}: t: recorded {theirs['t']} s, simulated {ours.time_us / SECOND} s"
        yield from _details(where, _details_of(theirs), _details_of(to_json(ours)))


def _numbers(recorded: Counter[str], simulated: Counter[str]) -> Iterator[str]:
    for event_type in dict.fromkeys((*recorded, *simulated)):
        yield from _differs(f"number of {event_type}", recorded[event_type], simulated[event_type])


def _details(where: str, theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[str]:
    for name in DETAILS:
        yield from _differs(f"{where}: {name}", _detail(name, theirs), _detail(name, ours))


def _details_of(event: dict[str, Any]) -> dict[str, Any]:
    found = [value for name, value in event.items() if name.endswith("EventDetails")]
    return found[0] if found else {}


def _detail(name: str, details: dict[str, Any]) -> Any:
    value = details.get(name)
    if name == "assignedVariables" and value:
        return {variable: json.loads(text) for variable, text in value.items()}
    if name == "cause":
        return _cause(value)
    return plain(json.loads(value)) if name in _TEXTS and value is not None else value


def _differs(what: str, recorded: Any, simulated: Any) -> Iterator[str]:
    if recorded != simulated:
        yield f"{what}: recorded {recorded!r:.200}, simulated {simulated!r:.200}"
