"""Approvals: ask somebody by mail, wait up to a week for the answer, and pay only if it is yes.

A purchase is {"purchase_id", "amount", "approver"?}. The answer is the signal "decide" with "yes" or "no"; under the
step engine it is an event of that name, and one that comes before the function waits for it is lost.
"""

from __future__ import annotations

from typing import Any

from durable_sim.library.onboarding import send_mail
from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.library.shop import shop
from durable_sim.models.steps.function import StepFunction
from durable_sim.models.steps.tools import StepContext, StepTools
from durable_sim.randomness import Randomness
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.world.services.base import ServiceSpec

Purchase = dict[str, Any]
PATIENCE = "7 days"


def approval_services() -> dict[str, ServiceSpec]:
    """payments and email."""
    specs = shop()
    return {name: specs[name] for name in ("payments", "email")}


def make_purchase(number: int, randomness: Randomness) -> Purchase:
    """The n-th purchase."""
    return {"purchase_id": f"p-{number + 1}", "amount": 40}


def _approver(purchase: Purchase) -> str:
    return str(purchase["approver"] if "approver" in purchase else f"approver of {purchase['purchase_id']}")


@activity
async def ask(ctx: ActivityContext, purchase: Purchase) -> None:
    """Asks for the decision."""
    await ctx.service("email").send(_approver(purchase), "please-decide", reference=ctx.workflow_id)


@activity
async def pay(ctx: ActivityContext, purchase: Purchase) -> None:
    """Pays, once however often it is called."""
    key, reference = ctx.idempotency_key, ctx.workflow_id
    payments = ctx.service("payments")
    await payments.charge(_approver(purchase), purchase["amount"], idempotency_key=key, reference=reference)


async def _in_steps(ctx: StepContext, step: StepTools) -> str:
    """The same, in the idiom of the step engine."""
    purchase = ctx.event.data
    await step.run("ask", ask, purchase)
    decision = await step.wait_for_event("decision", event="decide", timeout=PATIENCE)
    if decision is None or decision.data != "yes":
        return "nobody has decided" if decision is None else "refused"
    await step.run("pay", pay, purchase)
    await step.run("confirm", send_mail, _approver(purchase), "paid")
    return "paid"


@workflow(name="approve_purchase", idioms={"steps": StepFunction("approve_purchase", _in_steps)})
async def approve_purchase(ctx: WorkflowContext, purchase: Purchase) -> str:
    """Pays what is approved in time."""
    decisions: list[str] = []
    ctx.set_signal_handler("decide", decisions.append)

    def do(action: Activity, *arguments: Any) -> Any:
        return ctx.execute_activity(action, *arguments, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

    await do(ask, purchase)
    try:
        await ctx.wait_condition(lambda: bool(decisions), timeout=PATIENCE)
    except TimeoutError:
        return "nobody has decided"
    if decisions[0] != "yes":
        return "refused"
    await do(pay, purchase)
    await do(send_mail, _approver(purchase), "paid")
    return "paid"
