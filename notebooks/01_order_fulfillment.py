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
# # What happens to an order when the process dies?
#
# An order workflow charges a card, reserves items, mails a confirmation, books a parcel and marks the order complete.
# Each step acts upon a system of its own, and the process in between can crash, be replaced by a deploy, or wait for
# an answer that never comes. How many orders end as they should depends on how the workflow is run. We run the same
# function under every execution model, in the same flaky world, and look at what the world really saw.

# %% tags=["parameters"]
import os

import durable_sim as ds
from durable_sim.files.scenario_file import load
from durable_sim.library.orders import article_order, correct_order

SEED = 7
ORDERS = 60 if os.environ.get("DURABLE_SIM_FAST") else 320
SCENARIO = "../scenarios/order_fulfillment.toml"

# %% [markdown]
# ## One order, one crash
#
# The workflow as the article writes it, and a crash at the worst moment: the card has been charged, the answer has
# arrived, and the worker dies before it can tell the engine.

# %%
order = {"order_id": "o-1", "customer": "ada", "total": 40, "items": [{"sku": "book", "quantity": 1}]}
crash = ds.Crash(after="reply_received", of="payments.charge")
run = ds.run(article_order, order, model="replay", faults=[crash], seed=SEED)
run

# %% [markdown]
# A durable engine, and the customer is charged twice. The engine returns *recorded* results without calling again,
# but this result was never recorded; so the activity runs again, and the article makes its idempotency key from the
# current time. As a picture:

# %%
run.timeline()

# %%
assert run.verdicts == {"duplicate_effect": 1}
assert [entry.kind for entry in run.ledger].count("payments.charge") == 2

# %% [markdown]
# With a key that is the same for every attempt of the step, the payment provider recognises the second request.

# %%
mended = ds.run(correct_order(keys=True), order, model="replay", faults=[crash], seed=SEED)
assert mended.verdicts == {"completed": 1}
assert [entry.kind for entry in mended.ledger].count("payments.charge") == 1
mended.timeline()

# %% [markdown]
# ## A few hundred orders
#
# Now the correct workflow under every model, with services that lose requests and answers, are slow or down, and with
# a crash about every two seconds and a deploy now and then. Every model sees the same arrivals, latencies and faults.

# %%
scenario = load(SCENARIO, [f"arrivals.count={ORDERS}"]).scenario(SEED)
comparison = ds.compare_scenario(scenario, seed=SEED)
comparison.table()

# %%
comparison.matrix()

# %% [markdown]
# The engines (`replay`, `steps`, `state_machine`) get every order right: completed, or failed and put right again in
# reverse order. That is not their doing alone: the same workflow without keys is charged twice there too.

# %%
bad = {model: sum(n for verdict, n in counts.items() if verdict in ("duplicate_effect", "lost_effect", "orphaned_effect"))
       for model, counts in comparison.verdicts.items()}  # fmt: skip
assert all(comparison[engine].ok for engine in ("replay", "steps", "state_machine"))
assert bad["regular"] > 0 and bad["regular_rerun"] > 0 and bad["status_columns"] > 0

without_keys = load(SCENARIO, [f"arrivals.count={ORDERS}", "parameters.keys=false"]).scenario(SEED)
keyless = ds.run_scenario(without_keys, "replay", SEED)
assert keyless.verdicts.get("duplicate_effect", 0) > 0
keyless.verdicts

# %% [markdown]
# ## One order that went wrong
#
# The shortest story under the worst model, first as text, then as a picture.

# %%
worst = comparison.worst
print(worst.story())

# %%
worst.timeline()

# %% [markdown]
# Mails are different. No provider can promise that a mail goes out exactly once, so repeats are counted, not called
# violations:

# %%
{model: one.repeats for model, one in comparison.runs.items()}
