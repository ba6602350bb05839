"""Balance: the services' books against the ledger, and the ledger against what completed executions owe."""

from __future__ import annotations

from collections.abc import Mapping

from durable_sim.checks.balance import books, totals
from durable_sim.checks.ledgers import EffectKey
from durable_sim.checks.owed import Debt
from durable_sim.models.executions import Execution, Status
from durable_sim.world.ledger import Entry
from tests.checks.ledgers import CHARGE, KINDS, MAIL, RESERVE, WIRE, did, execution, ledger, told, undid

STATUSES: tuple[Status, ...] = ("open", "completed", "failed")


def differing(*entries: Entry, balances: Mapping[str, Mapping[str, int]]) -> list[object]:
    """Where books and ledger differ."""
    return told("imbalance", books(ledger(*entries), balances, KINDS))


def test_books_that_say_what_the_ledger_says_are_right() -> None:
    """Undos are taken off; kinds of which no books are kept are left out."""
    entries = did(CHARGE, quantity=40), did(CHARGE, quantity=2), undid(0, CHARGE, quantity=40), did(MAIL)
    assert differing(*entries, balances={CHARGE: {"": 2}, RESERVE: {}}) == []


def test_every_subject_that_differs_is_found_in_the_order_of_their_names() -> None:
    """In the books only, in the ledger only, and in both with other amounts; never those that agree."""
    entries = did(RESERVE, subject="lamp"), did(RESERVE, subject="book", quantity=3), did(RESERVE, subject="pen")
    assert differing(*entries, balances={CHARGE: {"": -1}, RESERVE: {"ink": 1, "book": 4, "pen": 1}}) == [
        (None, CHARGE, "-1 in the service's books", "0 as in the ledger", None),
        (None, "stock.reserve book", "4 in the service's books", "3 as in the ledger", None),
        (None, "stock.reserve ink", "1 in the service's books", "0 as in the ledger", None),
        (None, "stock.reserve lamp", "0 in the service's books", "1 as in the ledger", None),
    ]


def summed(*entries: Entry, executions: list[Execution], owed: list[Mapping[EffectKey, int]]) -> list[object]:
    """Where the ledger's sums differ from what is owed."""
    return told(
        "imbalance", totals(ledger(*entries), executions, [Debt(True, {}, quantities) for quantities in owed], KINDS)
    )


def test_completed_executions_owe_and_failed_ones_do_not() -> None:
    """What stands for the completed one is as much as it owes; the failed one has given all back."""
    executions = [execution("o-1"), execution("o-2", "failed")]
    entries = did(CHARGE, quantity=40), did(CHARGE, quantity=7, execution="o-2")
    owed: list[Mapping[EffectKey, int]] = [{EffectKey(CHARGE, ""): 40}, {EffectKey(CHARGE, ""): 7}]
    undo = undid(1, CHARGE, quantity=7, execution="o-2")
    assert summed(*entries, undo, executions=executions, owed=owed) == []
    assert summed(*entries, executions=executions, owed=owed) == [
        (None, CHARGE, "47 cents", "40 cents for what is completed", None)
    ]


def test_open_executions_are_left_out_on_both_sides() -> None:
    """Neither what they have done by now nor what they will owe counts."""
    entries = (did(CHARGE, quantity=7, execution="o-2"),)
    executions = [execution("o-1"), execution("o-2", "open")]
    assert summed(*entries, executions=executions, owed=[{}, {EffectKey(CHARGE, ""): 7}]) == []


def test_what_is_irrevocable_of_a_failed_execution_is_left_out() -> None:
    """A wire cannot be taken back: it counts for who completes, and for nobody who fails."""
    wires = did(WIRE, quantity=5), did(WIRE, quantity=7, execution="o-2")
    owed: list[Mapping[EffectKey, int]] = [{EffectKey(WIRE, ""): 5}, {EffectKey(WIRE, ""): 7}]
    one = execution("o-1")
    assert summed(*wires, executions=[one, execution("o-2", "failed")], owed=owed) == []
    assert summed(*wires, executions=[one, execution("o-2")], owed=owed) == []
    assert len(summed(*wires, executions=[one, execution("o-2")], owed=[owed[0], {}])) == 1


def test_an_undo_counts_for_who_had_done_what_it_undoes() -> None:
    """Whoever refunds: it is the first order's charge that is gone, whether the second one is still open or not."""
    entries = did(CHARGE, quantity=40), undid(0, CHARGE, quantity=40, execution="o-2")
    owed: list[Mapping[EffectKey, int]] = [{EffectKey(CHARGE, ""): 40}, {}]
    for status in STATUSES:
        assert summed(*entries, executions=[execution("o-1"), execution("o-2", status)], owed=owed) == [
            (None, CHARGE, "0 cents", "40 cents for what is completed", None)
        ]
    assert summed(*entries, executions=[execution("o-1", "open"), execution("o-2")], owed=owed) == []


def test_more_given_back_than_was_ever_taken_does_not_balance_either() -> None:
    """Undos of nothing make a sum below zero."""
    assert summed(undid(None, CHARGE, quantity=3), executions=[execution()], owed=[{}]) == [
        (None, CHARGE, "-3 cents", "0 cents for what is completed", None)
    ]


def test_what_nobody_of_the_scenario_has_done_is_left_out() -> None:
    """An entry of an execution that somebody else started is no part of the sums."""
    assert summed(did(CHARGE, execution="child"), executions=[execution()], owed=[{}]) == []


def test_subjects_are_summed_and_kinds_are_not() -> None:
    """One book for a lamp balances, here; money for a parcel does not. Kinds come in the order of their names."""
    entries = did(RESERVE, subject="lamp"), did(CHARGE)
    owed: list[Mapping[EffectKey, int]] = [{EffectKey(RESERVE, "book"): 1, EffectKey("ship.send", ""): 1}]
    assert summed(*entries, executions=[execution()], owed=owed) == [
        (None, CHARGE, "1 cents", "0 cents for what is completed", None),
        (None, "ship.send", "0 parcels", "1 parcels for what is completed", None),
    ]


def test_mails_are_not_summed() -> None:
    """Neither those sent nor those owed."""
    assert summed(did(MAIL), did(MAIL), executions=[execution()], owed=[{EffectKey(MAIL, ""): 1}]) == []
    assert summed(executions=[execution()], owed=[{EffectKey(MAIL, ""): 1}]) == []
