"""Compensation order: what was done first is undone last."""

from __future__ import annotations

import pytest

from durable_sim.checks.compensation import out_of_order
from durable_sim.world.ledger import Entry
from tests.checks.ledgers import CHARGE, KINDS, MAIL, RESERVE, did, ledger, told, undid


def found(*entries: Entry) -> list[object]:
    """What is undone out of order."""
    return told("compensation_order", out_of_order("o-1", ledger(*entries), KINDS))


FIRST, SECOND = did(CHARGE, 10, step=1), did(RESERVE, 30, sent=20, step=2)


def test_last_in_first_out_is_silent_and_first_in_first_out_is_found() -> None:
    """The violation names both undos in the order in which they came, and the time of the later one."""
    assert found(FIRST, SECOND, undid(1, RESERVE, 40), undid(0, CHARGE, 50)) == []
    assert found(FIRST, SECOND, undid(0, CHARGE, 40), undid(1, RESERVE, 50)) == [
        ("o-1", CHARGE, "pay.refund before stock.release", "stock.reserve undone first, as it was done last", 50)
    ]


@pytest.mark.parametrize(("sent", "ordered"), [(9, False), (10, True), (11, True)])
def test_effects_are_in_order_if_the_second_was_sent_when_the_first_had_taken_place(sent: int, ordered: bool) -> None:
    """To the microsecond: sent at the very instant of the first effect is after it."""
    second = did(RESERVE, 30, sent=sent, step=2)
    assert bool(found(FIRST, second, undid(0, CHARGE, 40), undid(1, RESERVE, 50))) is ordered


@pytest.mark.parametrize(
    ("first", "second", "ordered"),
    [
        (1, 2, True),
        (2, 2, False),
        (3, 2, False),
        (None, 2, True),
        (None, 1, True),
        (None, None, False),
        (0, None, False),
        (1, None, False),
    ],
)
def test_only_a_later_step_comes_after(first: int | None, second: int | None, ordered: bool) -> None:
    """Effects of one step, and of steps that were asked for in the other order, have none."""
    one, two = did(CHARGE, 10, step=first), did(RESERVE, 30, step=second)
    assert bool(found(one, two, undid(0, CHARGE, 40), undid(1, RESERVE, 50))) is ordered


def test_an_effect_that_never_stood_beside_the_other_has_no_order_with_it() -> None:
    """The first was undone before the second took place."""
    assert found(FIRST, undid(0, CHARGE, 20), did(RESERVE, 30, step=3), undid(2, RESERVE, 40)) == []


def test_what_is_never_undone_has_no_order() -> None:
    """A chain that breaks off is another check's finding."""
    assert found(FIRST, SECOND, undid(0, CHARGE, 40)) == []


def test_mails_have_no_order() -> None:
    """A recall of a mail undoes nothing for good."""
    assert found(did(MAIL, 10, step=1), SECOND, undid(0, MAIL, 40), undid(1, RESERVE, 50)) == []


def test_of_two_undos_of_one_effect_the_first_counts() -> None:
    """The second is a duplicate, not a change of the order."""
    assert found(FIRST, SECOND, undid(1, RESERVE, 40), undid(0, CHARGE, 50), undid(1, RESERVE, 60)) == []
    assert len(found(FIRST, SECOND, undid(0, CHARGE, 40), undid(1, RESERVE, 50), undid(0, CHARGE, 60))) == 1


def test_every_pair_is_looked_at() -> None:
    """Of three effects undone first in, first out, all three pairs are found."""
    third = did(RESERVE, 50, sent=40, step=3, subject="lamp")
    undos = undid(0, CHARGE, 60), undid(1, RESERVE, 70), undid(2, RESERVE, 80, subject="lamp")
    assert [entry[4] for entry in found(FIRST, SECOND, third, *undos)] == [70, 80, 80]  # type: ignore[index]
