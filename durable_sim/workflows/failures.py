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
    `-- ActivityTimeout          as a cause: the engine stopped waiting for an attempt
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from durable_sim.durations import Duration, duration_us

START_TO_CLOSE = "START_TO_CLOSE"
SCHEDULE_TO_CLOSE = "SCHEDULE_TO_CLOSE"
HEARTBEAT = "HEARTBEAT"


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
    ) -> None:
        super().__init__(message, type, non_retryable, next_retry_delay)
        self.message = message
        self.type = type
        self.non_retryable = non_retryable
        self.next_retry_delay = next_retry_delay

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.type != "ApplicationError" else self.message


class ActivityError(WorkflowFailure):
    """An activity failed for good: not retryable, out of attempts or out of time (`retry_state`)."""

    def __init__(self, activity: str, retry_state: str) -> None:
        super().__init__(activity, retry_state)
        self.activity = activity
        self.retry_state = retry_state

    def __str__(self) -> str:
        return f"activity {self.activity} failed ({self.retry_state}): {self.cause}"


class ActivityTimeout(WorkflowFailure):
    """The engine stopped waiting for an attempt, which may still be running."""

    def __init__(self, timeout_type: str) -> None:
        super().__init__(timeout_type)
        self.timeout_type = timeout_type

    def __str__(self) -> str:
        return f"activity {self.timeout_type} timeout"


class Failure(NamedTuple):
    """A failure as plain data."""

    type: str
    message: str
    non_retryable: bool = False
    timeout_type: str | None = None
    next_retry_delay_us: int | None = None
    cause: Failure | None = None

    def to_exception(self) -> WorkflowFailure:
        """The exception that a workflow sees for it."""
        error: WorkflowFailure
        if self.timeout_type is not None:
            error = ActivityTimeout(self.timeout_type)
        else:
            delay_us = self.next_retry_delay_us
            delay = None if delay_us is None else timedelta(microseconds=delay_us)
            error = ApplicationError(self.message, self.type, self.non_retryable, delay)
        if self.cause is not None:
            error.__cause__ = self.cause.to_exception()
        return error

    def to_json(self) -> dict[str, Any]:
        """The failure without its empty fields."""
        values = zip(self._fields, self, strict=True)
        fields: dict[str, Any] = {name: value for name, value in values if value is not None and value is not False}
        if self.cause is not None:
            fields["cause"] = self.cause.to_json()
        return fields


def failure_of(error: BaseException) -> Failure:
    """The data form of an exception that user code raised."""
    return _failure_of(error, ())


def _failure_of(error: BaseException, told: tuple[BaseException, ...]) -> Failure:
    """`told` holds the errors that this one is a cause of; a chain that comes back to one of them ends there."""
    behind = error.__cause__
    cause = None if behind is None or behind is error or behind in told else _failure_of(behind, (*told, error))
    if isinstance(error, ApplicationError):
        delay = None if error.next_retry_delay is None else duration_us(error.next_retry_delay)
        return Failure(error.type, error.message, error.non_retryable, None, delay, cause)
    if isinstance(error, ActivityTimeout):
        return Failure("ActivityTimeout", str(error), False, error.timeout_type, None, cause)
    return Failure(type(error).__name__, str(error), cause=cause)


def timeout_failure(timeout_type: str, cause: Failure | None = None) -> Failure:
    """The data form of a time-out of an activity; `cause` is the failure of the attempt before."""
    return Failure("ActivityTimeout", f"activity {timeout_type} timeout", timeout_type=timeout_type, cause=cause)


def activity_error(activity: str, retry_state: str, failure: Failure) -> ActivityError:
    """What the workflow catches when an activity has failed for good."""
    error = ActivityError(activity, retry_state)
    error.__cause__ = failure.to_exception()
    return error
