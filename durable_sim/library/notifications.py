"""Notifications: one message to many recipients, each of whom should get it once.

A message is {"message_id", "recipients"?}, with the number of recipients.
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

Message = dict[str, Any]


def notification_services() -> dict[str, ServiceSpec]:
    """email."""
    return {"email": ServiceSpec(Email, latency=LogNormal("80ms", "800ms"))}


def make_message(number: int, randomness: Randomness) -> Message:
    """The n-th message, to forty recipients."""
    return {"message_id": f"n-{number + 1}", "recipients": 40}


def recipients_of(message: Message) -> list[str]:
    """r-1, r-2, ..."""
    return [f"r-{number + 1}" for number in range(message.get("recipients", 40))]


@activity
async def send_to_all(ctx: ActivityContext, message: Message) -> int:
    """One mail after the other; an attempt that fails half-way is one that begins again from the first."""
    for recipient in recipients_of(message):
        await ctx.service("email").send(recipient, f"to {recipient}", reference=ctx.workflow_id)
    return len(recipients_of(message))


def notify(fan_out: bool = True) -> Activity:
    """The notification workflow: an activity for each recipient, in parallel; with `fan_out=False` one for all."""

    @workflow(name="notify")
    async def notify_all(ctx: WorkflowContext, message: Message) -> int:
        def do(action: Activity, *arguments: Any) -> Any:
            return ctx.execute_activity(action, *arguments, start_to_close_timeout="5m", retry_policy=UNTIL_DONE)

        if not fan_out:
            return int(await do(send_to_all, message))
        sent = [do(send_mail, recipient, f"to {recipient}") for recipient in recipients_of(message)]
        return len(await ctx.gather(*sent))

    return notify_all
