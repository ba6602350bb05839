"""Marks that a campaign must reach at least once: `sometimes("refund while the courier is down", condition)`.

A check that every run passes says little if no run ever came into the situation that it is about. Always holds: marks
belong to the campaign in which they are met; outside of one they do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Marks:
    """The marks that a campaign met, and how often their conditions held."""

    def __init__(self) -> None:
        self.met: dict[str, int] = {}
        self.reached: dict[str, int] = {}

    def mark(self, name: str, condition: bool) -> None:
        """A mark was met."""
        self.met[name] = self.met.get(name, 0) + 1
        self.reached[name] = self.reached.get(name, 0) + condition

    @property
    def never(self) -> tuple[str, ...]:
        """The marks whose condition never held."""
        return tuple(name for name, count in self.reached.items() if count == 0)


_campaign: ContextVar[Marks | None] = ContextVar("durable_sim_campaign", default=None)


@contextmanager
def campaign() -> Iterator[Marks]:
    """Collect the marks that are met within."""
    marks = Marks()
    token = _campaign.set(marks)
    try:
        yield marks
    finally:
        _campaign.reset(token)


def sometimes(name: str, condition: object) -> bool:
    """Say that a condition must hold at least once in a campaign; gives whether it holds now.

    Met in an invariant, or in the body of a test under `every_crash` or `any_faults`. A campaign that meets the mark
    and never finds its condition true does not pass.

    >>> with campaign() as marks:
    ...     _ = [sometimes("more than two", count > 2) for count in (1, 2, 3)]
    ...     _ = sometimes("less than none", False)
    >>> marks.never, marks.reached["more than two"]
    (('less than none',), 1)
    """
    held = bool(condition)
    marks = _campaign.get()
    if marks is not None:
        marks.mark(name, held)
    return held
