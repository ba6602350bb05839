"""Model training: hours of epochs in one activity that says after each how far it is, and goes on from there.

A job is {"job_id", "epochs"?}. An epoch takes ten minutes.
"""

from __future__ import annotations

from typing import Any

from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.randomness import Constant, LogNormal, Randomness
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.compute import Compute
from durable_sim.world.services.storage import Storage

Job = dict[str, Any]


def training_services() -> dict[str, ServiceSpec]:
    """compute and storage."""
    return {
        "compute": ServiceSpec(Compute, latency=Constant("10m"), client_timeout="15m"),
        "storage": ServiceSpec(Storage, latency=LogNormal("60ms", "600ms")),
    }


def make_job(number: int, randomness: Randomness) -> Job:
    """The n-th job: twelve epochs."""
    return {"job_id": f"j-{number + 1}", "epochs": 12}


@activity
async def publish_model(ctx: ActivityContext, job: Job, checkpoint: str) -> None:
    """Puts the trained model where its users look for it."""
    await ctx.service("storage").put(f"models/{job['job_id']}", checkpoint)


def train_model(heartbeats: bool = True, heartbeat_timeout: str = "12m") -> Activity:
    """The training workflow; with `heartbeats=False` nobody learns how far an attempt has come, or that it is dead."""

    @activity
    async def train(ctx: ActivityContext, job: Job) -> str:
        done, checkpoint = ctx.heartbeat_details or (0, "")
        for epoch in range(done + 1, job.get("epochs", 12) + 1):
            checkpoint = (await ctx.service("compute").train(job["job_id"], epoch))["checkpoint"]
            if heartbeats:
                ctx.heartbeat(epoch, checkpoint)
        return str(checkpoint)

    @workflow(name="train_model")
    async def train_and_publish(ctx: WorkflowContext, job: Job) -> str:
        checkpoint = await ctx.execute_activity(
            train,
            job,
            start_to_close_timeout="12h",
            heartbeat_timeout=heartbeat_timeout if heartbeats else None,
            retry_policy=UNTIL_DONE,
        )
        await ctx.execute_activity(publish_model, job, checkpoint, start_to_close_timeout="1m", retry_policy=UNTIL_DONE)
        return checkpoint

    return train_and_publish
