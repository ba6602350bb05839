"""Simulations of the model `steps`, built as the package builds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import durable_sim as ds
from durable_sim.checks.verdict import judge
from durable_sim.durations import duration_us
from durable_sim.models.executions import Execution, Home
from durable_sim.models.steps.model import Steps
from durable_sim.models.steps.protocol import Answer, Call
from durable_sim.models.workers import Fleet
from durable_sim.randomness import Randomness
from durable_sim.simulation.injector import Injector
from durable_sim.simulation.run import Recording, builds_of
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.definitions import definition_of
from durable_sim.world.world import World

Code = Callable[..., Any]


def idiom(given: Any, name: str = "fulfil") -> Code:
    """A workflow definition that has its code in this engine's idiom only."""

    @ds.workflow(name=name, idioms={"steps": given})
    async def nothing(ctx: ds.WorkflowContext, input: Any) -> None:
        """What other models would run."""

    return nothing


def common(workflow: Code) -> Code:
    """A workflow definition without what other engines call it, so that its common code runs."""

    async def fulfill_order(ctx: ds.WorkflowContext, input: Any) -> Any:
        return await workflow(ctx, input)

    return fulfill_order


class Played:
    """A simulation that can be driven, and what it has left behind."""

    def __init__(
        self,
        workflow: Code,
        inputs: Iterable[Any] = ({"order_id": "o-1"},),
        *,
        faults: Iterable[Any] = (),
        versions: Mapping[str, Code] | None = None,
        services: Mapping[str, Any] | None = None,
        seed: int = 0,
        workers: int = 2,
        horizon: str = "30d",
        **options: Any,
    ) -> None:
        self.scenario = Scenario(
            workflow,
            tuple(inputs),
            ds.library.shop() if services is None else services,
            tuple(faults),
            workers=workers,
            horizon=horizon,
            versions=versions or {},
        )
        self.seed = seed
        self.world = World(seed, self.scenario.services, self.scenario.scripts)
        self.fleet = Fleet(self.world, self.scenario.worker_ids, None)
        self.home = Home(self.world, self.fleet, builds_of(self.scenario), definition_of(workflow).name)
        self.model = Steps(self.home, **options)
        self.calls: list[Exchange] = []
        self.model.watch_calls(lambda call, answer: self.calls.append(Exchange(call, answer, self.world.now_us)))
        named = zip(self.scenario.execution_ids(), self.scenario.inputs, strict=True)
        self.executions = tuple(Execution(name, one, place, 0) for place, (name, one) in enumerate(named))
        by_id = {execution.id: execution for execution in self.executions}
        plan = self.scenario.process_faults(Randomness(seed))
        self.injector = Injector(self.world, self.fleet, self.model, by_id, plan)
        self.injector.arm()
        self.fleet.start(self.model)
        for execution in self.executions:
            self.world.alarms.after(0, self.model.submit, execution)

    def run(self) -> Played:
        """Let time pass until nothing is left to happen."""
        self.world.env.run(until=duration_us(self.scenario.horizon))
        return self

    def until(self, time: str) -> Played:
        """Let time pass up to an instant."""
        self.world.env.run(until=duration_us(time))
        return self

    @property
    def one(self) -> Execution:
        """The first execution."""
        return self.executions[0]

    @property
    def effects(self) -> list[str]:
        """The kinds of effect that there were, in order."""
        return [entry.kind for entry in self.world.ledger.entries()]

    def of_kind(self, *kinds: str) -> list[Any]:
        """The records of these kinds."""
        return [record for record in self.world.trace if record.kind in kinds]

    def _books(self) -> dict[str, Mapping[str, int]]:
        services = self.world.services.values()
        return {f"{one.name}.{kind}": book for one in services for kind, book in one.balance().items()}

    def judged(self) -> ds.Run:
        """The run as the front gives it, with verdicts."""
        recording = Recording(
            self.scenario,
            "steps",
            self.seed,
            self.world.trace,
            self.world.ledger.entries(),
            self.executions,
            tuple(self.injector.strikes),
            self.world.network.scripts_fired,
            dict(self.world.network.faults_drawn),
            self.world.effect_kinds(),
            self._books(),
            {one.id: self.model.pending(one) for one in self.executions if one.status == "open"},
            {},
            self.world.now_us,
            (self.model, self.fleet),
        )
        return ds.Run(recording, judge(recording))


@dataclass(frozen=True)
class Exchange:
    """A call with its answer (None: the connection broke), and when that was known."""

    call: Call
    answer: Answer | None
    time_us: int

    @property
    def did(self) -> list[tuple[str, str]]:
        """What became of which step."""
        return [] if self.answer is None else [(op.op, op.name) for op in self.answer.ops]
