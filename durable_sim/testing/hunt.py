"""How many runs it takes to find a bug of the gallery: by random faults, by a sweep, by Hypothesis.

All three look for the same violation in the same calm scenario, and place the same families of faults. A run is one
simulation; the calm run counts as one. Always holds: nothing is typed in, and the same seeds give the same figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any, cast

from hypothesis import HealthCheck, Phase, given, seed, settings

from durable_sim.library.gallery.bug import Bug
from durable_sim.results.run import Run
from durable_sim.search.families import CALL_FAMILIES, Settings, faults_at, strikes_at
from durable_sim.search.places import Place, places
from durable_sim.search.sweep import fault_sweep
from durable_sim.search.trial import Trial, trial_of
from durable_sim.testing.plans import fault_plans
from durable_sim.views import text
from durable_sim.world.faults import Fault, ProcessFault, Script

RUNS_MAX = 300
"""A search gives up after so many runs."""
REPEATS = 9
FAULTS_MAX = 3
"""So many faults strike at most in one run of a search at random."""


@dataclass(frozen=True, slots=True)
class Found:
    """How often a search that was repeated with other seeds found a bug, and after how many runs (the median of those
    that did, None if none did)."""

    times: int
    of: int
    runs: float | None

    def __str__(self) -> str:
        if self.runs is None:
            return "never"
        return f"{self.runs:g}" if self.times == self.of else f"{self.runs:g} ({self.times}/{self.of})"


@dataclass(frozen=True, slots=True)
class Hunt:
    """One bug under one execution model: the runs until a sweep finds it, and until searches with chance do."""

    bug: str
    model: str
    sweep: int | None
    sweep_runs: int
    random: Found
    hypothesis: Found

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return asdict(self)


def hunt(bug: Bug, model: str, *, repeats: int = REPEATS, most: int = RUNS_MAX) -> Hunt:
    """Look for a bug in each of the three ways; those with chance `repeats` times, each for `most` runs."""
    sweep = fault_sweep(bug.broken, model, faults=bug.faults, depth=bug.depth, executions=None, oracles=bug.oracles)
    showing = [any(one.kind == bug.shows_as for one in case.violations) for case in sweep.cases]
    first = showing.index(True) + 1 if any(showing) else None
    trial = trial_of(bug.broken, model, 0, None, bug.oracles)
    by_chance = [_first(trial, bug, _random_plans(trial, bug, number, most)) for number in range(repeats)]
    drawn = [_by_hypothesis(trial, bug, number, most) for number in range(repeats)]
    return Hunt(bug.name, model, first, len(sweep.cases), _found(by_chance), _found(drawn))


def as_text(hunts: Iterable[Hunt]) -> str:
    """The table as text."""
    headings = ["bug", "model", "random faults", "sweep", "of", "Hypothesis"]
    rows = [[one.bug, one.model, one.random, one.sweep or "never", one.sweep_runs, one.hypothesis] for one in hunts]
    return text.table(headings, rows)


def _found(runs: Sequence[int | None]) -> Found:
    known = [count for count in runs if count is not None]
    return Found(len(known), len(runs), statistics.median(known) if known else None)


def _shows(run: Run, bug: Bug) -> bool:
    return any(violation.kind == bug.shows_as for violation in run.violations)


def _first(trial: Trial, bug: Bug, plans: Iterable[tuple[Fault, ...]]) -> int | None:
    """How many of these runs it takes."""
    for count, plan in enumerate(plans, start=1):
        if _shows(trial.run(plan), bug):
            return count
    return None


def _random_plans(trial: Trial, bug: Bug, number: int, most: int) -> Iterator[tuple[Fault, ...]]:
    """The calm run, then one to three faults a run: of processes at any time while the calm run lasts, of calls at any
    call that it makes."""
    chance = Random(f"{bug.name}/{trial.model}/{number}")
    calm = trial.run(())
    seen = list(places(calm.recording))
    lasts_us = calm.recording.trace[-1].time_us
    yield ()
    for _ in range(most - 1):
        count = chance.randint(1, FAULTS_MAX)
        drawn = [_random_fault(chance, trial, bug, seen, lasts_us) for _ in range(count)]
        yield tuple({fault.target if isinstance(fault, Script) else fault: fault for fault in drawn}.values())


def _random_fault(chance: Random, trial: Trial, bug: Bug, seen: list[Place], lasts_us: int) -> Fault:
    family = chance.choice(bug.faults)
    where = [place for place in seen if strikes_at(family, place, trial.base.scenario)]
    scenario = trial.base.scenario
    fault: Any = next(faults_at(family, chance.choice(where), scenario, Settings().for_scenario(scenario)))
    if family in CALL_FAMILIES:
        return cast(Script, fault)
    at = f"{chance.randint(0, lasts_us)}us"
    return cast(ProcessFault, replace(fault, at=at, after=None, of=None, execution=None, nth=1))


def _by_hypothesis(trial: Trial, bug: Bug, number: int, most: int) -> int | None:
    """The number of the first example that shows the bug."""
    scenario = trial.base.scenario
    plans = fault_plans(
        scenario.workers, scenario.services, FAULTS_MAX, kinds=bug.faults, versions=tuple(scenario.versions)
    )
    count = 0
    found: int | None = None

    @seed(number)
    @settings(
        max_examples=most,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(plan=plans)
    def look(plan: tuple[Fault, ...]) -> None:
        nonlocal count, found
        if found is None:
            count += 1
            found = count if _shows(trial.run(plan), bug) else None

    look()
    return found
