"""How one set of faults is tried: a calm scenario, a model, a seed, and all that is held against the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from durable_sim.api import Run
from durable_sim.checks.oracles import Oracle, invariant, oracles_of
from durable_sim.checks.owed import Debt, debts
from durable_sim.checks.verdict import judge
from durable_sim.errors import UserError
from durable_sim.search.baseline import Baseline, Executions, baseline
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.code import code_of
from durable_sim.world.faults import Fault

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

    def scenario(self, faults: Sequence[Fault]) -> Scenario:
        """The scenario with these faults."""
        scenario = self.base.scenario
        return replace(scenario, faults=(*scenario.faults, *faults)) if faults else scenario

    def run(self, faults: Sequence[Fault]) -> Run:
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
        judgement = judge(recording, self.owed)
        found = [violation for oracle in self.oracles for violation in oracle(recording)]
        run = Run(recording, judgement, tuple(found))
        found += [violation for one in self.invariants for violation in invariant(one)(run)]
        return replace(run, findings=tuple(found)) if self.invariants else run


def trial_of(
    scenario: Scenario,
    model: str,
    seed: int,
    executions: Executions = 1,
    oracles: Iterable[str | Oracle] = (),
    invariants: Iterable[Invariant] = (),
) -> Trial:
    """A trial of some of a scenario's executions, in calm weather."""
    base = baseline(scenario, executions)
    return Trial(base, model, seed, debts(base.scenario, seed), oracles_of(oracles), tuple(invariants))
