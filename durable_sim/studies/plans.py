"""Workflows made of plain data: named steps with one effect each, and naps between them.

A step sends a mail, which no service takes for a repeat: what is done twice shows twice in the effect ledger. Always
holds: the same plan is the same workflow in every idiom that an execution model has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from durable_sim.durations import SECOND, Duration, duration_us
from durable_sim.models.state_machine.idiom import StateMachineDefinition
from durable_sim.randomness import Constant
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email

NAME = "plan"
"""The name of every workflow that is made of a plan."""
CALL: Duration = "100ms"
"""How long the one call of a step takes."""
RETRY = RetryPolicy(initial_interval="1s", backoff_coefficient=2, maximum_attempts=5)


@dataclass(frozen=True, slots=True)
class Step:
    """An activity by its name, the effect that it has (the same step may be renamed), and what it is told."""

    name: str
    effect: str
    argument: int = 1


@dataclass(frozen=True, slots=True)
class Nap:
    """A durable sleep."""

    lasts: Duration


Plan = Sequence[Step | Nap]


def workflow_of(plan: Plan) -> Callable[..., Any]:
    """The workflow that does what a plan says, one thing after the other."""
    activities = {part.name: _activity(part) for part in plan if isinstance(part, Step)}

    async def follow(ctx: Any, _input: Any) -> str:
        for part in plan:
            if isinstance(part, Nap):
                await ctx.sleep(part.lasts)
            else:
                options: dict[str, Any] = {"start_to_close_timeout": "30s", "retry_policy": RETRY}
                await ctx.execute_activity(activities[part.name], {"argument": part.argument}, **options)
        return "done"

    idiom = StateMachineDefinition(_machine(plan), tuple(activities.values()))
    return workflow(name=NAME, idioms={"state_machine": idiom})(follow)


def _machine(plan: Plan) -> dict[str, Any]:
    """A plan as a state machine."""
    names = [part.name if isinstance(part, Step) else f"Nap {place}" for place, part in enumerate(plan)]
    states: dict[str, Any] = {}
    for place, (name, part) in enumerate(zip(names, plan, strict=True)):
        after = {"Next": names[place + 1]} if place + 1 < len(names) else {"End": True}
        states[name] = _state(part) | after
    return {"StartAt": names[0], "States": states}


def _state(part: Step | Nap) -> dict[str, Any]:
    if isinstance(part, Nap):
        return {"Type": "Wait", "Seconds": duration_us(part.lasts) // SECOND}
    tries = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 4}
    told = {"Resource": part.name, "Parameters": {"argument": part.argument}, "ResultPath": None}
    return {"Type": "Task", "TimeoutSeconds": 30, "Retry": [tries], **told}


def _activity(step: Step) -> Callable[..., Any]:
    async def send(ctx: Any, told: Mapping[str, Any]) -> None:
        await ctx.service("email").send(f"customer-{told['argument']}", step.effect)

    return activity(name=step.name)(send)


def services() -> dict[str, ServiceSpec]:
    """The world of a plan: a mail server that answers after `CALL`."""
    return {"email": ServiceSpec(Email, latency=Constant(CALL))}
