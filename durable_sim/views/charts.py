"""Verdicts as tiles: models against verdicts, and crash points against models.

Takes plain counts and verdicts, gives figures. Always holds: the eye goes to what went wrong (what went well is
pale, what did not happen paler still), and the margins add up the tiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from durable_sim.checks.violations import GOOD, VERDICTS
from durable_sim.studies.deploys import Fate
from durable_sim.views.palette import (
    BODY_PT,
    EDGE_PT,
    MUTED,
    NOTHING,
    POINTS,
    SMALL_PT,
    VERDICT_LOOKS,
    Canvas,
    elided,
    text_width,
    wrapped,
)
from durable_sim.views.picture import Picture
from durable_sim.views.text import counts as in_words

LEAST_PT: Final = 6.6 * POINTS
"""No figure is narrower, so that title and legend have room."""
GAP_PT: Final = 6.0
LABEL_MAX_PT: Final = 290.0
HEADING_PT: Final = 12.0
"""From line to line of a heading."""
LEGEND_GAP_PT: Final = 16.0
MARGIN_PT: Final = 74.0
"""The column of sums."""


def outcome_matrix(
    counts_by_model: Mapping[str, Mapping[str, int]], *, title: str | None = None, subtitle: str | None = None
) -> Picture:
    """How many executions came to which verdict under which model.

    A column for each verdict that occurs, in the order of `VERDICTS` (completed always has one); a tile shows letter,
    count and share of the model's executions. Margins: how many were right (completed or compensated) of each model,
    and the sum of each column.
    """
    totals = {verdict: sum(counts.get(verdict, 0) for counts in counts_by_model.values()) for verdict in VERDICTS}
    columns = [verdict for verdict in VERDICTS if totals[verdict] or verdict == "completed"]
    grid = _Grid(list(counts_by_model), [_worded(verdict) for verdict in columns], 42.0)
    executions = max((sum(counts.values()) for counts in counts_by_model.values()), default=0)
    title = title or "What became of the executions"
    grid.header(title, subtitle or f"Executions under each model: {executions}.")
    for row, counts in enumerate(counts_by_model.values()):
        whole = sum(counts.values())
        for column, verdict in enumerate(columns):
            _count_tile(grid, row, column, verdict, counts.get(verdict, 0), whole)
        grid.right(row, f"{sum(counts.get(verdict, 0) for verdict in GOOD)}/{whole}")
    grid.margins("correct", "all models", [str(totals[verdict]) for verdict in columns])
    found = {model: Counter(dict(counts)) for model, counts in counts_by_model.items()}
    grid.canvas.figure.alt = _alt(title, "Executions that are correct", found)
    return grid.canvas.figure


def crash_matrix(
    rows: Sequence[tuple[str, Mapping[str, str]]],
    models: Sequence[str],
    *,
    title: str = "One crash, anywhere: what is left after recovery",
    subtitle: str = "",
    rows_are: str = "crash points survived",
) -> Picture:
    """What is left of an execution after a crash at each point, under each model.

    `rows` are (label of the crash point, verdict by model); a model that a row says nothing about gets an empty tile,
    and counts in neither margin. `rows_are` says what the last line counts: "stretches survived" for merged rows.
    """
    given = {verdict for _, verdicts in rows for model, verdict in verdicts.items() if model in models}
    met = [verdict for verdict in VERDICTS if verdict in given]
    height = 34.0 if len(rows) <= 12 else max(20.0, 420.0 / len(rows))
    grid = _Grid([label for label, _ in rows], [_worded(model) for model in models], height, met)
    grid.header(title, subtitle)
    for row, (_, verdicts) in enumerate(rows):
        for column, model in enumerate(models):
            _verdict_tile(grid, row, column, verdicts.get(model))
        grid.right(row, _correct([verdicts[model] for model in models if model in verdicts]))
    survived = [_correct([verdicts[model] for _, verdicts in rows if model in verdicts]) for model in models]
    grid.margins("correct", rows_are, survived)
    grid.legend()
    found = {model: Counter(verdicts[model] for _, verdicts in rows if model in verdicts) for model in models}
    grid.canvas.figure.alt = _alt(title, rows_are.capitalize(), found)
    return grid.canvas.figure


def deploy_matrix(table: Mapping[str, Mapping[str, Fate]], *, title: str = "", subtitle: str = "") -> Picture:
    """What a deploy does to an execution in flight: kinds of change (`studies.deploys.deploy_table`) by model."""
    rows = [(change, {model: fate.verdict for model, fate in row.items()}) for change, row in table.items()]
    models = list(dict.fromkeys(model for row in table.values() for model in row))
    title = title or "A deploy while an execution sleeps: what becomes of it"
    subtitle = subtitle or "What is stuck goes on after a rollback; what was done twice or lost stays so."
    return crash_matrix(rows, models, title=title, subtitle=subtitle, rows_are="changes survived")


def _worded(name: str) -> list[str]:
    """A name as the lines of a heading."""
    return name.split("_")


def _alt(title: str, measure: str, found: Mapping[str, Counter[str]]) -> str:
    """The figure in words: its title, then how much was right under each model, and the verdicts.

    >>> _alt("Outcomes", "Executions that are correct", {"regular": Counter(stuck=1, completed=3)})
    'Outcomes. Executions that are correct, by model: regular 3 of 4 (3 completed, 1 stuck).'
    """
    models = []
    for model, counts in found.items():
        good = sum(counts[verdict] for verdict in GOOD)
        met = {verdict.replace("_", " "): counts[verdict] for verdict in VERDICTS if counts[verdict]}
        models.append(f"{model} {good} of {counts.total()} ({in_words(met)})")
    sentence = f"{measure}, by model: {'; '.join(models) or 'none'}."
    return f"{title.rstrip('.')}. {sentence}" if title else sentence


def _correct(verdicts: Sequence[str]) -> str:
    return f"{sum(verdict in GOOD for verdict in verdicts)}/{len(verdicts)}"


def _count_tile(grid: _Grid, row: int, column: int, verdict: str, count: int, whole: int) -> None:
    look = VERDICT_LOOKS[verdict] if count else NOTHING
    x, y = grid.tile(row, column, f"tile:{row}:{verdict}", look.fill)
    if count:
        grid.canvas.text(x, y - 7, f"{look.letter} {count}", size=11.5, color=look.text, bold=True, align="center")
        share = f"{100 * count / whole:.0f} %" if 200 * count >= whole else "< 1 %"
        grid.canvas.text(x, y + 9, share, size=SMALL_PT, color=look.text, align="center")


def _verdict_tile(grid: _Grid, row: int, column: int, verdict: str | None) -> None:
    look = NOTHING if verdict is None else VERDICT_LOOKS[verdict]
    x, y = grid.tile(row, column, f"tile:{row}:{column}", look.fill)
    if verdict is not None:
        size = min(12.0, grid.row_height * 0.4)
        grid.canvas.text(x, y, look.letter, size=size, color=look.text, bold=verdict not in GOOD, align="center")


def _legend_width(verdict: str) -> float:
    return 22 + text_width(verdict.replace("_", " "), SMALL_PT) + LEGEND_GAP_PT


class _Grid:
    """A canvas with rows and columns of tiles, headings above, labels to the left, sums to the right and below."""

    def __init__(
        self, labels: Sequence[str], headings: Sequence[Sequence[str]], row_height: float, legend: Sequence[str] = ()
    ) -> None:
        self.row_height = row_height
        self._label_pt = min(BODY_PT, row_height * 0.45)
        self._labels = [elided(label, LABEL_MAX_PT, self._label_pt) for label in labels]
        self._headings = headings
        widest = max(
            [text_width("crash points survived"), *(text_width(label, self._label_pt) for label in self._labels)]
        )
        self._left = EDGE_PT + widest + 12
        words = [text_width(word, SMALL_PT, bold=True) for heading in headings for word in heading]
        columns, least = max(1, len(headings)), max([66.0, *(word + 8 for word in words)])
        width = max(LEAST_PT, self._left + columns * least + MARGIN_PT)
        self._pitch = min(96.0, (width - self._left - MARGIN_PT) / columns)
        self._pitch = max(self._pitch, least)
        self._top = 68 + HEADING_PT * max((len(heading) for heading in headings), default=0)
        self._bottom = self._top + row_height * len(labels)
        self._legend = wrapped(legend, _legend_width, width - 2 * EDGE_PT + LEGEND_GAP_PT)
        self.canvas = Canvas(width, self._bottom + 36 + (14 + 22 * len(self._legend) if legend else 0))

    def header(self, title: str, subtitle: str) -> None:
        """Title and subtitle, then the headings and labels."""
        self.canvas.header(title, subtitle)
        for column, lines in enumerate(self._headings):
            for place, line in enumerate(reversed(lines)):
                y = self._top - 10 - HEADING_PT * place
                self.canvas.text(self._middle(column), y, line, size=SMALL_PT, bold=True, align="center", gid="heading")
        for row, label in enumerate(self._labels):
            self.canvas.text(self._left - 10, self._y(row), label, size=self._label_pt, align="right", gid="label")

    def tile(self, row: int, column: int, gid: str, fill: str) -> tuple[float, float]:
        """Draw a tile; gives its centre."""
        x, y = self._middle(column), self._y(row)
        gap = min(GAP_PT, self.row_height / 5)
        width, height = self._pitch - GAP_PT, self.row_height - gap
        self.canvas.tile(x - width / 2, y - height / 2, width, height, fill, gid)
        return x, y

    def right(self, row: int, words: str) -> None:
        """A sum to the right of a row."""
        self.canvas.text(self._end + 10, self._y(row), words, size=self._label_pt, color=MUTED, gid="row-sum")

    def margins(self, right: str, below: str, sums: Sequence[str]) -> None:
        """The names of the margins, and the sums below the columns."""
        y = self._bottom + 12
        self.canvas.text(self._end + 10, self._top - 10, right, size=SMALL_PT + 0.5, color=MUTED, gid="heading")
        self.canvas.text(self._left - 10, y, below, color=MUTED, align="right", gid="label")
        for column, words in enumerate(sums):
            self.canvas.text(self._middle(column), y, words, bold=True, align="center", gid="column-sum")

    def legend(self) -> None:
        """What the letters mean, in one row if there is room."""
        for row, verdicts in enumerate(self._legend):
            x: float = EDGE_PT
            y = self._bottom + 46 + 22 * row
            for verdict in verdicts:
                look = VERDICT_LOOKS[verdict]
                self.canvas.tile(x, y - 8, 16, 16, look.fill)
                self.canvas.text(x + 8, y, look.letter, size=SMALL_PT, color=look.text, bold=True, align="center")
                self.canvas.text(x + 22, y, verdict.replace("_", " "), size=SMALL_PT, gid="legend")
                x += _legend_width(verdict)

    @property
    def _end(self) -> float:
        return self._left + self._pitch * len(self._headings)

    def _middle(self, column: int) -> float:
        return self._left + self._pitch * (column + 0.5)

    def _y(self, row: int) -> float:
        return self._top + self.row_height * (row + 0.5)
