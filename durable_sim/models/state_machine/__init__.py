"""The execution model `state_machine`: an interpreter of the Amazon States Language.

What user code needs is here; a definition goes with a workflow as `workflow(idioms={"state_machine": definition})`.

>>> import durable_sim as ds
>>> @ds.activity
... async def charge_card(ctx, order):
...     await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)
>>> definition = {"StartAt": "Charge", "States": {"Charge": {"Type": "Task", "Resource": "charge_card", "End": True}}}
>>> @ds.workflow(idioms={"state_machine": StateMachineDefinition(definition, (charge_card,))})
... async def order(ctx, input):
...     await ctx.execute_activity(charge_card, input, start_to_close_timeout="30s")
>>> ds.run(order, {"order_id": "o-1"}, model="state_machine").verdicts
{'completed': 1}

The files, each subject after what it stands on:

    language/                                      what a definition means, and what can be wrong with it; pure
    actions, history, strands, flow, core          what the interpreter is told and asks for, and its data flow
    simple, tasks, parallel, maps, distributed     the states by type
    machine                                        one execution, pure: inputs in, actions out
    idiom, invocations, callbacks, runs, model     the service: definitions, functions on workers, task tokens
"""

from durable_sim.models.state_machine.idiom import StateMachineDefinition
from durable_sim.models.state_machine.language.definition import DefinitionError

__all__ = ["DefinitionError", "StateMachineDefinition"]
