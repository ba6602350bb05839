"""Plots over time and rates: a page with a heading, and axes that look the same everywhere.

Owns how axes are framed, ticked and labelled. Always holds: texts are set in DejaVu Sans at the sizes of all figures;
every rectangle is placed in points, so that nothing depends on the user's settings; direct labels keep clear of each
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from durable_sim.durations import DAY, HOUR, MINUTE, SECOND
from durable_sim.views.looks import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PURPLE, RULE, SKY, WHITE
from durable_sim.views.palette import BODY_PT, EDGE_PT, FONT, POINTS, SMALL_PT, Canvas, text_width, wrapped
from durable_sim.views.picture import Picture

WIDTH_PT: Final = 8.6 * POINTS
PANEL_PT: Final = 200.0
LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
COLORS: Final = (BLUE, ORANGE, GREEN, PURPLE, INK, SKY, "#8A6D00")
"""For the groups of a plot, in turn; each has a line style of its own as well."""
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
_TOP_PT: Final = 66.0
_BELOW_PT: Final = 44.0
_LEFT_PT: Final = 62.0
_LEGEND_PT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Ink:
    """How one group is drawn."""

    color: str
    line: Any
    marker: str


def inks(groups: Sequence[str], *, marked: bool = True) -> dict[str, Ink]:
    """How each group is drawn: colour, line style and, if there are any, marker differ."""
    markers = MARKERS if marked else ("",)
    return {
        group: Ink(COLORS[place % len(COLORS)], LINES[place % len(LINES)], markers[place % len(markers)])
        for place, group in enumerate(groups)
    }


class Page:
    """A picture with a heading, panels one below the other, and a legend in rows under them."""

    def __init__(
        self,
        title: str,
        subtitle: str,
        *,
        panels: int = 1,
        legend: Sequence[tuple[str, Ink]] = (),
        left: float = _LEFT_PT,
        height: float = PANEL_PT,
        below: float = _BELOW_PT,
    ) -> None:
        self._rows = wrapped(legend, _entry_width, WIDTH_PT - 2 * EDGE_PT)
        rows = len(self._rows) if legend else 0
        whole = _TOP_PT + panels * (height + below) + rows * _LEGEND_PT
        self.canvas = Canvas(WIDTH_PT, whole)
        self.canvas.header(title, subtitle)
        tops = [_TOP_PT + place * (height + below) for place in range(panels)]
        self.panels = [self._panel(left, top, height, whole) for top in tops]
        self._draw_legend(whole - rows * _LEGEND_PT)

    @property
    def picture(self) -> Picture:
        """The figure."""
        return self.canvas.figure

    def _panel(self, left: float, top: float, height: float, whole: float) -> Axes:
        width = WIDTH_PT - left - EDGE_PT
        place = (left / WIDTH_PT, 1 - (top + height) / whole, width / WIDTH_PT, height / whole)
        return self.canvas.figure.add_axes(place)

    def _draw_legend(self, y: float) -> None:
        for row, entries in enumerate(self._rows):
            x: float = EDGE_PT
            for words, ink in entries:
                middle = y + _LEGEND_PT * row + 2
                self.canvas.line([x, x + 22], [middle, middle], ink.color, 2.0, linestyle=ink.line)
                if ink.marker:
                    self.canvas.mark(x + 11, middle, ink.marker, 7.5, color=ink.color)
                self.canvas.text(x + 28, middle, words, size=SMALL_PT + 0.5, gid="legend")
                x += _entry_width((words, ink))


def _entry_width(entry: tuple[str, Ink]) -> float:
    return 28 + text_width(entry[0], SMALL_PT + 0.5) + 18


def axes_of(page: Page, given: Axes | None) -> Axes:
    """The axes to draw on: those that are given, or the first of the page."""
    return page.panels[0] if given is None else given


def dressed(axes: Axes, x: str, y: str) -> Axes:
    """Frame, grid, ticks and names, as all axes have them."""
    axes.set_facecolor(WHITE)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(axis="y", color=GRID, linewidth=1.0)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", color=RULE, length=4, labelcolor=MUTED)
    axes.tick_params(axis="y", length=0, labelcolor=MUTED)
    words: dict[str, Any] = {"fontfamily": FONT, "fontsize": BODY_PT, "color": MUTED, "parse_math": False}
    axes.set_xlabel(x, **words)
    axes.set_ylabel(y, **words)
    set_fonts(axes)
    return axes


def set_fonts(axes: Axes) -> None:
    """Labels of ticks in the font of all figures; needed again after ticks are made by hand."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_tick_params(labelfontfamily=FONT, labelsize=BODY_PT - 0.5)


def legend_on(axes: Axes) -> None:
    """A legend inside axes that are not ours."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, prop={"family": FONT, "size": SMALL_PT})


def time_unit(longest_us: float) -> tuple[str, int]:
    """The unit in which such a time is told, and its microseconds.

    >>> time_unit(90_000_000), time_unit(2 * 86_400_000_000)
    (('s', 1000000), ('h', 3600000000))
    """
    units = (("d", DAY, 4 * DAY), ("h", HOUR, 3 * HOUR), ("min", MINUTE, 4 * MINUTE), ("s", SECOND, SECOND))
    return next(((name, size) for name, size, least_us in units if longest_us >= least_us), ("ms", SECOND // 1000))


def whole_numbers(axes: Axes) -> None:
    """Ticks of the y axis at whole numbers, from 0."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))


def percents(axes: Axes) -> None:
    """Ticks of the y axis as percentages."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))


def figure_of(axes: Axes) -> Figure:
    """The figure that axes belong to."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure
