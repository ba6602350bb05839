"""Carries out an `any_faults` test: Hypothesis draws sets of faults, and shrinks the first that breaks the workflow.

Faults and whatever else is drawn come from one strategy, and the simulation's seed stays as it is, so that the shrinker
is in charge of everything that decides a run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from durable_sim.api import Run
from durable_sim.checks.oracles import oracles_of
from durable_sim.checks.owed import debts
from durable_sim.search.baseline import Baseline, baseline
from durable_sim.search.coverage import Coverage, struck_in
from durable_sim.search.sometimes import campaign
from durable_sim.search.sweep import fault_sweep
from durable_sim.search.trial import Invariant, Trial
from durable_sim.search.witness import Witness, witness
from durable_sim.simulation.scenario import Scenario
from durable_sim.testing.every import Searching
from durable_sim.testing.plans import fault_plans
from durable_sim.testing.scenarios import scenarios
from durable_sim.testing.targets import Target
from durable_sim.world.faults import Fault

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
Drawn = tuple[Scenario, tuple[Fault, ...]]
"""A scenario without faults, and the faults that strike in it."""


class Broken(Exception):
    """An example that breaks the workflow."""

    def __init__(self, trial: Trial, faults: tuple[Fault, ...]) -> None:
        super().__init__(trial, faults)
        self.trial = trial
        self.faults = faults


@dataclass
class Found:
    """What a search came to."""

    model: str
    runs: int = 0
    hits: int = 0
    coverage: Coverage = field(default_factory=lambda: Coverage.of(()))
    never_reached: tuple[str, ...] = ()
    witness: Witness | None = None

    @property
    def ok(self) -> bool:
        """Whether faults struck, all marks were reached, and nothing went wrong."""
        return self.witness is None and self.hits > 0 and not self.never_reached

    @property
    def words(self) -> str:
        """What has been shown."""
        if self.witness is not None:
            return f"{self.model}: a set of faults that breaks it, after {self.runs:,} run(s)"
        if not self.hits:
            return f"{self.model}: shows nothing: no fault hit anything in flight in {self.runs:,} runs"
        if self.never_reached:
            return f"{self.model}: shows too little: never reached: {', '.join(self.never_reached)}"
        never = f"; no fault in: {', '.join(self.coverage.never)}" if self.coverage.never else ""
        return (
            f"{self.model}: nothing lost, doubled, stranded or undone out of order in {self.runs:,} runs with faults "
            f"drawn at random ({self.hits:,} hit work in flight){never}"
        )

    def add(self, run: Run) -> None:
        """Count a run."""
        self.runs += 1
        struck = list(struck_in(run.recording))
        self.hits += bool(struck)
        self.coverage += Coverage.of(struck)


def search(
    plan: Searching, target: Target, model: str, seed: int, invariants: tuple[Invariant, ...], name: str
) -> Found:
    """Look for faults that break a target; `name` is under which Hypothesis remembers what it has found."""
    base = baseline(target.scenario, None)
    owed = debts(base.scenario, seed)
    found = Found(model)

    def example(drawn: Drawn) -> None:
        scenario, faults = drawn
        own = owed if scenario is base.scenario else debts(scenario, seed)
        left_out = Baseline(scenario, None, base.left_out)
        trial = Trial(left_out, model, seed, own, oracles_of(plan.oracles), invariants)
        run = trial.run(faults)
        if run.violations:
            raise Broken(trial, faults)
        found.add(run)

    with campaign() as marks:
        try:
            _run_by_hypothesis(example, _drawn(plan, base.scenario, model), plan.max_examples, name)
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


def _drawn(plan: Searching, calm: Scenario, model: str) -> st.SearchStrategy[Drawn]:
    """Faults alone, or with whatever the test wants drawn besides."""
    if plan.options:
        whole = scenarios(calm, model=model, kinds=plan.faults, max_faults=plan.max_faults, **plan.options)
        return whole.map(lambda scenario: (replace(scenario, faults=()), scenario.faults))
    faults = fault_plans(
        calm.workers,
        calm.services,
        plan.max_faults,
        kinds=plan.faults,
        executions=calm.execution_ids() if len(calm.inputs) > 1 else (),
        versions=tuple(calm.versions),
        swarm=True,
    )
    return faults.map(lambda drawn: (calm, drawn))


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
