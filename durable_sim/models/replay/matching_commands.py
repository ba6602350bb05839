"""Whether a command event of a history is what the code has just asked for, and how to say it if not.

As in the real engine, kinds, order, activity types and ids, timer ids, child ids and types are compared; arguments,
time-outs, timer lengths, and whom a signal or a request to cancel is for are not, unless `strict`. The types of local
activities are compared before, where their markers are told to the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from durable_sim.durations import format_us
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.events import Event
from durable_sim.workflows.commands import (
    AcceptUpdate,
    CancelExternal,
    CancelTimer,
    CancelWorkflow,
    Command,
    CompleteUpdate,
    CompleteWorkflow,
    ContinueAsNew,
    FailWorkflow,
    RecordMarker,
    RequestCancelActivity,
    ScheduleActivity,
    SetPatch,
    SignalExternal,
    StartChild,
    StartTimer,
    UpsertMemo,
    UpsertSearchAttributes,
)
from durable_sim.workflows.markers import PATCH
from durable_sim.workflows.payloads import as_json

Told = dict[str, Any]
Recorded = Mapping[int, Command]
"""From an event's id to the command that it recorded."""


def compare(event: Event, command: Command, recorded: Recorded, strict: bool) -> tuple[str, str] | None:
    """None where they agree, else what is recorded and what was asked, in words."""
    told = event.attributes
    kind, same = _RULES[event.type]
    agrees = isinstance(command, kind) and (same is None or same(told, command))
    if agrees and event.type in _TARGETS:
        agrees = getattr(recorded.get(told[_TARGETS[event.type]]), "step", None) == getattr(command, "target", None)
    if not agrees:
        return recorded_as(event), asked_for(command)
    return _strictly(event, command) if strict else None


def _strictly(event: Event, command: Command) -> tuple[str, str] | None:
    """What only a strict replay compares: arguments, time-outs, timer lengths, targets of signals, results."""
    for what, recorded, asked in _details(event.attributes, command):
        if as_json(recorded) != as_json(asked):
            where = " (compared because the replay is strict; the real engine lets it pass)"
            return f"{recorded_as(event)} with {what} {recorded!r}", f"{what} {asked!r}{where}"
    return None


def _details(told: Told, command: Command) -> list[tuple[str, Any, Any]]:
    match command:
        case ScheduleActivity():
            options = command.options.as_recorded()
            return [
                ("arguments", list(told["input"]), list(command.arguments)),
                ("start_to_close", told.get("start_to_close_us"), options.start_to_close_us),
                ("schedule_to_close", told.get("schedule_to_close_us"), options.schedule_to_close_us),
                ("schedule_to_start", told.get("schedule_to_start_us"), options.schedule_to_start_us),
                ("heartbeat", told.get("heartbeat_us"), options.heartbeat_us),
                ("retry policy", told.get("retry_policy"), options.retry_policy),
            ]
        case StartTimer():
            return [("length", format_us(told["start_to_fire_us"]), format_us(command.duration_us))]
        case StartChild() | ContinueAsNew():
            return [("arguments", list(told["input"]), list(command.arguments))]
        case CompleteWorkflow():
            return [("result", told.get("result"), command.result)]
        case CancelExternal():
            return [("target", told["workflow_id"], command.workflow_id)]
        case SignalExternal():
            return [
                ("target", told["workflow_id"], command.workflow_id),
                ("name", told["signal_name"], command.name),
                ("arguments", list(told["input"]), list(command.arguments)),
            ]
    return []


def _same_activity(told: Told, command: Any) -> bool:
    return bool(told["activity_type"] == command.name and told["activity_id"] == command.id)


def _same_timer(told: Told, command: Any) -> bool:
    return bool(told["timer_id"] == command.id)


def _same_child(told: Told, command: Any) -> bool:
    return bool(told["workflow_id"] == command.workflow_id and told["workflow_type"] == command.workflow_type)


