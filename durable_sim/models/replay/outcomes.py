"""What the steps of a run have come to: tells the code what events say of activities, timers, children and strangers.

Always holds: an event that ends a step names the event that began it, and that one is matched to the code's command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.events import Event
from durable_sim.workflows.commands import Command
from durable_sim.workflows.failures import (
    Failure,
    NonDeterminismError,
    activity_error,
    cancelled_failure,
    child_error,
)
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import Program


class Outcomes:
    """Those of one run. `commands` are the ones matched so far, by their events."""

    __slots__ = ("_program", "cancel_requested", "commands")

    def __init__(self, program: Program) -> None:
        self._program = program
        self.commands: dict[int, Command] = {}
        self.cancel_requested = False

    def tell(self, event: Event) -> None:
        """Let the code know of an event, which must be one of `JOBS`."""
        JOBS[event.type](self, event)

    def ends(self, jobs: Sequence[Event]) -> Iterator[int]:
        """The steps whose end the code is about to be told. What it cancels of them meanwhile, it cancels too late."""
        for event in jobs:
            reference = _ENDS.get(event.type)
            command = self.commands.get(event.attributes[reference]) if reference else None
            if command is not None:
                yield command.step  # type: ignore[union-attr]

    # --- by kind of step --------------------------------------------------------------------------------------------
    def _activity_closed(self, event: Event) -> None:
        told = event.attributes
        step = self._step_of(event, "scheduled_event_id")
        if event.type == kinds.ACTIVITY_TASK_COMPLETED:
            self._program.settle(step, copied(told["result"]))
            return
        canceled = event.type == kinds.ACTIVITY_TASK_CANCELED
        failure = cancelled_failure(details=tuple(told.get("details") or ())) if canceled else told["failure"]
        retry_state = told.get("retry_state") or ("CANCEL_REQUESTED" if canceled else "")
        command: Any = self.commands[told["scheduled_event_id"]]
        info = {
            "activity_type": command.name,
            "activity_id": command.id,
            "scheduled_event_id": told["scheduled_event_id"],
            "started_event_id": told.get("started_event_id", 0),
            "identity": told.get("identity"),
            "retry_state": retry_state,
        }
        self._program.settle(step, error=activity_error(command.name, retry_state, failure, info))

    def _timer_fired(self, event: Event) -> None:
        self._program.settle(self._step_of(event, "started_event_id"))

    def _child_started(self, event: Event) -> None:
        self._program.settle(self._step_of(event, "initiated_event_id"), event.attributes["run_id"])

    def _child_start_failed(self, event: Event) -> None:
        told = event.attributes
        failure = Failure("WorkflowAlreadyStarted", "Workflow execution already started", non_retryable=True)
        error = child_error(told["workflow_id"], "NON_RETRYABLE_FAILURE", failure, {"workflow_id": told["workflow_id"]})
        self._program.settle(self._step_of(event, "initiated_event_id"), error=error)

    def _child_closed(self, event: Event) -> None:
        told = event.attributes
        step = -self._step_of(event, "initiated_event_id")
        if event.type == kinds.CHILD_COMPLETED:
            self._program.settle(step, copied(told["result"]))
            return
        failure, state = _child_failure(event), told.get("retry_state") or "RETRY_POLICY_NOT_SET"
        info = {name: told[name] for name in ("workflow_id", "run_id", "workflow_type", "initiated_event_id")}
        info |= {"started_event_id": told.get("started_event_id", 0), "retry_state": state}
        self._program.settle(step, error=child_error(told["workflow_id"], state, failure, info))

    def _external_done(self, event: Event) -> None:
        self._program.settle(self._step_of(event, "initiated_event_id"))

    def _external_failed(self, event: Event) -> None:
        told = event.attributes
        message = "Unable to signal" if event.type == kinds.SIGNAL_EXTERNAL_FAILED else "Unable to cancel"
        failure = Failure("ExternalWorkflowNotFound", f"{message} external workflow because it was not found")
        step = self._step_of(event, "initiated_event_id")
        self._program.settle(
            step, error=failure._replace(message=f"{failure.message}: {told['workflow_id']}").to_exception()
        )

    def _cancel_main(self, event: Event) -> None:
        self.cancel_requested = True
        self._program.cancel()

    def _step_of(self, event: Event, reference: str) -> int:
        cause = event.attributes[reference]
        command = self.commands.get(cause)
        if command is None:
            raise NonDeterminismError(event.id, f"{event.type} of event {cause}", "nothing that it could belong to")
        return command.step  # type: ignore[union-attr]


def _child_failure(event: Event) -> Failure:
    match event.type:
        case kinds.CHILD_FAILED:
            return event.attributes["failure"]  # type: ignore[no-any-return]
        case kinds.CHILD_CANCELED:
            return cancelled_failure()
        case kinds.CHILD_TERMINATED:
            return Failure("TerminatedFailure", "terminated", kind="terminated")
    return Failure("ActivityTimeout", "child workflow timed out", timeout_type="START_TO_CLOSE", kind="timeout")


_ENDS = {
    **dict.fromkeys(
        (
            kinds.ACTIVITY_TASK_COMPLETED,
            kinds.ACTIVITY_TASK_FAILED,
            kinds.ACTIVITY_TASK_TIMED_OUT,
            kinds.ACTIVITY_TASK_CANCELED,
        ),
        "scheduled_event_id",
    ),
    **dict.fromkeys(
        (
            kinds.CHILD_COMPLETED,
            kinds.CHILD_FAILED,
            kinds.CHILD_CANCELED,
            kinds.CHILD_TIMED_OUT,
            kinds.CHILD_TERMINATED,
            kinds.CHILD_START_FAILED,
        ),
        "initiated_event_id",
    ),
    kinds.TIMER_FIRED: "started_event_id",
}
"""Events that end a step, and by which attribute they name its beginning."""
_Tell = Callable[[Outcomes, Event], None]


JOBS: Mapping[str, _Tell] = {
    kinds.ACTIVITY_TASK_COMPLETED: Outcomes._activity_closed,
    kinds.ACTIVITY_TASK_FAILED: Outcomes._activity_closed,
    kinds.ACTIVITY_TASK_TIMED_OUT: Outcomes._activity_closed,
    kinds.ACTIVITY_TASK_CANCELED: Outcomes._activity_closed,
    kinds.TIMER_FIRED: Outcomes._timer_fired,
    kinds.CHILD_STARTED: Outcomes._child_started,
    kinds.CHILD_START_FAILED: Outcomes._child_start_failed,
    kinds.CHILD_COMPLETED: Outcomes._child_closed,
    kinds.CHILD_FAILED: Outcomes._child_closed,
    kinds.CHILD_CANCELED: Outcomes._child_closed,
    kinds.CHILD_TIMED_OUT: Outcomes._child_closed,
    kinds.CHILD_TERMINATED: Outcomes._child_closed,
    kinds.EXTERNAL_SIGNALED: Outcomes._external_done,
    kinds.EXTERNAL_CANCEL_REQUESTED: Outcomes._external_done,
    kinds.SIGNAL_EXTERNAL_FAILED: Outcomes._external_failed,
    kinds.CANCEL_EXTERNAL_FAILED: Outcomes._external_failed,
    kinds.WORKFLOW_EXECUTION_CANCEL_REQUESTED: Outcomes._cancel_main,
}
