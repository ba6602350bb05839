"""Email: accepted means queued, and nothing is deduplicated."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.randomness import Constant
from durable_sim.world.faults import CallFault, Mixture
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email

Bench = Any  # the class that the fixture gives


def provider(bench: Bench, *faults: CallFault | None) -> Any:
    """A world with a mail provider; `faults` are scripted for its mails in turn."""
    calm = Mixture(late_by=Constant("5s"), duplicate_after=Constant("2s"))
    spec = ServiceSpec(Email, latency=Constant("80ms"), client_timeout="10s", faults=calm)
    return bench({"email": spec}, scripts=bench.script("email.send", *faults))


def kinds(b: Any) -> list[tuple[str, str, int, int | None]]:
    """The ledger, in short."""
    return [(entry.kind.removeprefix("email."), entry.subject, entry.quantity, entry.undoes) for entry in b.ledger]


def test_a_mail_is_an_effect_that_is_told_apart_by_its_template(bench: Bench) -> None:
    """Two mails of one execution are two effects side by side."""
    b = provider(bench)
    assert b.ask("email.send", "ann", "confirmation").value == {"message": "msg_1"}
    assert b.ask("email.send", "ann", "receipt").value == {"message": "msg_2"}
    assert kinds(b) == [("send", "confirmation", 1, None), ("send", "receipt", 1, None)]


@pytest.mark.parametrize("fault", ["lose_reply", "error_after_effect", "late_effect"])
def test_a_retry_after_a_lost_answer_sends_twice(bench: Bench, fault: CallFault) -> None:
    """The provider has no keys: accepted once, lost, accepted again."""
    b = provider(bench, fault)
    assert b.ask("email.send", "ann", "confirmation", reference="o-1").error is not None
    b.ask("email.send", "ann", "confirmation", reference="o-1")
    b.run()
    assert kinds(b) == [("send", "confirmation", 1, None)] * 2


def test_there_are_no_idempotency_keys(bench: Bench) -> None:
    """Who gives one is told so."""
    with pytest.raises(UserError, match=r"email\.send: got an unexpected keyword argument 'idempotency_key'"):
        provider(bench).send("email.send", "ann", "confirmation", idempotency_key="k")


def test_a_cancellation_takes_a_mail_back(bench: Bench) -> None:
    """The last one under the reference that still stands; each once."""
    b = provider(bench)
    b.ask("email.send", "ann", "confirmation", reference="o-1")
    b.ask("email.send", "ann", "confirmation", reference="o-1")
    b.ask("email.send", "ann", "confirmation", reference="o-2")
    assert b.ask("email.send_cancellation", "ann", reference="o-1").value == {"message": "bye_1"}
    b.ask("email.send_cancellation", "ann", reference="o-1")
    undos = [("send_cancellation", "confirmation", -1, 1), ("send_cancellation", "confirmation", -1, 0)]
    assert kinds(b)[3:] == undos


def test_a_cancellation_of_nothing_is_a_mail_of_its_own(bench: Bench) -> None:
    """It cannot be known whether there was anything to take back; a mail goes out and undoes nothing."""
    b = provider(bench)
    b.ask("email.send_cancellation", "ann", reference="o-1")
    assert kinds(b) == [("send_cancellation", "cancellation", 1, None)]


def test_a_cancellation_stops_no_late_mail(bench: Bench) -> None:
    """The only undo is imperfect: the mail that was under way arrives after it."""
    b = provider(bench, "late_effect")
    b.ask("email.send", "ann", "confirmation", reference="o-1")
    b.ask("email.send_cancellation", "ann", reference="o-1")
    b.run()
    assert [kind for kind, *_ in kinds(b)] == ["send_cancellation", "send"]


def test_without_a_reference_the_address_counts(bench: Bench) -> None:
    """Mails are taken back by whom they went to."""
    b = provider(bench)
    b.ask("email.send", "ann", "confirmation")
    b.ask("email.send", "bob", "confirmation")
    b.ask("email.send_cancellation", "ann")
    assert kinds(b)[-1][3] == 0


def test_what_is_owed_of_mails(bench: Bench) -> None:
    """A mail at least once, its cancellation best effort: no provider can do better."""
    owed = {kind.name: (kind.owed, kind.undoes) for kind in provider(bench).world.effect_kinds().values()}
    assert owed == {
        "email.send": ("at_least_once", None),
        "email.send_cancellation": ("best_effort", "email.send"),
    }
