"""health: the four metrics of a run, the alerts that they raise, and the executions that are open."""

from __future__ import annotations

import argparse
import json
from typing import Any

from durable_sim.api import run_scenario
from durable_sim.cli.common import OK, model_of, on_scenarios, seed_of, with_model, with_seed
from durable_sim.errors import UserError
from durable_sim.files.scenario_file import load
from durable_sim.health.exports import to_alert_events, to_openmetrics
from durable_sim.health.operator import operator_view


def add(commands: Any) -> None:
    """Add the command of this file."""
    help = "the metrics of a running system over one run, the alerts that they raise, and what is stuck at the end"
    health = on_scenarios(commands, "health", help, _health)
    health.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    with_model(health)
    with_seed(health)
    health.add_argument(
        "--openmetrics", action="store_true", help="print the metrics as OpenMetrics text (needs the extra health)"
    )


def _health(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    seed, model = seed_of(options, loaded), model_of(options.model, loaded)
    run = run_scenario(loaded.scenario(seed), model, seed)
    health = run.health()
    if options.openmetrics:
        try:
            print(to_openmetrics(health), end="")
        except ModuleNotFoundError:
            raise UserError("health --openmetrics needs prometheus_client: pip install 'durable_sim[health]'") from None
    elif options.json:
        print(json.dumps({"model": model, "seed": seed, "alerts": to_alert_events(health)}))
    else:
        print(f"{loaded.file.question}\n\n{health}\n\n{operator_view(run.recording)}")
    return OK
