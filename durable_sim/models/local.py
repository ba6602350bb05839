"""Workflow code that runs in the memory of one process: what the models without a durable engine are made of.

`LocalRun` is one run of a workflow function from its top; `LocalStep` is one of its activities, with attempts and
back-off kept in memory only. Both are gone when the process dies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from durable_sim import trace as kinds
from durable_sim.errors import UserError
from durable_sim.models.attempts import ActivityTask, Attempt
from durable_sim.models.executions import Execution, Home, Outcome
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.commands import (
    CancelLocalActivity,
    CancelTimer,
    Command,
    RecordMarker,
    RequestCancelActivity,
    ScheduleActivity,
    SetPatch,
    StartTimer,
    UpsertMemo,
    UpsertSearchAttributes,
)
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.failures import (
    SCHEDULE_TO_CLOSE,
    START_TO_CLOSE,
    Failure,
    activity_error,
    failure_of,
    timeout_failure,
)
from durable_sim.workflows.handlers import Handlers
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import Program
from durable_sim.workflows.retry import RETRY_POLICY_NOT_SET, TIMEOUT, next_retry
from durable_sim.world.alarms import Alarm
from durable_sim.world.database import Transaction


class Keeper(Protocol):
    """The model behind a local run: how its steps are carried out, and what its end means."""

    home: Home

    def perform(self, run: LocalRun, command: ScheduleActivity) -> None:
        """Carry out a step; give its result to `run.finish_step`."""

    def run_ended(self, run: LocalRun, outcome: Outcome) -> None:
        """The function has returned or raised."""


class LocalRun:
    """One run of a workflow function in one process."""

    __slots__ = ("_going", "_program", "_stream", "execution", "keeper", "memory", "process", "run_id", "world")

    def __init__(
        self, keeper: Keeper, process: WorkerProcess, execution: Execution, run_id: str, stream: tuple[str | int, ...]
    ) -> None:
        self.keeper = keeper
        self.world = keeper.home.world
        self.process = process
        self.execution = execution
        self.run_id = run_id
        self.memory: dict[str, Any] = {}
        self._stream = stream
        self._going = False
        self._program = Program()

    def begin(self) -> None:
        """Run the code up to its first wait."""
        home, execution = self.keeper.home, self.execution
        self.process.begin(self._program, execution.id)
        home.began(execution, self.process.worker_id)
        self.process.deliver(self._run_code)

    def _run_code(self) -> None:
        home, execution = self.keeper.home, self.execution
        definition, handlers = home.definition(self.process.version), Handlers(self._program)
        handlers.fails_on = definition.fails_on
        ctx = WorkflowContext(self._program, home.info(execution, self.run_id, *self._stream), handlers)
        self._program.start(definition.function(ctx, copied(execution.input)))
        self._go_on()

    def finish_step(self, command: ScheduleActivity, outcome: Outcome) -> None:
        """Give the code the result of an activity."""
        error = None
        if outcome.failure is None:
            data = None
        else:
            error = activity_error(command.name, outcome.retry_state, outcome.failure)
            data = {"failure": outcome.failure.to_json(), "retry_state": outcome.retry_state}
        self.note(kinds.TASK_COMPLETED, command.name, command.step, data)
        self.process.deliver(self._settle, command.step, outcome.value, error)

    def _settle(self, step: int, value: Any, error: BaseException | None) -> None:
        self._program.settle(step, copied(value), error)
        self._go_on()

    def abandon(self) -> None:
        """Stop running here, as if the process had forgotten just this run."""
        self.keeper.home.fleet.bury(self._program)
        self.process.end(self._program)

    def note(
        self, kind: str, subject: str | None = None, step: int | None = None, data: dict[str, Any] | None = None
    ) -> None:
        """Leave a record of this run in the trace."""
        self.world.trace.add(kind, self.execution.id, self.process.worker_id, subject, step, data=data)

    def _go_on(self) -> None:
        """Run the code as far as it comes, in rounds: a step whose result is there at once (a column) does not nest."""
        if self._going:
            return
        self._going = True
        while self._round():
            pass
        self._going = False
        main = self._program.main
        if main is not None and main.done:
            self.process.deliver(self._end, main)

    def _round(self) -> bool:
        """Advance once and perform what was issued; False when the code waits or has ended."""
        program, process = self._program, self.process
        if not process.alive or program.dead:
            return False
        program.now_us = self.world.now_us
        program.advance()
        for remark in program.take_notes():
            self.note(remark.kind, remark.subject)
        local = [ScheduleActivity(*command[:5]) for command in program.take_local()]  # here all are local
        issued: list[Command] = [*program.take_issued(), *local]
        for command in issued:
            process.deliver(self._perform, command)  # a crash or a pause may have struck at the one before
        return bool(issued) and not process.paused

    def _perform(self, command: object) -> None:
        if self._program.dead:
            return
        match command:
            case ScheduleActivity():
                self.note(kinds.TASK_SCHEDULED, command.name, command.step)
                self.process.deliver(self.keeper.perform, self, command)
            case (
                CancelTimer()
                | RequestCancelActivity()
                | CancelLocalActivity()
                | UpsertMemo()
                | UpsertSearchAttributes()
            ):
                pass  # the code no longer listens; there is nobody else to tell
            case SetPatch() | RecordMarker():
                pass  # nothing is recorded, and nothing is replayed
            case StartTimer():
                self.note(kinds.TIMER_STARTED, None, command.step, {"duration_us": command.duration_us})
                self.world.alarms.after(command.duration_us, self.process.deliver, self._timer_fired, command.step)
            case _:
                what = type(command).__name__
                raise UserError(f"{what}: this execution model has no such thing; only 'replay' does")

    def _timer_fired(self, step: int) -> None:
        if not self._program.dead:
            self.note(kinds.TIMER_FIRED, None, step)
            self._program.settle(step)
            self._go_on()

    def _end(self, main: Any) -> None:
        if self._program.dead:
            return
        self._program.dead = True
        if main.error is None:
            outcome = Outcome(copied(main.result(), "result of the workflow"))
        else:
            outcome = Outcome(failure=failure_of(main.error))
        self.keeper.run_ended(self, outcome)
        self.process.end(self._program)


def _function(run: LocalRun, command: ScheduleActivity) -> Callable[..., Any]:
    """The code of an activity that was named by function or by name."""
    function = command.function or run.keeper.home.build(run.process.version).activity(command.name)
    if function is None:
        raise UserError(f"activity {command.name!r} is not known here; name it by its function")
    return function


class LocalStep:
    """One activity of a local run: attempts one after the other, each with its time-out."""

    __slots__ = (
        "_alarm",
        "_attempt",
        "_command",
        "_deadline_us",
        "_number",
        "_on_end",
        "_retries",
        "_run",
        "_transaction",
    )

    def __init__(
        self,
        run: LocalRun,
        command: ScheduleActivity,
        on_end: Callable[[Outcome, Transaction | None], None],
        *,
        retries: bool,
        transactional: bool = False,
    ) -> None:
        self._run = run
        self._command = command
        self._retries = retries
        self._on_end = on_end
        whole_us = command.options.schedule_to_close_us
        self._deadline_us = None if whole_us is None else run.world.now_us + whole_us
        self._attempt: Attempt | None = None
        self._number = 0
        self._alarm: Alarm | None = None
        self._transaction = Transaction(run.process) if transactional else None

    def begin(self) -> None:
        """Make the next attempt."""
        run, command = self._run, self._command
        self._number += 1
        if self._transaction is not None and self._transaction.closed:
            self._transaction = Transaction(run.process)
        task = ActivityTask(
            run.execution.id,
            run.run_id,
            command.step,
            command.name,
            _function(run, command),
            command.arguments,
            self._number,
        )
        self._attempt = Attempt(run.world, run.process, task, self._ended, transaction=self._transaction)
        self._set_alarm()
        self._attempt.begin()

    def _set_alarm(self) -> None:
        options, now_us = self._command.options, self._run.world.now_us
        left_us = None if self._deadline_us is None else self._deadline_us - now_us
        limits = [
            (us, kind)
            for us, kind in ((options.start_to_close_us, START_TO_CLOSE), (left_us, SCHEDULE_TO_CLOSE))
            if us is not None
        ]
        limit_us, kind = min(limits)
        self._alarm = self._run.world.alarms.after(limit_us, self._run.process.deliver, self._timed_out, kind)

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt is not self._attempt:
            attempt.note(kinds.RESULT_REFUSED)
            return
        self._attempt = None  # its alarm may have rung already, and wait for a paused process to wake
        if self._alarm is not None:
            self._alarm.cancel()
        if outcome.failure is None:
            self._on_end(outcome, self._transaction)
        else:
            self._failed(outcome.failure)

    def _timed_out(self, kind: str) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        self._attempt = None  # the code goes on running; nobody listens any more
        attempt.note(kinds.ATTEMPT_TIMED_OUT, {"timeout": kind})
        if not self._run.process.alive:
            return
        failure = timeout_failure(kind)
        if kind == SCHEDULE_TO_CLOSE:
            self._close(failure, TIMEOUT)
        else:
            self._failed(failure)

    def _failed(self, failure: Failure) -> None:
        run, command = self._run, self._command
        if not self._retries:
            return self._close(failure, RETRY_POLICY_NOT_SET)
        decision = next_retry(command.options.retry_policy, failure, self._number, run.world.now_us, self._deadline_us)
        if isinstance(decision, str):
            return self._close(failure, decision)
        self._roll_back()
        detail = {"delay_us": decision, "failure": failure.to_json(), "attempt": self._number}
        run.note(kinds.BACKOFF_BEGUN, command.name, command.step, detail)
        run.world.alarms.after(decision, run.process.deliver, self._again)

    def _again(self) -> None:
        self._run.note(kinds.BACKOFF_ENDED, self._command.name, self._command.step)
        self._run.process.deliver(self.begin)

    def _close(self, failure: Failure, retry_state: str) -> None:
        self._roll_back()
        self._on_end(Outcome(failure=failure, retry_state=retry_state), None)

    def _roll_back(self) -> None:
        if self._transaction is not None:
            self._run.world.database.close(self._transaction, commit=False)
