"""What goes wrong in steps, as user code raises and meets it."""

from __future__ import annotations

from durable_sim.durations import Duration
from durable_sim.workflows.failures import ApplicationError, WorkflowFailure

NON_RETRIABLE, RETRY_AFTER, CODED = "NonRetriableError", "RetryAfterError", "CodedError"


class StepError(WorkflowFailure):
    """A step has failed for good; `name` and `message` are those of its last error, as they were remembered."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message

    def __str__(self) -> str:
        return self.message


class NonRetriableError(ApplicationError):
    """Raised by a step or a function: another attempt would be of no use.

    With the Python SDK a step's is not remembered: what later entries are to act upon is better returned as data.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, NON_RETRIABLE, non_retryable=True)
        self.args = (message,)  # what it is made from again after pickling


class RetryAfterError(ApplicationError):
    """Raised by a step or a function: the next attempt should be made `after` so long (kept between 1 s and 24 h)."""

    def __init__(self, message: str, after: Duration) -> None:
        super().__init__(message, RETRY_AFTER, next_retry_delay=after)
        self.args = (message, after)
        self.after = after


class NestedStepError(ApplicationError):
    """A step was asked for inside a step."""

    def __init__(self) -> None:
        super().__init__("Nested steps are not supported.", CODED, non_retryable=True)
        self.args = ()
