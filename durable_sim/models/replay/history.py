"""A history as a user holds it: events in order, shown as a table, written to and read from the exchange form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

from durable_sim.durations import seconds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.exchange.histories import from_json, to_json
from durable_sim.models.replay.order import check_order
from durable_sim.preformatted import preformatted

_SHOWN = (
    "activity_type",
    "timer_id",
    "signal_name",
    "workflow_type",
    "attempt",
    "cause",
    "retry_state",
    "timeout_type",
)


class History(Sequence[Event]):
    """The events of one run.

    >>> History([]).types
    ()
    """

    __slots__ = ("_events",)

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = tuple(events)

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Event, ...]: ...
    def __getitem__(self, place: int | slice) -> Event | tuple[Event, ...]:
        return self._events[place]

    def __len__(self) -> int:
        return len(self._events)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self._events == other._events

    def __hash__(self) -> int:
        return hash(len(self._events))

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the events, in order."""
        return tuple(event.type for event in self._events)

    def of(self, event_type: str) -> tuple[Event, ...]:
        """The events of one type."""
        return tuple(event for event in self._events if event.type == event_type)

    def check(self) -> None:
        """Check ids, references, and which event follows which.

        Raises:
            HistoryError: the first event that cannot stand where it stands.
        """
        check_order(self._events)

    def to_json(self) -> dict[str, Any]:
        """The form in which the real tools exchange histories: `json.dumps` of it opens in the web UI and in the real
        SDK's Replayer."""
        return to_json(self._events)

    def save(self, path: str | Path) -> None:
        """Write the exchange form to a file."""
        Path(path).write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_json(cls, data: dict[str, Any] | str) -> History:
        """Read the exchange form, as text or parsed.

        Raises:
            HistoryError: it is no history; the message says which event, what was found and what was expected.
        """
        history = cls(from_json(data))
        history.check()
        return history

    def __str__(self) -> str:
        return "\n".join(f"{event.id:>4}  {seconds(event.time_us):>12}  {_line(event)}" for event in self._events)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return preformatted(self)


def _line(event: Event) -> str:
    told = event.attributes
    shown = [str(told[name]) for name in _SHOWN if told.get(name) not in (None, "", 1)]
    failure = told.get("failure")
    return " ".join([event.type, *shown, *([f"({failure.told})"] if failure is not None else [])])
