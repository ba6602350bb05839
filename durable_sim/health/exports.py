"""Health for other tools: OpenMetrics text, and alert events that a pager's webhook takes.

Simulated time begins at the simulation's epoch (2026-01-01 UTC), or where `epoch` says; a time without a zone is UTC.
`to_openmetrics` needs the extra `health` (prometheus_client).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from durable_sim.health.health import Health, Signal
from durable_sim.health.rules import Alert, worded
from durable_sim.health.series import Metric
from durable_sim.workflows.clock import EPOCH

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

Severity = Literal["critical", "error", "warning", "info"]
Names = tuple[str, str, str]

GAUGES: Final = MappingProxyType(
    {
        "completion_rate": ("completion_ratio", "ratio", "Executions that ended within their expected duration"),
        "step_failure_rate": ("step_failure_ratio", "ratio", "Attempts of steps that failed"),
        "duration_p95": ("duration_p95_seconds", "seconds", "95th percentile of the durations of executions"),
        "active": ("active_executions", "", "Executions under way"),
    }
)
"""By metric: name, unit and help."""


# --- OpenMetrics ----------------------------------------------------------------------------------------------------
def to_openmetrics(health: Health, *, prefix: str = "durable_sim", epoch: datetime = EPOCH) -> str:
    """Every sample with its simulated time, so that a whole run can be loaded into a time-series database.

    Gauges, labelled with workflow, model and seed: {prefix}_completion_ratio, _step_failure_ratio,
    _duration_p95_seconds, _active_executions; and by rule: {prefix}_alert_threshold and _alert_firing (0 or 1). A
    sample without a value is left out.
    """
    from prometheus_client import CollectorRegistry  # only where its text is wanted
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.registry import Collector

    class Collected(Collector):
        def collect(self) -> Iterator[GaugeMetricFamily]:
            return _families(health, prefix, _zoned(epoch).timestamp())

    registry = CollectorRegistry()
    registry.register(Collected())
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode("utf-8")


def _families(health: Health, prefix: str, epoch_s: float) -> Iterator[GaugeMetricFamily]:
    from prometheus_client.core import GaugeMetricFamily

    labels = _labels(health)
    for metric, series in health.series.items():
        name, unit, told = GAUGES[metric]
        family = GaugeMetricFamily(f"{prefix}_{name}", told, labels=list(labels), unit=unit)
        for point in series.points:
            if point.value is not None:
                family.add_metric(list(labels.values()), point.value, timestamp=epoch_s + point.time_us / 1e6)
        yield family
    keys = [*labels, "rule"]
    line = GaugeMetricFamily(f"{prefix}_alert_threshold", "Where an alert rule has its line", labels=keys)
    firing = GaugeMetricFamily(f"{prefix}_alert_firing", "Whether an alert is on", labels=keys)
    for signal in health.signals:
        values = [*labels.values(), signal.rule.name]
        if signal.threshold is not None:
            line.add_metric(values, signal.threshold)
        for time_us in signal.series.times_us:
            firing.add_metric(values, float(_on(signal, time_us)), timestamp=epoch_s + time_us / 1e6)
    yield from (line, firing)


def _labels(health: Health) -> dict[str, str]:
    return {"workflow": health.workflow, "model": health.model, "seed": str(health.seed)}


def _on(signal: Signal, time_us: int) -> bool:
    return any(
        alert.start_us <= time_us and (alert.end_us is None or time_us < alert.end_us) for alert in signal.alerts
    )


# --- a pager --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Moment:
    time_us: int
    place: int
    event: dict[str, Any]


def to_alert_events(
    health: Health,
    *,
    routing_key: str | None = None,
    source: str = "durable_sim",
    severity: Severity = "critical",
    epoch: datetime = EPOCH,
) -> list[dict[str, Any]]:
    """The alerts as JSON objects for a pager's webhook, in the order of time: a trigger, and a resolve at the end.

    The shape is that of the Events API v2 of PagerDuty. Trigger and resolve of an alert have one `dedup_key`, which is
    the same in each export of the same run. `routing_key` is yours to give; without, it is left out.
    """
    own = {} if routing_key is None else {"routing_key": routing_key}
    start = _zoned(epoch)
    moments: list[_Moment] = []
    for place, alert in enumerate(health.alerts):
        key = f"{source}/{health.workflow}/{health.model}/{health.seed}/{alert.rule.name}/{alert.start_us}"
        payload = _payload(health, alert, start, source, severity)
        trigger = {**own, "event_action": "trigger", "dedup_key": key, "payload": payload}
        moments.append(_Moment(alert.start_us, place, trigger))
        if alert.end_us is not None:
            moments.append(_Moment(alert.end_us, place, {**own, "event_action": "resolve", "dedup_key": key}))
    return [moment.event for moment in sorted(moments, key=lambda moment: (moment.time_us, moment.place))]


def _payload(health: Health, alert: Alert, epoch: datetime, source: str, severity: Severity) -> dict[str, Any]:
    """What is known when the alert is raised: not its peak, nor its end."""
    metric: Metric = alert.rule.metric
    raised = epoch + timedelta(microseconds=alert.start_us)
    return {
        "summary": f"{health.workflow} ({health.model}): {alert.rule.name}",
        "source": source,
        "severity": severity,
        "timestamp": raised.isoformat(timespec="milliseconds"),
        "component": health.workflow,
        "group": health.scenario or health.workflow,
        "class": metric,
        "custom_details": {
            "value": next(point.value for point in _points(health, alert) if point.time_us == alert.start_us),
            "threshold": alert.threshold,
            "threshold_told": worded(metric, alert.threshold),
            "crossed_since_s": alert.since_us / 1e6,
            "raised_s": alert.start_us / 1e6,
            "model": health.model,
            "seed": health.seed,
        },
    }


def _points(health: Health, alert: Alert) -> tuple[Any, ...]:
    return next(signal.series.points for signal in health.signals if signal.rule == alert.rule)


def _zoned(time: datetime) -> datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
