"""The history of one execution of a state machine: what happened, in order, and what led to what.

Owns the events and their form in the service's own answers. Always holds: ids are dense from 1; `previous_id` is the
causal parent, 0 for what the start itself caused; a history never has more events than its limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from durable_sim.models.state_machine.language.values import compact
from durable_sim.workflows.clock import EPOCH

Details = dict[str, Any]

_TEXTS = ("input", "output", "parameters")
"""Details that the service gives as JSON text."""
_WITH_TRUNCATION = ("input", "output")


class Event(NamedTuple):
    """One event. `details` are plain data, without empty ones."""

    id: int
    previous_id: int
    type: str
    time_us: int
    details: Details


class HistoryFull(Exception):
    """There is room for the event that ends the execution, and for no other."""


class History:
    """The events of one execution so far."""

    __slots__ = ("_events", "_limit")

    def __init__(self, limit: int | None = None) -> None:
        self._events: list[Event] = []
        self._limit = limit

    def append(self, event_type: str, previous_id: int, time_us: int, details: Details, *, last: bool = False) -> int:
        """Write an event; gives its id. `last` is the one that ends the execution, for which there is always room.

        Raises:
            HistoryFull: the history is at its limit.
        """
        event_id = len(self._events) + 1
        if self._limit is not None and not last and event_id >= self._limit:
            raise HistoryFull(self._limit)
        self._events.append(Event(event_id, previous_id, event_type, time_us, details))
        return event_id

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __getitem__(self, place: int) -> Event:
        return self._events[place]


def size_of(value: Any) -> int:
    """How many bytes a value takes."""
    return len(compact(value).encode())


def time_text(now_us: int) -> str:
    """An instant as the context object has it.

    >>> time_text(1_500_000)
    '2026-01-01T00:00:01.500Z'
    """
    return (EPOCH + timedelta(microseconds=now_us)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(event: Event) -> dict[str, Any]:
    """An event as GetExecutionHistory gives it: the details under the name of their kind, values as JSON text."""
    told: dict[str, Any] = {
        "timestamp": time_text(event.time_us),
        "type": event.type,
        "id": event.id,
        "previousEventId": event.previous_id,
    }
    if event.details:
        told[_details_key(event.type)] = _details_to_json(event.details)
    return told


def _details_key(event_type: str) -> str:
    for end in ("StateEntered", "StateExited"):
        if event_type.endswith(end):
            event_type = end
    return f"{event_type[0].lower()}{event_type[1:]}EventDetails"


def _details_to_json(details: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in details.items():
        if name == "assignedVariables":
            told[name] = {variable: compact(one) for variable, one in value.items()}
        else:
            told[name] = compact(value) if name in _TEXTS else value
        if name in _WITH_TRUNCATION:
            told[f"{name}Details"] = {"truncated": False}
    return told
