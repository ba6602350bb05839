"""The volatile side of the replay model: one process's cached workflow instances and running attempts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from durable_sim import trace as kinds
from durable_sim.models.attempts import ActivityTask, Attempt
from durable_sim.models.executions import Home, Outcome
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.replay import (
    CompleteWorkflow,
    Decision,
    FailWorkflow,
    Instance,
    NonDeterminismError,
    WorkflowTaskError,
)
from durable_sim.models.replay.server import Server, WorkflowTask
from durable_sim.models.workers import WorkerProcess


class ReplayWorker:
    """Takes tasks from the server, runs user code, sends back what came of it. Forgets everything in a crash."""

    __slots__ = ("_cache", "_home", "_server", "process")

    def __init__(self, home: Home, server: Server, process: WorkerProcess) -> None:
        self.process = process
        self._home = home
        self._server = server
        self._cache: dict[str, Instance] = {}

    def workflow_task(self, task: WorkflowTask, new_events: list[Event]) -> None:
        """Run the code on the new events, from the cached instance or, with a whole history, from the top."""
        execution = task.execution
        instance = self._instance(task, new_events)
        if instance is None:
            self._send(self._server.send_history, task, self)
            return
        try:
            decision = instance.apply(new_events)
        except NonDeterminismError as error:
            self._task_failed(task, "NON_DETERMINISTIC_ERROR", str(error))
            return
        except WorkflowTaskError as error:
            self._task_failed(task, "WORKFLOW_WORKER_UNHANDLED_FAILURE", str(error))
            return
        if instance.replayed_tasks and new_events[0].id == 1:
            data = {"events": len(new_events), "tasks": instance.replayed_tasks}
            self._home.world.trace.add(kinds.REPLAYED, execution.id, self.process.worker_id, data=data)
        self.process.deliver(self._answer, task, instance, decision)

    def activity_task(self, task: ActivityTask) -> None:
        """Make an attempt."""
        Attempt(self._home.world, self.process, task, self._attempt_ended, partial(self._heartbeat, task)).begin()

    def evict(self, execution: str) -> None:
        """Drop an instance; the next task will bring the whole history."""
        instance = self._cache.pop(execution, None)
        if instance is not None:
            self._kill(instance)

    def _instance(self, task: WorkflowTask, new_events: list[Event]) -> Instance | None:
        """The cached instance that the events continue, a new one for a whole history, None if the cache has lost
        it."""
        execution = task.execution
        if new_events[0].id != 1:
            cached = self._cache.get(execution.id)
            return cached if cached is not None and cached.position == new_events[0].id - 1 else None
        self.evict(execution.id)
        definition = self._home.definition(self.process.version)
        instance = self._cache[execution.id] = Instance(definition, self._home.info(execution, task.run_id))
        self.process.remember(instance.program, execution.id)
        return instance

    def _answer(self, task: WorkflowTask, instance: Instance, decision: Decision) -> None:
        instance.decided(decision)
        if decision.commands and isinstance(decision.commands[-1], (CompleteWorkflow, FailWorkflow)):
            self.evict(task.execution.id)
        self._send(self._server.complete_workflow_task, task, self, decision)

    def _task_failed(self, task: WorkflowTask, cause: str, message: str) -> None:
        self.evict(task.execution.id)
        self._send(self._server.fail_workflow_task, task, self, cause, message)

    def _attempt_ended(self, attempt: Attempt, outcome: Outcome) -> None:
        attempt.note(kinds.RESULT_REPORTED, {"failure": outcome.failure.to_json()} if outcome.failure else None)
        self._send(self._server.activity_ended, attempt.task, self, outcome)  # on its way, even if we died just now

    def _heartbeat(self, task: ActivityTask, details: tuple[Any, ...]) -> None:
        if self.process.alive:
            self._send(self._server.heartbeat, task, details)

    def _kill(self, instance: Instance) -> None:
        """Leave an instance behind without running any of its code again."""
        self.process.forget(instance.program)
        self._home.fleet.bury(instance.program)

    def _send(self, callback: Callable[..., None], *arguments: Any) -> None:
        """A message to the server; it arrives even if this process dies meanwhile."""
        self._server.wire.send(callback, *arguments)
