"""The seam: code of quite another kind runs on the same server and workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import durable_sim as ds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.runner import Decision, LocalOutcome, Waiting
from durable_sim.workflows.commands import ActivityOptions, Command, CompleteWorkflow, ScheduleActivity
from durable_sim.workflows.handlers import QueryFailed, UpdateRequest
from durable_sim.workflows.program import Program
from durable_sim.workflows.retry import RetryPolicy
from tests.models.replay_engine.scenes import shape

OPTIONS = ActivityOptions(120_000_000, None, None, RetryPolicy())
A = "AScheduled AStarted ACompleted"


class Recipe:
    """A list of activities, done one after the other: no coroutine, no function, data."""

    def __init__(self, names: Sequence[str]) -> None:
        self.position = 0
        self.replayed_tasks = 0
        self.token = Program()
        self._names = names
        self._results: list[Any] = []
        self._asked = 0

    def apply(self, events: Sequence[Event], updates: Sequence[UpdateRequest] = ()) -> Decision:
        """Count what the events say was asked for and done, and ask for the next."""
        for event in events:
            if event.type == "ActivityTaskScheduled":
                self._asked += 1
            elif event.type == "ActivityTaskCompleted":
                self._results.append(event.attributes["result"])
        self.position += len(events)
        if events[-1].type != "WorkflowTaskStarted" or self._asked > len(self._results):
            return Decision()
        if len(self._results) == len(self._names):
            return Decision([CompleteWorkflow(self._results)])
        step = self._asked + 1
        return Decision([ScheduleActivity(step, self._names[self._asked], None, (step,), OPTIONS, str(step))])

    def resolve_local(self, outcome: LocalOutcome) -> Decision:
        """There are none."""
        raise AssertionError

    def fails_on(self, error: BaseException) -> bool:
        """Never."""
        return False

    def sent(self, commands: Sequence[Command]) -> None:
        """Nothing to remember: the events will tell."""

    def rewind(self, events: int) -> None:
        """There are no updates."""

    def take_commands(self) -> Sequence[Command]:
        """There are no local activities."""
        return ()

    def query(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """How far it is."""
        if name != "done":
            raise QueryFailed(name)
        return len(self._results)

    def waits(self) -> tuple[Waiting, ...]:
        """In the list."""
        return (Waiting((("recipe", "a list", self._asked),)),)


async def mix(ctx: ds.ActivityContext, step: int) -> str:
    """Takes a minute."""
    await ctx.sleep("1m")
    return f"mixed in step {step}"


class Kitchen:
    """The runner of recipes."""

    def instance(self, started: Event, run_id: str) -> Recipe:
        """A recipe from its first event."""
        return Recipe(started.attributes["input"][0])

    def activity(self, name: str) -> Callable[..., Any] | None:
        """There is one."""
        return mix if name == "mix" else None


async def recipe(ctx: ds.WorkflowContext, names: list[str]) -> None:
    """Names the workflow, and never runs."""
    raise AssertionError


def test_another_runner_survives_crashes_and_answers_queries() -> None:
    """Server and workers know nothing of it: histories, sticky queues, retries and replays are the same."""
    sim = ds.Simulation([recipe], runner=lambda version: Kitchen())
    handle = sim.start(recipe, ["mix", "mix", "mix"])
    sim.advance("90s")
    assert handle.query("done") == 1
    sim.crash("w1")
    sim.crash("w2")
    assert "the code waits at recipe (a list:2)" in str(handle.describe())
    assert handle.result() == ["mixed in step 1", "mixed in step 2", "mixed in step 3"]
    assert shape(handle.history()).startswith(f"Started [T] {A} [T] {A} TScheduled")
    handle.history().check()
