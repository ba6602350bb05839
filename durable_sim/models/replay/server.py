"""The durable side of the replay model: histories, task queues, timers, retries. It survives every crash of a worker.

It knows user code only as tasks that workers take and answers that come back, and of workers only that they poll and
answer in time, or do not. Always holds: one workflow task at a time for an execution, and what arrives meanwhile is
buffered until it ends; a result is recorded only for the attempt that is under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from durable_sim import trace as kinds
from durable_sim.durations import MINUTE, SECOND
from durable_sim.models.attempts import ActivityTask
from durable_sim.models.executions import Execution, Home, Outcome
from durable_sim.models.replay import events
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.replay import CompleteWorkflow, Decision, FailWorkflow
from durable_sim.models.replay.wire import Wire
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.commands import ScheduleActivity, StartTimer
from durable_sim.workflows.failures import HEARTBEAT, SCHEDULE_TO_CLOSE, START_TO_CLOSE, Failure, timeout_failure
from durable_sim.workflows.retry import TIMEOUT, next_retry
from durable_sim.world.alarms import Alarm

WORKFLOW_TASK_TIMEOUT_US = 10 * SECOND
STICKY_TIMEOUT_US = 10 * SECOND


class Poller(Protocol):
    """A worker's side of a poll: it is given tasks in its own process."""

    process: WorkerProcess

    def workflow_task(self, task: WorkflowTask, new_events: list[Event]) -> None:
        """Run workflow code."""

    def activity_task(self, task: ActivityTask) -> None:
        """Run an attempt of an activity."""

    def evict(self, execution: str) -> None:
        """Drop a cached instance that has run ahead of its history."""


class WorkflowTask(NamedTuple):
    """A workflow task handed to a worker; `started_id` is its token."""

    execution: Execution
    run_id: str
    started_id: int
    attempt: int


class PendingActivity:
    """An activity that has not closed yet."""

    __slots__ = (
        "alarm",
        "attempt",
        "close_alarm",
        "command",
        "deadline_us",
        "heartbeat_alarm",
        "heartbeat_details",
        "last_failure",
        "retry_due_us",
        "running",
        "scheduled_id",
        "started_us",
        "worker_id",
    )  # fmt: skip

    def __init__(self, command: ScheduleActivity, scheduled_id: int, deadline_us: int | None) -> None:
        self.command = command
        self.scheduled_id = scheduled_id
        self.attempt = 1
        self.running = False
        self.started_us = 0
        self.deadline_us = deadline_us
        self.last_failure: Failure | None = None
        self.heartbeat_details: tuple[Any, ...] = ()
        self.alarm: Alarm | None = None
        self.heartbeat_alarm: Alarm | None = None
        self.close_alarm: Alarm | None = None
        self.retry_due_us: int | None = None
        self.worker_id: str | None = None

    def cancel_alarms(self, *, closing: bool) -> None:
        """Call off what watches the current attempt, and the whole activity when it closes."""
        for alarm in (self.alarm, self.heartbeat_alarm, self.close_alarm if closing else None):
            if alarm is not None:
                alarm.cancel()


class Run:
    """What the server keeps of one execution."""

    __slots__ = (
        "activities",
        "buffered",
        "execution",
        "history",
        "run_id",
        "seen",
        "sticky",
        "task_alarm",
        "task_attempt",
        "task_failing",
        "task_scheduled",
        "task_started_id",
        "timers",
        "transient",
    )  # fmt: skip

    def __init__(self, execution: Execution, run_id: str) -> None:
        self.execution = execution
        self.run_id = run_id
        self.history: list[Event] = []
        self.activities: dict[int, PendingActivity] = {}
        self.timers: dict[int, tuple[int, int]] = {}
        self.buffered: list[tuple[str, int, dict[str, Any]]] = []
        self.task_scheduled = False
        self.task_started_id: int | None = None
        self.task_attempt = 1
        self.task_failing = False
        self.task_alarm: Alarm | None = None
        self.sticky: Poller | None = None
        self.transient: list[Event] = []
        self.seen = 0


