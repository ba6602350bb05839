"""What user code asks of the machinery that runs it: data, imperative, without any behaviour.

A workflow's commands are numbered from 1 in the order in which the code issues them (`step`); activities (local ones
included) and timers have counts of their own besides, as in the real engine, which makes their `id`. Services and
sleeps are what an activity asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

from durable_sim.errors import UnknownNameError
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.retry import RetryPolicy

CancellationType = Literal["TRY_CANCEL", "WAIT_CANCELLATION_COMPLETED", "ABANDON"]
"""What becomes of an activity when its caller is cancelled: it is told and not waited for, it is told and waited for,
or it is left alone."""
ChildCancellationType = Literal[CancellationType, "WAIT_CANCELLATION_REQUESTED"]
"""The same of a child, and a fourth, which the real SDK (1.35) has but treats as "WAIT_CANCELLATION_COMPLETED"."""
ParentClosePolicy = Literal["TERMINATE", "ABANDON", "REQUEST_CANCEL"]
IdReusePolicy = Literal["ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE", "TERMINATE_IF_RUNNING"]


class ActivityOptions(NamedTuple):
    """Time-outs (microseconds, None for unset), retry policy, queue and cancellation of one activity call."""

    start_to_close_us: int | None
    schedule_to_close_us: int | None
    heartbeat_us: int | None
    retry_policy: RetryPolicy
    schedule_to_start_us: int | None = None
    task_queue: str | None = None
    cancellation: CancellationType = "TRY_CANCEL"

    def as_recorded(self) -> ActivityOptions:
        """The same as a server records it: what is unset or longer than the whole is the whole.

        >>> ActivityOptions(None, 4_000_000, None, RetryPolicy()).as_recorded().start_to_close_us
        4000000
        """
        one, whole = self.start_to_close_us, self.schedule_to_close_us
        wait, beat = self.schedule_to_start_us, self.heartbeat_us
        if whole is None and beat is None:
            return self
        if whole is not None:
            one = whole if one is None else min(one, whole)
            wait = whole if wait is None else min(wait, whole)
        if beat is not None and one is not None:
            beat = min(beat, one)
        return self._replace(start_to_close_us=one, schedule_to_start_us=wait, heartbeat_us=beat)


class ScheduleActivity(NamedTuple):
    """Run an activity, again and again if need be, until it succeeds or may not be tried any more."""

    step: int
    name: str
    function: Callable[..., Any] | None
    arguments: tuple[Any, ...]
    options: ActivityOptions
    id: str = ""


class RequestCancelActivity(NamedTuple):
    """Tell an activity, by the step that scheduled it, that it is no longer wanted."""

    step: int
    target: int


class ScheduleLocalActivity(NamedTuple):
    """Run an activity in the worker, within the workflow task; only its outcome reaches the history."""

    step: int
    name: str
    function: Callable[..., Any] | None
    arguments: tuple[Any, ...]
    options: ActivityOptions
    seq: int
    attempt: int
    threshold_us: int | None
    scheduled_us: int | None


class CancelLocalActivity(NamedTuple):
    """A local activity is no longer wanted; `attempt` and `scheduled_us` are those that it was asked for with."""

    seq: int
    name: str
    attempt: int
    scheduled_us: int | None


class StartTimer(NamedTuple):
    """Wake the workflow after a time span."""

    step: int
    duration_us: int
    id: str = ""


class CancelTimer(NamedTuple):
    """Call off a timer, by the step that started it."""

    step: int
    target: int


class StartChild(NamedTuple):
    """Run another workflow, whose end this one can wait for."""

    step: int
    workflow_id: str
    workflow_type: str
    function: Callable[..., Any] | None
    arguments: tuple[Any, ...]
    task_queue: str | None = None
    execution_timeout_us: int | None = None
    run_timeout_us: int | None = None
    task_timeout_us: int | None = None
    retry_policy: RetryPolicy | None = None
    parent_close_policy: ParentClosePolicy = "TERMINATE"
    id_reuse_policy: IdReusePolicy = "ALLOW_DUPLICATE"


class CancelExternal(NamedTuple):
    """Ask another workflow to cancel; `child` says that it must be one of this workflow's children."""

    step: int
    workflow_id: str
    run_id: str | None
    child: bool


class SignalExternal(NamedTuple):
    """Send a signal to another workflow."""

    step: int
    workflow_id: str
    run_id: str | None
    name: str
    arguments: tuple[Any, ...]
    child: bool


class SetPatch(NamedTuple):
    """Record that the code took the new path of a patch."""

    id: str
    deprecated: bool


class RecordMarker(NamedTuple):
    """Record something that the code must find again when it is replayed."""

    name: str
    details: dict[str, list[Any]]
    failure: Failure | None = None


class UpsertSearchAttributes(NamedTuple):
    """Set search attributes of the execution."""

    attributes: dict[str, Any]


class UpsertMemo(NamedTuple):
    """Set entries of the execution's memo."""

    memo: dict[str, Any]


class AcceptUpdate(NamedTuple):
    """The validator has let an update in: from here on it is in the history."""

    id: str
    name: str
    arguments: tuple[Any, ...]


class RejectUpdate(NamedTuple):
    """The validator has refused an update; nothing of it is kept."""

    id: str
    failure: Failure


class CompleteUpdate(NamedTuple):
    """An update's handler has returned, or has raised a failure."""

    id: str
    result: Any
    failure: Failure | None = None


class CompleteWorkflow(NamedTuple):
    """The function has returned."""

    result: Any


class FailWorkflow(NamedTuple):
    """The function has raised a failure."""

    failure: Failure


class CancelWorkflow(NamedTuple):
    """The function has let its cancellation out."""

    details: tuple[Any, ...] = ()


class ContinueAsNew(NamedTuple):
    """End this run, and start the next with an empty history."""

    workflow_type: str | None
    arguments: tuple[Any, ...]
    task_queue: str | None = None
    run_timeout_us: int | None = None
    task_timeout_us: int | None = None


class CallService(NamedTuple):
    """Send a request to a service and wait for its answer."""

    step: int
    service: str
    operation: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class Sleep(NamedTuple):
    """Let simulated time pass inside an activity; it does not outlive the process."""

    step: int
    duration_us: int


def known_choice(what: str, value: str, choices: Any) -> None:
    """Refuse a value that is none of a `Literal`.

    Raises:
        UnknownNameError: it is none of them.
    """
    known: tuple[str, ...] = get_args(choices)
    if value not in known:
        raise UnknownNameError(what, value, known)


Awaited = (
    ScheduleActivity | ScheduleLocalActivity | StartTimer | StartChild | CancelExternal | SignalExternal
    | CallService | Sleep
)  # fmt: skip
"""Commands whose result the code can wait for."""
Closing = CompleteWorkflow | FailWorkflow | CancelWorkflow | ContinueAsNew
CLOSING = (CompleteWorkflow, FailWorkflow, CancelWorkflow, ContinueAsNew)
Command = (
    Awaited | RequestCancelActivity | CancelLocalActivity | CancelTimer | SetPatch | RecordMarker
    | UpsertSearchAttributes | UpsertMemo | AcceptUpdate | RejectUpdate | CompleteUpdate | Closing
)  # fmt: skip
