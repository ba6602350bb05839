"""The order as a saga whose rules can be broken one by one: the order of the undos, what they go by, their patience.

An order is what `orders` takes. Always holds: with its defaults the workflow is right.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.library.orders import (
    A_FEW,
    ATTEMPTS,
    UNTIL_DONE,
    Activity,
    Order,
    article_refund_charge,
    mark_order_cancelled,
    refund_charge,
    release_inventory,
    send_cancellation_email,
    void_label,
)
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError
from durable_sim.workflows.saga import Saga


@dataclass(frozen=True, slots=True)
class _Step:
    """`undo` goes by reference; `undo_result` by what the action gave, for which it must have given it."""

    action: Activity
    undo: Activity
    undo_result: Callable[..., Coroutine[Any, Any, Any]] | None = None
    result: str = ""
    best_effort: bool = False


@activity
async def charge_card(ctx: ActivityContext, order: Order) -> Any:
    """Charges with a key that all attempts share."""
    options = {"idempotency_key": ctx.idempotency_key, "reference": ctx.workflow_id}
    customer, card = order.get("customer", "ada"), order.get("card", "card_ok")
    return await ctx.service("payments").charge(customer, order.get("total", 40), card=card, **options)


@activity
async def reserve_inventory(ctx: ActivityContext, order: Order) -> None:
    """Reserves item by item, each with a key of its own."""
    for item in order.get("items") or [{"sku": "book", "quantity": 1}]:
        key = f"{ctx.idempotency_key}/{item['sku']}"
        options = {"idempotency_key": key, "reference": ctx.workflow_id}
        await ctx.service("inventory").reserve(item["sku"], item["quantity"], **options)


@activity
async def send_confirmation_email(ctx: ActivityContext, order: Order) -> None:
    """Sends the mail."""
    customer = order.get("customer", "ada")
    await ctx.service("email").send(customer, "order-confirmation", reference=ctx.workflow_id)


@activity
async def schedule_shipping(ctx: ActivityContext, order: Order) -> Any:
    """Books the parcel with a key that all attempts share."""
    options = {"idempotency_key": ctx.idempotency_key, "reference": ctx.workflow_id}
    return await ctx.service("shipping").schedule(order["order_id"], **options)


@activity
async def mark_order_complete(ctx: ActivityContext, order: Order) -> None:
    """Updates the order's row."""
    await ctx.service("orders").complete(order["order_id"], reference=ctx.workflow_id)


@activity
async def void_label_by_number(ctx: ActivityContext, label: str) -> None:
    """Voids one label."""
    await ctx.service("shipping").void(label)


STEPS = (
    _Step(charge_card, refund_charge, article_refund_charge, "id"),
    _Step(reserve_inventory, release_inventory),
    _Step(send_confirmation_email, send_cancellation_email, best_effort=True),
    _Step(schedule_shipping, void_label, void_label_by_number, "label"),
    _Step(mark_order_complete, mark_order_cancelled),
)
REVIEWED = reserve_inventory
"""After this step the order waits for its review."""


def saga_order(
    order: str = "reverse", undo: str = "reference", patience: str = "until_done", review: Duration = "0s"
) -> Activity:
    """The order workflow as a saga.

    Args:
        order: "reverse" undoes last what was done first; "forward" undoes it first.
        undo: "reference" undoes whatever there is and may yet arrive, also for the step that failed; "result" undoes,
            by the ids they gave, the steps that succeeded.
        patience: "until_done" tries an undo until it succeeds; "few" gives up after three attempts.
        review: how long the order waits between its reservation and the rest.

    Raises:
        UserError: another word for one of them.
    """
    backwards = _choice("order", order, "reverse", "forward")
    by_reference = _choice("undo", undo, "reference", "result")
    retry = UNTIL_DONE if _choice("patience", patience, "until_done", "few") else A_FEW
    waits = duration_us(review) > 0

    @workflow(name="fulfill_order_saga")
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> str:
        undos: list[tuple[_Step, Callable[[], Awaitable[Any]]]] = []

        def undo_of(step: _Step, result: Any) -> tuple[Activity, Any]:
            if by_reference or step.undo_result is None:
                return step.undo, order
            return step.undo_result, result[step.result]

        def register(step: _Step, result: Any = None) -> None:
            function, argument = undo_of(step, result)
            undos.append((step, lambda: _run(ctx, function, argument, A_FEW if step.best_effort else retry)))

        try:
            for step in STEPS:
                if by_reference:
                    register(step)
                result = await _run(ctx, step.action, order, ATTEMPTS)
                if not by_reference:
                    register(step, result)
                if waits and step.action is REVIEWED:
                    await ctx.sleep(review)
        except (ActivityError, CancelledError):
            saga = Saga(ctx)
            for step, undo_it in undos if backwards else reversed(undos):
                saga.add_compensation(step.undo.__name__, undo_it, best_effort=step.best_effort)
            await saga.compensate()
            raise
        return f"order {order['order_id']} fulfilled"

    return fulfill_order


def _run(ctx: WorkflowContext, function: Activity, argument: Any, retry: Any) -> Awaitable[Any]:
    return ctx.execute_activity(function, argument, start_to_close_timeout="30s", retry_policy=retry)


def _choice(name: str, found: str, right: str, other: str) -> bool:
    if found not in (right, other):
        raise UserError(f"orders.saga: {name} is {found!r}, expected {right!r} or {other!r}")
    return found == right
