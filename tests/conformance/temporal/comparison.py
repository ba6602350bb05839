"""What must be the same in a recorded and a simulated history, and the first difference in words.

Both are given as events of this package. Compared are the types, in order, and of each event what `ATTRIBUTES` lists:
names, ids, attempts, references to other events, time-outs, values, and failures with their causes. Not compared are
times, run ids, identities, queue names and build ids. `gap_differences` compares a few times where the real server is
exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from durable_sim.durations import SECOND, duration_us
from durable_sim.models.replay.events import Event
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.payloads import as_json
from durable_sim.workflows.retry import RetryPolicy

Told = dict[str, Any]
_BY_TASK = ("workflow_task_completed_event_id",)
_TASK = ("scheduled_event_id", "started_event_id")
_CHILD = ("initiated_event_id", "workflow_id", "workflow_type")
_CHILD_CLOSED = (*_CHILD, "started_event_id")
_EXTERNAL = ("initiated_event_id", "workflow_id")

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "WorkflowExecutionStarted": (
        "workflow_type",
        "workflow_id",
        "input",
        "attempt",
        "execution_timeout_us",
        "run_timeout_us",
        "task_timeout_us",
        "retry_policy",
        "initiator",
        "parent",
    ),
    "WorkflowExecutionCompleted": ("result", *_BY_TASK),
    "WorkflowExecutionFailed": ("failure", "retry_state", *_BY_TASK),
    "WorkflowExecutionTimedOut": ("retry_state",),
    "WorkflowExecutionCanceled": ("details", *_BY_TASK),
    "WorkflowExecutionTerminated": ("reason", "details"),
    "WorkflowExecutionContinuedAsNew": ("workflow_type", "input", "task_timeout_us", *_BY_TASK),
    "WorkflowExecutionCancelRequested": ("cause",),
    "WorkflowExecutionSignaled": ("signal_name", "input"),
    "WorkflowExecutionUpdateAccepted": ("name", "input", "sequencing_event_id"),
    "WorkflowExecutionUpdateCompleted": ("accepted_event_id", "result", "failure"),
    "WorkflowTaskScheduled": ("task_queue_kind", "start_to_close_us", "attempt"),
    "WorkflowTaskStarted": ("scheduled_event_id", "suggest_continue_as_new"),
    "WorkflowTaskCompleted": _TASK,
    "WorkflowTaskFailed": (*_TASK, "cause", "failure"),
    "WorkflowTaskTimedOut": (*_TASK, "timeout_type"),
    "ActivityTaskScheduled": (
        "activity_id",
        "activity_type",
        "input",
        "schedule_to_close_us",
        "schedule_to_start_us",
        "start_to_close_us",
        "heartbeat_us",
        "retry_policy",
        *_BY_TASK,
    ),
    "ActivityTaskStarted": ("scheduled_event_id", "attempt", "last_failure"),
    "ActivityTaskCompleted": (*_TASK, "result"),
    "ActivityTaskFailed": (*_TASK, "failure", "retry_state"),
    "ActivityTaskTimedOut": (*_TASK, "failure", "retry_state"),
    "ActivityTaskCancelRequested": ("scheduled_event_id", *_BY_TASK),
    "ActivityTaskCanceled": (*_TASK, "latest_cancel_requested_event_id", "details"),
    "TimerStarted": ("timer_id", "start_to_fire_us", *_BY_TASK),
    "TimerFired": ("timer_id", "started_event_id"),
    "TimerCanceled": ("timer_id", "started_event_id", *_BY_TASK),
    "StartChildWorkflowExecutionInitiated": (
        "workflow_id",
        "workflow_type",
        "input",
        "run_timeout_us",
        "task_timeout_us",
        "parent_close_policy",
        "id_reuse_policy",
        "retry_policy",
        *_BY_TASK,
    ),
    "StartChildWorkflowExecutionFailed": ("workflow_id", "workflow_type", "cause", "initiated_event_id", *_BY_TASK),
    "ChildWorkflowExecutionStarted": _CHILD,
    "ChildWorkflowExecutionCompleted": (*_CHILD_CLOSED, "result"),
    "ChildWorkflowExecutionFailed": (*_CHILD_CLOSED, "failure", "retry_state"),
    "ChildWorkflowExecutionCanceled": (*_CHILD_CLOSED, "details"),
    "ChildWorkflowExecutionTimedOut": (*_CHILD_CLOSED, "retry_state"),
    "ChildWorkflowExecutionTerminated": _CHILD_CLOSED,
    "RequestCancelExternalWorkflowExecutionInitiated": ("workflow_id", "child_workflow_only", *_BY_TASK),
    "RequestCancelExternalWorkflowExecutionFailed": (*_EXTERNAL, "cause", *_BY_TASK),
    "ExternalWorkflowExecutionCancelRequested": _EXTERNAL,
    "SignalExternalWorkflowExecutionInitiated": ("workflow_id", "signal_name", "input", *_BY_TASK),
    "SignalExternalWorkflowExecutionFailed": (*_EXTERNAL, "cause", *_BY_TASK),
    "ExternalWorkflowExecutionSignaled": _EXTERNAL,
    "MarkerRecorded": ("marker_name", "details", "failure", *_BY_TASK),
    "UpsertWorkflowSearchAttributes": ("search_attributes", *_BY_TASK),
    "WorkflowPropertiesModified": ("memo", *_BY_TASK),
}
"""What is compared of each type of event."""

MEASURED = re.compile(r"\b(slept |t=)\d+\.\d+")
"""Numbers in results that a clock gave: how long a timer or an activity took."""
_CODE = re.compile(r"^\[TMPRL\d+\]")


# --- one event ------------------------------------------------------------------------------------------------------
def comparable(event: Event) -> Told:
    """An event's attributes that must agree, in a form in which equal means the same."""
    told = {name: _plain(name, event.attributes.get(name)) for name in ATTRIBUTES[event.type]}
    if event.type == "WorkflowTaskScheduled" and told["attempt"] != 1:
        del told["start_to_close_us"]  # of a task that is tried again, the server adds its own wait
    if event.type == "WorkflowExecutionStarted":
        told["waits first"] = bool(event.attributes.get("first_task_backoff_us"))
    return told


