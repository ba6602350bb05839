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
# # How often is a customer charged twice?
#
# A call whose answer does not come may have happened. Trying again may do it twice, not trying may leave it undone, and
# a longer time-out only makes the question rarer. What settles it is a key, if it is the right one. How often things go
# wrong without it can be calculated; here it is calculated, and measured.

# %% tags=["parameters"]
import os
from math import exp, log
from statistics import NormalDist

import pandas as pd

import durable_sim as ds
from durable_sim.durations import duration_us
from durable_sim.intervals import wilson
from durable_sim.library.gallery import BUGS
from durable_sim.library.gallery.keys import by_order, by_time, checkout
from durable_sim.library.gallery.retries import reserving
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.views.plots import sweep_curve
from durable_sim.world.faults import Script

pd.options.display.max_colwidth = None
SEED = 3
ORDERS = 150 if os.environ.get("DURABLE_SIM_FAST") else 600

# %% [markdown]
# ## Three keys, six accidents
#
# The charge is sent without a key, with a key made from the time (as the article has it), and with one made from the
# order. Counted is what the customer pays for one order.


# %%
def no_key(_ctx, _order):
    return None


ACCIDENTS = {
    "reply lost": Script("payments", "charge", 1, "lose_reply"),
    "500 after the effect": Script("payments", "charge", 1, "error_after_effect"),
    "request delayed past the time-out": Script("payments", "charge", 1, "late_effect", late_by="1s"),
    "request delivered twice": Script("payments", "charge", 1, "duplicate"),
    "worker dies in the call": ds.Crash(after="effect_applied", of="payments.charge"),
    "refused at first": Script("payments", "charge", 1, "refuse"),
}
KEYS = {"no key": no_key, "from the time": by_time, "from the order": by_order}


def charged_with(key, fault):
    scenario = checkout(key)
    return ds.run(scenario.workflow, scenario.inputs[0], faults=[fault], seed=SEED)


charges = pd.DataFrame(
    {
        name: {accident: len(charged_with(key, fault).ledger) for accident, fault in ACCIDENTS.items()}
        for name, key in KEYS.items()
    }
)
charges

# %%
assert charges["no key"].tolist() == [2, 2, 2, 2, 2, 1]
assert charges["from the time"].tolist() == [2, 2, 2, 1, 2, 1]
assert charges["from the order"].tolist() == [1, 2, 1, 1, 1, 1]

# %% [markdown]
# A key from the time helps against nothing but the network's own duplicates: each attempt has a time of its own. As a
# picture, with the answer lost:

# %%
charged_with(by_time, ACCIDENTS["reply lost"]).timeline()

# %% [markdown]
# The 2 under the right key is no misprint. Payment providers save the first answer to a key, a 500 as well, and give it
# again as long as they know the key: 24 hours. A retry policy without limit knocks until the key is forgotten, and then
# charges once more.

# %%
patient = charged_with(by_order, ACCIDENTS["500 after the effect"])
knocks = [record for record in patient.trace if record.kind == "request_sent"]
print(len(knocks), "requests; the last after", round(knocks[-1].time_us / 3_600_000_000, 2), "hours")
assert knocks[-1].time_us > 24 * 3_600_000_000

# %% [markdown]
# So a key wants retries that end within its life, and then an undo that goes by reference, since the charge's id went
# down with the answer:

# %%
order = {"order_id": "o-1", "customer": "ada", "total": 40}
bounded = ds.run(correct_order(), order, faults=[ACCIDENTS["500 after the effect"]], seed=SEED)
assert bounded.verdicts == {"compensated": 1}
bounded.frame("effects")[["time", "kind", "quantity", "undoes"]]

# %% [markdown]
# ## The probability
#
# Workers crash at random with rate λ. A charge is made twice if a crash falls between the instant at which its request
# leaves and the one at which its result is on record. That window of length w sees no crash with probability exp(-λw).


# %%
@ds.activity
async def charge_card(ctx, order):
    await ctx.service("payments").charge(order["customer"], 40)


@ds.workflow
async def check_out(ctx, order):
    await ctx.execute_activity(charge_card, order, start_to_close_timeout="30s")


EVERY_S = 5  # a crash every five seconds, on average
WINDOWS_MS = (100, 300, 1000, 3000)
orders = [{"order_id": f"o-{number}", "customer": f"c-{number}"} for number in range(ORDERS)]


def crashing(window_ms, model="replay"):
    """One order every four seconds, one worker, which is back at once."""
    crashes = ds.Crashes(every=f"{EVERY_S}s", until=f"{4 * ORDERS}s", restart_after="1ms")
    payments = {"latency": ds.Constant(f"{window_ms}ms")}
    return ds.run(
        check_out,
        inputs=orders,
        model=model,
        services=shop(payments=payments),
        faults=[crashes],
        arrivals=ds.Arrivals(every="4s"),
        workers=1,
        horizon="1d",
        seed=SEED,
    )


