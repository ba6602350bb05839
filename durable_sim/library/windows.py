"""The window in which a customer is charged and nothing is fulfilled: how often it opens, and for how long.

Reads the ledger and the end of a finished run, nothing else. A window opens when the first of an execution's payments
stands and nothing is fulfilled, and closes when something is fulfilled, or when no payment stands any more. Always
holds: an execution's windows do not overlap, and one that nothing closes ends with the run and is `open`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from durable_sim.durations import seconds
from durable_sim.world.ledger import Entry


class Finished(Protocol):
    """What is read of a finished run."""

    @property
    def ledger(self) -> tuple[Entry, ...]:
        """What the world really did."""

    @property
    def ended_us(self) -> int:
        """When the run was over."""


@dataclass(frozen=True, slots=True)
class Window:
    """One window: `closed` says whether the goods came, the money went back, or neither."""

    execution: str
    begun_us: int
    ended_us: int
    closed: Literal["fulfilled", "undone", "open"]

    @property
    def length_us(self) -> int:
        """How long it was, or has been so far."""
        return self.ended_us - self.begun_us


@dataclass(frozen=True, slots=True)
class WindowSummary:
    """Median and longest of the windows that were closed, and how many were not."""

    closed: int
    median_us: int
    longest_us: int
    open: int

    def __str__(self) -> str:
        return (
            f"{self.closed} windows closed, median {seconds(self.median_us)}, longest {seconds(self.longest_us)}; "
            f"{self.open} left open"
        )


def windows(run: Finished, paid: str = "payments.charge", fulfilled: str = "shipping.schedule") -> tuple[Window, ...]:
    """The windows of a finished run, by kinds of effect, in the order in which the executions first took effect.

    Args:
        run: a recording (`Run.recording`).
        paid: the effect that opens a window; fulfilled: the effect that closes it.
    """
    by_execution: dict[str, list[Entry]] = {}
    for entry in run.ledger:
        by_execution.setdefault(entry.execution, []).append(entry)
    found = (_windows(name, entries, paid, fulfilled, run.ended_us) for name, entries in by_execution.items())
    return tuple(window for one in found for window in one)


def summarise(found: Iterable[Window]) -> WindowSummary:
    """Median (the lower of the two in the middle) and longest; 0 where no window was closed."""
    all_windows = list(found)
    lengths = sorted(window.length_us for window in all_windows if window.closed != "open")
    median, longest = (lengths[(len(lengths) - 1) // 2], lengths[-1]) if lengths else (0, 0)
    return WindowSummary(len(lengths), median, longest, len(all_windows) - len(lengths))


def _windows(execution: str, entries: Sequence[Entry], paid: str, fulfilled: str, end_us: int) -> Iterator[Window]:
    standing: dict[str, dict[int, None]] = {paid: {}, fulfilled: {}}
    begun_us: int | None = None
    for entry in entries:
        _apply(entry, standing)
        opened = bool(standing[paid]) and not standing[fulfilled]
        if opened and begun_us is None:
            begun_us = entry.time_us
        elif not opened and begun_us is not None:
            yield Window(execution, begun_us, entry.time_us, "fulfilled" if standing[fulfilled] else "undone")
            begun_us = None
    if begun_us is not None:
        yield Window(execution, begun_us, end_us, "open")


def _apply(entry: Entry, standing: dict[str, dict[int, None]]) -> None:
    if entry.undoes is None and entry.kind in standing:
        standing[entry.kind][entry.index] = None
    for indexes in standing.values():
        indexes.pop(-1 if entry.undoes is None else entry.undoes, None)
