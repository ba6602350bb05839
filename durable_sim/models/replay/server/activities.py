"""Activities: attempts, their time-outs, retries, heartbeats and cancellation.

Always holds: a result counts only for the attempt that is under way; retries leave no events; that an attempt had
started is written when the activity closes, with the number of the last attempt.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from durable_sim import trace
from durable_sim.models.attempts import ActivityTask
from durable_sim.models.executions import Outcome
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.queues import ACTIVITY, Poller, Queues, Waiting
from durable_sim.models.replay.server.state import BACKOFF, SCHEDULED, STARTED, UNWRITTEN, PendingActivity, Run
from durable_sim.workflows.commands import RequestCancelActivity, ScheduleActivity
from durable_sim.workflows.failures import (
    HEARTBEAT,
    SCHEDULE_TO_CLOSE,
    SCHEDULE_TO_START,
    START_TO_CLOSE,
    TIMED_OUT,
    Failure,
    timeout_failure,
)
from durable_sim.workflows.retry import TIMEOUT, next_retry

AttemptToken = tuple[str, int, int]
"""Names an attempt: run, the event that scheduled the activity, number of the attempt."""
RETRY = "RETRY"


class Activities:
    """The activities of all runs."""

    def __init__(self, journal: Journal, queues: Queues, runs: dict[str, Run]) -> None:
        self._journal = journal
        self._queues = queues
        self._runs = runs

    # --- commands ---------------------------------------------------------------------------------------------------
    def schedule(self, run: Run, command: ScheduleActivity, completed: int) -> None:
        """A workflow asks for an activity."""
        journal, options, now_us = self._journal, command.options.as_recorded(), self._journal.now_us
        queue = options.task_queue or run.options.task_queue
        attributes: dict[str, Any] = {
            "activity_id": command.id,
            "activity_type": command.name,
            "task_queue": queue,
            "input": list(command.arguments),
            "retry_policy": options.retry_policy,
            "workflow_task_completed_event_id": completed,
            "step": command.step,
        }
        if options.start_to_close_us is not None:
            attributes["start_to_close_us"] = options.start_to_close_us
        if options.schedule_to_close_us is not None or options.schedule_to_start_us is not None:
            attributes["schedule_to_close_us"] = options.schedule_to_close_us
            attributes["schedule_to_start_us"] = options.schedule_to_start_us
        if options.heartbeat_us is not None:
            attributes["heartbeat_us"] = options.heartbeat_us
        event_id = journal.append(run, kinds.ACTIVITY_TASK_SCHEDULED, attributes)
        activity = PendingActivity(
            command.step, command.id, command.name, queue, attributes["input"], options, event_id, now_us, now_us
        )
        run.activities[event_id] = activity
        journal.note(trace.TASK_SCHEDULED, run, activity)
        self.enqueue(run, activity)

    def request_cancel(self, run: Run, command: RequestCancelActivity, completed: int) -> None:
        """A workflow no longer wants an activity: it ends now, unless an attempt is running, which is told."""
        scheduled = self._scheduled_event(run, command.target)
        attributes = {"scheduled_event_id": scheduled, "workflow_task_completed_event_id": completed}
        event_id = self._journal.append(run, kinds.ACTIVITY_TASK_CANCEL_REQUESTED, attributes)
        activity = run.activities.get(scheduled)
        if activity is None:  # its end is in the buffer
            return
        activity.cancel_event_id = event_id
        if activity.phase != STARTED:
            self._close_cancelled(run, activity, (), started=False)

    def _scheduled_event(self, run: Run, step: int) -> int:
        for activity in run.activities.values():
            if activity.step == step:
                return activity.scheduled_event_id
        for event in run.history:
            if event.type == kinds.ACTIVITY_TASK_SCHEDULED and event.attributes["step"] == step:
                return event.id
        raise AssertionError(f"step {step} of {run.run_id} is no activity")

    # --- attempts ---------------------------------------------------------------------------------------------------
    def enqueue(self, run: Run, activity: PendingActivity) -> None:
        """Hand the attempt to a worker, or let it wait for one."""
        queues = self._queues
        poller = queues.poller_for(activity.task_queue, ACTIVITY, run.build)
        if poller is not None:
            self.start(run, activity, poller)
            return
        start = partial(self.start, run, activity)
        queues.wait(activity.task_queue, ACTIVITY, Waiting(run, run.build, start, activity.attempt, activity))
        self._arm(run, activity)

    def start(self, run: Run, activity: PendingActivity, poller: Poller) -> None:
        """A worker takes the attempt."""
        journal = self._journal
        journal.changed[run.run_id] = run
        activity.phase, activity.started_us = STARTED, journal.now_us
        activity.worker, activity.heartbeat_us = poller.process.worker_id, journal.now_us
        self._arm(run, activity)
        token = run.run_id, activity.scheduled_event_id, activity.attempt
        task = ActivityTask(
            run.trace_id, run.run_id, activity.step, activity.name, None, tuple(activity.input), activity.attempt,
            activity.heartbeat_details, run.workflow_id, token, activity.options.heartbeat_us,
            journal.number_of(run, activity.step),
        )  # fmt: skip
        journal.send(poller.process, poller.activity_task, task)

    def _arm(self, run: Run, activity: PendingActivity) -> None:
        """Set the alarm for what comes next if nothing else does."""
        if activity.alarm is not None:
            activity.alarm.cancel()
            activity.alarm = None
        due = _next_due(activity)
        if due is not None:
            activity.alarm = self._journal.after(due[0] - self._journal.now_us, self._due, run, activity)

    recover = _arm

    def _due(self, run: Run, activity: PendingActivity) -> None:
        due = _next_due(activity)
        if due is None or run.activities.get(activity.scheduled_event_id) is not activity:
            return
        due_us, kind = due
        if due_us > self._journal.now_us:
            self._arm(run, activity)  # a heartbeat has come since
        elif kind == RETRY:
            self._retry(run, activity)
        elif kind in (START_TO_CLOSE, HEARTBEAT):
            self._journal.note(trace.ATTEMPT_TIMED_OUT, run, activity, {"timeout": kind})
            self._attempt_failed(run, activity, timeout_failure(kind))
        else:
            self._out_of_time(run, activity, kind)

    def _retry(self, run: Run, activity: PendingActivity) -> None:
        activity.attempt += 1
        activity.phase, activity.queued_us = SCHEDULED, self._journal.now_us
        self._journal.changed[run.run_id] = run
        self._journal.note(trace.BACKOFF_ENDED, run, activity)
        self.enqueue(run, activity)

    # --- what workers report ----------------------------------------------------------------------------------------
    def current(self, token: AttemptToken) -> tuple[Run, PendingActivity] | None:
        """The activity whose attempt this is, if that is still under way."""
        run_id, scheduled, attempt = token
        run = self._runs.get(run_id)
        activity = None if run is None else run.activities.get(scheduled)
        if run is None or activity is None or activity.phase != STARTED or activity.attempt != attempt:
            return None
        return run, activity

    def heartbeat(self, token: AttemptToken, details: tuple[Any, ...], poller: Poller) -> None:
        """An attempt says that it lives; it hears whether it is still wanted."""
        found = self.current(token)
        if found is None:
            self._journal.send(poller.process, poller.cancel_attempt, token)
            return
        run, activity = found
        self._journal.changed[run.run_id] = run
        activity.heartbeat_us, activity.heartbeat_details = self._journal.now_us, details
        if activity.cancel_event_id:
            self._journal.send(poller.process, poller.cancel_attempt, token)

    def ended(self, task: ActivityTask, poller: Poller, outcome: Outcome) -> None:
        """The result of an attempt has arrived: record it, retry, or refuse it because the attempt was given up."""
        found = self.current(task.token)
        if found is None:
            self._refuse(task, poller, outcome)
            return
        run, activity = found
        if outcome.cancelled and activity.cancel_event_id:
            self._close_cancelled(run, activity, (), started=True)
        elif outcome.failure is None:
            self._journal.note(trace.RESULT_RECORDED, run, activity)
            self._journal.note(trace.TASK_COMPLETED, run, activity)
            self._close(run, activity, kinds.ACTIVITY_TASK_COMPLETED, {"result": outcome.value}, started=True)
        else:
            self._attempt_failed(run, activity, outcome.failure)

    def _refuse(self, task: ActivityTask, poller: Poller, outcome: Outcome) -> None:
        data = {"failure": outcome.failure.to_json()} if outcome.failure else None
        self._journal.home.world.trace.add(
            trace.RESULT_REFUSED, task.execution, poller.process.worker_id, task.name, task.number, task.attempt, None,
            data,
        )  # fmt: skip

    # --- failures ---------------------------------------------------------------------------------------------------
    def _attempt_failed(self, run: Run, activity: PendingActivity, failure: Failure) -> None:
        journal, options, now_us = self._journal, activity.options, self._journal.now_us
        journal.changed[run.run_id] = run
        if activity.cancel_event_id:
            self._close_failed(run, activity, failure, "CANCEL_REQUESTED", started=True)
            return
        whole_us = options.schedule_to_close_us
        deadline_us = None if whole_us is None else activity.scheduled_us + whole_us
        decision = next_retry(options.retry_policy, failure, activity.attempt, now_us, deadline_us)
        if isinstance(decision, str):
            self._out_of_retries(run, activity, failure, decision)
            return
        activity.last_failure, activity.phase = failure, BACKOFF
        delay_us = journal.stretched_us(decision)
        journal.note(trace.BACKOFF_BEGUN, run, activity, {"delay_us": delay_us, "failure": failure.to_json()})
        activity.retry_due_us = now_us + delay_us
        self._arm(run, activity)

    def _out_of_retries(self, run: Run, activity: PendingActivity, failure: Failure, retry_state: str) -> None:
        """A time-out with no room for another attempt counts as the end of the whole time."""
        if failure.kind == TIMED_OUT and retry_state == TIMEOUT:
            failure = timeout_failure(SCHEDULE_TO_CLOSE, activity.last_failure)
        elif failure.kind == TIMED_OUT and activity.last_failure is not None:
            failure = failure._replace(cause=activity.last_failure)
        self._close_failed(run, activity, failure, retry_state, started=True)

    def _out_of_time(self, run: Run, activity: PendingActivity, kind: str) -> None:
        """Schedule-to-close and schedule-to-start are final."""
        started = activity.phase == STARTED
        if started:
            self._journal.note(trace.ATTEMPT_TIMED_OUT, run, activity, {"timeout": kind})
        self._close_failed(run, activity, timeout_failure(kind, activity.last_failure), TIMEOUT, started=started)

    def _close_failed(
        self, run: Run, activity: PendingActivity, failure: Failure, retry_state: str, *, started: bool
    ) -> None:
        detail = {"failure": failure.to_json(), "retry_state": retry_state}
        self._journal.note(trace.RESULT_RECORDED, run, activity, detail)
        self._journal.note(trace.TASK_COMPLETED, run, activity, detail)
        event_type = kinds.ACTIVITY_TASK_TIMED_OUT if failure.kind == TIMED_OUT else kinds.ACTIVITY_TASK_FAILED
        self._close(run, activity, event_type, {"failure": failure, "retry_state": retry_state}, started=started)

    def _close_cancelled(self, run: Run, activity: PendingActivity, details: tuple[Any, ...], *, started: bool) -> None:
        self._journal.note(trace.TASK_COMPLETED, run, activity, {"cancelled": True})
        closing = {"details": list(details), "latest_cancel_requested_event_id": activity.cancel_event_id}
        self._close(run, activity, kinds.ACTIVITY_TASK_CANCELED, closing, started=started)

    def _close(
        self, run: Run, activity: PendingActivity, event_type: str, attributes: dict[str, Any], *, started: bool
    ) -> None:
        """Write how an activity ended, and with it, only now, that its last attempt had started."""
        if activity.alarm is not None:
            activity.alarm.cancel()
        scheduled = activity.scheduled_event_id
        del run.activities[scheduled]
        attributes["scheduled_event_id"] = scheduled
        if event_type != kinds.ACTIVITY_TASK_TIMED_OUT:  # nobody told of that
            attributes["identity"] = activity.worker
        if not started:
            attributes["started_event_id"] = 0
            self._journal.happened(run, (event_type, attributes))
            return
        buffering = run.in_batch or run.task_started
        beginning: dict[str, Any] = {
            "scheduled_event_id": scheduled,
            "identity": activity.worker,
            "attempt": activity.attempt,
        }
        if activity.last_failure is not None:
            beginning["last_failure"] = activity.last_failure
        if run.task is not None:
            self._journal.make_real(run)
        attributes["started_event_id"] = UNWRITTEN if buffering else len(run.history) + 1
        start = kinds.ACTIVITY_TASK_STARTED, beginning
        self._journal.happened(run, start, (event_type, attributes), started_us=activity.started_us)


def _next_due(activity: PendingActivity) -> tuple[int, str] | None:
    """When, and what, will happen to an activity if nothing else does. Of two at one instant the final one."""
    options, phase = activity.options, activity.phase
    due: tuple[int, str] | None = None
    if options.schedule_to_close_us is not None:
        due = activity.scheduled_us + options.schedule_to_close_us, SCHEDULE_TO_CLOSE
    if phase == STARTED:
        due = _sooner(due, activity.started_us, options.start_to_close_us, START_TO_CLOSE)
        return _sooner(due, activity.heartbeat_us, options.heartbeat_us, HEARTBEAT)
    if phase == BACKOFF:
        return _sooner(due, activity.retry_due_us, 0, RETRY)
    return _sooner(due, activity.queued_us, options.schedule_to_start_us, SCHEDULE_TO_START)


def _sooner(due: tuple[int, str] | None, begun_us: int, limit_us: int | None, kind: str) -> tuple[int, str] | None:
    if limit_us is None or (due is not None and due[0] <= begun_us + limit_us):
        return due
    return begun_us + limit_us, kind
