"""One fault, at each place, under each model: the sweeps of several models side by side, as the rows of a matrix.

Always holds: the case behind a tile has the verdict that the tile shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from durable_sim import trace as kinds
from durable_sim.models.registry import models_for
from durable_sim.results.run import Run
from durable_sim.search.explorer import At
from durable_sim.search.places import Place
from durable_sim.search.result import Case, Sweep
from durable_sim.search.sweep import fault_sweep
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.charts import crash_matrix
from durable_sim.views.crash_points import crash_rows, gap
from durable_sim.views.picture import Picture

GAPS: Final = (kinds.REQUEST_SENT, kinds.EFFECT_APPLIED, kinds.REPLY_RECEIVED)
"""Between these three lies everything that a crash can leave open about a call."""


Tile = tuple[str, str]
"""A row and a model."""


@dataclass(frozen=True)
class CrashTable:
    """The rows of the matrix, in the order of time: what each is called and the verdict under each model; and the case
    behind each tile."""

    family: str
    sweeps: Mapping[str, Sweep]
    rows: tuple[tuple[str, Mapping[str, str]], ...]
    cases: Mapping[Tile, Case]

    @property
    def models(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.sweeps)

    def case(self, gid: str) -> tuple[str, Case] | None:
        """The model and the case of a tile, by its gid in the figure; None where there is none."""
        for (label, model), case in self.cases.items():
            if self._gid(label, model) == gid:
                return model, case
        return None

    def run(self, model: str, case: Case) -> Run:
        """The run of a case, once more."""
        return self.sweeps[model].run(case)

    def figure(self) -> Picture:
        """The matrix."""
        bounds = next(iter(self.sweeps.values())).bounds if self.sweeps else ""
        name = self.family.replace("_", " ")
        title = f"One {name}, anywhere: what is left after recovery"
        return crash_matrix(self.rows, self.models, title=title, subtitle=bounds, rows_are="places survived")

    def details(self) -> dict[str, str]:
        """What each tile stands for, by its gid."""
        return {self._gid(label, model): _words(label, model, case) for (label, model), case in self.cases.items()}

    def _gid(self, label: str, model: str) -> str:
        row = next(place for place, (known, _) in enumerate(self.rows) if known == label)
        return f"tile:{row}:{self.models.index(model)}"


def crash_table(
    scenario: Scenario,
    models: Iterable[str] | None = None,
    *,
    family: str = "crash",
    at: At | None = None,
    seed: int = 0,
) -> CrashTable:
    """Let a fault strike at places of a scenario's first execution, under several models (by default all that can run).

    Args:
        family: one of `durable_sim.search.families.FAMILIES`.
        at: the places, as for `fault_sweep`; by default before, between and after what happens in each call of the
            scenario's services.

    Raises:
        UserError: arguments that make no sweep.
    """
    models = models_for(scenario.workflow) if models is None else tuple(models)

    def in_calls(place: Place) -> bool:
        return place.kind in GAPS and str(place.subject).partition(".")[0] in scenario.services

    where = in_calls if at is None else at
    sweeps = {model: fault_sweep(scenario, model, faults=family, at=where, seed=seed) for model in models}
    rows = crash_rows({model: sweep.cases for model, sweep in sweeps.items()})
    return CrashTable(family, sweeps, tuple(rows), dict(_cases(sweeps, dict(rows))))


def _cases(sweeps: Mapping[str, Sweep], rows: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[Tile, Case]]:
    """For each tile a case that has its verdict."""
    for model, sweep in sweeps.items():
        for case in reversed(sweep.cases):
            label = gap(case.placed[0].place) if case.placed else ""
            if rows.get(label, {}).get(model) in case.verdicts:
                yield (label, model), case


def _words(label: str, model: str, case: Case) -> str:
    verdict = case.verdicts[0].replace("_", " ")
    return "\n".join([f"{model}, {label}: {verdict}", *map(str, case.violations)])
