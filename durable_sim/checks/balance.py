"""Balance: money and stock over the whole run.

Two comparisons. The services' own books against the ledger: if they differ, the simulator itself is wrong. The ledger
against what completed executions owe: if they differ, somebody has paid for nothing, or got something for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from durable_sim.checks.ledgers import Kinds, name_of, original
from durable_sim.checks.owed import Debt
from durable_sim.checks.violations import Violation
from durable_sim.models.executions import Execution
from durable_sim.world.ledger import Entry


def books(ledger: Sequence[Entry], balances: Mapping[str, Mapping[str, int]], kinds: Kinds) -> Iterator[Violation]:
    """Where a service's books differ from the ledger, in either direction."""
    net: dict[str, Counter[str]] = {kind: Counter() for kind in balances}
    for entry in ledger:
        kind = original(entry, kinds)
        if kind in net:
            net[kind][entry.subject] += entry.quantity
    for kind, amounts in balances.items():
        for subject in sorted({*amounts, *net[kind]}):
            booked, entered = amounts.get(subject, 0), net[kind][subject]
            if booked != entered:
                found, expected = f"{booked} in the service's books", f"{entered} as in the ledger"
                yield Violation("imbalance", None, name_of(kind, subject), found, expected)


def totals(
    ledger: Sequence[Entry], executions: Sequence[Execution], debts: Sequence[Debt], kinds: Kinds
) -> Iterator[Violation]:
    """Where what stands in the ledger differs from what completed executions owe; open ones are left out, and what is
    irrevocable of failed ones. An undo counts for whoever had done what it undoes."""
    found: Counter[str] = Counter()
    owed: Counter[str] = Counter()
    statuses = {execution.id: execution.status for execution in executions}
    doers: dict[int | None, str] = {entry.index: entry.execution for entry in ledger}
    for entry in ledger:
        kind = original(entry, kinds)
        status = statuses.get(doers.get(entry.undoes, entry.execution), "open")
        counts = status == "completed" or (status == "failed" and not kinds[kind].irrevocable)
        if counts and kinds[kind].owed == "exactly_once":
            found[kind] += entry.quantity
    for execution, debt in zip(executions, debts, strict=True):
        if execution.status == "completed":
            for key, quantity in debt.quantities.items():
                if kinds[key.kind].owed == "exactly_once":
                    owed[key.kind] += quantity
    for kind in sorted({*found, *owed}):
        if found[kind] != owed[kind]:
            unit = kinds[kind].unit
            yield Violation(
                "imbalance", None, kind, f"{found[kind]} {unit}", f"{owed[kind]} {unit} for what is completed"
            )
