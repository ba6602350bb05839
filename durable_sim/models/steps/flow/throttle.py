"""Throttling: runs start later, none is dropped, first in first out."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.durations import SECOND, Duration, duration_us
from durable_sim.models.steps.flow.checks import span, whole
from durable_sim.models.steps.flow.gcra import Gcra
from durable_sim.models.steps.flow.matching import Key, check_path


@dataclass(frozen=True, slots=True)
class Throttle:
    """Spread the starts of runs.

    `limit + burst` runs start at once, then one every `period / limit`; what has not been used is regained at that
    pace. `period` is 1 s or more. With a `key`, each of its values has a throttle of its own.

    >>> throttler = Throttler(Throttle(2, "6s"))
    >>> [throttler.admit("", 0) // 1_000_000 for _ in range(5)]
    [0, 0, 0, 3, 6]
    """

    limit: int
    period: Duration
    burst: int = 1
    key: Key = None

    def __post_init__(self) -> None:
        whole("Throttle", "limit", self.limit, 1)
        span("Throttle", "period", self.period, SECOND)
        whole("Throttle", "burst", self.burst, 1)
        check_path("Throttle", "key", self.key)


class Throttler:
    """What has been started under a `Throttle`. A start that was given its time keeps it, even if it is never used."""

    def __init__(self, settings: Throttle) -> None:
        self._bucket = Gcra(settings.limit, duration_us(settings.period), settings.limit + settings.burst)

    def admit(self, key: str, now_us: int) -> int:
        """The delay in microseconds after which the next run starts."""
        delay_us = self._bucket.wait_us(key, now_us)
        self._bucket.take(key, now_us)
        return delay_us
