"""Shipping: labels that can be voided within a window."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.randomness import Constant
from durable_sim.workflows.failures import Rejected
from durable_sim.world.faults import CallFault, Mixture
from durable_sim.world.services.base import Canceled, ServiceSpec
from durable_sim.world.services.shipping import LabelAlreadyVoided, NoSuchLabel, Shipping, VoidWindowClosed

Bench = Any  # the class that the fixture gives
HOUR = 3_600_000_000


def carrier(bench: Bench, *faults: CallFault | None, **options: Any) -> Any:
    """A world with a carrier; `faults` are scripted for its bookings in turn."""
    calm = Mixture(late_by=Constant("5s"), duplicate_after=Constant("2s"))
    spec = ServiceSpec(Shipping, latency=Constant("600ms"), client_timeout="30s", faults=calm, options=options)
    return bench({"shipping": spec}, scripts=bench.script("shipping.schedule", *faults))


def books(b: Any) -> int:
    """The labels that stand, by the carrier's own books, which must be those of the ledger."""
    count = int(b.world.services["shipping"].balance()["schedule"][""])
    assert count == sum(entry.quantity for entry in b.ledger)
    return count


def test_a_booking_gives_a_label(bench: Bench) -> None:
    """One parcel each."""
    b = carrier(bench)
    assert [b.ask("shipping.schedule", "o-1").value["label"] for _ in range(2)] == ["lb_1", "lb_2"]
    assert books(b) == 2


@pytest.mark.parametrize(("key", "labels"), [(None, 2), ("k", 1)])
def test_a_retry_books_again_unless_it_has_a_key(bench: Bench, key: str | None, labels: int) -> None:
    """A 500 after the effect is the carrier's usual way to double a parcel."""
    b = carrier(bench, "error_after_effect")
    assert b.ask("shipping.schedule", "o-1", idempotency_key=key).error is not None
    assert b.ask("shipping.schedule", "o-1", idempotency_key=key).value == {"label": f"lb_{labels}"}
    assert books(b) == labels


def test_a_label_is_voided_once(bench: Bench) -> None:
    """A second void is an error, as is one of an unknown label, or of nothing at all."""
    b = carrier(bench)
    b.ask("shipping.schedule", "o-1")
    assert b.ask("shipping.void", "lb_1").value == {"voided": ["lb_1"]}
    assert (b.ledger[1].kind, b.ledger[1].undoes, b.ledger[1].quantity) == ("shipping.void", 0, -1)
    assert isinstance(b.ask("shipping.void", "lb_1").error, LabelAlreadyVoided)
    assert isinstance(b.ask("shipping.void", "lb_9").error, NoSuchLabel)
    assert type(b.ask("shipping.void").error) is Rejected
    assert books(b) == 0


def test_a_void_by_reference_is_idempotent_and_voids_last_first(bench: Bench) -> None:
    """All that stand under the reference, each once; other references are left alone."""
    b = carrier(bench)
    for reference in ("o-1", "o-1", "o-2"):
        b.ask("shipping.schedule", reference, reference=reference)
    assert b.ask("shipping.void", reference="o-1").value == {"voided": ["lb_2", "lb_1"]}
    assert b.ask("shipping.void", reference="o-1").value == {"voided": []}
    assert books(b) == 1


def test_a_booking_that_arrives_after_its_void_is_refused(bench: Bench) -> None:
    """The tombstone holds against a late request, for this reference only."""
    b = carrier(bench, "late_effect")
    b.ask("shipping.schedule", "o-1", reference="o-1")
    assert b.ask("shipping.void", reference="o-1").value == {"voided": []}
    b.run()
    assert books(b) == 0
    assert isinstance(b.ask("shipping.schedule", "o-1", reference="o-1").error, Canceled)
    assert b.ask("shipping.schedule", "o-2", reference="o-2").error is None


@pytest.mark.parametrize(("hours", "voided"), [(1, True), (3, False)])
def test_a_label_can_be_voided_within_a_window_only(bench: Bench, hours: int, voided: bool) -> None:
    """After it the parcel is on its way: by id and by reference alike, the void is refused and the label stands."""
    for by in ("lb_1", None):
        b = carrier(bench, void_window="2h")
        b.ask("shipping.schedule", "o-1", reference="o-1")
        b.run(for_us=hours * HOUR)
        asked = b.ask("shipping.void", by) if by else b.ask("shipping.void", reference="o-1")
        assert isinstance(asked.error, VoidWindowClosed) != voided
        assert books(b) == (0 if voided else 1)


def test_the_window_is_28_days_unless_set_otherwise(bench: Bench) -> None:
    """The error says how old the label is."""
    b = carrier(bench)
    b.ask("shipping.schedule", "o-1")
    b.ask("shipping.schedule", "o-2")
    b.run(for_us=27 * 24 * HOUR)
    assert b.ask("shipping.void", "lb_1").error is None
    b.run(for_us=2 * 24 * HOUR)
    error = b.ask("shipping.void", "lb_2").error
    assert isinstance(error, VoidWindowClosed)
    assert "400 label lb_2 is 29d" in str(error)
