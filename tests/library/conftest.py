"""Workloads of the library, run from what is in `WORKLOADS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.api import run_scenario
from durable_sim.library import find_workload
from durable_sim.results.run import Run
from durable_sim.simulation.scenario import Scenario


def run_one(workload: str, input: Any, model: str = "replay", *, faults: Any = (), **options: Any) -> Run:
    """One execution of a workload in its own world. `parameters` are the workload's, `services` changes specs."""
    found = find_workload(workload)
    services = {**found.services(), **options.pop("services", {})}
    workflow = found.make(**options.pop("parameters", {}))
    options.setdefault("horizon", "90d")
    return run_scenario(Scenario(workflow, (input,), services, tuple(faults), **options), model, seed=1)


@pytest.fixture(scope="session")
def run() -> Callable[..., Run]:
    """Runs one execution."""
    return run_one
