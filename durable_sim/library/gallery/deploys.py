"""Bugs of new code that meets old histories: each scenario has a version "next", for a deploy to switch to."""

from __future__ import annotations

from typing import Any

from durable_sim.library.gallery.bug import Bug
from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.library.shop import shop
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow

Order = dict[str, Any]


def _deploy(old: Activity, new: Activity) -> Scenario:
    order = {"order_id": "o-1", "customer": "ada", "total": 40}
    # a workflow task that fails is tried again and again; ten minutes of that are enough
    return Scenario(old, (order,), shop(), versions={"next": new}, horizon="10m")


def _do(ctx: WorkflowContext, step: Activity, order: Order) -> Any:
    return ctx.execute_activity(step, order, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)


def _key(ctx: ActivityContext, order: Order) -> str:
    return f"{order['order_id']}/{ctx.info.name}"


@activity
async def charge_card(ctx: ActivityContext, order: Order) -> None:
    """Charges once an order and step."""
    await ctx.service("payments").charge(order["customer"], order["total"], idempotency_key=_key(ctx, order))


@activity
async def look_up(ctx: ActivityContext, order: Order) -> None:
    """Reads the order's row."""
    await ctx.service("orders").get(order["order_id"])


@activity
async def send_receipt(ctx: ActivityContext, order: Order) -> None:
    """Writes to the customer."""
    await ctx.service("email").send(order["customer"], "receipt")


@activity
async def ship_order(ctx: ActivityContext, order: Order) -> None:
    """Books the parcel once an order and step."""
    await ctx.service("shipping").schedule(order["order_id"], idempotency_key=_key(ctx, order))


def order_of(pay: Activity, between: Activity | None = None) -> Activity:
    """The order workflow: pay, and ship; with a step between, or without."""

    @workflow(name="fulfill_order")
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> None:
        await _do(ctx, pay, order)
        if between is not None:
            await _do(ctx, between, order)
        await _do(ctx, ship_order, order)

    return fulfill_order


# --- added, removed ---------------------------------------------------------------------------------------------
@workflow(name="fulfill_order")
async def with_receipt(ctx: WorkflowContext, order: Order) -> None:
    """Sends a receipt, to those whose order began after the receipt was invented."""
    await _do(ctx, charge_card, order)
    if ctx.patched("receipt"):
        await _do(ctx, send_receipt, order)
    await _do(ctx, ship_order, order)


@workflow(name="fulfill_order")
async def without_look_up(ctx: WorkflowContext, order: Order) -> None:
    """Looks the order up only where it has been looked up before."""
    await _do(ctx, charge_card, order)
    if not ctx.patched("no look-up"):
        await _do(ctx, look_up, order)
    await _do(ctx, ship_order, order)


_SHORT, _WITH_LOOK_UP = order_of(charge_card), order_of(charge_card, look_up)
STEP_ADDED = Bug(
    name="step_added",
    mistake="New code has a step more in the middle; the histories of running orders have not.",
    remedy="Ask `ctx.patched(...)` before the step: false where a history from before the change is replayed.",
    shows_as="stuck",
    broken=_deploy(_SHORT, order_of(charge_card, send_receipt)),
    fixed=_deploy(_SHORT, with_receipt),
    faults=("deploy",),
    source="airbyte #7438",
)
STEP_REMOVED = Bug(
    name="step_removed",
    mistake="New code has a step less; the histories of running orders still have it.",
    remedy="Keep the step behind `not ctx.patched(...)` until the last order that has taken it is done.",
    shows_as="stuck",
    broken=_deploy(_WITH_LOOK_UP, _SHORT),
    fixed=_deploy(_WITH_LOOK_UP, without_look_up),
    faults=("deploy",),
    source="PostHog PR #60956",
)


# --- renamed ----------------------------------------------------------------------------------------------------
@activity
async def take_payment(ctx: ActivityContext, order: Order) -> None:
    """Charges, under a better name."""
    await charge_card(ctx, order)


@activity(name="charge_card")
async def take_payment_as_before(ctx: ActivityContext, order: Order) -> None:
    """Charges, under a better name in the code and the old one in histories."""
    await charge_card(ctx, order)


_RENAMED = _deploy(_SHORT, order_of(take_payment))
_KEPT = _deploy(_SHORT, order_of(take_payment_as_before))
STEP_RENAMED = Bug(
    name="step_renamed",
    mistake="A function is given a better name; histories know it by the old one.",
    remedy="Rename the function and keep the name under which it is recorded: `@activity(name=...)`.",
    shows_as="stuck",
    broken=_RENAMED,
    fixed=_KEPT,
    faults=("deploy",),
    source="temporalio/sdk-rust #443",
)
STEP_RENAMED_RUNS_AGAIN = Bug(
    name="step_renamed_runs_again",
    mistake="What remembers a step by its name, as the idempotency key here does, has never heard of a renamed one.",
    remedy="Keep the name under which a step is remembered, and make keys from what is bought, not from code.",
    shows_as="duplicate_effect",
    broken=_RENAMED,
    fixed=_KEPT,
    faults=("deploy",),
    models=("regular_rerun", "status_columns", "status_columns_transactional", "steps"),
)


# --- a patch that is taken out ------------------------------------------------------------------------------------
@workflow(name="fulfill_order")
async def with_old_receipt(ctx: WorkflowContext, order: Order) -> None:
    """All orders have a receipt; those that run have a mark in their histories from when it was new."""
    await _do(ctx, charge_card, order)
    ctx.deprecate_patch("receipt")
    await _do(ctx, send_receipt, order)
    await _do(ctx, ship_order, order)


PATCH_REMOVED = Bug(
    name="patch_removed_too_early",
    mistake="The mark of a change is taken out of the code while there are histories that have it.",
    remedy="First call `ctx.deprecate_patch(...)`, and take that out when the last of these orders is done.",
    shows_as="stuck",
    broken=_deploy(with_receipt, order_of(charge_card, send_receipt)),
    fixed=_deploy(with_receipt, with_old_receipt),
    faults=("deploy",),
)

BUGS: tuple[Bug, ...] = (STEP_ADDED, STEP_REMOVED, STEP_RENAMED, STEP_RENAMED_RUNS_AGAIN, PATCH_REMOVED)
