"""The exchange form, part 4: which attributes each type of event has, and where the real form keeps them.

One table. To add an attribute, add a line; to add a type of event, add an entry.
"""

from __future__ import annotations

from durable_sim.models.replay.exchange.codecs import (
    EVENT_ID,
    EVENT_ID_OR_ZERO,
    FLAG,
    SPAN,
    TEXT,
    TIMEOUT,
    WHOLE,
    WRITTEN_ONLY,
    Codec,
    Field,
    enum,
)
from durable_sim.models.replay.exchange.failures import FAILURE, RETRY_POLICY, RETRY_STATE, TIMEOUT_TYPE
from durable_sim.models.replay.exchange.payloads import (
    LOCAL_ACTIVITY,
    NAMED_LISTS,
    NAMED_VALUES,
    RESULT,
    SEARCH_ATTRIBUTES,
    VALUES,
)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _fields(codec: Codec, *names: str, required: bool = False) -> tuple[Field, ...]:
    """Attributes that are called the same there, in camelCase."""
    return tuple(Field(name, _camel(name), codec, required) for name in names)


def _cause(kind: str) -> Field:
    return Field("cause", "cause", enum(kind))


_QUEUE_KIND = enum("TASK_QUEUE_KIND")
_NORMAL_QUEUE = Codec(
    lambda name: {"name": name, "kind": "TASK_QUEUE_KIND_NORMAL"},
    lambda value: TEXT.read(value.get("name", "")) if isinstance(value, dict) else TEXT.read(value),
    "a task queue",
)
_INITIATOR = Field("initiator", "initiator", enum("CONTINUE_AS_NEW_INITIATOR", CONTINUE_AS_NEW="WORKFLOW"))

_QUEUE = Field("task_queue", "taskQueue", _NORMAL_QUEUE)
_WORKFLOW_TYPE = Field("workflow_type", "workflowType.name", TEXT, required=True)
_INPUT = Field("input", "input", VALUES)
_DETAILS = Field("details", "details", VALUES)
_RESULT = Field("result", "result", RESULT)
_FAILURE = Field("failure", "failure", FAILURE)
_RETRY_STATE = Field("retry_state", "retryState", RETRY_STATE)
_POLICY = Field("retry_policy", "retryPolicy", RETRY_POLICY)
_MEMO = Field("memo", "memo.fields", NAMED_VALUES)
_SEARCH_ATTRIBUTES = Field("search_attributes", "searchAttributes.indexedFields", SEARCH_ATTRIBUTES)
_BUILD_ID = Field("build_id", "workerVersion.buildId", TEXT)
_IDENTITY = Field("identity", "identity", TEXT)
_ATTEMPT = Field("attempt", "attempt", WHOLE)
_NEW_RUN = Field("new_run_id", "newExecutionRunId", TEXT)
_TIMEOUTS = (
    Field("execution_timeout_us", "workflowExecutionTimeout", TIMEOUT),
    Field("run_timeout_us", "workflowRunTimeout", TIMEOUT),
    Field("task_timeout_us", "workflowTaskTimeout", TIMEOUT),
)
_BY_TASK = _fields(EVENT_ID, "workflow_task_completed_event_id", required=True)
_SCHEDULED = _fields(EVENT_ID, "scheduled_event_id", required=True)
_STARTED = _fields(EVENT_ID, "started_event_id", required=True)
_STARTED_OR_NOT = _fields(EVENT_ID_OR_ZERO, "started_event_id")
_INITIATED = _fields(EVENT_ID, "initiated_event_id", required=True)
_EXECUTION = (
    Field("workflow_id", "workflowExecution.workflowId", TEXT, required=True),
    Field("run_id", "workflowExecution.runId", TEXT),
)
_CHILD = (*_INITIATED, *_EXECUTION, _WORKFLOW_TYPE)
_CHILD_CLOSED = (*_CHILD, *_STARTED)
_TIMER = _fields(TEXT, "timer_id", required=True)
_UPDATE_ID = Field("update_id", "meta.updateId", TEXT, required=True)
_CHILD_ONLY = _fields(FLAG, "child_workflow_only")

