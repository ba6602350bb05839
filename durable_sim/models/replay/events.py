"""History events: what a durable engine remembers of one workflow, under the names that the real one uses.

Always holds: the ids of a history are 1, 2, 3, ...; an event that results from another names it in its attributes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

WORKFLOW_EXECUTION_STARTED = "WorkflowExecutionStarted"
WORKFLOW_EXECUTION_COMPLETED = "WorkflowExecutionCompleted"
WORKFLOW_EXECUTION_FAILED = "WorkflowExecutionFailed"
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
TIMER_STARTED = "TimerStarted"
TIMER_FIRED = "TimerFired"


class Event(NamedTuple):
    """One event. `attributes` is plain data: payloads, ids of causing events, failures."""

    id: int
    time_us: int
    type: str
    attributes: dict[str, Any]
