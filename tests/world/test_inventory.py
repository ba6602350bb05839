"""Inventory: a conditional update in a real database, released by reference."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from durable_sim.randomness import Constant
from durable_sim.world.faults import CALL_FAULTS, CallFault, Mixture
from durable_sim.world.services.base import Canceled, ServiceSpec
from durable_sim.world.services.inventory import Inventory, OutOfStock

Bench = Any  # the class that the fixture gives


def warehouse(bench: Bench, *faults: CallFault | None, **stock: int) -> Any:
    """A world with an inventory; `faults` are scripted for its reservations in turn."""
    calm = Mixture(late_by=Constant("5s"), duplicate_after=Constant("2s"))
    options = {"stock": stock} if stock else {}
    spec = ServiceSpec(Inventory, latency=Constant("8ms"), client_timeout="10s", faults=calm, options=options)
    return bench({"inventory": spec}, scripts=bench.script("inventory.reserve", *faults))


def held(b: Any) -> dict[str, int]:
    """What is reserved, by the database."""
    return dict(b.world.services["inventory"].balance()["reserve"])


def ledger_holds(b: Any) -> dict[str, int]:
    """What is reserved, by the ledger."""
    sums: dict[str, int] = {}
    for entry in b.ledger:
        sums[entry.subject] = sums.get(entry.subject, 0) + entry.quantity
    return {sku: units for sku, units in sorted(sums.items()) if units}


def test_a_reservation_sets_units_aside(bench: Bench) -> None:
    """The row of the item and the ledger say the same."""
    b = warehouse(bench, book=5)
    assert b.ask("inventory.reserve", "book", 2).value == {"reservation": 1}
    row = b.world.database.execute("SELECT stock, reserved, available FROM inventory WHERE sku = 'book'").fetchone()
    assert row == (5, 2, 3)
    assert held(b) == ledger_holds(b) == {"book": 2}
    assert b.ledger[0].reference == "rs_1"


def test_more_than_is_left_is_refused(bench: Bench) -> None:
    """The conditional update hits no row; the last unit can be had, one more cannot."""
    b = warehouse(bench, book=5)
    b.ask("inventory.reserve", "book", 3)
    refused = b.ask("inventory.reserve", "book", 3)
    assert isinstance(refused.error, OutOfStock)
    assert str(refused.error) == "inventory.reserve: fewer than 3 of book are left"
    assert b.ask("inventory.reserve", "book", 2).error is None
    assert isinstance(b.ask("inventory.reserve", "book", 1).error, OutOfStock)
    assert held(b) == ledger_holds(b) == {"book": 5}


def test_an_order_of_several_items_can_be_left_half_reserved(bench: Bench) -> None:
    """One request an item: the first is held although the second is out of stock."""
    b = warehouse(bench, book=5, pen=0)
    b.ask("inventory.reserve", "book", 1, reference="o-1")
    assert isinstance(b.ask("inventory.reserve", "pen", 1, reference="o-1").error, OutOfStock)
    assert held(b) == {"book": 1}


def test_an_item_not_named_has_the_default_stock(bench: Bench) -> None:
    """A million, unless set otherwise."""
    spec = ServiceSpec(Inventory, options={"default_stock": 3})
    b = bench({"inventory": spec})
    assert b.ask("inventory.reserve", "anything", 3).error is None
    assert isinstance(b.ask("inventory.reserve", "anything", 1).error, OutOfStock)
    assert warehouse(bench).ask("inventory.reserve", "anything", 1_000_000).error is None


def test_a_key_makes_a_retry_a_replay(bench: Bench) -> None:
    """The same reservation is given; without a key it is another one."""
    b = warehouse(bench, "lose_reply", book=5)
    b.ask("inventory.reserve", "book", 2, idempotency_key="k")
    assert b.ask("inventory.reserve", "book", 2, idempotency_key="k").value == {"reservation": 1}
    assert held(b) == {"book": 2}
    b.ask("inventory.reserve", "book", 2)
    assert held(b) == {"book": 4}


def test_a_500_is_not_saved_under_a_key(bench: Bench) -> None:
    """The key is a unique column, not a saved answer: the retry after a 500 without effect reserves."""
    b = warehouse(bench, "error", book=5)
    assert b.ask("inventory.reserve", "book", 2, idempotency_key="k").error is not None
    assert b.ask("inventory.reserve", "book", 2, idempotency_key="k").error is None
    assert held(b) == {"book": 2}


def test_release_puts_back_all_under_a_reference(bench: Bench) -> None:
    """Last first, each entry of the ledger undone by name; other references are left alone."""
    b = warehouse(bench, book=5, pen=5)
    b.ask("inventory.reserve", "book", 1, reference="o-1")
    b.ask("inventory.reserve", "pen", 2, reference="o-1")
    b.ask("inventory.reserve", "book", 3, reference="o-2")
    assert b.ask("inventory.release", reference="o-1").value == {"released": 2}
    undos = [(entry.kind, entry.subject, entry.quantity, entry.undoes) for entry in b.ledger[3:]]
    assert undos == [("inventory.release", "pen", -2, 1), ("inventory.release", "book", -1, 0)]
    assert held(b) == ledger_holds(b) == {"book": 3}


def test_release_is_idempotent(bench: Bench) -> None:
    """A second one finds nothing, and puts nothing back."""
    b = warehouse(bench, book=5)
    b.ask("inventory.reserve", "book", 2, reference="o-1")
    b.ask("inventory.release", reference="o-1")
    assert b.ask("inventory.release", reference="o-1").value == {"released": 0}
    assert (held(b), len(b.ledger)) == ({}, 2)


def test_released_units_can_be_reserved_again(bench: Bench) -> None:
    """By others."""
    b = warehouse(bench, book=2)
    b.ask("inventory.reserve", "book", 2, reference="o-1")
    assert isinstance(b.ask("inventory.reserve", "book", 2, reference="o-2").error, OutOfStock)
    b.ask("inventory.release", reference="o-1")
    assert b.ask("inventory.reserve", "book", 2, reference="o-2").error is None


def test_a_release_may_come_before_its_reservation(bench: Bench) -> None:
    """It finds nothing, and the reservation that arrives late is refused."""
    b = warehouse(bench, "late_effect", book=5)
    b.ask("inventory.reserve", "book", 2, reference="o-1")
    assert b.ask("inventory.release", reference="o-1").value == {"released": 0}
    b.run()
    assert (b.ledger, held(b)) == ((), {})
    assert isinstance(b.ask("inventory.reserve", "book", 2, reference="o-1").error, Canceled)
    assert b.ask("inventory.reserve", "book", 2, reference="o-2").error is None


def test_a_retry_after_the_release_is_refused_also_with_a_key(bench: Bench) -> None:
    """The tombstone comes before the key: nobody is told of a reservation that no longer stands."""
    b = warehouse(bench, book=5)
    b.ask("inventory.reserve", "book", 2, reference="o-1", idempotency_key="k")
    b.ask("inventory.release", reference="o-1")
    again = b.ask("inventory.reserve", "book", 2, reference="o-1", idempotency_key="k")
    assert isinstance(again.error, Canceled)


requests = st.one_of(
    st.tuples(
        st.sampled_from(["book", "pen"]),
        st.integers(1, 4),
        st.sampled_from([None, "k1", "k2"]),
        st.sampled_from([None, "r1", "r2"]),
    ),
    st.sampled_from(["r1", "r2"]),
)


@given(st.lists(requests, max_size=10), st.lists(st.sampled_from([None, *CALL_FAULTS]), max_size=6))
@settings(max_examples=60)
def test_the_database_equals_the_ledger_and_stock_never_runs_below_zero(
    bench: Bench, asked: list[Any], faults: list[CallFault | None]
) -> None:
    """After any reservations and releases under any faults."""
    b = warehouse(bench, *faults, book=6, pen=6)
    for one in asked:
        if isinstance(one, str):
            b.send("inventory.release", reference=one)
        else:
            sku, quantity, key, reference = one
            b.send("inventory.reserve", sku, quantity, reference=reference, idempotency_key=key)
        b.run(for_us=5_000)
    b.run()
    assert held(b) == ledger_holds(b)
    assert all(0 <= units <= 6 for units in held(b).values())
    undone = [entry.undoes for entry in b.ledger if entry.undoes is not None]
    assert len(undone) == len(set(undone))