measured = pd.DataFrame(
    [(ms / 1000, crashing(ms).verdicts.get("duplicate_effect", 0), ORDERS) for ms in WINDOWS_MS],
    columns=["window_s", "bad", "runs"],
).assign(model="measured, 95 % band")
closed_form = [1 - exp(-window_s / EVERY_S) for window_s in measured["window_s"]]
measured.assign(closed_form=closed_form, share=measured["bad"] / measured["runs"]).round(3)

# %%
figure = sweep_curve(
    measured,
    x="window_s",
    x_name="time from the request to the record (s)",
    title="How often a charge without a key is made twice",
    subtitle="A worker crashes every 5 s on average. Dotted: 1 - exp(-λw).",
)
along_s = [tenths / 10 for tenths in range(31)]
figure.axes[-1].plot(along_s, [1 - exp(-at_s / EVERY_S) for at_s in along_s], color="black", linestyle=":")
figure

# %%
for bad, expected in zip(measured["bad"], closed_form, strict=True):
    low, high = wilson(bad, ORDERS, z=3)
    assert low <= expected <= high, (low, expected, high)

# %% [markdown]
# No model is better than another at this: what is not on record is done again. With a key from the order it does not
# matter how often.

# %%
models = {model: crashing(1000, model).verdicts for model in ("status_columns", "replay", "steps")}
for counts in models.values():
    low, high = wilson(counts["duplicate_effect"], ORDERS, z=3)
    assert low <= 1 - exp(-1 / EVERY_S) <= high
pd.DataFrame(models).fillna(0).astype(int)

# %% [markdown]
# ## A time-out below the tail
#
# The carrier takes no keys. It answers in 600 ms as a rule, and in more than 6 s once in a hundred calls. When the
# start-to-close time-out is over, the engine tries again; the first attempt does not know, and books all the same. So
# each order is booked twice with the probability that an answer takes longer than the time-out.


# %%
@ds.activity
async def book_parcel(ctx, order):
    await ctx.service("shipping").schedule(order["order_id"])


def shipping_within(timeout):
    @ds.workflow(name="ship")
    async def ship(ctx, order):
        await ctx.execute_activity(book_parcel, order, start_to_close_timeout=timeout)

    return ship


TIMEOUTS = ("500ms", "1s", "2s", "5s", "90s")
carrier = shop(shipping={"latency": ds.LogNormal("600ms", "6s"), "client_timeout": "120s"})
spread = log(6 / 0.6) / NormalDist().inv_cdf(0.99)


def longer_than(timeout):
    return 1 - NormalDist(log(0.6), spread).cdf(log(duration_us(timeout) / 1e6))


twice = {
    timeout: ds.run(shipping_within(timeout), inputs=orders, services=carrier, seed=SEED).verdicts.get(
        "duplicate_effect", 0
    )
    for timeout in TIMEOUTS
}
tail = pd.DataFrame(
    {
        "booked twice": twice,
        "share": {timeout: count / ORDERS for timeout, count in twice.items()},
        "P(answer takes longer)": {timeout: longer_than(timeout) for timeout in TIMEOUTS},
    }
).rename_axis("start-to-close")
tail.round(4)

# %%
for timeout, count in twice.items():
    low, high = wilson(count, ORDERS, z=3)
    assert low <= longer_than(timeout) <= high, timeout
assert twice["90s"] == 0

# %% [markdown]
# ## Retries of retries
#
# The client library tries twice, the retry policy three times, the workflow twice. Each layer looks modest. The
# service is down, and is called for one request:


# %%
def calls(layers):
    scenario = reserving(layers)
    run = ds.run_scenario(scenario, "replay", SEED)
    return sum(record.kind == "request_sent" for record in run.trace)


amplified = {"policy only": calls(1), "client, policy and workflow": calls(3)}
assert amplified == {"policy only": 3, "client, policy and workflow": 2 * 3 * 2}
amplified

# %% [markdown]
# Layers multiply: five of them with three attempts each make 3 ** 5 = 243 calls of one.
#
# ## More ways to get a key wrong
#
# Every bug below was found by a sweep that lets a worker die, or a reply get lost, at every place; its repaired twin
# holds at all of them.


# %%
def found_by_sweep(bug, scenario):
    sweep = ds.fault_sweep(scenario, faults=bug.faults, executions=None, oracles=bug.oracles, seed=SEED)
    return f"{len(sweep.found)} of {len(sweep.cases)}", sweep.ok


KEY_BUGS = [bug for name, bug in BUGS.items() if "key" in name and "replay" in bug.models]
checked = {bug.name: (found_by_sweep(bug, bug.broken), found_by_sweep(bug, bug.fixed)) for bug in KEY_BUGS}
pd.DataFrame(
    [(bug.name, bug.mistake, bug.remedy, checked[bug.name][0][0], checked[bug.name][1][0]) for bug in KEY_BUGS],
    columns=["bug", "mistake", "remedy", "runs that go wrong", "repaired"],
).set_index("bug")

# %%
assert all(not broken[1] and fixed[1] for broken, fixed in checked.values())
