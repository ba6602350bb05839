"""Workflows of many steps, whose results may be there at once."""

from __future__ import annotations

import pytest

import durable_sim as ds
from durable_sim.models.registry import COMMON_MODELS

STEPS = 600


async def think(ctx: ds.ActivityContext, number: int) -> int:
    return number


async def reserve(ctx: ds.ActivityContext) -> None:
    await ctx.service("inventory").reserve("book", 1, idempotency_key=ctx.workflow_id)


async def long(ctx: ds.WorkflowContext, order: dict[str, str]) -> int:
    numbers = [await ctx.execute_activity(think, number, start_to_close_timeout="1s") for number in range(STEPS)]
    await ctx.execute_activity(reserve, start_to_close_timeout="30s")
    return sum(numbers)


@pytest.mark.parametrize("model", COMMON_MODELS)
def test_six_hundred_instant_steps_are_no_trouble(model: str) -> None:
    """Steps that take no time follow one another without nesting, also when a restart finds them all in columns."""
    crash = ds.Crash(after="request_sent", of="inventory.reserve")
    run = ds.run(long, {"id": "o-1"}, model=model, faults=[crash])
    assert run.faults["hit"] == 1
    one = run.execution("o-1").execution
    if model == "regular":
        assert one.status == "open"
    else:
        assert run.ok and one.result == sum(range(STEPS))
