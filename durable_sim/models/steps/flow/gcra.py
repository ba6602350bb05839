"""The generic cell rate algorithm in whole numbers: a bucket that gives `capacity` at once and refills evenly.

It keeps one number a key, the time at which all that was taken would be paid for if one were paid every `period /
limit`. That time is kept multiplied by `limit`, so nothing is ever rounded but the answer. Always holds: in any
half-open span of w microseconds at most `capacity + ceil(w * limit / period) - 1` are let through.
"""

from __future__ import annotations


class Gcra:
    """The state of one rule, for all its keys."""

    def __init__(self, limit: int, period_us: int, capacity: int) -> None:
        self._limit = limit
        self._period_us = period_us
        self._capacity = capacity
        self._paid: dict[str, int] = {}

    def wait_us(self, key: str, now_us: int) -> int:
        """How long after now the next one may pass; 0 when it may pass now."""
        earliest = self._after(key, now_us) - self._capacity * self._period_us
        return max(0, -(-earliest // self._limit) - now_us)

    def take(self, key: str, now_us: int) -> None:
        """The next one passes, now or when it may."""
        self._paid[key] = self._after(key, now_us)

    def _after(self, key: str, now_us: int) -> int:
        return max(self._paid.get(key, 0), now_us * self._limit) + self._period_us
