"""Calls of functions: each an attempt on a worker process, which stands for a Lambda environment.

Functions are called on the living workers in turn, with the code that the worker has; a call waits while there is
none. Always holds: an environment that dies in a call has the call fail a little later, unless the call was an
activity's, of whose worker nobody hears; what the call had sent by then still lands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from durable_sim import trace as kinds
from durable_sim.models.attempts import ActivityTask, Attempt
from durable_sim.models.executions import Home, Outcome
from durable_sim.models.state_machine.actions import InvokeTask
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.failures import Failure

CRASHED = Failure("Lambda.Unknown", "the environment of the function died, and no error came back")


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


class Invocations:
    """All calls of functions of a simulation."""

    def __init__(
        self, home: Home, code: Callable[[str | None, str], Callable[..., Any] | None], crash_notice_us: int
    ) -> None:
        self._home = home
        self._code = code
        self._crash_notice_us = crash_notice_us
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
            if call.task.kind != "activity":
                end = partial(call.on_end, process.worker_id, Outcome(failure=CRASHED))
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
        attempt = Attempt(
            self._home.world, process, described, partial(self._ended, call), lambda _: call.on_heartbeat()
        )
        process.deliver(attempt.begin)

    def _ended(self, call: Call, attempt: Attempt, outcome: Outcome) -> None:
        self._running.remove(call)
        attempt.note(kinds.RESULT_REPORTED, {"failure": outcome.failure.to_json()} if outcome.failure else None)
        # on its way, even if the process died just now
        self._home.world.alarms.after(0, call.on_end, call.worker_id or "", outcome)

    def _unknown(self, call: Call) -> None:
        if call in self._running:
            self._running.remove(call)
            text = f"the code on {call.worker_id} has no function {call.task.function}"
            call.on_end(call.worker_id or "", Outcome(failure=Failure("Lambda.ResourceNotFoundException", text)))
