"""Exports: OpenMetrics that its own parser reads back, and events that a pager can match up."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from durable_sim.durations import MINUTE
from durable_sim.health.exports import GAUGES, to_alert_events, to_openmetrics
from durable_sim.health.health import Health, health_of
from durable_sim.health.rules import METRICS, RULES
from durable_sim.simulation.run import simulate
from tests.health.worlds import NORMAL, a_day, outage

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def health() -> Health:
    """The day with the outage."""
    return health_of(simulate(a_day(outage=outage()), "replay", 0), NORMAL)


def test_the_parser_reads_back_every_sample_with_its_time(health: Health) -> None:
    """All four series under their names and units; where there is no value there is no sample."""
    families = {family.name: family for family in text_string_to_metric_families(to_openmetrics(health))}
    for metric in METRICS:
        name, unit, _ = GAUGES[metric]
        family = families[f"durable_sim_{name}"]
        assert (family.type, family.unit) == ("gauge", unit)
        read = [(float(sample.timestamp), sample.value) for sample in family.samples]
        points = health.series[metric].points
        epoch_s = START.timestamp()
        assert read == [(epoch_s + us / 1e6, value) for us, value, _ in points if value is not None]
        assert {tuple(sorted(sample.labels.items())) for sample in family.samples} == {
            (("model", "replay"), ("seed", "0"), ("workflow", "pay"))
        }


def test_an_alert_fires_from_its_start_up_to_its_end(health: Health) -> None:
    """Minute 61 to 94, and no more in minute 95."""
    families = {family.name: family for family in text_string_to_metric_families(to_openmetrics(health))}
    firing = [one for one in families["durable_sim_alert_firing"].samples if one.labels["rule"] == RULES[1].name]
    minutes = [(float(one.timestamp) - START.timestamp()) / 60 for one in firing if one.value == 1]
    assert minutes == list(range(61, 95))
    lines = {one.labels["rule"]: one.value for one in families["durable_sim_alert_threshold"].samples}
    assert lines == {rule.name: rule.threshold(NORMAL) for rule in RULES}


def test_prefix_and_epoch_are_the_users(health: Health) -> None:
    """A time without a zone is UTC."""
    text = to_openmetrics(health, prefix="shop", epoch=datetime(1970, 1, 1))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("shop_") for name in families)
    assert float(families["shop_active_executions"].samples[0].timestamp) == 60


def test_each_alert_triggers_once_and_resolves_under_the_same_key(health: Health) -> None:
    """In the order of time; the keys are those of the next export, and differ between alerts."""
    events = to_alert_events(health)
    assert json.loads(json.dumps(events)) == events == to_alert_events(health)
    actions = " ".join(event["event_action"] for event in events)  # at 61 (two), 73, 81 (two), 95 (two) and 96 min
    assert actions == "trigger trigger trigger resolve trigger resolve resolve resolve"
    opened: dict[str, int] = {}
    for event in events:
        if event["event_action"] == "trigger":
            assert event["dedup_key"] not in opened
            opened[event["dedup_key"]] = 1
        else:
            assert set(event) == {"event_action", "dedup_key"}
            opened[event["dedup_key"]] -= 1
    assert list(opened.values()) == [0] * 4


def test_a_trigger_says_what_is_known_at_that_instant(health: Health) -> None:
    """The value of the sample that raised it, the line, the time with its zone."""
    event = next(
        event for event in to_alert_events(health) if event.get("payload", {}).get("class") == "step_failure_rate"
    )
    payload = event["payload"]
    assert payload["timestamp"] == "2026-01-01T01:01:00.000+00:00"
    assert payload["custom_details"]["value"] == 6 / 90
    assert payload["custom_details"]["threshold"] == 0.05
    assert (payload["severity"], payload["source"], payload["group"]) == ("critical", "durable_sim", "a day")
    assert "routing_key" not in event


def test_routing_is_the_users(health: Health) -> None:
    """The key is in every event, the time in the zone of the epoch."""
    zone = timezone(timedelta(hours=2))
    epoch = datetime(2026, 6, 1, tzinfo=zone)
    events = to_alert_events(health, routing_key="R", source="ci", severity="warning", epoch=epoch)
    assert {event["routing_key"] for event in events} == {"R"}
    assert events[0]["payload"]["timestamp"].endswith("01:01:00.000+02:00")
    assert events[0]["dedup_key"].startswith("ci/")


def test_an_alert_that_is_still_on_is_not_resolved() -> None:
    """The run ended in the middle of the outage."""
    half = health_of(simulate(a_day(outage=outage()), "replay", 0), NORMAL, until="70m")
    assert [event["event_action"] for event in to_alert_events(half)] == ["trigger", "trigger"]
    assert half.alerts[0].end_us is None
    assert half.until_us == 70 * MINUTE
