"""Rate limits: events beyond the limit start nothing and are forgotten."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from durable_sim.durations import DAY, SECOND, Duration, duration_us
from durable_sim.models.steps.flow.checks import span, whole
from durable_sim.models.steps.flow.gcra import Gcra
from durable_sim.models.steps.flow.matching import Key, check_path


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Let at most `limit` events start runs in any `period` (1 s to 24 h); drop the others.

    With a `key`, each of its values has a limit of its own. `paced` makes it stricter, as the real server's code is: no
    more than `limit // 10 + 1` at once, then one every `period / limit`.
    """

    limit: int
    period: Duration
    key: Key = None
    paced: bool = False

    def __post_init__(self) -> None:
        whole("RateLimit", "limit", self.limit, 1)
        span("RateLimit", "period", self.period, SECOND, DAY)
        check_path("RateLimit", "key", self.key)


class RateLimiter:
    """What has been let through under a `RateLimit`. An event that was dropped does not count."""

    def __init__(self, settings: RateLimit) -> None:
        self._limit = settings.limit
        self._period_us = duration_us(settings.period)
        self._passed: dict[str, deque[int]] = {}
        self._bucket = Gcra(settings.limit, self._period_us, settings.limit // 10 + 1) if settings.paced else None

    def admit(self, key: str, now_us: int) -> bool:
        """Whether an event may start a run; one that leaves the window at this very moment no longer counts."""
        if self._bucket is not None:
            return self._admit_paced(self._bucket, key, now_us)
        passed = self._passed.setdefault(key, deque())
        while passed and passed[0] <= now_us - self._period_us:
            passed.popleft()
        if len(passed) >= self._limit:
            return False
        passed.append(now_us)
        return True

    def _admit_paced(self, bucket: Gcra, key: str, now_us: int) -> bool:
        if bucket.wait_us(key, now_us) > 0:
            return False
        bucket.take(key, now_us)
        return True
