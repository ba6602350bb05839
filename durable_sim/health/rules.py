"""When to alert, as data, and alerts as spans of time.

A monitor takes a sample now and then and knows nothing in between. Always holds: a threshold that is met exactly is not
crossed; a sample without a value neither raises an alert nor ends one; one that is made of too few things never raises
one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.errors import ScenarioError, UnknownNameError
from durable_sim.health.baseline import Baseline
from durable_sim.health.series import Metric, Sample, Series

METRICS: tuple[Metric, ...] = get_args(Metric)
_RELATIVE = ("duration_p95", "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An alert on a metric: give one of `above`, `below` and `above_baseline` (so many times what is normal).

    The metric is taken over `window` ("active" has none). The alert is raised when the threshold has been crossed in
    all samples for more than `held_for`, or at once if that is "0s"; it ends with the first sample that does not cross
    it. Samples made of fewer than `samples_min` things do not raise it; a threshold that comes from the baseline is
    never lower than `least`. `target` is what is aimed at, and only shown.
    """

    metric: Metric
    above: float | None = None
    below: float | None = None
    above_baseline: float | None = None
    window: Duration = "15m"
    held_for: Duration = "0s"
    samples_min: int = 1
    least: float = 0.0
    target: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise UnknownNameError("metric", self.metric, METRICS)
        if problems := list(self._problems()):
            raise ScenarioError(f"Rule {self.metric}", problems)

    def _problems(self) -> Iterable[str]:
        if sum(way is not None for way in (self.above, self.below, self.above_baseline)) != 1:
            yield "give exactly one of above, below and above_baseline"
        if self.above_baseline is not None and self.metric not in _RELATIVE:
            yield f"above_baseline is for {' and '.join(_RELATIVE)}; give above or below"
        if duration_us(self.window) == 0:
            yield "window is 0s, expected more"
        if self.samples_min < 1:
            yield f"samples_min is {self.samples_min}, expected 1 or more"
        duration_us(self.held_for)

    @property
    def name(self) -> str:
        """The rule in words.

        >>> Rule(metric="active", above_baseline=2, held_for="10m").name
        'active above 2x baseline for more than 10m'
        >>> Rule(metric="active", above_baseline=2, least=10).name
        'active above 2x baseline (at least 10)'
        """
        way = "below" if self.below is not None else "above"
        limit = self.below if self.below is not None else self.above
        floor = f" (at least {worded(self.metric, self.least)})" if self.least else ""
        told = f"{self.above_baseline:g}x baseline{floor}" if limit is None else worded(self.metric, limit)
        held = f" for more than {format_us(duration_us(self.held_for))}" if duration_us(self.held_for) else ""
        return f"{self.metric} {way} {told}{held}"

    def threshold(self, baseline: Baseline) -> float | None:
        """Where the line is; None where what is normal is not known."""
        if self.above_baseline is None:
            return self.below if self.above is None else self.above
        normal = normal_of(self.metric, baseline)
        return None if normal is None else max(self.least, self.above_baseline * normal)

    def crossed(self, value: float, threshold: float) -> bool:
        """Whether a value is beyond the line."""
        return value < threshold if self.below is not None else value > threshold

    def worse(self, value: float, other: float) -> bool:
        """Whether a value is further beyond than another."""
        return value < other if self.below is not None else value > other


def normal_of(metric: Metric, baseline: Baseline) -> float | None:
    """What is normal for a metric, in its unit."""
    if metric == "active":
        return baseline.active
    if metric == "duration_p95" and baseline.duration_p95 is not None:
        return duration_us(baseline.duration_p95) / 1e6
    return None


RULES: tuple[Rule, ...] = (
    Rule(metric="completion_rate", below=0.98, samples_min=50, target=0.99),
    Rule(metric="step_failure_rate", above=0.05, samples_min=20),
    Rule(metric="duration_p95", above_baseline=2.0, samples_min=20),
    Rule(metric="active", above_baseline=2.0, held_for="10m", least=10.0),
)
"""Targets and thresholds of the article. Its text gives a window for step failures alone; here the others have the
same. The smallest samples are ours: each is the least with which a single bad one cannot raise the alert (1 of 50 is
2 %, 1 of 20 is 5 %, the p95 of 20 is the second longest)."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that fired: the line was first crossed at `since_us`, the alert was raised at `start_us` and ended at
    `end_us` (None: it was on when the run ended). `peak` is the worst sample while it was on."""

    rule: Rule
    threshold: float
    since_us: int
    start_us: int
    end_us: int | None
    peak: float
    peak_us: int

    def __str__(self) -> str:
        until = "to the end" if self.end_us is None else f"to {minutes(self.end_us)}"
        word = "lowest" if self.rule.below is not None else "peak"
        peak = f"{word} {worded(self.rule.metric, self.peak)} at {minutes(self.peak_us)}"
        return f"{self.rule.name}: from {minutes(self.start_us)} {until}, {peak}"


def alerts_of(rule: Rule, series: Series, threshold: float) -> list[Alert]:
    """The alerts that a rule raises over a series, in order."""
    alerts: list[Alert] = []
    beyond: list[Sample] = []
    for point in (point for point in series.points if point.value is not None):
        if not rule.crossed(_value(point), threshold):
            alerts += _raised(rule, threshold, beyond, point.time_us)
            beyond = []
        elif point.samples >= rule.samples_min:
            beyond.append(point)
    return [*alerts, *_raised(rule, threshold, beyond, None)]


def _raised(rule: Rule, threshold: float, beyond: list[Sample], end_us: int | None) -> list[Alert]:
    """The alert, if any, of a stretch of samples that are all beyond the line."""
    held_us = duration_us(rule.held_for)
    on = [point for point in beyond if held_us == 0 or point.time_us - beyond[0].time_us > held_us]
    if not on:
        return []
    worst = on[0]
    for point in on:
        worst = point if rule.worse(_value(point), _value(worst)) else worst
    return [Alert(rule, threshold, beyond[0].time_us, on[0].time_us, end_us, _value(worst), worst.time_us)]


def _value(point: Sample) -> float:
    assert point.value is not None
    return point.value


def worded(metric: Metric, value: float) -> str:
    """A value with its unit.

    >>> worded("completion_rate", 0.9694), worded("duration_p95", 2306.2), worded("active", 325)
    ('96.9 %', '2306 s', '325')
    """
    if metric in ("completion_rate", "step_failure_rate"):
        return f"{short(100 * value)} %"
    return f"{short(value)} s" if metric == "duration_p95" else short(value)


def short(value: float) -> str:
    """Three digits, or all before the point.

    >>> short(0.04885), short(12.0), short(2306.2)
    ('0.0488', '12', '2306')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def minutes(us: int) -> str:
    """An instant in minutes since the start.

    >>> minutes(5_400_000_000)
    '90 min'
    """
    return f"{us / 60e6:.6g} min"