def _same_marker(told: Told, command: Any) -> bool:
    if isinstance(command, RecordMarker):
        return bool(told["marker_name"] == command.name)
    return bool(told["marker_name"] == PATCH and told["details"]["patch-data"][0]["id"] == command.id)


def _same_update(told: Told, command: Any) -> bool:
    return bool(told["update_id"] == command.id)


_TARGETS = {
    kinds.ACTIVITY_TASK_CANCEL_REQUESTED: "scheduled_event_id",
    kinds.TIMER_CANCELED: "started_event_id",
}
"""Events that name the command that they take back, by the event of that."""
_RULES: Mapping[str, tuple[Any, Callable[[Told, Any], bool] | None]] = {
    kinds.ACTIVITY_TASK_SCHEDULED: (ScheduleActivity, _same_activity),
    kinds.ACTIVITY_TASK_CANCEL_REQUESTED: (RequestCancelActivity, None),
    kinds.TIMER_STARTED: (StartTimer, _same_timer),
    kinds.TIMER_CANCELED: (CancelTimer, None),
    kinds.CHILD_INITIATED: (StartChild, _same_child),
    kinds.CANCEL_EXTERNAL_INITIATED: (CancelExternal, None),
    kinds.SIGNAL_EXTERNAL_INITIATED: (SignalExternal, None),
    kinds.MARKER_RECORDED: ((RecordMarker, SetPatch), _same_marker),
    kinds.UPSERT_SEARCH_ATTRIBUTES: (UpsertSearchAttributes, None),
    kinds.PROPERTIES_MODIFIED: (UpsertMemo, None),
    kinds.WORKFLOW_EXECUTION_UPDATE_ACCEPTED: (AcceptUpdate, _same_update),
    kinds.WORKFLOW_EXECUTION_UPDATE_COMPLETED: (CompleteUpdate, _same_update),
    kinds.WORKFLOW_EXECUTION_COMPLETED: (CompleteWorkflow, None),
    kinds.WORKFLOW_EXECUTION_FAILED: (FailWorkflow, None),
    kinds.WORKFLOW_EXECUTION_CANCELED: (CancelWorkflow, None),
    kinds.WORKFLOW_EXECUTION_CONTINUED_AS_NEW: (ContinueAsNew, None),
}


def asked_for(command: Command) -> str:
    """A command in words."""
    match command:
        case ScheduleActivity():
            return f"activity {command.name} (activity id {command.id})"
        case StartTimer():
            return f"a timer of {format_us(command.duration_us)} (timer id {command.id})"
        case StartChild():
            return f"child workflow {command.workflow_type} (id {command.workflow_id})"
        case CancelTimer():
            return "that a timer be called off"
        case RequestCancelActivity():
            return "that an activity be cancelled"
        case SignalExternal():
            return f"signal {command.name} to workflow {command.workflow_id}"
        case SetPatch():
            return f"patch {command.id}"
        case RecordMarker():
            return f"marker {command.name}"
        case CompleteWorkflow():
            return "the workflow's completion"
        case FailWorkflow():
            return f"the workflow's failure ({command.failure.message})"
    return type(command).__name__


def recorded_as(event: Event) -> str:
    """A command event in words."""
    told = event.attributes
    match event.type:
        case kinds.ACTIVITY_TASK_SCHEDULED:
            return f"activity {told['activity_type']} (activity id {told['activity_id']})"
        case kinds.TIMER_STARTED:
            return f"a timer of {format_us(told['start_to_fire_us'])} (timer id {told['timer_id']})"
        case kinds.CHILD_INITIATED:
            return f"child workflow {told['workflow_type']} (id {told['workflow_id']})"
        case kinds.MARKER_RECORDED if told["marker_name"] == PATCH:
            return f"a non-deprecated patch marker encountered for {told['details']['patch-data'][0]['id']}"
        case kinds.MARKER_RECORDED:
            return f"marker {told['marker_name']}"
    return event.type
