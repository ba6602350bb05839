"""Liveness: once faults have stopped, every execution ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from durable_sim import trace as kinds
from durable_sim.checks.violations import Violation
from durable_sim.checks.waiting import why_open
from durable_sim.durations import Duration, duration_us, seconds
from durable_sim.simulation.run import Recording

LIVENESS = "liveness"


def liveness(patience: Duration = "1d") -> Callable[[Recording], Iterator[Violation]]:
    """A check that every execution has ended, at the latest `patience` after its arrival and after the last fault.

    One that nothing will ever move is found at once. One that is open at a horizon which comes sooner than that is
    not found: nothing can be said of it yet. A workflow that rightly takes longer needs more patience.
    """
    patience_us = duration_us(patience)

    def check(recording: Recording) -> Iterator[Violation]:
        horizon_us = duration_us(recording.scenario.horizon)
        calm_us = last_fault_us(recording)
        for execution in recording.executions:
            if execution.status != "open":
                continue
            since_us = max(calm_us or 0, execution.arrived_us)
            if recording.pending.get(execution.id) is None or horizon_us - since_us > patience_us:
                last = "there was no fault" if calm_us is None else f"the last fault struck at {seconds(calm_us)}"
                found, expected = f"open: {why_open(recording, execution.id)}", f"an end ({last})"
                yield Violation(LIVENESS, execution.id, "execution", found, expected)

    return check


def last_fault_us(recording: Recording) -> int | None:
    """When something last went wrong by the scenario's plan, by chance, or was done from outside; None: never."""
    struck = [strike.fired_us for strike in (*recording.strikes, *recording.stimuli)]
    calls = [
        record.time_us
        for record in recording.trace
        if record.kind == kinds.REQUEST_SENT and record.data is not None and "fault" in record.data
    ]
    return max([*calls, *(time_us for time_us in struck if time_us is not None)], default=None)
