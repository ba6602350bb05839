"""When the next attempt is made. Pure: no clock and no randomness, the jitter is given."""

from __future__ import annotations

from durable_sim.durations import DAY, MILLISECOND, SECOND

BACKOFF_S = (15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200)
"""The waits by the attempt that just failed, from 0; the last one repeats."""
JITTER_MS = 30_000
RETRIES, RETRIES_MAX = 4, 20
RETRY_AFTER_MIN_US, RETRY_AFTER_MAX_US = SECOND, DAY


def backoff_us(attempt: int, u: float) -> int:
    """The wait after `attempt` (from 0) has failed: by the table, plus up to 30 s in whole milliseconds.

    >>> backoff_us(0, 0.0), backoff_us(3, 0.5), backoff_us(50, 0.0)
    (15000000, 135000000, 7200000000)
    """
    base_us = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)] * SECOND
    return base_us + int(u * JITTER_MS) * MILLISECOND


def delay_us(attempt: int, retry_after_us: int | None, u: float) -> int:
    """The wait that the answer asks for, between 1 s and 24 h; else the table's.

    >>> delay_us(0, 5, 0.9), delay_us(0, 172_800_000_000, 0.9)
    (1000000, 86400000000)
    """
    if retry_after_us is None:
        return backoff_us(attempt, u)
    return min(max(retry_after_us, RETRY_AFTER_MIN_US), RETRY_AFTER_MAX_US)
