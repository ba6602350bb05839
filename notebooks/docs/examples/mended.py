"""The same, and the charge has an idempotency key."""

from checkout import RETRY, book_parcel

import durable_sim as ds


@ds.activity
async def charge_card_once(ctx, order):
    payments = ctx.service("payments")
    return await payments.charge(order["customer"], order["total"], idempotency_key=ctx.idempotency_key)


@ds.workflow
async def check_out_once(ctx, order):
    await ctx.execute_activity(charge_card_once, order, start_to_close_timeout="30s", retry_policy=RETRY)
    await ctx.execute_activity(book_parcel, order, start_to_close_timeout="30s", retry_policy=RETRY)
    return "on its way"
