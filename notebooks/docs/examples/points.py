"""A service of one's own, a workflow that calls it, and both as a workload that scenario files can name."""

import durable_sim as ds


# --- the service ---
class Points(ds.Service):
    """A bonus programme: points are credited once for each order."""

    effects = (ds.EffectKind("credit", "exactly_once", "points"),)
    processing_share = 0.5  # the effect comes after half of the latency

    def __init__(self, name, database=None):
        super().__init__(name, database)
        self._credited = {}

    @ds.operation
    def credit(self, request, member, points, *, idempotency_key):
        """Give a member points."""
        if idempotency_key not in self._credited:
            request.apply("credit", quantity=points, whose=member)
            self._credited[idempotency_key] = points
        return {"member": member}

    def balance(self):
        """The service's own books, which checks hold against the ledger."""
        return {"credit": {"": sum(self._credited.values())}}


# --- the workflow ---
@ds.activity
async def credit(ctx, order):
    await ctx.service("points").credit(order["customer"], 10, idempotency_key=ctx.idempotency_key)


@ds.workflow
async def reward(ctx, order):
    await ctx.execute_activity(credit, order, start_to_close_timeout="30s")


# --- the workload ---
def make_order(number, randomness):
    """The n-th order, counted from 0, of one of five customers."""
    return {"order_id": f"o-{number + 1}", "customer": f"c-{int(randomness.uniforms('who', number)[0] * 5)}"}


def world():
    return {"points": ds.ServiceSpec(Points, latency=ds.LogNormal("50ms", "400ms"), client_timeout="5s")}


REWARD = ds.library.Workload(lambda: reward, make_order, world)
