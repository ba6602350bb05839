"""Payments: idempotency keys, refunds and tombstones, as real payment APIs have them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable_sim.randomness import Constant
from durable_sim.workflows.failures import Rejected, ServerError
from durable_sim.world.faults import CALL_FAULTS, CallFault, Mixture
from durable_sim.world.services.base import Canceled, ServiceSpec
from durable_sim.world.services.payments import (
    DECLINED_CARD,
    CardDeclined,
    ChargeAlreadyRefunded,
    IdempotencyError,
    IdempotencyKeyInUse,
    NoSuchCharge,
    Payments,
)

Bench = Any  # the class that the fixture gives
HOUR = 3_600_000_000


def provider(bench: Bench, *faults: CallFault | None, on: str = "payments.charge", **options: Any) -> Any:
    """A world with a payment provider; `faults` are scripted for its charges in turn."""
    calm = Mixture(late_by=Constant("5s"), duplicate_after=Constant("2s"))
    spec = ServiceSpec(Payments, latency=Constant("1s"), client_timeout="10s", faults=calm, options=options)
    return bench({"payments": spec}, scripts=bench.script(on, *faults))


def books(b: Any) -> int:
    """What the provider itself believes to hold, in cents."""
    return int(b.world.services["payments"].balance()["charge"][""])


def kinds(b: Any) -> list[tuple[str, int, int | None]]:
    """The ledger, in short."""
    return [(entry.kind.removeprefix("payments."), entry.quantity, entry.undoes) for entry in b.ledger]


def test_a_charge_takes_money(bench: Bench) -> None:
    """In whole cents, under an id of the provider's."""
    b = provider(bench)
    assert b.ask("payments.charge", "ann", 19.99).value == {"id": "ch_1", "amount": 19.99, "status": "succeeded"}
    assert b.ask("payments.charge", "ann", 0.1).value["id"] == "ch_2"
    assert kinds(b) == [("charge", 1_999, None), ("charge", 10, None)]
    assert books(b) == 2_009


def test_without_a_key_the_same_request_charges_again(bench: Bench) -> None:
    """The provider cannot know that it is a retry."""
    b = provider(bench)
    assert b.ask("payments.charge", "ann", 40).value != b.ask("payments.charge", "ann", 40).value
    assert books(b) == 8_000


def test_the_same_key_replays_the_saved_result(bench: Bench) -> None:
    """The answer of the first request, and no other effect."""
    b = provider(bench)
    first = b.ask("payments.charge", "ann", 40, idempotency_key="k")
    again = b.ask("payments.charge", "ann", 40, idempotency_key="k")
    assert again.value == first.value
    assert (len(again.effects), books(b)) == (0, 4_000)


def test_another_key_is_another_charge(bench: Bench) -> None:
    """Keys are compared, not requests."""
    b = provider(bench)
    b.ask("payments.charge", "ann", 40, idempotency_key="k1")
    b.ask("payments.charge", "ann", 40, idempotency_key="k2")
    assert books(b) == 8_000


def test_a_lost_answer_is_found_again_by_its_key(bench: Bench) -> None:
    """The retry after a time-out gets the result of the charge that did happen."""
    b = provider(bench, "lose_reply")
    b.ask("payments.charge", "ann", 40, idempotency_key="k")
    assert b.ask("payments.charge", "ann", 40, idempotency_key="k").value["id"] == "ch_1"
    assert books(b) == 4_000


@pytest.mark.parametrize(("fault", "cents"), [("error", 0), ("error_after_effect", 4_000)])
def test_a_500_under_a_key_stays_a_500(bench: Bench, fault: CallFault, cents: int) -> None:
    """The saved error is replayed, whether or not the charge happened; nothing more happens under this key."""
    b = provider(bench, fault)
    for _ in range(3):
        assert isinstance(b.ask("payments.charge", "ann", 40, idempotency_key="k").error, ServerError)
    assert books(b) == cents
    assert b.ask("payments.charge", "ann", 40, idempotency_key="k2").error is None


