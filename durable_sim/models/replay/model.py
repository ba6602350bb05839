"""The replay model put together: a durable server, and a volatile worker for each process."""

from __future__ import annotations

from durable_sim.durations import Duration, duration_us, seconds
from durable_sim.models.executions import Execution, Home
from durable_sim.models.replay.server import Run, Server
from durable_sim.models.replay.worker import ReplayWorker
from durable_sim.models.workers import WorkerProcess


class Replay:
    """Durable execution by event history and replay, as Temporal does it.

    `rpc_latency` is the time that each message between a worker and the server takes.
    """

    def __init__(self, home: Home, rpc_latency: Duration = "0s") -> None:
        self._home = home
        self.server = Server(home, duration_us(rpc_latency))

    def submit(self, execution: Execution) -> None:
        """Start the workflow on the server."""
        self.server.start(execution)

    def worker_started(self, process: WorkerProcess) -> None:
        """A new worker polls."""
        self.server.poll(ReplayWorker(self._home, self.server, process))

    def worker_stopping(self, process: WorkerProcess) -> None:
        """A graceful stop gives back what sticks to the worker."""
        self.server.stop_polling(process, graceful=True)

    def worker_lost(self, process: WorkerProcess) -> None:
        """Its polls are gone; that tasks were lost with it shows only when they time out."""
        self.server.stop_polling(process, graceful=False)

    def pending(self, execution: Execution) -> str | None:
        """What the server waits for, unless that is workflow code that fails whenever it is run."""
        run = self.server.runs[execution.id]
        return None if run.task_failing else _waits_for(run)


def _waits_for(run: Run) -> str | None:
    for activity in run.activities.values():
        limit = activity.command.options.retry_policy.maximum_attempts or "unlimited"
        when = "running" if activity.retry_due_us is None else f"next at {seconds(activity.retry_due_us)}"
        return f"activity {activity.command.name}, attempt {activity.attempt} of {limit}, {when}"
    for _, due_us in run.timers.values():
        return f"a timer due at {seconds(due_us)}"
    return "a workflow task" if run.task_scheduled or run.task_started_id is not None else None
