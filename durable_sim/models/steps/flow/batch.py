"""Batching: several events start one run together."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.durations import SECOND, Duration, duration_us
from durable_sim.models.steps.flow.checks import span, whole
from durable_sim.models.steps.flow.dues import Dues
from durable_sim.models.steps.flow.limits import BATCH_SIZE_MAX
from durable_sim.models.steps.flow.matching import Key, check_path
from durable_sim.models.steps.protocol import Event


@dataclass(frozen=True, slots=True)
class Batch:
    """Start a run for every `max_size` events (1 to 100), or with fewer `timeout` (1 s to 60 s) after the first one.

    With a `key`, each of its values has batches of its own.
    """

    max_size: int
    timeout: Duration
    key: Key = None

    def __post_init__(self) -> None:
        whole("Batch", "max_size", self.max_size, 1, BATCH_SIZE_MAX)
        span("Batch", "timeout", self.timeout, SECOND, 60 * SECOND)
        check_path("Batch", "key", self.key)


@dataclass(slots=True)
class _Open:
    due_us: int
    events: list[Event]


class Batcher:
    """The batches that are neither full nor due. What is due is to be taken before a new event is added."""

    def __init__(self, settings: Batch) -> None:
        self._max_size = settings.max_size
        self._timeout_us = duration_us(settings.timeout)
        self._open: dict[str, _Open] = {}
        self._dues = Dues()

    def add(self, key: str, event: Event, now_us: int) -> tuple[Event, ...]:
        """An event has come; gives the whole batch if that has made it full, and forgets it; else nothing."""
        batch = self._open.setdefault(key, _Open(now_us + self._timeout_us, []))
        self._dues.set(key, batch.due_us)
        batch.events.append(event)
        return self._take(key) if len(batch.events) >= self._max_size else ()

    def due_us(self, key: str) -> int | None:
        """When the open batch of a key is due; None where none is open."""
        return self._open[key].due_us if key in self._open else None

    def due(self, now_us: int) -> list[tuple[Event, ...]]:
        """The batches whose time is over, the earliest first; they are forgotten."""
        return [self._take(key) for key in self._dues.take(now_us)]

    @property
    def next_due_us(self) -> int | None:
        """When the next batch is due; None when none is open."""
        return self._dues.next_us

    def _take(self, key: str) -> tuple[Event, ...]:
        self._dues.drop(key)
        return tuple(self._open.pop(key).events)
