"""What the SDK answers, decided from how the code and its steps ended. Pure.

The two SDKs differ in what an error does that says what is to become of retries: "js" remembers it as the step's, so
that the function can catch it in every entry; "python" lets it bubble: it is raised where the code awaits the step, and
nothing of it is remembered. Not caught, it ends the call, and a final one the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from durable_sim.durations import duration_us
from durable_sim.models.steps.entry import Asked, Found, Invoke, Run, Send, Sleep, Wait
from durable_sim.models.steps.errors import CODED, StepError
from durable_sim.models.steps.function import as_function
from durable_sim.models.steps.protocol import (
    ERROR,
    INVOKE_FUNCTION,
    OK,
    SLEEP,
    STEP_ERROR,
    STEP_FAILED,
    STEP_PLANNED,
    STEP_RUN,
    STEPS,
    WAIT_FOR_EVENT,
    Answer,
    Call,
    Invocation,
    Mode,
    Op,
    Refusal,
    StepFailure,
    WaitFor,
)
from durable_sim.workflows.failures import ActivityError, ApplicationError, Failure, failure_of

SdkKind = Literal["python", "js"]


@dataclass(frozen=True, slots=True)
class Sdk:
    """How the SDK in the workers behaves.

    `checkpoint_batch` lets one call run several steps, and report so many finished ones at a time; None answers after
    each. `missing_after_us` is how long the SDK looks for a step that is not there.
    """

    kind: SdkKind = "python"
    checkpoint_batch: int | None = None
    missing_after_us: int = 0


def next_move(call: Call, sdk: Sdk, new: list[Found]) -> Found | tuple[Op, ...] | None:
    """What comes next when the code needs what is new: a step to run in this call, ops to answer with, or nothing.

    One new step runs at once. Several are planned, and so is one where immediate execution is switched off, or (in
    the Python SDK) where it stands in a group.
    """
    if call.target is not None:
        found = next((one for one in new if one.id == call.target), None)
        return found if found is None or _runs_here(found) else (plan(found, sdk),)
    if not new:
        return None
    first = new[0]
    alone = len(new) == 1 and not call.disable_immediate_execution
    if alone and _runs_here(first) and not (first.asked.planned and sdk.kind == "python"):
        return first
    return tuple(plan(found, sdk) for found in new)


def _runs_here(found: Found) -> bool:
    return isinstance(found.asked.want, (Run, Send))


def plan(found: Found, sdk: Sdk) -> Op:
    """The op that tells the platform what a step wants: a call of its own, a timer, an event, another function.

    The end of a sleep is left as a time span; the caller, who has a clock, makes it an instant.
    """
    asked, mode = found.asked, _mode(found.asked, sdk)
    match asked.want:
        case Sleep():
            return Op(SLEEP, found.id, asked.name, found.repeat, detail=asked.want, mode=mode)
        case Wait():
            return Op(WAIT_FOR_EVENT, found.id, asked.name, found.repeat, detail=WaitFor(*asked.want), mode=mode)
        case Invoke():
            function, data = asked.want
            by_id = isinstance(function, str)
            detail = Invocation(function, data) if by_id else Invocation(as_function(function).id, data, function)
            return Op(INVOKE_FUNCTION, found.id, asked.name, found.repeat, detail=detail, mode=mode)
    return Op(STEP_PLANNED, found.id, asked.name, found.repeat, mode=mode)


def _mode(asked: Asked, sdk: Sdk) -> Mode:
    return asked.mode if sdk.kind == "python" else "race"


def step_done(found: Found, data: Any) -> Op:
    """A step has run."""
    return Op(STEP_RUN, found.id, found.asked.name, found.repeat, data=data)


def bubbles(failure: Failure) -> bool:
    """Whether the Python SDK raises an error where the code awaits the step, in place of telling the platform."""
    says = failure.non_retryable or failure.next_retry_delay_us is not None
    return says and failure.type != CODED


def refused(failure: Failure) -> Refusal:
    """A final error as data of the step that has met it."""
    return Refusal(failure.type, failure.message)


def step_raised(found: Found, failure: Failure, sdk: Sdk, *, last: bool) -> Answer:
    """A step has raised, and the platform is told so."""
    error = StepFailure(failure.type, failure.message, "step_nested" if failure.type == CODED else "unknown")
    if failure.type == CODED:
        return Answer(STEPS, (_failed_op(STEP_ERROR, found, error),), no_retry=True)
    if last or failure.non_retryable:
        return Answer(STEPS, (_failed_op(STEP_FAILED, found, error),), no_retry=sdk.kind == "js")
    after_us = failure.next_retry_delay_us
    return Answer(STEPS, (_failed_op(STEP_ERROR, found, error),), retry_after_us=after_us)


def _failed_op(op: str, found: Found, error: StepFailure) -> Op:
    return Op(op, found.id, found.asked.name, found.repeat, error=error)


def function_returned(value: Any) -> Answer:
    """The function has returned: the run is finished."""
    return Answer(OK, result=value)


def function_raised(error: BaseException) -> Answer:
    """The function has raised: an uncaught error of a step is final, others are tried again unless they say no."""
    match error:
        case StepError():
            return Answer(ERROR, error=StepFailure(error.name, error.message, "step_errored"), no_retry=True)
        case ActivityError() if error.cause is not None:
            cause = failure_of(error.cause)
            return Answer(ERROR, error=StepFailure(cause.type, cause.message, "step_errored"), no_retry=True)
        case ApplicationError():
            delay = error.next_retry_delay
            after_us = None if delay is None else duration_us(delay)
            code = "unknown" if delay is None else "retry_after_error"
            told = StepFailure(error.type, error.message, "non_retriable_error" if error.non_retryable else code)
            return Answer(ERROR, error=told, no_retry=error.non_retryable, retry_after_us=after_us)
    failure = failure_of(error)
    return Answer(ERROR, error=StepFailure(failure.type, failure.message))


def step_missing(call: Call, sdk: Sdk, new: list[Found]) -> Answer:
    """The step that was to be run is not there (any more)."""
    names = [one.asked.name for one in new]
    if sdk.kind == "python":
        message = f'found step "{names[0]}" when targeting a different step'
        return Answer(ERROR, error=StepFailure("StepUnexpectedError", message, "step_unexpected"))
    found = "\n".join(f"{one.asked.name} ({one.id})." for one in new)
    message = f'Could not find step "{call.target}" to run; timed out. Found new steps: \n{found}'
    return Answer(ERROR, error=StepFailure("Error", message, "step_not_found"))
