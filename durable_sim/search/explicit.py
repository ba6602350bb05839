"""The faults of a run spelled out: what came by chance as faults that are scripted or planned.

With them a scenario can be run in calm weather and goes the same way, and they can be left out one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from durable_sim import trace as kinds
from durable_sim.simulation.run import Recording
from durable_sim.world.faults import Fault, Redrive, Script, Signal


def explicit(recording: Recording) -> tuple[Fault, ...]:
    """The faults that struck in a run; those that its scenario scripts for single calls are left out."""
    struck = (strike.fault for strike in recording.strikes if strike.fired_us is not None)
    return (*(fault for fault in struck if not isinstance(fault, (Signal, Redrive))), *_drawn(recording))


def _drawn(recording: Recording) -> Iterator[Script]:
    """The faults of calls that came by chance."""
    scripted = {script.target for script in recording.scenario.scripts}
    known = {one.id: one.id for one in recording.executions}  # a child cannot be named: its calls count over the run
    calls: Counter[tuple[str | None, str | None]] = Counter()
    for record in recording.trace:
        if record.kind != kinds.REQUEST_SENT:
            continue
        subject = str(record.subject)
        executions = dict.fromkeys((known.get(str(record.execution)), None))
        for execution in executions:
            calls[subject, execution] += 1
        targets = [(subject, execution, calls[subject, execution]) for execution in executions]
        service, _, operation = subject.partition(".")
        fault = (record.data or {}).get("fault")
        if fault is not None and service in recording.scenario.services and scripted.isdisjoint(targets):
            yield Script(service, operation, targets[0][2], fault, execution=targets[0][1])
