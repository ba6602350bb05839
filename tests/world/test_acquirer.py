"""Acquirer: holds, captures and payouts, with keys, and undone by reference."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.randomness import Constant
from durable_sim.world.faults import Mixture
from durable_sim.world.services.acquirer import Acquirer, NoSuchAuthorisation
from durable_sim.world.services.base import Canceled, ServiceSpec
from durable_sim.world.services.payments import CardDeclined

Bench = Any  # the class that the fixture gives


def bank(bench: Bench, **options: Any) -> Any:
    """A world with an acquirer."""
    return bench({"acquirer": ServiceSpec(Acquirer, latency=Constant("80ms"), faults=Mixture())}, **options)


def entries(b: Any) -> list[tuple[str, int]]:
    """The ledger, in short."""
    return [(entry.kind.removeprefix("acquirer."), entry.quantity) for entry in b.ledger]


def held(b: Any, reference: str = "p-1", **options: Any) -> str:
    """The id of a new hold of 40."""
    return str(b.ask("acquirer.authorise", "ada", 40, reference=reference, **options).value["id"])


def test_a_capture_ends_the_hold_just_before_the_charge(bench: Bench) -> None:
    """Money is never held and taken at once; the books say the same."""
    b = bank(bench)
    hold = held(b)
    assert b.world.services["acquirer"].balance() == {"charge": {"": 0}, "authorise": {"": 4000}, "payout": {"": 0}}
    answer = b.ask("acquirer.capture", hold, reference="p-1").value
    assert answer == {"id": "ch_1", "amount": 40.0, "status": "succeeded"}
    assert entries(b) == [("authorise", 4000), ("release", -4000), ("charge", 4000)]
    assert b.world.services["acquirer"].balance() == {"charge": {"": 4000}, "authorise": {"": 0}, "payout": {"": 0}}


def test_a_hold_can_be_captured_once(bench: Bench) -> None:
    """Neither again, nor after it was voided, nor one that never was."""
    b = bank(bench)
    hold = held(b)
    b.ask("acquirer.capture", hold, reference="p-1")
    other = held(b, "p-2")
    b.ask("acquirer.void", reference="p-2")
    for gone in (hold, other, "authorise_9"):
        assert isinstance(b.ask("acquirer.capture", gone, reference="p-1").error, NoSuchAuthorisation)
    assert b.undone_or("acquirer.charge") == 4000


@pytest.mark.parametrize(("operation", "kind"), [("authorise", "authorise"), ("payout", "payout")])
def test_without_a_key_everything_is_done_again(operation: str, kind: str, bench: Bench) -> None:
    """With one it is done once."""
    b = bank(bench)
    for options in ({}, {}, {"idempotency_key": "k"}, {"idempotency_key": "k"}):
        b.ask(f"acquirer.{operation}", "ada", 40, reference="p-1", **options)
    assert entries(b) == [(kind, 4000)] * 3


def test_a_capture_with_a_key_gives_the_same_charge_again(bench: Bench) -> None:
    """The retry after a lost reply learns what the first has done."""
    b = bank(bench, scripts=bench.script("acquirer.capture", "lose_reply"))
    hold = held(b)
    assert b.ask("acquirer.capture", hold, reference="p-1", idempotency_key="k").error is not None
    assert b.ask("acquirer.capture", hold, reference="p-1", idempotency_key="k").value["id"] == "ch_1"


def test_each_is_undone_by_reference_and_refused_when_it_comes_later(bench: Bench) -> None:
    """Holds by void, charges by refund, payouts by recall; each undo is idempotent."""
    b = bank(bench)
    hold = held(b)
    b.ask("acquirer.payout", "shop", 36, reference="p-1")
    assert b.ask("acquirer.void", reference="p-1").value == {"voided": [hold]}
    assert b.ask("acquirer.recall", reference="p-1").value == {"recalled": ["payout_1"]}
    assert b.ask("acquirer.void", reference="p-1").value == {"voided": []}
    assert b.ask("acquirer.recall", reference="p-1").value == {"recalled": []}
    assert entries(b)[2:] == [("release", -4000), ("recall", -3600)]
    for late in (("acquirer.authorise", "ada", 40), ("acquirer.payout", "shop", 36)):
        assert isinstance(b.ask(*late, reference="p-1").error, Canceled)


def test_a_capture_for_what_was_refunded_before_it_came_is_refused_and_keeps_the_hold(bench: Bench) -> None:
    """The refund stops the charge; the hold is for the void."""
    b = bank(bench)
    hold = held(b)
    b.ask("acquirer.refund", reference="p-1")
    assert isinstance(b.ask("acquirer.capture", hold, reference="p-1").error, Canceled)
    assert entries(b) == [("authorise", 4000)]


def test_a_declined_card_holds_nothing(bench: Bench) -> None:
    """The bank says no at the authorisation."""
    b = bank(bench)
    answer = b.ask("acquirer.authorise", "ada", 40, reference="p-1", card="card_declined")
    assert isinstance(answer.error, CardDeclined)
    assert entries(b) == []
