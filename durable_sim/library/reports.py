"""Scheduled reports: every day, for some days, render one, store it, and mail it.

A schedule is {"report_id", "days"?}.
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
from durable_sim.world.services.storage import Storage

Schedule = dict[str, Any]


def report_services() -> dict[str, ServiceSpec]:
    """storage and email."""
    return {
        "storage": ServiceSpec(Storage, latency=LogNormal("60ms", "600ms")),
        "email": ServiceSpec(Email, latency=LogNormal("80ms", "800ms")),
    }


def make_schedule(number: int, randomness: Randomness) -> Schedule:
    """The n-th schedule: a week of reports."""
    return {"report_id": f"r-{number + 1}", "days": 7}


def report_schedule(whole: bool = True) -> Activity:
    """The report workflow; with `whole=False` a report is appended to its file, instead of being put in its place."""

    @activity
    async def render_report(ctx: ActivityContext, report: str, day: int) -> str:
        name, text = f"{report}/day-{day}", f"report {report} of day {day}"
        await ctx.sleep("20s")
        storage = ctx.service("storage")
        await (storage.put(name, text) if whole else storage.append(name, text))
        return name

    @workflow(name="send_reports")
    async def send_reports(ctx: WorkflowContext, schedule: Schedule) -> int:
        def do(action: Activity, *arguments: Any) -> Any:
            return ctx.execute_activity(action, *arguments, start_to_close_timeout="2m", retry_policy=UNTIL_DONE)

        days = schedule.get("days", 7)
        for day in range(1, days + 1):
            await ctx.sleep("24 hours")
            name = await do(render_report, schedule["report_id"], day)
            await do(send_mail, "the board", name)
        return int(days)

    return send_reports
