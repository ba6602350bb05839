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
# # What is replayed after a crash, and what is new?
#
# "The workflow is replayed from its history" is easily said. Here a history grows before our eyes, one worker dies, and
# another one takes over: which lines run again, which effects do not, and what all this costs. `Simulation` is a
# durable server with its workers, under time that passes only when we say so.

# %% tags=["parameters"]
import json
import os

import pandas as pd

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.models.replay.events import COMMAND_EVENTS
from durable_sim.widgets.replay_steps import replay_steps

pd.options.display.max_colwidth = None
SEED = 7
STEPS = (5, 10, 20) if os.environ.get("DURABLE_SIM_FAST") else (5, 10, 20, 50)

# %% [markdown]
# ## A history grows
#
# Charge, wait a day, ship.


# %%
@ds.activity
async def charge_card(ctx, order):
    await ctx.service("payments").charge(order["customer"], order["total"], idempotency_key=ctx.idempotency_key)


@ds.activity
async def ship(ctx, order):
    return await ctx.service("shipping").schedule(order["order_id"], idempotency_key=ctx.idempotency_key)


@ds.workflow
async def fulfill_order(ctx, order):
    await ctx.execute_activity(charge_card, order, start_to_close_timeout="30s")
    await ctx.sleep("24 hours")
    parcel = await ctx.execute_activity(ship, order, start_to_close_timeout="30s")
    return parcel["label"]


order = {"order_id": "o-1", "customer": "ada", "total": 40}
sim = ds.Simulation([fulfill_order], seed=SEED)
handle = sim.start(fulfill_order, order, id="o-1")
sim.run_until(lambda: bool(sim.ledger), "the charge")
print(handle.history(), handle.describe(), sep="\n\n")

# %% [markdown]
# The customer has been charged, and the history does not know it. It does not even say that the activity has started:
# attempts are kept beside the history, and written into it when the activity closes. What an operator sees as pending
# is all that is known of them.

# %%
assert handle.history().types[-1] == "ActivityTaskScheduled"
assert handle.describe().activities[0].state == "STARTED"

# %% [markdown]
# ## Commands and events
#
# A workflow never does anything. It asks (`ScheduleActivityTask`, `StartTimer`), a worker sends what it asked for as
# commands when its code can run no further, and the server writes one event for each. All other events are news for
# the code, or the server's own book-keeping.

# %%
sim.advance("1 minute")
history = handle.history()
pd.DataFrame(
    {
        "event": [event.type for event in history],
        "asked for by the code": ["yes" if event.type in COMMAND_EVENTS else "" for event in history],
    },
    index=pd.Index([event.id for event in history], name="id"),
)

# %%
asked = [event for event in history if event.type in COMMAND_EVENTS]
assert [event.type for event in asked] == ["ActivityTaskScheduled", "TimerStarted"]
assert all(history[event.id - 2].type == "WorkflowTaskCompleted" for event in asked)

# %% [markdown]
# ## A crash
#
# The sleep is a line in the server's store, not a thread that sleeps. All workers may die during it.

# %%
for worker in sim.workers:
    sim.crash(worker)
print(handle.describe())
assert handle.result() == "lb_1"
handle.history()

# %% [markdown]
# The task after the timer waits ten seconds, times out (`SCHEDULE_TO_START`), and is scheduled anew: the server had
# promised it to the *sticky queue* of a worker that still had the code in its memory, and that is gone. Then a worker
# is given the whole history, and runs the function from its first line. The charge is not made again: its result is
# read.

# %%
assert [event.attributes["timeout_type"] for event in handle.history().of("WorkflowTaskTimedOut")] == [
    "SCHEDULE_TO_START"
]
assert [entry.kind for entry in sim.ledger] == ["payments.charge", "shipping.schedule"]

# %% [markdown]
# ## Line by line
#
# The same as a scenario, with the crash while the code sleeps. `replay_steps` leads the code through its history:
# `origin` says whether the second worker found an event in the history that it was given, or caused it.

