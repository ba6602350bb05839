"""The outcome matrix: a tile for each place and model; a click opens the run behind it.

Always holds: what is shown below the matrix is the run of the tile that was clicked last.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from durable_sim.results.run import Run
from durable_sim.search.explorer import At
from durable_sim.simulation.scenario import Scenario
from durable_sim.widgets.clickable import ClickablePicture
from durable_sim.widgets.crash_table import CrashTable, crash_table
from durable_sim.widgets.panel import Panel, preformatted
from durable_sim.widgets.subject import subject_of


class Matrix(Panel):
    """A matrix, and below it the timeline and the story of the tile that is chosen.

    `matrix.chosen = "tile:2:0"` opens the run of the third row under the first model: `run`.
    """

    def __init__(self, table: CrashTable) -> None:
        self.table = table
        self.run: Run | None = None
        self.matrix = ClickablePicture()
        self.picture = ClickablePicture()
        self.heading = widgets.HTML(preformatted("Click a tile to open the run behind it."))
        self.story = widgets.HTML()
        figure = table.figure()
        self.matrix.show(figure, figure.alt, table.details())
        self.matrix.observe(lambda _: self._open(), names="chosen")
        self.picture.observe(lambda _: self._tell(), names="chosen")
        super().__init__(widgets.VBox([self.matrix, self.heading, self.picture, self.story]))

    def _open(self) -> None:
        found = self.table.case(self.matrix.chosen) if self.matrix.chosen else None
        if found is None:
            return
        model, case = found
        self.run = self.table.run(model, case)
        verdict = self.run.executions[0].verdict
        self.picture.show_run(self.run, f"model={model}; seed={self.run.seed}; {case}; verdict={verdict}")
        self.heading.value = preformatted(self.matrix.told)
        self._tell()

    def _tell(self) -> None:
        """What was clicked in the timeline, or the whole story."""
        assert self.run is not None, "there is a timeline to click only where there is a run"
        self.story.value = preformatted(self.picture.told or self.run.story())


def matrix(
    what: Scenario | str | Path | Any,
    input: Any = None,
    *,
    models: Iterable[str] | None = None,
    family: str = "crash",
    at: At | None = None,
    seed: int | None = None,
) -> Matrix:
    """A matrix of what one fault at each place of an execution leaves behind, under each model.

    Args:
        what: what is run, as for `explorer`.
        models: the columns; by default all models that can run it.
        family: one of `durable_sim.search.families.FAMILIES`.
        at: the places, as for `durable_sim.crash_sweep`; by default those in the calls of services.
        seed: by default that of the scenario file, or 0.

    Raises:
        UserError: arguments that make no sweep.
    """
    subject = subject_of(what, input)
    seed = subject.seed if seed is None else seed
    models = subject.models() if models is None else models
    return Matrix(crash_table(subject.scenario(seed), models, family=family, at=at, seed=seed))
