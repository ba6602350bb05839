"""Retry and Catch: whether and when a failed state is tried again, and where it goes if not.

delay_n = min(IntervalSeconds * BackoffRate ** (n - 1), MaxDelaySeconds), by default 1 s, 2.0, 3 retries, no maximum;
JitterStrategy FULL draws evenly from 0 up to that delay.

Always holds: retriers are looked at in order and the first that matches decides alone; each counts for itself; the
counts belong to one visit of a state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from durable_sim.durations import SECOND
from durable_sim.models.state_machine.language.errors import matches

LONGEST_S = 99_999_999
"""The longest time that the service knows, a little over three years."""
_INTERVAL_S = 1
_BACKOFF_RATE = 2.0
_ATTEMPTS_MAX = 3


@dataclass(frozen=True, slots=True)
class Retrier:
    """One entry of a Retry list."""

    error_equals: tuple[str, ...]
    interval_s: float = _INTERVAL_S
    backoff_rate: float = _BACKOFF_RATE
    retries_max: int = _ATTEMPTS_MAX
    delay_max_s: float | None = None
    full_jitter: bool = False

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Retrier:
        return cls(
            error_equals=tuple(data["ErrorEquals"]),
            interval_s=data.get("IntervalSeconds", _INTERVAL_S),
            backoff_rate=data.get("BackoffRate", _BACKOFF_RATE),
            retries_max=int(data.get("MaxAttempts", _ATTEMPTS_MAX)),
            delay_max_s=data.get("MaxDelaySeconds"),
            full_jitter=data.get("JitterStrategy", "NONE") == "FULL",
        )

    def delay_us(self, retry: int, draw: float) -> int:
        """The wait before retry number `retry` (from 1); `draw` in [0, 1) counts with full jitter only."""
        longest_us = LONGEST_S * SECOND if self.delay_max_s is None else self.delay_max_s * SECOND
        try:
            delay_us = min(self.interval_s * SECOND * float(self.backoff_rate) ** (retry - 1), longest_us)
        except OverflowError:  # the power no longer fits a float
            delay_us = longest_us
        return round(delay_us * draw) if self.full_jitter else round(delay_us)


class Retriers:
    """The Retry list of one visit of a state: it remembers how often each entry was used."""

    def __init__(self, retry: Sequence[Mapping[str, Any]] | None) -> None:
        self._retriers = [Retrier.from_data(data) for data in retry or ()]
        self._used = [0] * len(self._retriers)

    def delay_us(self, error: str, draw: float) -> int | None:
        """The wait before the next attempt, which counts as used; None if there is none.

        >>> retriers = Retriers([{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}])
        >>> [retriers.delay_us("Card.Declined", 0.0) for _ in range(3)]
        [1000000, 2000000, None]
        """
        for index, retrier in enumerate(self._retriers):
            if matches(retrier.error_equals, error):
                return self._next(index, retrier, draw)
        return None

    def _next(self, index: int, retrier: Retrier, draw: float) -> int | None:
        if self._used[index] >= retrier.retries_max:
            return None
        self._used[index] += 1
        return retrier.delay_us(self._used[index], draw)


def catcher(state: Mapping[str, Any], error: str) -> Mapping[str, Any] | None:
    """The first entry of a state's Catch list that means `error`."""
    entries: Sequence[Mapping[str, Any]] = state.get("Catch") or ()
    for entry in entries:
        if matches(entry["ErrorEquals"], error):
            return entry
    return None
