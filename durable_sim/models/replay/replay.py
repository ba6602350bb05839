"""Replay: from a history to what the workflow code wants next. Pure: no clock, no randomness of its own, no SimPy.

`Instance` is a workflow whose code has been run up to some event; feeding it the whole history of a run is a replay,
feeding it what is new is what a worker with a warm cache does. Always holds: each command event of the history must
be what the code issued at that place, or `NonDeterminismError` says which is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from durable_sim.models.replay import events
from durable_sim.models.replay.events import Event
from durable_sim.workflows.commands import Command, ScheduleActivity, StartTimer
from durable_sim.workflows.context import WorkflowContext, WorkflowInfo
from durable_sim.workflows.definitions import WorkflowDefinition
from durable_sim.workflows.failures import Failure, WorkflowFailure, activity_error, failure_of
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import Note, Program


class CompleteWorkflow(NamedTuple):
    """The function has returned."""

    result: Any


class FailWorkflow(NamedTuple):
    """The function has raised a failure."""

    failure: Failure


class Decision(NamedTuple):
    """What one workflow task brought: new commands in order (a closing one last), and remarks for the trace."""

    commands: tuple[Command | CompleteWorkflow | FailWorkflow, ...]
    notes: tuple[Note, ...] = ()


class NonDeterminismError(Exception):
    """Code and history disagree: at which event, what is recorded, what the code asked, what to do."""

    def __init__(self, event_id: int, recorded: str, asked: str) -> None:
        super().__init__(event_id, recorded, asked)
        self.event_id = event_id
        self.recorded = recorded
        self.asked = asked

    def __str__(self) -> str:
        return (
            f"event {self.event_id}: the history has {self.recorded}, the code asked for {self.asked}; "
            "roll the code back, or keep the old order of commands for executions that are under way"
        )


class WorkflowTaskError(Exception):
    """The code raised something that is no workflow failure: a mistake in it. The task fails, not the workflow."""


class Instance:
    """A workflow's code, run up to `position` events of its history."""

    __slots__ = ("_definition", "_ended", "_expected", "_info", "_started_us", "position", "program", "replayed_tasks")

    def __init__(self, definition: WorkflowDefinition, info: WorkflowInfo) -> None:
        self.program = Program()
        self.position = 0
        self.replayed_tasks = 0
        self._definition = definition
        self._info = info
        self._expected: deque[Command | CompleteWorkflow | FailWorkflow] = deque()
        self._ended = False
        self._started_us = 0

    def apply(self, new_events: Sequence[Event]) -> Decision:
        """Feed the events after `position`, the last of which starts a workflow task; gives that task's decision.

        Raises:
            NonDeterminismError: a command event is not what the code issued.
            WorkflowTaskError: the code raised something that is no workflow failure.
        """
        for event in new_events:
            self._feed(event)
        self.position += len(new_events)
        self._run()
        if self._expected:
            raise NonDeterminismError(self.position, "no such command", _describe(self._expected[0]))
        return self._decide()

    def _feed(self, event: Event) -> None:
        """Take note of an event; those that are not named here tell the code nothing."""
        attributes = event.attributes
        match event.type:
            case "ActivityTaskScheduled" | "TimerStarted":
                self._match(event)
            case "WorkflowTaskStarted":
                self._started_us = event.time_us
            case "WorkflowTaskCompleted":
                self._replay_task()
            case "ActivityTaskCompleted":
                self.program.settle(attributes["step"], copied(attributes["result"]))
            case "ActivityTaskFailed" | "ActivityTaskTimedOut":
                error = activity_error(attributes["activity"], attributes["retry_state"], attributes["failure"])
                self.program.settle(attributes["step"], error=error)
            case "TimerFired":
                self.program.settle(attributes["step"])
            case "WorkflowExecutionStarted":
                context = WorkflowContext(self.program, self._info)
                self.program.start(self._definition.function(context, copied(attributes["input"])))

    def _replay_task(self) -> None:
        """Run what an earlier, completed task ran; its commands must come next in the history."""
        if self._ended_task():
            return
        self._run()
        self.program.take_notes()
        self._expected.extend(self._decide().commands)
        self.replayed_tasks += 1

    def _ended_task(self) -> bool:
        """Whether this instance itself ran the task that the history now says is completed."""
        ended, self._ended = self._ended, False
        return ended

    def _run(self) -> None:
        self.program.now_us = self._started_us
        self.program.advance()

    def _decide(self) -> Decision:
        commands: list[Command | CompleteWorkflow | FailWorkflow] = list(self.program.take_issued())
        main = self.program.main
        if main is not None and main.done:
            commands.append(_closing(main.error, main, self._definition.name))
        return Decision(tuple(commands), tuple(self.program.take_notes()))

    def decided(self, decision: Decision) -> None:
        """Remember that this decision was sent: its events will come back with the next task."""
        self._expected.extend(decision.commands)
        self._ended = True

    def _match(self, event: Event) -> None:
        if not self._expected:
            raise NonDeterminismError(event.id, _recorded(event), "nothing more at this point")
        asked = self._expected.popleft()
        attributes = event.attributes
        if isinstance(asked, ScheduleActivity):
            same = asked.step == attributes["step"] and asked.name == attributes.get("activity")
        else:
            same = (
                isinstance(asked, StartTimer)
                and event.type == events.TIMER_STARTED
                and asked.step == attributes["step"]
            )
        if not same:
            raise NonDeterminismError(event.id, _recorded(event), _describe(asked))


def replay(definition: WorkflowDefinition, info: WorkflowInfo, history: Sequence[Event]) -> Decision:
    """What the code decides, given a history that ends with a started workflow task."""
    return Instance(definition, info).apply(history)


def _closing(error: BaseException | None, main: Any, name: str) -> CompleteWorkflow | FailWorkflow:
    if error is None:
        return CompleteWorkflow(copied(main.result(), f"result of {name}"))
    if isinstance(error, WorkflowFailure):
        return FailWorkflow(failure_of(error))
    raise WorkflowTaskError(f"{type(error).__name__}: {error}")


def _describe(command: Command | CompleteWorkflow | FailWorkflow) -> str:
    match command:
        case ScheduleActivity():
            return f"activity {command.name} as command {command.step}"
        case StartTimer():
            return f"a timer as command {command.step}"
        case CompleteWorkflow():
            return "the workflow's completion"
        case FailWorkflow():
            return "the workflow's failure"
    return str(command)


def _recorded(event: Event) -> str:
    step = event.attributes["step"]
    if event.type == events.TIMER_STARTED:
        return f"a timer as command {step}"
    return f"activity {event.attributes['activity']} as command {step}"
