"""The durable side of the replay model: what clients and workers can ask of it. It survives every crash of a worker.

The server knows user code only as tasks that workers take and answers that come back, and of workers only that they
poll and answer in time, or do not. Its parts, each in a file: `workflow_tasks`, `activities`, `timers`, `messages`
(signals, updates, queries), `runs` (start and end), `others` (children and strangers), `reset`, on top of `queues`, the
`journal` and the `store`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from durable_sim import trace
from durable_sim.errors import InternalError, UnknownNameError, UserError
from durable_sim.models.attempts import ActivityTask
from durable_sim.models.executions import Execution, Home, Outcome
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.server.activities import Activities
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.messages import Messages, OnAnswer, OnUpdate
from durable_sim.models.replay.server.others import Others, may_follow
from durable_sim.models.replay.server.queues import Poller, Queues
from durable_sim.models.replay.server.reset import rebuilt, take_signals
from durable_sim.models.replay.server.runs import Runs
from durable_sim.models.replay.server.state import Run, StartOptions
from durable_sim.models.replay.server.store import MemoryStore, Store
from durable_sim.models.replay.server.timers import Timers
from durable_sim.models.replay.server.workflow_tasks import TaskToken, WorkflowTasks
from durable_sim.models.replay.step_numbers import StepNumbers
from durable_sim.models.replay.wire import Wire
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.commands import (
    AcceptUpdate,
    CancelExternal,
    CancelTimer,
    CancelWorkflow,
    Command,
    CompleteUpdate,
    CompleteWorkflow,
    ContinueAsNew,
    FailWorkflow,
    RecordMarker,
    RejectUpdate,
    RequestCancelActivity,
    ScheduleActivity,
    SetPatch,
    SignalExternal,
    StartChild,
    StartTimer,
    UpsertMemo,
    UpsertSearchAttributes,
)
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.handlers import UpdateRequest
from durable_sim.workflows.markers import PATCH
from durable_sim.workflows.program import Note

HISTORY_MAX = 51_200
"""The real server's own limit."""


class ServerOptions(NamedTuple):
    """Settings of a server: how long a message takes, the shortest delay that it keeps, pinned runs or not, and at how
    many events it ends a run."""

    rpc_us: int = 0
    minimum_delay_us: int = 0
    pinned: bool = False
    history_max: int | None = HISTORY_MAX


