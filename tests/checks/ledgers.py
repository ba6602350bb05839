"""Ledgers, traces and recordings written by hand, for checks that read nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import simpy

import durable_sim as ds
from durable_sim.checks.violations import Violation
from durable_sim.models.executions import Execution, Status
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import Trace
from durable_sim.world.ledger import EffectKind, Entry

KINDS = {
    kind.name: kind
    for kind in (
        EffectKind("pay.charge", "exactly_once", "cents"),
        EffectKind("pay.refund", "exactly_once", "cents", undoes="pay.charge"),
        EffectKind("stock.reserve", "exactly_once", "units"),
        EffectKind("stock.release", "exactly_once", "units", undoes="stock.reserve"),
        EffectKind("ship.send", "exactly_once", "parcels"),
        EffectKind("mail.send", "at_least_once", "mails"),
        EffectKind("mail.recall", "at_least_once", "mails", undoes="mail.send"),
        EffectKind("mail.sorry", "best_effort", "mails"),
        EffectKind("bank.wire", "exactly_once", "cents", irrevocable=True),
    )
}
CHARGE, RESERVE, SHIP, MAIL, SORRY = "pay.charge", "stock.reserve", "ship.send", "mail.send", "mail.sorry"
WIRE = "bank.wire"
UNDO = {CHARGE: "pay.refund", RESERVE: "stock.release", MAIL: "mail.recall"}


def did(
    kind: str,
    at: int = 0,
    *,
    sent: int | None = None,
    step: int | None = 1,
    subject: str = "",
    quantity: int = 1,
    execution: str = "o-1",
    whose: str = "",
) -> Entry:
    """An effect that took place at a time; its request was sent just then, if nothing else is said."""
    sent_us = at if sent is None else sent
    return Entry(-1, at, kind, execution, step, subject, quantity, "", None, 1, sent_us, whose)


def undid(
    place: int | None,
    kind: str,
    at: int = 0,
    *,
    sent: int | None = None,
    step: int | None = 9,
    subject: str = "",
    quantity: int = 1,
    execution: str = "o-1",
    whose: str = "",
) -> Entry:
    """An undo of the entry at a place (None: of nothing), of an effect of this kind."""
    what = {"subject": subject, "quantity": -quantity, "execution": execution, "whose": whose}
    return did(UNDO[kind], at, sent=sent, step=step, **what)._replace(undoes=place)  # type: ignore[arg-type]


def ledger(*entries: Entry) -> list[Entry]:
    """A ledger of entries in this order."""
    return [entry._replace(index=index) for index, entry in enumerate(entries)]


def told(kind: str, found: Iterable[Violation]) -> list[tuple[str | None, str, str, str, int | None]]:
    """Violations, all of this kind: whose, of what, found, expected, when."""
    violations = list(found)
    assert {one.kind for one in violations} <= {kind}
    return [(one.execution, one.subject, one.found, one.expected, one.time_us) for one in violations]


def traced(*records: tuple[int, str, Mapping[str, Any]]) -> Trace:
    """A trace of records: when, which kind, and the other fields."""
    env = simpy.Environment()
    trace = Trace(env)
    for time_us, kind, fields in records:
        if time_us > env.now:
            env.run(until=time_us)
        trace.add(kind, **fields)
    return trace


async def nothing(ctx: ds.WorkflowContext, order: Any) -> None:
    """A workflow that does nothing."""


def execution(name: str = "o-1", status: Status = "completed", *, arrived_us: int = 0) -> Execution:
    """An execution with this status."""
    return Execution(name, None, 0, arrived_us, status)


def recording(*entries: Entry, executions: tuple[Execution, ...] = (execution(),), **changes: Any) -> Recording:
    """A recording of a run that never was: with this ledger, and whatever else is given."""
    empty = simulate(Scenario(nothing, ({"order_id": "o-1"},), {}, horizon="30d"), "regular", 0)
    given = {"ledger": tuple(ledger(*entries)), "effect_kinds": KINDS, "trace": traced(), **changes}
    return replace(empty, executions=executions, **given)
