"""The state-machine model in a shop, with faults: built from its parts, so that a test has them all in hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import durable_sim as ds
from durable_sim.checks.verdict import Judgement, judge
from durable_sim.durations import Duration, duration_us
from durable_sim.library.shop import shop
from durable_sim.models.executions import Execution, Home
from durable_sim.models.state_machine.callbacks import STATES_SERVICE, STATES_SPEC
from durable_sim.models.state_machine.idiom import StateMachineDefinition
from durable_sim.models.state_machine.model import StateMachines
from durable_sim.models.workers import Fleet
from durable_sim.randomness import Randomness
from durable_sim.simulation.injector import Injector
from durable_sim.simulation.run import Recording, builds_of
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import Record
from durable_sim.workflows.definitions import definition_of
from durable_sim.world.faults import Fault
from durable_sim.world.world import World

ORDER: dict[str, Any] = {"order_id": "o-1"}


def workflow_of(definition: Any, *activities: Callable[..., Any], name: str = "machine") -> Callable[..., Any]:
    """A workflow that is nothing but a state machine."""

    @ds.workflow(name=name, idioms={"state_machine": StateMachineDefinition(definition, activities)})
    async def machine(ctx: ds.WorkflowContext, order: Any) -> None: ...

    return machine


@dataclass
class Simulated:
    """A simulation under way, and what can be asked of it."""

    scenario: Scenario
    seed: int
    world: World
    fleet: Fleet
    injector: Injector
    model: StateMachines
    executions: tuple[Execution, ...]

    @property
    def execution(self) -> Execution:
        """The first execution."""
        return self.executions[0]

    @property
    def trace(self) -> list[Record]:
        """What the simulator watched."""
        return list(self.world.trace)

    @property
    def made(self) -> list[str]:
        """The kinds of effect that there were, in order."""
        return [entry.kind for entry in self.world.ledger.entries()]

    @property
    def types(self) -> list[str]:
        """The types of events of the first execution."""
        return [event.type for event in self.model.history(self.execution)]

    def run(self, until: Duration = "30d") -> Simulated:
        """Let time pass."""
        self.world.env.run(until=duration_us(until))
        return self

    def of(self, kind: str, subject: str | None = None) -> list[Record]:
        """The records of a kind."""
        return [one for one in self.trace if one.kind == kind and subject in (None, one.subject)]

    def judgement(self) -> Judgement:
        """The verdict on it, by the ledger and the final states."""
        world = self.world
        balances = {
            f"{service.name}.{kind}": amounts
            for service in world.services.values()
            for kind, amounts in service.balance().items()
        }
        pending = {one.id: self.model.pending(one) for one in self.executions if one.status == "open"}
        under_way = dict.fromkeys(world.network.in_flight.values(), 1)
        recording = Recording(
            self.scenario,
            "state_machine",
            self.seed,
            world.trace,
            world.ledger.entries(),
            self.executions,
            tuple(self.injector.strikes),
            world.network.scripts_fired,
            {},
            world.effect_kinds(),
            balances,
            pending,
            under_way,
            world.now_us,
            (self.model, self.fleet),
        )
        return judge(recording)


def simulate(
    workflow: Callable[..., Any],
    *faults: Fault,
    inputs: tuple[Any, ...] = (ORDER,),
    seed: int = 0,
    workers: int = 2,
    versions: Mapping[str, Callable[..., Any]] | None = None,
    services: Mapping[str, Any] | None = None,
    every: Duration = "1us",
    **options: Any,
) -> Simulated:
    """Set up the model in a shop; nothing has happened yet but the workers' start."""
    specs = {**shop(), STATES_SERVICE: STATES_SPEC, **(services or {})}
    scenario = Scenario(workflow, inputs, specs, faults, workers=workers, versions=versions or {})
    world = World(seed, specs, scenario.scripts)
    fleet = Fleet(world, scenario.worker_ids, None)
    model = StateMachines(Home(world, fleet, builds_of(scenario), definition_of(workflow).name), **options)
    executions = tuple(
        Execution(name, one, place, place * duration_us(every))
        for place, (name, one) in enumerate(zip(scenario.execution_ids(), inputs, strict=True))
    )
    by_id = {execution.id: execution for execution in executions}
    injector = Injector(world, fleet, model, by_id, scenario.process_faults(Randomness(seed)))
    injector.arm()
    fleet.start(model)
    for execution in executions:
        world.alarms.after(execution.arrived_us, model.submit, execution)
    return Simulated(scenario, seed, world, fleet, injector, model, executions)
