"""What an execution owes the world: what its workflow does where nothing goes wrong.

The workflow itself is the specification: it is run once for each input, alone, in a world of the same services without
faults and crashes, and what the ledger then holds is owed. A run whose input makes it fail even there owes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from durable_sim.randomness import Constant
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import CALM
from durable_sim.world.ledger import Entry
from durable_sim.world.services.base import ServiceSpec

EffectKey = tuple[str, str]
"""Kind and subject: what tells apart the effects that one execution owes."""


@dataclass(frozen=True, slots=True)
class Debt:
    """What one execution owes: how many effects by key, and in what quantities; `completes` if the calm run
    completes."""

    completes: bool
    effects: Mapping[EffectKey, int]
    quantities: Mapping[EffectKey, int]


def debts(scenario: Scenario, seed: int) -> tuple[Debt, ...]:
    """What each execution of a scenario owes, in the order of the inputs."""
    services = {name: _calm(spec) for name, spec in scenario.services.items()}
    calm = replace(scenario, services=services, workers=1, faults=())
    return tuple(_debt(calm.alone(place), seed) for place in range(len(scenario.inputs)))


def key_of(entry: Entry) -> EffectKey:
    """The key under which an effect is owed."""
    return entry.kind, entry.subject


def _calm(spec: ServiceSpec) -> ServiceSpec:
    operations = {name: replace(own, latency=None, faults=None) for name, own in spec.operations.items()}
    return replace(spec, latency=Constant("1ms"), faults=CALM, outage=None, operations=operations)


def _debt(calm: Scenario, seed: int) -> Debt:
    recording = simulate(calm, "replay", seed)
    undone = {entry.undoes for entry in recording.ledger if entry.undoes is not None}
    lasting = [entry for entry in recording.ledger if entry.undoes is None and entry.index not in undone]
    quantities: Counter[EffectKey] = Counter()
    for entry in lasting:
        quantities[key_of(entry)] += entry.quantity
    completes = recording.executions[0].status == "completed"
    return Debt(completes, dict(Counter(map(key_of, lasting))), dict(quantities))
