"""A store in one SQLite file: runs outlive the process that made them, even one that is killed in the middle.

Three tables: `meta` (one row: what file this is, the simulated time of the last save, how many saves there were),
`runs` (a row a run, its state as JSON) and `events` (a row an event). What a save writes is one transaction. The
journal is a write-ahead log with `synchronous = NORMAL`: a commit is in the hands of the operating system before `save`
returns, so it survives the death of the process (SIGKILL too), and is on the disk only some time later, so the last
ones may be lost with the machine, though never a part of one.

Always holds: a run's events in the file are the first of its history, and grow only; two stores never write to one file
in turns.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from os import PathLike, fspath
from typing import Any, TypeVar

from durable_sim.errors import UserError
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server.run_json import attributes_from_json, attributes_to_json, from_json, to_json
from durable_sim.models.replay.server.state import Run
from durable_sim.models.replay.server.store import Stored

FORMAT = "durable_sim runs"
VERSION = 1
_TABLES = (
    "CREATE TABLE meta (format TEXT NOT NULL, version INTEGER NOT NULL, now_us INTEGER NOT NULL,"
    " saves INTEGER NOT NULL)",
    "CREATE TABLE runs (number INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, events INTEGER NOT NULL,"
    " state TEXT NOT NULL)",
    "CREATE TABLE events (run_id TEXT NOT NULL, id INTEGER NOT NULL, time_us INTEGER NOT NULL, type TEXT NOT NULL,"
    " attributes TEXT NOT NULL, PRIMARY KEY (run_id, id)) WITHOUT ROWID",
)
_CLAIM = "UPDATE meta SET now_us = ?, saves = saves + 1 WHERE saves = ?"
_SAVE_RUN = (
    "INSERT INTO runs (run_id, events, state) VALUES (?, ?, ?)"
    " ON CONFLICT (run_id) DO UPDATE SET events = excluded.events, state = excluded.state"
)
_ADD_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?)"
_Row = tuple[Any, ...]
T = TypeVar("T")


class SqliteStore:
    """Keeps runs in a file.

    Values come back as JSON has them: a dataclass as a dict, a tuple as a list.

    Args:
        path: the file, which is made if there is none; ":memory:" for one that is gone with the store.

    Raises:
        UserError: the file cannot be opened, is no such store, or is of another version.

    >>> with SqliteStore(":memory:") as store:
    ...     store.load()
    Stored(runs=(), now_us=0)
    """

    lasting = True

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = fspath(path)
        self._db = self._told(lambda: sqlite3.connect(self.path, isolation_level=None), "a file that can be opened")
        try:
            self._saves = self._told(self._open, "a store of runs, or no file")
        except UserError:
            self._db.close()
            raise

    def _open(self) -> int:
        """Make the tables of a new file, or check an old one; how often it has been saved to."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            for table in _TABLES:
                db.execute(table)
            db.execute("INSERT INTO meta VALUES (?, ?, 0, 0)", (FORMAT, VERSION))
        elif not tables >= {"meta", "runs", "events"}:
            raise self._refusal(f"tables {', '.join(sorted(tables))}", f"a store of runs; {_ELSEWHERE}")
        saves = self._meta()[1]
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        return saves

    def _meta(self) -> tuple[int, int]:
        """The simulated time of the last save, and how many there were."""
        row = self._db.execute("SELECT format, version, now_us, saves FROM meta").fetchone()
        if row is None:
            raise ValueError("no row in meta")
        format, version, now_us, saves = row
        if format != FORMAT:
            raise self._refusal(f"format {format!r}", f"{FORMAT!r}; {_ELSEWHERE}")
        if version != VERSION:
            expected = f"{VERSION}; open it with the durable_sim that wrote it, or give another path"
            raise self._refusal(f"version {version}", expected)
        return now_us, saves

    # --- saving -----------------------------------------------------------------------------------------------------
    def save(self, runs: Iterable[Run], now_us: int) -> None:
        """Keep these runs as they are now, in one transaction: of each its state, and the events that are new.

        Raises:
            UserError: another store has saved to the file since this one was opened, a value is no JSON-like data, or
                the file cannot be written.
        """
        rows = [_rows(run) for run in runs]
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            if db.execute(_CLAIM, (now_us, self._saves)).rowcount != 1:
                raise self._refusal("saves by another one", "one simulation to a file at a time; give another path")
            for run, state, events in rows:
                db.execute(_SAVE_RUN, (run.run_id, len(run.history), state))
                db.executemany(_ADD_EVENT, events)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._refusal(
                str(error), "a file that can be written, read with load() before it is added to"
            ) from None
        finally:
            self._roll_back()
        self._saves += 1
        for run, _, _ in rows:
            run.saved_events = len(run.history)

    def _roll_back(self) -> None:
        """Undo what was not committed."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the connection is gone, and what it had begun with it

    # --- loading ----------------------------------------------------------------------------------------------------
    def load(self) -> Stored:
        """Everything that was kept: the runs in the order in which they were first saved, which they began in.

        Raises:
            UserError: the file is damaged.
        """
        return self._told(self._load, f"an undamaged store; {_ELSEWHERE}")

    def _load(self) -> Stored:
        db = self._db
        db.execute("BEGIN")
        try:
            (health,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if health != "ok":
                raise ValueError(health)
            now_us, saves = self._meta()
            histories: dict[str, list[Event]] = {}
            for run_id, *event in db.execute("SELECT * FROM events ORDER BY run_id, id"):
                histories.setdefault(run_id, []).append(_event(*event))
            rows = db.execute("SELECT run_id, events, state FROM runs ORDER BY number")
            runs = tuple(_run(run_id, events, state, histories) for run_id, events, state in rows)
            if histories:
                raise ValueError(f"events of {next(iter(histories))!r}, which is no run")
        finally:
            self._roll_back()
        self._saves = saves
        return Stored(runs, now_us)

    def close(self) -> None:
        """Close the file; nothing can be saved or loaded any more."""
        self._db.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- errors -----------------------------------------------------------------------------------------------------
    def _told(self, action: Callable[[], T], expected: str) -> T:
        """Do it; what can go wrong is the user's file, and told so."""
        try:
            return action()
        except UserError:
            raise
        except (sqlite3.Error, LookupError, TypeError, ValueError) as error:
            raise self._refusal(f"{error}", expected) from None

    def _refusal(self, found: str, expected: str) -> UserError:
        return UserError(f"store {self.path}: found {found}, expected {expected}")


_ELSEWHERE = "give another path, or remove it"


def _rows(run: Run) -> tuple[Run, str, list[_Row]]:
    """What is to be written for a run."""
    try:
        events = [
            (run.run_id, event.id, event.time_us, event.type, _text(attributes_to_json(event.attributes)))
            for event in run.history[run.saved_events :]
        ]
        return run, _text(to_json(run)), events
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"run {run.run_id}: a value of it cannot be stored ({error}): expected JSON-like data; convert it before "
            "it is given to the workflow"
        ) from None


def _text(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))


def _event(id: int, time_us: int, type: str, attributes: str) -> Event:
    return Event(id, time_us, type, attributes_from_json(json.loads(attributes)))


def _run(run_id: str, events: int, state: str, histories: dict[str, list[Event]]) -> Run:
    """A run as it was saved, all its events there."""
    history = histories.pop(run_id, [])
    if [event.id for event in history] != list(range(1, events + 1)):
        raise ValueError(f"{len(history)} events of run {run_id!r} with {events}")
    run = from_json(json.loads(state), history)
    if run.run_id != run_id:
        raise ValueError(f"run {run.run_id!r} under the id {run_id!r}")
    run.saved_events = events
    return run
