"""Compensations: registered too late, in the wrong order, given up, or quicker than what they undo.

What an undo has to be: registered before its action, which may have happened although it failed; by reference, since
an id may be lost; repeatable; retried until it is done; and last done, first undone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from durable_sim.library.gallery.bug import Bug
from durable_sim.library.orders import (
    ATTEMPTS,
    UNTIL_DONE,
    Activity,
    Order,
    refund_charge,
    release_inventory,
    void_label,
)
from durable_sim.library.shop import shop
from durable_sim.models.registry import COMMON_MODELS
from durable_sim.randomness import Constant
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError, ApplicationError
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.workflows.saga import Saga
from durable_sim.world.services.base import OperationSpec, ServiceSpec
from durable_sim.world.services.inventory import OutOfStock
from durable_sim.world.services.storage import Storage

ONCE = RetryPolicy(maximum_attempts=1)
ORDER: Order = {"order_id": "o-1", "customer": "ada", "total": 40}
CALLS_THAT_FAIL = ("refuse", "error", "error_after_effect", "lose_request", "lose_reply", "late_effect")
DURABLE = ("status_columns", "status_columns_transactional", "replay", "steps")


def run(ctx: WorkflowContext, code: Activity, *arguments: Any, retry: RetryPolicy = ONCE) -> Awaitable[Any]:
    """Actions are tried once where nothing else is said: what matters here is what comes after their failure."""
    return ctx.execute_activity(code, *arguments, start_to_close_timeout="30s", retry_policy=retry)


# --- the actions; their undos, by reference, are those of `orders` ----------------------------------------------------
@activity
async def charge_card(ctx: ActivityContext, order: Order) -> Any:
    """Charges, with a key and a reference that stay the same."""
    customer, total, mine = order["customer"], order["total"], ctx.workflow_id
    return await ctx.service("payments").charge(customer, total, idempotency_key=f"charge/{mine}", reference=mine)


@activity
async def reserve_inventory(ctx: ActivityContext, order: Order) -> Any:
    """Reserves a book; that it is sold out is final."""
    mine = ctx.workflow_id
    try:
        return await ctx.service("inventory").reserve("book", 1, idempotency_key=f"reserve/{mine}", reference=mine)
    except OutOfStock as refusal:
        raise ApplicationError("the book is sold out", "OutOfStock", non_retryable=True) from refusal


@activity
async def schedule_shipping(ctx: ActivityContext, order: Order) -> Any:
    """Books a parcel."""
    key = f"ship/{ctx.workflow_id}"
    return await ctx.service("shipping").schedule(order["order_id"], idempotency_key=key, reference=ctx.workflow_id)


def order_of(workflow: Callable[..., Any]) -> Scenario:
    """One order; where an engine has no policy by activity, everything is tried once."""
    return Scenario(workflow, (ORDER,), shop(), model_options={"steps": {"retries": 0}})


def order_of_what_is_sold_out(workflow: Callable[..., Any]) -> Scenario:
    """One order that has to be undone."""
    return Scenario(workflow, (ORDER,), shop(inventory={"options": {"stock": {"book": 0}}}))


# --- registered after the action --------------------------------------------------------------------------------------
def registering(before: bool) -> Scenario:
    """Charge and ship; the refund is registered before or after the charge."""

    @workflow
    async def sell(ctx: WorkflowContext, order: Order) -> None:
        saga = Saga(ctx)
        pairs = ((charge_card, refund_charge), (schedule_shipping, void_label))

        def register(undo: Activity) -> None:
            saga.add_compensation(undo.__name__, lambda: run(ctx, undo, order, retry=UNTIL_DONE))

        try:
            for action, undo in pairs:
                if before:
                    register(undo)
                await run(ctx, action, order)
                if not before:
                    register(undo)
        except ActivityError:
            await saga.compensate()
            raise

    return order_of(sell)


REGISTERED_AFTER_ACTION = Bug(
    "registered_after_action",
    "The undo is registered when its action has succeeded, so an action that failed after its effect has none.",
    "Register the undo first; it must then bear to find nothing.",
    "orphaned_effect",
    broken=registering(before=False),
    fixed=registering(before=True),
    faults=("crash", "error_after_effect", "lose_reply", "late_effect"),
    models=("status_columns", "status_columns_transactional", "replay"),
    source="temporal-compensating-transactions PR #4, skill-temporal-developer PR #43",
)


# --- the failed step is not undone ------------------------------------------------------------------------------------
@activity
async def refund_by_id(ctx: ActivityContext, charge_id: str) -> None:
    """Refunds one charge, by its id."""
    await ctx.service("payments").refund(charge_id)


def refunding(by_reference: bool) -> Scenario:
    """Charge and ship; the refund goes by the order, or by the charge's id."""

    @workflow
    async def sell(ctx: WorkflowContext, order: Order) -> None:
        charge = None
        try:
            charge = await run(ctx, charge_card, order)
            await run(ctx, schedule_shipping, order, retry=ATTEMPTS)
        except ActivityError:
            await run(ctx, void_label, order, retry=UNTIL_DONE)
            if by_reference:
                await run(ctx, refund_charge, order, retry=UNTIL_DONE)
            elif charge is not None:
                await run(ctx, refund_by_id, charge["id"], retry=UNTIL_DONE)
            raise

    return order_of(sell)