def _plain(name: str, value: Any) -> Any:
    match value:
        case Failure():
            return failure_as_data(value)
        case RetryPolicy():
            return policy_as_data(value)
        case str() if name == "result":
            return MEASURED.sub(r"\1...", value)
        case dict() if name == "details":
            return _marker_details(value)
        case dict() if name == "parent":
            return {key: value.get(key) for key in ("workflow_id", "initiated_event_id")}
        case 0 | False | "" | [] | ():
            return None  # what the exchange form cannot tell from "not set"
    return as_json(value)


def failure_as_data(failure: Failure | None) -> Told | None:
    """Kind, type, message and causes; of the kinds that this package names itself, without the type."""
    if failure is None:
        return None
    info = failure.info or {}
    told: Told = {
        "kind": failure.kind,
        "type": failure.type if failure.kind == "application" else "",
        "message": _text(failure),
        "timeout_type": failure.timeout_type,
        "non_retryable": failure.non_retryable,
        "cause": failure_as_data(failure.cause),
    }
    for name in ("retry_state", "activity_type", "activity_id", "workflow_type", "workflow_id"):
        told[name] = info.get(name)
    for name in ("scheduled_event_id", "started_event_id", "initiated_event_id"):
        told[name] = info.get(name) or None
    return {name: value for name, value in told.items() if value not in (None, False, "")}


def _text(failure: Failure) -> str:
    """The message; of those with a code, the code alone: the words behind it are the SDK's."""
    if failure.kind in ("canceled", "terminated"):
        return ""
    code = _CODE.match(failure.message)
    return code[0] if code else failure.message


def policy_as_data(policy: RetryPolicy) -> Told:
    """A retry policy with the maximum interval that holds when none is given."""
    initial_us, maximum = duration_us(policy.initial_interval), policy.maximum_interval
    return {
        "initial_us": initial_us,
        "coefficient": float(policy.backoff_coefficient),
        "maximum_us": 100 * initial_us if maximum is None else duration_us(maximum),
        "attempts": policy.maximum_attempts,
        "non_retryable": list(policy.non_retryable_error_types),
    }


