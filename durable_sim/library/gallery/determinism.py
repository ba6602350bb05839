"""Bugs of workflow code that says something else when it is run again over its history.

Simulations share one Python process and must not differ from one another. So what real code has in the memory of a
worker (a global, a generator of random numbers) is cleared here where an execution begins, and real clocks and hash
orders, which would differ, are shown by the guard that refuses them.
"""

from __future__ import annotations

import random
import time
from typing import Any

from durable_sim.library.gallery.bug import Bug
from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.library.shop import shop
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow

Order = dict[str, Any]
GUARDED = {"replay": {"guard": True}}
LUCKY = 31
"""The first number of a generator with this seed is below 0.02, the next hundred are not."""


def _scenario(order_workflow: Activity, **settings: Any) -> Scenario:
    order = {"order_id": "o-1", "customer": "ada", "items": ["pen", "book", "pen"]}
    # a workflow task that fails is tried again and again; ten minutes of that are enough
    return Scenario(order_workflow, (order,), shop(), horizon="10m", **settings)


def _do(ctx: WorkflowContext, step: Activity, *arguments: Any) -> Any:
    return ctx.execute_activity(step, *arguments, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)


@activity
async def look_up(ctx: ActivityContext, order: Order) -> str:
    """Reads the order's row."""
    return str((await ctx.service("orders").get(order["order_id"]))["status"])


@activity
async def reserve(ctx: ActivityContext, order: Order, sku: str) -> None:
    """Sets one unit of an item aside."""
    key = f"{order['order_id']}/{sku}"
    await ctx.service("inventory").reserve(sku, 1, reference=order["order_id"], idempotency_key=key)


@activity
async def send_mail(ctx: ActivityContext, order: Order, template: str) -> None:
    """Writes to the customer."""
    await ctx.service("email").send(order["customer"], template, reference=order["order_id"])


# --- the memory of the worker -----------------------------------------------------------------------------------
def cached_status(in_worker: bool) -> Activity:
    """Asks for an order's status once, and remembers it: in the worker's memory, or in the workflow's."""
    cache: dict[str, str] = {}

    @workflow(name="fulfill_order")
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> None:
        if not ctx.is_replaying:
            cache.clear()  # the memory of a worker that has just started
        known = cache if in_worker else {}
        if order["order_id"] not in known:
            known[order["order_id"]] = await _do(ctx, look_up, order)
        await _do(ctx, send_mail, order, f"your order is {known[order['order_id']]}")

    return fulfill_order


GLOBAL_STATE = Bug(
    name="global_state_in_worker",
    mistake="A cache in the worker's memory decides whether a step is taken; the replay finds it filled and skips it.",
    remedy="Keep in the workflow's own variables what the workflow decides by; they are rebuilt from its history.",
    shows_as="stuck",
    broken=_scenario(cached_status(in_worker=True)),
    fixed=_scenario(cached_status(in_worker=False)),
    source="formancehq/payments PR #752",
)


def sampled(from_context: bool) -> Activity:
    """Asks one customer in fifty for an opinion."""
    dice = random.Random(LUCKY)

    @workflow(name="fulfill_order")
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> None:
        if not ctx.is_replaying:
            dice.seed(LUCKY)  # as any generator in a worker that has just started; it goes on with its next number
        chance = ctx.random if from_context else dice
        await _do(ctx, reserve, order, "book")
        if chance.random() < 0.02:
            await _do(ctx, send_mail, order, "survey")
        await _do(ctx, look_up, order)

    return fulfill_order


RANDOM_BRANCH = Bug(
    name="random_branch",
    mistake="A random number decides whether a step is taken; the replay draws another number.",
    remedy="Draw from the context, which draws the same numbers again, or record the number as a side effect.",
    shows_as="stuck",
    broken=_scenario(sampled(from_context=False)),
    fixed=_scenario(sampled(from_context=True)),
    source="temporalio/samples-go #70",
)


def greeted_once(by_replaying: bool) -> Activity:
    """Sends a greeting at the first run only."""

    @workflow(name="fulfill_order")
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> None:
        if not (by_replaying and ctx.is_replaying):
            await _do(ctx, send_mail, order, "we are on it")
        await _do(ctx, reserve, order, "book")

    return fulfill_order


REPLAYING_BRANCH = Bug(
    name="branch_on_replaying",
    mistake="A step is taken only where the code is not being replayed, so that it is not taken twice.",
    remedy="Take it always: a replay does not repeat a recorded step. The flag is for logs and metrics.",
    shows_as="stuck",
    broken=_scenario(greeted_once(by_replaying=True)),
    fixed=_scenario(greeted_once(by_replaying=False)),
)


# --- what the guard refuses -------------------------------------------------------------------------------------
def by_the_hour(from_context: bool) -> Activity:
    """Sends no mail at night."""

    @workflow(name="fulfill_order")
    async def fulfill_order(ctx: WorkflowContext, order: Order) -> None:
        hour = ctx.now().hour if from_context else time.gmtime().tm_hour
        await _do(ctx, reserve, order, "book")
        if hour < 22:
            await _do(ctx, send_mail, order, "order-confirmation")

    return fulfill_order


WALL_CLOCK_BRANCH = Bug(
    name="wall_clock_branch",
    mistake="The machine's clock decides whether a step is taken; the replay reads it at another time.",
    remedy="Ask the context for the time: it gives the time at which the code first came here.",
    shows_as="stuck",
    broken=_scenario(by_the_hour(from_context=False), model_options=GUARDED),
    fixed=_scenario(by_the_hour(from_context=True), model_options=GUARDED),
)


@workflow(name="fulfill_order")
async def items_in_any_order(ctx: WorkflowContext, order: Order) -> None:
    """Reserves each item of an order once."""
    for sku in set(order["items"]):
        await _do(ctx, reserve, order, sku)


@workflow(name="fulfill_order")
async def items_in_order(ctx: WorkflowContext, order: Order) -> None:
    """Reserves each item of an order once, in the order of the alphabet."""
    for sku in sorted(set(order["items"])):
        await _do(ctx, reserve, order, sku)


UNORDERED_SET = Bug(
    name="unordered_set_iteration",
    mistake="Steps are taken in the order of a set, which is another one in each process.",
    remedy="Sort, or keep a list or a dict.",
    shows_as="stuck",
    broken=_scenario(items_in_any_order, model_options=GUARDED),
    fixed=_scenario(items_in_order, model_options=GUARDED),
    source="banzaicloud/pipeline #2155",
)

BUGS: tuple[Bug, ...] = (GLOBAL_STATE, RANDOM_BRANCH, REPLAYING_BRANCH, WALL_CLOCK_BRANCH, UNORDERED_SET)
