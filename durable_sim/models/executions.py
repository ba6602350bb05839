"""Executions as an observer sees them, and what every execution model offers.

`Execution.status` is what the model says of itself; whether that is true is for the checks to find out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from durable_sim import trace as kinds
from durable_sim.models.workers import Fleet, Host
from durable_sim.workflows.context import WorkflowInfo
from durable_sim.workflows.definitions import Build, WorkflowDefinition
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.payloads import as_json
from durable_sim.world.world import World

Status = Literal["open", "completed", "failed"]


class Outcome:
    """How a piece of user code ended: with a value, or with a failure."""

    __slots__ = ("cancelled", "failure", "retry_state", "value")

    def __init__(
        self, value: Any = None, failure: Failure | None = None, retry_state: str = "", cancelled: bool = False
    ) -> None:
        self.value = value
        self.cancelled = cancelled
        self.failure = failure
        self.retry_state = retry_state


@dataclass(slots=True)
class Execution:
    """One workflow execution; times in microseconds since the start of the simulation."""

    id: str
    input: Any
    ordinal: int
    arrived_us: int
    status: Status = "open"
    result: Any = None
    failure: Failure | None = None
    ended_us: int | None = None
    runs: int = 0


class Model(Host, Protocol):
    """A way of running workflow code."""

    def submit(self, execution: Execution) -> None:
        """An order has come in: run its workflow."""

    def pending(self, execution: Execution) -> str | None:
        """What will make an open execution go on, in words; None when nothing ever will."""

    def stored(self, execution: Execution) -> int:
        """How many durable records (events, columns, finished steps) the model keeps of an execution."""

    def restart_server(self, downtime_us: int) -> list[str] | None:
        """Its server loses its memory, and is back after a while. Gives the executions that are open there, None where
        there is no server to restart."""

    def signal(self, execution: Execution, name: str, arguments: tuple[Any, ...]) -> list[str] | None:
        """Somebody sends a signal. Gives the executions that it reaches, None where nobody takes it."""

    def cancel(self, execution: Execution) -> list[str] | None:
        """Somebody asks an execution to stop. Same result as `signal`."""

    def redrive(self, execution: Execution) -> list[str] | None:
        """Somebody takes a failed execution up again where it ended. Same result as `signal`."""


class Unreachable:
    """A model without a server that could be restarted, and without an address for anybody outside."""

    def restart_server(self, downtime_us: int) -> list[str] | None:
        """There is no server."""
        return None

    def signal(self, execution: Execution, name: str, arguments: tuple[Any, ...]) -> list[str] | None:
        """Nobody listens."""
        return None

    def cancel(self, execution: Execution) -> list[str] | None:
        """Nobody listens."""
        return None

    def redrive(self, execution: Execution) -> list[str] | None:
        """What has failed stays so."""
        return None


class Home:
    """What every model is built from, and the little that all do alike."""

    def __init__(self, world: World, fleet: Fleet, builds: Mapping[str | None, Build], workflow: str) -> None:
        self.world = world
        self.fleet = fleet
        self.builds = builds
        self.workflow = workflow

    def build(self, version: str | None) -> Build:
        """The code of a version."""
        return self.builds[version]

    def definition(self, version: str | None) -> WorkflowDefinition:
        """The code of the scenario's workflow in a version."""
        definition = self.builds[version].workflow(self.workflow)
        assert definition is not None
        return definition

    def info(self, execution: Execution, run_id: str, *stream: str | int) -> WorkflowInfo:
        """The identity of a run; its random numbers depend on the execution's id and `stream` only."""
        name = ("workflow", execution.id, *stream)
        return WorkflowInfo(execution.id, run_id, self.workflow, lambda: self.world.randomness.stream(*name))

    def began(self, execution: Execution, worker_id: str | None = None, redriven: bool = False) -> None:
        """Note that an execution has begun, or has been begun again: from the top, unless it is `redriven`."""
        execution.runs += 1
        kind = kinds.EXECUTION_STARTED if execution.runs == 1 else kinds.EXECUTION_RESTARTED
        data = {"run": execution.runs, **({"redriven": True} if redriven else {})}
        self.world.trace.add(kind, execution.id, worker_id, data=data)

    def ended(self, execution: Execution, outcome: Outcome, worker_id: str | None = None) -> None:
        """Note the end that a model gives an execution."""
        execution.status = "completed" if outcome.failure is None else "failed"
        execution.result, execution.failure = outcome.value, outcome.failure
        execution.ended_us = self.world.now_us
        detail: dict[str, Any] = {"status": execution.status}
        if outcome.failure is None:
            detail["result"] = as_json(outcome.value)
        else:
            detail["failure"] = outcome.failure.to_json()
        self.world.trace.add(kinds.EXECUTION_ENDED, execution.id, worker_id, data=detail)
