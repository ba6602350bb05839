"""One attempt of an activity: user code on a worker, acting upon the world. The same under every execution model."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from durable_sim import trace as kinds
from durable_sim.errors import InternalError
from durable_sim.models.executions import Outcome
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.activity_context import ActivityContext, ActivityInfo
from durable_sim.workflows.commands import CallService, Sleep
from durable_sim.workflows.failures import failure_of
from durable_sim.workflows.payloads import copied, copied_arguments
from durable_sim.workflows.program import Program
from durable_sim.world.database import Transaction
from durable_sim.world.request import Sender
from durable_sim.world.services.base import Answer
from durable_sim.world.world import World


class ActivityTask(NamedTuple):
    """What a worker needs to know to make an attempt.

    `execution` is whose trace and effects it belongs to; `workflow_id` differs from it for a child workflow's
    activity. `token` names the attempt to the engine that asked for it. `step` is the run's own number of the step, of
    which keys are made; where an execution has many runs, the trace and the ledger show it as `shown`.
    """

    execution: str
    run_id: str
    step: int
    name: str
    function: Callable[..., Any] | None
    arguments: tuple[Any, ...]
    attempt: int
    heartbeat_details: tuple[Any, ...] = ()
    workflow_id: str = ""
    token: tuple[str, int, int] = ("", 0, 0)
    heartbeat_us: int | None = None
    shown: int | None = None

    @property
    def number(self) -> int:
        """The number of the step in the trace and the ledger."""
        return self.step if self.shown is None else self.shown


def _no_heartbeat(details: tuple[Any, ...]) -> None:
    """Heartbeats go nowhere where no engine listens."""


class Attempt:
    """A running attempt. When it ends, `on_end` is called in the worker's process, unless that has died."""

    __slots__ = ("_ctx", "_function", "_on_end", "_process", "_program", "_sender", "_world", "task", "transaction")

    def __init__(
        self,
        world: World,
        process: WorkerProcess,
        task: ActivityTask,
        on_end: Callable[[Attempt, Outcome], None],
        heartbeat: Callable[[tuple[Any, ...]], None] = _no_heartbeat,
        transaction: Transaction | None = None,
        function: Callable[..., Any] | None = None,
    ) -> None:
        self.task = task
        self._function = function or task.function
        self.transaction = transaction
        self._world = world
        self._process = process
        self._on_end = on_end
        self._program = Program()
        self._sender = Sender(task.execution, task.number, task.attempt)
        workflow_id = task.workflow_id or task.execution
        info = ActivityInfo(workflow_id, task.run_id, task.name, task.step, task.attempt, task.heartbeat_details)
        self._ctx = ActivityContext(self._program, info, heartbeat)

    def begin(self) -> None:
        """Run the code up to its first wait."""
        self._process.begin(self._program, self.task.execution)
        self.note(kinds.TASK_STARTED)
        self._process.deliver(self._run_code)

    def _run_code(self) -> None:
        """Make the coroutine only now: one that is made but never run would warn when it is dropped."""
        task = self.task
        if self._function is None:
            raise InternalError(f"activity {task.name} has no code")
        self._program.start(self._function(self._ctx, *copied_arguments(task.arguments, "argument")))
        self._go_on()

    def cancel(self) -> None:
        """Throw a `CancelledError` into the code where it waits."""
        main = self._program.main
        if main is not None and main.cancel():
            self._go_on()

    @property
    def error(self) -> BaseException | None:
        """What its code has raised, once it has ended."""
        main = self._program.main
        return None if main is None else main.error

    def note(self, kind: str, data: dict[str, Any] | None = None) -> None:
        """Leave a record of this attempt in the trace."""
        task = self.task
        self._world.trace.add(
            kind, task.execution, self._process.worker_id, task.name, task.number, task.attempt, None, data
        )

    def _go_on(self) -> None:
        program, process = self._program, self._process
        if not process.alive or program.dead:
            return
        program.now_us = self._world.now_us
        program.advance()
        for command in program.take_issued():
            process.deliver(self._perform, command)  # a crash or a pause may have struck at the one before
        main = program.main
        if main is not None and main.done:
            process.deliver(self._end, main.error, main)

    def _perform(self, command: object) -> None:
        match command:
            case CallService():
                answered = partial(self._answered, command.step)
                self._world.network.send(command, self._sender, self._process, answered, self.transaction)
            case Sleep():
                self._world.alarms.after(command.duration_us, self._process.deliver, self._woken, command.step)
            case _:
                raise InternalError(f"an activity issued {command}")

    def _answered(self, step: int, answer: Answer) -> None:
        value = copied(answer.value, "answer") if answer.error is None else None
        self._program.settle(step, value, answer.error)
        self._go_on()

    def _woken(self, step: int) -> None:
        self._program.settle(step)
        self._go_on()

    def _end(self, error: BaseException | None, main: Any) -> None:
        self._program.dead = True  # what else the code has begun goes on without it
        if error is None:
            outcome = Outcome(copied(main.result(), f"result of {self.task.name}"))
        else:
            outcome = Outcome(failure=failure_of(error), cancelled=isinstance(error, CancelledError))
        self._on_end(self, outcome)
        self._process.end(self._program)
