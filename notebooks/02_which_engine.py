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
# # Which engine for which workflow?
#
# The article answers with two lists: one engine for complex, fast and long workflows, another for simple ones that can
# wait half a second between their steps. The lists name properties; here they are measured, on a workflow of named
# steps with one effect each, under every execution model.

# %% tags=["parameters"]
import os

import pandas as pd

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.files.scenario_file import load
from durable_sim.studies.choice import choice_table
from durable_sim.studies.deploys import deploy_table
from durable_sim.views.charts import deploy_matrix

SEED = 7
ORDERS = 60 if os.environ.get("DURABLE_SIM_FAST") else 320

# %% [markdown]
# ## Latency, crash, what is kept
#
# `a step` is what a step costs beyond its own call, `a crash` how much later a run ends because a worker died in the
# middle of a step. Messages of the replay engine take 2 ms here, calls of the step engine 100 to 500 ms, transitions of
# the state machine 20 ms. No model can know whether the effect of the step that was struck took place: without a key it
# is done again everywhere, or lost.

# %%
measured = {one.model: one for one in choice_table(seed=SEED)}
pd.DataFrame(
    {
        "a step (ms)": {name: one.step_us / 1000 for name, one in measured.items()},
        "50 steps (s)": {name: one.many_us / SECOND for name, one in measured.items()},
        "a crash (s)": {
            name: None if one.crash_us is None else one.crash_us / SECOND for name, one in measured.items()
        },
        "in the crash": {name: one.crash for name, one in measured.items()},
        "records kept a step": {name: one.kept for name, one in measured.items()},
        "talked to": {name: one.talks for name, one in measured.items()},
    }
).round(1)

# %%
step_us = {name: one.step_us for name, one in measured.items()}
assert 100_000 <= step_us["steps"] <= 500_000  # the article's 100 to 500 ms a step
assert step_us["replay"] < step_us["state_machine"] < step_us["steps"]
assert measured["replay"].kept > measured["steps"].kept  # a history grows six times as fast as a table of results

# %% [markdown]
# The article says that steps of the replay engine have microseconds between them, in the same process. That is so for
# the code; each activity is a task of its own at the server all the same, and its messages cost milliseconds.
#
# ## A deploy while executions are under way
#
# An execution has done steps a and b, and sleeps; then all workers are restarted on changed code.

# %%
table = deploy_table(seed=SEED)
deploy_matrix(table)

# %%
pd.set_option("display.max_colwidth", None)
pd.DataFrame({change: {model: fate.words for model, fate in row.items()} for change, row in table.items()}).T

# %%
assert table["rename a finished step"]["replay"].verdict == "stuck"
assert table["rename a finished step"]["steps"].verdict == "duplicate_effect"
assert table["rename a finished step"]["state_machine"].verdict == "completed"

# %% [markdown]
# Three different answers to the same change. The replay engine notices, and stops until the code is rolled back. The
# step engine notices nothing, and does the renamed step again. The state machine goes on with the definition that the
# execution began with; but its functions are not pinned, and an execution that needs one that is gone fails.
#
# ## The same orders under three engines
#
# The correct order workflow, written three times (as a workflow function, as a function of steps, as a state machine),
# in one flaky world with crashes and deploys.

# %%
loaded = load("../scenarios/order_fulfillment.toml", [f"arrivals.count={ORDERS}"])
engines = ds.compare_scenario(loaded.scenario(SEED), ("status_columns", "replay", "steps", "state_machine"), SEED)
engines.matrix(title="The correct order workflow under three engines", subtitle="Status columns for comparison.")

# %%
assert all(not engines[model].violations for model in ("replay", "steps", "state_machine"))
assert engines["status_columns"].violations

# %% [markdown]
# With keys, and with every undo registered before its action, all three are right. What differs is the price: of a
# step, of a crash, and of a deploy. So the question is which price a workflow can least afford.
#
# ## Which one, then?

# %%
best_step, best_crash = (
    min(("replay", "steps", "state_machine"), key=lambda name: getattr(measured[name], price))
    for price in ("step_us", "crash_us")
)
renamed = {model: table["rename a finished step"][model].words for model in ("replay", "steps", "state_machine")}
pd.DataFrame(
    [
        (
            "many quick steps, or an answer that somebody waits for",
            best_step,
            f"{step_us[best_step] / 1000:g} ms a step",
        ),
        (
            "a worker's death must not be felt",
            best_crash,
            f"{measured[best_crash].crash_us / SECOND:g} s: it hears of the broken call, the others wait for time-outs",
        ),
        ("loops, signals, queries, children in ordinary code", "replay", measured["replay"].talks),
        ("runs for weeks while its code changes, and a mistake must be noticed", "replay", renamed["replay"]),
        ("runs for weeks, and each run shall end as it began", "state_machine", renamed["state_machine"]),
        (
            "a few steps that can wait, on functions without workers of your own",
            "steps",
            f"{measured['steps'].kept:g} record a step, {step_us['steps'] / 1000:.0f} ms each; {renamed['steps']}",
        ),
    ],
    columns=["if the workflow ...", "take", "because, as measured above"],
).set_index("if the workflow ...")

# %%
assert (best_step, best_crash) == ("replay", "state_machine")

# %% [markdown]
# None of them makes an effect happen once: that is the key's work, and the same under all.
