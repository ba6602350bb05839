"""A crash at any instant of any correct workload leaves the world as if it had not been, under replay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.api import run_scenario
from durable_sim.checks.owed import debts
from durable_sim.library import WORKLOADS
from durable_sim.simulation.scenario import Scenario

SEED = 1
SMALL: dict[str, Any] = {
    "orders.saga": {"order_id": "o-1", "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 2}]},
    "payments": {"payment_id": "p-1"},
    "onboarding": {"user_id": "u-1"},
    "drip": {"user_id": "u-1"},
    "trials": {"trial_id": "t-1"},
    "reports": {"report_id": "r", "days": 2},
    "pipelines": {"batch_id": "b", "bad": "orders"},
    "training": {"job_id": "j", "epochs": 4},
    "notifications": {"message_id": "n", "recipients": 3},
}
"""One input each, so small that every instant can be tried."""
ENDS = {"pipelines": "compensated"}


@pytest.mark.parametrize("name", SMALL)
def test_a_crash_at_any_instant_changes_nothing(name: str) -> None:
    """After each record of the calm run in turn: completed (a batch with a bad branch: compensated), no violations."""
    workload = WORKLOADS[name]
    calm = Scenario(workload.make(), (SMALL[name],), workload.services(), horizon="90d")
    owed = debts(calm, SEED)
    length = len(run_scenario(calm, "replay", SEED, owed=owed).trace)
    assert length > 25
    for index in range(length):
        crashed = replace(calm, faults=(ds.Crash(after_record=index),))
        run = run_scenario(crashed, "replay", SEED, owed=owed)
        assert run.verdicts == {ENDS.get(name, "completed"): 1}, (index, run.violations)
        assert not run.violations, index
