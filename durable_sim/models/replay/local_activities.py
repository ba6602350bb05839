"""Local activities: run by the worker within a workflow task, retried in its memory, lost with it.

A task whose local activities take longer than most of the task's time-out is completed with what there is, so that it
does not run out (a workflow task heartbeat). Always holds: code is told of an outcome within a task; one that comes
between two is kept for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from durable_sim.models.attempts import ActivityTask, Attempt
from durable_sim.models.executions import Home, Outcome
from durable_sim.models.replay.runner import CodeRunner, LocalOutcome, WorkflowInstance
from durable_sim.models.replay.server.workflow_tasks import TaskToken
from durable_sim.models.replay.step_numbers import StepNumbers
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.commands import ScheduleLocalActivity
from durable_sim.workflows.failures import START_TO_CLOSE, Failure, timeout_failure
from durable_sim.workflows.retry import next_retry
from durable_sim.world.alarms import Alarm

HEARTBEAT_SHARE = 0.8
"""After which part of a workflow task's time-out the task is completed, and another asked for."""
Resume = Callable[[TaskToken, WorkflowInstance, LocalOutcome], None]
Heartbeat = Callable[[TaskToken, WorkflowInstance], None]


class Owner(NamedTuple):
    """The run that local activities belong to: how the trace shows it, its workflow id, its tasks' time-out."""

    shown: str
    workflow_id: str
    task_timeout_us: int


class LocalActivities:
    """Those that run in one process, by run."""

    __slots__ = (
        "_alarms",
        "_held",
        "_home",
        "_process",
        "_runner",
        "_running",
        "_since",
        "_tokens",
        "belongs_to",
        "numbers",
    )

    def __init__(
        self,
        home: Home,
        process: WorkerProcess,
        runner: CodeRunner,
        belongs_to: Callable[[str], Owner],
        numbers: StepNumbers,
    ) -> None:
        self.belongs_to = belongs_to
        self.numbers = numbers
        self._home = home
        self._process = process
        self._runner = runner
        self._running: dict[str, dict[int, _Local]] = {}
        self._alarms: dict[str, Alarm] = {}
        self._held: dict[str, list[tuple[_Local, LocalOutcome]]] = {}
        self._tokens: dict[str, TaskToken] = {}
        self._since: dict[str, tuple[TaskToken | None, int]] = {}

    def busy(self, run_id: str) -> bool:
        """Whether a run's code waits for one."""
        return bool(self._running.get(run_id))

    def run(
        self,
        token: TaskToken,
        instance: WorkflowInstance,
        commands: Sequence[ScheduleLocalActivity],
        resume: Resume,
        heartbeat: Heartbeat,
    ) -> None:
        """Begin those that were asked for; `resume` is called with what each brings."""
        self._tokens[token.run_id] = token
        running = self._running.setdefault(token.run_id, {})
        self._set_alarm(token, instance, heartbeat)
        for command in commands:
            running[command.seq] = _Local(self, token.run_id, instance, command, resume)
        for command in commands:
            if command.seq in running:
                running[command.seq].begin()
        for local, outcome in self._held.pop(token.run_id, ()):
            self.ended(local, outcome)

    def _set_alarm(self, token: TaskToken, instance: WorkflowInstance, heartbeat: Heartbeat) -> None:
        """The time counts from when the task began, whichever of its local activities run meanwhile."""
        alarm, now_us = self._alarms.get(token.run_id), self._home.world.now_us
        task, since_us = self._since.get(token.run_id, (None, 0))
        if task != token:
            since_us = now_us
            self._since[token.run_id] = token, since_us
        if alarm is None or not alarm.set:
            due_us = since_us + int(self.belongs_to(token.run_id).task_timeout_us * HEARTBEAT_SHARE)
            self._alarms[token.run_id] = self._home.world.alarms.after(
                max(0, due_us - now_us), self._process.deliver, self._beat, token.run_id, instance, heartbeat
            )

    def _beat(self, run_id: str, instance: WorkflowInstance, heartbeat: Heartbeat) -> None:
        if self.busy(run_id):
            heartbeat(self._tokens.pop(run_id), instance)

    def give_up(self, run_id: str, seqs: Sequence[int]) -> None:
        """The code no longer wants some of them."""
        running = self._running.get(run_id, {})
        for local in [running.pop(seq) for seq in seqs if seq in running]:
            local.cancel()
        self._all_ended(run_id)

    def _all_ended(self, run_id: str) -> None:
        """Nothing of a run keeps its workflow task alive any more, unless something runs."""
        alarm = None if self.busy(run_id) else self._alarms.pop(run_id, None)
        if alarm is not None:
            alarm.cancel()

    def wanted(self, local: _Local) -> bool:
        """Whether anybody waits for it."""
        return self._running.get(local.run_id, {}).get(local.command.seq) is local

    def drop(self, run_id: str) -> None:
        """The instance is gone: what its local activities bring reaches nobody."""
        self._running.pop(run_id, None)
        self._held.pop(run_id, None)
        self._since.pop(run_id, None)
        alarm = self._alarms.pop(run_id, None)
        if alarm is not None:
            alarm.cancel()

    def ended(self, local: _Local, outcome: LocalOutcome) -> None:
        """One has come to its end: give it to the code, unless that is gone."""
        token = self._tokens.get(local.run_id)
        if not self.wanted(local):
            return
        if token is None:
            self._held.setdefault(local.run_id, []).append((local, outcome))
            return
        del self._running[local.run_id][local.command.seq]
        self._all_ended(local.run_id)
        local.resume(token, local.instance, outcome)


