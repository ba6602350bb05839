"""Debouncing: wait until events stop coming, then start one run with the last of them."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.durations import DAY, SECOND, Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.models.steps.flow.checks import span
from durable_sim.models.steps.flow.dues import Dues
from durable_sim.models.steps.flow.matching import Key, check_path
from durable_sim.models.steps.protocol import Event


@dataclass(frozen=True, slots=True)
class Debounce:
    """Start a run once no event has come for a `period` (1 s to 7 d), with the last event.

    `timeout` is the longest that the first event can be put off, the period or more; None sets no end. With a `key`,
    each of its values is debounced by itself.
    """

    period: Duration
    timeout: Duration | None = None
    key: Key = None

    def __post_init__(self) -> None:
        period_us = span("Debounce", "period", self.period, SECOND, 7 * DAY)
        if self.timeout is not None and duration_us(self.timeout) < period_us:
            expected = f"expected at least the period {self.period!r}"
            raise UserError(f"Debounce: timeout is {self.timeout!r}, {expected}")
        check_path("Debounce", "key", self.key)


@dataclass(frozen=True, slots=True)
class _Held:
    event: Event
    first_us: int
    due_us: int


class Debouncer:
    """The last event of each key that is not quiet yet. What is due is to be taken before a new event is shown."""

    def __init__(self, settings: Debounce) -> None:
        self._period_us = duration_us(settings.period)
        self._timeout_us = None if settings.timeout is None else duration_us(settings.timeout)
        self._held: dict[str, _Held] = {}
        self._dues = Dues()

    def seen(self, key: str, event: Event, now_us: int) -> int:
        """An event has come; gives the time at which the key is due if no other comes."""
        held = self._held.get(key)
        first_us = now_us if held is None else held.first_us
        due_us = now_us + self._period_us
        if self._timeout_us is not None:
            due_us = min(due_us, first_us + self._timeout_us)
        self._held[key] = _Held(event, first_us, due_us)
        self._dues.set(key, due_us)
        return due_us

    def take(self, key: str, now_us: int) -> Event | None:
        """The event of a key that is due, which is then forgotten; None where there is none."""
        held = self._held.get(key)
        if held is None or held.due_us > now_us:
            return None
        self._dues.drop(key)
        return self._held.pop(key).event

    def due(self, now_us: int) -> list[Event]:
        """The events of all keys that are due, the earliest first; they are forgotten."""
        return [self._held.pop(key).event for key in self._dues.take(now_us)]

    @property
    def next_due_us(self) -> int | None:
        """When the next key is due as things are; None when nothing is held."""
        return self._dues.next_us
