"""Calls of functions: each an attempt on a worker process, which stands for a Lambda environment.

Functions are called on the living workers in turn, with the code that the worker has; a call waits while there is
none. Always holds: an environment that dies in a call has the call fail a little later, unless the call was an
activity's, of whose worker nobody hears; Lambda ends a call of its own that takes too long, by the death of its
environment; what the call had sent by then still lands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from durable_sim import trace as kinds
from durable_sim.durations import SECOND
from durable_sim.models.attempts import ActivityTask, Attempt
from durable_sim.models.executions import Home, Outcome
from durable_sim.models.state_machine.actions import InvokeTask
from durable_sim.models.workers import Fleet, WorkerProcess
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.program import Program
from durable_sim.world.alarms import Alarm

TIMED_OUT = "Sandbox.Timedout"


class Environment(WorkerProcess):
    """A process of its own in a worker, for one call: it dies with the worker, or alone."""

    __slots__ = ("_worker",)

    def __init__(self, worker: WorkerProcess) -> None:
        super().__init__(worker.worker_id, worker.version)
        self._worker = worker

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Through the worker, which may stand still or be dead; this may have died by then, too."""
        self._worker.deliver(super().deliver, callback, *arguments)

    def begin(self, program: Program, execution: str) -> None:
        """The call's code is in the worker's memory as well."""
        super().begin(program, execution)
        self._worker.begin(program, execution)

    def end(self, program: Program) -> None:
        """And no longer is."""
        super().end(program)
        self._worker.end(program)

    def die(self, fleet: Fleet) -> None:
        """Forget the call; the worker goes on."""
        self.kill()
        for program in self._bodies:
            fleet.bury(program)
            self._worker.end(program)


@dataclass(slots=True, eq=False)
class Call:
    """One call of a function, and who wants to know of it.

    `run_id` is the name of the state machine's execution, with which idempotency keys begin.
    """

    task: InvokeTask
    execution: str
    run_id: str
    wanted: Callable[[], bool]
    on_start: Callable[[str], None]
    on_end: Callable[[str, Outcome], None]
    on_heartbeat: Callable[[], None]
    worker_id: str | None = None
    process: WorkerProcess | None = None
    deadline: Alarm | None = None

    def over(self) -> None:
        """It has ended: Lambda does not cut it off any more."""
        if self.deadline is not None:
            self.deadline.cancel()


class Invocations:
    """All calls of functions of a simulation.

    The death of an environment is told after `crash_notice_us`, as an error named `crash_error`.
    """

    def __init__(
        self,
        home: Home,
        code: Callable[[str | None, str], Callable[..., Any] | None],
        crash_notice_us: int,
        crash_error: str,
        lambda_timeout_us: int,
    ) -> None:
        self._home = home
        self._code = code
        self._crash_notice_us = crash_notice_us
        self._crashed = Failure(crash_error, "the environment of the function died, and no error came back")
        self._lambda_timeout_us = lambda_timeout_us
        self._waiting: list[Call] = []
        self._running: list[Call] = []
        self._turn = 0

    def make(self, call: Call) -> None:
        """Call a function in the next environment, as soon as there is one."""
        process = self._home.fleet.pick(self._turn)
        if process is None:
            self._waiting.append(call)
            return
        self._turn += 1
        call.process, call.worker_id = process, process.worker_id
        self._running.append(call)
        call.on_start(process.worker_id)
        function = self._code(process.version, call.task.function)
        if function is None:
            self._home.world.alarms.after(0, self._unknown, call)
        else:
            self._attempt(call, process, function)

    def worker_started(self) -> None:
        """Make the calls that waited."""
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            if call.wanted():
                self.make(call)

    def worker_lost(self, process: WorkerProcess) -> None:
        """The calls in that process fail, once that is noticed."""
        lost = [call for call in self._running if call.process is process]
        self._running = [call for call in self._running if call.process is not process]
        for call in lost:
            call.over()
            if call.task.kind != "activity":
                end = partial(call.on_end, process.worker_id, Outcome(failure=self._crashed))
                self._home.world.alarms.after(self._crash_notice_us, end)

    def told(self, token: str) -> str | None:
        """Where a call is, in words; None if nobody works on it."""
        if any(call.task.token == token for call in self._waiting):
            return "waiting for a worker"
        return next((f"running on {call.worker_id}" for call in self._running if call.task.token == token), None)

    def _attempt(self, call: Call, process: WorkerProcess, function: Callable[..., Any]) -> None:
        task = call.task
        described = ActivityTask(
            call.execution,
            call.run_id,
            task.step,
            task.function,
            function,
            (task.payload,),
            task.attempt,
            workflow_id=call.run_id,
            heartbeat_us=task.heartbeat_us,
        )
        world, environment = self._home.world, Environment(process)
        attempt = Attempt(world, environment, described, partial(self._ended, call), lambda _: call.on_heartbeat())
        if task.is_lambda:
            call.deadline = world.alarms.after(self._lambda_timeout_us, self._cut_off, call, environment)
        environment.deliver(attempt.begin)

    def _ended(self, call: Call, attempt: Attempt, outcome: Outcome) -> None:
        call.over()
        self._running.remove(call)
        attempt.note(kinds.RESULT_REPORTED, {"failure": outcome.failure.to_json()} if outcome.failure else None)
        # on its way, even if the process died just now
        self._home.world.alarms.after(0, call.on_end, call.worker_id or "", outcome)

    def _cut_off(self, call: Call, environment: Environment) -> None:
        self._running.remove(call)
        environment.die(self._home.fleet)
        text = f"Error: Task timed out after {self._lambda_timeout_us / SECOND:.2f} seconds"
        call.on_end(environment.worker_id, Outcome(failure=Failure(TIMED_OUT, text)))

    def _unknown(self, call: Call) -> None:
        if call in self._running:
            self._running.remove(call)
            text = f"the code on {call.worker_id} has no function {call.task.function}"
            call.on_end(call.worker_id or "", Outcome(failure=Failure("Lambda.ResourceNotFoundException", text)))
