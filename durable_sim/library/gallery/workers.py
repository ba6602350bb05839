"""Bugs of activities whose worker is killed, or freezes and comes back: what it did, and how far it was, is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from durable_sim.checks.violations import Violation
from durable_sim.durations import HOUR, seconds
from durable_sim.library.gallery.bug import Bug
from durable_sim.library.orders import UNTIL_DONE, Activity
from durable_sim.randomness import Constant
from durable_sim.simulation.run import Recording
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.compute import Compute
from durable_sim.world.services.email import Email
from durable_sim.world.services.storage import Storage

Job = dict[str, Any]


def _scenario(job_workflow: Activity, **settings: Any) -> Scenario:
    services = {
        "storage": ServiceSpec(Storage),
        "email": ServiceSpec(Email),
        "compute": ServiceSpec(Compute, latency=Constant("10m"), client_timeout="15m"),
    }
    return Scenario(job_workflow, ({"job_id": "j-1", "customer": "ada", "parts": 3},), services, **settings)


def _one_step(step: Activity, **limits: Any) -> Activity:
    @workflow(name="run_job")
    async def run_job(ctx: WorkflowContext, job: Job) -> None:
        await ctx.execute_activity(step, job, retry_policy=UNTIL_DONE, **limits)

    return run_job


# --- done, and not reported -------------------------------------------------------------------------------------
@activity
async def append_report(ctx: ActivityContext, job: Job) -> None:
    """Adds the day's figures to the report."""
    await ctx.service("storage").append(f"reports/{job['job_id']}", 40)


@activity
async def put_report(ctx: ActivityContext, job: Job) -> None:
    """Puts the day's figures in their place in the report."""
    await ctx.service("storage").put(f"reports/{job['job_id']}", 40)


NOT_REPORTED = Bug(
    name="activity_completed_not_reported",
    mistake="A worker dies after it has done its work and before it could say so; the next one does it again.",
    remedy="Say what shall be, not what to add: to put an object in its place twice is to put it there once.",
    shows_as="duplicate_effect",
    broken=_scenario(_one_step(append_report, start_to_close_timeout="30s")),
    fixed=_scenario(_one_step(put_report, start_to_close_timeout="30s")),
    models=("regular_rerun", "status_columns", "status_columns_transactional", "replay", "steps"),
    source="temporalio/documentation PR #3530",
)


# --- heartbeats -------------------------------------------------------------------------------------------------
def train(details: bool) -> Activity:
    """Trains a model, and says after each epoch that it lives, or also how far it is."""

    @activity
    async def train_model(ctx: ActivityContext, job: Job) -> None:
        (done,) = ctx.heartbeat_details or (0,)
        for epoch in range(done + 1, job["parts"] + 1):
            await ctx.service("compute").train(job["job_id"], epoch)
            ctx.heartbeat(*[epoch] if details else [])

    return _one_step(train_model, start_to_close_timeout="12h", heartbeat_timeout="12m")


def wasted_epochs(recording: Recording) -> Iterator[Violation]:
    """More epochs trained again than faults have struck: each can cost the one epoch that it interrupts."""
    epochs = Counter(entry.subject for entry in recording.ledger if entry.kind == "compute.train")
    again, struck = sum(epochs.values()) - len(epochs), sum(bool(strike.hit) for strike in recording.strikes)
    if again > struck:
        yield Violation("wasted_work", None, "compute.train", f"{again} trained again", f"{struck} at most")


HEARTBEAT_WITHOUT_DETAILS = Bug(
    name="heartbeat_without_details",
    mistake="A long activity says that it lives, but not how far it is; the next attempt begins from zero.",
    remedy="Give each heartbeat the progress, and begin where the last one was.",
    shows_as="wasted_work",
    broken=_scenario(train(details=False)),
    fixed=_scenario(train(details=True)),
    oracles=(wasted_epochs,),
)


def import_parts(heartbeats: bool) -> Activity:
    """Imports a catalogue part by part, half an hour in all, and is given twelve hours."""

    @activity
    async def import_catalogue(ctx: ActivityContext, job: Job) -> None:
        for part in range(job["parts"]):
            await ctx.sleep("10m")
            await ctx.service("storage").put(f"catalogue/{part}", 40)
            ctx.heartbeat(part)

    limits = {"heartbeat_timeout": "15m"} if heartbeats else {}
    return _one_step(import_catalogue, start_to_close_timeout="12h", **limits)


def late(recording: Recording) -> Iterator[Violation]:
    """An execution that takes more than three hours."""
    for one in recording.executions:
        took_us = recording.ended_us if one.ended_us is None else one.ended_us
        if took_us - one.arrived_us > 3 * HOUR:
            yield Violation("late", one.id, "execution", f"ended after {seconds(took_us)}", "3 hours at most", took_us)


GRACELESS_DEPLOY = Bug(
    name="graceless_deploy",
    mistake="A deploy kills a long activity, and nobody notices before its twelve hours are over.",
    remedy="Ask for heartbeats: an attempt that has been silent for a quarter of an hour is dead, and made again.",
    shows_as="late",
    broken=_scenario(import_parts(heartbeats=False)),
    fixed=_scenario(import_parts(heartbeats=True)),
    faults=("deploy",),
    oracles=(late,),
    source="dust-tt/dust PR #29171",
)


# --- zombies ----------------------------------------------------------------------------------------------------
def parcel(fenced: bool) -> Activity:
    """Keeps a parcel's status in one place, and tells the customer in the end what it is."""

    @activity
    async def set_status(ctx: ActivityContext, job: Job, status: str) -> None:
        token = ctx.fencing_token if fenced else None
        await ctx.service("storage").put(f"parcels/{job['job_id']}", status, fencing_token=token)

    @activity
    async def tell_status(ctx: ActivityContext, job: Job) -> None:
        (status,) = (await ctx.service("storage").get(f"parcels/{job['job_id']}"))["parts"]
        await ctx.service("email").send(job["customer"], f"parcel-{status}")

    @workflow(name="follow_parcel")
    async def follow_parcel(ctx: WorkflowContext, job: Job) -> None:
        def do(step: Activity, *arguments: Any) -> Any:
            return ctx.execute_activity(step, job, *arguments, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

        await do(set_status, "packed")
        await do(set_status, "shipped")
        await ctx.sleep("10m")
        await do(tell_status)

    return follow_parcel


# of two workers, the frozen one, whose poll is still open, would be given the next step as well
ZOMBIE = Bug(
    name="zombie_without_fencing",
    mistake="A worker freezes before it writes; others do its work and go on; it wakes up and writes over theirs.",
    remedy="Write with a token that is higher for each later attempt, and let the service refuse lower ones.",
    shows_as="lost_effect",
    broken=_scenario(parcel(fenced=False), workers=3),
    fixed=_scenario(parcel(fenced=True), workers=3),
    faults=("pause",),
    source="M. Kleppmann, How to do distributed locking, 2016",
)

BUGS: tuple[Bug, ...] = (NOT_REPORTED, HEARTBEAT_WITHOUT_DETAILS, GRACELESS_DEPLOY, ZOMBIE)
