"""Errors of the States Language: their names, and which names a Retry or a Catch means by its ErrorEquals.

Always holds: `StatesError.args` are its fields, so it survives pickling; States.Runtime matches nothing, not even
itself (the service never catches it).
"""

from __future__ import annotations

from collections.abc import Sequence

ALL = "States.ALL"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
TASK_FAILED = "States.TaskFailed"
PERMISSIONS = "States.Permissions"
RUNTIME = "States.Runtime"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
RESULT_PATH_MATCH_FAILURE = "States.ResultPathMatchFailure"
PARAMETER_PATH_FAILURE = "States.ParameterPathFailure"
BRANCH_FAILED = "States.BranchFailed"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
INTRINSIC_FAILURE = "States.IntrinsicFailure"
EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold"
ITEM_READER_FAILED = "States.ItemReaderFailed"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
HTTP_SOCKET = "States.Http.Socket"

RESERVED = (
    ALL,
    TIMEOUT,
    HEARTBEAT_TIMEOUT,
    TASK_FAILED,
    PERMISSIONS,
    RUNTIME,
    DATA_LIMIT_EXCEEDED,
    RESULT_PATH_MATCH_FAILURE,
    PARAMETER_PATH_FAILURE,
    BRANCH_FAILED,
    NO_CHOICE_MATCHED,
    INTRINSIC_FAILURE,
    EXCEED_TOLERATED_FAILURE_THRESHOLD,
    ITEM_READER_FAILED,
    RESULT_WRITER_FAILED,
    QUERY_EVALUATION_ERROR,
    HTTP_SOCKET,
)
"""All the names that begin with "States."; others of that form are mistakes."""


class StatesError(Exception):
    """A state that failed: `error` is a name such as "States.Runtime", `cause` a text for people."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.error}: {self.cause}" if self.cause else self.error


def matches(error_equals: Sequence[str], error: str) -> bool:
    """Whether an ErrorEquals list means `error`.

    A missed heartbeat carries the name States.HeartbeatTimeout here; it is also a States.Timeout.

    >>> matches(["States.TaskFailed"], "Card.Declined"), matches(["States.TaskFailed"], "States.Timeout")
    (True, False)
    >>> matches(["States.Timeout"], "States.HeartbeatTimeout"), matches(["States.ALL"], "States.Runtime")
    (True, False)
    """
    if error == RUNTIME:
        return False
    return any(_means(name, error) for name in error_equals)


def _means(name: str, error: str) -> bool:
    if name in (ALL, error):
        return True
    if name == TASK_FAILED:
        return error not in (TIMEOUT, HEARTBEAT_TIMEOUT)
    return name == TIMEOUT and error == HEARTBEAT_TIMEOUT
