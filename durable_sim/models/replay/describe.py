"""What an operator sees of a workflow: its state, what is pending, and where its code waits."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.durations import seconds
from durable_sim.models.replay.runner import Waiting
from durable_sim.models.replay.server.state import BACKOFF, SCHEDULED, PendingActivity, Run


@dataclass(frozen=True, slots=True)
class PendingActivityInfo:
    """An activity that has not closed. `maximum_attempts` is 0 where there is no limit; times are microseconds."""

    name: str
    activity_id: str
    state: str
    attempt: int
    maximum_attempts: int
    last_failure: str | None
    next_retry_us: int | None
    worker: str | None
    started_us: int | None
    heartbeat_details: tuple[object, ...]
    cancel_requested: bool

    def __str__(self) -> str:
        limit = self.maximum_attempts or "unlimited"
        parts = [f"activity {self.name} ({self.activity_id}): {self.state}, attempt {self.attempt} of {limit}"]
        parts += [f"next at {seconds(self.next_retry_us)}"] if self.next_retry_us is not None else []
        parts += [f"on {self.worker}"] if self.worker is not None and self.state == "STARTED" else []
        parts += ["cancel requested"] if self.cancel_requested else []
        parts += [f"last failure: {self.last_failure}"] if self.last_failure else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class PendingTimerInfo:
    """A timer that has not fired."""

    timer_id: str
    due_us: int

    def __str__(self) -> str:
        return f"timer {self.timer_id}: due at {seconds(self.due_us)}"


@dataclass(frozen=True, slots=True)
class PendingChildInfo:
    """A child whose end has not been told. `run_id` is None until it has started."""

    workflow_id: str
    workflow_type: str
    run_id: str | None
    parent_close_policy: str

    def __str__(self) -> str:
        state = "being started" if self.run_id is None else "running"
        return f"child {self.workflow_type} ({self.workflow_id}): {state}, when this ends: {self.parent_close_policy}"


@dataclass(frozen=True, slots=True)
class PendingTaskInfo:
    """The workflow task that is scheduled, with a worker, or in back-off after `failures` failures in a row."""

    state: str
    attempt: int
    worker: str | None
    failures: int
    last_failure: str

    def __str__(self) -> str:
        text = f"workflow task: {self.state}, attempt {self.attempt}"
        if self.failures:
            text += f"; failed {self.failures} time(s) in a row: {self.last_failure}"
        return text


@dataclass(frozen=True, slots=True)
class Description:
    """A workflow as it is now. `waits` is empty where the code has ended, None where it cannot be run
    (`waits_problem` says why)."""

    workflow_id: str
    run_id: str
    workflow_type: str
    status: str
    attempt: int
    build: str | None
    started_us: int
    activities: tuple[PendingActivityInfo, ...]
    timers: tuple[PendingTimerInfo, ...]
    children: tuple[PendingChildInfo, ...]
    task: PendingTaskInfo | None
    history_events: int
    waits: tuple[Waiting, ...] | None
    waits_problem: str | None
    memo: dict[str, object]
    search_attributes: dict[str, object]

    def __str__(self) -> str:
        head = f"{self.workflow_type} {self.workflow_id} (run {self.run_id}): {self.status}"
        lines = [f"{head}, {self.history_events} events"]
        pending = [*self.activities, *self.timers, *self.children, *([self.task] if self.task is not None else [])]
        lines += [f"  {one}" for one in pending]
        lines += [f"  the code waits at {one}" for one in self.waits or ()]
        lines += [f"  the code cannot be run: {self.waits_problem}"] if self.waits_problem else []
        return "\n".join(lines)

    __repr__ = __str__


def describe(run: Run, waits: tuple[Waiting, ...] | None, problem: str | None) -> Description:
    """Describe a run; where its code waits is for a worker to say."""
    task = run.task
    return Description(
        workflow_id=run.workflow_id,
        run_id=run.run_id,
        workflow_type=run.options.workflow_type,
        status=run.status,
        attempt=run.attempt,
        build=run.build,
        started_us=run.started_us,
        activities=tuple(map(_activity, run.activities.values())),
        timers=tuple(PendingTimerInfo(timer.timer_id, timer.due_us) for timer in run.timers.values()),
        children=tuple(
            PendingChildInfo(child.workflow_id, child.workflow_type, child.run_id, child.parent_close_policy)
            for child in run.children.values()
        ),
        task=None
        if task is None
        else PendingTaskInfo(task.phase, task.attempt, task.worker, run.task_failures, run.last_task_failure),
        history_events=len(run.history),
        waits=waits,
        waits_problem=problem,
        memo=dict(run.memo),
        search_attributes=dict(run.search_attributes),
    )


def _activity(activity: PendingActivity) -> PendingActivityInfo:
    failure = activity.last_failure
    return PendingActivityInfo(
        name=activity.name,
        activity_id=activity.activity_id,
        state=SCHEDULED if activity.phase == BACKOFF else activity.phase,
        attempt=activity.attempt + 1 if activity.phase == BACKOFF else activity.attempt,
        maximum_attempts=activity.options.retry_policy.maximum_attempts,
        last_failure=None if failure is None else f"{failure.type}: {failure.message}",
        next_retry_us=activity.retry_due_us if activity.phase == BACKOFF else None,
        worker=activity.worker,
        started_us=activity.started_us or None,
        heartbeat_details=activity.heartbeat_details,
        cancel_requested=bool(activity.cancel_event_id),
    )
