"""The order workflow, twice: as the article writes it, and correct.

An order is {"order_id", "customer", "total", "items": [{"sku", "quantity"}, ...], "card"?}; everything but order_id
has a default, so that a one-line order will do.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from durable_sim.library.order_machine import Pair, saga_machine
from durable_sim.library.order_steps import ActivityPair, saga_in_steps
from durable_sim.models.state_machine.idiom import StateMachineDefinition
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.workflows.saga import Saga

Order = dict[str, Any]
Activity = Callable[..., Coroutine[Any, Any, Any]]

FINAL_REFUSALS = ("CardDeclined", "OutOfStock", "Canceled", "IdempotencyError")
"""What no retry can change."""


def _items(order: Order) -> list[Order]:
    return list(order.get("items") or [{"sku": "book", "quantity": 1}])


def _customer(order: Order) -> str:
    return str(order.get("customer", f"customer of {order['order_id']}"))


# --- as the article writes it -----------------------------------------------------------------------------------
@activity(name="charge_card")
async def article_charge_card(ctx: ActivityContext, order: Order) -> Any:
    """Charges with a key made from the current time: each attempt has another one."""
    key = f"charge-{_customer(order)}-{order.get('total', 40)}-{ctx.now().timestamp()}"
    total, card = order.get("total", 40), order.get("card", "card_ok")
    return await ctx.service("payments").charge(_customer(order), total, idempotency_key=key, card=card)


@activity(name="refund_charge")
async def article_refund_charge(ctx: ActivityContext, charge_id: str) -> Any:
    """Refunds by the charge's id, which is lost when the charge's answer is."""
    return await ctx.service("payments").refund(charge_id)


@activity(name="reserve_inventory")
async def article_reserve_inventory(ctx: ActivityContext, order: Order) -> None:
    """Reserves item by item; nothing gives back the first when the second is out of stock."""
    for item in _items(order):
        await ctx.service("inventory").reserve(item["sku"], item["quantity"], reference=order["order_id"])


@activity(name="send_confirmation_email")
async def article_send_confirmation_email(ctx: ActivityContext, order: Order) -> None:
    """Sends the mail."""
    await ctx.service("email").send(_customer(order), "order-confirmation", reference=order["order_id"])


@activity(name="schedule_shipping")
async def article_schedule_shipping(ctx: ActivityContext, order: Order) -> Any:
    """Books the parcel, without a key."""
    return await ctx.service("shipping").schedule(order["order_id"])


@activity(name="mark_order_complete")
async def article_mark_order_complete(ctx: ActivityContext, order: Order) -> None:
    """Updates the order's row."""
    await ctx.service("orders").complete(order["order_id"])


def _article_policy(attempts: int) -> RetryPolicy:
    return RetryPolicy(
        initial_interval="1s",
        backoff_coefficient=2,
        maximum_attempts=attempts,
        non_retryable_error_types=FINAL_REFUSALS,
    )


@workflow(name="fulfill_order_article")
async def article_order(ctx: WorkflowContext, order: Order) -> str:
    """The article's workflow: retries by activity as its text says, and a compensation for the charge only."""
    charge = await ctx.execute_activity(
        article_charge_card, order, start_to_close_timeout="30s", retry_policy=_article_policy(2)
    )
    try:
        reserve = article_reserve_inventory
        await ctx.execute_activity(reserve, order, start_to_close_timeout="30s", retry_policy=_article_policy(3))
        confirm = article_send_confirmation_email
        await ctx.execute_activity(confirm, order, start_to_close_timeout="30s", retry_policy=_article_policy(4))
        ship = article_schedule_shipping
        await ctx.execute_activity(ship, order, start_to_close_timeout="30s", retry_policy=_article_policy(3))
        complete = article_mark_order_complete
        await ctx.execute_activity(complete, order, start_to_close_timeout="30s", retry_policy=_article_policy(3))
    except ActivityError:
        refund = article_refund_charge
        await ctx.execute_activity(refund, charge["id"], start_to_close_timeout="30s", retry_policy=_article_policy(3))
        raise
    return f"order {order['order_id']} fulfilled"


@workflow(name="fulfill_order_plain")
async def plain_order(ctx: WorkflowContext, order: Order) -> str:
    """The article's first listing: one step after the other, and no compensation."""
    steps = (
        article_charge_card,
        article_reserve_inventory,
        article_send_confirmation_email,
        article_schedule_shipping,
        article_mark_order_complete,
    )
    for step in steps:
        await ctx.execute_activity(step, order, start_to_close_timeout="30s", retry_policy=_article_policy(3))
    return f"order {order['order_id']} fulfilled"


# --- correct ------------------------------------------------------------------------------------
ATTEMPTS = RetryPolicy(
    initial_interval="1s", backoff_coefficient=2, maximum_attempts=4, non_retryable_error_types=FINAL_REFUSALS
)
UNTIL_DONE = RetryPolicy(initial_interval="1s", backoff_coefficient=2, maximum_interval="30s")
A_FEW = RetryPolicy(initial_interval="1s", backoff_coefficient=2, maximum_attempts=3)


