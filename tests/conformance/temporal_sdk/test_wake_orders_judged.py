"""The real SDK's Replayer judges in which order branches wake: the recorded orders, and any others. Skipped where there
is no SDK."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("temporalio")
if sys.version_info >= (3, 12):
    pytest.skip("waits for a condition wake as in Python 3.11 (`combinators.wait_for`)", allow_module_level=True)

from tests.conformance.temporal_sdk.branches import ORDERS, AnyPlan, Drive, Plan, crash, played, side_by_side
from tests.conformance.temporal_sdk.judge import verdict
from tests.conformance.temporal_sdk.sdk_branches import Branches, telling

SEEDS = range(60)


def judged(plan: Plan, drive: Drive) -> str | None:
    """Why the Replayer does not take what a plan's run has left, if it does not."""
    document = played(plan, drive).history().to_json()
    with telling(plan):
        found = verdict(Branches, "w", document)
    return None if found is None else str(found)


@pytest.mark.parametrize("name", ORDERS)
def test_the_sdk_wakes_branches_in_the_recorded_order(name: str) -> None:
    """The history of each plan is one that the same plan makes in the real SDK."""
    assert judged(ORDERS[name].plan, ORDERS[name].drive) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sdk_wakes_the_branches_of_any_plan_in_our_order(seed: int) -> None:
    """Branches of every kind within each other, over crashes, signals and cancellations."""
    plans = AnyPlan(seed)
    plan = plans.plan()
    assert judged(plan, plans.drive) is None, plan


def test_the_sdk_refuses_another_order() -> None:
    """The judge can say no: the branches of a plan, exchanged, are another plan."""
    one, other = (("do", "c"),), (("sleep", 4),)
    document = played(side_by_side(one, other), crash).history().to_json()
    with telling(side_by_side(other, one)):
        assert verdict(Branches, "w", document) is not None