class Server:
    """One durable server, in front of its store."""

    def __init__(self, home: Home, options: ServerOptions, store: Store | None = None) -> None:
        self.store = store if store is not None else MemoryStore(lasting=False)
        self.wire = Wire(home.world.env, options.rpc_us)
        self.numbers = StepNumbers()
        self.wire.between = self._save if self.store.lasting else None
        self._home = home
        self._options = options
        self._pollers: list[Poller] = []
        self._boot()

    def _boot(self) -> None:
        """Make every part anew; nothing is in memory but what the store gives back."""
        journal = self._journal = Journal(self._home, self.wire, self.numbers, self._options.minimum_delay_us)
        self.wire.clock = journal
        queues = self._queues = Queues(self._options.pinned)
        runs = self._runs = Runs(journal, self._schedule, self._run_ended)
        messages = self._messages = Messages(journal, queues, self._schedule)
        self.tasks = WorkflowTasks(
            journal, queues, runs.by_id, self._carry_out, messages.take_updates, messages.task_done
        )
        self.activities = Activities(journal, queues, runs.by_id)
        self._timers = Timers(journal)
        self._others = Others(journal, runs, messages)

    @property
    def runs(self) -> dict[str, Run]:
        """All runs by run id, in the order in which they began."""
        return self._runs.by_id

    def _schedule(self, run: Run, speculative: bool = False) -> None:
        self.tasks.schedule(run, speculative=speculative)

    def _save(self) -> None:
        changed = self._journal.changed
        if changed:
            self.store.save(changed.values(), self._journal.now_us)
            changed.clear()

    # --- its own life -----------------------------------------------------------------------------------------------
    def restart(self, downtime_us: int = 0) -> None:
        """Lose everything that is not in the store, and begin again from there after a while. Workers and clients
        that wait for an answer connect anew."""
        self.wire.enter(self._go_down, downtime_us)

    def strike(self, downtime_us: int) -> list[str] | None:
        """Restart between two operations. Gives the workflows that are open, None if the server is down already."""
        if self.wire.held:
            return None
        self.wire.slip_in(self._go_down, downtime_us)
        return self.open_workflows()

    def open_workflows(self) -> list[str]:
        """The ids under which open runs are seen from outside, in the order in which they began."""
        return list(dict.fromkeys(run.trace_id for run in self.runs.values() if run.open))

    def _go_down(self, downtime_us: int) -> None:
        self._save()
        self._journal.alive = False
        for run in self.runs.values():
            run.cancel_alarms()
        self.wire.hold()
        self._home.world.alarms.after(downtime_us, self._come_up)

    def _come_up(self) -> None:
        self._home.world.trace.add(trace.SERVER_RESTARTED, data={"in_flight": self.open_workflows()})
        waiting, executions = self._messages, {run.workflow_id: run.execution for run in self.runs.values()}
        pollers, self._pollers = self._pollers, []
        self._boot()
        self._take_up(executions)
        self._messages.take_over(waiting, self.runs)
        for poller in pollers:
            self.poll(poller)
        self.wire.release()

    def recover(self, executions: dict[str, Execution]) -> None:
        """Take up the runs of the store."""
        self.wire.enter(self._take_up, executions)

    def _take_up(self, executions: dict[str, Execution]) -> None:
        """Set alarms, fill queues, and send on what was on its way from run to run."""
        for run in self.store.load().runs:
            run.execution = executions[run.workflow_id]
            self._runs.add(run)
        for run in self.runs.values():
            if run.open:
                self._recover(run)
            else:
                self._others.recover(run)

    def _recover(self, run: Run) -> None:
        self._runs.set_alarms(run)
        self.tasks.recover(run)
        for activity in list(run.activities.values()):
            if activity.phase == "SCHEDULED":
                self.activities.enqueue(run, activity)
            else:
                self.activities.recover(run, activity)
        for timer in run.timers.values():
            self._timers.recover(run, timer)
        for child in run.children.values():
            if child.run_id is None:
                self._journal.later(self._others.begin_child, run, child)
        for request in run.requests.values():
            self._journal.later(self._others.deliver, run, request)

    # --- for clients ------------------------------------------------------------------------------------------------
    def start(self, execution: Execution, options: StartOptions, signal: tuple[str, list[Any]] | None = None) -> None:
        """Begin a workflow, with a signal that comes before its first task if one is given."""
        self.wire.enter(self._begin, execution, options, signal)

    def _begin(self, execution: Execution, options: StartOptions, signal: tuple[str, list[Any]] | None) -> None:
        self._runs.start(execution, options, signal)

    def may_start(self, workflow_id: str, reuse_policy: str) -> bool:
        """Whether a workflow of this id may be started now."""
        taken = self._runs.current(workflow_id)
        return taken is None or may_follow(taken, reuse_policy)

    def current(self, workflow_id: str) -> Run:
        """The last run of a workflow.

        Raises:
            UnknownNameError: there is none of that id.
        """
        run = self._runs.current(workflow_id)
        if run is None:
            raise UnknownNameError("workflow id", workflow_id, self._runs.chains)
        return run

    def chain(self, workflow_id: str) -> tuple[str, ...]:
        """The run ids of a workflow, in order."""
        return tuple(self._runs.chains.get(workflow_id, ()))

    def signal(self, workflow_id: str, name: str, arguments: list[Any]) -> None:
        """Signal the open run of a workflow."""
        self._to_open(workflow_id, "signal", lambda run: self._messages.signal(run, name, arguments))

    def request_cancel(self, workflow_id: str) -> None:
        """Ask the open run of a workflow to cancel."""
        self._to_open(workflow_id, "cancel", lambda run: self._messages.request_cancel(run))

    def slip_in_signal(self, workflow_id: str, name: str, arguments: list[Any]) -> bool:
        """Signal the open run of a workflow between two operations; False where there is none."""
        return self._slip_in(workflow_id, lambda run: self._messages.signal(run, name, arguments))

    def slip_in_cancel(self, workflow_id: str) -> bool:
        """Ask the open run of a workflow to cancel between two operations; False where there is none."""
        return self._slip_in(workflow_id, lambda run: self._messages.request_cancel(run))

    def _slip_in(self, workflow_id: str, action: Callable[[Run], None]) -> bool:
        run = self._runs.current(workflow_id)
        if run is None or not run.open:
            return False
        self.wire.slip_in(lambda: action(self.current(workflow_id)))
        return True

    def terminate(self, workflow_id: str, reason: str, details: list[Any]) -> None:
        """End the open run of a workflow at once."""
        self._to_open(workflow_id, "terminate", lambda run: self._runs.terminate(run, reason, details))

    def update(self, workflow_id: str, request: UpdateRequest, tell: OnUpdate) -> None:
        """Ask the open run of a workflow for an update."""
        self._to_open(workflow_id, "update", lambda run: self._messages.update(run, request, tell))

    def query(self, workflow_id: str, name: str, arguments: tuple[Any, ...], tell: OnAnswer) -> None:
        """Query a workflow, open or closed."""
        self.current(workflow_id)
        self.wire.enter(lambda: self._messages.query(self.current(workflow_id), name, arguments, tell))

    def reset(self, workflow_id: str, event_id: int, reason: str) -> str:
        """Go back to a workflow task: another run begins with the history up to there. Gives its id.

        Raises:
            UserError: there is no completed or started workflow task at that event, or the server is down.
        """
        base = self.current(workflow_id)
        if self.wire.held:
            raise UserError(f"reset of {workflow_id}: the server is down, expected it up; let time pass first")
        run_id = f"{workflow_id}/{len(self._runs.chains[workflow_id]) + 1}"
        if not any(_is_reset_point(event.type) and event.id == event_id for event in base.history):
            points = [event.id for event in base.history if event.type == kinds.WORKFLOW_TASK_COMPLETED]
            raise UserError(f"reset of {workflow_id}: event {event_id} is no workflow task, expected one of {points}")
        self.wire.enter(self._reset, base, run_id, event_id, reason)
        return run_id

    def _reset(self, base: Run, run_id: str, event_id: int, reason: str) -> None:
        journal = self._journal
        run = rebuilt(base, run_id, event_id, reason, journal.now_us)
        self._others.hand_over_children(base, run)
        if base.open:
            base.next_run_id = run_id  # a parent goes on waiting
            self._runs.terminate(base, reason or "reset", [])
        take_signals(base, run, journal.now_us)  # those that were buffered too
        run.execution.status, run.execution.ended_us = "open", None
        run.execution.result = run.execution.failure = None
        self._runs.add(run)
        journal.changed[run_id] = run
        self._note_taken_up(base, run)
        self._recover(run)
        self.tasks.schedule(run)

    def _note_taken_up(self, base: Run, run: Run) -> None:
        """What a run made by a reset has pending is said to have begun in it; its children are those of the old one."""
        journal = self._journal
        for activity in run.activities.values():
            journal.note(trace.TASK_SCHEDULED, run, activity)
        for timer in run.timers.values():
            data = {"duration_us": timer.due_us - journal.now_us}
            journal.note(trace.TIMER_STARTED, run, data=data, step=timer.step)
        for child in run.children.values():
            self.numbers.hand_over(run.trace_id, base.run_id, run.run_id, child.step)

    def _to_open(self, workflow_id: str, what: str, action: Callable[[Run], None]) -> None:
        """Do something to the open run of a workflow. If the server is down now, that run is another object once it is
        done, and may have ended."""
        run = self.current(workflow_id)
        if not run.open:
            raise UserError(f"{what} {workflow_id}: it is {run.status.lower()}, expected an open workflow")
        self.wire.enter(lambda: action(self.current(workflow_id)))

    # --- for workers ------------------------------------------------------------------------------------------------
    def poll(self, poller: Poller) -> None:
        """A worker connects and offers to take tasks."""
        self._pollers.append(poller)
        self.wire.enter(self._connect, poller)

    def _connect(self, poller: Poller) -> None:
        if poller in self._pollers and self._queues.sticky_poller(poller.identity) is None:
            self._queues.poll(poller)
            self._messages.worker_came()

    def freed(self, poller: Poller) -> None:
        """A worker has a free slot again."""
        self._queues.freed(poller)

    def stop_polling(self, process: WorkerProcess, *, graceful: bool) -> None:
        """A worker's connections are gone. Only a graceful stop gives back the runs that stick to it."""
        self._pollers = [poller for poller in self._pollers if poller.process is not process]
        sticky = self._queues.leave(process)
        if graceful:
            self.wire.enter(self._unstick, sticky)

    def _unstick(self, sticky: list[str]) -> None:
        for run in self.runs.values():
            if run.sticky in sticky:
                run.sticky = None
                self._journal.changed[run.run_id] = run

    def complete_workflow_task(
        self, token: TaskToken, poller: Poller, commands: Sequence[Command], notes: Sequence[Note], more: bool
    ) -> None:
        """A worker has run the code of a workflow task."""
        self.tasks.complete(token, poller, commands, notes, more)

    def fail_workflow_task(self, token: TaskToken, poller: Poller, cause: str, failure: Failure) -> None:
        """A worker could not run the code of a workflow task."""
        self.tasks.fail(token, poller, cause, failure)

    def send_history(self, token: TaskToken, poller: Poller) -> None:
        """A worker has lost the instance that a workflow task needs."""
        self.tasks.send_history(token, poller)

    def activity_ended(self, task: ActivityTask, poller: Poller, outcome: Outcome) -> None:
        """A worker reports how an attempt ended."""
        self.activities.ended(task, poller, outcome)

    def heartbeat(self, task: ActivityTask, poller: Poller, details: tuple[Any, ...]) -> None:
        """A worker says that an attempt lives."""
        self.activities.heartbeat(task.token, details, poller)

    def query_answered(self, number: int, answer: Any, problem: str | None) -> None:
        """A worker has answered a query."""
        self._messages.answered(number, answer, problem)

    # --- commands ---------------------------------------------------------------------------------------------------
    def _carry_out(self, run: Run, command: Command, completed: int) -> None:
        match command:
            case ScheduleActivity():
                self.activities.schedule(run, command, completed)
            case StartTimer():
                self._timers.start(run, command, completed)
            case CompleteWorkflow():
                self._runs.complete(run, command.result, completed)
            case FailWorkflow():
                self._runs.fail(run, command.failure, completed)
            case RequestCancelActivity():
                self.activities.request_cancel(run, command, completed)
            case CancelTimer():
                self._timers.cancel(run, command, completed)
            case StartChild():
                self._others.start_child(run, command, completed)
            case _:
                self._carry_out_rare(run, command, completed)
        limit = self._options.history_max
        if limit is not None and len(run.history) > limit and run.open:
            self._runs.terminate(run, "Workflow history count exceeds limit.", [], "history-service")

    def _carry_out_rare(self, run: Run, command: Command, completed: int) -> None:
        match command:
            case CancelWorkflow():
                self._runs.cancelled(run, command.details, completed)
            case ContinueAsNew():
                self._runs.continue_as_new(run, command, completed)
            case SignalExternal():
                self._others.signal(run, command, completed)
            case CancelExternal():
                self._others.cancel(run, command, completed)
            case AcceptUpdate():
                self._messages.accept(run, command, completed)
            case RejectUpdate():
                self._messages.reject(run, command)
            case CompleteUpdate():
                self._messages.complete(run, command)
            case _:
                self._record(run, command, completed)

    def _record(self, run: Run, command: Command, completed: int) -> None:
        journal, told = self._journal, {"workflow_task_completed_event_id": completed}
        match command:
            case SetPatch(id, deprecated):
                details = {"patch-data": [{"id": id, "deprecated": deprecated}]}
                journal.append(run, kinds.MARKER_RECORDED, {"marker_name": PATCH, "details": details} | told)
                run.patches.append(id)
                self._upsert(run, {kinds.CHANGE_VERSION: sorted(run.patches)}, told)
            case RecordMarker(name, details, failure):
                more: dict[str, Any] = {} if failure is None else {"failure": failure}
                marker = {"marker_name": name, "details": details} | more | told
                journal.append(run, kinds.MARKER_RECORDED, marker)
            case UpsertSearchAttributes(attributes):
                self._upsert(run, attributes, told)
            case UpsertMemo(memo):
                run.memo = run.memo | memo
                journal.append(run, kinds.PROPERTIES_MODIFIED, {"memo": memo} | told)
            case _:
                raise InternalError(f"a workflow issued {command}")

    def _upsert(self, run: Run, attributes: dict[str, Any], told: dict[str, Any]) -> None:
        run.search_attributes = run.search_attributes | attributes
        self._journal.append(run, kinds.UPSERT_SEARCH_ATTRIBUTES, {"search_attributes": attributes} | told)

    def _run_ended(self, run: Run) -> None:
        self._messages.run_ended(run)
        self._others.run_ended(run)


def _is_reset_point(event_type: str) -> bool:
    return event_type in (kinds.WORKFLOW_TASK_COMPLETED, kinds.WORKFLOW_TASK_STARTED)
