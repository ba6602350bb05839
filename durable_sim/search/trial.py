"""How one set of faults is tried: a calm scenario, a model, a seed, and all that is held against the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from durable_sim.checks.oracles import Oracle, findings, invariant, oracles_of
from durable_sim.checks.owed import Debt, debts
from durable_sim.checks.verdict import Judgement, judge
from durable_sim.errors import UserError
from durable_sim.results.run import Run
from durable_sim.search.baseline import Baseline, Executions, baseline
from durable_sim.search.signals import owed_with, with_faults
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.code import code_of
from durable_sim.workflows.memory import changed, memory_of
from durable_sim.world.faults import Placeable

Invariant = Callable[[Run], object]
"""A user's own check of a finished run: what it asserts, or says, is a violation."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Always holds: the same faults give the same run."""

    base: Baseline
    model: str
    seed: int
    owed: tuple[Debt, ...]
    oracles: tuple[Oracle, ...]
    invariants: tuple[Invariant, ...]
    kept: tuple[str, ...] = ()
    """What the code keeps in memory that no crash here forgets."""

    def scenario(self, faults: Sequence[Placeable]) -> Scenario:
        """The scenario with these faults; a signal among them comes when it says, and not when it was to."""
        return with_faults(self.base.scenario, faults) if faults else self.base.scenario

    def run(self, faults: Sequence[Placeable]) -> Run:
        """The run with these faults, judged.

        Raises:
            UserError: the workflow asks for what nobody can do; the message names the faults, too.
        """
        try:
            recording = simulate(self.scenario(faults), self.model, self.seed)
        except UserError as error:
            if not faults:
                raise
            raise UserError(f"{error} (with the faults {', '.join(map(code_of, faults))})") from error
        judgement = self._judged(recording, faults)
        found = [violation for oracle in self.oracles for violation in findings(oracle, recording)]
        run = Run(recording, judgement, tuple(found))
        found += [violation for one in self.invariants for violation in invariant(one)(run)]
        return replace(run, findings=tuple(found)) if self.invariants else run

    def _judged(self, recording: Recording, faults: Sequence[Placeable]) -> Judgement:
        """By one of the things that may be owed, as a whole."""
        found = [judge(recording, owed) for owed in owed_with(self.base.scenario, faults, self.seed, self.owed)]
        return next((one for one in found if not one.violations), found[0])


def trial_of(
    scenario: Scenario,
    model: str,
    seed: int,
    executions: Executions = 1,
    oracles: Iterable[str | Oracle] = (),
    invariants: Iterable[Invariant] = (),
) -> Trial:
    """A trial of some of a scenario's executions, in calm weather.

    Raises:
        UserError: `invariants` is one function, expected several.
    """
    if callable(invariants):
        name = getattr(invariants, "__name__", type(invariants).__name__)
        raise UserError(f"invariants is a function, expected a list of functions: invariants=[{name}]")
    base, before = baseline(scenario, executions), memory_of(scenario.workflow)
    owed = debts(base.scenario, seed)
    kept = changed(before, memory_of(scenario.workflow))
    return Trial(base, model, seed, owed, oracles_of(oracles), tuple(invariants), kept)