def _marker_details(details: Told) -> Told:
    """A marker's details without the times in them, and without what this package keeps there for itself."""
    plain: Told = as_json(details)
    for data in plain.get("data") or ():
        if isinstance(data, dict):
            for name in ("complete_us", "original_schedule_us", "activation_index", "retry_state"):
                data.pop(name, None)
    return plain


# --- two histories --------------------------------------------------------------------------------------------------
def differences(recorded: Sequence[Event], simulated: Sequence[Event], ignoring: Iterable[str] = ()) -> Iterator[str]:
    """Where two histories differ, event by event; nothing after the first event of another type.

    `ignoring` has names of attributes that are not to be compared, "type.attribute" for one type of event only.
    """
    ignored = set(ignoring)
    for place, (ours, theirs) in enumerate(zip_longest(simulated, recorded), 1):
        if ours is None or theirs is None or ours.type != theirs.type:
            yield f"event {place}: recorded {_named(theirs)}, simulated {_named(ours)}"
            return
        if ours.id != theirs.id:
            yield f"event {place} ({theirs.type}): recorded with id {theirs.id}, simulated with id {ours.id}"
        yield from _attribute_differences(place, theirs, ours, ignored)


def _named(event: Event | None) -> str:
    return "nothing more" if event is None else event.type


def _attribute_differences(place: int, theirs: Event, ours: Event, ignored: set[str]) -> Iterator[str]:
    recorded, simulated = comparable(theirs), comparable(ours)
    for name in dict.fromkeys((*recorded, *simulated)):
        if name in ignored or f"{theirs.type}.{name}" in ignored:
            continue
        a, b = recorded.get(name), simulated.get(name)
        if a != b:
            yield f"event {place} ({theirs.type}): {name}: recorded {a!r}, simulated {b!r}"


def gap_differences(
    recorded: Sequence[Event], simulated: Sequence[Event], gaps: Iterable[tuple[int, int]], within_s: float = 0.2
) -> Iterator[str]:
    """Which of the spans between two events, given by their ids, are not the same within a tolerance."""
    for first, second in gaps:
        theirs, ours = (_gap_s(history, first, second) for history in (recorded, simulated))
        if abs(theirs - ours) > within_s:
            yield f"events {first} to {second}: recorded {theirs:.3f} s apart, simulated {ours:.3f} s"


def _gap_s(history: Sequence[Event], first: int, second: int) -> float:
    return (history[second - 1].time_us - history[first - 1].time_us) / SECOND


# --- outcomes -------------------------------------------------------------------------------------------------------
STATUSES: Mapping[str, str] = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
}


def outcome_of(history: Sequence[Event]) -> Told:
    """The outcome of a run as the manifest writes it, read off the run's last event."""
    last = history[-1]
    status, told = STATUSES.get(last.type, "RUNNING"), last.attributes
    match status:
        case "COMPLETED":
            return {"status": status, "result": told.get("result")}
        case "FAILED":
            return {"status": status, "failure": _failure_of_manifest(told["failure"])}
        case "TERMINATED":
            return {"status": status, "reason": told["reason"]}
        case "CONTINUED_AS_NEW":
            return {"status": status, "new_args": list(told["input"])}
    return {"status": status}


def _failure_of_manifest(failure: Failure) -> Told:
    told: Told = {"kind": failure.kind, "message": failure.message}
    if failure.kind == "application":
        told["type"] = failure.type
    if failure.info and failure.info.get("retry_state"):
        told["retryState"] = f"RETRY_STATE_{failure.info['retry_state']}"
    if failure.cause is not None:
        told["cause"] = _failure_of_manifest(failure.cause)
    return told


def outcome_difference(expected: Told, found: Told, same_result: Callable[[Any, Any], bool]) -> str | None:
    """None if a run ended as the manifest says."""
    if expected.keys() == found.keys() and "result" in expected and expected["status"] == found["status"]:
        if same_result(expected["result"], found["result"]):
            return None
    elif expected == found:
        return None
    return f"outcome: recorded {expected!r}, simulated {found!r}"


def same_but_for_measured(expected: Any, found: Any) -> bool:
    """Whether two results agree, numbers that a clock gave left aside."""
    return bool(_plain("result", expected) == _plain("result", found))
