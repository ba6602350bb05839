"""The one place that builds a simulation and runs it: scenario, model and seed in, recording out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from durable_sim.durations import duration_us
from durable_sim.errors import UnknownNameError
from durable_sim.models.executions import Execution, Home, Model
from durable_sim.models.registry import MODELS, not_taken
from durable_sim.models.workers import BASE, Fleet
from durable_sim.randomness import Randomness
from durable_sim.simulation.injector import Injector, Strike
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import Record, Trace
from durable_sim.workflows.definitions import Build, definition_of
from durable_sim.world.ledger import EffectKind, Entry
from durable_sim.world.world import World


@dataclass(frozen=True, slots=True)
class Recording:
    """What one simulation left behind.

    `pending` says for each open execution what would make it go on, None where nothing would; `requests_under_way`
    counts requests that were still travelling at the end, by execution; `balances` are the services' own books;
    `strikes` tell what became of each planned fault, `stimuli` of each stimulus;
    `engine` keeps the model (and with it unfinished user code, which must not be closed) alive.
    """

    scenario: Scenario
    model: str
    seed: int
    trace: Trace
    ledger: tuple[Entry, ...]
    executions: tuple[Execution, ...]
    strikes: tuple[Strike, ...]
    scripts_fired: int
    call_faults: Mapping[str, int]
    effect_kinds: Mapping[str, EffectKind]
    balances: Mapping[str, Mapping[str, int]]
    pending: Mapping[str, str | None]
    requests_under_way: Mapping[str, int]
    ended_us: int
    engine: tuple[Model, Fleet]
    stimuli: tuple[Strike, ...] = ()


Observer = Callable[[Model, tuple[Execution, ...], Record], None]
"""Looks in after each trace record; must not touch anything."""


def simulate(scenario: Scenario, model: str, seed: int, observe: Observer | None = None) -> Recording:
    """Run a scenario under an execution model until nothing is left to happen, or to the horizon.

    Same scenario, model and seed: the same recording, to the byte.

    Raises:
        UnknownNameError: there is no such model.
        UserError: the scenario has a stimulus that the model does not take.
    """
    if model not in MODELS:
        raise UnknownNameError("execution model", model, MODELS)
    for problem in (not_taken(model, stimulus.kind, scenario.workflow) for stimulus in scenario.stimuli):
        if problem is not None:
            raise problem
    kind = MODELS[model]
    services = {**kind.services, **scenario.services}
    world = World(seed, services, scenario.scripts, calm_after_us=scenario.calm_after_us)
    fleet = Fleet(world, scenario.worker_ids, None)
    home = Home(world, fleet, builds_of(scenario), definition_of(scenario.workflow).name)
    engine = kind.build(home, **scenario.model_options.get(model, {}))
    executions = _executions(scenario, world)
    by_id = {execution.id: execution for execution in executions}
    faults = Injector(world, fleet, engine, by_id, scenario.process_faults(Randomness(seed)))
    stimuli = Injector(world, fleet, engine, by_id, scenario.stimuli)
    faults.arm()
    fleet.start(engine)
    for execution in executions:
        world.alarms.after(execution.arrived_us, engine.submit, execution)
    stimuli.arm()  # at the instant at which an execution arrives it can be reached
    if observe is not None:
        world.trace.observers.append(partial(observe, engine, executions))
    with _collector_paused():
        world.env.run(until=duration_us(scenario.horizon))
    return _record(scenario, model, seed, world, executions, faults, stimuli, (engine, fleet))


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep Python's cycle collector from walking the growing trace again and again: a third of a run's time.

    What a simulation drops while it runs has no cycles (finished coroutines let go of their frames), so nothing piles
    up. A run that is dropped as a whole has; the collector finds that as usual, as soon as it is switched on again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def builds_of(scenario: Scenario) -> dict[str | None, Build]:
    """The code by version; None is what every worker starts with, and "base" is another name for it."""
    name = definition_of(scenario.workflow).name
    base = Build(None, {name: scenario.workflow})
    builds: dict[str | None, Build] = {None: base, BASE: base}
    builds.update({version: Build(version, {name: code}) for version, code in scenario.versions.items()})
    return builds


def _executions(scenario: Scenario, world: World) -> tuple[Execution, ...]:
    times_us = scenario.arrivals.times_us(len(scenario.inputs), world.randomness)
    arriving = zip(scenario.execution_ids(), scenario.inputs, times_us, strict=True)
    return tuple(Execution(name, one, ordinal, time_us) for ordinal, (name, one, time_us) in enumerate(arriving))


def _record(
    scenario: Scenario,
    model: str,
    seed: int,
    world: World,
    executions: tuple[Execution, ...],
    faults: Injector,
    stimuli: Injector,
    engine: tuple[Model, Fleet],
) -> Recording:
    under_way: dict[str, int] = {}
    for execution in world.network.in_flight.values():
        under_way[execution] = under_way.get(execution, 0) + 1
    return Recording(
        scenario=scenario,
        model=model,
        seed=seed,
        trace=world.trace,
        ledger=world.ledger.entries(),
        executions=executions,
        strikes=tuple(faults.strikes),
        stimuli=tuple(stimuli.strikes),
        scripts_fired=world.network.scripts_fired,
        call_faults=dict(sorted(world.network.faults_drawn.items())),
        effect_kinds=world.effect_kinds(),
        balances=world.balances(),
        pending={one.id: _pending(engine[0], one, world) for one in executions if one.status == "open"},
        requests_under_way=under_way,
        ended_us=world.trace[-1].time_us if len(world.trace) else 0,
        engine=engine,
    )


def _pending(engine: Model, execution: Execution, world: World) -> str | None:
    return engine.pending(execution) if execution.arrived_us < world.now_us else "it has not arrived yet"
