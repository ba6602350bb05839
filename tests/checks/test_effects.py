"""Effects: as often as they are owed, at every moment and in the end."""

from __future__ import annotations

from collections.abc import Mapping

from durable_sim.checks.effects import duplicates, lost, orphaned, repeats, wrong_amounts
from durable_sim.checks.ledgers import EffectKey
from durable_sim.checks.owed import Debt
from durable_sim.world.ledger import Entry
from tests.checks.ledgers import CHARGE, KINDS, MAIL, RESERVE, SORRY, WIRE, did, ledger, told, undid

Owed = Mapping[tuple[str, ...], int]
"""Effects by kind, subject and, where it matters, whose they are."""


def keyed(effects: Owed) -> dict[EffectKey, int]:
    """Effects by their keys."""
    return {EffectKey(*key): count for key, count in effects.items()}


def owes(effects: Owed | None = None, quantities: Owed | None = None) -> Debt:
    """A debt of these effects."""
    return Debt(True, keyed(effects or {}), keyed(quantities or {}))


def doubled(*entries: Entry, debt: Debt = owes()) -> list[object]:
    """What is found to be done too often."""
    return told("duplicate_effect", duplicates("o-1", ledger(*entries), debt, KINDS))


def test_one_of_everything_is_no_duplicate() -> None:
    """Kinds and subjects are counted apart; where nothing is owed, one is still no duplicate."""
    assert doubled(did(CHARGE), did(RESERVE, subject="book"), did(RESERVE, subject="lamp")) == []


def test_every_effect_above_what_is_owed_is_a_duplicate_of_its_own() -> None:
    """The second and the third charge are found, each with its count and its time."""
    assert doubled(did(CHARGE, 5), did(CHARGE, 6), did(CHARGE, 7)) == [
        ("o-1", CHARGE, "2 at the same time", "1", 6),
        ("o-1", CHARGE, "3 at the same time", "1", 7),
    ]


def test_as_many_as_are_owed_are_allowed_and_one_more_is_not() -> None:
    """The debt of the very kind and subject counts."""
    key = (RESERVE, "book")
    twice = (did(RESERVE, 1, subject="book"), did(RESERVE, 2, subject="book"))
    assert doubled(*twice, debt=owes({key: 2})) == []
    assert doubled(*twice, did(RESERVE, 3, subject="book"), debt=owes({key: 2})) == [
        ("o-1", "stock.reserve book", "3 at the same time", "2", 3)
    ]
    assert len(doubled(*twice, debt=owes({(RESERVE, "lamp"): 2}))) == 1


def test_what_is_undone_in_between_does_not_count() -> None:
    """Charge, refund, charge is never more than one; a refund of the first that comes too late does not help."""
    assert doubled(did(CHARGE), undid(0, CHARGE), did(CHARGE)) == []
    assert len(doubled(did(CHARGE), did(CHARGE), undid(0, CHARGE))) == 1


def test_an_undo_frees_its_own_subject_only() -> None:
    """To release a lamp makes no second book right."""
    book, lamp = did(RESERVE, subject="book"), did(RESERVE, subject="lamp")
    assert doubled(book, lamp, undid(0, RESERVE, subject="book"), book) == []
    assert len(doubled(book, lamp, undid(1, RESERVE, subject="lamp"), book)) == 1


def test_the_same_effect_undone_twice_is_a_duplicate_and_two_effects_undone_are_none() -> None:
    """It is found at the second undo, under the kind of the undo; and it frees nothing a second time."""
    assert doubled(did(CHARGE), undid(0, CHARGE, 4), undid(0, CHARGE, 5)) == [
        ("o-1", "pay.refund", "undone twice", "once", 5)
    ]
    assert doubled(did(CHARGE), undid(0, CHARGE), did(CHARGE), undid(2, CHARGE)) == []
    found = doubled(did(CHARGE), undid(0, CHARGE), undid(0, CHARGE), did(CHARGE, 1), did(CHARGE, 2))
    assert found == [
        ("o-1", "pay.refund", "undone twice", "once", 0),
        ("o-1", CHARGE, "2 at the same time", "1", 2),
    ]