class _Local:
    """One local activity, attempt after attempt."""

    __slots__ = ("_alarm", "_attempt", "_locals", "_number", "_scheduled_us", "command", "instance", "resume", "run_id")

    def __init__(
        self,
        locals: LocalActivities,
        run_id: str,
        instance: WorkflowInstance,
        command: ScheduleLocalActivity,
        resume: Resume,
    ) -> None:
        self._locals = locals
        self.run_id = run_id
        self.instance = instance
        self.command = command
        self.resume = resume
        now_us = locals._home.world.now_us
        self._scheduled_us = now_us if command.scheduled_us is None else command.scheduled_us
        self._number = command.attempt
        self._attempt: Attempt | None = None
        self._alarm: Alarm | None = None

    def begin(self) -> None:
        """Make the next attempt, unless it has been given up in a back-off."""
        if not self._locals.wanted(self):
            return
        home, process, command = self._locals._home, self._locals._process, self.command
        function = self._locals._runner.activity(command.name) or command.function
        owner = self._locals.belongs_to(self.run_id)
        place = (owner.shown, self.run_id, command.step)
        task = ActivityTask(
            *place, command.name, function, command.arguments, self._number, (), owner.workflow_id,
            shown=self._locals.numbers.of(*place),
        )  # fmt: skip
        self._attempt = Attempt(home.world, process, task, self._ended)
        limit_us = command.options.start_to_close_us or command.options.schedule_to_close_us
        if limit_us is not None:
            self._alarm = home.world.alarms.after(limit_us, process.deliver, self._timed_out)
        self._attempt.begin()

    def cancel(self) -> None:
        """Tell the running attempt; what it brings is of no interest."""
        attempt, self._attempt = self._attempt, None
        if self._alarm is not None:
            self._alarm.cancel()
        if attempt is not None:
            attempt.cancel()

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt is not self._attempt:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._attempt = None
        if outcome.failure is None:
            self._tell(result=outcome.value)
        else:
            self._failed(outcome.failure)

    def _timed_out(self) -> None:
        if self._attempt is not None:
            self._attempt = None
            self._failed(timeout_failure(START_TO_CLOSE))

    def _failed(self, failure: Failure) -> None:
        home, command = self._locals._home, self.command
        whole_us = command.options.schedule_to_close_us
        deadline_us = None if whole_us is None else self._scheduled_us + whole_us
        decision = next_retry(command.options.retry_policy, failure, self._number, home.world.now_us, deadline_us)
        if isinstance(decision, str):
            self._tell(failure=failure, retry_state=decision)
        elif decision > self._threshold_us():
            self._tell(failure=failure, retry_state="IN_PROGRESS", backoff_us=decision)
        else:
            self._number += 1
            home.world.alarms.after(decision, self._locals._process.deliver, self.begin)

    def _threshold_us(self) -> int:
        """From which delay on the workflow waits for a retry itself, by a timer."""
        asked_us = self.command.threshold_us
        return self._locals.belongs_to(self.run_id).task_timeout_us if asked_us is None else asked_us

    def _tell(self, **how: Any) -> None:
        now_us, command = self._locals._home.world.now_us, self.command
        outcome = LocalOutcome(command.seq, command.name, self._number, now_us, self._scheduled_us, **how)
        self._locals.ended(self, outcome)
