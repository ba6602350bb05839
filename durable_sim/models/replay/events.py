"""History events: what a durable engine remembers of one workflow, under the names that the real one uses.

Attributes are plain data: payloads are the values themselves, times are microseconds, failures are `Failure` tuples.
Always holds: the ids of a history are 1, 2, 3, ...; an event that results from another names it in its attributes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

WORKFLOW_EXECUTION_STARTED = "WorkflowExecutionStarted"
WORKFLOW_EXECUTION_COMPLETED = "WorkflowExecutionCompleted"
WORKFLOW_EXECUTION_FAILED = "WorkflowExecutionFailed"
WORKFLOW_EXECUTION_TIMED_OUT = "WorkflowExecutionTimedOut"
WORKFLOW_EXECUTION_CANCELED = "WorkflowExecutionCanceled"
WORKFLOW_EXECUTION_TERMINATED = "WorkflowExecutionTerminated"
WORKFLOW_EXECUTION_CONTINUED_AS_NEW = "WorkflowExecutionContinuedAsNew"
WORKFLOW_EXECUTION_CANCEL_REQUESTED = "WorkflowExecutionCancelRequested"
WORKFLOW_EXECUTION_SIGNALED = "WorkflowExecutionSignaled"
WORKFLOW_EXECUTION_UPDATE_ACCEPTED = "WorkflowExecutionUpdateAccepted"
WORKFLOW_EXECUTION_UPDATE_COMPLETED = "WorkflowExecutionUpdateCompleted"
WORKFLOW_TASK_SCHEDULED = "WorkflowTaskScheduled"
WORKFLOW_TASK_STARTED = "WorkflowTaskStarted"
WORKFLOW_TASK_COMPLETED = "WorkflowTaskCompleted"
WORKFLOW_TASK_FAILED = "WorkflowTaskFailed"
WORKFLOW_TASK_TIMED_OUT = "WorkflowTaskTimedOut"
ACTIVITY_TASK_SCHEDULED = "ActivityTaskScheduled"
ACTIVITY_TASK_STARTED = "ActivityTaskStarted"
ACTIVITY_TASK_COMPLETED = "ActivityTaskCompleted"
ACTIVITY_TASK_FAILED = "ActivityTaskFailed"
ACTIVITY_TASK_TIMED_OUT = "ActivityTaskTimedOut"
ACTIVITY_TASK_CANCEL_REQUESTED = "ActivityTaskCancelRequested"
ACTIVITY_TASK_CANCELED = "ActivityTaskCanceled"
TIMER_STARTED = "TimerStarted"
TIMER_FIRED = "TimerFired"
TIMER_CANCELED = "TimerCanceled"
CHILD_INITIATED = "StartChildWorkflowExecutionInitiated"
CHILD_START_FAILED = "StartChildWorkflowExecutionFailed"
CHILD_STARTED = "ChildWorkflowExecutionStarted"
CHILD_COMPLETED = "ChildWorkflowExecutionCompleted"
CHILD_FAILED = "ChildWorkflowExecutionFailed"
CHILD_CANCELED = "ChildWorkflowExecutionCanceled"
CHILD_TIMED_OUT = "ChildWorkflowExecutionTimedOut"
CHILD_TERMINATED = "ChildWorkflowExecutionTerminated"
CANCEL_EXTERNAL_INITIATED = "RequestCancelExternalWorkflowExecutionInitiated"
CANCEL_EXTERNAL_FAILED = "RequestCancelExternalWorkflowExecutionFailed"
EXTERNAL_CANCEL_REQUESTED = "ExternalWorkflowExecutionCancelRequested"
SIGNAL_EXTERNAL_INITIATED = "SignalExternalWorkflowExecutionInitiated"
SIGNAL_EXTERNAL_FAILED = "SignalExternalWorkflowExecutionFailed"
EXTERNAL_SIGNALED = "ExternalWorkflowExecutionSignaled"
MARKER_RECORDED = "MarkerRecorded"
UPSERT_SEARCH_ATTRIBUTES = "UpsertWorkflowSearchAttributes"
PROPERTIES_MODIFIED = "WorkflowPropertiesModified"

CHANGE_VERSION = "TemporalChangeVersion"
"""The search attribute that lists the patches of a run; the server sets it with each patch marker."""

RESET = "RESET_WORKFLOW"
"""The cause of the failed workflow task at which a run made by a reset leaves the one that it was made from."""
CLOSING_EVENTS = frozenset(
    (
        WORKFLOW_EXECUTION_COMPLETED,
        WORKFLOW_EXECUTION_FAILED,
        WORKFLOW_EXECUTION_TIMED_OUT,
        WORKFLOW_EXECUTION_CANCELED,
        WORKFLOW_EXECUTION_TERMINATED,
        WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    )
)
COMMAND_EVENTS = frozenset(
    (
        ACTIVITY_TASK_SCHEDULED,
        ACTIVITY_TASK_CANCEL_REQUESTED,
        TIMER_STARTED,
        TIMER_CANCELED,
        CHILD_INITIATED,
        CANCEL_EXTERNAL_INITIATED,
        SIGNAL_EXTERNAL_INITIATED,
        MARKER_RECORDED,
        UPSERT_SEARCH_ATTRIBUTES,
        PROPERTIES_MODIFIED,
        WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        WORKFLOW_EXECUTION_UPDATE_COMPLETED,
        WORKFLOW_EXECUTION_COMPLETED,
        WORKFLOW_EXECUTION_FAILED,
        WORKFLOW_EXECUTION_CANCELED,
        WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    )
)
"""Events that record what workflow code asked for; they stand right behind a completed workflow task."""
SENT_TO_THE_BACK = frozenset(
    (
        ACTIVITY_TASK_COMPLETED,
        ACTIVITY_TASK_FAILED,
        ACTIVITY_TASK_TIMED_OUT,
        ACTIVITY_TASK_CANCELED,
        CHILD_COMPLETED,
        CHILD_FAILED,
        CHILD_CANCELED,
        CHILD_TIMED_OUT,
        CHILD_TERMINATED,
    )
)
"""Of the events that were buffered while a workflow task ran, these are written after the others."""


class Event(NamedTuple):
    """One event."""

    id: int
    time_us: int
    type: str
    attributes: dict[str, Any]