def test_an_undo_of_nothing_is_neither_an_effect_nor_an_undo() -> None:
    """Two refunds that name no charge are no duplicates here."""
    assert doubled(undid(None, CHARGE), undid(None, CHARGE)) == []


def test_mails_may_be_repeated_and_recalled_twice() -> None:
    """Only what is owed exactly once can be done too often."""
    assert doubled(did(MAIL), did(MAIL), undid(0, MAIL), undid(0, MAIL)) == []


def test_effects_for_each_are_counted_apart_and_told_apart() -> None:
    """Two customers of one execution may have one each; a second one for bob is told of bob."""
    debt = owes({(CHARGE, "", "ada"): 1, (CHARGE, "", "bob"): 1})
    ada, bob = did(CHARGE, whose="ada"), did(CHARGE, whose="bob")
    assert doubled(ada, bob, debt=debt) == []
    assert doubled(bob, did(CHARGE, 7, whose="bob"), debt=debt) == [
        ("o-1", "pay.charge for bob", "2 at the same time", "1", 7)
    ]
    assert doubled(bob, undid(0, CHARGE, whose="bob"), bob, debt=debt) == []


def test_whose_an_effect_is_is_not_told_where_there_is_only_one() -> None:
    """Neither the debt nor the ledger knows of anybody else."""
    ada = did(CHARGE, 5, whose="ada")
    assert doubled(ada, ada, debt=owes({(CHARGE, "", "ada"): 1})) == [("o-1", CHARGE, "2 at the same time", "1", 5)]


def test_one_for_somebody_else_as_well_is_a_duplicate_while_it_stands() -> None:
    """Ada is owed one; a second one, for bob, is one too many of all, unless the first was undone by then."""
    ada, bob = did(CHARGE, 1, whose="ada"), did(CHARGE, 2, whose="bob")
    debt = owes({(CHARGE, "", "ada"): 1})
    assert doubled(ada, bob, debt=debt) == [("o-1", CHARGE, "2 at the same time", "1", 2)]
    assert doubled(ada, undid(0, CHARGE, whose="ada"), bob, debt=debt) == []
    assert doubled(bob, debt=debt) == []
    assert doubled(ada, did(CHARGE, subject="tip", whose="bob"), debt=debt) == []


def test_all_together_may_be_as_many_as_are_owed_to_all_together() -> None:
    """Of the two that are owed, one has gone to a third: that is no duplicate, it is lost and left over."""
    debt = owes({(CHARGE, "", "ada"): 1, (CHARGE, "", "bob"): 1})
    ada, eve = did(CHARGE, whose="ada"), did(CHARGE, 3, whose="eve")
    assert doubled(ada, eve, debt=debt) == []
    assert doubled(ada, did(CHARGE, whose="bob"), eve, debt=debt) == [("o-1", CHARGE, "3 at the same time", "2", 3)]


def test_to_undo_what_another_one_did_makes_no_room_for_a_second_effect() -> None:
    """Who refunds another order's charge and then charges twice has charged twice (planted bug); once is right."""
    other, charge = did(CHARGE, execution="o-0"), did(CHARGE, 8)
    entries = ledger(other, undid(0, CHARGE), did(CHARGE, 7), charge)
    own = [entry for entry in entries if entry.execution == "o-1"]
    assert told("duplicate_effect", duplicates("o-1", own, owes(), KINDS)) == [
        ("o-1", CHARGE, "2 at the same time", "1", 8)
    ]
    assert list(duplicates("o-1", own[:-1], owes(), KINDS)) == []


def test_what_another_one_undid_makes_room_for_a_second_effect() -> None:
    """For whoever had done it."""
    assert doubled(did(CHARGE), undid(0, CHARGE, execution="o-2"), did(CHARGE)) == []


def missing(*entries: Entry, owed: Owed) -> list[object]:
    """What a completed execution has lost."""
    return told("lost_effect", lost("o-1", ledger(*entries), owes(owed), KINDS))


