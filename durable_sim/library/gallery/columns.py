"""Bugs of code that keeps its own state: rows that say what is done, and the recovery that reads them."""

from __future__ import annotations

from typing import Any

from durable_sim.library.gallery.bug import Bug
from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.library.shop import shop
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import Rejected
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.storage import Storage

Order = dict[str, Any]


def _scenario(step: Activity, **settings: Any) -> Scenario:
    """An order of one step."""

    @workflow(name="fulfill_order")
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> None:
        await ctx.execute_activity(step, order, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

    services = {**shop(), "storage": ServiceSpec(Storage)}
    order = {"order_id": "o-1", "customer": "ada", "total": 40}
    return Scenario(fulfill_order, (order,), services, **settings)


# --- check, do, update ------------------------------------------------------------------------------------------
def charge_unless_paid(status_first: bool = False, key: bool = True) -> Activity:
    """Looks whether the order's row says that it is paid, charges, and writes the row."""

    @activity
    async def charge_order(ctx: ActivityContext, order: Order) -> None:
        orders, order_id = ctx.service("orders"), order["order_id"]
        if (await orders.get(order_id))["status"] == "complete":
            return
        if status_first:
            await orders.complete(order_id)
        same_for_all = order_id if key else None
        await ctx.service("payments").charge(order["customer"], order["total"], idempotency_key=same_for_all)
        if not status_first:
            await orders.complete(order_id)

    return charge_order


STATUS_BEFORE_EFFECT = Bug(
    name="status_written_before_effect",
    mistake="The row says that the order is paid before it is, so whoever takes over after a crash never charges.",
    remedy="Write the row after the charge, and charge with a key, as it will be tried twice.",
    shows_as="lost_effect",
    broken=_scenario(charge_unless_paid(status_first=True)),
    fixed=_scenario(charge_unless_paid()),
    models=("regular_rerun", "status_columns", "replay", "steps"),
)
STATUS_AFTER_EFFECT = Bug(
    name="status_written_after_effect",
    mistake="Between the charge and the row that says so there is a window; a crash in it charges again.",
    remedy="No order of the two closes the window: charge with a key that is made from the order alone.",
    shows_as="duplicate_effect",
    broken=_scenario(charge_unless_paid(key=False)),
    fixed=_scenario(charge_unless_paid()),
    models=("regular_rerun", "status_columns", "status_columns_transactional", "replay", "steps"),
)


# --- recovery ---------------------------------------------------------------------------------------------------
@activity
async def complete_order(ctx: ActivityContext, order: Order) -> None:
    """Writes the order's row; to write it twice changes nothing."""
    await ctx.service("orders").complete(order["order_id"])


_ONCE = {
    "regular_rerun": {"reruns_max": 1},
    "status_columns": {"restarts_max": 1},
    "status_columns_transactional": {"restarts_max": 1},
}
RECOVERY_STRANDS_WORK = Bug(
    name="recovery_strands_work",
    mistake="The recovery job takes up an order once; when it crashes itself, nobody comes back for that order.",
    remedy="Let the recovery be recovered: take up whatever is not done and not being worked on, as often as it takes.",
    shows_as="stuck",
    broken=_scenario(complete_order, model_options=_ONCE),
    fixed=_scenario(complete_order),
    depth=2,
    models=("regular_rerun", "status_columns", "status_columns_transactional"),
    source="dbos-transact-py #716",
)


def post_to_account(key: bool) -> Activity:
    """Appends an order to the customer's account, unless it is there."""

    @activity
    async def post_order(ctx: ActivityContext, order: Order) -> None:
        name, accounts = f"account/{order['customer']}/{order['order_id']}", ctx.service("storage")
        try:
            await accounts.get(name)
        except Rejected:
            await accounts.append(name, order["total"], idempotency_key=order["order_id"] if key else None)

    return post_order


_IMPATIENT = {
    "status_columns": {"claim_lasts": "30s"},
    "status_columns_transactional": {"claim_lasts": "30s"},
    "steps": {"call_timeout": "30s"},
}
CHECK_THEN_ACT = Bug(
    name="check_then_act",
    mistake="Two recoveries look at the same time, both find nothing, and both act.",
    remedy="Let the one who stores decide, not the one who asks: write with a unique key.",
    shows_as="duplicate_effect",
    broken=_scenario(post_to_account(key=False), model_options=_IMPATIENT),
    fixed=_scenario(post_to_account(key=True), model_options=_IMPATIENT),
    faults=("pause",),
    models=("status_columns", "status_columns_transactional", "replay", "steps"),
    source="dbos-transact-ts PR #1219",
)

BUGS: tuple[Bug, ...] = (STATUS_BEFORE_EFFECT, STATUS_AFTER_EFFECT, RECOVERY_STRANDS_WORK, CHECK_THEN_ACT)
