"""A recorded execution, played on the state-machine model in a world where nothing fails and nothing takes time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import durable_sim as ds
from durable_sim import trace as kinds
from durable_sim.durations import SECOND
from durable_sim.models.executions import Execution, Home
from durable_sim.models.state_machine.actions import Ended
from durable_sim.models.state_machine.history import Event
from durable_sim.models.state_machine.idiom import StateMachineDefinition
from durable_sim.models.state_machine.model import StateMachines
from durable_sim.models.workers import Fleet
from durable_sim.workflows.definitions import Build
from durable_sim.world.world import World
from tests.conformance.step_functions.goldens import Golden, Scripted, goldens


@dataclass(frozen=True)
class Played:
    """What came of it."""

    ended: Ended
    calls: Sequence[dict[str, Any]]
    retry_delays_s: Sequence[float]
    events: Sequence[Event]


@cache
def played(name: str) -> Played:
    """A golden as the simulator has it."""
    return play(goldens()[name])


def play(golden: Golden) -> Played:
    """Run a golden's definition on its input, with functions that do what the recorded ones did."""
    scripted = Scripted(golden)
    idiom = StateMachineDefinition(golden["definition"], scripted.functions())

    @ds.workflow(idioms={"state_machine": idiom})
    async def recorded(ctx: ds.WorkflowContext, order: Any) -> None: ...

    world = World(7, {})
    fleet = Fleet(world, ("w1", "w2"), None)
    model = StateMachines(Home(world, fleet, {None: Build(None, {"recorded": recorded})}, "recorded"), **INSTANT)
    fleet.start(model)
    execution = Execution("golden", golden["input"], 0, 0)
    model.submit(execution)
    for answer in golden.get("callback", ()):
        world.alarms.after(round(answer["after_token_s"] * SECOND), _call_back, model, scripted, answer)
    world.env.run(until=3600 * SECOND)
    waits = [record for record in world.trace if record.kind == kinds.BACKOFF_BEGUN]
    delays_s = [record.data["delay_us"] / SECOND for record in waits if record.data]
    (run,) = model.runs(execution)
    return Played(run.machine.ended, scripted.calls, delays_s, list(run.machine.history))


INSTANT: dict[str, Any] = {"transition_latency": "0s"}


def _call_back(model: StateMachines, scripted: Scripted, answer: dict[str, Any]) -> None:
    ((token, _),) = scripted.tokens
    if answer["call"] == "SendTaskSuccess":
        model.answer(token, answer["output"])
    else:
        model.fail(token, answer["error"], answer["cause"])
