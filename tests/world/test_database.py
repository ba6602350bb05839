"""The database: one writer at a time, transactions that take time, and connections that are lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.randomness import Constant
from durable_sim.trace import EFFECT_APPLIED
from durable_sim.workflows.failures import ServiceUnavailable
from durable_sim.world.database import Transaction
from durable_sim.world.faults import CallFault, Mixture
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email
from durable_sim.world.services.inventory import Inventory
from durable_sim.world.services.orders import Orders

Bench = Any  # the class that the fixture gives
MS = 1_000


def shop(bench: Bench, *faults: CallFault | None) -> Any:
    """Inventory and orders in one database, and mail outside of it; `faults` are scripted for reservations."""
    options: dict[str, Any] = {
        "latency": Constant("10ms"),
        "client_timeout": "10s",
        "faults": Mixture(late_by=Constant("5s"), duplicate_after=Constant("1s")),
    }
    specs = {
        "inventory": ServiceSpec(Inventory, options={"stock": {"book": 5}}, **options),
        "orders": ServiceSpec(Orders, **options),
        "email": ServiceSpec(Email, **options),
    }
    return bench(specs, scripts=bench.script("inventory.reserve", *faults))


def held(b: Any) -> dict[str, int]:
    """What is reserved, by the database."""
    return dict(b.world.services["inventory"].balance()["reserve"])


def test_effects_of_a_transaction_enter_the_ledger_at_its_commit(bench: Bench) -> None:
    """Not at their statements: at the commit all of them, in the order of the statements, with its time."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("inventory.reserve", "book", 2, transaction=transaction)
    completed = b.ask("orders.complete", "o-1", transaction=transaction)
    b.run(for_us=100 * MS)
    assert (b.ledger, held(b)) == ((), {"book": 2})
    assert EFFECT_APPLIED not in [record.kind for record in b.world.trace]
    b.world.database.close(transaction, commit=True)
    commit_us = b.world.now_us
    assert [(entry.kind, entry.time_us) for entry in b.ledger] == [
        ("inventory.reserve", commit_us),
        ("orders.complete", commit_us),
    ]
    assert completed.kinds[-1] == EFFECT_APPLIED


def test_a_rollback_leaves_nothing(bench: Bench) -> None:
    """Neither in the tables nor in the ledger; what is reserved afterwards is undone by its own entry."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("inventory.reserve", "book", 2, reference="r", transaction=transaction)
    b.world.database.close(transaction, commit=False)
    assert (b.ledger, held(b)) == ((), {})
    b.ask("inventory.reserve", "book", 3, reference="r")
    b.ask("inventory.release", reference="r")
    assert [(entry.quantity, entry.undoes) for entry in b.ledger] == [(3, None), (-3, 0)]


def test_doing_and_undoing_in_one_transaction_are_entered_together(bench: Bench) -> None:
    """The undo names the entry that its action got at the commit."""
    b = shop(bench)
    b.ask("orders.complete", "o-7")
    transaction = Transaction(b.caller)
    b.ask("inventory.reserve", "book", 2, reference="r", transaction=transaction)
    b.ask("inventory.release", reference="r", transaction=transaction)
    b.world.database.close(transaction, commit=True)
    assert [(entry.index, entry.kind, entry.undoes) for entry in b.ledger[1:]] == [
        (1, "inventory.reserve", None),
        (2, "inventory.release", 1),
    ]


def test_an_open_transaction_makes_the_others_wait(bench: Bench) -> None:
    """Their statements run at its end, readers included, in the order in which they came."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("inventory.reserve", "book", 2, transaction=transaction)
    waiting = [b.send("orders.get", "o-1"), b.send("inventory.reserve", "book", 1), b.send("orders.complete", "o-1")]
    b.run(for_us=2_000 * MS)
    assert [one.heard for one in waiting] == [[], [], []]
    end_us = b.world.now_us
    b.world.database.close(transaction, commit=True)
    b.run(for_us=100 * MS)
    assert [one.at_us for one in waiting] == [end_us + 5 * MS] * 3
    assert waiting[0].value["status"] == "new"
    assert [entry.kind for entry in b.ledger] == ["inventory.reserve", "inventory.reserve", "orders.complete"]


def test_its_own_statements_do_not_wait(bench: Bench) -> None:
    """The transaction that holds the lock goes on, and sees what it wrote."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("orders.complete", "o-1", transaction=transaction)
    sent_us = b.world.now_us
    read = b.ask("orders.get", "o-1", transaction=transaction)
    assert (read.at_us - sent_us, read.value["status"]) == (10 * MS, "complete")


def test_who_waits_too_long_gives_up_and_the_statement_runs_all_the_same(bench: Bench) -> None:
    """A lock wait is as ambiguous as any other time-out."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("orders.complete", "o-1", transaction=transaction)
    asked = b.send("inventory.reserve", "book", 1)
    b.run(for_us=20_000 * MS)
    assert type(asked.error).__name__ == "CallTimeout"
    b.world.database.close(transaction, commit=True)
    b.run()
    assert len(asked.effects) == 1