def _task_backoff_us(attempt: int) -> int:
    """The wait after a failed workflow task: none at first, then 10 s, and from the 5th attempt on more and more."""
    return 0 if attempt == 1 else min(WORKFLOW_TASK_TIMEOUT_US * 2 ** min(max(attempt - 4, 0), 6), 10 * MINUTE)


class Server:
    """All executions of a run of the simulation."""

    def __init__(self, home: Home, rpc_us: int) -> None:
        self._home = home
        self._world = home.world
        self._alarms = home.world.alarms
        self.wire = Wire(home.world.env, rpc_us)
        self.runs: dict[str, Run] = {}
        self._pollers: deque[Poller] = deque()
        self._workflow_queue: deque[Run] = deque()
        self._activity_queue: deque[tuple[Run, PendingActivity, int]] = deque()

    # --- executions ---------------------------------------------------------------------------------------------
    def start(self, execution: Execution) -> None:
        """Begin an execution."""
        run = self.runs[execution.id] = Run(execution, execution.id)
        self._home.began(execution)
        name = self._home.definition(None).name
        self._append(run, events.WORKFLOW_EXECUTION_STARTED, {"workflow": name, "input": execution.input})
        self._schedule_workflow_task(run)

    def _close(self, run: Run, outcome: Outcome) -> None:
        for activity in run.activities.values():
            activity.cancel_alarms(closing=True)
        run.activities.clear()
        run.timers.clear()
        self._home.ended(run.execution, outcome)

    # --- workers ------------------------------------------------------------------------------------------------
    def poll(self, poller: Poller) -> None:
        """A worker offers to take tasks."""
        self._pollers.append(poller)
        self._match()

    def stop_polling(self, process: WorkerProcess, *, graceful: bool) -> None:
        """A worker's connections are gone. Only a graceful stop gives back the executions that stick to it."""
        self._pollers = deque(poller for poller in self._pollers if poller.process is not process)
        for run in self.runs.values() if graceful else ():
            if run.sticky is not None and run.sticky.process is process:
                run.sticky = None

    def send(self, process: WorkerProcess, callback: Callable[..., None], *arguments: Any) -> None:
        """A message to a worker."""
        self.wire.send(process.deliver, callback, *arguments)

    def _match(self) -> None:
        """Give queued tasks to those who poll, in turn."""
        while self._pollers and self._workflow_queue:
            run = self._workflow_queue.popleft()
            self._start_workflow_task(run, self._next_poller())
        while self._pollers and self._activity_queue:
            run, activity, attempt = self._activity_queue.popleft()
            if run.activities.get(activity.command.step) is activity and activity.attempt == attempt:
                self._start_attempt(run, activity, self._next_poller())

    def _next_poller(self) -> Poller:
        self._pollers.rotate(-1)
        return self._pollers[-1]

    # --- workflow tasks -----------------------------------------------------------------------------------------
    def _schedule_workflow_task(self, run: Run) -> None:
        if run.task_scheduled or run.task_started_id is not None or run.execution.status != "open":
            return
        run.task_scheduled = True
        if run.task_attempt == 1:
            queue = "sticky" if run.sticky is not None else "normal"
            self._append(run, events.WORKFLOW_TASK_SCHEDULED, {"queue": queue, "attempt": 1})
        sticky = run.sticky
        if sticky is None:
            self._workflow_queue.append(run)
            self._match()
        elif sticky.process.alive:
            self._start_workflow_task(run, sticky)
        else:
            run.task_alarm = self._alarms.after(STICKY_TIMEOUT_US, self._sticky_timed_out, run)

    def _sticky_timed_out(self, run: Run) -> None:
        run.sticky = None
        run.task_scheduled = False
        self._task_timed_out(run, "SCHEDULE_TO_START")

    def _start_workflow_task(self, run: Run, poller: Poller) -> None:
        run.task_scheduled = False
        if run.task_attempt > 1:
            run.transient = self._transient_events(run)
            run.task_started_id = run.transient[-1].id
            new = [*run.history, *run.transient]
        else:
            self._append(run, events.WORKFLOW_TASK_STARTED, {"scheduled": len(run.history)})
            run.task_started_id = len(run.history)
            new = run.history[run.seen if run.sticky is poller else 0 :]
        run.task_alarm = self._alarms.after(WORKFLOW_TASK_TIMEOUT_US, self._workflow_task_timed_out, run)
        task = WorkflowTask(run.execution, run.run_id, run.task_started_id, run.task_attempt)
        self.send(poller.process, poller.workflow_task, task, new)

    def send_history(self, task: WorkflowTask, poller: Poller) -> None:
        """A worker whose cache has lost the instance asks for the whole history."""
        run = self.runs[task.execution.id]
        if run.task_started_id == task.started_id:
            self.send(poller.process, poller.workflow_task, task, [*run.history, *run.transient])

    def _transient_events(self, run: Run) -> list[Event]:
        """The events of a second or later attempt: in the history only once it has succeeded."""
        now_us, last = self._world.now_us, len(run.history)
        scheduled = Event(
            last + 1, now_us, events.WORKFLOW_TASK_SCHEDULED, {"queue": "normal", "attempt": run.task_attempt}
        )
        return [scheduled, Event(last + 2, now_us, events.WORKFLOW_TASK_STARTED, {"scheduled": last + 1})]

    def _workflow_task_timed_out(self, run: Run) -> None:
        run.task_started_id = None
        self._task_timed_out(run, START_TO_CLOSE)

    def _task_timed_out(self, run: Run, timeout: str) -> None:
        self._world.trace.add(kinds.WORKFLOW_TASK_TIMED_OUT, run.execution.id, data={"timeout": timeout})
        if run.task_attempt == 1:
            self._append(run, events.WORKFLOW_TASK_TIMED_OUT, {"timeout": timeout})
        self._retry_workflow_task(run, sticky_loss=run.sticky is not None or timeout != START_TO_CLOSE)

    def _retry_workflow_task(self, run: Run, *, sticky_loss: bool) -> None:
        """A task lost on a sticky queue starts afresh on the normal one; otherwise it is the next attempt."""
        run.sticky, run.transient = None, []
        if not sticky_loss:
            run.task_attempt += 1
        else:
            run.task_attempt = 1
        self._flush(run)
        self._schedule_workflow_task(run)

    def fail_workflow_task(self, task: WorkflowTask, poller: Poller, cause: str, message: str) -> None:
        """The worker could not run the code: the task fails and is tried again, the workflow stays open."""
        run = self.runs[task.execution.id]
        if run.task_started_id != task.started_id or run.task_attempt != task.attempt or run.task_alarm is None:
            return
        data = {"cause": cause, "message": message, "attempt": run.task_attempt}
        self._world.trace.add(kinds.WORKFLOW_TASK_FAILED, run.execution.id, poller.process.worker_id, data=data)
        run.task_started_id, run.task_failing = None, True
        run.task_alarm.cancel()
        if run.task_attempt == 1:
            self._append(run, events.WORKFLOW_TASK_FAILED, {"cause": cause, "message": message})
        delay_us = _task_backoff_us(run.task_attempt)
        was_sticky = run.sticky is not None
        run.sticky = None
        run.task_scheduled = True  # nothing else may schedule one meanwhile
        run.task_alarm = self._alarms.after(delay_us, self._try_task_again, run, was_sticky)

    def _try_task_again(self, run: Run, sticky_loss: bool) -> None:
        run.task_scheduled = False
        self._retry_workflow_task(run, sticky_loss=sticky_loss)

    def complete_workflow_task(self, task: WorkflowTask, poller: Poller, decision: Decision) -> None:
        """The worker has run the code: write its commands, then what was buffered."""
        run = self.runs[task.execution.id]
        if run.task_started_id != task.started_id or run.task_attempt != task.attempt or run.execution.status != "open":
            self.send(poller.process, poller.evict, task.execution.id)
            return
        if run.task_alarm is not None:
            run.task_alarm.cancel()
        run.history.extend(run.transient)
        run.transient = []
        run.task_started_id, run.task_attempt, run.task_failing = None, 1, False
        if run.buffered and isinstance(
            decision.commands[-1] if decision.commands else None, (CompleteWorkflow, FailWorkflow)
        ):
            self._refuse_closing(run, poller)
            return
        self._append(run, events.WORKFLOW_TASK_COMPLETED, {"started": task.started_id})
        for remark in decision.notes:
            self._world.trace.add(remark.kind, run.execution.id, poller.process.worker_id, remark.subject)
        run.sticky = None if poller.process.stopping else poller  # whether it still lives, the server cannot know
        run.seen = len(run.history) - 1
        for command in decision.commands:
            self._carry_out(run, command)
        if run.execution.status == "open" and self._flush(run):
            self._schedule_workflow_task(run)

    def _refuse_closing(self, run: Run, poller: Poller) -> None:
        self._append(run, events.WORKFLOW_TASK_FAILED, {"cause": "UNHANDLED_COMMAND"})
        run.sticky = None
        self.send(poller.process, poller.evict, run.execution.id)
        self._flush(run)
        self._schedule_workflow_task(run)

    def _carry_out(self, run: Run, command: Any) -> None:
        match command:
            case ScheduleActivity():
                self._schedule_activity(run, command)
            case StartTimer():
                self._start_timer(run, command)
            case CompleteWorkflow():
                self._append(run, events.WORKFLOW_EXECUTION_COMPLETED, {"result": command.result})
                self._close(run, Outcome(command.result))
            case FailWorkflow():
                self._append(run, events.WORKFLOW_EXECUTION_FAILED, {"failure": command.failure})
                self._close(run, Outcome(failure=command.failure))

    # --- timers -------------------------------------------------------------------------------------------------
    def _start_timer(self, run: Run, command: StartTimer) -> None:
        self._append(run, events.TIMER_STARTED, {"step": command.step, "duration_us": command.duration_us})
        due_us = self._world.now_us + command.duration_us
        run.timers[command.step] = (len(run.history), due_us)
        data = {"duration_us": command.duration_us}
        self._world.trace.add(kinds.TIMER_STARTED, run.execution.id, step=command.step, data=data)
        self._alarms.after(command.duration_us, self._timer_fired, run, command.step)

    def _timer_fired(self, run: Run, step: int) -> None:
        if step in run.timers:
            started_id, _ = run.timers.pop(step)
            self._world.trace.add(kinds.TIMER_FIRED, run.execution.id, step=step)
            self._happened(run, (events.TIMER_FIRED, {"step": step, "started": started_id}))

    # --- activities ---------------------------------------------------------------------------------------------
    def _schedule_activity(self, run: Run, command: ScheduleActivity) -> None:
        attributes = {"step": command.step, "activity": command.name, "arguments": list(command.arguments)}
        self._append(run, events.ACTIVITY_TASK_SCHEDULED, attributes)
        whole_us = command.options.schedule_to_close_us
        deadline_us = None if whole_us is None else self._world.now_us + whole_us
        activity = PendingActivity(command, len(run.history), deadline_us)
        run.activities[command.step] = activity
        if whole_us is not None:
            activity.close_alarm = self._alarms.after(whole_us, self._out_of_time, run, activity)
        self._note(kinds.TASK_SCHEDULED, run, activity)
        self._queue_attempt(run, activity)

    def _queue_attempt(self, run: Run, activity: PendingActivity) -> None:
        self._activity_queue.append((run, activity, activity.attempt))
        self._match()

    def _start_attempt(self, run: Run, activity: PendingActivity, poller: Poller) -> None:
        command, process = activity.command, poller.process
        activity.running, activity.started_us, activity.worker_id = True, self._world.now_us, process.worker_id
        limit_us = command.options.start_to_close_us
        if limit_us is not None:
            activity.alarm = self._alarms.after(limit_us, self._attempt_timed_out, run, activity, START_TO_CLOSE)
        self._await_heartbeat(run, activity)
        task = ActivityTask(
            run.execution.id, run.run_id, command.step, command.name, command.function, command.arguments,
            activity.attempt, activity.heartbeat_details,
        )  # fmt: skip
        self.send(process, poller.activity_task, task)

    def heartbeat(self, task: ActivityTask, details: tuple[Any, ...]) -> None:
        """An attempt says that it lives."""
        run = self.runs[task.execution]
        activity = self._current(run, task)
        if activity is not None:
            activity.heartbeat_details = details
            self._await_heartbeat(run, activity)

    def _await_heartbeat(self, run: Run, activity: PendingActivity) -> None:
        if activity.heartbeat_alarm is not None:
            activity.heartbeat_alarm.cancel()
        pause_us = activity.command.options.heartbeat_us
        if pause_us is not None:
            activity.heartbeat_alarm = self._alarms.after(pause_us, self._attempt_timed_out, run, activity, HEARTBEAT)

    def activity_ended(self, task: ActivityTask, poller: Poller, outcome: Outcome) -> None:
        """The result of an attempt has arrived: record it, retry, or refuse it because the attempt was given up."""
        run = self.runs[task.execution]
        activity = self._current(run, task)
        if activity is None:
            data = {"failure": outcome.failure.to_json()} if outcome.failure else None
            self._world.trace.add(
                kinds.RESULT_REFUSED,
                task.execution,
                poller.process.worker_id,
                task.name,
                task.step,
                task.attempt,
                None,
                data,
            )
        elif outcome.failure is None:
            self._note(kinds.RESULT_RECORDED, run, activity)
            self._note(kinds.TASK_COMPLETED, run, activity)
            closing = {"step": task.step, "activity": task.name, "result": outcome.value}
            self._close_activity(run, activity, events.ACTIVITY_TASK_COMPLETED, closing)
        else:
            self._attempt_failed(run, activity, outcome.failure)

    def _current(self, run: Run, task: ActivityTask) -> PendingActivity | None:
        activity = run.activities.get(task.step)
        return activity if activity is not None and activity.running and activity.attempt == task.attempt else None

    def _attempt_timed_out(self, run: Run, activity: PendingActivity, kind: str) -> None:
        self._note(kinds.ATTEMPT_TIMED_OUT, run, activity, {"timeout": kind})
        self._attempt_failed(run, activity, timeout_failure(kind))

    def _attempt_failed(self, run: Run, activity: PendingActivity, failure: Failure) -> None:
        activity.running = False
        activity.cancel_alarms(closing=False)
        policy = activity.command.options.retry_policy
        decision = next_retry(policy, failure, activity.attempt, self._world.now_us, activity.deadline_us)
        if isinstance(decision, str):
            self._activity_failed(run, activity, failure, decision)
            return
        activity.last_failure = failure
        detail = {"delay_us": decision, "failure": failure.to_json()}
        self._note(kinds.BACKOFF_BEGUN, run, activity, detail)
        activity.retry_due_us = self._world.now_us + decision
        activity.alarm = self._alarms.after(decision, self._retry, run, activity)

    def _retry(self, run: Run, activity: PendingActivity) -> None:
        activity.attempt += 1
        activity.retry_due_us = None
        self._note(kinds.BACKOFF_ENDED, run, activity)
        self._queue_attempt(run, activity)

    def _activity_failed(self, run: Run, activity: PendingActivity, failure: Failure, retry_state: str) -> None:
        """Out of retries. A time-out with no room for another attempt counts as the end of the whole time."""
        if failure.timeout_type is not None and retry_state == TIMEOUT:
            failure = timeout_failure(SCHEDULE_TO_CLOSE, activity.last_failure)
        elif failure.timeout_type is not None and activity.last_failure is not None:
            failure = failure._replace(cause=activity.last_failure)
        self._close_failed(run, activity, failure, retry_state, started=True)

    def _out_of_time(self, run: Run, activity: PendingActivity) -> None:
        started = activity.running
        if started:
            self._note(kinds.ATTEMPT_TIMED_OUT, run, activity, {"timeout": SCHEDULE_TO_CLOSE})
        failure = timeout_failure(SCHEDULE_TO_CLOSE, activity.last_failure)
        self._close_failed(run, activity, failure, TIMEOUT, started=started)

    def _close_failed(
        self, run: Run, activity: PendingActivity, failure: Failure, retry_state: str, *, started: bool
    ) -> None:
        detail = {"failure": failure.to_json(), "retry_state": retry_state}
        self._note(kinds.RESULT_RECORDED, run, activity, detail)
        self._note(kinds.TASK_COMPLETED, run, activity, detail)
        command = activity.command
        closing = {"step": command.step, "activity": command.name, "failure": failure, "retry_state": retry_state}
        timed_out = failure.timeout_type is not None
        event_type = events.ACTIVITY_TASK_TIMED_OUT if timed_out else events.ACTIVITY_TASK_FAILED
        self._close_activity(run, activity, event_type, closing, started=started)

    def _close_activity(
        self, run: Run, activity: PendingActivity, event_type: str, attributes: dict[str, Any], *, started: bool = True
    ) -> None:
        """Write how an activity ended, and with it, only now, that its last attempt had started."""
        activity.cancel_alarms(closing=True)
        del run.activities[activity.command.step]
        closing = [(event_type, attributes | {"scheduled": activity.scheduled_id})]
        if started:
            detail: dict[str, Any] = {
                "step": activity.command.step,
                "scheduled": activity.scheduled_id,
                "attempt": activity.attempt,
                "worker": activity.worker_id,
            }
            if activity.last_failure is not None:
                detail["last_failure"] = activity.last_failure
            self._happened(run, (events.ACTIVITY_TASK_STARTED, detail), *closing, started_us=activity.started_us)
        else:
            self._happened(run, *closing)

    # --- histories ----------------------------------------------------------------------------------------------
    def _happened(self, run: Run, *new: tuple[str, dict[str, Any]], started_us: int | None = None) -> None:
        """Something that the workflow must be told: into the history, or into the buffer while a task is running."""
        now_us = self._world.now_us
        for event_type, attributes in new:
            time_us = now_us if started_us is None or event_type != events.ACTIVITY_TASK_STARTED else started_us
            if run.task_started_id is not None:
                run.buffered.append((event_type, time_us, attributes))
            else:
                self._append(run, event_type, attributes, time_us)
        self._schedule_workflow_task(run)

    def _flush(self, run: Run) -> bool:
        buffered, run.buffered = run.buffered, []
        for event_type, time_us, attributes in buffered:
            self._append(run, event_type, attributes, time_us)
        return bool(buffered)

    def _append(self, run: Run, event_type: str, attributes: dict[str, Any], time_us: int | None = None) -> None:
        history = run.history
        at_us = self._world.now_us if time_us is None else time_us
        history.append(Event(len(history) + 1, at_us, event_type, attributes))

    def _note(self, kind: str, run: Run, activity: PendingActivity, data: dict[str, Any] | None = None) -> None:
        command = activity.command
        self._world.trace.add(
            kind, run.execution.id, activity.worker_id, command.name, command.step, activity.attempt, None, data
        )
