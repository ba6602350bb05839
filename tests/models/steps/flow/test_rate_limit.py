"""Rate limits: the count in any window, and what the paced kind adds."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from hypothesis import find, given, settings
from hypothesis import strategies as st

from durable_sim.durations import MINUTE, SECOND
from durable_sim.models.steps.flow.rate_limit import RateLimit, RateLimiter

PERIOD_US = 2 * SECOND


class Case(NamedTuple):
    """A limit for two seconds, and when events come."""

    limit: int
    gaps_us: list[int]

    def arrivals(self) -> list[int]:
        """When events come."""
        return [sum(self.gaps_us[: n + 1]) for n in range(len(self.gaps_us))]


gaps = st.lists(st.sampled_from([0, 1, SECOND, PERIOD_US]) | st.integers(0, 3 * SECOND), max_size=25)
cases = st.builds(Case, st.integers(1, 4), gaps)


def counts_right(limiter: RateLimiter, case: Case) -> bool:
    """An event passes if and only if fewer than the limit have passed in the two seconds up to it."""
    passed: list[int] = []
    for now_us in case.arrivals():
        expected = sum(now_us - PERIOD_US < earlier_us <= now_us for earlier_us in passed) < case.limit
        if limiter.admit("", now_us) != expected:
            return False
        passed += [now_us] if expected else []
    return True


@given(cases)
def test_any_window_counts_right(case: Case) -> None:
    """Never more than the limit in a window, and no event is dropped below it."""
    assert counts_right(RateLimiter(RateLimit(case.limit, "2s")), case)


def test_the_window_ends_exactly_with_the_period() -> None:
    """One microsecond before the period is over an event is dropped; at its end it passes."""
    limiter = RateLimiter(RateLimit(1, "2s"))
    assert [limiter.admit("", now_us) for now_us in (0, PERIOD_US - 1, PERIOD_US)] == [True, False, True]


def test_dropped_events_do_not_count() -> None:
    """A flood of dropped events does not put off the next that passes."""
    limiter = RateLimiter(RateLimit(1, "2s"))
    passed = [now_us for now_us in range(0, 10 * SECOND, SECOND // 2) if limiter.admit("", now_us)]
    assert passed == [0, 2 * SECOND, 4 * SECOND, 6 * SECOND, 8 * SECOND]


def test_a_key_has_a_limit_of_its_own() -> None:
    """What passes under one key does not use up another's limit."""
    limiter = RateLimiter(RateLimit(1, "2s"))
    assert [limiter.admit(key, 0) for key in "abab"] == [True, True, False, False]


def test_a_paced_limit_is_spread_over_the_period() -> None:
    """20 a minute, paced, is 3 at once and then one every 3 s."""
    limiter = RateLimiter(RateLimit(20, "1m", paced=True))
    passed = [
        now_us // SECOND for now_us in range(0, 10 * SECOND, SECOND) for _ in range(5) if limiter.admit("", now_us)
    ]
    assert passed == [0, 0, 0, 3, 6, 9]


@given(st.integers(1, 40), st.lists(st.integers(0, 5 * SECOND), max_size=60))
def test_a_paced_limit_never_passes_more_than_its_bucket_adds(limit: int, gaps_us: list[int]) -> None:
    """In any period at most the limit and the tenth of it that may come at once."""
    limiter = RateLimiter(RateLimit(limit, "1m", paced=True))
    arrivals = [sum(gaps_us[: n + 1]) for n in range(len(gaps_us))]
    passed = [now_us for now_us in arrivals if limiter.admit("", now_us)]
    for begin_us in passed:
        assert sum(begin_us <= other_us < begin_us + MINUTE for other_us in passed) <= limit + limit // 10


class FixedWindows(RateLimiter):
    """Planted: counts from one whole multiple of the period to the next."""

    def admit(self, key: str, now_us: int) -> bool:
        """As it should be, within such a window."""
        passed = self._passed.setdefault(str(now_us // PERIOD_US), deque())
        if len(passed) >= self._limit:
            return False
        passed.append(now_us)
        return True


def test_the_count_finds_fixed_windows() -> None:
    """Twice the limit around the border of two fixed windows is found."""

    def wrong(case: Case) -> bool:
        return not counts_right(FixedWindows(RateLimit(case.limit, "2s")), case)

    assert find(cases, wrong, settings=settings(derandomize=True, max_examples=2000)).limit == 1