FAILED_STEP_NOT_COMPENSATED = Bug(
    "failed_step_not_compensated",
    "Only steps that gave a result are undone; the charge that failed with a lost answer was made all the same.",
    "Undo the failed step too, by a reference that was known before: its id went down with the answer.",
    "orphaned_effect",
    broken=refunding(by_reference=False),
    fixed=refunding(by_reference=True),
    faults=("error_after_effect", "lose_reply", "late_effect"),
    models=COMMON_MODELS,
    source="py-saga-orchestration #1",
)


# --- first done, first undone -----------------------------------------------------------------------------------------
def undoing(backwards: bool) -> Scenario:
    """Charge, reserve, ship; undo forwards or backwards."""

    @workflow
    async def sell(ctx: WorkflowContext, order: Order) -> None:
        undos: list[Activity] = []
        try:
            for action, undo in (
                (charge_card, refund_charge),
                (reserve_inventory, release_inventory),
                (schedule_shipping, void_label),
            ):
                undos.append(undo)
                await run(ctx, action, order)
        except ActivityError:
            for undo in reversed(undos) if backwards else undos:
                await run(ctx, undo, order, retry=UNTIL_DONE)
            raise

    return order_of(sell)


FIFO_ORDER = Bug(
    "fifo_order",
    "The undos run in the order of the actions: the money goes back while the goods are still set aside.",
    "Run them in reverse, last done, first undone.",
    "compensation_order",
    broken=undoing(backwards=False),
    fixed=undoing(backwards=True),
    faults=CALLS_THAT_FAIL,
    models=("regular", *DURABLE),
    source="workflow-core #191, durable-workflow/workflow PR #90",
)


# --- undone twice -----------------------------------------------------------------------------------------------------
@activity
async def void_by_number(ctx: ActivityContext, label: str) -> None:
    """Voids one label, by its number; the second time it is refused."""
    await ctx.service("shipping").void(label)


def voiding(by_reference: bool) -> Scenario:
    """Charge, ship, reserve; the book is sold out, so label and charge are taken back."""

    @workflow
    async def sell(ctx: WorkflowContext, order: Order) -> None:
        await run(ctx, charge_card, order, retry=ATTEMPTS)
        label = await run(ctx, schedule_shipping, order, retry=ATTEMPTS)
        try:
            await run(ctx, reserve_inventory, order, retry=ATTEMPTS)
        except ActivityError:
            if by_reference:
                await run(ctx, void_label, order, retry=UNTIL_DONE)
            else:
                refused = RetryPolicy(non_retryable_error_types=("LabelAlreadyVoided",))
                await run(ctx, void_by_number, label["label"], retry=refused)
            await run(ctx, refund_charge, order, retry=UNTIL_DONE)
            raise

    return order_of_what_is_sold_out(sell)


NOT_IDEMPOTENT = Bug(
    "compensation_not_idempotent",
    "The label is voided a second time when the answer was lost, is refused, and the refund after it never runs.",
    "Make an undo that is content with finding nothing left to undo.",
    "orphaned_effect",
    broken=voiding(by_reference=False),
    fixed=voiding(by_reference=True),
    faults=("crash", "lose_reply"),
    models=DURABLE,
)


# --- given up ---------------------------------------------------------------------------------------------------------
def refunding_with(retry: RetryPolicy) -> Scenario:
    """Charge and reserve; the book is sold out, so the charge is taken back, with this patience."""

    @workflow
    async def sell(ctx: WorkflowContext, order: Order) -> None:
        await run(ctx, charge_card, order, retry=ATTEMPTS)
        try:
            await run(ctx, reserve_inventory, order, retry=ATTEMPTS)
        except ActivityError:
            await run(ctx, refund_charge, order, retry=retry)
            raise

    return order_of_what_is_sold_out(sell)


NOT_RETRIED = Bug(
    "compensation_not_retried",
    "The refund is tried once; when that fails, the workflow has failed and the customer has paid.",
    "Retry an undo until it is done: there is nobody left who could undo its failure.",
    "orphaned_effect",
    broken=refunding_with(ONCE),
    fixed=refunding_with(UNTIL_DONE),
    faults=("crash", "refuse", "error", "lose_request"),
    models=("status_columns", "status_columns_transactional", "replay"),
    source="incubator-seata #2861",
)


# --- overtakes a late effect ------------------------------------------------------------------------------------------
@activity
async def complete_order(ctx: ActivityContext, order: Order) -> None:
    """Marks the order complete."""
    await ctx.service("orders").complete(order["order_id"], reference=ctx.workflow_id)


