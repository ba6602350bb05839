"""An order that can be undone: charge, wait a day, book the parcel."""

import durable_sim as ds

A_FEW = ds.RetryPolicy(backoff_coefficient=2, maximum_attempts=3)
UNTIL_DONE = ds.RetryPolicy(backoff_coefficient=2, maximum_interval="30s")
STEP = {"start_to_close_timeout": "30s", "retry_policy": A_FEW}
UNDO = {"start_to_close_timeout": "30s", "retry_policy": UNTIL_DONE}


@ds.activity
async def charge_card(ctx, order):
    names = {"idempotency_key": ctx.idempotency_key, "reference": ctx.workflow_id}
    return await ctx.service("payments").charge(order["customer"], order["total"], **names)


@ds.activity
async def refund(ctx, reference):
    await ctx.service("payments").refund(reference=reference)


@ds.activity
async def book_parcel(ctx, order):
    names = {"idempotency_key": ctx.idempotency_key, "reference": ctx.workflow_id}
    await ctx.service("shipping").schedule(order["order_id"], **names)


@ds.activity
async def void_label(ctx, reference):
    await ctx.service("shipping").void(reference=reference)


async def act(ctx, order, saga):
    """Both steps; the undo of each is registered before it."""

    def undo(activity):
        return lambda: ctx.execute_activity(activity, ctx.workflow_id, **UNDO)

    saga.add_compensation("refund", undo(refund))
    await ctx.execute_activity(charge_card, order, **STEP)
    await ctx.sleep("1 day")
    saga.add_compensation("void the label", undo(void_label))
    await ctx.execute_activity(book_parcel, order, **STEP)


@ds.workflow
async def sell(ctx, order):
    saga = ds.Saga(ctx)
    try:
        await act(ctx, order, saga)
    except (ds.ActivityError, ds.CancelledError):
        await saga.compensate()
        raise
    return "sold"


# --- later ---
@ds.activity
async def log_order(ctx, order):
    return f"{ctx.workflow_id}: {order['customer']} buys for {order['total']}"


@ds.workflow(name="sell")
async def sell_and_log(ctx, order):
    """The next version: a step more, at the beginning."""
    await ctx.execute_activity(log_order, order, start_to_close_timeout="30s")
    return await sell(ctx, order)


@ds.workflow(name="sell")
async def sell_and_log_patched(ctx, order):
    """The next version: a step more, for those that have not begun."""
    if ctx.patched("log"):
        await ctx.execute_activity(log_order, order, start_to_close_timeout="30s")
    return await sell(ctx, order)
