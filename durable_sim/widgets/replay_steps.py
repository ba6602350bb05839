"""A history replayed event by event: where the code stands after each, what it asked for, and what is new.

Pure, but for the code that it runs. Always holds: the first `known` events are what a worker that takes over is given,
and lead it to the same place as they led the one before; for all later events the code has asked anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from durable_sim import trace as kinds
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.models.replay import events
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.model import Replay
from durable_sim.models.replay.native import NativeRunner, info_of
from durable_sim.models.replay.prefixes import prefix_ends
from durable_sim.models.replay.runner import Waiting, WorkflowInstance, WorkflowTaskError
from durable_sim.models.replay.server.state import Run
from durable_sim.randomness import Randomness
from durable_sim.simulation.run import Recording
from durable_sim.workflows.definitions import Build, definition_of
from durable_sim.workflows.failures import NonDeterminismError

Origin = Literal["history", "new"]
_BOOKS: Final = (events.WORKFLOW_TASK_SCHEDULED, events.WORKFLOW_TASK_STARTED, events.ACTIVITY_TASK_STARTED)


@dataclass(frozen=True, slots=True)
class Step:
    """One event, and the code after it.

    `position` is where the code waits then (None: it has not begun, or has ended), `ran_from` where it stood before
    this event made it run, `told` what the event means to the code. `problem`: here the code departs from the history.
    """

    event: Event
    origin: Origin
    told: str
    position: Waiting | None
    ran_from: Waiting | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """What the event is about: an activity, a timer, a signal."""
        told = self.event.attributes
        names = ("activity_type", "timer_id", "signal_name", "workflow_type", "marker_name")
        return next((str(told[name]) for name in names if told.get(name)), "")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A history, step by step, beside the code: its file, the number of its first line, and its lines."""

    steps: tuple[Step, ...]
    file: str
    first_line: int
    lines: tuple[str, ...]

    def lines_at(self, position: Waiting | None) -> tuple[int, ...]:
        """The lines of the code that a position stands in, outermost first."""
        frames = () if position is None else position.frames
        last = self.first_line + len(self.lines)
        return tuple(line for _, file, line in frames if file == self.file and self.first_line <= line < last)


def takeovers(recording: Recording, execution_id: str) -> tuple[tuple[str, int], ...]:
    """When workers replayed the history of an execution: who and when in words, and how many events they were given."""
    found = (record for record in recording.trace.of(execution_id) if record.kind == kinds.REPLAYED)
    return tuple(
        (f"{record.worker} at {record.time_us / 1e6:.3f} s", int((record.data or {})["events"])) for record in found
    )


def replay_steps(
    recording: Recording, execution_id: str, known: int | None = None, code: Callable[..., Any] | None = None
) -> Replayed:
    """Replay the last run of an execution with the code that was last used on it, or with other `code`.

    Args:
        recording: of the model `replay`.
        known: how many events there were when a worker took over; by default as many as at the last take-over, or
            all.

    Raises:
        UserError: the recording is of another model.
        UnknownNameError: there is no execution of that id.
    """
    model, _ = recording.engine
    if not isinstance(model, Replay):
        raise UserError(f"replay: found a run under {recording.model}, expected one under replay, which has histories")
    names = [execution.id for execution in recording.executions]
    if execution_id not in names:
        raise UnknownNameError("execution", execution_id, names)
    run = model.server.current(execution_id)
    if known is None:
        known = next((count for _, count in reversed(takeovers(recording, execution_id))), len(run.history))
    instance = _instance(model, run, code, recording.seed)
    steps = tuple(_steps(instance, run.history, known))
    if steps and steps[-1].position is not None:
        model.bury(instance)  # its code must never run again, not even to be closed
    return _beside(steps, recording.scenario.workflow if code is None else code)


def _instance(model: Replay, run: Run, code: Callable[..., Any] | None, seed: int) -> WorkflowInstance:
    if code is None:
        completed = [event for event in run.history if event.type == events.WORKFLOW_TASK_COMPLETED]
        version = completed[-1].attributes.get("build_id") if completed else None
        return model.runner(version).instance(run.history[0], run.run_id)
    build = Build(None, {definition_of(code).name: code})
    runner = NativeRunner(build, lambda run_id, started: info_of(run_id, started, Randomness(seed)))
    return runner.instance(run.history[0], run.run_id)


def _steps(instance: WorkflowInstance, history: Sequence[Event], known: int) -> Iterator[Step]:
    """Feed the history in the pieces in which code runs: up to the commands of each completed task."""
    begin = 0
    before: Waiting | None = None
    for end in [*prefix_ends(history), len(history)]:
        piece = history[begin:end]
        departs = _feed(instance, piece)
        after = before if departs else next(iter(instance.waits()), None)
        yield from _piece(piece, known, before, after, departs)
        if departs:
            return
        begin, before = end, after


Departure = tuple[int, str]
"""At which event the code departs from the history, and how."""


def _feed(instance: WorkflowInstance, piece: Sequence[Event]) -> Departure | None:
    """Give the code some events."""
    try:
        instance.apply(piece)
    except NonDeterminismError as error:
        return error.event_id, str(error)
    except WorkflowTaskError as error:
        return _completed(piece), str(error)
    return None


def _piece(
    piece: Sequence[Event], known: int, before: Waiting | None, after: Waiting | None, departs: Departure | None
) -> Iterator[Step]:
    """The steps of events between which the code runs once, up to where it departs from them."""
    runs_at = _completed(piece)
    for event in piece:
        origin: Origin = "history" if event.id <= known else "new"
        position = after if event.id >= runs_at else before
        ran_from = before if event.id == runs_at else None
        problem = departs[1] if departs and event.id == departs[0] else None
        yield Step(event, origin, _told(event, origin), position, ran_from, problem)
        if problem is not None:
            return


def _completed(piece: Sequence[Event]) -> int:
    """The event at which the code runs; behind the last one where it does not."""
    completed = (event.id for event in piece if event.type == events.WORKFLOW_TASK_COMPLETED)
    return next(completed, piece[-1].id + 1 if piece else 0)


def _told(event: Event, origin: Origin) -> str:
    """What an event means to the code."""
    recorded = origin == "history"
    if event.type == events.WORKFLOW_TASK_COMPLETED:
        return "the code runs on, with what it was given since it ran last"
    if event.type in (events.WORKFLOW_TASK_TIMED_OUT, events.WORKFLOW_TASK_FAILED):
        return "a worker was lost, or its code failed: what it wanted to ask for is forgotten"
    if event.type in _BOOKS:
        return "the server's own book-keeping; the code never hears of it"
    if event.type in events.CLOSING_EVENTS:
        return "the code has ended"
    if event.type in events.COMMAND_EVENTS:
        again, first = "again; it is on record, so nothing is done", "; it is put on record and done"
        return f"the code asks for this {again}" if recorded else f"the code asks for this{first}"
    if event.type == events.WORKFLOW_EXECUTION_STARTED:
        return "the code is to begin, with this input"
    if recorded:
        return "comes from the history: the code gets the recorded outcome, nothing is done again"
    return "has just happened: the code gets it the next time that it runs"


def _beside(steps: tuple[Step, ...], code: Callable[..., Any]) -> Replayed:
    """The steps with the source of the workflow, if there is any to be had."""
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError):
        return Replayed(steps, "", 0, ())
    return Replayed(steps, code.__code__.co_filename, first, tuple(line.rstrip("\n") for line in lines))
