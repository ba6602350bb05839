"""The order workflow in three idioms: a workflow function, a function of steps, a state machine."""

from __future__ import annotations

import pytest

import durable_sim as ds
from durable_sim.library.orders import correct_order

ORDER = {"order_id": "o-1", "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 2}]}
IDIOMS = ("replay", "steps", "state_machine")
OPERATIONS = ("payments.charge", "inventory.reserve", "email.send", "shipping.schedule", "orders.complete")
MOMENTS = ("request_sent", "request_received", "effect_applied", "reply_sent", "reply_received")
REFUSED = {"operations": {"schedule": ds.OperationSpec(faults=ds.Mixture(refuse=1.0))}}
UNDOS = ("shipping.void", "email.send_cancellation", "inventory.release", "payments.refund")


def verdicts(keys: bool, fault: ds.Crash, **shop: object) -> dict[str, dict[str, int]]:
    """The verdict under each idiom's model."""
    compared = ds.compare(
        correct_order(keys), ORDER, models=IDIOMS, faults=[fault], services=ds.library.shop(**shop), seed=3
    )
    return compared.verdicts


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_crash_in_an_action_comes_to_the_same_in_every_idiom(operation: str, moment: str, keys: bool) -> None:
    """With keys the order is completed; without them what was charged, reserved or booked is so again."""
    found = verdicts(keys, ds.Crash(after=moment, of=operation))
    again = not keys and operation not in ("email.send", "orders.complete") and moment != "request_sent"
    assert all(one == found["replay"] for one in found.values()), found
    if keys:
        assert found["replay"] == {"completed": 1}
    elif again and moment in ("effect_applied", "reply_sent", "reply_received"):
        assert found["replay"] == {"duplicate_effect": 1}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("undo", UNDOS)
def test_a_crash_in_an_undo_comes_to_the_same_in_every_idiom(undo: str, moment: str) -> None:
    """Shipping is refused for good: everything is undone, in reverse order."""
    found = verdicts(True, ds.Crash(after=moment, of=undo), shipping=REFUSED)
    assert found == {model: {"compensated": 1} for model in IDIOMS}


def test_the_idioms_do_the_same_where_nothing_goes_wrong() -> None:
    """Effect by effect, in the same order."""
    compared = ds.compare(correct_order(), ORDER, models=IDIOMS, seed=3)
    effects = {
        model: [(entry.kind, entry.subject, entry.quantity) for entry in run.ledger]
        for model, run in compared.runs.items()
    }
    assert effects["steps"] == effects["replay"] == effects["state_machine"]


def test_a_card_that_is_declined_is_undone_in_every_idiom() -> None:
    """A final refusal is not tried again: the orders end within a minute."""
    compared = ds.compare(correct_order(), ORDER | {"card": "card_declined"}, models=IDIOMS, seed=3)
    for run in compared.runs.values():
        (one,) = run.executions
        assert one.verdict == "compensated" and one.execution.ended_us is not None
        assert one.execution.ended_us < 60_000_000
