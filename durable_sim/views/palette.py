"""What all figures are drawn with: sizes, measured text, and a canvas.

Always holds: every text is set in DejaVu Sans, which comes with matplotlib, whatever the user's settings are; a
canvas counts in points, y downwards, so that what is measured is what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar

from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from durable_sim.views.looks import (
    ALIVE,
    BACKOFF,
    BLUE,
    BUSY,
    CALL_LOOKS,
    GREEN,
    GRID,
    INK,
    MUTED,
    NOTHING,
    ORANGE,
    PAUSED,
    PURPLE,
    RULE,
    SKY,
    STEP_LOOKS,
    VERDICT_LOOKS,
    WHITE,
    ZEBRA,
    Look,
)
from durable_sim.views.picture import Picture

__all__ = [
    "ALIVE",
    "BACKOFF",
    "BLUE",
    "BODY_PT",
    "BUSY",
    "CALL_LOOKS",
    "DPI",
    "EDGE_PT",
    "FONT",
    "GREEN",
    "GRID",
    "INK",
    "MUTED",
    "NOTHING",
    "ORANGE",
    "PAUSED",
    "POINTS",
    "PURPLE",
    "RULE",
    "SKY",
    "SMALL_PT",
    "STEP_LOOKS",
    "TITLE_PT",
    "VERDICT_LOOKS",
    "WHITE",
    "ZEBRA",
    "Canvas",
    "Look",
    "elided",
    "text_width",
    "wrapped",
]

T = TypeVar("T")
FONT: Final = "DejaVu Sans"
DPI: Final = 160
POINTS: Final = 72
"""Points in an inch."""

TITLE_PT: Final = 14.5
BODY_PT: Final = 9.5
SMALL_PT: Final = 8.5
EDGE_PT: Final = 20.0
"""The empty space left and right of everything."""


def text_width(words: str, size: float = BODY_PT, *, bold: bool = False) -> float:
    """How wide a line of text is, in points."""
    prop = FontProperties(family=FONT, weight="bold" if bold else "normal", size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(words, prop, ismath=False)
    return float(width)


def elided(words: str, width: float, size: float = BODY_PT, *, bold: bool = False) -> str:
    """The text, its end replaced by an ellipsis where it is wider than `width` points."""
    if text_width(words, size, bold=bold) <= width:
        return words
    kept = words
    while kept and text_width(f"{kept}…", size, bold=bold) > width:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def wrapped(entries: Sequence[T], width_of: Callable[[T], float], room: float) -> list[list[T]]:
    """Entries in one row, or in as many as it takes so that none is wider than `room`."""
    rows: list[list[T]] = [[]]
    left = room
    for entry in entries:
        width = width_of(entry)
        if rows[-1] and width > left:
            rows.append([])
            left = room
        rows[-1].append(entry)
        left -= width
    return rows


class Canvas:
    """A picture with one axes that covers it, in points from the upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Picture(figsize=(width / POINTS, height / POINTS), dpi=DPI, facecolor=WHITE)
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set_axis_off()
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self.axes.set_autoscale_on(False)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = BODY_PT,
        color: str = INK,
        bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
        gid: str | None = None,
    ) -> Text:
        """Write a line, its middle at height `y`."""
        weight = "bold" if bold else "normal"
        style: dict[str, Any] = {"fontsize": size, "color": color, "ha": align, "va": "center_baseline"}
        text = self.axes.text(
            x, y, words, fontfamily=FONT, fontweight=weight, fontstyle="normal", parse_math=False, zorder=8, **style
        )
        text.set_gid(gid)
        return text

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        look: Look,
        *,
        gid: str | None = None,
        zorder: float = 3,
        line: float = 1.0,
    ) -> Rectangle:
        """Fill a rectangle."""
        shape = Rectangle((x, y), width, height, facecolor=look.fill, edgecolor=look.edge, linewidth=line)
        shape.set(hatch=look.hatch, zorder=zorder, gid=gid, snap=False)
        self.axes.add_patch(shape)
        return shape

    def tile(self, x: float, y: float, width: float, height: float, fill: str, gid: str | None = None) -> None:
        """Fill a rectangle with round corners."""
        style = f"round,pad=0,rounding_size={min(4.0, height / 4)}"
        shape = FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=fill, edgecolor="none")
        shape.set(zorder=3, gid=gid)
        self.axes.add_patch(shape)

    def line(self, xs: Sequence[float], ys: Sequence[float], color: str, width: float = 1.0, **style: Any) -> Line2D:
        """Draw a line through points."""
        shape = Line2D(xs, ys, color=color, linewidth=width, **{"solid_capstyle": "butt", "zorder": 2, **style})
        self.axes.add_line(shape)
        return shape

    def mark(self, x: float, y: float, marker: str, size: float, *, color: str = INK, gid: str | None = None) -> None:
        """Set a mark with a white rim."""
        rim: dict[str, Any] = {"markeredgecolor": WHITE, "markeredgewidth": 0.8, "linestyle": "none"}
        self.line([x], [y], color, marker=marker, markersize=size, zorder=7, gid=gid, **rim)

    def header(self, title: str, subtitle: str) -> None:
        """Title and subtitle, made smaller and then shorter until they fit."""
        room = self.width - 2 * EDGE_PT
        size = next((size for size in (TITLE_PT, 13.0, 11.5) if text_width(title, size, bold=True) <= room), 11.5)
        self.text(EDGE_PT, 21, elided(title, room, size, bold=True), size=size, bold=True, gid="title")
        self.text(EDGE_PT, 41, elided(subtitle, room), color=MUTED, gid="subtitle")
