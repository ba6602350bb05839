"""Plays the process faults of a plan against the workers, and keeps count of what fired and what it hit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from durable_sim.durations import duration_us
from durable_sim.models.workers import Fleet
from durable_sim.trace import Record
from durable_sim.world.faults import Crash, Deploy, Pause, ProcessFault
from durable_sim.world.world import World


@dataclass(slots=True)
class Strike:
    """What became of one planned fault: when it fired (None: never) and the executions whose code it hit."""

    fault: ProcessFault
    fired_us: int | None = None
    hit: list[str] = field(default_factory=list)


class Injector:
    """One plan, one run."""

    def __init__(self, world: World, fleet: Fleet, plan: tuple[ProcessFault, ...]) -> None:
        self._world = world
        self._fleet = fleet
        self.strikes = [Strike(fault) for fault in plan]

    def arm(self) -> None:
        """Set up every fault of the plan."""
        for strike in self.strikes:
            fault = strike.fault
            if fault.at is not None:
                self._world.alarms.after(duration_us(fault.at), self._strike, strike, None)
            else:
                self._world.trace.observers.append(_Watch(self, strike))

    def strike(self, fault: ProcessFault) -> Strike:
        """Let a fault strike now that was in no plan."""
        strike = Strike(fault)
        self.strikes.append(strike)
        self._strike(strike, None)
        return strike

    def disarm(self, watch: _Watch) -> None:
        """A watch has seen what it waited for."""
        self._world.trace.observers.remove(watch)
        self._strike(watch.strike, watch.worker)

    def _strike(self, strike: Strike, worker: str | None) -> None:
        match strike.fault:
            case Crash() as crash:
                self._at_once(strike, crash.worker or worker, partial(self._crash, crash))
            case Pause() as pause:
                self._at_once(strike, pause.worker or worker, partial(self._pause, pause))
            case Deploy() as deploy:
                self._deploy(strike, deploy, worker)

    def _crash(self, crash: Crash, worker: str) -> list[str] | None:
        return self._fleet.crash(worker, duration_us(crash.restart_after))

    def _pause(self, pause: Pause, worker: str) -> list[str] | None:
        return self._fleet.pause(worker, duration_us(pause.lasts))

    def _at_once(self, strike: Strike, worker: str | None, act: Callable[[str], list[str] | None]) -> None:
        target = worker or self._fleet.busiest()
        hit = None if target is None else act(target)
        if hit is not None:
            self._fired(strike, hit)

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
        if strike.fired_us is None:
            strike.fired_us = self._world.now_us
        strike.hit.extend(execution for execution in hit if execution not in strike.hit)


class _Watch:
    """Waits for the trace record after which a fault strikes."""

    def __init__(self, injector: Injector, strike: Strike) -> None:
        self._injector = injector
        self.strike = strike
        self._left = strike.fault.nth
        self.worker: str | None = None

    def __call__(self, record: Record) -> None:
        fault = self.strike.fault
        if fault.after_record is not None:
            here = record.index == fault.after_record
        else:
            here = record.kind == fault.after and (fault.of is None or record.subject == fault.of)
            self._left -= here
        if here and (fault.after_record is not None or self._left == 0):
            self.worker = record.worker
            self._injector.disarm(self)
