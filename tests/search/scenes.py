"""Small scenarios to search: orders right and wrong, and workflows that break in known ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.models.state_machine.idiom import StateMachineDefinition
from durable_sim.randomness import Constant
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError, ApplicationError
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.payments import Payments

ID = {"order_id": "o-1"}
TWO_ITEMS = {**ID, "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 2}]}
ORDER = Scenario(correct_order(), (ID,), shop())
KEYLESS = Scenario(correct_order(keys=False), (ID,), shop())
COMPENSATED = Scenario(correct_order(), (TWO_ITEMS,), shop(inventory={"options": {"stock": {"lamp": 1}}}))
"""The second item is out of stock: what was done is undone."""
PAYMENTS: Mapping[str, ServiceSpec] = {"payments": ServiceSpec(Payments, latency=Constant("100ms"))}
"""A world of one service, which always takes as long."""


@activity
async def charge(ctx: ActivityContext, order: Any) -> Any:
    """One charge, with the key of its step."""
    return await ctx.service("payments").charge(
        "c-1", 40, reference=ctx.workflow_id, idempotency_key=ctx.idempotency_key
    )


@activity
async def charge_again(ctx: ActivityContext, order: Any) -> Any:
    """One charge, without a key: each attempt charges."""
    return await ctx.service("payments").charge("c-1", 40, reference=ctx.workflow_id)


@activity
async def refund(ctx: ActivityContext, order: Any) -> None:
    """Gives back whatever was charged."""
    await ctx.service("payments").refund(reference=ctx.workflow_id)


_TASK = {
    "Type": "Task",
    "Resource": "charge",
    "TimeoutSeconds": 30,
    "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 9}],
    "End": True,
}
_MACHINE = StateMachineDefinition({"StartAt": "charge", "States": {"charge": _TASK}}, (charge,))


@workflow(name="pay", idioms={"state_machine": _MACHINE})
async def pay(ctx: WorkflowContext, order: Any) -> str:
    """One charge, right."""
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    return "paid"


@workflow(name="pay")
async def pay_without_key(ctx: WorkflowContext, order: Any) -> str:
    """One charge, wrong."""
    await ctx.execute_activity(charge_again, order, start_to_close_timeout="30s")
    return "paid"


@workflow(name="give_back")
async def give_back_twice_at_most(ctx: WorkflowContext, order: Any) -> None:
    """Charges and gives the money back, in at most two attempts: two faults are needed to leave the charge standing."""
    twice = RetryPolicy(initial_interval="1s", maximum_attempts=2)
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    await ctx.execute_activity(refund, order, start_to_close_timeout="30s", retry_policy=twice)
    raise ApplicationError("no such order", type="NoSuchOrder")


@workflow(name="give_up")
async def give_up_after_two(ctx: WorkflowContext, order: Any) -> str:
    """Tries to charge twice at most, and gives up where the charge may have been made."""
    twice = RetryPolicy(initial_interval="1s", maximum_attempts=2)
    try:
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s", retry_policy=twice)
    except ActivityError:
        return "not paid"
    return "paid"


PAY = Scenario(pay, (ID,), PAYMENTS)
PAY_TWICE = Scenario(pay_without_key, (ID,), PAYMENTS)
GIVE_BACK = Scenario(give_back_twice_at_most, (ID,), PAYMENTS)


def of_two(scenario: Scenario) -> Scenario:
    """The scenario with two executions that begin together."""
    return replace(scenario, inputs=({"order_id": "o-1"}, {"order_id": "o-2"}))