def test_transactions_take_the_lock_in_turn(bench: Bench, caller: Callable[..., Any]) -> None:
    """The second opens when the first has ended, and the third waits on."""
    b = shop(bench)
    first, second, third = (Transaction(caller(f"w{number}")) for number in range(3))
    b.ask("inventory.reserve", "book", 1, transaction=first)
    asked = [b.send("inventory.reserve", "book", 1, transaction=one) for one in (second, third)]
    b.run(for_us=100 * MS)
    assert (second.begun, third.begun) == (False, False)
    b.world.database.close(first, commit=True)
    b.run(for_us=100 * MS)
    assert (second.begun, third.begun, len(asked[0].heard), asked[1].heard) == (True, False, 1, [])
    b.world.database.close(second, commit=False)
    b.run(for_us=100 * MS)
    assert third.begun
    b.world.database.close(third, commit=True)
    assert held(b) == {"book": 2}


def test_a_lost_connection_is_rolled_back_and_lets_the_others_go_on(bench: Bench, caller: Callable[..., Any]) -> None:
    """The database notices that a client died, and nothing of its transaction remains."""
    b = shop(bench)
    dead = caller("w1")
    transaction = Transaction(dead)
    b.ask("inventory.reserve", "book", 5, caller=dead, transaction=transaction)
    waiting = b.send("inventory.reserve", "book", 5, caller=caller("w2"))
    b.run(for_us=100 * MS)
    dead.alive = False
    b.world.database.connection_lost(dead)
    b.run(for_us=100 * MS)
    assert waiting.error is None
    assert (len(b.ledger), held(b)) == (1, {"book": 5})


def test_the_end_of_another_connection_changes_nothing(bench: Bench, caller: Callable[..., Any]) -> None:
    """Only the holder's own death ends its transaction."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("inventory.reserve", "book", 1, transaction=transaction)
    b.world.database.connection_lost(caller("w2"))
    assert not transaction.closed
    b.world.database.close(transaction, commit=True)
    assert len(b.ledger) == 1


@pytest.mark.parametrize("how", ["died", "rolled back", "committed"])
def test_a_statement_that_arrives_after_the_end_of_its_transaction_does_nothing(bench: Bench, how: str) -> None:
    """A late statement finds no connection: it is not run on its own."""
    b = shop(bench, None, "late_effect")
    transaction = Transaction(b.caller)
    b.ask("inventory.reserve", "book", 1, transaction=transaction)
    late = b.ask("inventory.reserve", "book", 1, transaction=transaction)
    assert late.error is not None
    if how == "died":
        b.caller.alive = False
        b.world.database.connection_lost(b.caller)
    else:
        b.world.database.close(transaction, commit=how == "committed")
    b.run()
    assert late.effects == []
    assert held(b) == ({"book": 1} if how == "committed" else {})


def test_a_first_statement_of_a_closed_transaction_opens_nothing(bench: Bench) -> None:
    """It is refused, and the lock stays free."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.world.database.close(transaction, commit=True)
    assert isinstance(b.ask("inventory.reserve", "book", 1, transaction=transaction).error, ServiceUnavailable)
    assert not b.world.database.blocked(None)


def test_a_second_end_of_a_transaction_is_ignored(bench: Bench) -> None:
    """Committed is committed."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("inventory.reserve", "book", 1, transaction=transaction)
    b.world.database.close(transaction, commit=True)
    b.world.database.close(transaction, commit=False)
    b.world.database.close(transaction, commit=True)
    assert (len(b.ledger), held(b)) == (1, {"book": 1})


def test_a_service_outside_the_database_takes_no_part_in_a_transaction(bench: Bench) -> None:
    """A mail is sent at once and stays sent: the rollback does not take it back."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("orders.complete", "o-1", transaction=transaction)
    b.ask("email.send", "ann", "hello", transaction=transaction)
    assert [entry.kind for entry in b.ledger] == ["email.send"]
    b.world.database.close(transaction, commit=False)
    assert [entry.kind for entry in b.ledger] == ["email.send"]


def test_a_refused_statement_leaves_its_transaction_open(bench: Bench) -> None:
    """Out of stock is an answer like any other: what came before can still be committed."""
    b = shop(bench)
    transaction = Transaction(b.caller)
    b.ask("orders.complete", "o-1", transaction=transaction)
    assert b.ask("inventory.reserve", "book", 99, transaction=transaction).error is not None
    b.world.database.close(transaction, commit=True)
    assert [entry.kind for entry in b.ledger] == ["orders.complete"]
