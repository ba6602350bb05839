"""Orders: rows of the application's own database."""

from __future__ import annotations

from typing import Any

from durable_sim.randomness import Constant
from durable_sim.world.faults import CallFault, Mixture
from durable_sim.world.services.base import Canceled, ServiceSpec
from durable_sim.world.services.orders import Orders

Bench = Any  # the class that the fixture gives


def table(bench: Bench, *faults: CallFault | None) -> Any:
    """A world with an orders table; `faults` are scripted for its completions in turn."""
    calm = Mixture(late_by=Constant("5s"), duplicate_after=Constant("2s"))
    spec = ServiceSpec(Orders, latency=Constant("2ms"), client_timeout="5s", faults=calm)
    return bench({"orders": spec}, scripts=bench.script("orders.complete", *faults))


def status(b: Any, order_id: str) -> str:
    """What the row says."""
    return str(b.ask("orders.get", order_id).value["status"])


def books(b: Any) -> int:
    """The orders that are complete, by the rows, which must be those of the ledger."""
    count = int(b.world.services["orders"].balance()["complete"][""])
    assert count == sum(entry.quantity for entry in b.ledger)
    return count


def test_an_order_without_a_row_is_new(bench: Bench) -> None:
    """Reading has no effect."""
    b = table(bench)
    assert b.ask("orders.get", "o-1").value == {"id": "o-1", "status": "new"}
    assert b.ledger == ()


def test_completing_is_idempotent(bench: Bench) -> None:
    """A plain update of a row: repeated, delivered twice or retried, it is one effect."""
    b = table(bench, "lose_reply", "duplicate")
    for _ in range(3):
        b.ask("orders.complete", "o-1")
    b.run()
    assert status(b, "o-1") == "complete"
    assert (len(b.ledger), books(b)) == (1, 1)


def test_cancelling_undoes_a_completion(bench: Bench) -> None:
    """Once; a second cancellation changes nothing."""
    b = table(bench)
    b.ask("orders.complete", "o-1", reference="r")
    for _ in range(2):
        assert b.ask("orders.cancel", "o-1", reference="r").value == {"status": "cancelled"}
    assert [(entry.kind, entry.undoes) for entry in b.ledger] == [("orders.complete", None), ("orders.cancel", 0)]
    assert (status(b, "o-1"), books(b)) == ("cancelled", 0)


def test_a_cancellation_may_come_first(bench: Bench) -> None:
    """It undoes nothing, marks the row, and the completion that arrives late is refused."""
    b = table(bench, "late_effect")
    b.ask("orders.complete", "o-1", reference="r")
    b.ask("orders.cancel", "o-1", reference="r")
    b.run()
    assert (b.ledger, status(b, "o-1")) == ((), "cancelled")
    assert isinstance(b.ask("orders.complete", "o-1", reference="r").error, Canceled)


def test_another_reference_may_complete_a_cancelled_order(bench: Bench) -> None:
    """A new run of the same order is not stopped by the tombstone of the old one."""
    b = table(bench)
    b.ask("orders.complete", "o-1", reference="r1")
    b.ask("orders.cancel", "o-1", reference="r1")
    assert b.ask("orders.complete", "o-1", reference="r2").error is None
    assert (status(b, "o-1"), len(b.ledger), books(b)) == ("complete", 3, 1)
    b.ask("orders.cancel", "o-1", reference="r2")
    assert b.ledger[3].undoes == 2


def test_orders_do_not_touch_each_other(bench: Bench) -> None:
    """A row each."""
    b = table(bench)
    b.ask("orders.complete", "o-1", reference="r1")
    b.ask("orders.cancel", "o-2", reference="r2")
    assert (status(b, "o-1"), status(b, "o-2"), status(b, "o-3")) == ("complete", "cancelled", "new")
