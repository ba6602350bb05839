"""The replay model put together: a durable server, and a volatile worker for each process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from durable_sim.durations import Duration, duration_us, seconds
from durable_sim.errors import UserError
from durable_sim.models.executions import Execution, Home
from durable_sim.models.replay.events import WORKFLOW_TASK_COMPLETED
from durable_sim.models.replay.native import NativeRunner, info_of
from durable_sim.models.replay.prefixes import replay_prefixes
from durable_sim.models.replay.runner import CodeRunner, Waiting, WorkflowInstance, WorkflowTaskError
from durable_sim.models.replay.server.server import HISTORY_MAX, Server, ServerOptions
from durable_sim.models.replay.server.state import MAIN_QUEUE, Run, StartOptions
from durable_sim.models.replay.server.store import Store
from durable_sim.models.replay.worker import ReplayWorker, WorkerOptions, up_to_last_task
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.failures import NonDeterminismError

if TYPE_CHECKING:
    from durable_sim.workflows.guard import Guard

Cache = Literal["warm", "cold", "evicted"] | int
"""What a worker keeps of workflows between their tasks: instances, nothing (and no sticky queue), nothing although the
server counts on it, or so many instances."""


class Replay:
    """Durable execution by event history and replay, as Temporal does it.

    Args:
        rpc_latency: the time that each message between a worker and the server takes.
        cache: "warm", "cold", "evicted", or the number of instances that a worker keeps.
        max_concurrent_workflow_tasks, max_concurrent_activities: a worker's slots.
        strict: replay also compares arguments, time-outs and timer lengths, which the real engine lets pass.
        deadlock_timeout: how long workflow code may hold its thread (`ctx.block_for`); None: as long as it likes.
        guard: refuse, in workflow code, calls that a replay would not repeat (clocks, randomness, files, ...).
        minimum_delay: the shortest back-off or timer that the server keeps; real ones stretch what is under a second.
        pinned: a run stays on the build that began it.
        history_limit: the number of events at which the server ends a run; None: as many as it likes.
        task_queues: the task queue that a worker polls, by worker, where it is not "main".
        store: what the server keeps its runs in; memory by default.
        runner: what runs the code of a version, in place of this package's own runner.
    """

    def __init__(
        self,
        home: Home,
        rpc_latency: Duration = "0s",
        cache: Cache = "warm",
        max_concurrent_workflow_tasks: int = 100,
        max_concurrent_activities: int = 100,
        strict: bool = False,
        deadlock_timeout: Duration | None = "2s",
        guard: bool = False,
        minimum_delay: Duration = "0s",
        pinned: bool = False,
        history_limit: int | None = HISTORY_MAX,
        task_queues: Mapping[str, str] = MappingProxyType({}),
        store: Store | None = None,
        runner: Callable[[str | None], CodeRunner] | None = None,
    ) -> None:
        self._home = home
        self._runner = runner
        self._strict = strict
        self._deadlock_us = None if deadlock_timeout is None else duration_us(deadlock_timeout)
        self._guard = _guard() if guard else None
        slots = max_concurrent_workflow_tasks, max_concurrent_activities
        for kind, number in zip(("workflow_tasks", "activities"), slots, strict=True):
            if number < 1:
                raise UserError(f"replay: max_concurrent_{kind} is {number}, expected 1 or more")
        self._worker_options = WorkerOptions(*_cached_max(cache), *slots)
        self._task_queues = dict(task_queues)
        self._started = 0
        self.workers: list[ReplayWorker] = []
        settings = ServerOptions(duration_us(rpc_latency), duration_us(minimum_delay), pinned, history_limit)
        self.server = Server(home, settings, store)

    def submit(self, execution: Execution) -> None:
        """Start the workflow on the server."""
        self.server.start(execution, StartOptions(execution.id, self._home.workflow, [execution.input]))

    def runner(self, version: str | None) -> CodeRunner:
        """What runs the code of a version."""
        if self._runner is not None:
            return self._runner(version)
        make_info = partial(_info, self._home)
        return NativeRunner(
            self._home.build(version),
            make_info,
            strict=self._strict,
            guard=self._guard,
            deadlock_us=self._deadlock_us,
        )

    # --- from outside -----------------------------------------------------------------------------------------------
    def restart_server(self, downtime_us: int) -> list[str] | None:
        """The server goes down, unless it is down, and goes on from its store."""
        return self.server.strike(downtime_us)

    def signal(self, execution: Execution, name: str, arguments: tuple[Any, ...]) -> list[str] | None:
        """An open workflow takes every signal; whether its code handles it is another matter."""
        return [execution.id] if self.server.slip_in_signal(execution.id, name, list(arguments)) else None

    def cancel(self, execution: Execution) -> list[str] | None:
        """An open workflow is asked to stop, in its own way."""
        return [execution.id] if self.server.slip_in_cancel(execution.id) else None

    def redrive(self, execution: Execution) -> list[str] | None:
        """What has failed stays so."""
        return None

    # --- workers ----------------------------------------------------------------------------------------------------
    def worker_started(self, process: WorkerProcess) -> None:
        """A new worker polls."""
        self._started += 1
        identity = f"{process.worker_id}@{self._started}"
        options = self._worker_options._replace(task_queue=self._task_queues.get(process.worker_id, MAIN_QUEUE))
        worker = ReplayWorker(self._home, self.server, process, self.runner(process.version), identity, options)
        self.workers.append(worker)
        self.server.poll(worker)

    def worker_stopping(self, process: WorkerProcess) -> None:
        """A graceful stop gives back what sticks to the worker."""
        self._gone(process, graceful=True)

    def worker_lost(self, process: WorkerProcess) -> None:
        """Its polls are gone; that tasks were lost with it shows only when they time out."""
        self._gone(process, graceful=False)

    def _gone(self, process: WorkerProcess, *, graceful: bool) -> None:
        if not graceful:
            self.workers = [worker for worker in self.workers if worker.process is not process]
        self.server.stop_polling(process, graceful=graceful)

    @property
    def current_version(self) -> str | None:
        """The version that a worker would start with now."""
        return self._home.fleet.version

    def replays_wrong(self, run: Run, strict: bool = True) -> str | None:
        """What is wrong with a replay of any prefix of a run's history, with the code last used on it; None if
        nothing is."""
        completed = [event for event in run.history if event.type == WORKFLOW_TASK_COMPLETED]
        version = completed[-1].attributes.get("build_id") if completed else None
        make_info = partial(_info, self._home, run.run_id)
        try:
            replay_prefixes(self._home.build(version), make_info, run.history, strict=strict)
        except (NonDeterminismError, WorkflowTaskError) as error:
            return str(error)
        return None

    def bury(self, instance: WorkflowInstance) -> None:
        """Keep an instance that was made to be looked at, so that none of its code runs when it is dropped."""
        self._home.fleet.bury(instance.token)

    # --- looking in -------------------------------------------------------------------------------------------------
    def pending(self, execution: Execution) -> str | None:
        """What the server waits for, unless that is workflow code that fails whenever it is run."""
        run = self.server.current(execution.id)
        return None if run.task_failures else _waits_for(run)

    def stored(self, execution: Execution) -> int:
        """The events of all its runs."""
        return sum(len(self.server.runs[run_id].history) for run_id in self.server.chain(execution.id))


def _info(home: Home, run_id: str, started: dict[str, Any]) -> Any:
    return info_of(run_id, started, home.world.randomness)


def waits_of(replay: Replay, run: Run) -> tuple[tuple[Waiting, ...] | None, str | None]:
    """Where the code of a run waits, from a worker's cache or by replay; or why that cannot be said."""
    if not run.open:
        return (), None
    for worker in replay.workers:
        waits = worker.waits(run.run_id)
        if waits is not None and worker.identity == run.sticky:
            return waits, None
    instance = replay.runner(replay.current_version).instance(run.history[0], run.run_id)
    try:
        instance.apply(up_to_last_task(run.history))
    except (NonDeterminismError, WorkflowTaskError) as error:
        return None, str(error)
    replay.bury(instance)
    return instance.waits(), None


