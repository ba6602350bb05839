"""The order of events: every recorded history has it, and each rule sees the one mistake that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.models.replay import order
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.exchange.histories import from_json
from durable_sim.models.replay.lives import LATER, LIVES
from durable_sim.models.replay.order import HistoryError, check_order

GOLDENS = sorted((Path(__file__).parents[2] / "conformance" / "temporal" / "histories").glob("*.json"))
REFERENCES = ("scheduled_event_id", "started_event_id", "initiated_event_id", "accepted_event_id")
TO_TASK = ("workflow_task_completed_event_id", "latest_cancel_requested_event_id", "sequencing_event_id")
Change = Callable[[list[Event]], list[Event]]


def golden(name: str) -> list[Event]:
    """A recorded history."""
    return list(from_json((GOLDENS[0].parent / f"{name}.json").read_text(encoding="utf-8")))


def renumbered(events: list[Event]) -> list[Event]:
    """The events with ids 1, 2, 3, ... and references that follow; a reference to one that is gone stays."""
    places = {event.id: place for place, event in enumerate(events, 1)}
    return [
        event._replace(
            id=place,
            attributes={
                name: places.get(value, value) if name in (*REFERENCES, *TO_TASK) else value
                for name, value in event.attributes.items()
            },
        )
        for place, event in enumerate(events, 1)
    ]


# --- changes of a history -------------------------------------------------------------------------------------------
def changed(event_id: int, **attributes: Any) -> Change:
    """Other attributes of one event."""

    def change(events: list[Event]) -> list[Event]:
        return [e._replace(attributes={**e.attributes, **attributes}) if e.id == event_id else e for e in events]

    return change


def without(*event_ids: int) -> Change:
    """Some events are gone."""
    return lambda events: renumbered([event for event in events if event.id not in event_ids])


def twice(event_id: int, after: int) -> Change:
    """One event stands a second time, behind another."""

    def change(events: list[Event]) -> list[Event]:
        again = events[event_id - 1]._replace(id=-1)
        return renumbered([*events[:after], again, *events[after:]])

    return change


def moved(event_id: int, after: int) -> Change:
    """One event stands elsewhere."""

    def change(events: list[Event]) -> list[Event]:
        rest = [event for event in events if event.id != event_id]
        place = next((place for place, event in enumerate(rest, 1) if event.id == after), 0)
        return renumbered([*rest[:place], events[event_id - 1], *rest[place:]])

    return change


def inserted(after: int, kind: str, **attributes: Any) -> Change:
    """One more event."""
    return lambda events: renumbered([*events[:after], Event(-1, 0, kind, attributes), *events[after:]])


def both(*changes: Change) -> Change:
    """One change and then another."""

    def change(events: list[Event]) -> list[Event]:
        for one in changes:
            events = one(events)
        return events

    return change


def ids_from_zero(events: list[Event]) -> list[Event]:
    """An id too low, everywhere."""
    return [event._replace(id=event.id - 1) for event in events]


# --- recorded histories ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_every_recorded_history_is_in_order(path: Path) -> None:
    """What a real server wrote passes, from the whole history to each of its beginnings."""
    events = from_json(path.read_text(encoding="utf-8"))
    check_order(events)
    for length in range(1, len(events)):
        check_order(events[:length])


def test_a_life_has_each_event_once() -> None:
    """No type of event belongs to two kinds of thing."""
    named = [name for life in LIVES for name in (life.opens, life.starts, *life.touches, *life.closes) if name]
    assert len(named) == len(set(named)) == len(LATER) + len(LIVES)


# --- one mistake each -----------------------------------------------------------------------------------------------
MISTAKES: dict[str, tuple[str, Change, str]] = {
    "ids from zero": (
        "h_timer",
        ids_from_zero,
        "history: event 0 (WorkflowExecutionStarted): found the id 0, expected 1",
    ),
    "an id left out": (
        "h_timer",
        lambda events: events[:4] + events[5:],
        "event 6 (TimerFired): found the id 6, expected 5",
    ),
    "no start": (
        "h_timer",
        without(1),
        "event 1 (WorkflowTaskScheduled): found WorkflowTaskScheduled, expected Workflow",
    ),
    "a second start": ("h_timer", twice(1, 1), "event 2 (WorkflowExecutionStarted): found WorkflowExecuti"),
    "an event after the end": (
        "h_timer",
        inserted(10, "WorkflowExecutionSignaled", signal_name="go"),
        "event 11 (WorkflowExecutionSignaled): found WorkflowExecutionSignaled, expected nothing after eve",
    ),
    "a second end": ("u2_terminate", twice(6, 6), "expected nothing after event 6 (WorkflowExecutionTerminated)"),
    "an event while a task runs": (
        "h_timer",
        inserted(8, "WorkflowExecutionSignaled", signal_name="go"),
        "event 9 (WorkflowExecutionSignaled): found WorkflowExecutionSignaled, expected the end of event 8",
    ),
    "the end while a task runs": (
        "h_timer",
        both(without(9, 10), inserted(8, "WorkflowExecutionTerminated")),
        "expected the end of event 8 (WorkflowTaskStarted) before",
    ),
    "two open tasks": (
        "h_timer",
        twice(2, 2),
        "event 3 (WorkflowTaskScheduled): found WorkflowTaskScheduled, expected the end of event 2 (Workfl",
    ),
    "a task started twice": (
        "h_timer",
        twice(3, 3),
        "event 4 (WorkflowTaskStarted): found WorkflowTaskStarted, expected the end of event 3 (WorkflowTa",
    ),
    "a task completed without a start": (
        "h_timer",
        without(8),
        "event 8 (WorkflowTaskCompleted): found WorkflowTaskCompleted, expected WorkflowTaskStarted of eve",
    ),
    "a task completed twice": (
        "h_timer",
        twice(4, 4),
        "found it about event 2 (WorkflowTaskScheduled), expected nothing",
    ),
    "a task that names another start": (
        "h_timer",
        changed(9, started_event_id=3),
        "event 9 (WorkflowTaskCompleted): found the started_event_id 3, expected 8, event 8 (WorkflowTaskStarted)",
    ),
    "a task timed out where it was not": (
        "q_sigkill_in_workflow_task",
        changed(10, timeout_type="SCHEDULE_TO_START"),
        "found the timeout_type 'SCHEDULE_TO_START', expected 'START_TO_CLOSE'",
    ),
    "a task timed out on a worker it never reached": (
        "q4_sigkill_between_tasks_sticky",
        changed(8, started_event_id=3),
        "found the started_event_id 3, expected 0, event 7 (WorkflowTaskScheduled) was not started",
    ),
    "a command without its task": (
        "a_order_happy",
        moved(5, 1),
        "event 2 (ActivityTaskScheduled): found it behind event 1 (WorkflowExecutionStarted), expected it",
    ),
    "a command behind an event": (
        "o_gather",
        both(inserted(6, "WorkflowExecutionSignaled", signal_name="go")),
        "event 8 (ActivityTaskScheduled): found it behind event 7 (WorkflowExecutionSignaled)",
    ),
    "a command of another task": (
        "a_order_happy",
        changed(11, workflow_task_completed_event_id=4),
        "event 11 (ActivityTaskScheduled): found the workflow_task_completed_event_id 4, expected 10, even",
    ),
    "the end of another task": (
        "a_order_happy",
        changed(35, workflow_task_completed_event_id=None),
        "event 35 (WorkflowExecutionCompleted): found the workflow_task_completed_event_id None, expected 34",
    ),
    "an update accepted between tasks": ("j2_update", moved(8, 10), "found it behind event 9 (ActivityTas"),
    "a reference to what comes later": (
        "a_order_happy",
        changed(7, scheduled_event_id=11),
        "event 7 (ActivityTaskCompleted): found the scheduled_event_id 11, expected the id of an earlier A",
    ),
    "a reference to another type": (
        "a_order_happy",
        changed(7, scheduled_event_id=4),
        "found the scheduled_event_id 4, which is WorkflowTaskCompleted, expected the id of an earlier Act",
    ),
    "no reference": ("a_order_happy", changed(6, scheduled_event_id=None), "found the scheduled_event_id None"),
    "an activity closed twice": (
        "a_order_happy",
        twice(7, 7),
        "event 8 (ActivityTaskCompleted): found it about event 5 (ActivityTaskScheduled), expected nothing",
    ),
    "an activity completed without a start": (
        "a_order_happy",
        without(6),
        "event 6 (ActivityTaskCompleted): found ActivityTaskCompleted, expected ActivityTaskStarted of eve",
    ),
    "an activity started twice": (
        "a_order_happy",
        twice(6, 6),
        "event 7 (ActivityTaskStarted): found a second start of event 5 (ActivityTaskScheduled), expected",
    ),
    "an activity that names another start": (
        "o_gather",
        changed(15, started_event_id=9),
        "event 15 (ActivityTaskCompleted): found the started_event_id 9, expected 14",
    ),
    "a timed-out activity that hides its start": (
        "e5_start_to_close_no_time_left",
        changed(7, started_event_id=0),
        "event 7 (ActivityTaskTimedOut): found the started_event_id 0, expected 6",
    ),
    "two open activities of one id": (
        "o_gather",
        changed(6, activity_id="1"),
        "event 6 (ActivityTaskScheduled): found the activity_id '1', expected another, event 5 (ActivityTa",
    ),
    "a cancel request for a closed activity": (
        "a_order_happy",
        inserted(10, "ActivityTaskCancelRequested", scheduled_event_id=5, workflow_task_completed_event_id=10),
        "found it about event 5 (ActivityTaskScheduled), expected nothing more",
    ),
    "an activity cancelled unasked": (
        "m3_act_cancel_wait_cancellation_completed",
        without(11),
        "event 12 (ActivityTaskCanceled): found ActivityTaskCanceled, expected an ActivityTaskCancelReques",
    ),
    "an activity cancelled for another request": (
        "m3_act_cancel_wait_cancellation_completed",
        changed(13, latest_cancel_requested_event_id=5),
        "found the latest_cancel_requested_event_id 5, expected 11, event 11 (ActivityTaskCancelRequested)",
    ),
    "a timer fired twice": (
        "h_timer",
        twice(6, 6),
        "event 7 (TimerFired): found it about event 5 (TimerStarted), expected nothing more, event 6 (Time",
    ),
    "a timer fired before it started": (
        "h_timer",
        moved(6, 1),
        "event 2 (TimerFired): found the started_event_id 6, expected the id of an earlier TimerStarted",
    ),
    "a timer of another id": (
        "h_timer",
        changed(6, timer_id="2"),
        "event 6 (TimerFired): found the timer_id '2', expected '1' as in event 5 (TimerStarted)",
    ),
    "two open timers of one id": (
        "o2_buffered",
        changed(9, timer_id="1"),
        "event 9 (TimerStarted): found the timer_id '1', expected another, event 5 (TimerStarted) is still open",
    ),
    "a child closed before it started": (
        "k_child_ok",
        moved(10, 5),
        "event 6 (ChildWorkflowExecutionCompleted): found ChildWorkflowExecutionCompleted, expected ChildW",
    ),
    "a child started twice": (
        "k_child_ok",
        twice(6, 6),
        "found a second start of event 5 (StartChildWorkflowExecutionIni",
    ),
    "a child closed twice": (
        "k_child_ok",
        twice(10, 10),
        "found it about event 5 (StartChildWorkflowExecutionInitiated)",
    ),
    "another child": (
        "k_child_ok",
        changed(6, workflow_id="other"),
        "event 6 (ChildWorkflowExecutionStarted): found the workflow_id 'other', expected 'k_child_ok-1795",
    ),
    "a child that could not start after it did": (
        "k_child_ok",
        inserted(
            *(6, "StartChildWorkflowExecutionFailed"),
            **{"initiated_event_id": 5, "workflow_task_completed_event_id": 4},
            **{"workflow_id": "k_child_ok-1795418549-child", "workflow_type": "Child"},
        ),
        "expected no failure to start after event 6 (ChildWorkflowExecutionStarted)",
    ),
    "a failed start that names no task": (
        "k_child_ok",
        both(
            without(6, 7, 8, 9, 10, 11, 12, 13, 14),
            inserted(
                *(5, "StartChildWorkflowExecutionFailed"),
                **{"initiated_event_id": 5, "workflow_task_completed_event_id": 3},
                **{"workflow_id": "k_child_ok-1795418549-child", "workflow_type": "Child"},
            ),
        ),
        "found the workflow_task_completed_event_id 3, which is WorkflowTaskStarted, expected the id of an",
    ),
    "an update completed before it was accepted": (
        "j2_update",
        changed(8, update_id="other"),
        "event 15 (WorkflowExecutionUpdateCompleted): found the update_id 'fba727ea-f446-434d-b792-ab4d952",
    ),
    "an update completed twice": (
        "j2_update",
        twice(15, 15),
        "expected nothing more, event 15 (WorkflowExecutionUpdateCom",
    ),
    "an update accepted twice": (
        "j2_update",
        twice(8, 8),
        "event 9 (WorkflowExecutionUpdateAccepted): found the update_id",
    ),
    "an update behind what is not there yet": (
        "j2_update",
        changed(8, sequencing_event_id=9),
        "found the sequencing_event_id 9, expected the id of an earlier event",
    ),
    "a cancel requested twice": (
        "m_cancel_cleanup",
        twice(6, 6),
        "found WorkflowExecutionCancelRequested, expected only event 6 (WorkflowExecutionCancelRequested)",
    ),
    "an external signal delivered twice": (
        "h_timer",
        both(
            inserted(
                5, "SignalExternalWorkflowExecutionInitiated", workflow_id="x", workflow_task_completed_event_id=4
            ),
            inserted(6, "ExternalWorkflowExecutionSignaled", workflow_id="x", initiated_event_id=6),
            inserted(7, "SignalExternalWorkflowExecutionFailed", workflow_id="x", initiated_event_id=6),
        ),
        "found it about event 6 (SignalExternalWorkflowExecutionInitiated), expected nothing more, event 7",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_named(mistake: str) -> None:
    """One line: which event, what is there, what was expected."""
    name, change, said = MISTAKES[mistake]
    with pytest.raises(HistoryError) as error:
        check_order(change(golden(name)))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert isinstance(error.value, UserError)


def test_every_rule_is_broken_by_a_mistake_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a rule, at least one of the mistakes above is no longer told in the same words."""
    for rule in order._RULES:
        monkeypatch.setattr(order, "_RULES", tuple(other for other in order._RULES if other is not rule))
        assert not all(map(is_told, MISTAKES)), rule.__name__
        monkeypatch.undo()


def is_told(mistake: str) -> bool:
    """Whether a mistake is found, and named in its words."""
    name, change, said = MISTAKES[mistake]
    try:
        check_order(change(golden(name)))
    except (HistoryError, KeyError) as error:
        return said in str(error)
    return False


def test_no_events_are_no_history() -> None:
    """The first event is always there."""
    with pytest.raises(HistoryError, match="found no event, expected WorkflowExecutionStarted"):
        check_order([])


def test_a_failed_start_of_a_child_is_in_order() -> None:
    """It closes the child, and names the task whose command failed."""
    failed = {"initiated_event_id": 5, "workflow_task_completed_event_id": 4, "workflow_type": "Child"}
    start = golden("k_child_ok")[:5]
    check_order([*start, Event(6, 0, "StartChildWorkflowExecutionFailed", {**start[4].attributes, **failed})])
