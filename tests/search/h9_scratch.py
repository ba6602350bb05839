from __future__ import annotations
import sys
from typing import Any
from durable_sim.search.lineage import lineage_search, _Search
import durable_sim.search.lineage as L
from durable_sim.search.sweep import fault_sweep
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ServiceError, CallTimeout
from tests.search.scenes import ID, PAYMENTS, charge, charge_again

@activity
async def look_up(ctx: ActivityContext, order: Any) -> int:
    await ctx.service("risk").refund(reference="nobody")
    return ctx.attempt

@activity
async def charge_with_care(ctx: ActivityContext, order: Any, looked_up: int) -> None:
    key = ctx.idempotency_key
    if looked_up > 1:
        key = None
        await ctx.service("payments").refund(reference="nobody")
    await ctx.service("payments").charge("c-1", 40, reference=ctx.workflow_id, idempotency_key=key)

@workflow(name="two_steps")
async def careful(ctx: WorkflowContext, order: Any) -> str:
    looked_up = await ctx.execute_activity(look_up, order, start_to_close_timeout="30s")
    await ctx.execute_activity(charge_with_care, order, looked_up, start_to_close_timeout="30s")
    return "paid"

SC = Scenario(careful, (ID,), {name: PAYMENTS["payments"] for name in ("payments","risk")})
def show(sc, faults, depth, model="replay"):
    sweep = fault_sweep(sc, model, faults=faults, depth=depth)
    s = {frozenset(c.faults) for c in sweep.smallest}
    one = lineage_search(sc, model, faults=faults, faults_max=depth)
    keep = L._otherwise
    L._otherwise = lambda a, b: iter(())
    two = lineage_search(sc, model, faults=faults, faults_max=depth)
    L._otherwise = keep
    print(faults, depth, "sweep", len(s), len(sweep.cases), "with", len({frozenset(c.faults) for c in one.found} & s), one.runs, "without", len({frozenset(c.faults) for c in two.found} & s), two.runs)
    for c in sweep.smallest[:4]: print("  ", c, c.violations[0])
if __name__ == "__main__":
    for faults in ["refuse", ("refuse", "lose_reply"), ("slow","lose_reply"), ("late_effect", "lose_reply")]:
        show(SC, faults, 2)
