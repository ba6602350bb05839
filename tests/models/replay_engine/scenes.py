"""What the engine tests share: activities, short words for events, and the last look at every history."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.models.replay.native import replay_history

Workflow = Callable[..., Coroutine[Any, Any, Any]]
ONCE = ds.RetryPolicy(maximum_attempts=1)

_SHORT = {
    "WorkflowExecutionStarted": "Started",
    "WorkflowExecutionCompleted": "Completed",
    "WorkflowExecutionFailed": "Failed",
    "WorkflowExecutionTimedOut": "TimedOut",
    "WorkflowExecutionCanceled": "Canceled",
    "WorkflowExecutionTerminated": "Terminated",
    "WorkflowExecutionContinuedAsNew": "ContinuedAsNew",
    "WorkflowExecutionSignaled": "Signal",
    "WorkflowExecutionCancelRequested": "CancelRequested",
    "WorkflowExecutionUpdateAccepted": "UpdateAccepted",
    "WorkflowExecutionUpdateCompleted": "UpdateCompleted",
    "WorkflowTaskScheduled": "TScheduled",
    "WorkflowTaskStarted": "TStarted",
    "WorkflowTaskCompleted": "TCompleted",
    "WorkflowTaskFailed": "TFailed",
    "WorkflowTaskTimedOut": "TTimedOut",
    "ActivityTaskScheduled": "AScheduled",
    "ActivityTaskStarted": "AStarted",
    "ActivityTaskCompleted": "ACompleted",
    "ActivityTaskFailed": "AFailed",
    "ActivityTaskTimedOut": "ATimedOut",
    "ActivityTaskCanceled": "ACanceled",
    "ActivityTaskCancelRequested": "ACancelRequested",
    "MarkerRecorded": "Marker",
    "UpsertWorkflowSearchAttributes": "Upsert",
    "StartChildWorkflowExecutionInitiated": "ChildInitiated",
    "StartChildWorkflowExecutionFailed": "ChildStartFailed",
    "ChildWorkflowExecutionStarted": "ChildStarted",
    "ChildWorkflowExecutionCompleted": "ChildCompleted",
    "ChildWorkflowExecutionFailed": "ChildFailed",
    "ChildWorkflowExecutionCanceled": "ChildCanceled",
    "ChildWorkflowExecutionTimedOut": "ChildTimedOut",
    "ChildWorkflowExecutionTerminated": "ChildTerminated",
    "SignalExternalWorkflowExecutionInitiated": "SignalInitiated",
    "SignalExternalWorkflowExecutionFailed": "SignalFailed",
    "ExternalWorkflowExecutionSignaled": "ExternalSignaled",
    "RequestCancelExternalWorkflowExecutionInitiated": "CancelInitiated",
    "RequestCancelExternalWorkflowExecutionFailed": "CancelFailed",
    "ExternalWorkflowExecutionCancelRequested": "ExternalCancelRequested",
}
_TASK = "TScheduled TStarted TCompleted"


def shape(history: ds.History) -> str:
    """The types of a history in short, a completed workflow task as [T].

    >>> shape(ds.History([]))
    ''
    """
    return " ".join(_SHORT.get(kind, kind) for kind in history.types).replace(_TASK, "[T]")


def only(history: ds.History, kind: str) -> dict[str, Any]:
    """The attributes of the one event of its type."""
    (event,) = history.of(kind)
    return event.attributes


def at_s(history: ds.History, kind: str) -> list[float]:
    """When the events of a type happened, in seconds."""
    return [event.time_us / SECOND for event in history.of(kind)]


def checked(sim: ds.Simulation, *code: Workflow, **options: Any) -> None:
    """Every history of a simulation is in order, and is what the code does when it is replayed."""
    assert sim.histories()
    for history in sim.histories().values():
        history.check()
        replay_history(code, history, **options)


def caught_s(sim: ds.Simulation, kind: str) -> list[float]:
    """When the trace has records of a kind, in seconds."""
    return [record.time_us / SECOND for record in sim.trace if record.kind == kind]


# --- activities -----------------------------------------------------------------------------------------------------
@ds.activity
async def echo(ctx: ds.ActivityContext, value: Any = None) -> Any:
    """Gives back what it is given."""
    return value


@ds.activity
async def nap(ctx: ds.ActivityContext, duration: str) -> str:
    """Takes its time, and says nothing meanwhile."""
    await ctx.sleep(duration)
    return duration


@ds.activity
async def beats(ctx: ds.ActivityContext, duration: str, times: int) -> Any:
    """Sleeps and heartbeats in turn; gives the number of its attempt and what the one before told."""
    for turn in range(times):
        ctx.heartbeat(turn)
        await ctx.sleep(duration)
    return [ctx.attempt, list(ctx.heartbeat_details)]


def do(ctx: ds.WorkflowContext, activity: Any, *arguments: Any, **options: Any) -> Any:
    """An activity, at most a minute each attempt."""
    return ctx.execute_activity(activity, *arguments, **({"start_to_close_timeout": "1m"} | options))
