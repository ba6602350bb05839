"""The four metrics over marks in time, each against arithmetic that is done here by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.health.series import (
    Sample,
    Span,
    active,
    completion_rate,
    duration_p95,
    percentile,
    step_failure_rate,
)

SPANS = [Span(0, 5), Span(0, 10), Span(0, 11), Span(10, None), Span(20, 24)]
"""With 10 expected: due at 10, 10, 10, 20, 30; in time are the first, the second (to the instant) and the last."""
TIMES = st.lists(st.integers(0, 60), max_size=30)


def test_completion_counts_the_executions_whose_time_ran_out_in_the_window() -> None:
    """At 9 none is due; at 10 two of three; at 20, over (5, 20], two of four; at 30, over (15, 30], one of two."""
    points = completion_rate(SPANS, 10, 15, [9, 10, 20, 30]).points
    assert points == (Sample(9, None, 0), Sample(10, 2 / 3, 3), Sample(20, 0.5, 4), Sample(30, 0.5, 2))


def test_completion_lags_by_the_expected_duration() -> None:
    """An execution that never ends is not seen one instant before its expected duration is over, and is right then."""
    points = completion_rate([Span(0, None)], 10, 15, [9, 10]).points
    assert [point.value for point in points] == [None, 0.0]


def test_a_failed_step_counts_at_its_end() -> None:
    """(0, 15] has 4 attempts with 1 failure; (5, 20], which has lost the one at 5, has 4 with 2; (30, 45] has none."""
    ends = [(5, False), (6, False), (7, False), (15, True), (20, True)]
    points = step_failure_rate(ends, 15, [15, 20, 45]).points
    assert points == (Sample(15, 0.25, 4), Sample(20, 0.5, 4), Sample(45, None, 0))


def test_the_95th_percentile_is_by_nearest_rank() -> None:
    """Of 20 durations of 1 to 20 s it is the 19th, of 19 the longest; those that are open are not in it."""
    twenty = [Span(0, second * 1_000_000) for second in range(1, 21)]
    points = duration_p95([*twenty, Span(0, None)], 60_000_000, [19_000_000, 20_000_000, 90_000_000]).points
    assert points == (Sample(19_000_000, 19.0, 19), Sample(20_000_000, 19.0, 20), Sample(90_000_000, None, 0))


def test_active_counts_from_the_arrival_to_the_end() -> None:
    """At 0 three have arrived; at 10 the first two are over, the fourth has come; at 24 the last one ends."""
    assert active(SPANS, [0, 9, 10, 11, 20, 24]).values == (3, 2, 2, 1, 2, 1)


def test_nobody_active_is_a_value() -> None:
    """Zero executions under way are known to be zero, unlike the share of an empty window."""
    assert active([Span(0, 5)], [5]).points == (Sample(5, 0.0, 1),)


@given(TIMES, st.integers(1, 20), TIMES)
def test_a_window_has_its_end_and_not_its_beginning(ends: list[int], window: int, times: list[int]) -> None:
    """What is found by bisection is what is found by looking at every mark."""
    marks = [(end, end % 3 == 0) for end in ends]
    for point in step_failure_rate(marks, window, sorted(times)).points:
        inside = [failed for end, failed in marks if point.time_us - window < end <= point.time_us]
        assert point.samples == len(inside)
        assert point.value == (sum(inside) / len(inside) if inside else None)


@given(st.lists(st.tuples(st.integers(0, 60), st.none() | st.integers(0, 30)), max_size=20), TIMES)
def test_active_is_what_is_found_by_looking_at_every_execution(
    lives: list[tuple[int, int | None]], times: list[int]
) -> None:
    """Asked for at or before the instant, and not ended at or before it."""
    spans = [Span(start, None if lasts is None else start + lasts) for start, lasts in lives]
    expected = [sum(one.start_us <= at and (one.end_us is None or one.end_us > at) for one in spans) for at in times]
    assert list(active(spans, times).values) == expected


@pytest.mark.parametrize(
    ("ordered", "percent", "found"),
    [
        ([5], 95, 5),
        ([5], 1, 5),
        (range(1, 101), 95, 95),
        (range(1, 101), 99, 99),
        (range(1, 22), 95, 20),
        ([1, 9], 50, 1),
    ],
)
def test_percentiles(ordered: Sequence[int], percent: int, found: int) -> None:
    """The smallest value that so many per cent do not exceed: rank ceil(n * percent / 100)."""
    assert percentile(ordered, percent) == found
