"""The look of things, as data: colours, and how what happened is filled and lettered, in figures as in HTML.

Always holds: a verdict is told by its letter as well as by its colour; the fills stay apart for colour-blind eyes, and
what is written on them can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

INK: Final = "#1B1F24"
MUTED: Final = "#5B6570"
RULE: Final = "#B8C0C8"
GRID: Final = "#E3E7EB"
ZEBRA: Final = "#F6F8FA"
WHITE: Final = "#FFFFFF"
GREEN: Final = "#007F5F"
ORANGE: Final = "#C44E00"
PURPLE: Final = "#7B4B94"
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
ALIVE: Final = "#DDE1E5"


@dataclass(frozen=True, slots=True)
class Look:
    """How a thing is filled, and the colour of what is written into it."""

    fill: str
    text: str
    letter: str = ""
    edge: str = "none"
    hatch: str | None = None


VERDICT_LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "completed": Look("#D9EFE6", "#00694C", "✓"),
        "compensated": Look("#D9EFE6", "#00694C", "C"),
        "duplicate_effect": Look(ORANGE, WHITE, "D"),
        "compensation_order": Look(SKY, INK, "R"),
        "lost_effect": Look(BLUE, WHITE, "L"),
        "orphaned_effect": Look("#3D2459", WHITE, "O"),
        "wrong_amount": Look("#A23B72", WHITE, "A"),
        "stuck": Look("#F0C542", INK, "S"),
        "inconclusive": Look("#8A949E", INK, "?"),
    }
)
NOTHING: Final = Look(ZEBRA, RULE)
"""A cell that stands for nothing."""

CALL_LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "ok": Look(GREEN, WHITE),
        "failed": Look(ORANGE, WHITE),
        "timed_out": Look("#FFF4DC", INK, edge="#E69F00", hatch="////"),
        "cut_off": Look(GRID, INK, edge=INK),
        "under_way": Look("#E4F0EC", INK, edge=GREEN),
        "undo": Look(PURPLE, WHITE),
    }
)
STEP_LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "step": Look("#D6E7F3", "#0F4A78"),
        "undo": Look("#E9DDF0", "#4F2D63"),
        "timer": Look(GRID, MUTED),
    }
)
BACKOFF: Final = Look("#8A949E", INK)
"""The strip under a step while nobody tries."""
BUSY: Final = Look("#7FAFD0", INK)
"""The strip under a worker while it makes an attempt."""
PAUSED: Final = Look(ZEBRA, MUTED, edge="#8A949E", hatch="////")
