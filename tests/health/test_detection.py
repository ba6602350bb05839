"""Detection: which alert is whose, delays and shares by hand, and a study over simulated days."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.durations import DAY, MINUTE
from durable_sim.errors import UserError
from durable_sim.health.detection import Share, detection, detection_of, incidents_of
from durable_sim.health.health import Down, Health, Signal
from durable_sim.health.rules import RULES, Alert
from durable_sim.health.series import Series
from durable_sim.intervals import wilson
from tests.health.worlds import NORMAL, a_day, outage

STEPS = RULES[1]


def a_run(alerts: list[tuple[int, int | None]], downs: list[tuple[int, int]]) -> Health:
    """A day in which one rule fired and things were down, both in minutes."""
    found = tuple(
        Alert(STEPS, 0.05, start * MINUTE, start * MINUTE, None if end is None else end * MINUTE, 0.2, start * MINUTE)
        for start, end in alerts
    )
    signal = Signal(STEPS, Series("step_failure_rate", ()), 0.05, found)
    outages = tuple(Down("payments", start * MINUTE, end * MINUTE) for start, end in downs)
    return Health("", "pay", "replay", 0, NORMAL, DAY, (signal,), outages)


def test_delays_and_false_alarms_by_hand() -> None:
    """Three days: seen after 4 min, and another alert 10 min after the end; seen after 10 min, 5 min after the end, and
    one alert before; seen after 26 min, 6 min after the end. What comes after the aftermath is a false alarm; within
    it, a second alert neither counts nor delays."""
    runs = [
        a_run([(104, 110), (130, 140)], [(100, 120)]),
        a_run([(50, 60), (110, None)], [(100, 105)]),
        a_run([(126, 130)], [(100, 120)]),
    ]
    row = detection_of(runs, aftermath="5m").row("step_failure_rate")
    assert row.incidents == Share(2, 3)
    assert (row.delay_median_us, row.delay_p95_us) == (4 * MINUTE, 10 * MINUTE)
    assert (row.false_alarms, row.runs, row.days, row.false_alarms_per_day) == (3, Share(3, 3), 3.0, 1.0)
    row = detection_of(runs, aftermath="10m").row("step_failure_rate")
    assert row.incidents == Share(3, 3)
    assert row.delays_us == (4 * MINUTE, 10 * MINUTE, 26 * MINUTE)
    assert (row.false_alarms, row.runs) == (1, Share(1, 3))


def test_an_alert_that_was_on_before_detects_nothing() -> None:
    """It rang for something else, and its ringing hides the incident."""
    row = detection_of([a_run([(90, 200)], [(100, 120)])]).row("step_failure_rate")
    assert (row.incidents, row.false_alarms, row.delay_median_us) == (Share(0, 1), 1, None)


def test_an_alert_belongs_to_the_last_incident_that_has_begun() -> None:
    """Right at the beginning of the second, it is about the second, also in the aftermath of the first."""
    row = detection_of([a_run([(150, 160)], [(100, 120), (150, 155)])]).row("step_failure_rate")
    assert (row.incidents, row.delays_us) == (Share(1, 2), (0,))


def test_a_day_without_incident_can_only_have_false_alarms() -> None:
    """There is nothing to detect: no share, no delay."""
    row = detection_of([a_run([(150, 160)], []), a_run([], [])]).row("step_failure_rate")
    assert (row.incidents.value, row.incidents.interval) == (None, (0.0, 1.0))
    assert (row.false_alarms, row.runs, row.false_alarms_per_day) == (1, Share(1, 2), 0.5)
    assert "detected 0/0 (0 to 100 %), delay median -" in str(detection_of([a_run([], [])]))


def test_outages_that_overlap_or_touch_are_one_incident() -> None:
    """Whoever is down."""
    downs = [Down("a", 10, 20), Down("b", 15, 40), Down("a", 30, 35), Down("a", 40, 41), Down("b", 43, 44)]
    assert incidents_of(downs) == [(10, 41), (43, 44)]


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilsons_interval(count: int, of: int, low: float, high: float) -> None:
    """The numbers of the literature (81 of 263: Newcombe 1998, 0.2553 to 0.3662)."""
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_holds_the_share(pair: tuple[int, int]) -> None:
    """And lies within 0 and 1; mirrored counts have mirrored intervals."""
    (count, of), (low, high) = pair, wilson(*pair)
    assert 0 <= low <= count / of <= high <= 1
    assert wilson(of - count, of) == pytest.approx((1 - high, 1 - low))


def test_a_study_measures_each_rule_over_days_with_and_without() -> None:
    """An outage at a known time on an even day: every rule sees it as soon as on the hand-computed day, no alarm is
    false, and there are twice as many runs as seeds."""
    found = detection(a_day(outage=outage()), range(2), baseline=NORMAL)
    assert [row.delays_us for row in found.rows] == [(minutes * MINUTE,) * 2 for minutes in (1, 1, 21, 13)]
    assert [(row.incidents, row.false_alarms, row.runs) for row in found.rows] == [(Share(2, 2), 0, Share(0, 4))] * 4


def test_a_rule_that_cries_wolf_is_found_out() -> None:
    """With a line that an ordinary day crosses, every day has a false alarm; the default has none."""
    eager = replace(RULES[3], above_baseline=1.0, held_for="0s", least=0.0)
    found = detection(a_day(240, outage=outage("20m", "10m")), [0], rules=(eager, RULES[3]))
    assert [row.runs.count > 0 for row in found.rows] == [True, False]
    assert found.rows[0].days == pytest.approx(2 * 40 * MINUTE / DAY, rel=0.1)


def test_mistakes_are_named() -> None:
    """Nothing is measured of nothing."""
    with pytest.raises(UserError, match="there is no seed"):
        detection(a_day(10), [])
    with pytest.raises(UserError, match="there is no run"):
        detection_of([])
