"""The common workflow function of this package, unchanged, as a function of this engine.

`ctx.execute_activity` and `ctx.execute_local_activity` are steps named after the activity (used again: numbered),
`ctx.sleep` is the step "sleep", and what is started before it is awaited is planned side by side. What differs from
other engines:

- Retry policies and time-outs of activities mean nothing: each step has the function's number of retries, at the
  platform's own intervals.
- What stands between the workflow and the SDK catches an `ApplicationError` that is not retryable inside the step, and
  returns it as the step's data. So it is remembered at once, whichever SDK it is, and raised outside of the step in
  every entry. (Let out of the step, it would bubble with the Python SDK: see `answers`.)
- The `next_retry_delay` of an `ApplicationError` is a Retry-After. With the Python SDK it is carried past the workflow
  as a `BaseException`, and raised where the function ends; in the last attempt it is an error like any other.
- A step that has failed for good raises `ActivityError`, its cause an `ApplicationError` of the last error's type and
  message. When it is not caught the run fails; any other exception of the function is retried.
- With the Python SDK an activity in a `finally`, a bare `except` or an `__aexit__` runs in every entry that leaves
  through there, as a step does.
- What is cancelled is no longer waited for, but not called off.
- The code runs again from the top in every call: `ctx.random` gives the same numbers again, `ctx.now()` another time.
"""

from __future__ import annotations

from typing import Any

from durable_sim.errors import UserError
from durable_sim.models.steps.entry import Asked, Run, Sleep, Want
from durable_sim.models.steps.function import Code
from durable_sim.models.steps.protocol import Memo, Refusal
from durable_sim.workflows.commands import (
    CancelLocalActivity,
    CancelTimer,
    RecordMarker,
    RequestCancelActivity,
    ScheduleActivity,
    ScheduleLocalActivity,
    SetPatch,
    StartTimer,
    UpsertMemo,
    UpsertSearchAttributes,
)
from durable_sim.workflows.context import WorkflowContext, WorkflowInfo
from durable_sim.workflows.definitions import failure_types_of
from durable_sim.workflows.failures import Failure, activity_error
from durable_sim.workflows.handlers import Handlers
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import Program
from durable_sim.workflows.retry import MAXIMUM_ATTEMPTS_REACHED, NON_RETRYABLE_FAILURE

SLEEP_STEP = "sleep"


class CommonBody:
    """The code of a common workflow function."""

    common = True

    def __init__(self, code: Code, info: WorkflowInfo, input: Any) -> None:
        self.program = Program()
        self._code = code
        self._input = input
        handlers = Handlers(self.program)
        handlers.fails_on = failure_types_of(code)
        self._ctx = WorkflowContext(self.program, info, handlers)

    def start(self) -> None:
        """Enter the code."""
        self.program.start(self._code(self._ctx, copied(self._input, "input")))

    def take(self) -> list[Asked]:
        """The steps that the code has asked for since the last time."""
        commands = [*self.program.take_issued(), *self.program.take_local()]
        asked = [one for command in commands if (one := _asked(command)) is not None]
        return sorted(asked, key=lambda one: one.number)

    def settle(self, asked: Asked, memo: Memo) -> None:
        """Tell the code what became of a step."""
        told = memo.data if isinstance(memo.data, Refusal) else memo.error
        if told is None:
            self.program.settle(asked.number, copied(memo.data))
            return
        state = MAXIMUM_ATTEMPTS_REACHED if told is memo.error else NON_RETRYABLE_FAILURE
        failure = Failure(told.name, told.message, non_retryable=True)
        self.program.settle(asked.number, error=activity_error(asked.name, state, failure))


def _asked(command: object) -> Asked | None:
    """The step that a command asks for; None where there is nobody to tell."""
    match command:
        case ScheduleActivity() | ScheduleLocalActivity():
            want: Want = Run(command.function, command.arguments)
            return Asked(command.step, command.name, want)
        case StartTimer():
            return Asked(command.step, SLEEP_STEP, Sleep(command.duration_us))
        case CancelTimer() | RequestCancelActivity() | CancelLocalActivity() | UpsertMemo() | UpsertSearchAttributes():
            return None
        case SetPatch() | RecordMarker():
            return None  # nothing is recorded: every entry makes its own
    raise no_such_thing(command)


def no_such_thing(command: object) -> UserError:
    """What is said of a command that has no counterpart here."""
    return UserError(f"{type(command).__name__}: this execution model has no such thing; only 'replay' does")
