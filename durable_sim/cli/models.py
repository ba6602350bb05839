"""models: the execution models side by side."""

from __future__ import annotations

import argparse
import json
from typing import Any

from durable_sim.cli.common import OK, one_object, with_seed
from durable_sim.studies.choice import as_text as choice_text
from durable_sim.studies.choice import choice_table
from durable_sim.studies.deploys import as_text as deploy_text
from durable_sim.studies.deploys import deploy_table
from durable_sim.studies.plans import CALL

_MODELS = "the execution models side by side: latency, crash, deploy, what is kept, who can be talked to"


def add(commands: Any) -> None:
    """Add the command of this file."""
    models = commands.add_parser("models", help=_MODELS, description=f"models: {_MODELS}.")
    with_seed(one_object(models, _models), 0, "0")


def _models(options: argparse.Namespace) -> int:
    measured = choice_table(seed=options.seed)
    deploys = deploy_table(seed=options.seed)
    if options.json:
        fates = {change: {model: fate._asdict() for model, fate in row.items()} for change, row in deploys.items()}
        print(json.dumps({"models": [one.to_json() for one in measured], "deploys": fates}))
        return OK
    print(f"What a run of named steps costs, each measured; a step's own call takes {CALL}\n\n{choice_text(measured)}")
    print(f"\nA deploy while an execution sleeps between its steps: what becomes of it\n\n{deploy_text(deploys)}")
    return OK
