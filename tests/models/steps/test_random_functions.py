"""Functions made at random, in a storm: whatever breaks, a run ends with the result of a calm one."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

import durable_sim as ds
from tests.models.steps.scenes import Played, idiom

Plan = list[Any]
"""A list of what is done one after the other: a name (a step), a number (seconds of sleep), or a tuple of plans that
run side by side."""


def made_plan(chance: random.Random, depth: int = 2, length: int = 4) -> Plan:
    """A plan of one to `length` parts, `depth` deep."""
    plan: Plan = []
    for _ in range(chance.randint(1, length)):
        kind = chance.random()
        if kind < 0.6:
            plan.append(chance.choice("abcdef"))
        elif kind < 0.8 or not depth:
            plan.append(chance.randint(1, 90))
        else:
            plan.append(tuple(made_plan(chance, depth - 1, 3) for _ in range(chance.randint(2, 3))))
    return plan


class Storm:
    """A plan as a function, what ran of it, and under which keys."""

    def __init__(self, plan: Plan, mode: str) -> None:
        self.plan = plan
        self.mode = mode
        self.keys: list[str] = []

    async def act(self, actx: ds.ActivityContext, name: str) -> str:
        """A step: a second or so."""
        self.keys.append(actx.idempotency_key)
        await actx.sleep(f"{100 + 300 * (ord(name) - ord('a'))}ms")
        return name

    async def follow(self, step: Any, plan: Plan) -> list[Any]:
        """Do a plan; gives its results."""
        done: list[Any] = []
        for part in plan:
            if isinstance(part, str):
                done.append(await step.run(part, self.act, part))
            elif isinstance(part, int):
                await step.sleep("nap", f"{part}s")
            else:
                branches = (self.follow(step, branch) for branch in part)
                done.append(await step.parallel(*branches, mode=self.mode))
        return done

    def function(self) -> Any:
        """The plan as a function."""

        async def code(ctx: Any, step: Any) -> list[Any]:
            return await self.follow(step, self.plan)

        return idiom(code)


def results(plan: Plan) -> list[Any]:
    """What a plan gives."""
    return [
        part if isinstance(part, str) else [results(branch) for branch in part]
        for part in plan
        if not isinstance(part, int)
    ]


def steps_in(plan: Plan) -> int:
    """How many steps a plan runs."""
    return sum(
        1 if isinstance(part, str) else 0 if isinstance(part, int) else sum(map(steps_in, part)) for part in plan
    )


def settings(chance: random.Random) -> dict[str, Any]:
    """An SDK, and with JS perhaps checkpoints."""
    sdk = chance.choice(("python", "js"))
    return {"sdk": sdk, "checkpoint_batch": None if sdk == "python" else chance.choice((None, 1, 2, 1000))}


@pytest.mark.parametrize("seed", range(40))
def test_a_calm_run_runs_every_step_once(seed: int) -> None:
    """Each step of a random function runs once, under a key of its own."""
    chance = random.Random(seed)
    storm = Storm(made_plan(chance), chance.choice(("wait", "race")))
    played = Played(storm.function(), seed=seed, **settings(chance)).run()
    assert played.one.result == results(storm.plan)
    assert len(storm.keys) == len(set(storm.keys)) == steps_in(storm.plan)


@pytest.mark.parametrize("seed", range(40))
def test_a_storm_changes_no_result(seed: int) -> None:
    """With crashes, deploys and lost answers each step is remembered once, and runs again only under its own key."""
    chance = random.Random(seed)
    storm = Storm(made_plan(chance), chance.choice(("wait", "race")))
    faults = [ds.Crashes(every="20s", until="5m"), ds.Deploys(every="1m", until="5m")]
    played = Played(
        storm.function(), faults=faults, seed=seed, retries=20, lose_answer=0.1, horizon="365d", **settings(chance)
    ).run()
    assert played.one.result == results(storm.plan), played.model.pending(played.one)
    completed = Counter(record.step for record in played.of_kind("task_completed"))
    assert len(completed) == steps_in(storm.plan) and set(completed.values()) <= {1}
    assert len(set(storm.keys)) <= steps_in(storm.plan)
