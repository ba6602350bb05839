"""Charge a customer, then book the parcel."""

import durable_sim as ds

RETRY = ds.RetryPolicy(initial_interval="1s", backoff_coefficient=2, maximum_attempts=3)


@ds.activity
async def charge_card(ctx, order):
    return await ctx.service("payments").charge(order["customer"], order["total"])


@ds.activity
async def book_parcel(ctx, order):
    return await ctx.service("shipping").schedule(order["order_id"], idempotency_key=ctx.idempotency_key)


@ds.workflow
async def check_out(ctx, order):
    await ctx.execute_activity(charge_card, order, start_to_close_timeout="30s", retry_policy=RETRY)
    await ctx.execute_activity(book_parcel, order, start_to_close_timeout="30s", retry_policy=RETRY)
    return "on its way"
