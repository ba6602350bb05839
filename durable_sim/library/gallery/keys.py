"""Idempotency keys: none, unstable ones, and ones that two effects share.

What a key is for: the provider does a request with a known key no second time. So it has to be the same for every
attempt at one effect, and another for every other effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from durable_sim.checks.violations import Violation
from durable_sim.library.gallery.bug import RESUMING, RETRYING, Bug
from durable_sim.library.shop import shop
from durable_sim.simulation.run import Recording
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError, ApplicationError
from durable_sim.workflows.retry import RetryPolicy

Order = dict[str, Any]
Key = Callable[[ActivityContext, Order], str | None]

ORDER: Order = {"order_id": "o-1", "customer": "ada", "total": 40}


# --- one charge -------------------------------------------------------------------------------------------------------
def checkout(key: Key, orders: tuple[Order, ...] = (ORDER,), retry: RetryPolicy = RetryPolicy()) -> Scenario:
    """Charge a customer for an order, with this key."""

    @activity
    async def charge_card(ctx: ActivityContext, order: Order) -> Any:
        payments = ctx.service("payments")
        return await payments.charge(order["customer"], order["total"], idempotency_key=key(ctx, order))

    @workflow
    async def check_out(ctx: WorkflowContext, order: Order) -> str:
        charge = await ctx.execute_activity(charge_card, order, start_to_close_timeout="30s", retry_policy=retry)
        return str(charge["id"])

    return Scenario(check_out, orders, shop())


def by_order(ctx: ActivityContext, order: Order) -> str:
    """The right key here: the same for every attempt at this charge, in every run of the code, and for no other."""
    return f"charge/{order['order_id']}"


def by_time(ctx: ActivityContext, order: Order) -> str:
    """Another one for every attempt, as each has its own time."""
    return f"charge/{order['order_id']}/{ctx.now().timestamp()}"


def by_attempt(ctx: ActivityContext, order: Order) -> str:
    """Another one for every attempt."""
    return f"charge/{order['order_id']}/{ctx.attempt}"


def by_customer_and_total(ctx: ActivityContext, order: Order) -> str:
    """The same for all orders of a customer that cost the same."""
    return f"charge/{order['customer']}/{order['total']}"


NO_KEY = Bug(
    "no_key",
    "The charge is sent without an idempotency key, so a retry is another charge.",
    "Send a key that comes from the order, the same with every attempt.",
    "duplicate_effect",
    broken=checkout(lambda ctx, order: None),
    fixed=checkout(by_order),
    models=RESUMING,
    source="akash-network/console PR #3449",
)
TIME_BASED_KEY = Bug(
    "time_based_key",
    "The idempotency key contains the time, so every attempt has a key of its own.",
    "Make the key from what stays the same between attempts: the order's id.",
    "duplicate_effect",
    broken=checkout(by_time),
    fixed=checkout(by_order),
    models=RESUMING,
    source="adyen-commercetools #1305",
)
KEY_CHANGES_WITH_ATTEMPT = Bug(
    "key_changes_with_attempt",
    "The idempotency key contains the number of the attempt, so it protects from everything but retries.",
    "Leave the attempt out of the key.",
    "duplicate_effect",
    broken=checkout(by_attempt),
    fixed=checkout(by_order),
    faults=("crash", "lose_reply"),
    models=(*RETRYING, "steps"),
)
KEY_TOO_COARSE = Bug(
    "key_too_coarse",
    "The key is made of customer and total, so a second order at the same price is taken for a retry of the first.",
    "Make the key from the order's id.",
    "lost_effect",
    broken=checkout(by_customer_and_total, (ORDER, ORDER | {"order_id": "o-2"})),
    fixed=checkout(by_order, (ORDER, ORDER | {"order_id": "o-2"})),
    models=RESUMING,
    source="worldcoin/developer-portal PR #1608",
)
NEXT_DAY = RetryPolicy(initial_interval="25h", backoff_coefficient=1)
KEY_EXPIRED = Bug(
    "key_expired",
    "The next attempt comes a day later, when the provider has forgotten the key.",
    "Retry within the lifetime of the key, 24 hours with most providers.",
    "duplicate_effect",
    broken=checkout(by_order, retry=NEXT_DAY),
    fixed=checkout(by_order, retry=RetryPolicy(initial_interval="1h", backoff_coefficient=1)),
    faults=("crash", "lose_reply"),
    models=RETRYING,
    source="commcare-hq PR #33509",
)


# --- a second try at the whole order ----------------------------------------------------------------------------------
def selling(key_by_round: bool) -> Scenario:
    """Charge and reserve; when that fails, take both back and try once more."""

    def charge_of(order: Order, round: int) -> str:
        return f"{order['order_id']}/{round}" if key_by_round else str(order["order_id"])

    @activity
    async def charge_card(ctx: ActivityContext, order: Order, round: int) -> Any:
        mine, payments = charge_of(order, round), ctx.service("payments")
        return await payments.charge(order["customer"], order["total"], idempotency_key=mine, reference=mine)

    @activity
    async def reserve_book(ctx: ActivityContext, order: Order, round: int) -> None:
        mine = f"{order['order_id']}/{round}"
        await ctx.service("inventory").reserve("book", 1, reference=mine, idempotency_key=mine)

    @activity
    async def take_back(ctx: ActivityContext, order: Order, round: int) -> None:
        await ctx.service("inventory").release(reference=f"{order['order_id']}/{round}")
        await ctx.service("payments").refund(reference=charge_of(order, round))

    @workflow
    async def sell(ctx: WorkflowContext, order: Order) -> str:
        once = RetryPolicy(maximum_attempts=1)
        for round in (1, 2):
            try:
                for action in (charge_card, reserve_book):
                    await ctx.execute_activity(action, order, round, start_to_close_timeout="30s", retry_policy=once)
                return "sold"
            except ActivityError:
                await ctx.execute_activity(take_back, order, round, start_to_close_timeout="30s")
        raise ApplicationError("not sold")

    return Scenario(sell, (ORDER,), shop(), model_options={"steps": {"retries": 0}})


KEY_OUTLIVES_REFUND = Bug(
    "key_outlives_refund",
    "After a refund the order is tried again under its old key, and gets the old charge for an answer: goods for free.",
    "Give every try at the whole a key of its own.",
    "lost_effect",
    broken=selling(key_by_round=False),
    fixed=selling(key_by_round=True),
    faults=("refuse", "error", "error_after_effect", "lose_reply", "late_effect"),
    models=("regular", *RESUMING),
)


# --- two charges ------------------------------------------------------------------------------------------------------
def rent_flat(key_of: Callable[[Order, str], str]) -> Scenario:
    """Charge a deposit and the first rent, which happen to be the same amount."""

    @activity
    async def charge_tenant(ctx: ActivityContext, order: Order, what: str) -> Any:
        payments = ctx.service("payments")
        return await payments.charge(order["customer"], order[what], idempotency_key=key_of(order, what))

    @workflow
    async def let_flat(ctx: WorkflowContext, order: Order) -> str:
        for what in ("deposit", "rent"):
            await ctx.execute_activity(charge_tenant, order, what, start_to_close_timeout="30s")
        return "let"

    lease = {"lease_id": "l-1", "customer": "ada", "deposit": 900, "rent": 900}
    return Scenario(let_flat, (lease,), shop())


def paid_in_full(recording: Recording) -> Iterator[Violation]:
    """Whoever lives there has paid deposit and rent."""
    for execution in recording.executions:
        paid = sum(entry.quantity for entry in recording.ledger if entry.execution == execution.id)
        due = 100 * (execution.input["deposit"] + execution.input["rent"])
        if execution.status == "completed" and paid < due:
            yield Violation("underpaid", execution.id, "deposit and rent", f"{paid} cents", f"{due} cents")


KEY_SHARED_BY_TWO_EFFECTS = Bug(
    "key_shared_by_two_effects",
    "Deposit and rent have one key, so the second charge is taken for a retry of the first and never made.",
    "Put into the key what is charged, not only for which lease.",
    "underpaid",
    broken=rent_flat(lambda order, what: order["lease_id"]),
    fixed=rent_flat(lambda order, what: f"{order['lease_id']}/{what}"),
    models=RESUMING,
    oracles=(paid_in_full,),
)

BUGS: tuple[Bug, ...] = (
    NO_KEY,
    TIME_BASED_KEY,
    KEY_CHANGES_WITH_ATTEMPT,
    KEY_TOO_COARSE,
    KEY_EXPIRED,
    KEY_OUTLIVES_REFUND,
    KEY_SHARED_BY_TWO_EFFECTS,
)
