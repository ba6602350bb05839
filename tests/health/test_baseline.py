"""What is normal: measured on spans that are written down here, and refused where nothing can be measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from durable_sim.errors import UserError
from durable_sim.health.baseline import Baseline, baseline_of, mean_active
from durable_sim.health.series import Span
from durable_sim.simulation.run import simulate
from tests.health.worlds import a_day


def test_an_even_day_is_measured_exactly() -> None:
    """Each charge takes a second, so p95 is 1 s, twice the p99 is 2 s, and with one order in ten seconds a tenth of an
    order is active, from when the first is done (1 s) to the last arrival (990 s): 98.9 s of work in 989 s."""
    found = baseline_of(simulate(a_day(100), "replay", 0))
    assert (found.expected, found.duration_p95) == ("2s", "1s")
    assert found.active == pytest.approx(99 / 989 - 1 / 989)


def test_the_end_of_the_day_does_not_count() -> None:
    """A run that goes on for hours after the last arrival has the same mean."""
    assert mean_active([Span(0, 10), Span(10, None)], 0, 20) == mean_active([Span(0, 10), Span(10, 10**9)], 0, 20) == 1


@pytest.mark.parametrize(
    ("spans", "start", "end", "mean"),
    [
        ([], 0, 10, 0.0),
        ([Span(0, 5)], 0, 10, 0.5),
        ([Span(0, 0)], 0, 10, 0.0),
        ([Span(-5, 5), Span(2, 4), Span(8, None)], 0, 10, 0.9),
        ([Span(20, 30)], 0, 10, 0.0),
        ([Span(0, 5)], 10, 10, None),
    ],
)
def test_the_mean_of_the_active(spans: list[Span], start: int, end: int, mean: float | None) -> None:
    """The time under way within the two instants, over the time between them: 5 + 2 + 2 of 10 is 0.9."""
    assert mean_active(spans, start, end) == mean


def test_few_durations_have_no_percentile() -> None:
    """Of 19 the p95 would be the longest; what is expected is still twice that."""
    few, enough = (baseline_of(simulate(a_day(count), "replay", 0)) for count in (19, 20))
    assert (few.expected, few.duration_p95, few.active) == ("2s", None, None)
    assert enough.duration_p95 == "1s"


def test_orders_that_come_all_at_once_have_no_normal_count() -> None:
    """Their number falls from the first instant on; there is no level to compare with."""
    found = baseline_of(simulate(a_day(30, every="0s"), "replay", 0), expected="1m")
    assert (found.expected, found.active) == ("1m", None)
    assert str(found) == "expected within 60 s, duration p95 1 s, active unknown"
    assert str(replace(found, expected="50h")).startswith("expected within 180,000 s, ")


def test_mistakes_are_named() -> None:
    """A run in which nothing ended, and settings that make no sense."""
    with pytest.raises(UserError, match="no execution of the run has ended"):
        baseline_of(simulate(a_day(1, horizon="500ms"), "replay", 0))
    with pytest.raises(UserError, match="expected is 0s"):
        Baseline(expected="0s")
    with pytest.raises(UserError, match="active is -1"):
        Baseline(expected="1s", active=-1)
    with pytest.raises(UserError, match="write for example"):
        Baseline(expected="1s", duration_p95="slow")
