"""A simulation that is driven step by step: start workflows, signal and query them, crash workers, let time pass.

For tests, notebooks and state machines. `Simulation` runs the replay model only, in a world of the given services;
nothing happens between two calls. Always holds: the same calls with the same seed give the same histories, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.shop import shop
from durable_sim.models.executions import Execution, Home
from durable_sim.models.registry import MODELS
from durable_sim.models.replay.history import History
from durable_sim.models.replay.model import Replay
from durable_sim.models.replay.server.state import Run, StartOptions
from durable_sim.models.replay.server.store import Store
from durable_sim.models.workers import BASE, Fleet
from durable_sim.randomness import Randomness
from durable_sim.simulation.driver import Driver
from durable_sim.simulation.handles import WorkflowHandle
from durable_sim.simulation.injector import Injector
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import Trace
from durable_sim.workflows.commands import IdReusePolicy
from durable_sim.workflows.definitions import Build, definition_of, name_of
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.faults import Deploy, Fault, Script
from durable_sim.world.ledger import Entry
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.world import World

Function = Callable[..., Any]
ConflictPolicy = Literal["FAIL", "USE_EXISTING", "TERMINATE_EXISTING"]


class WorkflowAlreadyStarted(UserError):
    """A workflow of this id is open, or its id may not be used again."""


class Simulation:
    """A durable server, workers, and the world, under simulated time that passes only when asked to.

    Args:
        workflows: the workflow functions that workers know.
        activities: activities that are named by text and not found near a workflow.
        services: the world, by default `durable_sim.library.shop()`.
        faults: what goes wrong by itself, as for `durable_sim.run`.
        workers: how many worker processes there are: w1, w2, ...
        seed: decides everything that is random.
        versions: other code for deploys to switch to: {"v2": function} or {"v2": [functions]}.
        store: where the server keeps its runs; one that was used before is gone on with.
        options: settings of the replay model (`help(durable_sim.models.replay.model.Replay)`); `guard` is on unless
            it is switched off here.

    >>> async def greet(ctx, name):
    ...     await ctx.sleep("1 day")
    ...     return f"hello {name}"
    >>> sim = Simulation([greet])
    >>> handle = sim.start(greet, "ada", id="g-1")
    >>> handle.result(), sim.now_us
    ('hello ada', 86400000000)
    """

    def __init__(
        self,
        workflows: Function | Iterable[Function],
        *,
        activities: Iterable[Function] = (),
        services: Mapping[str, ServiceSpec] | None = None,
        faults: Iterable[Fault] = (),
        workers: int = 2,
        seed: int = 0,
        versions: Mapping[str, Function | Iterable[Function]] | None = None,
        store: Store | None = None,
        **options: Any,
    ) -> None:
        known_options = MODELS["replay"].options()
        for option in options:
            if option not in known_options:
                raise UnknownNameError("option of Simulation", option, known_options)
        functions = _listed(workflows)
        if not functions:
            raise UserError("Simulation: there is no workflow, expected one function or more")
        faults = tuple(faults)
        known = {version: _listed(code) for version, code in (versions or {}).items()}
        specs = shop() if services is None else dict(services)
        self._scenario = _checked(specs, faults, workers, known)
        stored = None if store is None else store.load()
        scripts = tuple(fault for fault in faults if isinstance(fault, Script))
        self._world = World(seed, specs, scripts, start_us=0 if stored is None else stored.now_us)
        self._fleet = Fleet(self._world, self._scenario.worker_ids, None)
        builds = _builds(functions, known, tuple(activities))
        self._home = Home(self._world, self._fleet, builds, definition_of(functions[0]).name)
        self._replay = Replay(self._home, store=store, **({"guard": True} | options))
        self._server = self._replay.server
        self._executions: dict[str, Execution] = {}
        self._driver = Driver(self._world, self._replay)
        if stored is not None:
            self._take_up(stored.runs)
        plan = self._scenario.process_faults(Randomness(seed))
        self._injector = Injector(self._world, self._fleet, self._replay, self._executions, plan)
        self._injector.arm()
        self._fleet.start(self._replay)

    def _take_up(self, runs: tuple[Run, ...]) -> None:
        for run in runs:
            execution = self._executions.setdefault(
                run.workflow_id, Execution(run.workflow_id, None, len(self._executions), run.started_us)
            )
            execution.runs += 1
        self._server.recover(self._executions)

    # --- workflows --------------------------------------------------------------------------------------------------
    def start(
        self,
        workflow: Function | str,
        *arguments: Any,
        id: str | None = None,
        task_queue: str = "main",
        execution_timeout: Duration | None = None,
        run_timeout: Duration | None = None,
        task_timeout: Duration = "10s",
        retry_policy: RetryPolicy | None = None,
        id_reuse_policy: IdReusePolicy = "ALLOW_DUPLICATE",
        id_conflict_policy: ConflictPolicy = "FAIL",
        memo: Mapping[str, Any] | None = None,
        search_attributes: Mapping[str, Any] | None = None,
        signal: tuple[Any, ...] | None = None,
    ) -> WorkflowHandle:
        """Start a workflow. With `signal` (a name and arguments) it is signalled too: before its first task if it
        starts now, or where it is if it runs already (signal-with-start).

        Raises:
            WorkflowAlreadyStarted: the policies forbid it.
        """
        name = workflow if isinstance(workflow, str) else name_of(workflow, "workflow")
        workflow_id = id or f"{name}-{len(self._executions) + 1}"
        options = StartOptions(
            workflow_id,
            name,
            list(copied(list(arguments), f"argument of {name}")),
            task_queue,
            _us(execution_timeout),
            _us(run_timeout),
            duration_us(task_timeout),
            retry_policy,
            dict(memo or {}),
            dict(search_attributes or {}),
        )
        handle = WorkflowHandle(self._driver, workflow_id)
        if self._goes_on(workflow_id, id_reuse_policy, id_conflict_policy, signal):
            if signal is not None:
                handle.signal(*signal)
            return handle
        execution = Execution(workflow_id, list(arguments), len(self._executions), self._world.now_us)
        self._executions[workflow_id] = execution
        told = None if signal is None else (signal[0], list(copied(list(signal[1:]), "argument of the signal")))
        self._server.start(execution, options, told)
        return handle

    def _goes_on(
        self, workflow_id: str, reuse: IdReusePolicy, conflict: ConflictPolicy, signal: tuple[Any, ...] | None
    ) -> bool:
        """Whether the workflow of that id that is open already is the one wanted."""
        if self._server.wire.held:
            raise UserError(f"start of {workflow_id!r}: the server is down, expected it up; let time pass first")
        chain = self._server.chain(workflow_id)
        taken = self._server.current(workflow_id) if chain else None
        if taken is not None and taken.open and reuse != "TERMINATE_IF_RUNNING":
            if conflict == "USE_EXISTING" or signal is not None:
                return True
            if conflict == "FAIL":
                raise WorkflowAlreadyStarted(
                    f"workflow id {workflow_id!r} is open already; give another id, or a policy"
                )
            self._server.terminate(workflow_id, "terminated by the id conflict policy", [])
        elif taken is not None and taken.open:
            self._server.terminate(workflow_id, "TerminateIfRunning WorkflowIdReusePolicy", [])
        elif not self._server.may_start(workflow_id, reuse):
            raise WorkflowAlreadyStarted(f"workflow id {workflow_id!r} was used before, and {reuse} forbids that")
        return False

    def handle(self, workflow_id: str) -> WorkflowHandle:
        """A workflow by its id, a child for example.

        Raises:
            UnknownNameError: there is none of that id.
        """
        self._server.current(workflow_id)
        return WorkflowHandle(self._driver, workflow_id)

    def history_of(self, workflow_id: str, run_id: str | None = None) -> History:
        """The history of a workflow's run, by default the current one."""
        return self.handle(workflow_id).history(run_id)

    def histories(self) -> dict[str, History]:
        """All histories by run id, in the order in which the runs began."""
        return {run_id: History(run.history) for run_id, run in self._server.runs.items()}

    def check_replays(self, *, strict: bool = True, runs: Iterable[str] | None = None) -> None:
        """Replay every prefix of every history with the code last used on it, to the arguments if `strict`.

        Args:
            strict: whether arguments and time-outs must fit too.
            runs: the ids of the runs whose histories are replayed; by default all.

        Raises:
            UserError: the first history that its own code does not follow, and where.
        """
        for run_id in self._server.runs if runs is None else runs:
            problem = self._replay.replays_wrong(self._server.runs[run_id], strict)
            if problem is not None:
                raise UserError(f"the history of run {run_id} is not what its code does: {problem}")

    # --- time -------------------------------------------------------------------------------------------------------
    @property
    def now_us(self) -> int:
        """Simulated time since the start, in microseconds."""
        return self._world.now_us

    def advance(self, duration: Duration) -> None:
        """Let time pass; what is due at the very end happens too."""
        self._driver.advance(duration)

    def run(self, limit: Duration = "365 days") -> None:
        """Let time pass until nothing is left to happen, at most for so long."""
        self._driver.run(limit)

    def run_until(self, reached: Callable[[], bool], what: str = "the condition") -> None:
        """Let time pass, step by step, until `reached()` is true.

        Raises:
            UserError: it never will be, or takes more than a year.
        """
        self._driver.until(reached, what)

    # --- workers and the server -------------------------------------------------------------------------------------
    @property
    def workers(self) -> tuple[str, ...]:
        """The workers that run now."""
        return tuple(self._fleet.processes)

    def crash(self, worker: str = "w1", restart_after: Duration | None = "2s") -> bool:
        """Kill a worker's process; another takes its place after a while (None: never). False if it does not run."""
        return self._fleet.crash(self._known(worker), _us(restart_after)) is not None

    def pause(self, worker: str = "w1", lasts: Duration = "1m") -> bool:
        """Let a worker stand still, as if frozen. False if it does not run, or stands still already."""
        return self._fleet.pause(self._known(worker), duration_us(lasts)) is not None

    def stop(self, worker: str = "w1", restart_after: Duration | None = None) -> bool:
        """Stop a worker with grace: it takes nothing new, finishes what it has, and gives back what sticks to it."""
        process = self._fleet.processes.get(self._known(worker))
        if process is None or process.stopping:
            return False
        self._fleet.drain(worker, lambda: self._stop_now(worker, process, _us(restart_after)))
        return True

    def _stop_now(self, worker: str, process: Any, away_us: int | None) -> None:
        if self._fleet.processes.get(worker) is process:
            self._fleet.stop(worker, away_us)

    def start_worker(self, worker: str = "w1", version: str | None = None) -> bool:
        """Start a worker that does not run, on the code of the last deploy or of `version`. False if it runs."""
        if self._known(worker) in self._fleet.processes:
            return False
        current = self._fleet.version
        self._fleet.version = current if version is None else self._known_version(version)
        self._fleet.start_worker(worker)
        self._fleet.version = current
        return True

    def deploy(
        self,
        version: str | None = None,
        *,
        rolling: bool = True,
        grace: Duration | None = None,
        downtime: Duration = "1s",
    ) -> None:
        """Restart the workers, on other code where `version` names some ("base" is the code of the beginning)."""
        if version is not None:
            self._known_version(version)
        self._injector.strike(Deploy(version=version, rolling=rolling, grace=grace, downtime=downtime, at="0s"))

    def restart_server(self, downtime: Duration = "0s") -> None:
        """Let the server lose its memory, and go on from its store."""
        self._server.restart(duration_us(downtime))

    def _known_version(self, version: str) -> str:
        if version not in self._home.builds:
            raise UnknownNameError("code version", version, filter(None, self._home.builds))
        return version

    def _known(self, worker: str) -> str:
        if worker not in self._fleet.worker_ids:
            raise UnknownNameError("worker", worker, self._fleet.worker_ids)
        return worker

    # --- what there is to see ---------------------------------------------------------------------------------------
    @property
    def trace(self) -> Trace:
        """What the simulator watched."""
        return self._world.trace

    @property
    def ledger(self) -> tuple[Entry, ...]:
        """What the world really did."""
        return self._world.ledger.entries()