def correct_order(keys: bool = True) -> Activity:
    """The order workflow done right; with `keys=False` it sends no idempotency keys, and is right no longer.

    The undo is registered before its action. It undoes by reference (the execution's id, which nobody can lose), so
    it may arrive before the action, or find nothing to undo. Undoing is retried until it is done; only the
    cancellation mail is best effort.
    """

    def key(ctx: ActivityContext, part: str = "") -> str | None:
        return f"{ctx.idempotency_key}{part}" if keys else None

    @activity
    async def charge_card(ctx: ActivityContext, order: Order) -> Any:
        total, card = order.get("total", 40), order.get("card", "card_ok")
        payments = ctx.service("payments")
        return await payments.charge(
            _customer(order), total, idempotency_key=key(ctx), reference=ctx.workflow_id, card=card
        )

    @activity
    async def reserve_inventory(ctx: ActivityContext, order: Order) -> None:
        for item in _items(order):
            sku, own_key = item["sku"], key(ctx, f"/{item['sku']}")
            await ctx.service("inventory").reserve(
                sku, item["quantity"], reference=ctx.workflow_id, idempotency_key=own_key
            )

    @activity
    async def send_confirmation_email(ctx: ActivityContext, order: Order) -> None:
        await ctx.service("email").send(_customer(order), "order-confirmation", reference=ctx.workflow_id)

    @activity
    async def schedule_shipping(ctx: ActivityContext, order: Order) -> Any:
        return await ctx.service("shipping").schedule(
            order["order_id"], reference=ctx.workflow_id, idempotency_key=key(ctx)
        )

    @activity
    async def mark_order_complete(ctx: ActivityContext, order: Order) -> None:
        await ctx.service("orders").complete(order["order_id"], reference=ctx.workflow_id)

    pairs = (
        ActivityPair(charge_card, refund_charge),
        ActivityPair(reserve_inventory, release_inventory),
        ActivityPair(send_confirmation_email, send_cancellation_email, best_effort=True),
        ActivityPair(schedule_shipping, void_label),
        ActivityPair(mark_order_complete, mark_order_cancelled),
    )

    @workflow(name="fulfill_order", idioms=_idioms(pairs))
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> str:
        saga = Saga(ctx)

        async def do(action: Activity, undo: Activity, retry: RetryPolicy = UNTIL_DONE) -> None:
            def undo_it() -> Any:
                return ctx.execute_activity(undo, order, start_to_close_timeout="30s", retry_policy=retry)

            saga.add_compensation(undo.__name__, undo_it, best_effort=retry is A_FEW)
            await ctx.execute_activity(action, order, start_to_close_timeout="30s", retry_policy=ATTEMPTS)

        try:
            await do(charge_card, refund_charge)
            await do(reserve_inventory, release_inventory)
            await do(send_confirmation_email, send_cancellation_email, A_FEW)
            await do(schedule_shipping, void_label)
            await do(mark_order_complete, mark_order_cancelled)
        except (ActivityError, CancelledError):
            await saga.compensate()
            raise
        return f"order {order['order_id']} fulfilled"

    return fulfill_order


def _idioms(pairs: Sequence[ActivityPair]) -> dict[str, Any]:
    """The same saga as a function of steps, and as a state machine."""
    named = [Pair(pair.action.__name__, pair.undo.__name__, pair.best_effort) for pair in pairs]
    machine = saga_machine(named, FINAL_REFUSALS, "Fulfil an order; undo in reverse order")
    activities = tuple(code for pair in pairs for code in (pair.action, pair.undo))
    steps = saga_in_steps("fulfill_order", pairs, FINAL_REFUSALS)
    return {"steps": steps, "state_machine": StateMachineDefinition(machine, activities)}


@activity
async def refund_charge(ctx: ActivityContext, order: Order) -> None:
    """Refunds whatever was charged for this order, now or later."""
    await ctx.service("payments").refund(reference=ctx.workflow_id)


@activity
async def release_inventory(ctx: ActivityContext, order: Order) -> None:
    """Releases whatever was reserved for this order, now or later."""
    await ctx.service("inventory").release(reference=ctx.workflow_id)


@activity
async def send_cancellation_email(ctx: ActivityContext, order: Order) -> None:
    """Says sorry, once a confirmation may have gone out."""
    await ctx.service("email").send_cancellation(_customer(order), reference=ctx.workflow_id)


@activity
async def void_label(ctx: ActivityContext, order: Order) -> None:
    """Voids whatever was booked for this order, now or later."""
    await ctx.service("shipping").void(reference=ctx.workflow_id)


@activity
async def mark_order_cancelled(ctx: ActivityContext, order: Order) -> None:
    """Marks the order cancelled, and keeps a late completion out."""
    await ctx.service("orders").cancel(order["order_id"], reference=ctx.workflow_id)


# --- only what lives in one database ----------------------------------------------------------------------------
@workflow(name="reserve_in_database")
async def database_order(ctx: WorkflowContext, order: Order) -> str:
    """Reserve and complete, without keys: both effects live in the application's own database."""
    await ctx.execute_activity(article_reserve_inventory, order, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)
    await ctx.execute_activity(
        article_mark_order_complete, order, start_to_close_timeout="30s", retry_policy=UNTIL_DONE
    )
    return f"order {order['order_id']} reserved"
