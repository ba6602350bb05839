# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # May this change be shipped while workflows run?
#
# Workflows outlive deploys: many are begun by one version of the code and ended by another. Whether a change is safe
# for those under way depends on the model, on the change, and on how far they are. A deploy sweep tries the change at
# every index of many histories that the old code can have.

# %% tags=["parameters"]
import os
from dataclasses import replace

import pandas as pd

import durable_sim as ds
from durable_sim.library.orders import UNTIL_DONE
from durable_sim.library.shop import shop
from durable_sim.views.charts import crash_matrix
from durable_sim.views.sweep_tables import deploys_table

pd.options.display.max_colwidth = None
SEED = 0
MODELS = ("status_columns", "replay", "steps")
PATHS = ("crash",) if os.environ.get("DURABLE_SIM_FAST") else ("refuse", "lose_reply", "crash")

# %% [markdown]
# ## An order, and five changes to it


# %%
def step(name, service, operation, *arguments):
    """A step that calls a service, once for each order and name."""

    @ds.activity(name=name)
    async def run_step(ctx, order):
        call = getattr(ctx.service(service), operation)
        named = {} if service == "email" else {"idempotency_key": f"{order['order_id']}/{name}"}
        await call(*(order[argument] for argument in arguments), **named)

    return run_step


charge = step("charge_card", "payments", "charge", "customer", "total")
take_payment = step("take_payment", "payments", "charge", "customer", "total")
ship = step("ship_order", "shipping", "schedule", "order_id")
tell = step("tell_customer", "email", "send", "customer", "order_id")


def order_of(*steps, nap="1 hour"):
    @ds.workflow(name="fulfill_order")
    async def fulfill_order(ctx, order):
        for number, one in enumerate(steps):
            if number == 1:
                await ctx.sleep(nap)
            await ctx.execute_activity(one, order, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

    return fulfill_order


@ds.workflow(name="fulfill_order")
async def patched(ctx, order):
    async def do(one):
        await ctx.execute_activity(one, order, start_to_close_timeout="30s", retry_policy=UNTIL_DONE)

    await do(charge)
    await ctx.sleep("1 hour")
    if ctx.patched("tell the customer"):
        await do(tell)
    await do(ship)


old = order_of(charge, ship)
CHANGES = {
    "nothing": old,
    "a step added at the end": order_of(charge, ship, tell),
    "a step added before the last": order_of(charge, tell, ship),
    "the same behind ctx.patched": patched,
    "the first step renamed": order_of(take_payment, ship),
    "a shorter wait": order_of(charge, ship, nap="10 minutes"),
}
order = {"order_id": "o-1", "customer": "ada", "total": 40}
scenario = ds.Scenario(old, (order,), shop(), horizon="3h")

# %% [markdown]
# ## At every index of every history
#
# The histories are those of the calm run and of the runs in which one fault strikes: nobody can collect these by hand.
# At each index the workers are replaced by ones with the new code. None is left out: where the old code goes wrong
# itself, what counts is what it does not do wrong when it is restarted there.

# %%
sweeps = {
    change: {model: ds.deploy_sweep(scenario, new, model, faults=PATHS, seed=SEED) for model in MODELS}
    for change, new in CHANGES.items()
}
sweeps["a step added before the last"]["replay"]

# %%
sweeps["the same behind ctx.patched"]["replay"]


# %%
def answer(sweep):
    """The calm history's answer."""
    calm = sweep.words(sweep.by_history[()])
    return (
        calm if sweep.ok else f"{calm} ({', '.join(fate.replace('_', ' ') for fate in sweep.fates if fate != 'safe')})"
    )


answers = pd.DataFrame(
    {model: {change: answer(by_model[model]) for change, by_model in sweeps.items()} for model in MODELS}
)
answers

# %%
safe = {change: {model: sweep.ok for model, sweep in by_model.items()} for change, by_model in sweeps.items()}
assert all(safe["nothing"].values())
assert not safe["a step added before the last"]["replay"] and safe["the same behind ctx.patched"]["replay"]
assert not any(safe["the first step renamed"].values())
assert all("duplicate_effect" in sweeps["the first step renamed"][model].fates for model in ("status_columns", "steps"))

# %% [markdown]
# Renaming a function is the most expensive change of all, and the one that looks most harmless. `replay` notices and
# stops; `steps` and `status_columns` do not find the old name among what is done, and do it again, under a key that
# was made from the name.
#
# ## Safe up to here, safe from there on
#
# The calm history under `replay`, index by index. A deploy is safe until the history holds what the new code would not
# have asked for, and again when the workflow has ended. An order that stops is charged and not shipped until somebody
# rolls back: an orphaned effect. Where the renamed step is still pending, it is tried for ever ("?"): no worker has
# code of that name any more.


# %%
def by_index(sweep):
    verdicts = {"safe": "completed", "no_worse": "completed", "repeated": "completed", "failed": "lost_effect"}
    return {str(one.index): verdicts.get(one.fate, one.fate) for one in sweep.by_history[()]}


rows = [(change, by_index(by_model["replay"])) for change, by_model in sweeps.items()]
crash_matrix(
    rows,
    list(rows[0][1]),
    title="A deploy at each index of the history",
    subtitle="The old code: charge, an hour's sleep, ship. Columns: how many events the history has.",
    rows_are="changes survived",
)

# %%
deploys_table(sweeps["a step added before the last"]["replay"].by_history[()])[
    ["index", "kind", "subject", "fate", "first"]
]

# %% [markdown]
# ## What an operator sees, and a rollback
#
# The workflow does not fail. Its task does, with the event at which code and history part, and is tried again for
# ever; so there is time to roll back, and nothing is lost.

# %%
sim = ds.Simulation([old], versions={"next": order_of(take_payment, ship)}, seed=SEED)
handle = sim.start("fulfill_order", order, id="o-1")
sim.advance("30 minutes")
sim.deploy("next")
sim.advance("1 hour")
print(handle.describe())
assert handle.describe().task.failures > 0 and handle.status == "RUNNING"

# %%
sim.deploy("base")
handle.result()
assert handle.status == "COMPLETED"
assert [entry.kind for entry in sim.ledger] == ["payments.charge", "shipping.schedule"]
sim.check_replays()
handle.history()

# %% [markdown]
# As a picture, without the rollback:

# %%
deploy = ds.Deploy(version="next", at="30m", rolling=False)
renamed = replace(scenario, versions={"next": CHANGES["the first step renamed"]}, faults=(deploy,), horizon="65m")
stopped = ds.run_scenario(renamed, seed=SEED)
assert stopped.executions[0].execution.status == "open"
stopped.timeline()

# %% [markdown]
# ## Pinned
#
# Where a run stays on the build that began it, no change is unsafe, as long as the old build's workers stay up.

# %%
pinned = ds.Simulation([old], versions={"next": CHANGES["the first step renamed"]}, seed=SEED, pinned=True)
kept = pinned.start("fulfill_order", order, id="o-1")
pinned.advance("30 minutes")
for worker in pinned.workers:
    pinned.stop(worker)
pinned.advance("1 minute")
pinned.start_worker("w1", version="next")
newer = pinned.start("fulfill_order", order | {"order_id": "o-2"}, id="o-2")
pinned.advance("1 day")
{handle.workflow_id: (handle.status, handle.describe().build) for handle in (kept, newer)}

# %%
assert (kept.status, newer.status) == ("RUNNING", "COMPLETED")
pinned.start_worker("w2")  # one worker on the old code
kept.result()
pinned.check_replays()
{handle.workflow_id: (handle.status, handle.describe().build) for handle in (kept, newer)}
