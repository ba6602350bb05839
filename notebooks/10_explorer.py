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
# # What would have happened if ...?
#
# One order, and everything that decides how it goes, as controls: the execution model, the seed, one fault and the
# place where it strikes, calls that go wrong by chance, retries and time-outs. Moving a control runs the order again.
# The page works as a notebook and as a dashboard (`voila 10_explorer.ipynb`).

# %% tags=["parameters"]
import os

import durable_sim as ds
from durable_sim.library.orders import article_order
from durable_sim.widgets import explorer, matrix, player, stepper

SEED = 0
WORKFLOW = "orders.correct"
FAST = bool(os.environ.get("DURABLE_SIM_FAST"))
MODELS = ("regular_rerun", "status_columns", "replay") if FAST else None

# %% [markdown]
# ## One order under one fault
#
# Move *strikes* to let the fault strike at another place. Click a bar or a diamond to read what was recorded of it.

# %%
panel = explorer(WORKFLOW, seed=SEED)
panel

# %% [markdown]
# What can be done with the mouse can be done in code: a control is an attribute with a value. A worker that dies right
# after the customer was charged:

# %%
panel.controls["where"].value = "after effect applied of payments.charge"
assert panel.experiment.run.verdicts == {"completed": 1}
panel.experiment.run.timeline()

# %% [markdown]
# The same with a workflow that sends no idempotency keys, then back to where we were.

# %%
panel.controls["keys"].value = False
assert panel.experiment.run.verdicts == {"duplicate_effect": 1}
panel.controls["keys"].value, panel.controls["where"].value = True, "nowhere"

# %% [markdown]
# ## A crash at every place, under every model
#
# One row for each gap in which a crash can fall, one column for each model. Click a tile to open the run behind it.

# %%
outcomes = matrix(WORKFLOW, models=MODELS, seed=SEED)
outcomes

# %%
assert outcomes.table.sweeps["replay"].ok
assert not outcomes.table.sweeps["regular_rerun"].ok
outcomes.table.figure()

# %% [markdown]
# ## A replay, event by event
#
# A worker dies after the items were reserved; another one takes over, and is given the history. The first events lead
# its code, line by line, to where the dead worker's code stood; nothing is done again until the history ends.

# %%
order = {"order_id": "o-1", "customer": "ada", "total": 40}
crashed = ds.run(article_order, order, faults=[ds.Crash(after="reply_received", of="inventory.reserve")], seed=SEED)
steps = stepper(crashed)
steps

# %%
assert {step.origin for step in steps.replayed.steps} == {"history", "new"}
[(step.event.id, step.event.type) for step in steps.replayed.steps if step.ran_from]

# %% [markdown]
# ## A run while it is watched
#
# Play it, at any speed; crash a worker or deploy at any time. What has happened before does not change.

# %%
live = player(WORKFLOW, seed=SEED)
live
