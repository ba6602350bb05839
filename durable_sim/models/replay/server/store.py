"""Where a server keeps its runs. All that it needs after a restart is what its store gives back.

A lasting store is told of changes after each operation of the server, before anybody else hears of them. `MemoryStore`
keeps the runs themselves and outlives the server, not the process; `SqliteStore` (sqlite_store.py) outlives the
process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from durable_sim.models.replay.server.state import Run


class Stored(NamedTuple):
    """What a store holds: the runs in the order in which they began, and the simulated time of the last change."""

    runs: tuple[Run, ...]
    now_us: int


class Store(Protocol):
    """Keeps runs. A `lasting` one is told of every change, one that is not only before the server goes down."""

    lasting: bool

    def save(self, runs: Iterable[Run], now_us: int) -> None:
        """Keep these runs as they are now: all of them, or none if the process dies meanwhile."""

    def load(self) -> Stored:
        """Everything that was kept."""


class MemoryStore:
    """Keeps runs in memory. If it is not `lasting`, only for a restart of the same server."""

    def __init__(self, lasting: bool = True) -> None:
        self.lasting = lasting
        self._runs: dict[str, Run] = {}
        self._now_us = 0

    def save(self, runs: Iterable[Run], now_us: int) -> None:
        """Keep these runs; being the very objects that the server works on, they need no copying."""
        for run in runs:
            self._runs[run.run_id] = run
        self._now_us = now_us

    def load(self) -> Stored:
        """The runs."""
        return Stored(tuple(self._runs.values()), self._now_us)
