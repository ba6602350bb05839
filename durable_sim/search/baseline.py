"""What a search begins with: the scenario in calm weather, so that the only faults are those that the search places.

Kept: the workflow, its first inputs, services with their latencies, and faults that are scripted for single calls
(what the world does in this scenario: a card is declined, a courier fails). Left out: what comes by chance or by the
scenario's own plan: flakiness, outages, crashes, deploys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from durable_sim.checks.shown import flaky
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import CALL_FAULTS, Mixture, Script, Stimulus
from durable_sim.world.services.base import ServiceSpec

_NONE: Mapping[str, Any] = dict.fromkeys(CALL_FAULTS, 0.0)


Executions = int | str | None
"""Which executions of a scenario: the first so many, the one of an id, or all."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The calm scenario, which executions it is about, and in words what was left out of the one that was given."""

    scenario: Scenario
    executions: Executions
    left_out: tuple[str, ...]


def baseline(scenario: Scenario, executions: Executions = 1) -> Baseline:
    """A scenario without chance and without its plan of process faults, for some of its executions.

    Raises:
        UserError: it has fewer executions than asked for, or none is asked for.
        UnknownNameError: it has no execution of that id.
    """
    known = scenario.execution_ids()
    places = _places(known, executions)
    kept = [known[place] for place in places]
    calm = replace(
        scenario,
        inputs=tuple(scenario.inputs[place] for place in places),
        services={name: _calm(spec) for name, spec in scenario.services.items()},
        faults=tuple(script for script in scenario.scripts if script.execution in (None, *kept)),
        stimuli=tuple(one for one in scenario.stimuli if _for(one, kept)),
    )
    if calm.execution_ids() != kept:
        raise UserError(f"the inputs of {', '.join(kept)} have no ids of their own; give each an id")
    return Baseline(calm, executions, tuple(_left_out(scenario, len(kept))))


def _places(known: list[str], executions: Executions) -> list[int]:
    """The places of the executions that are meant."""
    if isinstance(executions, str):
        if executions not in known:
            raise UnknownNameError("execution", executions, known)
        return [known.index(executions)]
    count = len(known) if executions is None else executions
    if not 1 <= count <= len(known):
        raise UserError(f"executions is {count}, expected 1 to {len(known)}, as many as there are inputs")
    return list(range(count))


def _for(stimulus: Stimulus, kept: list[str]) -> bool:
    return (stimulus.target or stimulus.execution) in (None, *kept)


def _calm(spec: ServiceSpec) -> ServiceSpec:
    """A service that works as fast as it does, and never fails by chance."""
    operations = {
        name: replace(own, faults=None if own.faults is None else _never(own.faults))
        for name, own in spec.operations.items()
    }
    return replace(spec, faults=_never(spec.faults), outage=None, operations=operations)


def _never(mixture: Mixture) -> Mixture:
    """The same faults, if they are scripted, and none by chance."""
    return replace(mixture, **_NONE)


def _left_out(scenario: Scenario, count: int) -> Iterator[str]:
    by_chance = [name for name, spec in scenario.services.items() if flaky(spec)]
    if by_chance:
        yield f"the flakiness of {', '.join(by_chance)}"
    planned = sum(not isinstance(fault, Script) for fault in scenario.faults)
    if planned:
        yield f"{planned} fault(s) of the scenario's own plan"
    if count < len(scenario.inputs):
        yield f"{len(scenario.inputs) - count} of {len(scenario.inputs)} executions"
