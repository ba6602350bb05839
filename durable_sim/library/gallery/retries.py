"""Retries: of what no retry can change, too soon, too many, of an attempt that is still at work, of too much at once.

A retry is a second request, not the first one again: it adds to the load, and to the effects unless a key says which
effect it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from durable_sim.checks.oracles import Oracle
from durable_sim.checks.violations import Violation
from durable_sim.durations import Duration, duration_us
from durable_sim.library.gallery.bug import RESUMING, RETRYING, Bug
from durable_sim.library.shop import shop
from durable_sim.randomness import Constant
from durable_sim.simulation.run import Recording
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import REQUEST_SENT
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError, ApplicationError, ServiceUnavailable
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.faults import Script
from durable_sim.world.services.acquirer import Acquirer
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.payments import CardDeclined

Order = dict[str, Any]


# --- how often a service is called ------------------------------------------------------------------------------------
def calls_at_most(subject: str, limit: int, within: Duration = "30d") -> Oracle:
    """An oracle: no execution calls an operation more than `limit` times in any such span."""

    def check(recording: Recording) -> Iterator[Violation]:
        for execution in recording.executions:
            records = recording.trace.of(execution.id)
            sent_us = [one.time_us for one in records if one.kind == REQUEST_SENT and one.subject == subject]
            spans = [(first_us, first_us + duration_us(within)) for first_us in sent_us]
            most = max((sum(since <= one < until for one in sent_us) for since, until in spans), default=0)
            if most > limit:
                found = f"{most} calls within {within}"
                yield Violation("too_many_calls", execution.id, subject, found, f"at most {limit}")

    return check


# --- a refusal that is final ------------------------------------------------------------------------------------------
ORDER: Order = {"order_id": "o-1", "customer": "ada", "total": 40}


def charging_declined_card(final: bool) -> Scenario:
    """Charge a card that is declined; the engine is told that this is final, or is not."""

    @activity
    async def charge_card(ctx: ActivityContext, order: Order) -> Any:
        payments, key = ctx.service("payments"), f"charge/{order['order_id']}"
        try:
            return await payments.charge(order["customer"], 40, idempotency_key=key, card="card_declined")
        except CardDeclined as refusal:
            if final:
                raise ApplicationError("the card was declined", "CardDeclined", non_retryable=True) from refusal
            raise

    @workflow
    async def check_out(ctx: WorkflowContext, order: Order) -> None:
        retry = RetryPolicy(maximum_attempts=6)
        await ctx.execute_activity(charge_card, order, start_to_close_timeout="30s", retry_policy=retry)

    return Scenario(check_out, (ORDER,), shop())


RETRY_OF_FINAL_REFUSAL = Bug(
    "retry_of_final_refusal",
    "A declined card is tried again and again, as if it were an outage.",
    "Tell the engine which errors are final, by an error that is not retryable or in the retry policy.",
    "too_many_calls",
    broken=charging_declined_card(final=False),
    fixed=charging_declined_card(final=True),
    models=(*RETRYING, "steps"),
    oracles=(calls_at_most("payments.charge", 3),),
)


# --- no back-off ------------------------------------------------------------------------------------------------------
def charging_in_outage(retry: RetryPolicy) -> Scenario:
    """Charge a card while the provider is down, and refuses twelve calls."""

    @activity
    async def charge_card(ctx: ActivityContext, order: Order) -> Any:
        key = f"charge/{order['order_id']}"
        return await ctx.service("payments").charge(order["customer"], order["total"], idempotency_key=key)

    @workflow
    async def check_out(ctx: WorkflowContext, order: Order) -> None:
        await ctx.execute_activity(charge_card, order, start_to_close_timeout="30s", retry_policy=retry)

    return Scenario(check_out, (ORDER,), shop(), _down("payments", "charge", calls=12))


def _down(service: str, operation: str, calls: int) -> tuple[Script, ...]:
    """An outage that refuses the first calls."""
    return tuple(Script(service, operation, call, "refuse") for call in range(1, calls + 1))


RETRY_STORM = Bug(
    "retry_storm_without_backoff",
    "During an outage the client calls several times a second, which helps to keep the service down.",
    "Back off: wait longer after every failure.",
    "too_many_calls",
    broken=charging_in_outage(RetryPolicy(initial_interval="100ms", backoff_coefficient=1)),
    fixed=charging_in_outage(RetryPolicy(initial_interval="1s", backoff_coefficient=2)),
    models=RETRYING,
    oracles=(calls_at_most("payments.charge", 10, within="1m"),),
    source="Site Reliability Engineering (Google), chapter 22: Addressing Cascading Failures",
)


# --- retries of retries -----------------------------------------------------------------------------------------------
def reserving(layers: int) -> Scenario:
    """Reserve a seat at a service that is down; with one layer only the policy retries, with three everybody does."""
    in_client, in_policy, in_workflow = (1, 3, 1) if layers == 1 else (2, 3, 2)

    @activity
    async def reserve_seat(ctx: ActivityContext, trip: Order) -> Any:
        for tries_left in reversed(range(in_client)):
            try:
                return await ctx.service("inventory").reserve("seat", 1, idempotency_key=ctx.workflow_id)
            except ServiceUnavailable:
                if not tries_left:
                    raise

    @workflow
    async def book_trip(ctx: WorkflowContext, trip: Order) -> str:
        retry = RetryPolicy(maximum_attempts=in_policy)
        for tries_left in reversed(range(in_workflow)):
            try:
                await ctx.execute_activity(reserve_seat, trip, start_to_close_timeout="30s", retry_policy=retry)
                return "booked"
            except ActivityError:
                if not tries_left:
                    raise
        return "never"

    return Scenario(book_trip, ({"trip_id": "t-1"},), shop(), _down("inventory", "reserve", calls=30))


LAYERED_RETRIES = Bug(
    "layered_retries",
    "Client, retry policy and workflow each try two or three times, so one request becomes twelve.",
    "Retry in one layer only: the policy.",
    "too_many_calls",
    broken=reserving(layers=3),
    fixed=reserving(layers=1),
    models=(*RETRYING, "steps"),
    oracles=(calls_at_most("inventory.reserve", 6),),
    source="Amazon Builders' Library: Timeouts, retries, and backoff with jitter",
)


# --- an attempt that is still at work ---------------------------------------------------------------------------------
def booking(timeout: Duration) -> Scenario:
    """Book a parcel at a carrier that takes no keys and is sometimes slow."""

    @activity
    async def book_parcel(ctx: ActivityContext, order: Order) -> Any:
        return await ctx.service("shipping").schedule(order["order_id"])

    @workflow
    async def ship(ctx: WorkflowContext, order: Order) -> str:
        booked = await ctx.execute_activity(book_parcel, order, start_to_close_timeout=timeout)
        return str(booked["label"])

    carrier = {"latency": Constant("1s"), "client_timeout": "60s"}
    return Scenario(ship, (ORDER,), shop(shipping=carrier))


TIMEOUT_BELOW_TAIL = Bug(
    "start_to_close_shorter_than_tail",
    "The time-out is shorter than a slow answer takes, so a second attempt books while the first is still booking.",
    "Set the start-to-close time-out above the slowest answer that the client would wait for.",
    "duplicate_effect",
    broken=booking("5s"),
    fixed=booking("90s"),
    faults=("slow",),
    models=("regular_rerun", *RETRYING),
    source="dust-tt/dust PR #5045",
)


# --- a batch ----------------------------------------------------------------------------------------------------------
def paying(keyed: bool) -> Scenario:
    """Pay the merchants of a day, all in one activity."""

    @activity
    async def pay_merchants(ctx: ActivityContext, payday: Order) -> None:
        for merchant in payday["merchants"]:
            mine = f"{payday['payday_id']}/{merchant}"
            key = mine if keyed else None
            await ctx.service("bank").payout(merchant, payday["amount"], reference=mine, idempotency_key=key)

    @workflow
    async def run_payouts(ctx: WorkflowContext, payday: Order) -> None:
        await ctx.execute_activity(pay_merchants, payday, start_to_close_timeout="5m")

    payday = {"payday_id": "2024-05-31", "amount": 100, "merchants": ["books", "tea", "toys"]}
    return Scenario(run_payouts, (payday,), {"bank": ServiceSpec(Acquirer)})


PARTIAL_BATCH = Bug(
    "partial_batch",
    "One activity pays a whole list; a retry begins at the top and pays the first ones again.",
    "Give every item a key of its own, the same in every attempt.",
    "duplicate_effect",
    broken=paying(keyed=False),
    fixed=paying(keyed=True),
    models=RESUMING,
    source="KeeperHub/keeperhub #2495",
)

BUGS: tuple[Bug, ...] = (
    RETRY_OF_FINAL_REFUSAL,
    RETRY_STORM,
    LAYERED_RETRIES,
    TIMEOUT_BELOW_TAIL,
    PARTIAL_BATCH,
)
