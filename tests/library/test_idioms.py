"""The order workflow in three idioms: a workflow function, a function of steps, a state machine."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.library.order_steps import ActivityPair, saga_in_steps
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


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_final_error_of_an_action_is_remembered_as_data_by_the_saga_in_steps(sdk: str) -> None:
    """The action is refused once, whichever SDK it is: no entry that undoes what came before runs it again."""
    ran: list[str] = []

    @ds.activity
    async def charge(ctx: ds.ActivityContext, order: Any) -> None:
        ran.append("charge")

    @ds.activity
    async def ship(ctx: ds.ActivityContext, order: Any) -> None:
        ran.append("ship")
        raise ds.ApplicationError("no such street", "NoAddress", non_retryable=True)

    @ds.activity
    async def refund(ctx: ds.ActivityContext, order: Any) -> None:
        ran.append("refund")

    @ds.activity
    async def void(ctx: ds.ActivityContext, order: Any) -> None:
        ran.append("void")

    saga = saga_in_steps("sell", (ActivityPair(charge, refund), ActivityPair(ship, void)), ())

    @ds.workflow(idioms={"steps": saga})
    async def sell(ctx: ds.WorkflowContext, order: Any) -> None:
        """What other models would run."""

    (one,) = ds.run(sell, ORDER, model="steps", model_options={"steps": {"sdk": sdk}}).executions
    assert ran == ["charge", "ship", "void", "refund"]
    assert one.execution.failure is not None and "no such street" in one.execution.failure.message


@pytest.mark.parametrize("best_effort", [True, False])
def test_an_undo_that_is_refused_for_good_ends_the_saga_in_steps_unless_it_is_best_effort(best_effort: bool) -> None:
    """The undos below it run only where it may fail."""
    ran: list[str] = []

    @ds.activity
    async def charge(ctx: ds.ActivityContext, order: Any) -> None: ...

    @ds.activity
    async def ship(ctx: ds.ActivityContext, order: Any) -> None:
        raise ds.ApplicationError("no", "No", non_retryable=True)

    @ds.activity
    async def refund(ctx: ds.ActivityContext, order: Any) -> None:
        ran.append("refund")

    @ds.activity
    async def void(ctx: ds.ActivityContext, order: Any) -> None:
        raise ds.ApplicationError("under way", "UnderWay", non_retryable=True)

    pairs = (ActivityPair(charge, refund), ActivityPair(ship, void, best_effort))

    @ds.workflow(idioms={"steps": saga_in_steps("sell", pairs, ())})
    async def sell(ctx: ds.WorkflowContext, order: Any) -> None:
        """What other models would run."""

    (one,) = ds.run(sell, ORDER, model="steps").executions
    assert ran == (["refund"] if best_effort else [])
    assert one.execution.failure is not None
    assert ("half undone" in one.execution.failure.message) is not best_effort


def test_a_card_that_is_declined_is_undone_in_every_idiom() -> None:
    """A final refusal is not tried again: the orders end within a minute."""
    compared = ds.compare(correct_order(), ORDER | {"card": "card_declined"}, models=IDIOMS, seed=3)
    for run in compared.runs.values():
        (one,) = run.executions
        assert one.verdict == "compensated" and one.execution.ended_us is not None
        assert one.execution.ended_us < 60_000_000
