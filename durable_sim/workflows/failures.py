"""Failures of the simulated world, as user code meets them, and their plain-data form.

Exceptions are what code raises and catches; a `Failure` is what an engine can keep in a history or a database row.
Always holds: `failure_of(error).to_exception()` has the same type name, message and chain of causes under every
execution model, so a workflow cannot tell the models apart by what it catches.

    ServiceError                 an activity's call of a service went wrong
    |-- CallTimeout              no answer in time: it happened, or not, or it will
    |-- ServerError              a 500: it happened, or not
    |-- ServiceUnavailable       a definite "not now": it did not happen
    `-- Rejected                 a definite "no" (card declined, out of stock, ...)
    WorkflowFailure              what ends a workflow as failed when it is not caught
    |-- ApplicationError         raised by users' own code, retryable or not
    |-- ActivityError            an activity failed for good; `cause` says why
    |-- ChildWorkflowError       a child workflow did not complete; `cause` says why
    |-- ActivityTimeout          as a cause: the engine stopped waiting for an attempt
    |-- CancelledFailure         as a cause: it was cancelled
    `-- TerminatedFailure        as a cause: it was terminated
    NonDeterminismError          the code does not do what its history says; fails the task, not the workflow

A cancelled workflow or activity finds `CancelledError` (asyncio's) at the place where it waits.
"""

from __future__ import annotations

from asyncio import CancelledError
from datetime import timedelta
from typing import Any, NamedTuple

from durable_sim.durations import Duration, duration_us

START_TO_CLOSE = "START_TO_CLOSE"
SCHEDULE_TO_START = "SCHEDULE_TO_START"
SCHEDULE_TO_CLOSE = "SCHEDULE_TO_CLOSE"
HEARTBEAT = "HEARTBEAT"

APPLICATION, ACTIVITY, CHILD = "application", "activity", "child"
TIMED_OUT, CANCELED, TERMINATED, SERVER = "timeout", "canceled", "terminated", "server"
"""The kinds of failure that a history tells apart."""

_TIMEOUT_MESSAGES = {
    START_TO_CLOSE: "activity StartToClose timeout",
    SCHEDULE_TO_START: "activity ScheduleToStart timeout",
    HEARTBEAT: "activity Heartbeat timeout",
    SCHEDULE_TO_CLOSE: "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up "
    "retrying",
}


class ServiceError(Exception):
    """A call of a service failed; the base of all the ways in which it can."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(subject, message)
        self.subject = subject
        self.message = message

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


class CallTimeout(ServiceError):
    """No answer within the client's time-out. The effect may have happened, may yet happen, or never will."""


class ServerError(ServiceError):
    """The service answered 500. The effect may or may not have happened."""


class ServiceUnavailable(ServiceError):
    """The service refused before it did anything (429 or 503)."""


class Rejected(ServiceError):
    """The service understood and said no, for a reason that a mere retry rarely changes."""


