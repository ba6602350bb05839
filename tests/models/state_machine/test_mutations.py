"""Definitions broken at random give a refusal or a run, never a traceback."""

from __future__ import annotations

import random
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.state_machine.idiom import StateMachineDefinition
from tests.conformance.step_functions.goldens import goldens
from tests.models.state_machine.mutations import mutated, nudged

MUTATIONS = 200
SILENT = ("callback_", "sqs_", "ddb_")
"""Recordings whose tasks are answered from outside, or by other services."""


@ds.activity
async def anything(ctx: ds.ActivityContext, payload: Any) -> Any:
    """Gives back what it is given."""
    await ctx.sleep("100ms")
    return payload


def broken(seed: int) -> tuple[Any, Any]:
    """A recorded definition with a few random changes, every second one a wild one, and its input."""
    draw = random.Random(seed)
    golden = goldens()[draw.choice([name for name in goldens() if not name.startswith(SILENT)])]
    definition = golden["definition"]
    for _ in range(draw.randint(1, 3)):
        definition = nudged(definition, draw)
    if seed % 2:
        definition = mutated(definition, draw)
    return definition, golden["input"]


def outcome(seed: int) -> str:
    """Whether it was refused in words, or how its run ended."""
    definition, told = broken(seed)
    names = {name for golden in goldens().values() for name in golden["functions"]}
    machine = StateMachineDefinition(definition, tuple(ds.activity(name=name)(_copy()) for name in sorted(names)))

    @ds.workflow(idioms={"state_machine": machine})
    async def recorded(ctx: ds.WorkflowContext, told: Any) -> None: ...

    try:
        run = ds.run(recorded, told, model="state_machine", services={}, horizon="1d")
    except ds.UserError as error:
        assert str(error)
        return "refused"
    (execution,) = run.executions
    return execution.execution.status


def _copy() -> Any:
    async def function(ctx: ds.ActivityContext, payload: Any) -> Any:
        return await anything(ctx, payload)

    return function


@pytest.mark.parametrize("seed", range(MUTATIONS))
def test_a_broken_definition_is_refused_or_runs(seed: int) -> None:
    """What the validator lets pass runs to an end, or waits for something."""
    assert outcome(seed) in ("refused", "completed", "failed", "open")


def test_both_happen() -> None:
    """Of forty definitions some are refused, and some run."""
    found = [outcome(seed) for seed in range(40)]
    assert found.count("refused") >= 10
    assert found.count("completed") >= 5 and found.count("failed") >= 3
