"""Sweeps as tidy data frames: one row a run.

Reads what a search found, whatever made it, as far as these protocols say. Always holds: a row of a run with several
faults tells the place of the last of them; the others are the last of other rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import pandas as pd

from durable_sim.checks.violations import BAD, GOOD, Violation
from durable_sim.views.tables import Row, frame_of


class Spot(Protocol):
    """A place in a run, by what can be told of it."""

    @property
    def kind(self) -> str:
        """The kind of the trace record."""

    @property
    def subject(self) -> str | None:
        """What the record is about."""

    @property
    def execution(self) -> str | None:
        """Whose it is."""

    @property
    def step(self) -> int | None:
        """The number of the step."""

    @property
    def attempt(self) -> int | None:
        """Which attempt."""

    @property
    def nth(self) -> int:
        """Which of its kind."""

    @property
    def phase(self) -> str:
        """What the execution is at."""

    @property
    def compensating(self) -> bool:
        """Whether it is undoing what it did."""


class PlacedFault(Protocol):
    """A fault of a family at a place; `str` tells it in words."""

    @property
    def family(self) -> str:
        """The family of faults."""

    @property
    def place(self) -> Spot:
        """Where it strikes."""


class SweptCase(Protocol):
    """One run of a sweep; `str` tells its faults in words."""

    @property
    def placed(self) -> Sequence[PlacedFault]:
        """The faults, in the order in which they strike."""

    @property
    def verdicts(self) -> Sequence[str]:
        """The verdict on each execution."""

    @property
    def violations(self) -> Sequence[Violation]:
        """What went wrong."""

    @property
    def fired(self) -> int:
        """How many faults struck anything at all."""

    @property
    def hit(self) -> int:
        """How many hit something in flight."""


class Deployed(Protocol):
    """One deploy of a sweep; `str` of each fault tells how its history came about."""

    @property
    def faults(self) -> Sequence[PlacedFault]:
        """The faults that made the history."""

    @property
    def index(self) -> int:
        """How many events the history had."""

    @property
    def place(self) -> Spot:
        """After which record it came."""

    @property
    def fate(self) -> str:
        """What became of the execution."""

    @property
    def violations(self) -> Sequence[Violation]:
        """What went wrong."""


_PLACE = ("kind", "phase", "subject", "execution", "step", "attempt", "nth")


def cases_table(cases: Iterable[SweptCase], *, model: str | None = None) -> pd.DataFrame:
    """One row a run of a sweep, under its number, in the order in which they were made.

    Columns: model, faults (how many), fault (all of them, in words), then of the last: family, kind (of the record that
    it strikes after), phase ("request out", "effect", "record", ...), subject, execution, step, attempt, nth (which
    record of this kind), compensating; then verdict (the worst of the run's executions), violations (how many), first
    (the first of them, in words), fired (how many faults struck anything at all), hit (how many hit work in flight).
    """
    columns = ("model", "faults", "fault", "family", *_PLACE, "compensating", "verdict", "violations", "first")
    rows = (_case_row(case, model) for case in cases)
    whole, certain = ("step", "attempt", "nth"), ("faults", "violations", "fired", "hit")
    table = frame_of(rows, (*columns, "fired", "hit"), whole=whole, certain=certain)
    return table.rename_axis("case")


def deploys_table(deploys: Iterable[Deployed], *, model: str | None = None) -> pd.DataFrame:
    """One row a deploy of a sweep, in the order in which they were tried.

    Columns: model, history (the faults that made it, in words; "calm"), index (how many events it had), then of the
    record after which the deploy came: kind, phase, subject, execution, step, attempt, nth; then fate ("safe", or what
    went wrong), safe, violations (how many), first (the first of them, in words).
    """
    columns = ("model", "history", "index", *_PLACE, "fate", "safe", "violations", "first")
    rows = (_deploy_row(one, model) for one in deploys)
    table = frame_of(rows, columns, whole=("step", "attempt", "nth"), certain=("index", "violations"))
    return table.astype({"safe": bool}).rename_axis("deploy")


def worst_verdict(verdicts: Sequence[str]) -> str | None:
    """The verdict that counts for a run: the worst of its executions'.

    >>> worst_verdict(["completed", "stuck", "lost_effect"])
    'lost_effect'
    """
    return next((verdict for verdict in (*BAD, *reversed(GOOD)) if verdict in verdicts), None)


def _case_row(case: SweptCase, model: str | None) -> Row:
    last = case.placed[-1] if case.placed else None
    return {
        "model": model,
        "faults": len(case.placed),
        "fault": str(case),
        "family": None if last is None else last.family,
        **_place_row(None if last is None else last.place),
        "verdict": worst_verdict(case.verdicts),
        "fired": case.fired,
        "hit": case.hit,
        **_wrong_row(case.violations),
    }


def _deploy_row(deploy: Deployed, model: str | None) -> Row:
    return {
        "model": model,
        "history": ", then ".join(map(str, deploy.faults)) or "calm",
        "index": deploy.index,
        **_place_row(deploy.place),
        "fate": deploy.fate,
        "safe": deploy.fate == "safe",
        **_wrong_row(deploy.violations),
    }


def _place_row(place: Spot | None) -> dict[str, Any]:
    names = (*_PLACE, "compensating")
    return {name: None if place is None else getattr(place, name) for name in names}


def _wrong_row(violations: Sequence[Violation]) -> dict[str, Any]:
    return {"violations": len(violations), "first": str(violations[0]) if violations else None}