@activity
async def cancel_order(ctx: ActivityContext, order: Order) -> None:
    """Marks the order cancelled, which keeps a late completion out."""
    await ctx.service("orders").cancel(order["order_id"], reference=ctx.workflow_id)


@activity
async def cancel_order_if_complete(ctx: ActivityContext, order: Order) -> None:
    """Looks whether there is anything to cancel; the completion may still be on its way."""
    row = await ctx.service("orders").get(order["order_id"])
    if row["status"] == "complete":
        await ctx.service("orders").cancel(order["order_id"], reference=ctx.workflow_id)


def cancelling(undo: Activity) -> Scenario:
    """Mark an order complete, or take that back."""

    @workflow
    async def close_order(ctx: WorkflowContext, order: Order) -> None:
        try:
            await run(ctx, complete_order, order)
        except ActivityError:
            await run(ctx, undo, order, retry=UNTIL_DONE)
            raise

    return order_of(close_order)


OVERTAKES_LATE_EFFECT = Bug(
    "compensation_overtakes_late_effect",
    "The undo looks, finds nothing and is done; then the action lands that everybody had given up.",
    "Let the undo leave a mark by which the service refuses the action when it comes.",
    "orphaned_effect",
    broken=cancelling(cancel_order_if_complete),
    fixed=cancelling(cancel_order),
    faults=("late_effect", "very_late_effect"),
    models=("regular", "status_columns", "replay", "steps"),
    source="servicecomb-pack #346, microprofile-lra #64",
)


# --- not awaited ------------------------------------------------------------------------------------------------------
def compensating(awaited: bool) -> Scenario:
    """Charge and reserve; the book is sold out, so the charge is taken back."""

    @workflow
    async def sell(ctx: WorkflowContext, order: Order) -> None:
        await run(ctx, charge_card, order, retry=ATTEMPTS)
        try:
            await run(ctx, reserve_inventory, order, retry=ATTEMPTS)
        except ActivityError:
            refund = run(ctx, refund_charge, order, retry=UNTIL_DONE)
            if awaited:
                await refund
            raise

    return order_of_what_is_sold_out(sell)


FIRE_AND_FORGET = Bug(
    "compensation_not_awaited",
    "The refund is started and not waited for, so the workflow ends first, and with it whoever would have retried.",
    "Await the undo before the workflow ends.",
    "orphaned_effect",
    broken=compensating(awaited=False),
    fixed=compensating(awaited=True),
    models=("replay", "steps"),
    source="temporal-compensating-transactions PR #3",
)


# --- a parallel branch in flight --------------------------------------------------------------------------------------
SITES = ("eu", "us")


@activity
async def upload_prices(ctx: ActivityContext, prices: Order, site: str) -> None:
    """Puts the price list where a site's shops read it."""
    await ctx.service(site).put(f"prices-{prices['list_id']}", prices["books"])


@activity
async def delete_prices(ctx: ActivityContext, prices: Order, site: str) -> None:
    """Takes the price list away again."""
    await ctx.service(site).delete(f"prices-{prices['list_id']}")


def publishing(wait_for_all: bool) -> Scenario:
    """Publish a price list at two sites or at none; the way to one of them is slow."""

    @workflow
    async def publish_prices(ctx: WorkflowContext, prices: Order) -> None:
        try:
            uploads = [run(ctx, upload_prices, prices, site) for site in SITES]
            results = await ctx.gather(*uploads, return_exceptions=wait_for_all)
            if any(isinstance(result, Exception) for result in results):
                raise ApplicationError("one of the sites has not got the prices")
        except (ActivityError, ApplicationError):
            for site in SITES:
                await run(ctx, delete_prices, prices, site, retry=UNTIL_DONE)
            raise

    slow = {"put": OperationSpec(latency=Constant("6s"))}
    services = {
        "eu": ServiceSpec(Storage, latency=Constant("80ms"), operations=slow),
        "us": ServiceSpec(Storage, latency=Constant("80ms")),
    }
    return Scenario(
        publish_prices, ({"list_id": "l-1", "books": [12, 40]},), services, model_options={"steps": {"retries": 0}}
    )


PARALLEL_BRANCH_IN_FLIGHT = Bug(
    "parallel_branch_in_flight",
    "One branch fails and the undos run at once, while the other branch is still at work and lands after them.",
    "Wait for every branch to end, well or not, before undoing any.",
    "orphaned_effect",
    broken=publishing(wait_for_all=False),
    fixed=publishing(wait_for_all=True),
    faults=("refuse", "error"),
    models=("regular", "status_columns", "status_columns_transactional", "replay", "steps"),
    source="cadence-java-client PR #340",
)

BUGS: tuple[Bug, ...] = (
    REGISTERED_AFTER_ACTION,
    FAILED_STEP_NOT_COMPENSATED,
    FIFO_ORDER,
    NOT_IDEMPOTENT,
    NOT_RETRIED,
    OVERTAKES_LATE_EFFECT,
    FIRE_AND_FORGET,
    PARALLEL_BRANCH_IN_FLIGHT,
)
