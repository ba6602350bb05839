"""Rules: the article's thresholds to the digit, spans of alerts by hand, and mistakes that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.durations import MINUTE
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.health.baseline import Baseline
from durable_sim.health.rules import RULES, Alert, Rule, alerts_of
from durable_sim.health.series import Metric, Sample, Series

NORMAL = Baseline(expected="10s", duration_p95="30s", active=120)
COMPLETION, STEPS, DURATION, ACTIVE = RULES


def series(metric: Metric, values: list[float | None], samples: int = 100) -> Series:
    """A value a minute, from minute 1 on."""
    return Series(metric, tuple(Sample(place * MINUTE, value, samples) for place, value in enumerate(values, 1)))


def spans(rule: Rule, found: Series, baseline: Baseline = NORMAL) -> list[tuple[float, float | None]]:
    """From which minute to which."""
    threshold = rule.threshold(baseline)
    assert threshold is not None
    return [
        (alert.start_us / MINUTE, None if alert.end_us is None else alert.end_us / MINUTE)
        for alert in alerts_of(rule, found, threshold)
    ]


def test_the_defaults_are_the_articles() -> None:
    """Completion below 98 % with a target of 99 %, failures above 5 % over 15 minutes, both others above twice what is
    normal, the count for more than ten minutes."""
    assert [rule.threshold(NORMAL) for rule in RULES] == [0.98, 0.05, 60.0, 240.0]
    assert (COMPLETION.target, STEPS.window, ACTIVE.held_for) == (0.99, "15m", "10m")


@pytest.mark.parametrize(
    ("rule", "on_the_line", "beyond"),
    [
        (COMPLETION, 49 / 50, 48 / 50),
        (STEPS, 1 / 20, 2 / 20),
        (DURATION, 60.0, 60.000001),
        (ACTIVE, 240.0, 241.0),
    ],
    ids=lambda value: value.metric if isinstance(value, Rule) else None,
)
def test_a_threshold_that_is_met_exactly_is_not_crossed(rule: Rule, on_the_line: float, beyond: float) -> None:
    """49 of 50 are 98 %, 1 of 20 is 5 %: no alert; one more, and there is one. (Twelve samples last eleven minutes.)"""
    assert spans(rule, series(rule.metric, [on_the_line] * 12)) == []
    assert len(spans(rule, series(rule.metric, [beyond] * 12))) == 1


def test_a_single_bad_one_of_the_smallest_sample_raises_nothing() -> None:
    """That is what the smallest samples are for; with one fewer it would."""
    for rule in (COMPLETION, STEPS):
        one_bad = 1 / rule.samples_min if rule.above else 1 - 1 / rule.samples_min
        worse = 1 / (rule.samples_min - 1) if rule.above else 1 - 1 / (rule.samples_min - 1)
        threshold = rule.threshold(NORMAL)
        assert threshold is not None
        assert not rule.crossed(one_bad, threshold)
        assert rule.crossed(worse, threshold)


def test_an_alert_lasts_from_the_first_sample_beyond_to_the_first_that_is_not() -> None:
    """Minutes 2 to 4 are beyond 5 %, and minute 7 up to the end; the peak of the first is 9 % in minute 3."""
    values: list[float | None] = [0.01, 0.06, 0.09, 0.08, 0.05, 0.0, 0.2]
    first, last = alerts_of(STEPS, series("step_failure_rate", values), 0.05)
    assert first == Alert(STEPS, 0.05, 2 * MINUTE, 2 * MINUTE, 5 * MINUTE, 0.09, 3 * MINUTE)
    assert (last.start_us, last.end_us, last.peak) == (7 * MINUTE, None, 0.2)


def test_the_peak_of_a_rate_that_must_not_fall_is_its_lowest() -> None:
    """Of 97 %, 60 % and 90 %, it is 60 %."""
    (alert,) = alerts_of(COMPLETION, series("completion_rate", [0.97, 0.6, 0.9, 1.0]), 0.98)
    assert (alert.peak, alert.peak_us) == (0.6, 2 * MINUTE)


@pytest.mark.parametrize(("minutes", "alert"), [(11, []), (12, [(12, 13)])])
def test_more_than_ten_minutes_are_more_than_ten(minutes: int, alert: list[tuple[int, int]]) -> None:
    """Samples in minutes 1 to 11 last exactly ten minutes: not yet; one in minute 12 is the first after more."""
    assert spans(ACTIVE, series("active", [*[241.0] * minutes, 240.0])) == alert


def test_a_good_sample_begins_the_waiting_anew() -> None:
    """Eight bad minutes, one good, eight bad: never more than ten in a row."""
    assert spans(ACTIVE, series("active", [*[300.0] * 8, 100.0, *[300.0] * 8])) == []


def test_an_alert_that_waits_says_since_when() -> None:
    """Beyond since minute 1, raised in minute 12; its peak is the worst since it was raised."""
    values: list[float | None] = [900.0, *[300.0] * 10, 310.0, 305.0]
    (alert,) = alerts_of(ACTIVE, series("active", values), 240.0)
    assert (alert.since_us, alert.start_us, alert.peak) == (1 * MINUTE, 12 * MINUTE, 310.0)


def test_a_sample_without_a_value_changes_nothing() -> None:
    """No alert begins where nothing is known, and none ends."""
    assert spans(STEPS, series("step_failure_rate", [None, None, 0.2, None, None, 0.0, None])) == [(3, 6)]


def test_a_sample_that_is_too_small_raises_nothing_and_may_end_an_alert() -> None:
    """1 of 2 fails in minute 1 and 3: no alert. 0 of 2 in minute 4 ends the one of minute 2, in which 20 of 40 fail."""
    points = (Sample(1, 0.5, 2), Sample(2, 0.5, 40), Sample(3, 0.5, 2), Sample(4, 0.0, 2), Sample(5, 0.5, 2))
    (alert,) = alerts_of(STEPS, Series("step_failure_rate", points), 0.05)
    assert (alert.start_us, alert.end_us) == (2, 4)


def test_a_sample_of_the_smallest_size_counts() -> None:
    """Of 20 attempts 2 fail: an alert; of 19, none."""
    found = [alerts_of(STEPS, Series("step_failure_rate", (Sample(1, 0.1, count),)), 0.05) for count in (19, 20)]
    assert [len(alerts) for alerts in found] == [0, 1]


def test_a_line_drawn_from_the_baseline_is_never_too_low() -> None:
    """Twice 0.1 active executions would be an alert whenever one is; the line is at 10."""
    assert ACTIVE.threshold(Baseline(expected="10s", active=0.1)) == 10


def test_what_is_not_known_gives_no_line() -> None:
    """No baseline, no relative threshold; the absolute ones stay."""
    unknown = Baseline(expected="10s")
    assert [rule.threshold(unknown) for rule in RULES] == [0.98, 0.05, None, None]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"metric": "active"}, "exactly one of above, below and above_baseline"),
        ({"metric": "active", "above": 1, "below": 2}, "exactly one of above, below and above_baseline"),
        ({"metric": "completion_rate", "above_baseline": 2}, "above_baseline is for duration_p95 and active"),
        ({"metric": "active", "above": 1, "window": "0s"}, "window is 0s"),
        ({"metric": "active", "above": 1, "samples_min": 0}, "samples_min is 0"),
        ({"metric": "active", "above": 1, "held_for": "soon"}, "soon"),
    ],
)
def test_mistakes_are_named(settings: dict[str, Any], told: str) -> None:
    """A rule that makes no sense is refused when it is written."""
    with pytest.raises(UserError, match=told):
        Rule(**settings)


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    """A typing error is not a rule that never fires."""
    with pytest.raises(UnknownNameError, match="did you mean 'step_failure_rate'"):
        Rule(metric="step_failure_rat", above=0.1)  # type: ignore[arg-type]
