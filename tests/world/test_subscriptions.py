"""Subscriptions: who has paid is asked for, and what is done on the strength of an old answer may be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.errors import DurationError
from durable_sim.randomness import Constant
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.subscriptions import Subscriptions

Bench = Any  # the class that the fixture gives
SECOND = 1_000_000


def desk(bench: Bench, **paid: str) -> Any:
    """A world in which customers pay at certain times; an answer takes no time."""
    return bench({"subscriptions": ServiceSpec(Subscriptions, latency=Constant("0s"), options={"paid": paid})})


def kinds(b: Any) -> list[str]:
    """The ledger, in short."""
    return [entry.kind.removeprefix("subscriptions.") for entry in b.ledger]


def test_a_payment_counts_from_its_very_instant(bench: Bench) -> None:
    """A microsecond before it does not."""
    b = desk(bench, ada="10s")
    b.run(10 * SECOND - 1)
    assert b.ask("subscriptions.standing", "ada").value == {"paid": False}
    b.run(1)
    assert b.ask("subscriptions.standing", "ada").value == {"paid": True}
    assert b.ask("subscriptions.standing", "bea").value == {"paid": False}


def test_a_trial_begins_and_ends_once(bench: Bench) -> None:
    """Both are about the state of one customer."""
    b = desk(bench)
    for _ in range(2):
        b.ask("subscriptions.start_trial", "ada")
    for _ in range(2):
        assert b.ask("subscriptions.end_trial", "ada").value == {"ended": True}
    assert kinds(b) == ["start_trial", "end_trial"]


def test_to_end_the_trial_of_who_has_paid_is_a_lock_out(bench: Bench) -> None:
    """It has a name of its own in ledger and books; asked for with a condition, nothing happens."""
    b = desk(bench, ada="0s", bea="0s")
    assert b.ask("subscriptions.end_trial", "ada").value == {"ended": True}
    assert b.ask("subscriptions.end_trial", "bea", unless_paid=True).value == {"ended": False}
    assert kinds(b) == ["lock_out"]
    books = b.world.services["subscriptions"].balance()
    assert books == {"start_trial": {"": 0}, "end_trial": {"": 0}, "lock_out": {"": 1}}


def test_a_time_that_cannot_be_read_is_refused(bench: Bench) -> None:
    """When the world is made."""
    with pytest.raises(DurationError):
        desk(bench, ada="next week")
