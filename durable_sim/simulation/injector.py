"""Plays a plan of faults or stimuli against workers, server and executions, and keeps count of what fired and hit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from durable_sim.durations import duration_us
from durable_sim.errors import InternalError
from durable_sim.models.executions import Execution, Model
from durable_sim.models.workers import Fleet
from durable_sim.trace import Record
from durable_sim.world.faults import (
    Cancel,
    Crash,
    Deploy,
    Pause,
    Planned,
    ProcessFault,
    Redrive,
    ServerRestart,
    Signal,
    Stimulus,
)
from durable_sim.world.world import World


@dataclass(slots=True)
class Strike:
    """What became of one planned fault: when it fired (None: never) and the executions that it hit: those in the memory
    of the worker, open on the server, or reached by the signal. `after` is the number of the trace's last record before
    it struck."""

    fault: Planned
    fired_us: int | None = None
    hit: list[str] = field(default_factory=list)
    after: int | None = None


class Injector:
    """One plan, one run. `executions` are those known by now, by id."""

    def __init__(
        self,
        world: World,
        fleet: Fleet,
        model: Model,
        executions: Mapping[str, Execution],
        plan: tuple[Planned, ...],
    ) -> None:
        self._world = world
        self._fleet = fleet
        self._model = model
        self._executions = executions
        self.strikes = [Strike(fault) for fault in plan]

    def arm(self) -> None:
        """Set up every fault of the plan."""
        for strike in self.strikes:
            fault = strike.fault
            if fault.at is not None:
                self._world.alarms.after(duration_us(fault.at), self._strike, strike)
            else:
                self._world.trace.observers.append(_Watch(self, strike))

    def strike(self, fault: Planned) -> Strike:
        """Let a fault strike now that was in no plan."""
        strike = Strike(fault)
        self.strikes.append(strike)
        self._strike(strike)
        return strike

    def disarm(self, watch: _Watch, record: Record) -> None:
        """A watch has seen what it waited for."""
        self._world.trace.observers.remove(watch)
        self._strike(watch.strike, record.worker, record.execution)

    def _strike(self, strike: Strike, worker: str | None = None, execution: str | None = None) -> None:
        """Let it strike; the worker and the execution are those of the record that triggers it, if one does."""
        strike.after = len(self._world.trace) - 1
        if isinstance(strike.fault, Deploy):
            self._deploy(strike, strike.fault, worker)  # fires later, worker by worker
            return
        hit = self._at_once(strike.fault, worker, execution)
        if hit is not None:
            self._fired(strike, hit)

    def _at_once(self, fault: Planned, worker: str | None, execution: str | None) -> list[str] | None:
        fleet, model = self._fleet, self._model
        match fault:
            case Crash(worker=named, restart_after=away):
                return self._to_worker(named or worker, lambda one: fleet.crash(one, duration_us(away)))
            case Pause(worker=named, lasts=lasts):
                return self._to_worker(named or worker, lambda one: fleet.pause(one, duration_us(lasts)))
            case ServerRestart(downtime=downtime):
                return model.restart_server(duration_us(downtime))
            case Signal(name=name, arguments=arguments):
                return self._to_execution(fault, execution, lambda one: model.signal(one, name, arguments))
            case Cancel():
                return self._to_execution(fault, execution, model.cancel)
            case Redrive():
                return self._to_execution(fault, execution, model.redrive)
        raise InternalError(f"nobody knows how to let {fault} strike")

    def _to_worker(self, worker: str | None, act: Callable[[str], list[str] | None]) -> list[str] | None:
        target = worker or self._fleet.busiest()
        return None if target is None else act(target)

    def _to_execution(
        self, fault: Stimulus, execution: str | None, act: Callable[[Execution], list[str] | None]
    ) -> list[str] | None:
        """Reach the target, or whom the record is about, or the only one there is."""
        name = fault.target or fault.execution or execution
        if name is None and len(self._executions) == 1:
            (name,) = self._executions
        target = None if name is None else self._executions.get(name)
        return None if target is None else act(target)

    def _deploy(self, strike: Strike, deploy: Deploy, first: str | None) -> None:
        fleet = self._fleet
        if deploy.version is not None:
            fleet.version = deploy.version
        workers = sorted(fleet.worker_ids, key=lambda worker: worker != first)
        if deploy.rolling:
            self._replace(strike, deploy, workers, 0)
        else:
            for place in range(len(workers)):
                self._replace(strike, deploy, workers[place : place + 1], 0)

    def _replace(self, strike: Strike, deploy: Deploy, workers: list[str], place: int) -> None:
        """Replace the worker at `place`, and then, once it is back, those after it."""
        if place == len(workers):
            return
        process = self._fleet.processes.get(workers[place])
        go_on = partial(self._replace, strike, deploy, workers, place + 1)
        if process is None or process.stopping:
            go_on()  # it is away already, and comes back on the new code
            return

        def stop() -> None:
            deadline.cancel()
            if self._fleet.processes.get(process.worker_id) is process:
                hit = self._fleet.stop(process.worker_id, duration_us(deploy.downtime))
                self._fired(strike, hit or [])
            self._world.alarms.after(duration_us(deploy.downtime), go_on)

        deadline = self._world.alarms.after(duration_us(deploy.grace or "0s"), stop)
        if deploy.grace is None:
            stop()
        else:
            self._fleet.drain(process.worker_id, stop)

    def _fired(self, strike: Strike, hit: list[str]) -> None:
        if isinstance(strike.fault, ProcessFault):
            hit = [name for name in hit if self._open(name)]
        if strike.fired_us is None:
            strike.fired_us = self._world.now_us
        strike.hit.extend(execution for execution in hit if execution not in strike.hit)

    def _open(self, name: str) -> bool:
        """Whether an execution has not ended: one that has cannot be hit, though its code may still be in memory."""
        execution = self._executions.get(name)
        return execution is None or execution.status == "open"


class _Watch:
    """Waits for the trace record after which a fault strikes."""

    def __init__(self, injector: Injector, strike: Strike) -> None:
        self._injector = injector
        self.strike = strike
        self._left = strike.fault.nth

    def __call__(self, record: Record) -> None:
        fault = self.strike.fault
        if fault.after_record is not None:
            here = record.index == fault.after_record
        else:
            here = (
                record.kind == fault.after
                and (fault.of is None or record.subject == fault.of)
                and (fault.execution is None or record.execution == fault.execution)
            )
            self._left -= here
        if here and (fault.after_record is not None or self._left == 0):
            self._injector.disarm(self, record)