def test_what_is_owed_and_not_there_is_lost() -> None:
    """With the number found and the number owed; fewer than owed is lost too, enough is not."""
    key = (RESERVE, "book")
    one = did(RESERVE, subject="book")
    expected = "2, as it says it is completed"
    assert missing(owed={key: 2}) == [("o-1", "stock.reserve book", "0", expected, None)]
    assert missing(one, owed={key: 2}) == [("o-1", "stock.reserve book", "1", expected, None)]
    assert missing(one, one, owed={key: 2}) == missing(one, one, one, owed={key: 2}) == []


def test_an_effect_that_was_undone_is_lost_but_a_mail_once_sent_is_not() -> None:
    """At least once asks whether it was ever made, exactly once whether it stands."""
    assert len(missing(did(CHARGE), undid(0, CHARGE), owed={(CHARGE, ""): 1})) == 1
    assert missing(did(MAIL), undid(0, MAIL), owed={(MAIL, ""): 1}) == []
    assert len(missing(owed={(MAIL, ""): 1})) == 1


def test_best_effort_is_never_lost() -> None:
    """It may be missing, and does not hide what comes after it."""
    assert missing(owed={(SORRY, ""): 1, (CHARGE, ""): 1}) == [
        ("o-1", CHARGE, "0", "1, as it says it is completed", None)
    ]


def test_what_one_has_got_is_lost_for_the_other() -> None:
    """As many as are owed, and not for whom they are owed: it says who got none, for mails too."""
    owed = {(CHARGE, "", "ada"): 1, (CHARGE, "", "bob"): 1}
    bob = did(CHARGE, whose="bob")
    assert missing(bob, bob, owed=owed) == [("o-1", "pay.charge for ada", "0", "1, as it says it is completed", None)]
    assert missing(bob, did(CHARGE, whose="ada"), owed=owed) == []
    mail = did(MAIL, subject="bye", whose="bob")
    assert missing(mail, owed={(MAIL, "bye", "ada"): 1}) == [
        ("o-1", "mail.send bye for ada", "0", "1, as it says it is completed", None)
    ]
    assert missing(owed={(CHARGE, "", "ada"): 1}) == [("o-1", CHARGE, "0", "1, as it says it is completed", None)]


def amiss(*entries: Entry, owed: Owed, quantities: Owed) -> list[object]:
    """What a completed execution has done in another quantity than it owes."""
    return told("wrong_amount", wrong_amounts("o-1", ledger(*entries), owes(owed, quantities), KINDS))


def test_an_amount_that_is_not_the_one_owed_is_wrong_in_either_direction() -> None:
    """With the unit; the very amount is right, whatever it is made of."""
    one, forty = {(CHARGE, ""): 1}, {(CHARGE, ""): 40}
    assert amiss(did(CHARGE, quantity=40), owed=one, quantities=forty) == []
    for found in (39, 41):
        assert amiss(did(CHARGE, quantity=found), owed=one, quantities=forty) == [
            ("o-1", CHARGE, f"{found} cents", "40 cents", None)
        ]
    two = did(CHARGE, quantity=15), did(CHARGE, quantity=25)
    assert amiss(*two, owed={(CHARGE, ""): 2}, quantities=forty) == []


def test_only_what_stands_counts_as_an_amount() -> None:
    """What was undone is no part of it."""
    entries = did(CHARGE, quantity=60), undid(0, CHARGE, quantity=60), did(CHARGE, quantity=40)
    assert amiss(*entries, owed={(CHARGE, ""): 1}, quantities={(CHARGE, ""): 40}) == []


def test_amounts_are_held_against_what_is_owed_to_each() -> None:
    """Forty for bob and sixty for ada are wrong twice where it is to be the other way round."""
    ada, bob = (CHARGE, "", "ada"), (CHARGE, "", "bob")
    entries = did(CHARGE, whose="bob", quantity=40), did(CHARGE, whose="ada", quantity=60)
    assert amiss(*entries, owed={ada: 1, bob: 1}, quantities={ada: 40, bob: 60}) == [
        ("o-1", "pay.charge for ada", "60 cents", "40 cents", None),
        ("o-1", "pay.charge for bob", "40 cents", "60 cents", None),
    ]