class WorkflowFailure(Exception):
    """Base of the failures that fail a workflow, as opposed to a mistake in its code."""

    @property
    def cause(self) -> BaseException | None:
        """The failure behind this one."""
        return self.__cause__

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the causes, which pickling would leave behind."""
        return type(self), self.args, {**self.__dict__, "__cause__": self.__cause__}


class ApplicationError(WorkflowFailure):
    """A failure that users' code raises on purpose.

    `type` is the name that `RetryPolicy.non_retryable_error_types` matches; `next_retry_delay` overrides the policy's.
    """

    def __init__(
        self,
        message: str,
        type: str = "ApplicationError",
        non_retryable: bool = False,
        next_retry_delay: Duration | None = None,
        details: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(message, type, non_retryable, next_retry_delay, details)
        self.details = tuple(details)
        self.message = message
        self.type = type
        self.non_retryable = non_retryable
        self.next_retry_delay = next_retry_delay

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.type != "ApplicationError" else self.message


class ActivityError(WorkflowFailure):
    """An activity failed for good: not retryable, out of attempts, out of time or cancelled (`retry_state`)."""

    def __init__(self, activity: str, retry_state: str, info: dict[str, Any] | None = None) -> None:
        super().__init__(activity, retry_state, info)
        self.activity = activity
        self.retry_state = retry_state
        self.info = info or {"activity_type": activity, "retry_state": retry_state}

    def __str__(self) -> str:
        return f"activity {self.activity} failed ({self.retry_state}): {self.cause}"


class ChildWorkflowError(WorkflowFailure):
    """A child workflow failed, timed out, or was cancelled or terminated."""

    def __init__(self, workflow_id: str, retry_state: str, info: dict[str, Any] | None = None) -> None:
        super().__init__(workflow_id, retry_state, info)
        self.workflow_id = workflow_id
        self.retry_state = retry_state
        self.info = info or {"workflow_id": workflow_id, "retry_state": retry_state}

    def __str__(self) -> str:
        return f"child workflow {self.workflow_id} failed ({self.retry_state}): {self.cause}"


class ActivityTimeout(WorkflowFailure):
    """The engine stopped waiting for an attempt, which may still be running."""

    def __init__(self, timeout_type: str, message: str | None = None) -> None:
        super().__init__(timeout_type, message)
        self.timeout_type = timeout_type
        self.message = message or _TIMEOUT_MESSAGES.get(timeout_type, f"{timeout_type} timeout")

    def __str__(self) -> str:
        return self.message


class CancelledFailure(WorkflowFailure):
    """What was waited for was cancelled."""

    def __init__(self, message: str = "Cancelled", *details: Any) -> None:
        super().__init__(message, *details)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return self.message


class TerminatedFailure(WorkflowFailure):
    """What was waited for was terminated."""

    def __init__(self, message: str = "terminated") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class NonDeterminismError(Exception):
    """Code and history disagree: at which event, what is recorded, what the code asked, what to do.

    It is no `WorkflowFailure`: it fails the workflow task, which is tried again, and heals when the code does. A
    workflow that lists it in `failure_exception_types` fails instead.
    """

    def __init__(self, event_id: int, recorded: str, asked: str) -> None:
        super().__init__(event_id, recorded, asked)
        self.event_id = event_id
        self.recorded = recorded
        self.asked = asked

    def __str__(self) -> str:
        return (
            f"[TMPRL1100] Nondeterminism error: event {self.event_id}: the history has {self.recorded}, the code asked "
            f"for {self.asked}; roll the code back, keep the old order of commands for executions that are under way "
            "(ctx.patched), or pin them to the old build"
        )


class Failure(NamedTuple):
    """A failure as plain data. `info` says which activity or child it is about, for those kinds."""

    type: str
    message: str
    non_retryable: bool = False
    timeout_type: str | None = None
    next_retry_delay_us: int | None = None
    cause: Failure | None = None
    kind: str = APPLICATION
    info: dict[str, Any] | None = None
    details: tuple[Any, ...] = ()

    def to_exception(self) -> WorkflowFailure:
        """The exception that a workflow sees for it."""
        error = self._bare_exception()
        if self.cause is not None:
            error.__cause__ = self.cause.to_exception()
        return error

    def _bare_exception(self) -> WorkflowFailure:
        info = self.info or {}
        match self.kind:
            case "timeout":
                return ActivityTimeout(self.timeout_type or "", self.message)
            case "activity":
                return ActivityError(info.get("activity_type", ""), info.get("retry_state", ""), info)
            case "child":
                return ChildWorkflowError(info.get("workflow_id", ""), info.get("retry_state", ""), info)
            case "canceled":
                return CancelledFailure(self.message, *self.details)
            case "terminated":
                return TerminatedFailure(self.message)
        delay_us = self.next_retry_delay_us
        delay = None if delay_us is None else timedelta(microseconds=delay_us)
        return ApplicationError(self.message, self.type, self.non_retryable, delay, self.details)

    @property
    def told(self) -> str:
        """The whole of it in one line: an activity's or a child's failure says which, and why.

        >>> Failure("Flaky", "boom").told
        'Flaky: boom'
        """
        return str(self.to_exception())

    def to_json(self) -> dict[str, Any]:
        """The failure without its empty fields."""
        values = zip(self._fields, self, strict=True)
        fields: dict[str, Any] = {name: value for name, value in values if value is not None and value is not False}
        if self.kind == APPLICATION:
            del fields["kind"]
        if self.cause is not None:
            fields["cause"] = self.cause.to_json()
        fields["details"] = list(self.details)
        if not self.details:
            del fields["details"]
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Failure:
        """Read back what `to_json` gave.

        >>> Failure.from_json(Failure("Flaky", "boom", cause=Failure("Deep", "below")).to_json()).cause.message
        'below'
        """
        cause = fields.get("cause")
        changes = {"cause": cause and cls.from_json(cause), "details": tuple(fields.get("details", ()))}
        return cls(**(fields | changes))


def failure_of(error: BaseException) -> Failure:
    """The data form of an exception that user code raised."""
    return _failure_of(error, ())


def _failure_of(error: BaseException, told: tuple[BaseException, ...]) -> Failure:
    """`told` holds the errors that this one is a cause of; a chain that comes back to one of them ends there."""
    behind = error.__cause__
    cause = None if behind is None or behind is error or behind in told else _failure_of(behind, (*told, error))
    match error:
        case ApplicationError():
            delay = None if error.next_retry_delay is None else duration_us(error.next_retry_delay)
            return Failure(
                error.type, error.message, error.non_retryable, None, delay, cause, details=tuple(error.details)
            )
        case ActivityTimeout():
            return Failure("ActivityTimeout", str(error), False, error.timeout_type, None, cause, TIMED_OUT)
        case ActivityError():
            return Failure("ActivityError", "Activity task failed", cause=cause, kind=ACTIVITY, info=error.info)
        case ChildWorkflowError():
            message = "Child Workflow execution failed"
            return Failure("ChildWorkflowError", message, cause=cause, kind=CHILD, info=error.info)
        case CancelledFailure() | CancelledError():
            return cancelled_failure(str(error) or "Cancelled", getattr(error, "details", ()))
        case TerminatedFailure():
            return Failure("TerminatedFailure", str(error), cause=cause, kind=TERMINATED)
    return Failure(type(error).__name__, str(error), cause=cause)


def timeout_failure(timeout_type: str, cause: Failure | None = None) -> Failure:
    """The data form of a time-out of an activity; `cause` is the failure of the attempt before."""
    message = _TIMEOUT_MESSAGES.get(timeout_type, f"{timeout_type} timeout")
    return Failure("ActivityTimeout", message, timeout_type=timeout_type, cause=cause, kind=TIMED_OUT)


def cancelled_failure(message: str = "Cancelled", details: tuple[Any, ...] = ()) -> Failure:
    """The data form of a cancellation."""
    return Failure("CancelledFailure", message, kind=CANCELED, details=tuple(details))


def activity_error(
    activity: str, retry_state: str, failure: Failure, info: dict[str, Any] | None = None
) -> ActivityError:
    """What the workflow catches when an activity has failed for good."""
    error = ActivityError(activity, retry_state, info)
    error.__cause__ = failure.to_exception()
    return error


def child_error(workflow_id: str, retry_state: str, failure: Failure, info: dict[str, Any]) -> ChildWorkflowError:
    """What the workflow catches when a child did not complete."""
    error = ChildWorkflowError(workflow_id, retry_state, info)
    error.__cause__ = failure.to_exception()
    return error


def is_cancellation(error: BaseException | None) -> bool:
    """Whether an exception is a cancellation that was let out, or an activity's or child's that ended so."""
    if isinstance(error, (ActivityError, ChildWorkflowError)):
        return isinstance(error.cause, CancelledFailure)
    return isinstance(error, (CancelledError, CancelledFailure))
