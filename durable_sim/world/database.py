"""The application's own SQL database: real SQLite in memory, with transactions that take simulated time.

One writer at a time, as SQLite has it: while a transaction is open, everybody else's statements wait. A transaction
whose connection is lost is rolled back. Always holds: effects of an open transaction are in no ledger.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Generator
from typing import Any, Protocol

import simpy


class Client(Protocol):
    """Who holds a connection."""

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""


class Transaction:
    """A transaction of one client, opened by its first statement."""

    __slots__ = ("begun", "closed", "owner", "staged")

    def __init__(self, owner: Client) -> None:
        self.owner = owner
        self.begun = False
        self.closed = False
        self.staged: list[Callable[[], None]] = []

    @property
    def usable(self) -> bool:
        """Whether a statement that arrives now still finds its connection."""
        return self.owner.alive and not self.closed


class Database:
    """A database with a write lock."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        # one thread uses it, but the one in which the collector finds it unused may be another
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA foreign_keys = ON")
        weakref.finalize(self, self._connection.close)  # from Python 3.13 on, an unclosed connection warns
        self._holder: Transaction | None = None
        self._released: simpy.Event | None = None

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Run one statement, in the transaction that holds the lock if there is one."""
        return self._connection.execute(statement, parameters)

    def script(self, statements: str) -> None:
        """Run several statements, outside any transaction."""
        self._connection.executescript(statements)

    def blocked(self, transaction: Transaction | None) -> bool:
        """Whether a statement of `transaction` (None: one of its own) has to wait."""
        return self._holder is not None and self._holder is not transaction

    def turn(self, transaction: Transaction | None) -> Generator[simpy.Event, Any, None]:
        """Wait for the lock."""
        while self.blocked(transaction):
            if self._released is None:
                self._released = self._env.event()
            yield self._released

    def begin(self, transaction: Transaction) -> None:
        """Open the transaction if this is its first statement."""
        if not transaction.begun:
            self._connection.execute("BEGIN IMMEDIATE")
            transaction.begun = True
            self._holder = transaction

    def close(self, transaction: Transaction, *, commit: bool) -> None:
        """Commit or roll back, and let the others go on."""
        if transaction.closed:
            return
        transaction.closed = True
        if self._holder is transaction:
            self._connection.execute("COMMIT" if commit else "ROLLBACK")
            self._holder = None
            for effect in transaction.staged if commit else ():
                effect()
            released, self._released = self._released, None
            if released is not None:
                released.succeed()

    def connection_lost(self, owner: object) -> None:
        """Roll back what a dead client left open."""
        if self._holder is not None and self._holder.owner is owner:
            self.close(self._holder, commit=False)
