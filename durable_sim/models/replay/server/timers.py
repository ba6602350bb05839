"""Timers: durable, and the same whoever dies meanwhile."""

from __future__ import annotations

from durable_sim import trace
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.state import PendingTimer, Run
from durable_sim.workflows.commands import CancelTimer, StartTimer


class Timers:
    """The timers of all runs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def start(self, run: Run, command: StartTimer, completed: int) -> None:
        """A workflow wants to be woken."""
        journal = self._journal
        attributes = {
            "timer_id": command.id,
            "start_to_fire_us": command.duration_us,
            "workflow_task_completed_event_id": completed,
            "step": command.step,
        }
        event_id = journal.append(run, kinds.TIMER_STARTED, attributes)
        due_us = journal.now_us + journal.stretched_us(command.duration_us)
        timer = run.timers[event_id] = PendingTimer(command.step, command.id, event_id, due_us)
        data = {"duration_us": command.duration_us}
        journal.note(trace.TIMER_STARTED, run, data=data, step=command.step)
        self.recover(run, timer)

    def recover(self, run: Run, timer: PendingTimer) -> None:
        """Set the alarm of a timer."""
        timer.alarm = self._journal.after(timer.due_us - self._journal.now_us, self._fired, run, timer)

    def _fired(self, run: Run, timer: PendingTimer) -> None:
        """All timers of a run that are due by now fire together, in the order in which they were due."""
        if timer.started_event_id not in run.timers:
            return
        due = [one for one in run.timers.values() if one.due_us <= self._journal.now_us]
        fired = []
        for one in sorted(due, key=lambda one: one.due_us):
            self._call_off(run, one)
            self._journal.note(trace.TIMER_FIRED, run, step=one.step)
            attributes = {"timer_id": one.timer_id, "started_event_id": one.started_event_id}
            fired.append((kinds.TIMER_FIRED, attributes))
        self._journal.happened(run, *fired)

    def cancel(self, run: Run, command: CancelTimer, completed: int) -> None:
        """A workflow calls a timer off; if it has fired meanwhile, that is taken back."""
        timer = next((one for one in run.timers.values() if one.step == command.target), None)
        timer_id, started = self._take_back(run, command.target) if timer is None else self._call_off(run, timer)
        attributes = {
            "timer_id": timer_id,
            "started_event_id": started,
            "workflow_task_completed_event_id": completed,
            "identity": run.sticky,
        }
        self._journal.append(run, kinds.TIMER_CANCELED, attributes)
        self._journal.note(trace.TIMER_CANCELLED, run, step=command.target)

    def _call_off(self, run: Run, timer: PendingTimer) -> tuple[str, int]:
        if timer.alarm is not None:
            timer.alarm.cancel()
        del run.timers[timer.started_event_id]
        return timer.timer_id, timer.started_event_id

    def _take_back(self, run: Run, step: int) -> tuple[str, int]:
        """It has fired while the task ran: its event is in the buffer, and comes out of it."""
        started = {event.id: event for event in run.history if event.type == kinds.TIMER_STARTED}
        for place, (event_type, _, attributes) in enumerate(run.buffered):
            cause = started.get(attributes.get("started_event_id", 0))
            if event_type == kinds.TIMER_FIRED and cause is not None and cause.attributes["step"] == step:
                del run.buffered[place]
                return cause.attributes["timer_id"], cause.id
        raise AssertionError(f"step {step} of {run.run_id} is no timer that is pending")
