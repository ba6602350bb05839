"""Workers: the processes that run user code, and the ways in which they die.

A crash forgets, it does not throw: the process is marked dead, and from then on nothing reaches it. Its coroutines are
never closed or dropped while the run is kept, for either would run users' `except` and `finally` blocks, which no real
crash does. Always holds: whatever is meant for a process goes through `WorkerProcess.deliver`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from durable_sim import trace as kinds
from durable_sim.workflows.program import Program
from durable_sim.world.world import World

BASE = "base"
"""The version of the code that a simulation begins with; a deploy names it to roll back."""


class WorkerProcess:
    """One life of a worker, from start to crash or stop. A restart is another process under the same worker id."""

    __slots__ = (
        "_bodies",
        "_inbox",
        "_memory",
        "_when_idle",
        "alive",
        "build",
        "paused",
        "stopping",
        "version",
        "worker_id",
    )

    def __init__(self, worker_id: str, version: str | None) -> None:
        self.worker_id = worker_id
        self.version = version
        self.build = version or BASE
        self.alive = True
        self.stopping = False
        self.paused = False
        self._inbox: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._bodies: dict[Program, str] = {}
        self._memory: dict[Program, str] = {}
        self._when_idle: Callable[[], None] | None = None

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call back now; once it goes on, if it is paused; never, if it is dead."""
        if not self.alive:
            return
        if self.paused:
            self._inbox.append((callback, arguments))
        else:
            callback(*arguments)

    def resume(self) -> None:
        """Go on after a pause with all that has come in meanwhile."""
        self.paused = False
        inbox, self._inbox = self._inbox, []
        for callback, arguments in inbox:
            self.deliver(callback, *arguments)

    def begin(self, program: Program, execution: str) -> None:
        """A body of user code starts to run here."""
        self._bodies[program] = execution

    def end(self, program: Program) -> None:
        """A body has come to its end."""
        self._bodies.pop(program, None)
        if self._when_idle is not None and not self._bodies:
            when_idle, self._when_idle = self._when_idle, None
            when_idle()

    def remember(self, program: Program, execution: str) -> None:
        """Keep a body that waits for its next task in memory; it does not hold up a graceful stop."""
        self._memory[program] = execution

    def forget(self, program: Program) -> None:
        """Give such a body up, without closing it."""
        self._memory.pop(program, None)

    def in_flight(self) -> list[str]:
        """The executions whose code is in this process's memory, in order and once each."""
        return list(dict.fromkeys((*self._bodies.values(), *self._memory.values())))

    def kill(self) -> None:
        """Die: bodies stay referenced, and their contexts are dead."""
        self.alive = False
        for program in (*self._bodies, *self._memory):
            program.dead = True

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back as soon as no body is running."""
        if self._bodies:
            self._when_idle = callback
        else:
            callback()


class Host(Protocol):
    """What an execution model wants to know about workers."""

    def worker_started(self, process: WorkerProcess) -> None:
        """A process is up and can take work."""

    def worker_stopping(self, process: WorkerProcess) -> None:
        """A process is being stopped with grace: give it no new work."""

    def worker_lost(self, process: WorkerProcess) -> None:
        """A process is gone. Only what the real world would notice may follow from this."""


class Fleet:
    """The workers of a run."""

    def __init__(self, world: World, worker_ids: tuple[str, ...], version: str | None) -> None:
        self._world = world
        self.worker_ids = worker_ids
        self.version = version
        self.processes: dict[str, WorkerProcess] = {}
        self._graveyard: list[WorkerProcess | Program] = []
        self._host: Host | None = None

    def start(self, host: Host) -> None:
        """Start all workers, for the given model."""
        self._host = host
        for worker_id in self.worker_ids:
            self.start_worker(worker_id)

    def start_worker(self, worker_id: str) -> None:
        """Start a worker that is not running."""
        assert self._host is not None and worker_id not in self.processes
        process = self.processes[worker_id] = WorkerProcess(worker_id, self.version)
        self._note(kinds.WORKER_STARTED, worker_id, {"version": self.version} if self.version else None)
        if process.alive:
            self._host.worker_started(process)

    def crash(self, worker_id: str, restart_after_us: int | None) -> list[str] | None:
        """Kill a worker's process; gives the executions that were in its memory, or None if it was not running."""
        return self._kill(worker_id, kinds.WORKER_CRASHED, restart_after_us)

    def stop(self, worker_id: str, downtime_us: int | None) -> list[str] | None:
        """End a worker's process at once, as a deploy does after its grace period; same result as `crash`."""
        return self._kill(worker_id, kinds.WORKER_STOPPED, downtime_us)

    def drain(self, worker_id: str, when_idle: Callable[[], None]) -> None:
        """Give a worker no new work, and call back once it has finished what it has."""
        process = self.processes[worker_id]
        process.stopping = True
        self._note(kinds.WORKER_STOPPING, worker_id)
        assert self._host is not None
        self._host.worker_stopping(process)
        process.when_idle(when_idle)

    def pause(self, worker_id: str, lasts_us: int) -> list[str] | None:
        """Freeze a worker for a while; same result as `crash`."""
        process = self.processes.get(worker_id)
        if process is None or process.paused:
            return None
        process.paused = True
        hit = process.in_flight()
        self._note(kinds.WORKER_PAUSED, worker_id, {"in_flight": hit})
        self._world.alarms.after(lasts_us, self._resume, process)
        return hit

    def bury(self, program: Program) -> None:
        """Leave a body behind without closing it: it never runs again, and is kept until the run is dropped."""
        program.dead = True
        if program.main is None or not program.main.done:
            self._graveyard.append(program)

    def busiest(self) -> str | None:
        """The first worker with work in its memory, else the first that runs."""
        running = list(self.processes.values())
        return next((p.worker_id for p in running if p.in_flight()), running[0].worker_id if running else None)

    def pick(self, turn: int) -> WorkerProcess | None:
        """A process that takes new work, in turn."""
        ids = self.worker_ids
        for offset in range(len(ids)):
            process = self.processes.get(ids[(turn + offset) % len(ids)])
            if process is not None and not process.stopping:
                return process
        return None

    def _kill(self, worker_id: str, kind: str, away_us: int | None) -> list[str] | None:
        process = self.processes.pop(worker_id, None)
        if process is None:
            return None
        hit = process.in_flight()
        process.kill()
        self._graveyard.append(process)
        self._world.database.connection_lost(process)
        self._note(kind, worker_id, {"in_flight": hit})
        assert self._host is not None
        self._host.worker_lost(process)
        if away_us is not None:
            self._world.alarms.after(away_us, self._come_back, worker_id)
        return hit

    def _come_back(self, worker_id: str) -> None:
        if worker_id not in self.processes:  # somebody may have started it meanwhile
            self.start_worker(worker_id)

    def _resume(self, process: WorkerProcess) -> None:
        if process.alive:
            self._note(kinds.WORKER_RESUMED, process.worker_id)
            process.resume()

    def _note(self, kind: str, worker_id: str, data: dict[str, Any] | None = None) -> None:
        self._world.trace.add(kind, worker=worker_id, data=data)
