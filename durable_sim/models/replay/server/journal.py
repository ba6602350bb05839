"""The server's pen: writes events, or buffers them while a worker has the run's workflow task, and asks for a task.

All that the parts of the server share stands here: the time (`now_us`, set when an operation begins), messages to
workers, the trace, and which runs have changed since they were last stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable_sim.errors import InternalError
from durable_sim.models.executions import Home
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server.state import STARTED, PendingActivity, Run, new_event
from durable_sim.models.replay.step_numbers import StepNumbers
from durable_sim.models.replay.wire import Wire
from durable_sim.models.workers import WorkerProcess
from durable_sim.world.alarms import Alarm


class Journal:
    """One for each server."""

    def __init__(self, home: Home, wire: Wire, numbers: StepNumbers, minimum_delay_us: int = 0) -> None:
        self.home = home
        self.numbers = numbers
        self.wire = wire
        self.changed: dict[str, Run] = {}
        self._world = home.world
        self._alarms = home.world.alarms
        self._minimum_delay_us = minimum_delay_us
        self.alive = True
        self.now_us: int = home.world.now_us
        self.ask_for_task: Callable[[Run], None] = _nobody
        self.unwatched: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def after(self, delay_us: int, callback: Callable[..., None], *arguments: Any) -> Alarm:
        """Call back later, as an operation of the server of its own."""
        return self._alarms.after(delay_us if delay_us > 0 else 0, self.wire.enter, self._perform, callback, arguments)

    def idle(self) -> None:
        """Nothing more happens at this instant: set the alarms that are still wanted.

        Most workflow tasks are done at the instant at which they start, and need no alarm for their time-out.
        """
        unwatched, self.unwatched = self.unwatched, []
        for watch, arguments in unwatched:
            watch(*arguments)

    def later(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call back as soon as the operation that goes on is done."""
        self.wire.enter(self._perform, callback, arguments)

    def _perform(self, callback: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self.alive:  # a server that was restarted has forgotten what it was about to do
            callback(*arguments)

    def stretched_us(self, delay_us: int) -> int:
        """A delay as the server keeps it: some keep none under a second."""
        return max(delay_us, self._minimum_delay_us)

    def send(self, process: WorkerProcess, callback: Callable[..., None], *arguments: Any) -> None:
        """A message to a worker."""
        self.wire.send(process.deliver, callback, *arguments)

    def append(self, run: Run, event_type: str, attributes: dict[str, Any]) -> int:
        """Write an event at this instant; gives its id."""
        self.changed[run.run_id] = run
        history = run.history
        event_id = len(history) + 1
        history.append(new_event(Event, (event_id, self.now_us, event_type, attributes)))
        return event_id

    def happened(self, run: Run, *new: tuple[str, dict[str, Any]], started_us: int | None = None) -> None:
        """Something that the workflow must be told: into the history, or into the buffer while a worker has its task.

        `started_us` is the time of the first of several events.
        """
        self.changed[run.run_id] = run
        now_us = self.now_us
        time_us = now_us if started_us is None else started_us
        task = run.task
        if task is not None and task.speculative:
            self.make_real(run)
        buffering = run.in_batch or (task is not None and task.phase == STARTED)
        for event_type, attributes in new:
            if buffering:
                run.buffered.append((event_type, time_us, attributes))
            else:
                run.append(time_us, event_type, attributes)
            time_us = now_us
        if not run.in_batch:
            self.ask_for_task(run)

    def make_real(self, run: Run) -> None:
        """Write down a workflow task that was there for an update only, since more has happened."""
        task = run.task
        if task is not None and task.speculative:
            run.history.extend(task.transient)
            task.transient, task.speculative = (), False

    def note(
        self,
        kind: str,
        run: Run,
        activity: PendingActivity | None = None,
        data: dict[str, Any] | None = None,
        worker: str | None = None,
        step: int | None = None,
    ) -> None:
        """Leave a record in the trace."""
        if activity is None:
            number = None if step is None else self.number_of(run, step)
            self._world.trace.add(kind, run.trace_id, worker, None, number, None, None, data)
        else:
            number = self.number_of(run, activity.step)
            self._world.trace.add(
                kind, run.trace_id, activity.worker, activity.name, number, activity.attempt, None, data
            )

    def number_of(self, run: Run, step: int) -> int:
        """The number under which the trace shows a step."""
        return self.numbers.of(run.trace_id, run.run_id, step)


def _nobody(run: Run) -> None:
    raise InternalError(f"{run.run_id}: the journal belongs to no server yet")
