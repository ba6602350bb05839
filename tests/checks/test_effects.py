"""Effects: as often as they are owed, at every moment and in the end."""

from __future__ import annotations

from collections.abc import Mapping

from durable_sim.checks.effects import duplicates, lost, orphaned, repeats
from durable_sim.checks.owed import Debt, EffectKey
from durable_sim.world.ledger import Entry
from tests.checks.ledgers import CHARGE, KINDS, MAIL, RESERVE, SORRY, did, ledger, told, undid


def owes(effects: Mapping[EffectKey, int] | None = None) -> Debt:
    """A debt of these effects."""
    return Debt(True, effects or {}, {})


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


def missing(*entries: Entry, owed: Mapping[EffectKey, int]) -> list[object]:
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


def left(*entries: Entry, owed: Mapping[EffectKey, int] | None = None) -> list[object]:
    """What stands and is owed to nobody."""
    return told("orphaned_effect", orphaned("o-1", ledger(*entries), owed or {}, KINDS))


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


def test_repeats_are_mails_beyond_those_owed() -> None:
    """Too few are none, and do not make up for others; what is owed exactly once is no repeat."""
    one, two = did(MAIL, subject="a"), did(MAIL, subject="b")
    owed = owes({(MAIL, "a"): 2, (MAIL, "b"): 1})
    assert repeats(ledger(one, two, two, two), owed, KINDS) == 2
    assert repeats(ledger(one, one, two), owed, KINDS) == 0
    assert repeats(ledger(one, one), owes(), KINDS) == 2
    assert repeats(ledger(did(CHARGE), did(CHARGE), did(SORRY)), owes(), KINDS) == 0
