"""The drip campaign: a welcome, the onboarding guide three days later, the feature highlight seven days after that.

A recipient is {"user_id"}.
"""

from __future__ import annotations

from typing import Any

from durable_sim.library.onboarding import User, send_mail
from durable_sim.library.orders import UNTIL_DONE
from durable_sim.randomness import LogNormal
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import workflow
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email

CAMPAIGN = (("0s", "welcome"), ("3 days", "guide"), ("7 days", "highlight"))
"""How long to wait, and what to send then."""


def drip_services() -> dict[str, ServiceSpec]:
    """email."""
    return {"email": ServiceSpec(Email, latency=LogNormal("80ms", "800ms"))}


@workflow
async def drip_campaign(ctx: WorkflowContext, user: User) -> str:
    """Wait and send, three times."""
    sent: list[Any] = []
    for pause, template in CAMPAIGN:
        await ctx.sleep(pause)
        await ctx.execute_activity(
            send_mail, user["user_id"], template, start_to_close_timeout="30s", retry_policy=UNTIL_DONE
        )
        sent.append(template)
    return f"{user['user_id']} got {', '.join(sent)}"
