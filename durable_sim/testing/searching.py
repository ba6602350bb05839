"""Carries out an `any_faults` test: Hypothesis draws sets of faults, and shrinks the first that breaks the workflow.

Faults and whatever else is drawn come from one strategy, and the simulation's seed stays as it is, so that the shrinker
is in charge of everything that decides a run.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from durable_sim.checks.owed import debts
from durable_sim.checks.shown import unharmed
from durable_sim.checks.violations import VERDICTS
from durable_sim.results.run import Run
from durable_sim.search.coverage import Coverage, struck_after, struck_in
from durable_sim.search.explorer import came, moves
from durable_sim.search.families import SIGNAL, families_for
from durable_sim.search.sometimes import campaign
from durable_sim.search.sweep import fault_sweep
from durable_sim.search.trial import Invariant, Trial, trial_of
from durable_sim.search.witness import Witness, witness
from durable_sim.search.words import NO_HIT, bounds_of, guarantee, uncommon, why_idle
from durable_sim.simulation.scenario import Scenario
from durable_sim.testing.every import Searching
from durable_sim.testing.plans import fault_plans
from durable_sim.testing.scenarios import scenarios, together
from durable_sim.testing.targets import Target
from durable_sim.world.faults import Placeable, Signal

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
Drawn = tuple[Scenario, tuple[Placeable, ...]]
"""A scenario with no faults but those that are scripted in it, and the faults that strike besides."""


class Broken(Exception):
    """An example that breaks the workflow."""

    def __init__(self, trial: Trial, faults: tuple[Placeable, ...]) -> None:
        super().__init__(trial, faults)
        self.trial = trial
        self.faults = faults


@dataclass
class Found:
    """What a search came to. `idle`: why none of its examples, whatever strikes it, can show anything."""

    trial: Trial
    families: tuple[str, ...]
    runs: int = 0
    hits: int = 0
    idle: str | None = None
    undone: bool = False
    verdicts: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=lambda: Coverage.of(()))
    never_reached: tuple[str, ...] = ()
    witness: Witness | None = None

    @property
    def ok(self) -> bool:
        """Whether faults struck, all marks were reached, and nothing went wrong."""
        return not (self.witness or self._why_nothing or self.never_reached)

    @property
    def _why_nothing(self) -> str:
        return self.idle or ("" if self.hits else NO_HIT)

    @property
    def words(self) -> str:
        """What has been shown."""
        verdicts = {str(verdict): self.verdicts[verdict] for verdict in VERDICTS if self.verdicts[verdict]}
        return guarantee(
            self.trial.model,
            wrong=f"a set of faults that breaks it, after {self.runs:,} run(s)" if self.witness else "",
            nothing=self._why_nothing,
            never_reached=self.never_reached,
            holds=f"{unharmed(undone=self.undone)} in {self.runs:,} runs with faults drawn at random "
            f"({self.hits:,} hit work in flight{uncommon(verdicts)})",
        )

    @property
    def bounds(self) -> str:
        """What that is limited to."""
        never = f"; no fault in: {', '.join(self.coverage.never)}" if self.coverage.never else ""
        return f"{bounds_of(self.trial, self.families)}{never}"

    def add(self, run: Run, trial: Trial, faults: tuple[Placeable, ...]) -> None:
        """Count a run with these faults."""
        self.runs += 1
        self.idle = why_idle(trial) if self.idle is None else self.idle and why_idle(trial)
        struck = list(struck_in(run.recording, but=self.trial.base.scenario.scripts))
        for strike in run.recording.stimuli:
            if strike.after is not None and strike.fault in faults:  # a signal that was moved
                struck += struck_after(run.recording, strike.after, SIGNAL, strike.hit)
        self.hits += bool(struck)
        self.undone |= any(entry.undoes is not None for entry in run.ledger)
        self.verdicts.update(run.verdicts)
        self.coverage += Coverage.of(struck)


def search(
    plan: Searching, target: Target, model: str, seed: int, invariants: tuple[Invariant, ...], name: str
) -> Found:
    """Look for faults that break a target; `name` is under which Hypothesis remembers what it has found."""
    calm = trial_of(target.scenario, model, seed, None, plan.oracles, invariants)
    families = families_for(plan.faults, calm.base.scenario)
    moved = tuple(signal for _, signal in moves(calm)) if SIGNAL in families else ()
    found = Found(replace(calm, owed=()) if plan.options else calm, plan.faults)

    def example(drawn: Drawn) -> None:
        scenario, faults = drawn
        trial = calm
        if scenario is not calm.base.scenario:
            trial = replace(calm, base=replace(calm.base, scenario=scenario), owed=debts(scenario, seed))
        run = trial.run(faults)
        if not came(run, faults):
            return
        if run.violations:
            raise Broken(trial, faults)
        found.add(run, trial, faults)

    with campaign() as marks:
        try:
            _run_by_hypothesis(example, _drawn(plan, calm.base.scenario, model, moved), plan.max_examples, name)
        except Broken as broken:
            found.runs += 1
            found.witness = _smallest(broken, plan, target, seed, invariants)
    found.never_reached = marks.never
    return found


def _smallest(broken: Broken, plan: Searching, target: Target, seed: int, invariants: tuple[Invariant, ...]) -> Witness:
    """The faults of an example that are enough; where these are several, a single one at another place if that does."""
    enough = witness(broken.trial, broken.faults, target.source, target.changes)
    if len(enough.faults) < 2:
        return enough
    scenario, kind = broken.trial.base.scenario, enough.violation.kind
    sweep = fault_sweep(
        scenario, enough.trial.model, faults=plan.faults, seed=seed, executions=None, oracles=plan.oracles,
        invariants=invariants,
    )  # fmt: skip
    alone = [case for case in sweep.smallest if case.violations[0].kind == kind]
    return witness(broken.trial, alone[0].faults, target.source, target.changes) if alone else enough


def _drawn(plan: Searching, calm: Scenario, model: str, moved: tuple[Signal, ...]) -> st.SearchStrategy[Drawn]:
    """Faults alone, or with whatever the test wants drawn besides."""
    if plan.options:
        whole = scenarios(calm, model=model, kinds=plan.faults, max_faults=plan.max_faults, **plan.options)
        return whole.map(lambda scenario: (replace(scenario, faults=calm.faults), _besides(calm, scenario.faults)))
    faults = fault_plans(
        calm.workers,
        calm.services,
        plan.max_faults,
        kinds=plan.faults,
        executions=calm.execution_ids() if len(calm.inputs) > 1 else (),
        versions=tuple(calm.versions),
        signals=moved,
        swarm=True,
    )
    return faults.map(lambda drawn: (calm, _besides(calm, together(calm.faults, drawn))))


def _besides(calm: Scenario, faults: tuple[Placeable, ...]) -> tuple[Placeable, ...]:
    """The faults that are not the scenario's own: these stay where they are."""
    return tuple(fault for fault in faults if fault not in calm.faults)


def _run_by_hypothesis(
    example: Callable[[Drawn], None], strategy: st.SearchStrategy[Drawn], max_examples: int | None, name: str
) -> None:
    """Run a function as a property; Hypothesis tells functions apart by source and signature: the name goes there."""
    own: dict[str, Any] = {} if max_examples is None else {"max_examples": max_examples}
    own |= {"deadline": None, "report_multiple_bugs": False, "print_blob": False, "phases": _PHASES}

    def with_faults(drawn: Any) -> None:
        example(drawn)

    parameter = inspect.Parameter("drawn", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=name)
    with_faults.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    checked = settings(**own, suppress_health_check=list(HealthCheck))(given(drawn=strategy)(with_faults))
    checked()
