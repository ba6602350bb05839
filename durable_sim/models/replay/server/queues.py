"""Task queues: tasks that wait for a worker, and workers that wait for a task. Volatile; made anew after a restart.

A worker polls its task queue with as many polls as it has free slots, and besides that its own sticky queue. Always
holds: where a task and a worker with a free slot wait on the same queue, neither waits any longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server.state import PendingActivity, Run
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.handlers import UpdateRequest

WORKFLOW, ACTIVITY = "workflow", "activity"


class Poller(Protocol):
    """A worker's side of a poll: it is given tasks in its own process. `free` counts its open polls by kind."""

    process: WorkerProcess
    identity: str
    task_queue: str
    sticky: bool
    free: dict[str, int]

    def workflow_task(self, task: Any, new_events: list[Event], updates: Sequence[UpdateRequest]) -> None:
        """Run workflow code."""

    def activity_task(self, task: Any) -> None:
        """Run an attempt of an activity."""

    def cancel_attempt(self, token: tuple[str, int, int]) -> None:
        """Tell a running attempt that it is no longer wanted."""

    def evict(self, run_id: str) -> None:
        """Drop a cached instance that has run ahead of its history."""

    def rewind(self, run_id: str, events: int) -> None:
        """The last events given were those of a task that is not kept."""

    def query(self, number: int, run_id: str, history: list[Event], name: str, arguments: tuple[Any, ...]) -> None:
        """Answer a query."""


class Waiting:
    """A task in a queue; `wanted` says whether it still is, `start` hands it to a worker."""

    __slots__ = ("activity", "build", "run", "stamp", "start")

    def __init__(
        self, run: Run, build: str | None, start: Callable[[Poller], None], stamp: Any, activity: PendingActivity | None
    ) -> None:
        self.run = run
        self.build = build
        self.start = start
        self.stamp = stamp
        self.activity = activity

    @property
    def wanted(self) -> bool:
        """Whether it has not been overtaken by something else."""
        if self.activity is not None:
            current = self.run.activities.get(self.activity.scheduled_event_id)
            return current is self.activity and current.attempt == self.stamp and current.phase == "SCHEDULED"
        task = self.run.task
        return task is not None and task is self.stamp and task.phase == "SCHEDULED"


class Queues:
    """All queues of a server."""

    def __init__(self, pinned: bool) -> None:
        self._pinned = pinned
        self._pollers: dict[str, deque[Poller]] = {}
        self._sticky: dict[str, Poller] = {}
        self._waiting: dict[tuple[str, str], deque[Waiting]] = {}

    def poll(self, poller: Poller) -> None:
        """A worker connects."""
        self._pollers.setdefault(poller.task_queue, deque()).append(poller)
        self._sticky[poller.identity] = poller
        self.freed(poller)

    def leave(self, process: WorkerProcess) -> list[str]:
        """A worker's connections are gone; gives the names of its sticky queues."""
        gone = [name for name, poller in self._sticky.items() if poller.process is process]
        for name in gone:
            del self._sticky[name]
        for queue, pollers in self._pollers.items():
            self._pollers[queue] = deque(poller for poller in pollers if poller.process is not process)
        return gone

    def freed(self, poller: Poller) -> None:
        """A worker has free slots: give it what waits, its sticky queue first."""
        for queue in (poller.identity, poller.task_queue):
            self._serve(queue, WORKFLOW)
        self._serve(poller.task_queue, ACTIVITY)

    def sticky_poller(self, name: str) -> Poller | None:
        """The worker behind a sticky queue, if it is connected."""
        return self._sticky.get(name)

    def connected(self, queue: str, build: str | None = None) -> Poller | None:
        """Any worker of a queue, in turn, whether it has a free slot or not."""
        return self._next(queue, None, build)

    def poller_for(self, queue: str, kind: str, build: str | None) -> Poller | None:
        """A worker that takes a new task of a queue at once; one of its free slots is used up.

        None where no worker has one, or where others have waited longer; then the task is to `wait`.
        """
        if self._waiting.get((queue, kind)):
            return None
        poller = self._sticky.get(queue)
        if poller is None:
            poller = self._next(queue, kind, build)
        elif poller.free[kind] <= 0 or not poller.sticky:
            return None
        if poller is not None:
            poller.free[kind] -= 1
        return poller

    def wait(self, queue: str, kind: str, waiting: Waiting) -> None:
        """Put a task into a queue."""
        self._waiting.setdefault((queue, kind), deque()).append(waiting)
        self._serve(queue, kind)

    def _serve(self, queue: str, kind: str) -> None:
        """Hand out what waits, in order; what no connected worker may run stays where it is."""
        line = self._waiting.get((queue, kind))
        if not line:
            return
        left: deque[Waiting] = deque()
        while line:
            waiting = line.popleft()
            if not waiting.wanted:
                continue
            poller = self._free_poller(queue, kind, waiting.build)
            if poller is None:
                left.append(waiting)
                if not self._pinned:
                    break
            else:
                poller.free[kind] -= 1
                waiting.start(poller)
        line.extendleft(reversed(left))

    def _free_poller(self, queue: str, kind: str, build: str | None) -> Poller | None:
        sticky = self._sticky.get(queue)
        if sticky is not None:
            return sticky if sticky.free[kind] > 0 and sticky.sticky else None
        return self._next(queue, kind, build)

    def _next(self, queue: str, kind: str | None, build: str | None) -> Poller | None:
        pollers = self._pollers.get(queue)
        if not pollers:
            return None
        for _ in range(len(pollers)):
            pollers.rotate(-1)
            poller = pollers[-1]
            if kind is None or poller.free[kind] > 0:
                if not self._pinned or build is None or poller.process.build == build:
                    return poller
        return None