_STARTED_RUN = (
    *_fields(TEXT, "workflow_id"),
    _WORKFLOW_TYPE,
    Field("run_id", "originalExecutionRunId", TEXT),
    Field("first_run_id", "firstExecutionRunId", TEXT),
    Field("continued_run_id", "continuedExecutionRunId", TEXT),
    _INPUT,
    _QUEUE,
    *_TIMEOUTS,
    _ATTEMPT,
    Field("first_task_backoff_us", "firstWorkflowTaskBackoff", SPAN),
    _POLICY,
    _INITIATOR,
    Field("parent.workflow_id", "parentWorkflowExecution.workflowId", TEXT),
    Field("parent.run_id", "parentWorkflowExecution.runId", TEXT),
    Field("parent.initiated_event_id", "parentInitiatedEventId", EVENT_ID),
    Field("root.workflow_id", "rootWorkflowExecution.workflowId", TEXT),
    Field("root.run_id", "rootWorkflowExecution.runId", TEXT),
    _MEMO,
    _SEARCH_ATTRIBUTES,
    Field("last_failure", "continuedFailure", FAILURE),
    _IDENTITY,
)
_CONTINUED_AS_NEW = (
    _NEW_RUN,
    _WORKFLOW_TYPE,
    _QUEUE,
    _INPUT,
    *_TIMEOUTS[1:],
    Field("backoff_us", "backoffStartInterval", SPAN),
    _INITIATOR,
    _FAILURE,
    _MEMO,
    _SEARCH_ATTRIBUTES,
    *_BY_TASK,
)
_ACTIVITY_SCHEDULED = (
    *_fields(TEXT, "activity_id", required=True),
    Field("activity_type", "activityType.name", TEXT, required=True),
    _QUEUE,
    _INPUT,
    Field("schedule_to_close_us", "scheduleToCloseTimeout", TIMEOUT),
    Field("schedule_to_start_us", "scheduleToStartTimeout", TIMEOUT),
    Field("start_to_close_us", "startToCloseTimeout", TIMEOUT),
    Field("heartbeat_us", "heartbeatTimeout", TIMEOUT),
    _POLICY,
    *_BY_TASK,
)
_UPDATE_ACCEPTED = (
    Field("update_id", "protocolInstanceId", TEXT, required=True),
    Field("update_id", "acceptedRequest.meta.updateId", WRITTEN_ONLY),
    Field("update_id", "acceptedRequestMessageId", WRITTEN_ONLY._replace(write="{}/request".format)),
    Field("sequencing_event_id", "acceptedRequestSequencingEventId", EVENT_ID),
    Field("identity", "acceptedRequest.meta.identity", TEXT),
    Field("name", "acceptedRequest.input.name", TEXT, required=True),
    Field("input", "acceptedRequest.input.args", VALUES),
)
_CHILD_INITIATED = (
    *_fields(TEXT, "workflow_id", required=True),
    _WORKFLOW_TYPE,
    _QUEUE,
    _INPUT,
    *_TIMEOUTS,
    Field("parent_close_policy", "parentClosePolicy", enum("PARENT_CLOSE_POLICY")),
    Field("id_reuse_policy", "workflowIdReusePolicy", enum("WORKFLOW_ID_REUSE_POLICY")),
    _POLICY,
    _MEMO,
    _SEARCH_ATTRIBUTES,
    *_BY_TASK,
)
_CHILD_FAILED_TO_START = (
    *_fields(TEXT, "workflow_id"),
    _WORKFLOW_TYPE,
    _cause("START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE"),
    *_INITIATED,
    *_BY_TASK,
)
_TASK_FAILED = (
    *_SCHEDULED,
    *_STARTED,
    _cause("WORKFLOW_TASK_FAILED_CAUSE"),
    _FAILURE,
    _IDENTITY,
    *_fields(TEXT, "base_run_id", "new_run_id"),
)
_CANCEL_FAILED = _cause("CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE")
_SIGNAL_FAILED = _cause("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE")
_MARKER = (*_fields(TEXT, "marker_name", required=True), _FAILURE, *_BY_TASK)

