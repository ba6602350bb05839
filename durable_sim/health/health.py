"""The health of a finished run: each rule with its series and its alerts.

Reads executions and the trace, as a monitoring system would see them; neither the ledger nor the verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from durable_sim.durations import MINUTE, Duration, duration_us
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.health import series as make
from durable_sim.health.attempts import attempts_of
from durable_sim.health.baseline import Baseline, spans_of
from durable_sim.health.rules import RULES, Alert, Rule, alerts_of, worded
from durable_sim.health.series import Metric, Series, Span
from durable_sim.preformatted import preformatted
from durable_sim.randomness import Randomness
from durable_sim.simulation.run import Recording
from durable_sim.workflows.definitions import definition_of
from durable_sim.world.outages import OutageClock

SAMPLES_MAX: Final = 2_000


class Down(NamedTuple):
    """A stretch of time in which a service was down."""

    service: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Signal:
    """One rule, judged: the series that it watches, where its line is, and the alerts.

    `threshold` is None where what is normal is not known: then the rule is not judged. `samples` is the most things
    that any value of the series was made of: if it is below the rule's `samples_min`, nothing could be judged either.
    """

    rule: Rule
    series: Series
    threshold: float | None
    alerts: tuple[Alert, ...]

    @property
    def samples(self) -> int:
        """The most things that any value was made of."""
        return max((point.samples for point in self.series.points), default=0)

    @property
    def judged(self) -> bool:
        """Whether there was anything to judge, and something to judge it by."""
        return self.threshold is not None and self.samples >= self.rule.samples_min

    def __str__(self) -> str:
        if self.threshold is None:
            return f"{self.rule.name}: not judged, what is normal is not known"
        if not self.judged:
            return f"{self.rule.name}: not judged, no sample of {self.rule.samples_min} or more (most: {self.samples})"
        if not self.alerts:
            return f"{self.rule.name}: no alert (threshold {worded(self.rule.metric, self.threshold)})"
        return "\n".join(map(str, self.alerts))


@dataclass(frozen=True, slots=True)
class Health:
    """What a monitoring system would have seen of a run, and when it would have called."""

    scenario: str
    workflow: str
    model: str
    seed: int
    baseline: Baseline
    until_us: int
    signals: tuple[Signal, ...]
    outages: tuple[Down, ...] = field(default=())

    @property
    def series(self) -> dict[Metric, Series]:
        """The series by metric; of a metric with several rules, that of the first."""
        return {signal.rule.metric: signal.series for signal in reversed(self.signals)}

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """All alerts, in the order in which they were raised."""
        found = [alert for signal in self.signals for alert in signal.alerts]
        return tuple(sorted(found, key=lambda alert: alert.start_us))

    @property
    def ok(self) -> bool:
        """Whether there was no alert."""
        return not self.alerts

    def signal(self, metric: str) -> Signal:
        """The first rule on a metric, judged.

        Raises:
            UnknownNameError: no rule is about that metric.
        """
        for one in self.signals:
            if one.rule.metric == metric:
                return one
        raise UnknownNameError("metric", metric, [one.rule.metric for one in self.signals])

    def __str__(self) -> str:
        head = (
            f"health of {self.scenario or self.workflow}, {self.model}, seed {self.seed}: {len(self.alerts)} alert(s)"
        )
        downs = [f"{down.service} down from {_span(down.start_us, down.end_us)}" for down in self.outages]
        return "\n".join([head, f"normal: {self.baseline}", *downs, *map(str, self.signals)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return preformatted(self)


def health_of(
    recording: Recording,
    baseline: Baseline,
    rules: Iterable[Rule] = RULES,
    *,
    step: Duration | None = None,
    until: Duration | None = None,
) -> Health:
    """The metrics that the rules watch, sampled every `step`, and the alerts.

    By default a sample is taken every minute, or every few where that would be more than `SAMPLES_MAX`: of a month
    nobody looks at every minute.

    Sampled to `until`: by default to the last record, or, if that is later, to the end of the last expected duration
    (whether all have ended in time is not known before), at most to the scenario's horizon.

    Raises:
        UserError: `step` is 0s, or longer than what is sampled.
    """
    until_us = _until_us(recording, baseline) if until is None else duration_us(until)
    times_us = _times_us(_step_us(until_us) if step is None else duration_us(step), until_us)
    source = _Source(recording, baseline, times_us)
    return Health(
        scenario=recording.scenario.name,
        workflow=definition_of(recording.scenario.workflow).name,
        model=recording.model,
        seed=recording.seed,
        baseline=baseline,
        until_us=times_us[-1],
        signals=tuple(source.signal(rule) for rule in rules),
        outages=tuple(outages_of(recording, times_us[-1])),
    )


def outages_of(recording: Recording, until_us: int) -> Iterator[Down]:
    """When which service was down, for those that start before an instant; nothing that `calm_after` has ended."""
    scenario, randomness = recording.scenario, Randomness(recording.seed)
    calm_us = scenario.calm_after_us
    last_us = until_us if calm_us is None else min(until_us, calm_us)
    for name, spec in scenario.services.items():
        if spec.outage is not None:
            clock = OutageClock(spec.outage, randomness.stream("outage", name))
            for start_us, end_us in clock.downs_us(last_us):
                yield Down(name, start_us, end_us if calm_us is None else min(end_us, calm_us))


def _until_us(recording: Recording, baseline: Baseline) -> int:
    last_us = max(one.arrived_us for one in recording.executions) + baseline.expected_us
    return min(max(last_us, recording.ended_us), duration_us(recording.scenario.horizon))


def _step_us(until_us: int) -> int:
    """Whole minutes, so many that there are not too many samples."""
    return max(1, -(-until_us // (SAMPLES_MAX * MINUTE))) * MINUTE


def _times_us(step_us: int, until_us: int) -> list[int]:
    """The instants at which samples are taken: the first after one step, the last at the end or right after."""
    if step_us == 0:
        raise UserError("health: step is 0s, expected more: how often a sample is taken")
    times_us = list(range(step_us, until_us + step_us, step_us))
    if not times_us:
        raise UserError("health: there is no time to sample; give a later until")
    return times_us


class _Source:
    """Everything that series are made of, and the instants at which they are sampled."""

    def __init__(self, recording: Recording, baseline: Baseline, times_us: Sequence[int]) -> None:
        self._baseline = baseline
        self._times_us = times_us
        self._spans: list[Span] = spans_of(recording)
        self._ends = [(attempt.ended_us, attempt.error is not None) for attempt in attempts_of(recording.trace)]

    def signal(self, rule: Rule) -> Signal:
        series, threshold = self._series(rule), rule.threshold(self._baseline)
        alerts = () if threshold is None else tuple(alerts_of(rule, series, threshold))
        return Signal(rule, series, threshold, alerts)

    def _series(self, rule: Rule) -> Series:
        window_us, times_us = duration_us(rule.window), self._times_us
        match rule.metric:
            case "completion_rate":
                return make.completion_rate(self._spans, self._baseline.expected_us, window_us, times_us)
            case "step_failure_rate":
                return make.step_failure_rate(self._ends, window_us, times_us)
            case "duration_p95":
                return make.duration_p95(self._spans, window_us, times_us)
            case "active":
                return make.active(self._spans, times_us)


def _span(start_us: int, end_us: int) -> str:
    return f"{start_us / MINUTE:.6g} to {end_us / MINUTE:.6g} min"