def test_what_is_lost_or_doubled_or_owed_more_loosely_is_no_wrong_amount() -> None:
    """It is said once, as what it is; the number of mails is no amount."""
    assert amiss(owed={(CHARGE, ""): 1}, quantities={(CHARGE, ""): 40}) == []
    twice = did(CHARGE, quantity=40), did(CHARGE, quantity=40)
    assert amiss(*twice, owed={(CHARGE, ""): 1}, quantities={(CHARGE, ""): 40}) == []
    assert amiss(did(MAIL, quantity=2), owed={(MAIL, ""): 1}, quantities={(MAIL, ""): 1}) == []


def left(*entries: Entry, owed: Owed | None = None) -> list[object]:
    """What stands and is owed to nobody, of an execution that has failed if nothing is owed."""
    return told("orphaned_effect", orphaned("o-1", ledger(*entries), None if owed is None else owes(owed), KINDS))


def test_what_stands_and_is_not_owed_is_an_orphan() -> None:
    """It is found once for each kind and subject, with the number that stands."""
    assert left(did(CHARGE), did(CHARGE), did(RESERVE, subject="book")) == [
        ("o-1", CHARGE, "2 left standing", "0", None),
        ("o-1", "stock.reserve book", "1 left standing", "0", None),
    ]


def test_what_was_undone_or_is_owed_or_is_a_mail_is_no_orphan() -> None:
    """More than is owed is a duplicate, and not said twice."""
    assert left(did(CHARGE), undid(0, CHARGE)) == []
    assert left(did(CHARGE), did(CHARGE), owed={(CHARGE, ""): 1}) == []
    assert left(did(MAIL), did(SORRY)) == []
    assert len(left(did(RESERVE, subject="book"), owed={(RESERVE, "lamp"): 1})) == 1


def test_what_stands_for_somebody_else_is_an_orphan() -> None:
    """It says for whom it stands."""
    assert left(did(CHARGE, whose="bob"), owed={(CHARGE, "", "ada"): 1}) == [
        ("o-1", "pay.charge for bob", "1 left standing", "0", None)
    ]
    assert left(did(CHARGE, whose="ada"), owed={(CHARGE, "", "ada"): 1}) == []


def test_what_is_irrevocable_may_be_left_by_who_fails_and_by_nobody_else() -> None:
    """A wire of a failed execution is no orphan, a charge is; a wire that a completed one does not owe is."""
    assert left(did(WIRE), did(CHARGE)) == [("o-1", CHARGE, "1 left standing", "0", None)]
    assert left(did(WIRE, whose="eve"), owed={(WIRE, "", "ada"): 1}) == [
        ("o-1", "bank.wire for eve", "1 left standing", "0", None)
    ]


def test_what_is_irrevocable_is_a_duplicate_like_everything_else() -> None:
    """And it is lost where it is owed and missing."""
    assert doubled(did(WIRE, 1), did(WIRE, 2)) == [("o-1", WIRE, "2 at the same time", "1", 2)]
    assert len(missing(owed={(WIRE, ""): 1})) == 1


def test_repeats_are_mails_beyond_those_owed() -> None:
    """Too few are none, and do not make up for others; what is owed exactly once is no repeat."""
    one, two = did(MAIL, subject="a"), did(MAIL, subject="b")
    owed = owes({(MAIL, "a"): 2, (MAIL, "b"): 1})
    assert repeats(ledger(one, two, two, two), owed, KINDS) == 2
    assert repeats(ledger(one, one, two), owed, KINDS) == 0
    assert repeats(ledger(one, one), owes(), KINDS) == 2
    assert repeats(ledger(did(CHARGE), did(CHARGE), did(SORRY)), owes(), KINDS) == 0
