"""Which event may follow which: the grammar of a history.

Reads types, ids and the references between events, never payloads. A history that passes could have been written by a
real server; one that does not was cut, edited, or made by a broken engine. Times are not looked at: a buffered event
keeps the time at which it happened, so times may go back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from durable_sim.errors import UserError
from durable_sim.models.replay.events import (
    ACTIVITY_TASK_CANCEL_REQUESTED,
    ACTIVITY_TASK_CANCELED,
    CHILD_START_FAILED,
    CLOSING_EVENTS,
    COMMAND_EVENTS,
    WORKFLOW_EXECUTION_CANCEL_REQUESTED,
    WORKFLOW_EXECUTION_STARTED,
    WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    WORKFLOW_EXECUTION_UPDATE_COMPLETED,
    WORKFLOW_TASK_COMPLETED,
    WORKFLOW_TASK_TIMED_OUT,
    Event,
)
from durable_sim.models.replay.lives import LATER, OPENING, WORKFLOW_TASK, Life

_ANSWERS = (WORKFLOW_EXECUTION_UPDATE_ACCEPTED, WORKFLOW_EXECUTION_UPDATE_COMPLETED)
"""Written with the commands of a task, though they are messages and name no task."""


class HistoryError(UserError):
    """A history that cannot be: at which event, what is there, what was expected."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(where, found, expected)
        self.where = where
        self.found = found
        self.expected = expected

    def __str__(self) -> str:
        return f"history: {self.where}: found {self.found}, expected {self.expected}"


@dataclass(slots=True)
class _Thing:
    """Something that an event opened."""

    opened: Event
    started: Event | None = None
    touched: list[Event] = field(default_factory=list)
    closed: Event | None = None


@dataclass(slots=True)
class _Past:
    """The events so far, and what became of each thing that they opened."""

    events: list[Event] = field(default_factory=list)
    things: dict[int, _Thing] = field(default_factory=dict)
    keys: dict[tuple[str, str], _Thing] = field(default_factory=dict)
    task: _Thing | None = None
    batch: Event | None = None
    cancel_requested: Event | None = None


def check_order(events: Sequence[Event]) -> None:
    """Check that the events of a history may follow each other as they do.

    Raises:
        HistoryError: the first event that may not be where it is.
    """
    past = _Past()
    if not events:
        raise HistoryError("the file", "no event", "WorkflowExecutionStarted")
    for event in events:
        for rule in _RULES:
            rule(event, past)
        _remember(event, past)


def _remember(event: Event, past: _Past) -> None:
    """What the next events may refer to."""
    past.events.append(event)
    if event.type in OPENING:
        thing = past.things[event.id] = _Thing(event)
        past.keys[_key(event)] = thing
        past.task = thing if event.type == WORKFLOW_TASK.opens else past.task
    elif event.type in LATER:
        _live(event, past.things[event.attributes[LATER[event.type].by]])
    if past.task is not None and past.task.closed is not None:
        past.task = None
    past.batch = _batch(event, past.batch)
    if event.type == WORKFLOW_EXECUTION_CANCEL_REQUESTED:
        past.cancel_requested = event


def _live(event: Event, thing: _Thing) -> None:
    life = LATER[event.type]
    if event.type == life.starts:
        thing.started = event
    elif event.type in life.closes:
        thing.closed = event
    else:
        thing.touched.append(event)


def _batch(event: Event, batch: Event | None) -> Event | None:
    """The completed task whose commands may still be written after this event."""
    if event.type == WORKFLOW_TASK_COMPLETED:
        return event
    return batch if event.type in COMMAND_EVENTS else None


def _key(event: Event) -> tuple[str, str]:
    name = OPENING[event.type].key
    return event.type, str(event.id if name is None else event.attributes.get(name))


# --- the rules ------------------------------------------------------------------------------------------------------
def _ids_are_dense(event: Event, past: _Past) -> None:
    if event.id != len(past.events) + 1:
        raise HistoryError(f"event {event.id} ({event.type})", f"the id {event.id}", f"{len(past.events) + 1}")


def _starts_once(event: Event, past: _Past) -> None:
    if (event.type == WORKFLOW_EXECUTION_STARTED) != (not past.events):
        raise _refuse(event, event.type, "another type" if past.events else "WorkflowExecutionStarted")


def _ends_once(event: Event, past: _Past) -> None:
    if past.events and past.events[-1].type in CLOSING_EVENTS:
        raise _refuse(event, event.type, f"nothing after {_named(past.events[-1])}")


def _one_task_at_a_time(event: Event, past: _Past) -> None:
    """At most one workflow task is open, and while it runs nothing is written: what happens is buffered."""
    if past.task is None:
        return
    if event.type == WORKFLOW_TASK.opens:
        raise _refuse(event, event.type, f"the end of {_named(past.task.opened)} before")
    if past.task.started is not None and event.type not in WORKFLOW_TASK.closes:
        raise _refuse(event, event.type, f"the end of {_named(past.task.started)} before")


def _commands_follow_their_task(event: Event, past: _Past) -> None:
    """Commands are written right behind the end of the task that gave them, all together."""
    if event.type not in COMMAND_EVENTS:
        return
    if past.batch is None:
        last = past.events[-1]
        raise _refuse(event, f"it behind {_named(last)}", "it in one row behind a WorkflowTaskCompleted")
    if event.type not in _ANSWERS:
        _same_id(event, "workflow_task_completed_event_id", past.batch)


