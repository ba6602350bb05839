"""The time axis: which time is drawn to scale, which is cut out, and where the ticks are.

Takes instants and idle stretches in microseconds and two places on the canvas in points, makes a scale and its ticks.
Always holds: later is never further left; only idle time is cut out, and what is left to see of it at either end is to
scale.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from durable_sim.durations import DAY, HOUR, MILLISECOND, MINUTE, SECOND, format_us

CUT_PT: Final = 46.0
"""The width that is left of a stretch which was cut out."""
CUTS_PT: Final = 230.0
"""The width that is left of all of them together, if they are many."""
CUTS_MAX: Final = 20
CUT_RATIO: Final = 2
"""Idle stretches are cut out if together they last this many times as long as all that is left."""
CUT_SHARE: Final = 2
"""None is cut out that lasts less than one in so many of what is left."""
FAR: Final = 1000
"""So many units and more are written with their units."""
CUT_LEAST_US: Final = SECOND
"""Nothing shorter is cut out."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of time that is drawn to scale, with its place on the canvas."""

    start_us: int
    end_us: int
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class TimeScale:
    """Time to points. Pieces to scale, and between them the stretches that are cut out, each as wide as the others."""

    pieces: tuple[Piece, ...]

    def x(self, time_us: int) -> float:
        """Where an instant is drawn."""
        place = max(0, bisect_right([piece.start_us for piece in self.pieces], time_us) - 1)
        piece = self.pieces[place]
        if time_us > piece.end_us and place + 1 < len(self.pieces):
            after = self.pieces[place + 1]
            piece = Piece(piece.end_us, after.start_us, piece.right, after.left)
        share = (time_us - piece.start_us) / max(1, piece.end_us - piece.start_us)
        return piece.left + share * (piece.right - piece.left)

    def cuts(self) -> list[Piece]:
        """The stretches that are cut out."""
        pairs = pairwise(self.pieces)
        return [Piece(one.end_us, other.start_us, one.right, other.left) for one, other in pairs]

    def is_cut(self, time_us: int) -> bool:
        """Whether an instant falls into such a stretch."""
        return any(cut.start_us < time_us < cut.end_us for cut in self.cuts())

    @property
    def shown_us(self) -> int:
        """How much time is drawn to scale."""
        return sum(piece.end_us - piece.start_us for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Axis:
    """The ticks, each with its place and label, and what the axis is called."""

    ticks: tuple[tuple[float, str], ...]
    name: str


def time_scale(start_us: int, end_us: int, idle: Sequence[tuple[int, int]], left: float, right: float) -> TimeScale:
    """The scale from one instant to another, between two places on the canvas.

    Of the idle stretches, the longest are cut out where they would leave too little room for the rest.
    """
    cuts = _to_cut(end_us - start_us, idle)
    kept_us = end_us - start_us - sum(end - start for start, end in cuts)
    pad_us = kept_us // 40  # what is left to see of a cut stretch at either end
    edges = [start_us, *(us for start, end in cuts for us in (start + pad_us, end - pad_us)), end_us]
    cut_pt = min(CUT_PT, CUTS_PT / max(1, len(cuts)))
    points_per_us = (right - left - cut_pt * len(cuts)) / max(1, kept_us + 2 * pad_us * len(cuts))
    pieces: list[Piece] = []
    for begin_us, until_us in zip(edges[::2], edges[1::2], strict=True):
        begin = pieces[-1].right + cut_pt if pieces else left
        pieces.append(Piece(begin_us, until_us, begin, begin + (until_us - begin_us) * points_per_us))
    return TimeScale(tuple(pieces))


def _to_cut(whole_us: int, idle: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """As many as may be of the longest stretches, such that without them there is CUT_RATIO times less to draw."""
    longest = sorted(idle, key=lambda pair: pair[0] - pair[1])[:CUTS_MAX]
    for count in range(len(longest), 0, -1):
        rest_us = whole_us - sum(end - start for start, end in longest[:count])
        start_us, end_us = longest[count - 1]
        least_us = max(CUT_LEAST_US, rest_us // CUT_SHARE)
        if 0 < rest_us * CUT_RATIO <= whole_us - rest_us and end_us - start_us >= least_us:
            return sorted(longest[:count])
    return []


def axis(scale: TimeScale, first_us: int) -> Axis:
    """Few round ticks, also after a cut: times count from the start of the simulation, or from the first moment if that
    is far away."""
    unit, size = _unit(scale.shown_us)
    first = scale.pieces[0]
    step_us = _tick_step(scale.shown_us, 62 * (first.end_us - first.start_us) / max(1.0, first.right - first.left))
    base_us = first_us if first_us > 50 * scale.shown_us else 0
    ticks: list[tuple[float, str]] = []
    for piece in scale.pieces:
        begin_us = base_us - (base_us - piece.start_us) // step_us * step_us
        for us in range(begin_us, piece.end_us + 1, step_us):
            ticks.append((scale.x(us), _instant(us - base_us, size)))
    since = f" since {rounded(base_us)}" if base_us else ""
    return Axis(tuple(ticks), f"simulated time{since} ({unit})")


def _instant(us: int, size: int) -> str:
    """A number in the unit of the axis; an instant that is far away for it, with its units."""
    return f"{us / size:.6g}" if us < FAR * size else rounded(us)


def about(us: int) -> str:
    """A duration to three digits.

    >>> about(86_399_900_000), about(7_200_000_000), about(1_500)
    ('24 h', '2 h', '1.5 ms')
    """
    unit, size = next((one for one in _LONG if us * 2 >= 3 * one[1]), _unit(us))
    return f"{us / size:.3g} {unit}"


_LONG: Final = (("d", DAY), ("h", HOUR), ("min", MINUTE))


def rounded(us: int) -> str:
    """An instant to the millisecond."""
    return format_us(round(us, -3))


def _unit(shown_us: int) -> tuple[str, int]:
    """The unit for a stretch of time, and its microseconds."""
    for name, size, least_us in (("d", DAY, 3 * DAY), ("h", HOUR, 3 * HOUR), ("min", MINUTE, 5 * MINUTE)):
        if shown_us >= least_us:
            return name, size
    return ("s", SECOND) if shown_us >= SECOND else ("ms", MILLISECOND)


def _tick_step(shown_us: int, least_us: float) -> int:
    """The smallest round step that is at least so long."""
    clock = [*(count * MINUTE for count in (1, 2, 5, 10, 15, 30)), *(count * HOUR for count in (1, 2, 3, 6, 12))]
    tens = [digit * int(10**power) for power in range(8) for digit in (1, 2, 5)]
    rounds = [*clock, *(count * DAY for count in tens)] if shown_us >= 5 * MINUTE else tens
    return next((step for step in rounds if step >= least_us), rounds[-1])
