"""The families of faults that a search places: of processes after any record, of calls at each call, and signals.

To add one, give it a line in `PROCESS_FAMILIES` or `CALL_FAMILIES`. Signals are no faults that are added: each is one
of the scenario's own, which comes at another instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from durable_sim import trace as kinds
from durable_sim.durations import Duration
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.search.places import Place
from durable_sim.search.signals import moved_to, signals_of
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import (
    CALL_FAULTS,
    Cancel,
    Crash,
    Deploy,
    Fault,
    Pause,
    Placeable,
    Script,
    ServerRestart,
    Signal,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the faults of a search are: a crashed worker is back after `restart_after`, a pause `lasts` longer than most
    time-outs, a deploy goes to `version`, a late effect lands `late_by` after its
    caller gave up, or `very_late_by` (after compensations, too)."""

    restart_after: Duration = "2s"
    lasts: Duration = "2m"
    version: str | None = None
    downtime: Duration = "1s"
    late_by: Duration = "1s"
    very_late_by: Duration = "1h"

    def for_scenario(self, scenario: Scenario) -> Settings:
        """The same, with the scenario's only other version where none is chosen; of several, none is."""
        versions = tuple(scenario.versions)
        return replace(self, version=versions[0]) if self.version is None and len(versions) == 1 else self


Maker = Callable[[Place, Settings], Fault]
"""Makes the fault of a family at a place."""


def _crash(place: Place, settings: Settings) -> Fault:
    return Crash(restart_after=settings.restart_after, **place.trigger)


def _pause(place: Place, settings: Settings) -> Fault:
    return Pause(lasts=settings.lasts, **place.trigger)


def _deploy(place: Place, settings: Settings) -> Fault:
    return Deploy(version=settings.version, rolling=False, downtime=settings.downtime, **place.trigger)


def _restart_server(place: Place, settings: Settings) -> Fault:
    return ServerRestart(downtime=settings.downtime, **place.trigger)


def _cancel(place: Place, _: Settings) -> Fault:
    return Cancel(target=place.execution, **place.trigger)


def _call(fault: str, late: Callable[[Settings], Duration] | None = None) -> Maker:
    def make(place: Place, settings: Settings) -> Fault:
        service, _, operation = str(place.subject).partition(".")
        late_by = None if late is None else late(settings)
        return Script(service, operation, place.nth, fault, execution=place.execution, late_by=late_by)  # type: ignore[arg-type]

    return make


PROCESS_FAMILIES: Mapping[str, Maker] = MappingProxyType(
    {"crash": _crash, "pause": _pause, "deploy": _deploy, "restart_server": _restart_server, "cancel": _cancel}
)
"""These strike after any record."""
CALL_FAMILIES: Mapping[str, Maker] = MappingProxyType(
    {name: _call(name) for name in CALL_FAULTS if name != "late_effect"}
    | {
        "late_effect": _call("late_effect", lambda settings: settings.late_by),
        "very_late_effect": _call("late_effect", lambda settings: settings.very_late_by),
    }
)
"""These strike at each call."""
SIGNAL = "signal"
"""Each signal of the scenario, moved to another instant: after any record of the run without it."""
FAMILIES = (*PROCESS_FAMILIES, SIGNAL, *CALL_FAMILIES)


def families_of(names: str | Iterable[str]) -> tuple[str, ...]:
    """The families asked for, each once; "all", "process" and "call" stand for several.

    Cancellations and signals are in none of these groups: they are no mishaps, and change what a workflow is to do.

    Raises:
        UnknownNameError: there is no such family.
        UserError: none was asked for.
    """
    mishaps = [name for name in PROCESS_FAMILIES if name != "cancel"]
    groups = {"all": [*mishaps, *CALL_FAMILIES], "process": mishaps, "call": [*CALL_FAMILIES]}
    found: list[str] = []
    for name in [names] if isinstance(names, str) else names:
        if name not in groups and name not in FAMILIES:
            raise UnknownNameError("family of faults", name, [*FAMILIES, *groups])
        found += groups.get(name, [name])
    if not found:
        raise UserError("faults: there is none, expected at least one family, as in faults=('crash',)")
    return tuple(dict.fromkeys(found))


def strikes_at(family: str, place: Place, scenario: Scenario) -> bool:
    """Whether a fault of this family can strike at a place: one of a process anywhere, one of a call at a call whose
    fate is not settled, by the scenario's own script or by a fault before; a signal while its execution is open."""
    if family == "cancel":
        return place.execution is not None
    if family in PROCESS_FAMILIES:
        return True
    if family == SIGNAL:
        return any(_reaches(signal, place) for signal in signals_of(scenario))
    return (
        place.kind == kinds.REQUEST_SENT
        and not place.settled
        and str(place.subject).partition(".")[0] in scenario.services
    )


def faults_at(family: str, place: Place, scenario: Scenario, settings: Settings) -> Iterator[Placeable]:
    """The faults of a family that can strike at a place: none, one, or each signal of the scenario, moved there."""
    if not strikes_at(family, place, scenario):
        return
    if family == SIGNAL:
        yield from (moved_to(place, one) for one in signals_of(scenario) if _reaches(one, place))
    else:
        yield {**PROCESS_FAMILIES, **CALL_FAMILIES}[family](place, settings)


def _reaches(signal: Signal, place: Place) -> bool:
    """Whether a place is one of the execution that is signalled, while it is open: others' places are none in its own
    calm world, and one that has not begun or has ended refuses signals."""
    target = signal.target or signal.execution or place.execution
    return place.execution is not None and place.execution == target and place.kind != kinds.EXECUTION_ENDED


def families_for(names: str | Iterable[str], scenario: Scenario) -> tuple[str, ...]:
    """The families asked for, if they can strike in a scenario at all.

    Raises:
        UserError: signals are to be moved, and it sends none; or as `families_of`.
    """
    families = families_of(names)
    if SIGNAL in families and not signals_of(scenario):
        raise UserError(
            f"faults: {SIGNAL!r} moves the signals of a scenario, and this one sends none; give it some, as in "
            "stimuli=[Signal(at='1h', name='approve')]"
        )
    return families
