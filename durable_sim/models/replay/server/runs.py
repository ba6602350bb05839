"""The life of runs: how they start, how they end, and what follows: a retry, the next run, word to a parent.

Always holds: a workflow id has at most one open run; a run that has ended does nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from durable_sim import trace
from durable_sim.durations import SECOND
from durable_sim.models.executions import Execution, Outcome
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.state import STARTED, Run, RunStatus, StartOptions
from durable_sim.workflows.commands import ContinueAsNew
from durable_sim.workflows.failures import TERMINATED, TIMED_OUT, Failure, cancelled_failure
from durable_sim.workflows.retry import RETRY_POLICY_NOT_SET, next_retry

MINIMUM_SPACING_US = SECOND
"""The server starts the runs of a chain at least this far apart."""
_ENDS = {
    "COMPLETED": kinds.WORKFLOW_EXECUTION_COMPLETED,
    "FAILED": kinds.WORKFLOW_EXECUTION_FAILED,
    "CANCELED": kinds.WORKFLOW_EXECUTION_CANCELED,
    "TERMINATED": kinds.WORKFLOW_EXECUTION_TERMINATED,
    "TIMED_OUT": kinds.WORKFLOW_EXECUTION_TIMED_OUT,
    "CONTINUED_AS_NEW": kinds.WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
}
TERMINATED_FAILURE = Failure("TerminatedFailure", "terminated", kind=TERMINATED)
TIMED_OUT_FAILURE = Failure("ActivityTimeout", "workflow timed out", timeout_type="START_TO_CLOSE", kind=TIMED_OUT)


class Runs:
    """All runs of a server, by id and by workflow. `ended` is told of every run's end."""

    def __init__(self, journal: Journal, schedule: Callable[[Run], None], ended: Callable[[Run], None]) -> None:
        self._journal = journal
        self._schedule = schedule
        self._ended = ended
        self.by_id: dict[str, Run] = {}
        self.chains: dict[str, list[str]] = {}

    # --- finding ----------------------------------------------------------------------------------------------------
    def current(self, workflow_id: str) -> Run | None:
        """The last run of a workflow, open or not."""
        chain = self.chains.get(workflow_id)
        return self.by_id[chain[-1]] if chain else None

    def add(self, run: Run) -> None:
        """Keep a run."""
        self.by_id[run.run_id] = run
        self.chains.setdefault(run.workflow_id, []).append(run.run_id)

    # --- starting ---------------------------------------------------------------------------------------------------
    def start(self, execution: Execution, options: StartOptions, signal: tuple[str, list[Any]] | None = None) -> Run:
        """Begin a workflow's first run."""
        journal = self._journal
        number = len(self.chains.get(options.workflow_id, ())) + 1
        run_id = self._run_id(options.workflow_id, number)
        now_us = journal.now_us
        run = Run(run_id, run_id, number, options, now_us, now_us, execution=execution)
        journal.home.began(execution)
        self._begin(run, {}, signal)
        return run

    def _run_id(self, workflow_id: str, number: int) -> str:
        return workflow_id if number == 1 else f"{workflow_id}/{number}"

    def _begin(self, run: Run, more: dict[str, Any], signal: tuple[str, list[Any]] | None = None) -> None:
        self.add(run)
        options = run.options
        run.memo, run.search_attributes = dict(options.memo), dict(options.search_attributes)
        attributes = {
            "workflow_type": options.workflow_type,
            "workflow_id": options.workflow_id,
            "run_id": run.run_id,
            "first_run_id": run.first_run_id,
            "input": options.input,
            "task_queue": options.task_queue,
            "execution_timeout_us": options.execution_timeout_us,
            "run_timeout_us": options.run_timeout_us,
            "task_timeout_us": options.task_timeout_us,
            "attempt": run.attempt,
            "first_task_backoff_us": run.first_task_due_us - run.started_us if run.first_task_due_us else 0,
            "retry_policy": options.retry_policy,
            "parent": options.parent,
            "root": options.root,
            "memo": options.memo,
            "search_attributes": options.search_attributes,
            "identity": "client",
        }
        started = {name: value for name, value in (attributes | more).items() if value not in (None, {})}
        self._journal.append(run, kinds.WORKFLOW_EXECUTION_STARTED, started)
        if signal is not None:
            name, arguments = signal
            told = {"signal_name": name, "input": arguments, "identity": "client"}
            self._journal.append(run, kinds.WORKFLOW_EXECUTION_SIGNALED, told)
        self.set_alarms(run)
        self._schedule(run)

    def set_alarms(self, run: Run) -> None:
        """Set the alarms of a run as a whole: its time-outs, and the wait before its first task."""
        journal, options = self._journal, run.options
        if run.first_task_due_us and not run.last_completed_event_id:
            run.alarms.append(journal.after(run.first_task_due_us - journal.now_us, self._first_task, run))
        limits = [
            begun_us + limit_us
            for begun_us, limit_us in (
                (self._begun_us(run), options.run_timeout_us),
                (run.execution_started_us, options.execution_timeout_us),
            )
            if limit_us is not None
        ]
        if limits:
            run.alarms.append(journal.after(min(limits) - journal.now_us, self.time_out, run))

    def _first_task(self, run: Run) -> None:
        if run.open and not run.last_completed_event_id:
            self._schedule(run)

    # --- ending -----------------------------------------------------------------------------------------------------
    def complete(self, run: Run, result: Any, completed: int) -> None:
        """The function has returned."""
        run.result = result
        self._end(run, "COMPLETED", {"result": result, "workflow_task_completed_event_id": completed})

    def cancelled(self, run: Run, details: tuple[Any, ...], completed: int) -> None:
        """The function has let its cancellation out."""
        run.failure = cancelled_failure(details=details)
        told = {"details": list(details), "workflow_task_completed_event_id": completed}
        self._end(run, "CANCELED", told)

    def fail(self, run: Run, failure: Failure, completed: int) -> None:
        """The function has raised a failure: the workflow fails, unless its own retry policy starts another run."""
        run.failure = failure
        told = {"failure": failure, "workflow_task_completed_event_id": completed}
        self._end_or_retry(run, "FAILED", told, failure)

    def time_out(self, run: Run) -> None:
        """The run has taken too long: it ends without being asked, and nothing of it is cleaned up."""
        if not run.open:
            return
        run.failure = TIMED_OUT_FAILURE
        execution_us = run.options.execution_timeout_us
        over = execution_us is not None and self._journal.now_us >= run.execution_started_us + execution_us
        if over:
            self._end(run, "TIMED_OUT", {"retry_state": "TIMEOUT"})
        else:
            self._end_or_retry(run, "TIMED_OUT", {}, TIMED_OUT_FAILURE)

    def terminate(self, run: Run, reason: str, details: list[Any], identity: str = "client") -> None:
        """End a run at once. The code never hears of it."""
        if not run.open:
            return
        reason = reason or "terminated by user via frontend"
        run.failure = TERMINATED_FAILURE._replace(message=reason)
        self._end(run, "TERMINATED", {"reason": reason, "details": details, "identity": identity})

    def _end_or_retry(self, run: Run, status: RunStatus, told: dict[str, Any], failure: Failure) -> None:
        policy, now_us = run.options.retry_policy, self._journal.now_us
        if policy is None:
            self._end(run, status, told | {"retry_state": RETRY_POLICY_NOT_SET})
            return
        whole_us = run.options.execution_timeout_us
        deadline_us = None if whole_us is None else run.execution_started_us + whole_us
        decision = next_retry(policy, failure, run.attempt, now_us, deadline_us)
        if isinstance(decision, str):
            self._end(run, status, told | {"retry_state": decision})
            return
        follower = self._follower(run, run.options, max(decision, self._spacing_us(run)))
        follower.attempt = run.attempt + 1
        self._end(run, status, told | {"retry_state": "IN_PROGRESS", "new_run_id": follower.run_id}, follower)
        self._begin(follower, {"continued_run_id": run.run_id, "initiator": "RETRY", "last_failure": failure})

    def continue_as_new(self, run: Run, command: ContinueAsNew, completed: int) -> None:
        """End this run and begin the next, with other arguments and an empty history."""
        old = run.options
        options = replace(
            old,
            workflow_type=command.workflow_type or old.workflow_type,
            input=list(command.arguments),
            task_queue=command.task_queue or old.task_queue,
            run_timeout_us=old.run_timeout_us if command.run_timeout_us is None else command.run_timeout_us,
            task_timeout_us=command.task_timeout_us or old.task_timeout_us,
            memo=run.memo,
            search_attributes={k: v for k, v in run.search_attributes.items() if k != kinds.CHANGE_VERSION},
        )
        spacing_us = self._spacing_us(run)
        follower = self._follower(run, options, spacing_us)
        told = {
            "new_run_id": follower.run_id,
            "workflow_type": options.workflow_type,
            "task_queue": options.task_queue,
            "input": options.input,
            "run_timeout_us": options.run_timeout_us,
            "task_timeout_us": options.task_timeout_us,
            "backoff_us": spacing_us,
            "initiator": "CONTINUE_AS_NEW",
            "workflow_task_completed_event_id": completed,
        }
        self._end(run, "CONTINUED_AS_NEW", told, follower)
        self._begin(follower, {"continued_run_id": run.run_id, "initiator": "CONTINUE_AS_NEW"})

    def _spacing_us(self, run: Run) -> int:
        return max(0, self._begun_us(run) + MINIMUM_SPACING_US - self._journal.now_us)

    def _begun_us(self, run: Run) -> int:
        """When a run could begin to work: after the wait before its first task."""
        return max(run.started_us, run.first_task_due_us)

    def _follower(self, run: Run, options: StartOptions, wait_us: int) -> Run:
        now_us = self._journal.now_us
        number = len(self.chains[run.workflow_id]) + 1
        follower = Run(
            self._run_id(run.workflow_id, number),
            run.first_run_id,
            number,
            options,
            run.execution_started_us,
            now_us,
            execution=run.execution,
            build=run.build,
        )
        follower.first_task_due_us = now_us + wait_us if wait_us else 0
        follower.cancel_requested = False
        return follower

    def _end(self, run: Run, status: RunStatus, told: dict[str, Any], follower: Run | None = None) -> None:
        journal = self._journal
        self._end_task(run, forced=status in ("TERMINATED", "TIMED_OUT"))
        if run.in_batch:
            run.buffered.clear()  # what its own commands have caused; anything else would have kept it from ending
        else:
            run.flush()
        run.status = status
        if follower is not None:
            run.next_run_id = follower.run_id
        run.cancel_alarms()
        journal.append(run, _ENDS[status], {name: value for name, value in told.items() if value is not None})
        self._note_dropped(run)
        run.activities.clear()
        run.timers.clear()
        run.requests.clear()
        if follower is None:
            journal.home.ended(run.execution, Outcome(run.result, run.failure))
        elif status == "CONTINUED_AS_NEW":
            journal.note(trace.CONTINUED_AS_NEW, run, data={"run": follower.number})
        self._ended(run)

    def _note_dropped(self, run: Run) -> None:
        """Where the execution goes on without this run, the trace says that nobody waits any more for what it began."""
        root = self.current(run.trace_id)
        if run.next_run_id is None and (root is None or root is run or not root.open):
            return
        for activity in run.activities.values():
            self._journal.note(trace.TASK_COMPLETED, run, activity, {"cancelled": True})
        for timer in run.timers.values():
            self._journal.note(trace.TIMER_CANCELLED, run, step=timer.step)

    def _end_task(self, run: Run, *, forced: bool) -> None:
        """The workflow task ends with the run; one that a worker has is written down as failed."""
        task, run.task = run.task, None
        if task is None:
            return
        if task.alarm is not None:
            task.alarm.cancel()
        if forced and task.phase == STARTED and not task.transient:
            attributes = {
                "scheduled_event_id": task.scheduled_event_id,
                "started_event_id": task.started_event_id,
                "cause": "FORCE_CLOSE_COMMAND",
                "identity": task.worker,
            }
            self._journal.append(run, kinds.WORKFLOW_TASK_FAILED, attributes)
