"""Payments: authorise, capture, and two days later pay the merchant, or refund the customer who has complained.

A payment is {"payment_id", "customer", "merchant", "amount", "card"?, "disputed"?}; everything but payment_id has a
default.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

from durable_sim.library.orders import ATTEMPTS, UNTIL_DONE, Activity
from durable_sim.randomness import LogNormal, Randomness
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError
from durable_sim.workflows.saga import Saga
from durable_sim.world.services.acquirer import Acquirer
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email

Payment = dict[str, Any]


def payment_services() -> dict[str, ServiceSpec]:
    """acquirer and email."""
    return {
        "acquirer": ServiceSpec(Acquirer, latency=LogNormal("350ms", "2500ms")),
        "email": ServiceSpec(Email, latency=LogNormal("80ms", "800ms")),
    }


def make_payment(number: int, randomness: Randomness) -> Payment:
    """The n-th payment: 5 to 200, one in ten disputed, one in fifty with a card that is declined."""
    chance = randomness.uniforms("payment", number)
    payment = {
        "payment_id": f"p-{number + 1}",
        "customer": f"c-{number + 1}",
        "merchant": f"m-{int(chance[0] * 5) + 1}",
        "amount": 5 + int(chance[1] * 196),
        "disputed": chance[2] < 0.1,
    }
    return payment | ({"card": "card_declined"} if chance[3] < 0.02 else {})


def process_payment(keys: bool = True) -> Activity:
    """The payment workflow; with `keys=False` it sends no idempotency keys, and is right no longer."""

    def options(ctx: ActivityContext) -> dict[str, Any]:
        return {"reference": ctx.workflow_id, **({"idempotency_key": ctx.idempotency_key} if keys else {})}

    @activity
    async def authorise(ctx: ActivityContext, payment: Payment) -> Any:
        customer, card = payment.get("customer", "ada"), payment.get("card", "card_ok")
        return await ctx.service("acquirer").authorise(customer, _amount(payment), card=card, **options(ctx))

    @activity
    async def capture(ctx: ActivityContext, authorisation: str) -> Any:
        return await ctx.service("acquirer").capture(authorisation, **options(ctx))

    @activity
    async def pay_out(ctx: ActivityContext, payment: Payment) -> Any:
        merchant, fee = payment.get("merchant", "shop"), 0.1
        return await ctx.service("acquirer").payout(merchant, _amount(payment) * (1 - fee), **options(ctx))

    @workflow(name="process_payment")
    async def process(ctx: WorkflowContext, payment: Payment) -> str:
        saga = Saga(ctx)

        def undo_by(undo: Activity) -> None:
            def undo_it() -> Any:
                return ctx.execute_activity(undo, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

            saga.add_compensation(undo.__name__, undo_it)

        def do(action: Activity, argument: Any) -> Any:
            return ctx.execute_activity(action, argument, start_to_close_timeout="30s", retry_policy=ATTEMPTS)

        try:
            undo_by(void)
            held = await do(authorise, payment)
            undo_by(refund)
            await do(capture, held["id"])
            await do(send_receipt, payment)
            await ctx.sleep("2 days")
            if payment.get("disputed"):
                await ctx.execute_activity(refund, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)
                return f"payment {payment['payment_id']} refunded"
            undo_by(recall)
            await do(pay_out, payment)
        except (ActivityError, CancelledError):
            await saga.compensate()
            raise
        return f"payment {payment['payment_id']} paid out"

    return process


@activity
async def send_receipt(ctx: ActivityContext, payment: Payment) -> None:
    """Tells the customer what was taken."""
    await ctx.service("email").send(payment.get("customer", "ada"), "receipt", reference=ctx.workflow_id)


@activity
async def void(ctx: ActivityContext) -> None:
    """Lets go of whatever is held for this payment, now or later."""
    await ctx.service("acquirer").void(reference=ctx.workflow_id)


@activity
async def refund(ctx: ActivityContext) -> None:
    """Refunds whatever was captured for this payment, now or later."""
    await ctx.service("acquirer").refund(reference=ctx.workflow_id)


@activity
async def recall(ctx: ActivityContext) -> None:
    """Takes back whatever was paid out for this payment, now or later."""
    await ctx.service("acquirer").recall(reference=ctx.workflow_id)


def _amount(payment: Payment) -> float:
    return float(payment.get("amount", 40))
