"""Conservation: nobody gives back more than was taken, at any moment."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import durable_sim as ds
from durable_sim.checks.conservation import conservation
from durable_sim.world.database import Database
from durable_sim.world.ledger import Effect, Entry
from durable_sim.world.request import Request
from tests.checks.ledgers import CHARGE, RESERVE, did, recording, told, undid

MOST = "at most what was taken"


def breaches(*entries: Entry, **changes: Any) -> list[object]:
    """Where something was made of nothing."""
    return told("conservation", conservation(recording(*entries, **changes)))


def test_to_give_back_all_that_was_taken_is_right_and_one_more_is_a_breach() -> None:
    """With the amount, and the time of the moment at which it came about."""
    taken, given = did(CHARGE, 1, quantity=40), undid(0, CHARGE, 2, quantity=40)
    assert breaches(taken, given) == breaches(taken) == breaches() == []
    assert breaches(taken, given, undid(0, CHARGE, 3)) == [
        ("o-1", CHARGE, "1 cents more given back than taken", MOST, 3)
    ]


def test_what_comes_later_does_not_heal_a_breach_and_does_not_repeat_it() -> None:
    """Only the first moment is told."""
    too_early = undid(None, CHARGE, 1, quantity=5), undid(None, CHARGE, 2, quantity=5)
    assert breaches(*too_early, did(CHARGE, 3, quantity=10)) == [
        ("o-1", CHARGE, "5 cents more given back than taken", MOST, 1)
    ]


def test_subjects_are_accounts_of_their_own() -> None:
    """A lamp given back for a book is a lamp too many; both accounts can be breached."""
    book, lamp = did(RESERVE, subject="book"), undid(0, RESERVE, 4, subject="lamp")
    assert breaches(book, lamp, undid(0, RESERVE, 5, subject="pen")) == [
        ("o-1", "stock.reserve lamp", "1 units more given back than taken", MOST, 4),
        ("o-1", "stock.reserve pen", "1 units more given back than taken", MOST, 5),
    ]


def test_who_gives_back_what_another_took_is_found() -> None:
    """Over both executions the sum is right, and it was not its own."""
    theirs = undid(0, CHARGE, 6, quantity=40, execution="o-2")
    assert breaches(did(CHARGE, quantity=40), theirs) == [
        ("o-2", CHARGE, "40 cents more given back than taken", MOST, 6)
    ]


def test_books_below_zero_are_a_breach_and_zero_is_none() -> None:
    """They are the services' own, of the end."""
    balances = {CHARGE: {"": 0}, RESERVE: {"book": -1, "lamp": 3, "pen": -2}}
    assert breaches(balances=balances) == [
        (None, "stock.reserve book", "-1 units in the service's books", "0 or more", None),
        (None, "stock.reserve pen", "-2 units in the service's books", "0 or more", None),
    ]


# --- whole runs -----------------------------------------------------------------------------------------------------
class Till(ds.Service):
    """Gives coins back once (correct), or whenever it is asked (planted bug)."""

    effects: ClassVar[tuple[ds.EffectKind, ...]] = (
        ds.EffectKind("take", "exactly_once", "coins"),
        ds.EffectKind("give_back", "exactly_once", "coins", undoes="take"),
    )

    def __init__(self, name: str, database: Database | None = None, guarded: bool = True) -> None:
        super().__init__(name, database)
        self.guarded = guarded
        self.taken: list[Effect] = []

    @ds.operation
    def take(self, request: Request) -> None:
        self.taken.append(request.apply("take", quantity=5))

    @ds.operation
    def give_back(self, request: Request) -> None:
        for effect in self.taken:
            request.undo(effect, "give_back")
        if self.guarded:
            self.taken.clear()


async def take(ctx: ds.ActivityContext) -> None:
    """Coins."""
    await ctx.service("till").take()


async def give_back(ctx: ds.ActivityContext) -> None:
    """Coins back."""
    await ctx.service("till").give_back()


async def takes_and_gives_back(ctx: ds.WorkflowContext, order: Any) -> None:
    """Takes coins and gives them back, and tries again where it is not sure."""
    await ctx.execute_activity(take, start_to_close_timeout="30s")
    await ctx.execute_activity(give_back, start_to_close_timeout="30s")


@pytest.mark.parametrize("guarded", [True, False])
def test_a_service_that_pays_back_twice_breaches_it_and_its_twin_does_not(guarded: bool) -> None:
    """The answer to the first request is lost; the time is that of the second payment."""
    till = ds.ServiceSpec(Till, latency=ds.Constant("10ms"), options={"guarded": guarded})
    lost = ds.Script("till", "give_back", 1, "lose_reply")
    run = ds.run(takes_and_gives_back, {"order_id": "o-1"}, services={"till": till}, faults=[lost])
    assert run.faults["fired"] == 1
    last = ("o-1", "till.take", "5 coins more given back than taken", MOST, run.ledger[-1].time_us)
    assert told("conservation", conservation(run.recording)) == ([] if guarded else [last])