# %%
run = ds.run(fulfill_order, order, faults=[ds.Crash(at="1h")], workers=1, seed=SEED)
replayed = replay_steps(run.recording, "o-1")
steps = replayed.steps
pd.DataFrame(
    {
        "event": [step.event.type for step in steps],
        "about": [step.name for step in steps],
        "origin": [step.origin for step in steps],
        "meaning": [step.told for step in steps],
        "the code waits at": [
            "; ".join(replayed.lines[line - replayed.first_line].strip() for line in replayed.lines_at(step.position))
            for step in steps
        ],
    },
    index=pd.Index([step.event.id for step in steps], name="id"),
)

# %%
origins = {step.name: step.origin for step in steps if step.event.type in COMMAND_EVENTS and step.name}
assert origins["charge_card"] == "history" and origins["ship"] == "new"
run.timeline()

# %% [markdown]
# ## What is not replayed
#
# Only what was recorded is safe. Let the worker die after the charge took effect and before it could say so: the
# activity runs again, for the engine does not know of the first attempt more than that it has not ended. That the
# customer pays once is due to the idempotency key.

# %%
struck = ds.run(fulfill_order, order, faults=[ds.Crash(after="effect_applied", of="payments.charge")], seed=SEED)
attempts = [record.attempt for record in struck.trace if record.kind == "request_sent" and record.step == 1]
assert attempts == [1, 2]
assert [entry.kind for entry in struck.ledger].count("payments.charge") == 1
struck.timeline()

# %% [markdown]
# ## What it costs
#
# A worker that keeps the code in its cache is handed only the news. Without a cache every task is a replay from the
# first event. Each workflow below does so many steps, one after the other; counted is what replays had to read.


# %%
@ds.activity
async def do_one_step(ctx, number):
    await ctx.service("inventory").reserve(f"item-{number}", 1, idempotency_key=ctx.idempotency_key)


@ds.workflow
async def do_steps(ctx, count):
    for number in range(count):
        await ctx.execute_activity(do_one_step, number, start_to_close_timeout="30s")


def replayed_events(steps, cache):
    run = ds.run(do_steps, steps, model_options={"replay": {"cache": cache}}, seed=SEED)
    assert run.ok
    return sum(record.data["events"] for record in run.trace if record.kind == "replayed")


read = pd.DataFrame(
    {cache: [replayed_events(steps, cache) for steps in STEPS] for cache in ("warm", "cold")}, index=STEPS
)
read.rename_axis("steps")

# %%
assert (read["warm"] == 0).all()
assert read["cold"][20] / read["cold"][10] > 3  # twice the steps, four times the reading: n(n+1)/2 results

# %% [markdown]
# A crash costs the ten seconds of the sticky queue even where another worker is idle; a worker that is stopped with
# grace gives its queue back, and costs nothing; without a sticky queue nobody waits for the dead.


# %%
def delay_s(how, cache):
    """How much later the order is charged and asleep."""
    ended_us = {}
    for struck in (False, True):
        sim = ds.Simulation([fulfill_order], seed=SEED, cache=cache)
        sim.start(fulfill_order, order, id="o-1")
        sim.run_until(lambda sim=sim: bool(sim.ledger))
        if struck:
            getattr(sim, how)("w1")
        sim.run_until(lambda sim=sim: any(record.kind == "timer_started" for record in sim.trace))
        ended_us[struck] = sim.now_us
    return (ended_us[True] - ended_us[False]) / SECOND


costs = pd.DataFrame(
    {cache: {how: delay_s(how, cache) for how in ("crash", "stop")} for cache in ("warm", "cold")}
).rename_axis("delay in seconds")
costs

# %%
assert costs["warm"]["crash"] == 10 and costs["warm"]["stop"] == 0
assert costs["cold"]["crash"] == 0

# %% [markdown]
# ## Is every history one that its code can follow?
#
# `check_replays` replays every prefix of every history: at any event a worker may be the next to die. A history is
# written in the form that the real tools exchange, and read back.

# %%
sim.check_replays()
text = json.dumps(handle.history().to_json())
assert ds.History.from_json(text).to_json() == handle.history().to_json()
len(handle.history()), len(text)
