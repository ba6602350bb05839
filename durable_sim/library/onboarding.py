"""Onboarding: open an account, set up a workspace, welcome the user, and a day later send the guide.

A user is {"user_id"}.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

from durable_sim.library.orders import ATTEMPTS, UNTIL_DONE, Activity
from durable_sim.randomness import LogNormal, Randomness
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError
from durable_sim.workflows.saga import Saga
from durable_sim.world.services.accounts import Accounts
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email

User = dict[str, Any]


def onboarding_services() -> dict[str, ServiceSpec]:
    """accounts and email."""
    return {
        "accounts": ServiceSpec(Accounts, latency=LogNormal("120ms", "1500ms")),
        "email": ServiceSpec(Email, latency=LogNormal("80ms", "800ms")),
    }


def make_user(number: int, randomness: Randomness) -> User:
    """The n-th user."""
    return {"user_id": f"u-{number + 1}"}


@activity
async def open_account(ctx: ActivityContext, user: User) -> None:
    """Opens the account under the user's own id: no key is needed."""
    await ctx.service("accounts").open(user["user_id"], reference=ctx.workflow_id)


@activity
async def close_account(ctx: ActivityContext, user: User) -> None:
    """Takes down whatever the user got, or may yet get."""
    await ctx.service("accounts").close(reference=ctx.workflow_id)


@activity
async def send_mail(ctx: ActivityContext, to: str, template: str) -> None:
    """Sends one mail."""
    await ctx.service("email").send(to, template, reference=ctx.workflow_id)


def onboard(keys: bool = True) -> Activity:
    """The onboarding workflow; with `keys=False` a workspace is asked for without a key, and may be set up twice."""

    @activity
    async def set_up_workspace(ctx: ActivityContext, user: User) -> Any:
        options = {"idempotency_key": ctx.idempotency_key} if keys else {}
        accounts = ctx.service("accounts")
        return await accounts.provision(user["user_id"], "workspace", reference=ctx.workflow_id, **options)

    @workflow(name="onboard_user")
    async def onboard_user(ctx: WorkflowContext, user: User) -> str:
        def do(action: Activity, *arguments: Any) -> Any:
            return ctx.execute_activity(action, *arguments, start_to_close_timeout="30s", retry_policy=ATTEMPTS)

        def undo_it() -> Any:
            return ctx.execute_activity(close_account, user, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

        saga = Saga(ctx)
        saga.add_compensation("close_account", undo_it)
        try:
            await do(open_account, user)
            await do(set_up_workspace, user)
        except (ActivityError, CancelledError):
            await saga.compensate()
            raise
        for template, pause in (("welcome", "1 day"), ("guide", "")):
            await ctx.execute_activity(
                send_mail, user["user_id"], template, start_to_close_timeout="30s", retry_policy=UNTIL_DONE
            )
            if pause:
                await ctx.sleep(pause)
        return f"user {user['user_id']} is on board"

    return onboard_user
