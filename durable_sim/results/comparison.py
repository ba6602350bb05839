"""Several execution models in one world, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from durable_sim.checks.shown import warned
from durable_sim.checks.violations import BAD, VERDICTS
from durable_sim.errors import UnknownNameError
from durable_sim.results.run import Run
from durable_sim.views import html, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True)
class Comparison:
    """One scenario with one seed under several execution models, in the same flaky world."""

    runs: Mapping[str, Run]
    name: str = ""
    seed: int = 0
    repeat: str = field(default="", repr=False)

    def __getitem__(self, model: str) -> Run:
        if model not in self.runs:
            raise UnknownNameError("execution model of this comparison", model, self.runs)
        return self.runs[model]

    @property
    def verdicts(self) -> dict[str, dict[str, int]]:
        """The counts of verdicts by model."""
        return {model: run.verdicts for model, run in self.runs.items()}

    @property
    def worst(self) -> Run:
        """The run with the most executions that are neither completed nor compensated; among several, the one with the
        most violations."""
        return max(self.runs.values(), key=lambda run: (_gone_wrong(run), len(run.violations)))

    @property
    def faults(self) -> dict[str, int]:
        """Planned, fired and hit, each the least over the models."""
        return {name: min(run.faults[name] for run in self.runs.values()) for name in ("planned", "fired", "hit")}

    def table(self) -> DataFrame:
        """Models by verdicts. Needs the extra `views`."""
        from durable_sim.views.tables import verdicts_table  # pandas only where a table is wanted

        return verdicts_table(self.verdicts)

    def matrix(self, **options: Any) -> Figure:
        """Models by verdicts as a figure. Needs the extra `views`."""
        from durable_sim.views.charts import outcome_matrix  # matplotlib only where a figure is wanted

        return outcome_matrix(self.verdicts, **options)

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain data."""
        models = {
            model: {
                "executions": len(run.executions),
                "verdicts": dict(run.verdicts),
                "violations": len(run.violations),
                "repeats": run.repeats,
                "faults": run.faults,
            }
            for model, run in self.runs.items()
        }
        return {
            "scenario": self.name,
            "seed": self.seed,
            "models": models,
            "faults": self.faults,
            "repeat": self.repeat,
        }

    def summary(self) -> str:
        """The table as text."""
        shown = [verdict for verdict in VERDICTS if any(verdict in run.verdicts for run in self.runs.values())]
        headings = ["model", *shown, "violations", "repeats", "faults fired", "hit"]
        rows = [
            [
                model,
                *(run.verdicts.get(verdict, 0) for verdict in shown),
                len(run.violations),
                run.repeats,
                f"{run.faults['fired']}/{run.faults['planned']}",
                run.faults["hit"],
            ]
            for model, run in self.runs.items()
        ]
        return text.table(headings, rows)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why runs show nothing, each with the models of which that is so."""
        return warned(self.runs)

    def __str__(self) -> str:
        lines = [self.summary(), *(f"WARNING: {words}" for words in self.warnings)]
        lines += dict.fromkeys(f"note: {words}" for run in self.runs.values() for words in run.notes)
        heading, told = self._told()
        lines += ["", f"{heading[:1].upper()}{heading[1:]}:\n{told}" if told else heading]
        return "\n".join([*lines, *([f"repeat: {self.repeat}"] if self.repeat else [])])

    def _told(self) -> tuple[str, str]:
        """What went wrong, under a heading: the shortest story of it, or what no execution's story shows."""
        worst = self.worst
        if _gone_wrong(worst):
            return f"the shortest story of the worst verdict under {worst.model}", worst.story()
        if not worst.ok:
            return f"the run under {worst.model} went wrong", "\n".join(map(str, worst.violations))
        return "no execution went wrong", ""

    __repr__ = __str__

    def _repr_html_(self) -> str:
        told = {model: (len(run.violations), run.repeats, run.faults["hit"]) for model, run in self.runs.items()}
        heading, story = self._told()
        return html.comparison_card(
            f"{self.name or 'comparison'}, seed {self.seed}",
            self.verdicts,
            told=told,
            headings=("violations", "repeats", "faults that hit"),
            ok=self.worst.ok,
            heading=heading,
            story=story,
            warning="; ".join(self.warnings),
            repeat=self.repeat,
        )


def _gone_wrong(run: Run) -> int:
    """How many executions are neither completed nor compensated."""
    return sum(count for verdict, count in run.verdicts.items() if verdict in BAD)
