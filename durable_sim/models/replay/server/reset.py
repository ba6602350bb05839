"""A run made from the beginning of another's history: what a reset does."""

from __future__ import annotations

from typing import Any

from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server.state import PendingActivity, PendingChild, PendingRequest, PendingTimer, Run
from durable_sim.workflows.commands import ActivityOptions
from durable_sim.workflows.failures import Failure


def rebuilt(base: Run, run_id: str, event_id: int, reason: str, now_us: int) -> Run:
    """A new run with the history up to the workflow task at `event_id`, which is written down as failed by the reset.

    Activities that had been asked for before and had not ended run again; timers keep their time; children that had not
    ended go on and belong to the new run.
    """
    started = event_id if base.history[event_id - 1].type == kinds.WORKFLOW_TASK_STARTED else _started(base, event_id)
    number = base.number + 1
    run = Run(run_id, base.first_run_id, number, base.options, base.execution_started_us, base.started_us)
    run.execution, run.build, run.attempt = base.execution, base.build, base.attempt
    run.memo, run.search_attributes = dict(base.options.memo), dict(base.options.search_attributes)
    run.history = list(base.history[:started])
    for event in run.history:
        _take_up(run, event, now_us)
    failed = {
        "scheduled_event_id": run.history[-1].attributes["scheduled_event_id"],
        "started_event_id": started,
        "cause": kinds.RESET,
        "failure": Failure("ServerFailure", reason or "reset", kind="server"),
        "base_run_id": base.run_id,
        "new_run_id": run_id,
    }
    run.append(now_us, kinds.WORKFLOW_TASK_FAILED, failed)
    return run


def take_signals(base: Run, run: Run, now_us: int) -> None:
    """Give a run made by a reset the signals that came to the other one later."""
    started = run.history[-1].attributes["started_event_id"]
    for event in base.history[started:]:
        if event.type == kinds.WORKFLOW_EXECUTION_SIGNALED:
            run.append(now_us, event.type, event.attributes)


def _started(base: Run, completed: int) -> int:
    return int(base.history[completed - 1].attributes["started_event_id"])


def _take_up(run: Run, event: Event, now_us: int) -> None:
    """What follows from an event for what is still open."""
    told = event.attributes
    match event.type:
        case kinds.ACTIVITY_TASK_SCHEDULED:
            run.activities[event.id] = _activity(event, now_us)
        case kinds.ACTIVITY_TASK_COMPLETED | kinds.ACTIVITY_TASK_FAILED | kinds.ACTIVITY_TASK_TIMED_OUT:
            run.activities.pop(told["scheduled_event_id"], None)
        case kinds.ACTIVITY_TASK_CANCELED:
            run.activities.pop(told["scheduled_event_id"], None)
        case kinds.TIMER_STARTED:
            due_us = event.time_us + told["start_to_fire_us"]
            run.timers[event.id] = PendingTimer(told["step"], told["timer_id"], event.id, due_us)
        case kinds.TIMER_FIRED | kinds.TIMER_CANCELED:
            run.timers.pop(told["started_event_id"], None)
        case kinds.WORKFLOW_TASK_COMPLETED:
            run.last_completed_event_id = event.id
        case kinds.WORKFLOW_EXECUTION_CANCEL_REQUESTED:
            run.cancel_requested = True
        case _:
            _take_up_others(run, event, told)


def _take_up_others(run: Run, event: Event, told: dict[str, Any]) -> None:
    match event.type:
        case kinds.CHILD_INITIATED:
            run.children[event.id] = PendingChild(
                told["step"], told["workflow_id"], told["workflow_type"], told["parent_close_policy"], event.id
            )
        case kinds.SIGNAL_EXTERNAL_INITIATED | kinds.CANCEL_EXTERNAL_INITIATED:
            signal = event.type == kinds.SIGNAL_EXTERNAL_INITIATED
            run.requests[event.id] = PendingRequest(told["step"], signal, event.id)
        case kinds.EXTERNAL_SIGNALED | kinds.EXTERNAL_CANCEL_REQUESTED:
            run.requests.pop(told["initiated_event_id"], None)
        case kinds.SIGNAL_EXTERNAL_FAILED | kinds.CANCEL_EXTERNAL_FAILED:
            run.requests.pop(told["initiated_event_id"], None)
        case kinds.CHILD_STARTED:
            child = run.children[told["initiated_event_id"]]
            child.run_id, child.started_event_id = told["run_id"], event.id
        case kinds.WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            run.updates[told["update_id"]] = event.id
        case kinds.WORKFLOW_EXECUTION_UPDATE_COMPLETED:
            run.update_outcomes[told["update_id"]] = told.get("result"), told.get("failure")
        case kinds.UPSERT_SEARCH_ATTRIBUTES:
            run.search_attributes |= told["search_attributes"]
            run.patches = list(run.search_attributes.get(kinds.CHANGE_VERSION, ()))
        case kinds.PROPERTIES_MODIFIED:
            run.memo |= told["memo"]
        case _ if event.type.startswith("ChildWorkflowExecution") or event.type == kinds.CHILD_START_FAILED:
            run.children.pop(told["initiated_event_id"], None)


def _activity(event: Event, now_us: int) -> PendingActivity:
    told = event.attributes
    options = ActivityOptions(
        told.get("start_to_close_us"),
        told.get("schedule_to_close_us"),
        told.get("heartbeat_us"),
        told["retry_policy"],
        told.get("schedule_to_start_us"),
        told["task_queue"],
    )
    return PendingActivity(
        told["step"], told["activity_id"], told["activity_type"], told["task_queue"], told["input"], options,
        event.id, now_us, now_us,
    )  # fmt: skip
