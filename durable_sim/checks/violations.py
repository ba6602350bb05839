"""What checks find: violations and verdicts, as data."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

from durable_sim.durations import seconds

Verdict = Literal[
    "completed",
    "compensated",
    "duplicate_effect",
    "compensation_order",
    "lost_effect",
    "orphaned_effect",
    "wrong_amount",
    "stuck",
    "inconclusive",
]
GOOD: tuple[Verdict, ...] = ("completed", "compensated")
BAD: tuple[Verdict, ...] = (
    "duplicate_effect",
    "compensation_order",
    "lost_effect",
    "orphaned_effect",
    "wrong_amount",
    "stuck",
    "inconclusive",
)
"""Where several apply, the first in this order counts."""
VERDICTS: tuple[Verdict, ...] = (*GOOD, *BAD)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as it should be.

    `kind` is a verdict, "imbalance" for what concerns the run as a whole (then `execution` is None), or the name of
    what a further check looks for ("non_determinism", "saga_shape", "invariant"). `time_us` is when it came about, None
    where it shows only at the end.
    """

    kind: str
    execution: str | None
    subject: str
    found: str
    expected: str
    time_us: int | None = None

    def _repr_html_(self) -> str:
        return f"<div><strong>{escape(self.kind.replace('_', ' '))}</strong> {escape(str(self))}</div>"

    def __str__(self) -> str:
        when = "at the end" if self.time_us is None else f"at {seconds(self.time_us)}"
        who = "the whole run" if self.execution is None else self.execution
        return f"{who}: {self.kind}: {self.subject}: found {self.found}, expected {self.expected} ({when})"
