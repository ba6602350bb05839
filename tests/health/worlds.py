"""A small world whose days can be computed by hand: one order every ten seconds, one charge that takes a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durable_sim.health.baseline import Baseline
from durable_sim.library.shop import shop
from durable_sim.randomness import Constant
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.faults import Downtime, Mixture

EVERY_MINUTE = RetryPolicy(initial_interval="60s", backoff_coefficient=1, maximum_interval="60s")
NORMAL = Baseline(expected="10s", duration_p95="1s", active=0.1)
REFUSES = Mixture(refuse=1)


@activity
async def charge(ctx: ActivityContext, order: dict[str, Any]) -> Any:
    """Charges the order."""
    return await ctx.service("payments").charge(order["order_id"], 40, idempotency_key=ctx.idempotency_key)


@workflow
async def pay(ctx: WorkflowContext, order: dict[str, Any]) -> None:
    """Charges, again every minute until it is done."""
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=EVERY_MINUTE)


@workflow
async def pay_or_wait(ctx: WorkflowContext, order: dict[str, Any]) -> None:
    """Charges; every tenth order then waits for somebody who never comes."""
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=EVERY_MINUTE)
    if int(order["order_id"].removeprefix("o-")) % 10 == 0:
        await ctx.wait_condition(lambda: False)


def orders(count: int) -> tuple[dict[str, Any], ...]:
    """o-0, o-1, ..."""
    return tuple({"order_id": f"o-{number}"} for number in range(count))


def a_day(count: int = 720, code: Any = pay, *, every: str = "10s", horizon: str = "30d", **payments: Any) -> Scenario:
    """Two hours of orders; `payments` are settings of the one service."""
    settings: Mapping[str, Any] = {"latency": Constant("1s"), **payments}
    services = shop(payments=settings)
    return Scenario(code, orders(count), services, arrivals=Arrivals(every), horizon=horizon, name="a day")


def outage(start: str = "60m", lasts: str = "20m") -> Downtime:
    """Every call is refused."""
    return Downtime(start, lasts, REFUSES)
