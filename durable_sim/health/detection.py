"""How soon rules see an incident, and how often they cry wolf: alerts held against outages, over many simulated days.

Always holds: an alert belongs to the first incident that it is raised in, or in whose aftermath; any other is false.
An alert that was on before an incident began does not detect it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from durable_sim.durations import DAY, Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.health.baseline import Baseline, baseline_of, ordinary
from durable_sim.health.health import Down, Health, health_of
from durable_sim.health.rules import RULES, Alert, Rule
from durable_sim.health.series import percentile
from durable_sim.intervals import wilson
from durable_sim.preformatted import preformatted
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share from 0 to 1; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the true share."""
        return wilson(self.count, self.of)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count}/{self.of} ({100 * low:.0f} to {100 * high:.0f} %)"


@dataclass(frozen=True, slots=True)
class Detected:
    """How one rule did: the incidents that it saw, how long after their beginning, and its false alarms."""

    rule: Rule
    incidents: Share
    delays_us: tuple[int, ...]
    false_alarms: int
    runs: Share
    """Those with a false alarm."""
    days: float
    """The simulated time, in days, of all runs together."""

    @property
    def delay_median_us(self) -> int | None:
        """The median delay (nearest rank) of the incidents that were seen."""
        return percentile(self.delays_us, 50) if self.delays_us else None

    @property
    def delay_p95_us(self) -> int | None:
        """The delay that 95 % of the incidents that were seen do not exceed (nearest rank)."""
        return percentile(self.delays_us, 95) if self.delays_us else None

    @property
    def false_alarms_per_day(self) -> float:
        """False alarms by simulated time."""
        return self.false_alarms / self.days


@dataclass(frozen=True, slots=True)
class Detection:
    """How each rule did over many runs."""

    rows: tuple[Detected, ...]

    def row(self, metric: str) -> Detected:
        """The first rule on a metric."""
        return next(row for row in self.rows if row.rule.metric == metric)

    def __str__(self) -> str:
        lines = [
            f"{row.rule.name}: detected {row.incidents}, delay median {_minutes(row.delay_median_us)}, "
            f"95 % within {_minutes(row.delay_p95_us)}; false alarms {row.false_alarms_per_day:.3g} a day, "
            f"in {row.runs} of the runs"
            for row in self.rows
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return preformatted(self)


def detection(
    scenario: Scenario,
    seeds: Sequence[int],
    model: str = "replay",
    rules: Iterable[Rule] = RULES,
    *,
    baseline: Baseline | None = None,
    aftermath: Duration = "1h",
    step: Duration = "1m",
) -> Detection:
    """Simulate a scenario with and without its outages, once each for every seed, and see what the rules say.

    Incidents are the outages of its services. The baseline is by default measured on a day without outages whose seed
    is none of those given. See `detection_of`.

    Raises:
        UserError: there is no seed.
    """
    if not seeds:
        raise UserError("detection: there is no seed, expected one for each day")
    calm, rules = ordinary(scenario), tuple(rules)
    normal = baseline or baseline_of(simulate(calm, model, max(seeds) + 1))
    days = ((one, seed) for seed in seeds for one in (scenario, calm))
    found = (health_of(simulate(one, model, seed), normal, rules, step=step) for one, seed in days)
    return detection_of(found, aftermath=aftermath)


def detection_of(healths: Iterable[Health], *, aftermath: Duration = "1h") -> Detection:
    """How the rules did over these runs, all with the same rules.

    Incidents are the outages, those that overlap taken together. An alert counts for an incident if it is raised from
    the incident's beginning to `aftermath` after its end; the first gives the delay.

    Raises:
        UserError: there is no run.
    """
    after_us = duration_us(aftermath)
    runs = [(health, incidents_of(health.outages)) for health in healths]
    if not runs:
        raise UserError("detection: there is no run to look at")
    days = sum(health.until_us for health, _ in runs) / DAY
    return Detection(
        tuple(
            _row(rule, [(health.signals[place].alerts, incidents) for health, incidents in runs], after_us, days)
            for place, rule in enumerate(signal.rule for signal in runs[0][0].signals)
        )
    )


def incidents_of(outages: Iterable[Down]) -> list[tuple[int, int]]:
    """From when to when something was down.

    >>> incidents_of([Down("a", 5, 9), Down("b", 1, 6), Down("a", 20, 30)])
    [(1, 9), (20, 30)]
    """
    merged: list[tuple[int, int]] = []
    for start_us, end_us in sorted((down.start_us, down.end_us) for down in outages):
        if merged and start_us <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_us))
        else:
            merged.append((start_us, end_us))
    return merged


def _row(
    rule: Rule, runs: Sequence[tuple[Sequence[Alert], Sequence[tuple[int, int]]]], after_us: int, days: float
) -> Detected:
    delays_us: list[int] = []
    false_by_run: list[int] = []
    for alerts, incidents in runs:
        owners = [_owner(alert, incidents, after_us) for alert in alerts]
        pairs = list(zip(owners, alerts, strict=True))
        firsts = {owner: alert for owner, alert in reversed(pairs) if owner is not None}
        delays_us += [alert.start_us - incidents[owner][0] for owner, alert in firsts.items()]
        false_by_run.append(owners.count(None))
    return Detected(
        rule=rule,
        incidents=Share(len(delays_us), sum(len(incidents) for _, incidents in runs)),
        delays_us=tuple(sorted(delays_us)),
        false_alarms=sum(false_by_run),
        runs=Share(sum(count > 0 for count in false_by_run), len(runs)),
        days=days,
    )


def _owner(alert: Alert, incidents: Sequence[tuple[int, int]], after_us: int) -> int | None:
    """Which incident an alert is about: the last that had begun, unless it is long over."""
    begun = [place for place, (start_us, _) in enumerate(incidents) if start_us <= alert.start_us]
    if begun and alert.start_us <= incidents[begun[-1]][1] + after_us:
        return begun[-1]
    return None


def _minutes(us: int | None) -> str:
    return "-" if us is None else f"{us / 60e6:.3g} min"
