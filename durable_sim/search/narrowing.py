"""From a run that went wrong to the few faults that are enough for it, in one execution if that will do.

Whatever came by chance is spelled out first; then everything is left out without which the same thing still goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from durable_sim.checks.violations import Violation
from durable_sim.errors import UserError
from durable_sim.results.run import Run
from durable_sim.search.baseline import Executions
from durable_sim.search.coverage import BLOWS
from durable_sim.search.explicit import explicit
from durable_sim.search.places import Place, places
from durable_sim.search.trial import trial_of
from durable_sim.search.witness import Witness, witness
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record
from durable_sim.world.faults import Fault, Script


def narrowed(run: Run, source: str = "", changes: tuple[str, ...] = ()) -> Witness:
    """The witness of the worst execution of a run: the smallest set of faults that still breaks it in the same way.

    The execution is tried alone first, with the faults that hit it; if nothing goes wrong then, all executions are kept
    with all faults.

    Raises:
        UserError: nothing went wrong in the run, or it does not go wrong again where its faults are spelled out.
    """
    if not run.worst.violations:
        raise UserError("narrow down: nothing went wrong in this run, expected one with a violation")
    kind, name = run.worst.violations[0].kind, run.worst.execution.id
    recording = run.recording
    attempts: list[tuple[Executions, Callable[[], tuple[Fault, ...]]]] = [
        (name, lambda: tuple(_of(recording, name))),
        (None, lambda: explicit(recording)),
    ]
    for executions, faults_of in attempts:
        trial = trial_of(recording.scenario, run.model, run.seed, executions)
        faults = faults_of()
        if any(_is(violation, kind, name) for violation in trial.run(faults).violations):
            return witness(trial, faults, source, changes)
    raise UserError(
        f"narrow down: {name} does not come to {kind} again where the run's {len(explicit(recording))} faults are "
        "spelled out; look at the run as it is"
    )


def _is(violation: Violation, kind: str, name: str) -> bool:
    return violation.kind == kind and violation.execution == name


def _of(recording: Recording, name: str) -> list[Fault]:
    """The faults that hit one execution, each at the place in its own course at which it did."""
    drawn = [one for one in explicit(recording) if isinstance(one, Script) and one.execution == name]
    return [*_blows(recording, name), *drawn]


def _blows(recording: Recording, name: str) -> Iterator[Fault]:
    """Each blow that hit an execution, as a fault that strikes after what the execution had just done."""
    before: Place | None = None
    for place in places(recording):
        record = recording.trace[place.at]
        if record.kind in BLOWS and name in (record.data or {}).get("in_flight", (record.execution,)):
            fault = _behind(recording, record, name)
            if fault is not None and before is not None:
                yield replace(fault, **before.trigger)
        elif place.execution == name:
            before = place


def _behind(recording: Recording, record: Record, name: str) -> Any:
    """The fault behind a blow, without what says when it strikes: the last of its kind that hit the execution."""
    struck = [
        strike.fault
        for strike in recording.strikes
        if strike.fault.kind == BLOWS[record.kind]
        and name in strike.hit
        and strike.fired_us is not None
        and strike.fired_us <= record.time_us
    ]
    if not struck:
        return None
    fault: Any = struck[-1]
    anyone = {"worker": None} if hasattr(fault, "worker") else {}
    return replace(fault, at=None, after_record=None, after=record.kind, of=None, execution=None, nth=1, **anyone)
