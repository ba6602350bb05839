"""Trials: start one, wait 14 days, see whether the customer has paid, and if not, warn and end it.

A trial is {"trial_id", "customer"?}. Nobody tells the workflow of a payment: it asks.
"""

from __future__ import annotations

from typing import Any

from durable_sim.library.onboarding import send_mail
from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.randomness import LogNormal, Randomness
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email
from durable_sim.world.services.subscriptions import Subscriptions

Trial = dict[str, Any]


def trial_services() -> dict[str, ServiceSpec]:
    """subscriptions and email."""
    return {
        "subscriptions": ServiceSpec(Subscriptions, latency=LogNormal("20ms", "200ms")),
        "email": ServiceSpec(Email, latency=LogNormal("80ms", "800ms")),
    }


def make_trial(number: int, randomness: Randomness) -> Trial:
    """The n-th trial."""
    return {"trial_id": f"t-{number + 1}"}


@activity
async def start_trial(ctx: ActivityContext, customer: str) -> None:
    """Begins the trial under the customer's own id."""
    await ctx.service("subscriptions").start_trial(customer)


@activity
async def check_conversion(ctx: ActivityContext, customer: str) -> bool:
    """Whether the customer has paid by now."""
    return bool((await ctx.service("subscriptions").standing(customer))["paid"])


def expire_trial(conditional: bool = True) -> Activity:
    """The trial workflow; with `conditional=False` it ends the trial on the strength of what it saw a moment ago."""

    @activity
    async def end_trial(ctx: ActivityContext, customer: str) -> bool:
        ended = await ctx.service("subscriptions").end_trial(customer, unless_paid=conditional)
        return bool(ended["ended"])

    @workflow(name="run_trial")
    async def run_trial(ctx: WorkflowContext, trial: Trial) -> str:
        customer = trial.get("customer", trial["trial_id"])

        def do(action: Activity, *arguments: Any) -> Any:
            return ctx.execute_activity(action, *arguments, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

        await do(start_trial, customer)
        await ctx.sleep("14 days")
        if not await do(check_conversion, customer):
            await do(send_mail, customer, "expiration-warning")
            if await do(end_trial, customer):
                return f"the trial of {customer} has ended"
        return f"{customer} has paid"

    return run_trial
