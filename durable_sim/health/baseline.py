"""What is normal: measured on an ordinary day, or known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.errors import UserError
from durable_sim.health.series import Span, percentile
from durable_sim.simulation.run import Recording
from durable_sim.simulation.scenario import Scenario

LEAST = 20
"""Of fewer durations the 95th percentile is the longest of all."""
SLACK = 2
"""An execution is expected to end within so many times the 99th percentile of an ordinary day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What is normal: how long an execution may take (`expected`), and, where known, the 95th percentile of durations
    and how many executions are active on average."""

    expected: Duration
    duration_p95: Duration | None = None
    active: float | None = None

    def __post_init__(self) -> None:
        if duration_us(self.expected) == 0:
            raise UserError("Baseline: expected is 0s, expected more: how long an execution may take")
        if self.duration_p95 is not None:
            duration_us(self.duration_p95)
        if self.active is not None and not self.active >= 0:
            raise UserError(f"Baseline: active is {self.active}, expected 0 or more")

    @property
    def expected_us(self) -> int:
        """How long an execution may take."""
        return duration_us(self.expected)

    def __str__(self) -> str:
        p95 = "unknown" if self.duration_p95 is None else f"{duration_us(self.duration_p95) / 1e6:.4g} s"
        active = "unknown" if self.active is None else f"{self.active:.3g}"
        expected_s = self.expected_us / 1e6
        within = f"{expected_s:.4g}" if expected_s < 10_000 else f"{expected_s:,.0f}"
        return f"expected within {within} s, duration p95 {p95}, active {active}"


def baseline_of(recording: Recording, expected: Duration | None = None) -> Baseline:
    """Measure an ordinary day.

    `expected` is by default twice the 99th percentile (nearest rank) of the durations. The 95th percentile is unknown
    below 20 durations. The active executions are averaged over time from when the first can have ended (the p95 after
    the first arrival) to the last arrival, so that neither the start nor the end of the day counts; unknown if that is
    no time at all.

    Raises:
        UserError: no execution has ended.
    """
    spans = spans_of(recording)
    durations = sorted(span.end_us - span.start_us for span in spans if span.end_us is not None)
    if not durations:
        raise UserError("baseline: no execution of the run has ended; give a longer run, or a Baseline of your own")
    measured = Baseline(expected=expected or format_us(max(1, SLACK * percentile(durations, 99))))
    if len(durations) < LEAST:
        return measured
    p95_us = percentile(durations, 95)
    first_us, last_us = min(span.start_us for span in spans), max(span.start_us for span in spans)
    return replace(
        measured, duration_p95=format_us(p95_us), active=mean_active(spans, min(first_us + p95_us, last_us), last_us)
    )


def spans_of(recording: Recording) -> list[Span]:
    """The life of each execution that has arrived by the end of the run or is going to."""
    return [Span(one.arrived_us, one.ended_us) for one in recording.executions]


def mean_active(spans: Sequence[Span], start_us: int, end_us: int) -> float | None:
    """How many executions are under way between two instants, averaged over time.

    >>> mean_active([Span(0, 10), Span(5, None)], 0, 20)
    1.25
    """
    if start_us >= end_us:
        return None
    inside = (
        min(end_us, end_us if span.end_us is None else span.end_us) - max(start_us, span.start_us) for span in spans
    )
    return sum(max(0, us) for us in inside) / (end_us - start_us)


def ordinary(scenario: Scenario) -> Scenario:
    """A scenario without incidents: no outages, no planned faults; its services are as slow and flaky as they are."""
    services = {name: replace(spec, outage=None) for name, spec in scenario.services.items()}
    return replace(scenario, services=services, faults=())