def _checked(services: dict[str, ServiceSpec], faults: tuple[Fault, ...], workers: int, versions: Any) -> Scenario:
    """Let a scenario say what is wrong with names and numbers. Executions are whichever its user will start."""

    async def stand_in(ctx: Any, input: Any) -> None: ...

    named = (getattr(fault, name, None) for fault in faults for name in ("execution", "target"))
    inputs = tuple({"id": one} for one in dict.fromkeys(named) if one is not None) or (None,)
    code = dict.fromkeys(versions, stand_in)
    return Scenario(stand_in, inputs, services, faults, workers=workers, versions=code)


def _builds(
    functions: tuple[Function, ...], versions: Mapping[str, tuple[Function, ...]], activities: tuple[Function, ...]
) -> dict[str | None, Build]:
    base = {definition_of(one).name: one for one in functions}
    build = Build(None, base, activities)
    builds: dict[str | None, Build] = {None: build, BASE: build}
    for version, code in versions.items():
        changed = {definition_of(one).name: one for one in code}
        builds[version] = Build(version, base | changed, activities)
    return builds


def _listed(functions: Function | Iterable[Function]) -> tuple[Function, ...]:
    return (functions,) if callable(functions) else tuple(functions)


def _us(value: Duration | None) -> int | None:
    return None if value is None else duration_us(value)