FIELDS: dict[str, tuple[Field, ...]] = {
    "WorkflowExecutionStarted": _STARTED_RUN,
    "WorkflowExecutionCompleted": (_RESULT, *_BY_TASK, _NEW_RUN),
    "WorkflowExecutionFailed": (_FAILURE, _RETRY_STATE, *_BY_TASK, _NEW_RUN),
    "WorkflowExecutionTimedOut": (_RETRY_STATE, _NEW_RUN),
    "WorkflowExecutionCanceled": (_DETAILS, *_BY_TASK),
    "WorkflowExecutionTerminated": (*_fields(TEXT, "reason", "identity"), _DETAILS),
    "WorkflowExecutionContinuedAsNew": _CONTINUED_AS_NEW,
    "WorkflowExecutionSignaled": (*_fields(TEXT, "signal_name", required=True), _INPUT, _IDENTITY),
    "WorkflowExecutionCancelRequested": _fields(TEXT, "cause", "identity"),
    "WorkflowExecutionUpdateAccepted": _UPDATE_ACCEPTED,
    "WorkflowExecutionUpdateCompleted": (
        _UPDATE_ID,
        Field("identity", "meta.identity", TEXT),
        *_fields(EVENT_ID, "accepted_event_id", required=True),
        Field("result", "outcome.success", RESULT),
        Field("failure", "outcome.failure", FAILURE),
    ),
    "WorkflowTaskScheduled": (
        Field("task_queue", "taskQueue.name", TEXT),
        Field("task_queue_kind", "taskQueue.kind", _QUEUE_KIND),
        Field("start_to_close_us", "startToCloseTimeout", TIMEOUT),
        _ATTEMPT,
    ),
    "WorkflowTaskStarted": (*_SCHEDULED, _IDENTITY, *_fields(FLAG, "suggest_continue_as_new"), _BUILD_ID),
    "WorkflowTaskCompleted": (*_SCHEDULED, *_STARTED, _IDENTITY, _BUILD_ID),
    "WorkflowTaskFailed": _TASK_FAILED,
    "WorkflowTaskTimedOut": (*_SCHEDULED, *_STARTED_OR_NOT, Field("timeout_type", "timeoutType", TIMEOUT_TYPE)),
    "ActivityTaskScheduled": _ACTIVITY_SCHEDULED,
    "ActivityTaskStarted": (
        *_SCHEDULED,
        _IDENTITY,
        _ATTEMPT,
        Field("last_failure", "lastFailure", FAILURE),
        _BUILD_ID,
    ),
    "ActivityTaskCompleted": (_RESULT, *_SCHEDULED, *_STARTED, _IDENTITY),
    "ActivityTaskFailed": (_FAILURE, *_SCHEDULED, *_STARTED, _IDENTITY, _RETRY_STATE),
    "ActivityTaskTimedOut": (_FAILURE, *_SCHEDULED, *_STARTED_OR_NOT, _RETRY_STATE),
    "ActivityTaskCancelRequested": (*_SCHEDULED, *_BY_TASK),
    "ActivityTaskCanceled": (
        _DETAILS,
        *_fields(EVENT_ID, "latest_cancel_requested_event_id"),
        *_SCHEDULED,
        *_STARTED_OR_NOT,
        _IDENTITY,
    ),
    "TimerStarted": (*_TIMER, Field("start_to_fire_us", "startToFireTimeout", SPAN), *_BY_TASK),
    "TimerFired": (*_TIMER, *_STARTED),
    "TimerCanceled": (*_TIMER, *_STARTED, *_BY_TASK, _IDENTITY),
    "StartChildWorkflowExecutionInitiated": _CHILD_INITIATED,
    "StartChildWorkflowExecutionFailed": _CHILD_FAILED_TO_START,
    "ChildWorkflowExecutionStarted": _CHILD,
    "ChildWorkflowExecutionCompleted": (_RESULT, *_CHILD_CLOSED),
    "ChildWorkflowExecutionFailed": (_FAILURE, _RETRY_STATE, *_CHILD_CLOSED),
    "ChildWorkflowExecutionCanceled": (_DETAILS, *_CHILD_CLOSED),
    "ChildWorkflowExecutionTimedOut": (_RETRY_STATE, *_CHILD_CLOSED),
    "ChildWorkflowExecutionTerminated": _CHILD_CLOSED,
    "RequestCancelExternalWorkflowExecutionInitiated": (*_EXECUTION, *_CHILD_ONLY, *_BY_TASK),
    "RequestCancelExternalWorkflowExecutionFailed": (*_EXECUTION, _CANCEL_FAILED, *_INITIATED, *_BY_TASK),
    "ExternalWorkflowExecutionCancelRequested": (*_INITIATED, *_EXECUTION),
    "SignalExternalWorkflowExecutionInitiated": (
        *_EXECUTION,
        *_fields(TEXT, "signal_name", required=True),
        _INPUT,
        *_CHILD_ONLY,
        *_BY_TASK,
    ),
    "SignalExternalWorkflowExecutionFailed": (*_EXECUTION, _SIGNAL_FAILED, *_INITIATED, *_BY_TASK),
    "ExternalWorkflowExecutionSignaled": (*_INITIATED, *_EXECUTION),
    "MarkerRecorded": (*_MARKER, Field("details", "details", NAMED_LISTS)),
    "UpsertWorkflowSearchAttributes": (_SEARCH_ATTRIBUTES, *_BY_TASK),
    "WorkflowPropertiesModified": (Field("memo", "upsertedMemo.fields", NAMED_VALUES), *_BY_TASK),
}
"""The attributes of every type of event that can be exchanged. What is not named here stays out."""

_LOCAL_ACTIVITY = (*_MARKER, Field("details", "details", LOCAL_ACTIVITY))


def fields_of(kind: str, marker: object) -> tuple[Field, ...]:
    """The attributes of an event type; a local activity's marker has times in its details."""
    return _LOCAL_ACTIVITY if marker == "core_local_activity" else FIELDS[kind]
