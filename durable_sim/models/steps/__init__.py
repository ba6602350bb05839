"""The execution model `steps`: a platform calls a function once a step, and remembers what each step gave.

What user code needs is here; a function in this idiom goes with a workflow as `workflow(idioms={"steps": function})`.

>>> import durable_sim as ds
>>> @ds.activity
... async def charge_card(ctx, order):
...     await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)
>>> @create_function(retries=3)
... async def fulfil(ctx, step):
...     await step.run("charge-card", charge_card, ctx.event.data)
...     await step.sleep("review", "2 minutes")
...     return "fulfilled"
>>> @ds.workflow(idioms={"steps": fulfil})
... async def order(ctx, input):
...     await ctx.execute_activity(charge_card, input, start_to_close_timeout="30s")
...     await ctx.sleep("2 minutes")
...     return "fulfilled"
>>> ds.run(order, {"order_id": "o-1"}, model="steps").verdicts
{'completed': 1}

The files, each subject after what it stands on:

    protocol, step_ids, errors, retries    what both sides know
    flow/                                  flow control, as pure deciders
    function, entry, tools, common         user code: functions, one entry of a body, and what a body is given
    answers, handler                       the SDK's side of one call, decided and acted out
    chronicle                              what the simulator tells of it
    runs, directory, waits, queue, gates   the platform: what it remembers, knows, waits for, calls, and lets through
    platform, model                        the platform as a whole, and the model made of it
"""

from durable_sim.models.steps.errors import NonRetriableError, RetryAfterError, StepError
from durable_sim.models.steps.flow.control import FlowControl
from durable_sim.models.steps.function import StepFunction, create_function
from durable_sim.models.steps.protocol import Event
from durable_sim.models.steps.tools import StepContext, StepTools

__all__ = [
    "Event",
    "FlowControl",
    "NonRetriableError",
    "RetryAfterError",
    "StepContext",
    "StepError",
    "StepFunction",
    "StepTools",
    "create_function",
]