def unheard_of(replay: Replay, run: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the signals that no handler of a run's code has taken, and of those that have one, by replay."""
    instance = replay.runner(replay.current_version).instance(run.history[0], run.run_id)
    try:
        instance.apply(up_to_last_task(run.history))
    except (NonDeterminismError, WorkflowTaskError):
        return (), ()
    replay.bury(instance)
    return instance.unheard()


def _guard() -> Guard:
    from durable_sim.workflows.guard import Guard  # only where it is wanted

    return Guard()


def _cached_max(cache: Cache) -> tuple[int | None, bool]:
    match cache:
        case "warm":
            return None, False
        case "evicted":
            return None, True
        case "cold":
            return 0, False
        case int() if cache >= 0:
            return cache, False
    raise UserError(f"replay: cache is {cache!r}, expected 'warm', 'cold', 'evicted' or a number of instances")


def _waits_for(run: Run) -> str | None:
    for activity in run.activities.values():
        limit = activity.options.retry_policy.maximum_attempts or "unlimited"
        when = f"next at {seconds(activity.retry_due_us)}" if activity.phase == "BACKOFF" else "running"
        return f"activity {activity.name}, attempt {activity.attempt} of {limit}, {when}"
    for timer in run.timers.values():
        return f"a timer due at {seconds(timer.due_us)}"
    for child in run.children.values():
        return f"child workflow {child.workflow_id}"
    if run.first_task_due_us and not run.last_completed_event_id:
        return f"its first workflow task, at {seconds(run.first_task_due_us)}"
    return "a workflow task" if run.task is not None else None
