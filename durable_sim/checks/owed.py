"""What an execution owes the world: what its workflow does where nothing goes wrong.

The workflow itself is the specification: it is run once for each input, alone, in a world of the same services without
faults and crashes, and what the ledger then holds is owed. A run whose input makes it fail even there owes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from durable_sim.checks.ledgers import EffectKey, as_judged, key_of, standing
from durable_sim.checks.named import Names
from durable_sim.models.replay.model import Replay, unheard_of
from durable_sim.randomness import Constant
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.failures import Failure
from durable_sim.world.faults import CALM, Redrive, Signal
from durable_sim.world.services.base import ServiceSpec


@dataclass(frozen=True, slots=True)
class Debt:
    """What one execution owes: how many effects by key, and in what quantities; `completes` if the calm run
    completes, `failure` if it fails; `acts` if it has any effect, be it undone;
    `unheard` tells of signals for which it has no handler."""

    completes: bool
    effects: Mapping[EffectKey, int]
    quantities: Mapping[EffectKey, int]
    failure: Failure | None = None
    acts: bool = True
    unheard: str = ""


def debts(scenario: Scenario, seed: int) -> tuple[Debt, ...]:
    """What each execution of a scenario owes, in the order of the inputs."""
    quiet, names = calmed(scenario), Names(scenario)
    return tuple(_debt(quiet.alone(place), seed, names) for place in range(len(scenario.inputs)))


def debt_of(scenario: Scenario, seed: int, place: int) -> Debt:
    """What one execution of a scenario owes."""
    return _debt(calmed(scenario).alone(place), seed, Names(scenario))


def calmed(scenario: Scenario) -> Scenario:
    """The scenario where nothing goes wrong: then nobody redrives anything either."""
    services = {name: _calm(spec) for name, spec in scenario.services.items()}
    stimuli = tuple(one for one in scenario.stimuli if not isinstance(one, Redrive))
    return replace(scenario, services=services, workers=1, faults=(), stimuli=stimuli)


def without_taken_back(owed: Sequence[Debt], recording: Recording) -> tuple[Debt, ...]:
    """The debts without what executions took back from each other, as far as they do so where nothing goes wrong, too.

    An order that replaces another one may refund it. To know that, all of them are run together once more.
    """
    taken = Counter(_taken_back(recording))
    if not taken:
        return tuple(owed)
    taken &= Counter(_taken_back(simulate(calmed(recording.scenario), "replay", recording.seed)))
    return tuple(
        _less(debt, [one for one in taken.elements() if one.owner == execution.id])
        for execution, debt in zip(recording.executions, owed, strict=True)
    )


class _Taken(NamedTuple):
    """An effect of `owner`, undone by `taker`."""

    owner: str
    taker: str
    key: EffectKey
    quantity: int


def _taken_back(recording: Recording) -> Iterator[_Taken]:
    doers: dict[int | None, str] = {entry.index: entry.execution for entry in recording.ledger}
    foreign = [entry for entry in recording.ledger if doers.get(entry.undoes, entry.execution) != entry.execution]
    if not foreign:
        return
    made = {entry.index: entry for entry in as_judged(recording.ledger, recording.scenario)}
    for entry in foreign:
        undone = made[entry.undoes or 0]
        yield _Taken(undone.execution, entry.execution, key_of(undone), undone.quantity)


def _less(debt: Debt, taken: Sequence[_Taken]) -> Debt:
    effects, quantities = Counter(debt.effects), Counter(debt.quantities)
    for one in taken:
        effects[one.key] -= 1
        quantities[one.key] -= one.quantity
    return replace(debt, effects=dict(+effects), quantities=dict(+quantities))


def _calm(spec: ServiceSpec) -> ServiceSpec:
    operations = {name: replace(own, latency=None, faults=None) for name, own in spec.operations.items()}
    return replace(spec, latency=Constant("1ms"), faults=CALM, outage=None, operations=operations)


def _debt(alone: Scenario, seed: int, names: Names) -> Debt:
    recording = simulate(alone, "replay", seed)
    lasting = standing(as_judged(recording.ledger, alone, names))
    quantities: Counter[EffectKey] = Counter()
    for entry in lasting:
        quantities[key_of(entry)] += entry.quantity
    calmly, effects = recording.executions[0], dict(Counter(map(key_of, lasting)))
    return Debt(
        calmly.status == "completed",
        effects,
        dict(quantities),
        calmly.failure,
        bool(recording.ledger),
        _unheard(recording),
    )


def _unheard(recording: Recording) -> str:
    """The signals of the calm run that reached no handler, beside those that the workflow has; empty if all did."""
    model, execution = recording.engine[0], recording.executions[0]
    if not (isinstance(model, Replay) and any(isinstance(one, Signal) for one in recording.scenario.stimuli)):
        return ""
    names, known = unheard_of(model, model.server.current(execution.id))
    handlers = ", ".join(known) or "none"
    return f"signal {', '.join(names)} reached no handler (handlers: {handlers})" if names else ""
