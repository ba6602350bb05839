"""Workflow tasks: one at a time for a run; scheduled, handed to a worker, and completed, failed or timed out.

A task goes to the sticky queue of the worker that has the run in its cache, and from there, if nobody takes it for ten
seconds, to the task queue. Only the first failure of a task is written down; later attempts leave no events until one
succeeds. Always holds: what arrives while a worker has the task is buffered until it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from durable_sim import trace
from durable_sim.durations import MINUTE, SECOND
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.queues import WORKFLOW, Poller, Queues, Waiting
from durable_sim.models.replay.server.state import RUNNING, SCHEDULED, STARTED, Run, WorkflowTask
from durable_sim.workflows.commands import CLOSING, Command, RejectUpdate, RequestCancelActivity, ScheduleActivity
from durable_sim.workflows.failures import SCHEDULE_TO_START, SERVER, START_TO_CLOSE, Failure
from durable_sim.workflows.handlers import UpdateRequest
from durable_sim.workflows.program import Note

STICKY_TIMEOUT_US = 10 * SECOND
FIRST_EXTRA_US = 5 * SECOND
PLAIN_ATTEMPTS = 3
PENDING_ACTIVITIES_MAX = 2_000
SUGGEST_AFTER = 4_096
UNHANDLED_COMMAND = "UNHANDLED_COMMAND"


class TaskToken(NamedTuple):
    """Names a workflow task that was handed to a worker."""

    run_id: str
    started_event_id: int
    attempt: int


def timeout_of(task_timeout_us: int, attempt: int) -> int:
    """The time-out of attempt number `attempt` of a workflow task: from the fourth on the server gives it 5 s, 10 s,
    20 s, ... more, at most 10 minutes, which is what spaces the attempts of a task that always fails."""
    late = attempt - PLAIN_ATTEMPTS - 1
    return task_timeout_us if late < 0 else task_timeout_us + min(FIRST_EXTRA_US << min(late, 7), 10 * MINUTE)


class WorkflowTasks:
    """The workflow tasks of all runs. `carry_out` is what does the commands of a completed one."""

    def __init__(
        self,
        journal: Journal,
        queues: Queues,
        runs: dict[str, Run],
        carry_out: Callable[[Run, Command, int], None],
        take_updates: Callable[[Run], Sequence[UpdateRequest]],
        done: Callable[[Run], None],
    ) -> None:
        self._journal = journal
        self._queues = queues
        self._runs = runs
        self._carry_out = carry_out
        self._take_updates = take_updates
        self._done = done
        journal.ask_for_task = self.schedule

    # --- scheduling -------------------------------------------------------------------------------------------------
    def schedule(self, run: Run, *, speculative: bool = False, to: Poller | None = None) -> None:
        """Put a task for this run into a queue, or give it `to` a worker, unless the run has one already, has ended, or
        must not begin yet."""
        journal = self._journal
        if run.task is not None or run.status != RUNNING or run.first_task_due_us > journal.now_us:
            return
        journal.changed[run.run_id] = run
        sticky = run.sticky if run.task_attempt == 1 else None
        now_us, event_id = journal.now_us, len(run.history) + 1
        task = run.task = WorkflowTask(run.task_attempt, sticky is not None, event_id, now_us)
        attributes = {
            "task_queue": run.options.task_queue if sticky is None else sticky,
            "task_queue_kind": "NORMAL" if sticky is None else "STICKY",
            "start_to_close_us": run.options.task_timeout_us,
            "attempt": task.attempt,
        }
        if task.attempt > 1 or speculative:
            attributes["start_to_close_us"] = timeout_of(run.options.task_timeout_us, task.attempt)
            task.speculative = task.attempt == 1
            task.transient = [Event(event_id, now_us, kinds.WORKFLOW_TASK_SCHEDULED, attributes)]
        else:
            run.append(now_us, kinds.WORKFLOW_TASK_SCHEDULED, attributes)
        if to is None:
            self.enqueue(run)
        else:
            to.free[WORKFLOW] -= 1
            self.start(run, to)

    def enqueue(self, run: Run) -> None:
        """Hand the scheduled task to a worker, or let it wait for one; on a sticky queue only so long."""
        task = run.task
        assert task is not None
        queue = run.sticky if task.sticky and run.sticky is not None else run.options.task_queue
        poller = self._queues.poller_for(queue, WORKFLOW, run.build)
        if poller is not None:
            self.start(run, poller)
            return
        self._queues.wait(queue, WORKFLOW, Waiting(run, run.build, partial(self.start, run), task, None))
        if task.sticky and task.phase == SCHEDULED:
            left_us = task.scheduled_us + STICKY_TIMEOUT_US - self._journal.now_us
            task.alarm = self._journal.after(left_us, self._timed_out, run, task, SCHEDULE_TO_START)

    def start(self, run: Run, poller: Poller) -> None:
        """A worker takes the task: it gets what is new to it, or the whole history."""
        journal, task = self._journal, run.task
        assert task is not None
        journal.changed[run.run_id] = run
        if task.alarm is not None:
            task.alarm.cancel()
        task.phase, task.started_us, task.worker = STARTED, journal.now_us, poller.identity
        if task.transient and not task.speculative:  # whatever was written meanwhile comes before it
            task.scheduled_event_id = len(run.history) + 1
            task.transient = [task.transient[0]._replace(id=task.scheduled_event_id)]
        self._write_started(run, task, poller)
        journal.unwatched.append((self._watch, (run, task)))
        token = TaskToken(run.run_id, task.started_event_id, task.attempt)
        seen = run.seen if task.sticky else 0
        new = [*run.history[seen:], *task.transient] if task.transient else run.history[seen:]
        journal.send(poller.process, poller.workflow_task, token, new, self._take_updates(run))

    def _watch(self, run: Run, task: WorkflowTask) -> None:
        """Set the alarm for the time-out of a task that a worker has."""
        if run.task is task and task.phase == STARTED:
            limit_us = timeout_of(run.options.task_timeout_us, task.attempt)
            left_us = task.started_us + limit_us - self._journal.now_us
            task.alarm = self._journal.after(left_us, self._timed_out, run, task, START_TO_CLOSE)

    def _write_started(self, run: Run, task: WorkflowTask, poller: Poller) -> None:
        journal = self._journal
        attributes: dict[str, Any] = {"scheduled_event_id": task.scheduled_event_id, "identity": poller.identity}
        if len(run.history) >= SUGGEST_AFTER:
            attributes["suggest_continue_as_new"] = True
        if poller.process.version is not None:
            attributes["build_id"] = poller.process.version
        if task.transient:
            task.started_event_id = task.transient[0].id + 1
            started = Event(task.started_event_id, journal.now_us, kinds.WORKFLOW_TASK_STARTED, attributes)
            task.transient = [*task.transient, started]
        else:
            task.started_event_id = journal.append(run, kinds.WORKFLOW_TASK_STARTED, attributes)

    def send_history(self, token: TaskToken, poller: Poller) -> None:
        """A worker whose cache has lost the instance asks for the whole history."""
        run = self._current(token)
        if run is not None and run.task is not None:
            events = [*run.history, *run.task.transient]
            self._journal.send(poller.process, poller.workflow_task, token, events, self._take_updates(run))

    def _current(self, token: TaskToken) -> Run | None:
        """The run, if this is still its task."""
        run = self._runs.get(token.run_id)
        task = None if run is None else run.task
        if task is None or task.phase != STARTED:
            return None
        return run if (task.started_event_id, task.attempt) == (token.started_event_id, token.attempt) else None

    # --- time-outs and failures -------------------------------------------------------------------------------------
    def _timed_out(self, run: Run, task: WorkflowTask, timeout: str) -> None:
        if run.task is not task:
            return
        journal = self._journal
        journal.make_real(run)
        if not task.reported:
            journal.note(trace.WORKFLOW_TASK_TIMED_OUT, run, data={"timeout": timeout})
        if task.attempt == 1:
            attributes = {
                "scheduled_event_id": task.scheduled_event_id,
                "started_event_id": task.started_event_id,
                "timeout_type": timeout,
            }
            journal.append(run, kinds.WORKFLOW_TASK_TIMED_OUT, attributes)
        self._try_again(run, task)

    def fail(self, token: TaskToken, poller: Poller, cause: str, failure: Failure) -> None:
        """The worker could not run the code: the task fails and is tried again, the workflow stays open.

        As the real SDK does, a worker reports only the failure of a first attempt; a later one times out.
        """
        run, journal = self._current(token), self._journal
        if run is None or run.task is None:
            return
        task = run.task
        journal.make_real(run)
        self._note_failure(run, task, poller, cause, failure)
        task.reported = True
        journal.changed[run.run_id] = run
        if task.attempt == 1:
            self._write_failed(run, task, cause, failure, poller.identity)
            self._try_again(run, task)

    def _note_failure(self, run: Run, task: WorkflowTask, poller: Poller, cause: str, failure: Failure) -> None:
        message = f"{failure.type}: {failure.message}" if failure.type else failure.message
        data = {"cause": cause, "message": message, "attempt": task.attempt}
        self._journal.note(trace.WORKFLOW_TASK_FAILED, run, data=data, worker=poller.process.worker_id)
        run.task_failures, run.last_task_failure = run.task_failures + 1, message
        self._journal.changed[run.run_id] = run

    def _write_failed(self, run: Run, task: WorkflowTask, cause: str, failure: Failure, identity: str) -> None:
        attributes = {
            "scheduled_event_id": task.scheduled_event_id,
            "started_event_id": task.started_event_id,
            "cause": cause,
            "failure": failure,
            "identity": identity,
        }
        self._journal.append(run, kinds.WORKFLOW_TASK_FAILED, attributes)

    def _try_again(self, run: Run, task: WorkflowTask) -> None:
        """A task lost on a sticky queue starts afresh on the normal one; otherwise it is the next attempt."""
        self._drop(run, task)
        run.task_attempt = 1 if task.sticky else task.attempt + 1
        self.schedule(run)

    def _drop(self, run: Run, task: WorkflowTask) -> None:
        """The task is over without having brought anything: what was buffered gets its ids."""
        if task.alarm is not None:
            task.alarm.cancel()
        run.task, run.sticky = None, None
        run.flush()
        self._journal.changed[run.run_id] = run

    # --- completion -------------------------------------------------------------------------------------------------
    def complete(
        self, token: TaskToken, poller: Poller, commands: Sequence[Command], notes: Sequence[Note], more: bool
    ) -> None:
        """The worker has run the code: write its commands, then what was buffered. `more` asks for another task at
        once, for a worker whose local activities go on."""
        run, journal = self._current(token), self._journal
        if run is None or run.task is None:
            journal.send(poller.process, poller.evict, token.run_id)
            return
        task = run.task
        if task.speculative and not more and self._only_refusals(run, task, commands, poller):
            return
        journal.make_real(run)
        refusal = self._refusal(run, commands)
        if refusal is not None:
            self._refuse(run, task, poller, *refusal)
            return
        run.history.extend(task.transient)
        self._write_completed(run, task, poller)
        for remark in notes:
            journal.home.world.trace.add(remark.kind, run.trace_id, poller.process.worker_id, remark.subject)
        completed = len(run.history)
        run.in_batch = True
        for command in commands:
            self._carry_out(run, command, completed)
        run.in_batch = False
        if run.open:
            if (run.buffered and run.flush()) or more:
                self.schedule(run, to=poller if more else None)
        self._done(run)

    def _write_completed(self, run: Run, task: WorkflowTask, poller: Poller) -> None:
        if task.alarm is not None:
            task.alarm.cancel()
        attributes = {
            "scheduled_event_id": task.scheduled_event_id,
            "started_event_id": task.started_event_id,
            "identity": poller.identity,
        }
        if poller.process.version is not None:
            attributes["build_id"] = poller.process.version
        if run.build is None:
            run.build = poller.process.build
        self._journal.append(run, kinds.WORKFLOW_TASK_COMPLETED, attributes)
        run.last_completed_event_id = len(run.history)
        run.task, run.task_attempt, run.task_failures = None, 1, 0
        # whether the worker still lives, the server cannot know
        run.sticky = poller.identity if poller.sticky and not poller.process.stopping else None
        run.seen = len(run.history) - 1

    def _only_refusals(self, run: Run, task: WorkflowTask, commands: Sequence[Command], poller: Poller) -> bool:
        """A task that only refused updates leaves no trace."""
        if any(not isinstance(command, RejectUpdate) for command in commands):
            return False
        if task.alarm is not None:
            task.alarm.cancel()
        run.task = None
        self._journal.changed[run.run_id] = run
        if task.sticky:
            self._journal.send(poller.process, poller.rewind, run.run_id, len(task.transient))
        else:
            self._journal.send(poller.process, poller.evict, run.run_id)
        for command in commands:
            self._carry_out(run, command, 0)
        self._done(run)
        return True

    def _refusal(self, run: Run, commands: Sequence[Command]) -> tuple[str, str] | None:
        if run.buffered and commands and isinstance(commands[-1], CLOSING):
            return UNHANDLED_COMMAND, "UnhandledCommand"
        twice = _id_taken(run, commands)
        if twice is not None:
            message = f"ScheduleActivityDuplicateId: an activity with id {twice} is open, expected an id of its own"
            return "SCHEDULE_ACTIVITY_DUPLICATE_ID", message
        if len(run.activities) + len(commands) <= PENDING_ACTIVITIES_MAX:
            return None
        wanted = sum(isinstance(command, ScheduleActivity) for command in commands)
        if len(run.activities) + wanted > PENDING_ACTIVITIES_MAX:
            found = f"the number of pending activities, {len(run.activities)}, and {wanted} more"
            message = f"PendingActivitiesLimitExceeded: {found} exceed the limit of {PENDING_ACTIVITIES_MAX}"
            return "PENDING_ACTIVITIES_LIMIT_EXCEEDED", message
        return None

    def _refuse(self, run: Run, task: WorkflowTask, poller: Poller, cause: str, message: str) -> None:
        """The commands cannot be carried out. A closing one that something overtook is asked for again at once; a later
        attempt of others runs into its time-out, as it does where the code fails."""
        journal, overtaken = self._journal, cause == UNHANDLED_COMMAND
        failure = Failure("ServerFailure", message, kind=SERVER)
        journal.send(poller.process, poller.evict, run.run_id)
        if overtaken:
            run.history.extend(task.transient)
            self._write_failed(run, task, cause, failure, poller.identity)
            self._drop(run, task)
            run.task_attempt = 1
            self.schedule(run)
            return
        self._note_failure(run, task, poller, cause, failure)
        task.reported = True
        if task.attempt == 1:
            self._write_failed(run, task, cause, failure, poller.identity)
            self._try_again(run, task)

    # --- after a restart --------------------------------------------------------------------------------------------
    def recover(self, run: Run) -> None:
        """Set alarms and queues for a task that a stored run has."""
        task = run.task
        if task is None:
            return
        match task.phase:
            case "STARTED":
                self._watch(run, task)
            case _:
                self.enqueue(run)


def _id_taken(run: Run, commands: Sequence[Command]) -> str | None:
    """The id under which an activity is asked for while another one that has it is open."""
    if not any(type(command) is ScheduleActivity for command in commands):
        return None
    open_ids = {activity.activity_id for activity in run.activities.values()}
    for command in commands:
        match command:
            case ScheduleActivity(id=wanted):
                if wanted in open_ids:
                    return wanted
                open_ids.add(wanted)
            case RequestCancelActivity(target=step):  # closes it at once, unless an attempt is running
                closed = (one for one in run.activities.values() if one.step == step and one.phase != STARTED)
                open_ids -= {one.activity_id for one in closed}
    return None
