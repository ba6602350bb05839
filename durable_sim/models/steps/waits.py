"""Steps that wait for something else than a call: timers, events, other functions. All of it outlives every worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from durable_sim import trace as kinds
from durable_sim.models.steps.flow.matching import matches
from durable_sim.models.steps.protocol import Event, Memo, Op, WaitFor
from durable_sim.models.steps.runs import Run
from durable_sim.world.alarms import Alarm
from durable_sim.world.world import World


class Waiting(NamedTuple):
    """A step that waits for an event, and the alarm that ends it."""

    run: Run
    op: Op
    alarm: Alarm


class Waits:
    """All the timers and all the steps that wait for events. `resume` is told when one of them is over."""

    def __init__(self, world: World, resume: Callable[[Run, str, Memo], None]) -> None:
        self._world = world
        self._resume = resume
        self._waiting: list[Waiting] = []

    def sleep(self, run: Run, op: Op) -> None:
        """Wake a run at the instant that the op names."""
        delay_us = max(0, op.detail - self._world.now_us)
        run.chronicle.note(kinds.TIMER_STARTED, run.id, op.id, data={"duration_us": delay_us})
        self._world.alarms.after(delay_us, self._woken, run, op)

    def _woken(self, run: Run, op: Op) -> None:
        if run.open and op.id in run.pending:
            run.chronicle.note(kinds.TIMER_FIRED, run.id, op.id)
            self._resume(run, op.id, Memo())

    def wait(self, run: Run, op: Op) -> None:
        """Wake a run when an event has come that the op describes, or its time is over."""
        wanted = op.detail
        assert isinstance(wanted, WaitFor)
        run.chronicle.note(kinds.TIMER_STARTED, run.id, op.id, data={"duration_us": wanted.timeout_us})
        alarm = self._world.alarms.after(wanted.timeout_us, self._over, run, op)
        self._waiting.append(Waiting(run, op, alarm))

    def _over(self, run: Run, op: Op) -> None:
        self._waiting = [one for one in self._waiting if one.op is not op]
        self._woken(run, op)

    def waiting_for(self, event: Event) -> list[Waiting]:
        """Who waits for such an event, in the order in which they began to."""
        return [one for one in self._waiting if one.run.open and _is_for(event, one)]

    def event(self, event: Event) -> None:
        """An event has come: wake all who wait for it."""
        self._waiting = [one for one in self._waiting if one.run.open]
        came = self.waiting_for(event)
        self._waiting = [one for one in self._waiting if one not in came]
        for run, op, alarm in came:
            alarm.cancel()
            run.chronicle.note(kinds.SIGNAL_RECEIVED, run.id, op.id, data={"name": event.name})
            run.chronicle.note(kinds.TIMER_CANCELLED, run.id, op.id)
            self._resume(run, op.id, Memo(event.to_json()))


def _is_for(event: Event, one: Waiting) -> bool:
    wanted = one.op.detail
    return bool(event.name == wanted.event) and matches(wanted.match, one.run.event, event)
