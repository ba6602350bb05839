"""Throttling: how many runs start in any span, and that none waits for nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from durable_sim.durations import SECOND
from durable_sim.models.steps.flow.gcra import Gcra
from durable_sim.models.steps.flow.throttle import Throttle, Throttler


class Case(NamedTuple):
    """A throttle, and the gaps between the events that come to it."""

    limit: int
    seconds: int
    burst: int
    gaps_us: list[int]

    def arrivals(self) -> list[int]:
        """When events come."""
        return [sum(self.gaps_us[: n + 1]) for n in range(len(self.gaps_us))]

    def starts(self, throttler: Throttler) -> list[int]:
        """When their runs start."""
        return [now_us + throttler.admit("", now_us) for now_us in self.arrivals()]


gaps = st.lists(st.sampled_from([0, 1, 333_333]) | st.integers(0, 8 * SECOND), max_size=25)
cases = st.builds(Case, st.integers(1, 7), st.integers(1, 10), st.integers(1, 4), gaps)


def throttler_of(case: Case) -> Throttler:
    """The real one."""
    return Throttler(Throttle(case.limit, f"{case.seconds}s", case.burst))


def may_start(case: Case, earlier: list[int], at_us: int) -> bool:
    """The rule, said over all spans: n starts in a row take at least (n - limit - burst) times period / limit."""
    interval_us = Fraction(case.seconds * SECOND, case.limit)
    beyond = range(len(earlier) + 1 - case.limit - case.burst, 1 - case.limit - case.burst, -1)
    return all(at_us - begin_us >= n * interval_us for begin_us, n in zip(earlier, beyond, strict=True))


def keeps_the_rate(case: Case, starts: list[int]) -> bool:
    """In no half-open span of k intervals do more than limit + burst + k - 1 runs start."""
    interval_us = Fraction(case.seconds * SECOND, case.limit)
    for first, begin_us in enumerate(starts):
        for k in range(1, 8):
            inside = sum(begin_us <= other_us < begin_us + k * interval_us for other_us in starts[first:])
            if inside > case.limit + case.burst + k - 1:
                return False
    return True


@given(cases)
def test_no_span_has_more_starts_than_it_may(case: Case) -> None:
    """At most limit + burst in any period / limit, and one more for each further one."""
    assert keeps_the_rate(case, case.starts(throttler_of(case)))


@given(cases)
def test_runs_start_first_in_first_out(case: Case) -> None:
    """A later event never starts an earlier run, and none starts before its event has come."""
    starts = case.starts(throttler_of(case))
    assert starts == sorted(starts)
    assert all(start_us >= now_us for start_us, now_us in zip(starts, case.arrivals(), strict=True))


@given(cases)
def test_no_run_waits_for_nothing(case: Case) -> None:
    """Each may start when it does, and those that wait could not have started one microsecond earlier."""
    earlier: list[int] = []
    for now_us, start_us in zip(case.arrivals(), case.starts(throttler_of(case)), strict=True):
        assert may_start(case, earlier, start_us)
        assert start_us == now_us or not may_start(case, earlier, start_us - 1)
        earlier.append(start_us)


def test_the_example_of_the_documentation() -> None:
    """Limit 2 in 6 s, burst 1, events at half seconds: three start as they come, then one every 3 s."""
    throttler = Throttler(Throttle(2, "6s", burst=1))
    starts = [now_us + throttler.admit("", now_us) for now_us in range(0, 3 * SECOND, SECOND // 2)]
    assert [start_us / SECOND for start_us in starts] == [0, 0.5, 1, 3, 6, 9]


def test_a_key_has_a_throttle_of_its_own() -> None:
    """What starts under one key does not delay another."""
    throttler = Throttler(Throttle(1, "10s"))
    assert [throttler.admit(key, 0) // SECOND for key in "aaabab"] == [0, 0, 10, 0, 20, 0]


def test_nothing_is_rounded_away() -> None:
    """Three a second, a thousand times over: the start is at the exact third of a second, rounded up once."""
    throttler = Throttler(Throttle(3, "1s"))
    delays = [throttler.admit("", 0) for _ in range(1000)]
    assert [delays[n] for n in (4, 5, 6, 999)] == [333_334, 666_667, 1_000_000, 332_000_000]


class OneTooMany(Throttler):
    """Planted: the bucket is larger by one."""

    def __init__(self, case: Case) -> None:
        self._bucket = Gcra(case.limit, case.seconds * SECOND, case.limit + case.burst + 1)


class Forgetful(Throttler):
    """Planted: whoever has to wait is not counted."""

    def admit(self, key: str, now_us: int) -> int:
        """As it should be, but for those who wait."""
        delay_us = self._bucket.wait_us(key, now_us)
        if not delay_us:
            self._bucket.take(key, now_us)
        return delay_us


@pytest.mark.parametrize("planted", ["too many", "forgetful"])
def test_the_rate_check_finds_planted_bugs(planted: str) -> None:
    """A throttle that lets one too many start, and one that gives several the same time, are both found."""

    def wrong(case: Case) -> bool:
        if planted == "too many":
            throttler: Throttler = OneTooMany(case)
        else:
            throttler = Forgetful(Throttle(case.limit, f"{case.seconds}s", case.burst))
        return not keeps_the_rate(case, case.starts(throttler))

    assert len(find(cases, wrong, settings=settings(derandomize=True, max_examples=2000)).gaps_us) >= 3
