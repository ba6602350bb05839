"""The exchange form, part 3: retry policies and failures.

A failure says its kind by which `...FailureInfo` it carries. Stack traces are left behind: what replays is the kind,
the type, the message and the chain of causes.
"""

from __future__ import annotations

from typing import Any

from durable_sim.durations import duration_us, format_us
from durable_sim.errors import UserError
from durable_sim.models.replay.exchange.codecs import (
    EVENT_ID,
    EVENT_ID_OR_ZERO,
    FLAG,
    SPAN,
    TEXT,
    WHOLE,
    Codec,
    Field,
    Mismatch,
    enum,
    read_fields,
    read_span,
    the,
    write_fields,
    write_span,
)
from durable_sim.models.replay.exchange.payloads import VALUES
from durable_sim.workflows.failures import (
    ACTIVITY,
    APPLICATION,
    CANCELED,
    CHILD,
    SERVER,
    TERMINATED,
    TIMED_OUT,
    Failure,
)
from durable_sim.workflows.retry import RetryPolicy

RETRY_STATE = enum("RETRY_STATE")
TIMEOUT_TYPE = enum("TIMEOUT_TYPE")
_DETAILS = Field("details", "details", VALUES)
_NON_RETRYABLE = Field("non_retryable", "nonRetryable", FLAG)
_RETRY_STATE = Field("info.retry_state", "retryState", RETRY_STATE)

_KINDS: dict[str, tuple[str, str, tuple[Field, ...]]] = {
    APPLICATION: (
        "applicationFailureInfo",
        "",
        (
            Field("type", "type", TEXT),
            _NON_RETRYABLE,
            _DETAILS,
            Field("next_retry_delay_us", "nextRetryDelay", SPAN),
        ),
    ),
    TIMED_OUT: (
        "timeoutFailureInfo",
        "ActivityTimeout",
        (Field("timeout_type", "timeoutType", TIMEOUT_TYPE), Field("details", "lastHeartbeatDetails", VALUES)),
    ),
    CANCELED: ("canceledFailureInfo", "CancelledFailure", (_DETAILS,)),
    TERMINATED: ("terminatedFailureInfo", "TerminatedFailure", ()),
    SERVER: ("serverFailureInfo", "ServerFailure", (_NON_RETRYABLE,)),
    ACTIVITY: (
        "activityFailureInfo",
        "ActivityError",
        (
            Field("info.scheduled_event_id", "scheduledEventId", EVENT_ID),
            Field("info.started_event_id", "startedEventId", EVENT_ID_OR_ZERO),
            Field("info.identity", "identity", TEXT),
            Field("info.activity_type", "activityType.name", TEXT),
            Field("info.activity_id", "activityId", TEXT),
            _RETRY_STATE,
        ),
    ),
    CHILD: (
        "childWorkflowExecutionFailureInfo",
        "ChildWorkflowError",
        (
            Field("info.workflow_id", "workflowExecution.workflowId", TEXT),
            Field("info.run_id", "workflowExecution.runId", TEXT),
            Field("info.workflow_type", "workflowType.name", TEXT),
            Field("info.initiated_event_id", "initiatedEventId", EVENT_ID),
            Field("info.started_event_id", "startedEventId", EVENT_ID_OR_ZERO),
            _RETRY_STATE,
        ),
    ),
}
"""For each kind: the key that says so, the type that it has here when none is written, and what is known of it."""


def write_failure(failure: Failure) -> dict[str, Any]:
    """A failure with its causes."""
    key, _, fields = _KINDS[failure.kind]
    body: dict[str, Any] = {"message": failure.message}
    if failure.kind == TIMED_OUT:
        body["source"] = "Server"
    if failure.cause is not None:
        body["cause"] = write_failure(failure.cause)
    return body | {key: write_fields(fields, failure._asdict() | {"details": list(failure.details)})}


def read_failure(value: Any) -> Failure:
    """A failure with its causes; of a kind that is not known here, the message is kept."""
    body = the(dict, value, "a failure")
    kind = next((kind for kind, (key, _, _) in _KINDS.items() if key in body), SERVER)
    key, name, fields = _KINDS[kind]
    try:
        known = read_fields(fields, the(dict, body.get(key) or {}, "an object"))
    except Mismatch as mismatch:
        raise mismatch.below(key) from None
    known["details"] = tuple(known.get("details", ()))
    known["message"] = the(str, body.get("message", ""), "text")
    known["cause"] = _read_cause(body.get("cause"))
    return Failure(**{"type": name, "kind": kind} | known)


def _read_cause(value: Any) -> Failure | None:
    try:
        return None if value is None else read_failure(value)
    except Mismatch as mismatch:
        raise mismatch.below("cause") from None


FAILURE = Codec(write_failure, read_failure, "a failure")


# --- retry policies -------------------------------------------------------------------------------------------------
def _write_policy(policy: RetryPolicy) -> dict[str, Any]:
    initial_us, maximum = duration_us(policy.initial_interval), policy.maximum_interval
    fields: dict[str, Any] = {
        "initialInterval": write_span(initial_us),
        "backoffCoefficient": float(policy.backoff_coefficient),
        "maximumInterval": write_span(100 * initial_us if maximum is None else duration_us(maximum)),
    }
    if policy.maximum_attempts:
        fields["maximumAttempts"] = policy.maximum_attempts
    if policy.non_retryable_error_types:
        fields["nonRetryableErrorTypes"] = list(policy.non_retryable_error_types)
    return fields


def _read_interval(value: Any) -> str:
    us = read_span(value)
    if us < 0:
        raise Mismatch(value, "a duration of 0s or more")
    return format_us(us)


def _read_coefficient(value: Any) -> float:
    number = the((int, float), value, "a number")
    if not 1 <= number <= 1e9:
        raise Mismatch(value, "a number from 1")
    return float(number)


def _read_types(value: Any) -> tuple[str, ...]:
    return tuple(the(str, name, "a type name") for name in the(list, value, "a list of type names"))


_INTERVAL = Codec(write_span, _read_interval, "a duration")
_POLICY = (
    Field("initial_interval", "initialInterval", _INTERVAL),
    Field("backoff_coefficient", "backoffCoefficient", Codec(float, _read_coefficient, "a number")),
    Field("maximum_interval", "maximumInterval", _INTERVAL),
    Field("maximum_attempts", "maximumAttempts", WHOLE),
    Field("non_retryable_error_types", "nonRetryableErrorTypes", Codec(list, _read_types, "a list of type names")),
)


def _read_policy(value: Any) -> RetryPolicy:
    known = read_fields(_POLICY, the(dict, value, "a retry policy"))
    try:
        return RetryPolicy(**known)
    except UserError as error:
        raise Mismatch(value, f"a retry policy that can be followed ({error})") from None


RETRY_POLICY = Codec(_write_policy, _read_policy, "a retry policy")
