"""The volatile side of the replay model: one process's cached instances and running attempts.

A worker takes tasks from the server, runs user code, sends back what came of it, and forgets everything in a crash.
Always holds: an instance in the cache has been given exactly the events up to its `position`; one that has run ahead of
its history is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from durable_sim import trace
from durable_sim.durations import SECOND
from durable_sim.models.attempts import ActivityTask, Attempt
from durable_sim.models.executions import Home, Outcome
from durable_sim.models.replay.events import WORKFLOW_TASK_COMPLETED, Event
from durable_sim.models.replay.local_activities import LocalActivities, Owner
from durable_sim.models.replay.runner import (
    CodeRunner,
    DeadlockError,
    Decision,
    LocalOutcome,
    Waiting,
    WorkflowInstance,
    WorkflowTaskError,
)
from durable_sim.models.replay.server.activities import AttemptToken
from durable_sim.models.replay.server.queues import ACTIVITY, WORKFLOW
from durable_sim.models.replay.server.server import Server
from durable_sim.models.replay.server.workflow_tasks import TaskToken
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.commands import CLOSING, Command, FailWorkflow
from durable_sim.workflows.failures import Failure, NonDeterminismError, failure_of
from durable_sim.workflows.handlers import QueryFailed, UpdateRequest
from durable_sim.workflows.program import Note

THROTTLE_SHARE = 0.8
THROTTLE_DEFAULT_US = 30 * SECOND
THROTTLE_MAX_US = 60 * SECOND
NON_DETERMINISTIC = "NON_DETERMINISTIC_ERROR"
UNHANDLED_FAILURE = "WORKFLOW_WORKER_UNHANDLED_FAILURE"


class WorkerOptions(NamedTuple):
    """Settings of a worker: how many instances it keeps (0: none, and no sticky queue; None: all), whether it drops
    each of them after every task, and how many tasks of each kind it takes at once."""

    cached_max: int | None = 1000
    evict_always: bool = False
    workflow_slots: int = 100
    activity_slots: int = 100
    task_queue: str = "main"


class ReplayWorker:
    """One process that polls. See `queues.Poller` for what the server wants of it."""

    __slots__ = (
        "_attempts",
        "_cache",
        "_heartbeats",
        "_home",
        "_local",
        "_options",
        "_owners",
        "_runner",
        "_send",
        "_server",
        "free",
        "identity",
        "process",
        "sticky",
        "task_queue",
    )  # fmt: skip

    def __init__(
        self,
        home: Home,
        server: Server,
        process: WorkerProcess,
        runner: CodeRunner,
        identity: str,
        options: WorkerOptions,
    ) -> None:
        self.process = process
        self.identity = identity
        self.task_queue = options.task_queue
        self.sticky = options.cached_max != 0
        self.free = {WORKFLOW: options.workflow_slots, ACTIVITY: options.activity_slots}
        self._home = home
        self._server = server
        self._runner = runner
        self._options = options
        self._cache: OrderedDict[str, WorkflowInstance] = OrderedDict()
        self._attempts: dict[AttemptToken, Attempt] = {}
        self._heartbeats: dict[AttemptToken, _Heartbeats] = {}
        self._owners: dict[str, Owner] = {}
        self._send = server.wire.send  # a message arrives even if this process dies meanwhile
        self._local = LocalActivities(home, process, runner, self._owners.__getitem__, server.numbers)

    # --- workflow tasks ---------------------------------------------------------------------------------------------
    def workflow_task(self, token: TaskToken, events: list[Event], updates: Sequence[UpdateRequest]) -> None:
        """Run the code on the new events, from the cached instance or, with a whole history, from the top."""
        if events[0].id == 1 and self._local.busy(token.run_id):
            events = self._new_to_the_busy(events, self._cache[token.run_id].position)
        instance = self._instance(token.run_id, events)
        if instance is None:
            self._send(self._server.send_history, token, self)
            return
        decision = self._decide(token, instance, instance.apply, events, updates)
        if decision is None:
            return
        if events[0].id == 1 and instance.replayed_tasks:
            data = {"events": len(events), "tasks": instance.replayed_tasks}
            self._home.world.trace.add(trace.REPLAYED, _shown_as(events[0]), self.process.worker_id, data=data)
        self._go_on(token, instance, decision)

    def _new_to_the_busy(self, events: list[Event], position: int) -> list[Event]:
        """What comes after the task that this worker has completed while local activities went on, so that they and
        their instance go on too; the whole history, which ends both, if that task was lost."""
        after = events[position] if position < len(events) else events[0]
        ours = after.type == WORKFLOW_TASK_COMPLETED and after.attributes["identity"] == self.identity
        return events[position:] if ours else events

    def _decide(
        self, token: TaskToken, instance: WorkflowInstance, code: Callable[..., Decision], *arguments: Any
    ) -> Decision | None:
        """Run a stretch of code; None if it went wrong."""
        try:
            return code(*arguments)
        except (NonDeterminismError, WorkflowTaskError) as error:
            self._stopped(token, instance, error)
            return None

    def _stopped(self, token: TaskToken, instance: WorkflowInstance, error: Exception) -> None:
        """The code went wrong: the task fails, unless the workflow asks to be failed by such an error."""
        if isinstance(error, DeadlockError):
            after, deliver = self._home.world.alarms.after, self.process.deliver
            after(error.limit_us, deliver, self._task_failed, token, UNHANDLED_FAILURE, error.failure)
        elif instance.fails_on(error):
            self._answer(token, instance, (FailWorkflow(failure_of(error)),), ())
        elif isinstance(error, WorkflowTaskError):
            self._task_failed(token, UNHANDLED_FAILURE, error.failure)
        else:
            self._task_failed(token, NON_DETERMINISTIC, Failure("", str(error)))

    def _go_on(self, token: TaskToken, instance: WorkflowInstance, decision: Decision) -> None:
        """The code has decided, or will have once it has held its thread for long enough."""
        if decision.blocked_us:
            deliver = self.process.deliver
            self._home.world.alarms.after(decision.blocked_us, deliver, self._decided, token, instance, decision)
        else:
            self.process.deliver(self._decided, token, instance, decision)

    def _decided(self, token: TaskToken, instance: WorkflowInstance, decision: Decision) -> None:
        """Send the commands, or first run what is to be run here."""
        if decision.given_up:
            self._local.give_up(token.run_id, decision.given_up)
        if decision.waits:
            self._local.run(token, instance, decision.local, self._resume, self._heartbeat_task)
        else:
            self._answer(token, instance, decision.commands, decision.notes)

    def _resume(self, token: TaskToken, instance: WorkflowInstance, outcome: LocalOutcome) -> None:
        """A local activity has ended: the code goes on."""
        decision = self._decide(token, instance, instance.resolve_local, outcome)
        if decision is not None:
            self._go_on(token, instance, decision)

    def _heartbeat_task(self, token: TaskToken, instance: WorkflowInstance) -> None:
        """Local activities take long: complete the task with what there is, and ask for another."""
        commands = instance.take_commands()
        instance.sent(commands)
        self._send(self._server.complete_workflow_task, token, self, commands, (), True)
        self._slot_free(WORKFLOW)

    def _answer(
        self, token: TaskToken, instance: WorkflowInstance, commands: Sequence[Command], notes: Sequence[Note]
    ) -> None:
        instance.sent(commands)
        self._send(self._server.complete_workflow_task, token, self, commands, notes, False)
        if not self.sticky or self._options.evict_always or (commands and isinstance(commands[-1], CLOSING)):
            self.evict(token.run_id)
        self._slot_free(WORKFLOW)

    def _task_failed(self, token: TaskToken, cause: str, failure: Failure) -> None:
        self.evict(token.run_id)
        self._send(self._server.fail_workflow_task, token, self, cause, failure)
        self._slot_free(WORKFLOW)

    # --- the cache --------------------------------------------------------------------------------------------------
    def _instance(self, run_id: str, events: list[Event]) -> WorkflowInstance | None:
        """The cached instance that the events continue, a new one for a whole history, None if the cache has lost
        it."""
        if events[0].id != 1:
            cached = self._cache.get(run_id)
            if cached is None or cached.position != events[0].id - 1:
                return None
            if self._options.cached_max is not None:
                self._cache.move_to_end(run_id)
            return cached
        self.evict(run_id)
        instance = self._cache[run_id] = self._runner.instance(events[0], run_id)
        shown = _shown_as(events[0])
        told = events[0].attributes
        self._owners[run_id] = Owner(shown, told["workflow_id"], told["task_timeout_us"])
        self.process.remember(instance.token, shown)
        limit = self._options.cached_max
        if limit is not None and limit and len(self._cache) > limit:
            self.evict(next(iter(self._cache)))
        return instance

    def evict(self, run_id: str) -> None:
        """Drop an instance without running any of its code again; the next task will bring the whole history."""
        instance = self._cache.pop(run_id, None)
        self._local.drop(run_id)
        if instance is not None:
            self.process.forget(instance.token)
            self._home.fleet.bury(instance.token)

    def rewind(self, run_id: str, events: int) -> None:
        """The last events given were those of a task that is not kept."""
        instance = self._cache.get(run_id)
        if instance is not None:
            instance.rewind(events)

    # --- queries ----------------------------------------------------------------------------------------------------
    def query(self, number: int, run_id: str, history: list[Event], name: str, arguments: tuple[Any, ...]) -> None:
        """Answer a query from the cached instance or, where that is missing or behind, from one made for it."""
        try:
            answer, problem = self.instance_for(run_id, history).query(name, arguments), None
        except (QueryFailed, NonDeterminismError, WorkflowTaskError) as error:
            answer, problem = None, str(error)
        self._send(self._server.query_answered, number, answer, problem)

    def instance_for(self, run_id: str, history: list[Event]) -> WorkflowInstance:
        """An instance of this run that has run over this history. The one in the cache may have been left behind: other
        workers have run the later tasks."""
        cached = self._cache.get(run_id)
        if cached is not None and cached.position >= last_task_of(history):
            return cached
        instance = self._runner.instance(history[0], run_id)
        instance.apply(up_to_last_task(history))
        self._home.fleet.bury(instance.token)
        return instance

    def waits(self, run_id: str) -> tuple[Waiting, ...] | None:
        """Where the code of a cached run waits; None if it is not in the cache."""
        cached = self._cache.get(run_id)
        return None if cached is None else cached.waits()

    # --- attempts ---------------------------------------------------------------------------------------------------
    def activity_task(self, task: ActivityTask) -> None:
        """Make an attempt; an activity that this build does not have fails it, and may be there after a deploy."""
        function = self._runner.activity(task.name)
        if function is None:
            message = f"Activity function {task.name} for workflow {task.workflow_id} is not registered on this worker"
            self._send(self._server.activity_ended, task, self, Outcome(failure=Failure("NotFoundError", message)))
            self._slot_free(ACTIVITY)
            return
        beat = partial(self._heartbeat, task)
        attempt = Attempt(self._home.world, self.process, task, self._attempt_ended, beat, function=function)
        self._attempts[task.token] = attempt
        attempt.begin()

    def cancel_attempt(self, token: AttemptToken) -> None:
        """Tell a running attempt that it is no longer wanted."""
        attempt = self._attempts.get(token)
        if attempt is not None:
            attempt.cancel()

    def _attempt_ended(self, attempt: Attempt, outcome: Outcome) -> None:
        """An attempt has come to its end: report it."""
        task = attempt.task
        self._attempts.pop(task.token, None)
        attempt.note(trace.RESULT_REPORTED, {"failure": outcome.failure.to_json()} if outcome.failure else None)
        heartbeats = self._heartbeats.pop(task.token, None)
        if heartbeats is not None:
            heartbeats.flush()
        self._send(self._server.activity_ended, task, self, outcome)  # on its way, even if we died just now
        self._slot_free(ACTIVITY)

    def _heartbeat(self, task: ActivityTask, details: tuple[Any, ...]) -> None:
        heartbeats = self._heartbeats.get(task.token)
        if heartbeats is None:
            heartbeats = self._heartbeats[task.token] = _Heartbeats(self, task)
        heartbeats.beat(details)

    def later(self, delay_us: int, callback: Callable[[], None]) -> None:
        """Call back later in this process, if it lives then."""
        self._home.world.alarms.after(delay_us, self.process.deliver, callback)

    def send_heartbeat(self, task: ActivityTask, details: tuple[Any, ...]) -> None:
        """Pass an attempt's heartbeat on to the server."""
        if self.process.alive:
            self._send(self._server.heartbeat, task, self, details)

    # --- messages ---------------------------------------------------------------------------------------------------
    def _slot_free(self, kind: str) -> None:
        self.free[kind] += 1
        if self.free[kind] == 1 and self.process.alive and not self.process.stopping:
            self._send(self._server.freed, self)


