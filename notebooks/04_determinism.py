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
# # Why does it only break in production?
#
# Workflow code is replayed, so it must ask for the same things again. Everybody knows; and still such bugs pass all
# tests, run for weeks, and come up at the first deploy. Here is what counts as non-deterministic, what an engine can
# notice of it, and why a test with a warm cache never does.

# %% tags=["parameters"]
import os
import random
import time
import uuid
from dataclasses import replace

import pandas as pd

import durable_sim as ds
from durable_sim.library.gallery import BUGS
from durable_sim.views.charts import crash_matrix
from durable_sim.widgets.replay_steps import replay_steps

pd.options.display.max_colwidth = None
SEED = 0
CACHES = ("warm", "evicted") if os.environ.get("DURABLE_SIM_FAST") else ("warm", "cold", "evicted")

# %% [markdown]
# ## What the guard refuses
#
# The SDKs of real engines run workflow code in a sandbox, and so does this one: a guard watches each call that the
# code makes, and refuses what a replay would not repeat. `Simulation` has it on.


# %%
async def by_clock(_ctx, _input):
    return time.time()


async def by_id(_ctx, _input):
    return str(uuid.uuid4())


async def by_chance(_ctx, _input):
    return random.random()


async def by_environment(_ctx, _input):
    return os.environ["HOME"]


async def by_set(ctx, _input):
    for sku in {"pen", "book"}:
        await ctx.execute_activity("reserve", sku, start_to_close_timeout="30s")


async def by_waiting(_ctx, _input):
    time.sleep(1)


def refusal(workflow):
    """What an operator reads of the workflow's task, which fails."""
    sim = ds.Simulation([workflow])
    handle = sim.start(workflow, None)
    sim.advance("1s")
    assert handle.status == "RUNNING"
    return handle.describe().task.last_failure.partition(": ")[2]


WRONG = (by_clock, by_id, by_chance, by_environment, by_set, by_waiting)
messages = pd.Series({workflow.__name__: refusal(workflow) for workflow in WRONG}, name="what the guard says")
messages.to_frame()

# %%
assert all("instead:" in message for message in messages)
assert "ctx.now()" in messages["by_clock"] and "sorted" in messages["by_set"]

# %% [markdown]
# What to use instead gives the same answer on every replay: the time of the task, numbers from the run's own seed.


# %%
@ds.workflow
async def right(ctx, _):
    told = [ctx.now().isoformat(), str(ctx.uuid4()), ctx.random.random()]
    await ctx.sleep("1 day")
    return told


sim = ds.Simulation([right], seed=SEED, cache="evicted")  # every task is a replay from the first event
handle = sim.start(right, None)
handle.result()

# %%
sim.check_replays()
assert handle.result()[0].startswith("2")

# %% [markdown]
# ## What no guard can see
#
# State in the memory of a worker is no forbidden call: a cache, a module-level counter, a generator that somebody else
# has seeded. Five bugs from the gallery, with a worker that keeps code in its cache (`warm`), and with one that loses
# it after each task (`evicted`), as it does under memory pressure, after a crash, at a deploy.

# %%
TRAPS = (
    "global_state_in_worker",
    "random_branch",
    "branch_on_replaying",
    "wall_clock_branch",
    "unordered_set_iteration",
)
pd.DataFrame(
    [(name, BUGS[name].mistake, BUGS[name].remedy, BUGS[name].source) for name in TRAPS],
    columns=["bug", "mistake", "remedy", "made in public"],
).set_index("bug")


# %%
def with_cache(scenario, cache):
    options = dict(scenario.model_options.get("replay", {}))
    return replace(scenario, model_options={"replay": options | {"cache": cache}})


def verdict(scenario, cache):
    return ds.run_scenario(with_cache(scenario, cache), "replay", SEED).worst.verdict


rows = [
    (f"{name}, {which}", {cache: verdict(getattr(BUGS[name], which), cache) for cache in CACHES})
    for name in TRAPS
    for which in ("broken", "fixed")
]
crash_matrix(
    rows,
    CACHES,
    title="Five traps, without any fault",
    subtitle="What becomes of the order, by what workers keep.",
    rows_are="workflows that end well",
)

# %%
outcome = dict(rows)
for name in TRAPS[:3]:
    assert outcome[f"{name}, broken"]["warm"] == "completed"
    assert outcome[f"{name}, broken"]["evicted"] != "completed"
assert all(outcome[f"{name}, fixed"][cache] == "completed" for name in TRAPS for cache in CACHES)

# %% [markdown]
# Three of the five complete with a warm cache: no test that lets a workflow run through will ever find them. So test
# with the cache off, or better, let a worker die at every place:

# %%
sweeps = {name: ds.crash_sweep(BUGS[name].broken, seed=SEED) for name in TRAPS[:3]}
pd.DataFrame(
    [(name, len(sweep.cases), len(sweep.found), str(sweep.found[0])) for name, sweep in sweeps.items()],
    columns=["bug", "runs", "go wrong", "the first"],
).set_index("bug")

# %%
assert all(sweep.found and not sweep.cases[0].violations for sweep in sweeps.values())
repaired = ds.crash_sweep(BUGS["global_state_in_worker"].fixed, seed=SEED)
assert repaired.ok
repaired

# %% [markdown]
# ## What it looks like
#
# The workflow is not failed: its *task* is, and tried again and again, in the hope that somebody rolls the code back.

# %%
bug = BUGS["global_state_in_worker"]
crash = ds.Crash(after="task_scheduled", of="send_mail")
stuck = ds.run_scenario(replace(bug.broken, faults=(crash,), horizon="2m"), seed=SEED)
assert stuck.verdicts == {"stuck": 1} and stuck.executions[0].execution.status == "open"
stuck.timeline()

# %% [markdown]
# The replay departs at the first command that is not the one in the history:

# %%
steps = replay_steps(stuck.recording, "o-1").steps
assert steps[-1].event.type == "ActivityTaskScheduled" and "TMPRL1100" in steps[-1].problem
print(steps[-1].problem)

# %% [markdown]
# ## What the engine lets pass
#
# A replay compares the kind of a command and what it is called, not all that it says. A timer that got another length
# is no error: it keeps its old one, and the workflow goes on. With `strict` the replay checker compares the rest.


# %%
def napping(length):
    @ds.workflow(name="nap")
    async def nap(ctx, _):
        await ctx.sleep(length)

    return nap


sim = ds.Simulation([napping("1h")], versions={"v2": napping("3h")}, seed=SEED)
handle = sim.start("nap", None)
sim.advance("10m")
sim.deploy("v2")
handle.result()
print(f"ended after {sim.now_us / 3_600_000_000:.2f} hours")
assert sim.now_us < 2 * 3_600_000_000

# %%
sim.check_replays(strict=False)
try:
    sim.check_replays()
except ds.UserError as error:
    print(error)
else:
    raise AssertionError("the strict check must object")