def _opens_one_of_a_key(event: Event, past: _Past) -> None:
    """Two activities, timers or updates that are open at once have different ids. That of an activity which is called
    off before a worker has it is free at once, though its end is written behind the commands of that task."""
    other = past.keys.get(_key(event)) if event.type in OPENING else None
    called_off = other is not None and any(one.type == ACTIVITY_TASK_CANCEL_REQUESTED for one in other.touched)
    if other is not None and other.closed is None and not called_off:
        key = OPENING[event.type].key
        found = f"the {key} {event.attributes.get(str(key))!r}"
        raise _refuse(event, found, f"another, {_named(other.opened)} is still open")


def _belongs_to_something_open(event: Event, past: _Past) -> None:
    """An event that follows from another names it, and comes while that thing is open."""
    life = LATER.get(event.type)
    if life is None:
        return
    opened = _referred(event, life.by, (life.opens,), past)
    thing = past.things[opened.id]
    if thing.closed is not None:
        raise _refuse(event, f"it about {_named(opened)}", f"nothing more, {_named(thing.closed)} closed it")
    for name in life.same:
        found, expected = event.attributes.get(name), opened.attributes.get(name)
        if found != expected:
            raise _refuse(event, f"the {name} {found!r}", f"{expected!r} as in {_named(opened)}")


def _starts_before_it_closes(event: Event, past: _Past) -> None:
    """What starts does so once, and before it closes; the closing event names the start if there was one."""
    life = LATER.get(event.type)
    if life is None or life.starts is None:
        return
    thing = past.things[event.attributes[life.by]]
    if event.type == life.starts and thing.started is not None:
        raise _refuse(event, f"a second start of {_named(thing.opened)}", f"only {_named(thing.started)}")
    if event.type in life.closes:
        _names_its_start(event, life, thing)


def _names_its_start(event: Event, life: Life, thing: _Thing) -> None:
    if thing.started is not None:
        if event.type == CHILD_START_FAILED:
            raise _refuse(event, event.type, f"no failure to start after {_named(thing.started)}")
        _same_id(event, "started_event_id", thing.started)
    elif event.type not in life.unstarted:
        raise _refuse(event, event.type, f"{life.starts} of {_named(thing.opened)} before")
    elif event.attributes.get("started_event_id"):
        found = f"the started_event_id {event.attributes['started_event_id']!r}"
        raise _refuse(event, found, f"0, {_named(thing.opened)} was not started")


def _task_times_out_where_it_is(event: Event, past: _Past) -> None:
    """A workflow task times out in its queue before it is started, and on its worker afterwards."""
    if event.type != WORKFLOW_TASK_TIMED_OUT or past.task is None:
        return
    expected = "SCHEDULE_TO_START" if past.task.started is None else "START_TO_CLOSE"
    found = event.attributes.get("timeout_type")
    if found != expected:
        raise _refuse(event, f"the timeout_type {found!r}", repr(expected))


def _is_canceled_because_it_was_asked(event: Event, past: _Past) -> None:
    """A cancelled activity names the last request to cancel it."""
    if event.type != ACTIVITY_TASK_CANCELED:
        return
    requests = past.things[event.attributes["scheduled_event_id"]].touched
    if not requests:
        raise _refuse(event, event.type, "an ActivityTaskCancelRequested before")
    _same_id(event, "latest_cancel_requested_event_id", requests[-1])


def _names_its_task(event: Event, past: _Past) -> None:
    """Other events that name a completed workflow task, or the event an update came behind, point back to it."""
    if event.attributes.get("workflow_task_completed_event_id") is not None:
        _referred(event, "workflow_task_completed_event_id", (WORKFLOW_TASK_COMPLETED,), past)
    if event.attributes.get("sequencing_event_id") is not None:
        _referred(event, "sequencing_event_id", (), past)


def _cancel_is_requested_once(event: Event, past: _Past) -> None:
    if event.type == WORKFLOW_EXECUTION_CANCEL_REQUESTED and past.cancel_requested is not None:
        raise _refuse(event, event.type, f"only {_named(past.cancel_requested)}")


_RULES: tuple[Callable[[Event, _Past], None], ...] = (
    _ids_are_dense,
    _starts_once,
    _ends_once,
    _one_task_at_a_time,
    _commands_follow_their_task,
    _opens_one_of_a_key,
    _belongs_to_something_open,
    _starts_before_it_closes,
    _task_times_out_where_it_is,
    _is_canceled_because_it_was_asked,
    _names_its_task,
    _cancel_is_requested_once,
)


# --- references -----------------------------------------------------------------------------------------------------
def _referred(event: Event, name: str, types: tuple[str, ...], past: _Past) -> Event:
    """The event that an attribute names: an earlier one, of one of these types."""
    found = event.attributes.get(name)
    if not isinstance(found, int) or not 1 <= found <= len(past.events):
        raise _refuse(event, f"the {name} {found!r}", f"the id of an earlier {types[0] if types else 'event'}")
    other = past.events[found - 1]
    if types and other.type not in types:
        raise _refuse(event, f"the {name} {found}, which is {other.type}", f"the id of an earlier {types[0]}")
    return other


def _same_id(event: Event, name: str, expected: Event) -> None:
    found = event.attributes.get(name)
    if found != expected.id:
        raise _refuse(event, f"the {name} {found!r}", f"{expected.id}, {_named(expected)}")


def _refuse(event: Event, found: str, expected: str) -> HistoryError:
    return HistoryError(_named(event), found, expected)


def _named(event: Event) -> str:
    return f"event {event.id} ({event.type})"
