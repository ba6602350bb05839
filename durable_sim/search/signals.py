"""Signals that come at other instants than the scenario has them, and what executions owe then.

A moved signal is no fault that is added: it takes the place of the scenario's own signal of the same name, arguments
and target. Always holds: a scenario has as many signals as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from durable_sim.checks.owed import Debt, calmed, debts
from durable_sim.errors import UserError
from durable_sim.search.places import Place
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import Placeable, Planned, Signal

Owed = tuple[Debt, ...]


def signals_of(scenario: Scenario) -> tuple[Signal, ...]:
    """The signals of a scenario that can be told apart; of several alike the first."""
    found: list[Signal] = []
    for one in scenario.stimuli:
        if isinstance(one, Signal) and not any(alike(one, other) for other in found):
            found.append(one)
    return tuple(found)


def moved_to(place: Place, signal: Signal) -> Signal:
    """A signal that comes at a place, and not when it was to."""
    when = {"at": None, "after_record": None, "after": None, "of": None, "execution": None, "nth": 1}
    return replace(signal, **{**when, **place.trigger}, target=signal.target or signal.execution)


def alike(one: object, other: object) -> bool:
    """Whether two signals say the same to the same execution."""
    if not (isinstance(one, Signal) and isinstance(other, Signal)):
        return False
    here, there = (one.target or one.execution), (other.target or other.execution)
    return (one.name, one.arguments) == (other.name, other.arguments) and (here == there or None in (here, there))


def without_signal(scenario: Scenario, signal: Signal) -> Scenario:
    """The scenario in which the first signal like this one never comes.

    Raises:
        UserError: it has none.
    """
    stimuli = list(scenario.stimuli)
    place = next((place for place, one in enumerate(stimuli) if alike(one, signal)), None)
    if place is None:
        known = ", ".join(one.name for one in stimuli if isinstance(one, Signal)) or "none"
        raise UserError(
            f"faults: signal {signal.name!r} is none of the scenario's own ({known}), expected one of them, which then "
            "comes at another instant; add further ones to stimuli"
        )
    del stimuli[place]
    return replace(scenario, stimuli=tuple(stimuli))


def with_faults(scenario: Scenario, faults: Iterable[Placeable]) -> Scenario:
    """The scenario with further faults; a signal among them comes when it says, and not when it was to.

    Raises:
        UserError: a signal is none of the scenario's own.
    """
    given = tuple(faults)
    signals = tuple(fault for fault in given if isinstance(fault, Signal))
    for signal in signals:
        scenario = without_signal(scenario, signal)
    plain = tuple(fault for fault in given if not isinstance(fault, Signal))
    return replace(scenario, faults=(*scenario.faults, *plain), stimuli=(*scenario.stimuli, *signals))


def owed_with(scenario: Scenario, faults: Sequence[Placeable], seed: int, owed: Owed) -> tuple[Owed, ...]:
    """What the executions owe where some signals are moved, one or the other as a whole; else what they owe anyway.

    The workflow itself says so, as ever: in calm weather, where the signals come right there. An instant that the calm
    world does not know (after the third attempt at a call) is no help: then it is fine to do what is owed if the signal
    comes when it was to, and what is owed if it never comes.
    """
    signals = [fault for fault in faults if isinstance(fault, Signal)]
    if not signals:
        return (owed,)
    moved = with_faults(scenario, signals)
    then = debts(moved, seed)
    return (then,) if _all_come(moved, signals, seed) else (then, owed)


def _all_come(moved: Scenario, signals: Sequence[Signal], seed: int) -> bool:
    """Whether the instants of these signals are there in calm weather, whatever the executions make of them then."""
    calm = calmed(moved)
    recordings = [simulate(calm.alone(place), "replay", seed) for place in range(len(moved.inputs))]
    came = [strike.fault for one in recordings for strike in one.stimuli if strike.after is not None]
    return all(any(_when(signal) == _when(one) for one in came if alike(signal, one)) for signal in signals)


def _when(signal: Planned) -> tuple[object, ...]:
    return signal.at, signal.after, signal.of, signal.nth