@pytest.mark.parametrize(
    ("arguments", "options"),
    [(("ann", 41), {}), (("bob", 40), {}), (("ann", 40), {"reference": "r"}), (("ann", 40), {"card": "other"})],
)
def test_the_same_key_with_other_parameters_is_refused(
    bench: Bench, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    """400, no effect; and the saved result of the first request is not disturbed."""
    b = provider(bench)
    first = b.ask("payments.charge", "ann", 40, idempotency_key="k")
    refused = b.ask("payments.charge", *arguments, idempotency_key="k", **options)
    assert isinstance(refused.error, IdempotencyError)
    assert b.ask("payments.charge", "ann", 40, idempotency_key="k").value == first.value
    assert books(b) == 4_000


def test_a_key_of_a_charge_is_no_key_of_a_refund(bench: Bench) -> None:
    """Keys are the account's: the other endpoint refuses it too."""
    b = provider(bench)
    charge = b.ask("payments.charge", "ann", 40, idempotency_key="k").value["id"]
    assert isinstance(b.ask("payments.refund", charge, idempotency_key="k").error, IdempotencyError)
    assert books(b) == 4_000


def test_a_key_whose_request_still_runs_is_refused(bench: Bench) -> None:
    """409; the first request is not disturbed, and once it is done the key gives its result."""
    b = provider(bench)
    first = b.send("payments.charge", "ann", 40, idempotency_key="k")
    b.run(for_us=100_000)
    second = b.send("payments.charge", "ann", 40, idempotency_key="k")
    b.run()
    assert isinstance(second.error, IdempotencyKeyInUse)
    assert first.value == b.ask("payments.charge", "ann", 40, idempotency_key="k").value
    assert books(b) == 4_000


def test_a_late_charge_and_its_retry_under_one_key_are_one_charge(bench: Bench) -> None:
    """The retry overtakes the late request, which then finds the key used."""
    b = provider(bench, "late_effect")
    b.ask("payments.charge", "ann", 40, idempotency_key="k")
    assert b.ask("payments.charge", "ann", 40, idempotency_key="k").error is None
    b.run()
    assert books(b) == 4_000


@pytest.mark.parametrize(("lifetime", "hours", "charges"), [("24h", 23, 1), ("24h", 25, 2), ("1h", 2, 2)])
def test_a_key_that_has_expired_is_a_new_charge(bench: Bench, lifetime: str, hours: int, charges: int) -> None:
    """After its lifetime, 24 h unless set otherwise, the provider has forgotten it."""
    b = provider(bench, key_lifetime=lifetime)
    first = b.ask("payments.charge", "ann", 40, idempotency_key="k")
    b.run(for_us=hours * HOUR)
    again = b.ask("payments.charge", "ann", 40, idempotency_key="k")
    assert (again.value == first.value) == (charges == 1)
    assert books(b) == charges * 4_000


def test_a_replay_does_not_lengthen_the_life_of_a_key(bench: Bench) -> None:
    """It expires a day after its first use, however often it is used."""
    b = provider(bench)
    b.ask("payments.charge", "ann", 40, idempotency_key="k")
    b.run(for_us=20 * HOUR)
    b.ask("payments.charge", "ann", 40, idempotency_key="k")
    b.run(for_us=5 * HOUR)
    b.ask("payments.charge", "ann", 40, idempotency_key="k")
    assert books(b) == 8_000


def test_a_declined_card_is_final(bench: Bench) -> None:
    """402, no effect, and the refusal is saved under the key like any result."""
    b = provider(bench)
    for _ in range(2):
        declined = b.ask("payments.charge", "ann", 40, card=DECLINED_CARD, idempotency_key="k")
        assert isinstance(declined.error, CardDeclined)
        assert str(declined.error) == "payments.charge: 402 the card of ann was declined"
    assert (b.ledger, books(b)) == ((), 0)


def test_a_refund_undoes_its_charge(bench: Bench) -> None:
    """The ledger names the entry undone, with the amount negative."""
    b = provider(bench)
    b.ask("payments.charge", "ann", 10)
    charge = b.ask("payments.charge", "ann", 40).value["id"]
    assert b.ask("payments.refund", charge).value == {"refunded": ["ch_2"]}
    assert kinds(b) == [("charge", 1_000, None), ("charge", 4_000, None), ("refund", -4_000, 1)]
    assert books(b) == 1_000


def test_a_refund_of_a_refunded_charge_is_an_error(bench: Bench) -> None:
    """400, and the money goes back once."""
    b = provider(bench)
    charge = b.ask("payments.charge", "ann", 40).value["id"]
    b.ask("payments.refund", charge)
    assert isinstance(b.ask("payments.refund", charge).error, ChargeAlreadyRefunded)
    assert books(b) == 0


def test_a_refund_may_have_a_key(bench: Bench) -> None:
    """The retry of a refund whose answer was lost is a replay, not an error."""
    b = provider(bench, "lose_reply", on="payments.refund")
    charge = b.ask("payments.charge", "ann", 40).value["id"]
    b.ask("payments.refund", charge, idempotency_key="r")
    assert b.ask("payments.refund", charge, idempotency_key="r").value == {"refunded": [charge]}
    assert books(b) == 0


def test_a_refund_of_nothing_is_an_error_by_id(bench: Bench) -> None:
    """404 for an unknown charge; 400 without anything to go by."""
    b = provider(bench)
    assert isinstance(b.ask("payments.refund", "ch_9").error, NoSuchCharge)
    nothing = b.ask("payments.refund").error
    assert type(nothing) is Rejected
    assert "give charge_id or reference" in str(nothing)


def test_a_refund_by_reference_finds_all_charges_and_is_idempotent(bench: Bench) -> None:
    """Whatever was charged under it goes back, last first, once; other references are left alone."""
    b = provider(bench)
    for reference in ("o-1", "o-1", "o-2"):
        b.ask("payments.charge", "ann", 40, reference=reference)
    assert b.ask("payments.refund", reference="o-1").value == {"refunded": ["ch_2", "ch_1"]}
    assert b.ask("payments.refund", reference="o-1").value == {"refunded": []}
    assert kinds(b)[3:] == [("refund", -4_000, 1), ("refund", -4_000, 0)]
    assert books(b) == 4_000


def test_a_refund_by_reference_finds_nothing_without_complaint(bench: Bench) -> None:
    """Who undoes what may not have happened must be able to say so twice."""
    b = provider(bench)
    assert b.ask("payments.refund", reference="o-1").value == {"refunded": []}
    assert b.ledger == ()


def test_a_charge_that_arrives_after_its_refund_is_stopped(bench: Bench) -> None:
    """The tombstone holds against a late request, for this reference only."""
    b = provider(bench, "late_effect")
    b.ask("payments.charge", "ann", 40, reference="o-1")
    assert b.ask("payments.refund", reference="o-1").value == {"refunded": []}
    b.run()
    assert b.ledger == ()
    assert isinstance(b.ask("payments.charge", "ann", 40, reference="o-1").error, Canceled)
    assert b.ask("payments.charge", "ann", 40, reference="o-2").error is None


def test_a_refund_by_id_is_no_tombstone(bench: Bench) -> None:
    """It gives back one charge and says nothing of others."""
    b = provider(bench)
    charge = b.ask("payments.charge", "ann", 40, reference="o-1").value["id"]
    b.ask("payments.refund", charge)
    assert b.ask("payments.charge", "ann", 40, reference="o-1").error is None


charges = st.tuples(
    st.just("payments.charge"),
    st.sampled_from([10, 19.99, 40]),
    st.sampled_from([None, "k1", "k2"]),
    st.sampled_from([None, "r1", "r2"]),
)
refunds = st.tuples(
    st.just("payments.refund"), st.just(0), st.sampled_from([None, "k3"]), st.sampled_from(["ch_1", "r1", "r2"])
)


@given(st.lists(st.one_of(charges, refunds), max_size=8), st.lists(st.sampled_from([None, *CALL_FAULTS]), max_size=6))
@settings(max_examples=60)
def test_the_books_equal_the_ledger(
    bench: Bench, requests: list[tuple[str, float, str | None, str | None]], faults: list[CallFault | None]
) -> None:
    """The provider's own sums are those of the ledger, and no charge goes back twice, under any faults."""
    b = provider(bench, *faults)
    for subject, amount, key, reference in requests:
        options = {} if key is None else {"idempotency_key": key}
        if subject == "payments.charge":
            b.send(subject, "ann", amount, reference=reference, **options)
        elif reference == "ch_1":
            b.send(subject, "ch_1", **options)
        else:
            b.send(subject, reference=reference, **options)
        b.run(for_us=700_000)
    b.run()
    assert books(b) == sum(entry.quantity for entry in b.ledger) >= 0
    undone = [entry.undoes for entry in b.ledger if entry.undoes is not None]
    assert len(undone) == len(set(undone))
    assert all(b.ledger[place].kind == "payments.charge" for place in undone)
