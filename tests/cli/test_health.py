"""`durable-sim health`: metrics, alerts and open executions of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durable_sim.cli import main

DOWN = str(Path(__file__).parents[2] / "scenarios" / "payments_down.toml")


def test_alerts_are_told_with_their_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Payments are down from minute 45 to 65: step failures ring while they are, and not before."""
    assert main(["health", DOWN]) == 0
    printed = capsys.readouterr().out
    assert "step_failure_rate above 5 %: from 46 min to 80 min, peak 100 %" in printed
    assert "payments down from 45 to 65 min" in printed and "0 open (none), 720 ended" in printed


def test_alert_events_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Each alert triggers and resolves under one key."""
    assert main(["health", DOWN, "--json"]) == 0
    events = json.loads(capsys.readouterr().out)["alerts"]
    actions: dict[str, list[str]] = {}
    for event in events:
        actions.setdefault(event["dedup_key"], []).append(event["event_action"])
    assert actions and all(action == ["trigger", "resolve"] for action in actions.values())


def test_openmetrics_text(capsys: pytest.CaptureFixture[str]) -> None:
    """What a scraper reads, to its end mark."""
    assert main(["health", DOWN, "--openmetrics"]) == 0
    assert capsys.readouterr().out.endswith("# EOF\n")


def test_a_calm_day_rings_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The same orders without the downtime."""
    calm = ["--set", 'services.payments.downtime.lasts="1us"']
    assert main(["health", DOWN, "--json", *calm]) == 0
    assert json.loads(capsys.readouterr().out)["alerts"] == []