class _Heartbeats:
    """The heartbeats of one attempt: one goes out at once, those within 80 % of the time-out after it are kept, and
    the last of them goes out when that time is over."""

    __slots__ = ("_kept", "_quiet", "_task", "_worker")

    def __init__(self, worker: ReplayWorker, task: ActivityTask) -> None:
        self._worker = worker
        self._task = task
        self._quiet = False
        self._kept: tuple[Any, ...] | None = None

    def beat(self, details: tuple[Any, ...]) -> None:
        """Pass on that the attempt lives, now or later."""
        if self._quiet:
            self._kept = details
        else:
            self._send(details)

    def _send(self, details: tuple[Any, ...]) -> None:
        worker, task = self._worker, self._task
        self._kept, self._quiet = None, True
        worker.later(throttle_us(task.heartbeat_us), self._throttle_over)
        worker.send_heartbeat(task, details)

    def _throttle_over(self) -> None:
        self._quiet = False
        if self._kept is not None:
            self._send(self._kept)

    def flush(self) -> None:
        """The attempt is over: what was kept goes out with its result."""
        if self._kept is not None:
            self._worker.send_heartbeat(self._task, self._kept)
            self._kept = None


def throttle_us(heartbeat_us: int | None) -> int:
    """How long a worker keeps quiet after a heartbeat: 80 % of the time-out, 30 s without one, at most 60 s."""
    wanted_us = THROTTLE_DEFAULT_US if heartbeat_us is None else int(heartbeat_us * THROTTLE_SHARE)
    return min(wanted_us, THROTTLE_MAX_US)


def _shown_as(started: Event) -> str:
    """Under which execution the trace shows a run: a child goes with its root."""
    told = started.attributes
    return str((told.get("root") or told)["workflow_id"])


def last_task_of(history: list[Event]) -> int:
    """The event that started the last completed workflow task, 0 if there is none."""
    for event in reversed(history):
        if event.type == WORKFLOW_TASK_COMPLETED:
            return int(event.attributes["started_event_id"])
    return 0


def up_to_last_task(history: list[Event]) -> list[Event]:
    """A history without a workflow task that is under way: a query does not run it."""
    return history[:-1] if history[-1].type == "WorkflowTaskStarted" else history
