"""Trials: the run with some faults, judged; and whose mistake it is where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.search.trial import trial_of
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity
from durable_sim.world.faults import Crash, Fault, Script
from tests.search.scenes import ID, PAYMENTS

REFUSED = Script("payments", "charge", 1, "refuse")
REFUSED_AS_CODE = "Script(service='payments', operation='charge', call=1, fault='refuse')"


@activity
async def charge_elsewhere(ctx: ActivityContext, order: Any) -> Any:
    """A charge whose second attempt asks a service that there is not."""
    return await ctx.service("payments" if ctx.attempt == 1 else "bank").charge("c-1", 40, reference="r-1")


async def pay_elsewhere(ctx: WorkflowContext, order: Any) -> None:
    """One charge, with a mistake on the path of its retry."""
    await ctx.execute_activity(charge_elsewhere, order, start_to_close_timeout="30s")


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ((REFUSED,), REFUSED_AS_CODE),
        ((REFUSED, Crash(at="1h")), f"{REFUSED_AS_CODE}, Crash(at='1h')"),
    ],
)
def test_a_mistake_that_shows_under_faults_only_is_told_with_the_faults(faults: tuple[Fault, ...], told: str) -> None:
    """As the code that places them; without a fault nothing is wrong."""
    trial = trial_of(Scenario(pay_elsewhere, (ID,), PAYMENTS), "replay", 0)
    assert trial.run(()).ok
    with pytest.raises(UserError) as refused:
        trial.run(faults)
    assert str(refused.value) == f"unknown service 'bank': known: payments (with the faults {told})"


def test_a_mistake_that_needs_no_fault_is_told_without_any() -> None:
    """As a run of the scenario tells it."""
    with pytest.raises(UserError) as refused:
        trial_of(Scenario(pay_elsewhere, (ID,), PAYMENTS), "replya", 0).run(())
    assert str(refused.value) == "unknown execution model 'replya': did you mean 'replay'?"


def test_one_function_for_a_list_of_invariants_is_told() -> None:
    """With the list that is meant."""
    with pytest.raises(UserError) as refused:
        trial_of(Scenario(pay_elsewhere, (ID,), PAYMENTS), "replay", 0, invariants=print)  # type: ignore[arg-type]
    assert str(refused.value) == "invariants is a function, expected a list of functions: invariants=[print]"
