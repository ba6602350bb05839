"""Idempotency: what has been seen is not begun again for 24 hours."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.errors import UserError
from durable_sim.models.steps.flow.limits import IDEMPOTENCY_US
from durable_sim.models.steps.flow.matching import Key, check_path


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Let one event for each value of `key` in 24 hours start a run, the first; drop the others.

    It is a rate limit of 1 in 24 hours, and stands in its place: a function has one of both.
    """

    key: Key

    def __post_init__(self) -> None:
        if self.key is None:
            raise UserError("Idempotency: key is None, expected a dotted field such as 'data.order' or a function")
        check_path("Idempotency", "key", self.key)


class SeenKeys:
    """The keys of the last 24 hours. A repeat does not lengthen the time."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def fresh(self, key: str, now_us: int) -> bool:
        """Whether a key has not been seen for 24 hours; if so it is seen now."""
        if self.known(key, now_us):
            return False
        self._since[key] = now_us
        return True

    def known(self, key: str, now_us: int) -> bool:
        """Whether a key was seen less than 24 hours ago."""
        self._forget(now_us)
        return key in self._since

    def _forget(self, now_us: int) -> None:
        while self._since:
            oldest = next(iter(self._since))
            if now_us - self._since[oldest] < IDEMPOTENCY_US:
                return
            del self._since[oldest]
