"""A data pipeline: extract, load the branches in parallel, publish; if a branch cannot be loaded, clean up.

A batch is {"batch_id", "branches"?, "bad"?}; `bad` names a branch whose data no retry makes right.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

from durable_sim.library.orders import ATTEMPTS, UNTIL_DONE, Activity
from durable_sim.randomness import LogNormal, Randomness
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError, ApplicationError
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.storage import Storage

Batch = dict[str, Any]


def pipeline_services() -> dict[str, ServiceSpec]:
    """storage."""
    return {"storage": ServiceSpec(Storage, latency=LogNormal("400ms", "4s"))}


def make_batch(number: int, randomness: Randomness) -> Batch:
    """The n-th batch: four branches, in one batch of ten one of them bad."""
    chance = randomness.uniforms("batch", number)
    branches = ["clicks", "orders", "returns", "views"]
    bad = {"bad": branches[int(chance[1] * 4)]} if chance[0] < 0.1 else {}
    return {"batch_id": f"b-{number + 1}", "branches": branches, **bad}


@activity
async def extract(ctx: ActivityContext, batch: Batch) -> dict[str, int]:
    """The rows by branch."""
    await ctx.sleep("5s")
    return {branch: 100 + place for place, branch in enumerate(_branches(batch))}


@activity
async def publish(ctx: ActivityContext, batch: Batch) -> None:
    """Makes the batch known, once all of it is there."""
    await ctx.service("storage").put(f"{batch['batch_id']}/published", True, reference=ctx.workflow_id)


def data_pipeline(whole: bool = True, wait_for_all: bool = True, undo: str = "reference") -> Activity:
    """The pipeline.

    Args:
        whole: a branch is put in its place as a whole; otherwise it is appended, without a key.
        wait_for_all: wait for all branches before cleaning up; otherwise the first failure begins it.
        undo: "reference" deletes what is there and refuses what comes later; "name" deletes what is there.
    """

    @activity
    async def load(ctx: ActivityContext, batch: Batch, branch: str, rows: int) -> int:
        if branch == batch.get("bad"):
            raise ApplicationError(f"branch {branch} cannot be read", "BadData", non_retryable=True)
        await ctx.sleep("30s")
        storage, name = ctx.service("storage"), f"{batch['batch_id']}/{branch}"
        await (storage.put if whole else storage.append)(name, rows, reference=ctx.workflow_id)
        return rows

    @activity
    async def clean_up(ctx: ActivityContext, batch: Batch) -> None:
        if undo == "reference":
            await ctx.service("storage").delete(reference=ctx.workflow_id)
            return
        for branch in [*_branches(batch), "published"]:
            await ctx.service("storage").delete(f"{batch['batch_id']}/{branch}")

    @workflow(name="run_pipeline")
    async def run_pipeline(ctx: WorkflowContext, batch: Batch) -> int:
        def do(action: Activity, *arguments: Any) -> Any:
            return ctx.execute_activity(action, *arguments, start_to_close_timeout="2m", retry_policy=ATTEMPTS)

        try:
            rows = await do(extract, batch)
            loads = [do(load, batch, branch, rows[branch]) for branch in _branches(batch)]
            loaded = await ctx.gather(*loads, return_exceptions=wait_for_all)
            for outcome in loaded:
                if isinstance(outcome, BaseException):
                    raise outcome
            await do(publish, batch)
        except (ActivityError, CancelledError):
            await ctx.execute_activity(clean_up, batch, start_to_close_timeout="2m", retry_policy=UNTIL_DONE)
            raise
        return sum(loaded)

    return run_pipeline


def _branches(batch: Batch) -> list[str]:
    return list(batch.get("branches") or ["clicks", "orders", "returns", "views"])
