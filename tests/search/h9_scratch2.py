from tests.search.h9_scratch import *
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.workflows.failures import ActivityError, ApplicationError
from tests.search.scenes import refund

@activity
async def charge_and_tell(ctx: ActivityContext, order: Any, looked_up: int) -> None:
    await ctx.service("payments").charge("c-1", 40, reference=ctx.workflow_id, idempotency_key=ctx.idempotency_key)
    if looked_up > 1:
        await ctx.service("notes").refund(reference="nobody")

@workflow(name="two_steps")
async def impatient(ctx: WorkflowContext, order: Any) -> str:
    once = RetryPolicy(maximum_attempts=1)
    looked_up = await ctx.execute_activity(look_up, order, start_to_close_timeout="30s")
    policy = once if looked_up > 1 else RetryPolicy()
    try:
        await ctx.execute_activity(charge_and_tell, order, looked_up, start_to_close_timeout="30s", retry_policy=policy)
    except ActivityError:
        await ctx.execute_activity(refund, order, start_to_close_timeout="30s", retry_policy=once)
        raise ApplicationError("not paid", type="NotPaid")
    return "paid"

SC2 = Scenario(impatient, (ID,), {name: PAYMENTS["payments"] for name in ("payments","notes","risk")})
if __name__ == "__main__":
    show(SC2, "refuse", 3)
    orig = L._Search._goals_of
    def narrow(self, lineage):
        calm = self._lineages[()]
        struck = tuple(s for s in calm.ways if any(f in calm.within[s] for f in lineage.faults))
        for step in lineage.ways:
            yield L.Goal(step, () if step in calm.ways else struck)
    L._Search._goals_of = narrow
    print("narrow goals"); show(SC2, "refuse", 3)
