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
# # When would somebody have known?
#
# Workflows can be up and yet not progress. Four metrics tell, with thresholds: the share of workflows that end within
# their expected time (alert below 98 %), the share of step attempts that fail (above 5 % over 15 minutes), the 95th
# percentile of durations (above twice what is normal), and how many are open (above twice what is normal for more
# than ten minutes). Here payments are down for twenty minutes, and each metric says so in its own time.

# %% tags=["parameters"]
import os

import pandas as pd

import durable_sim as ds
from durable_sim.health.detection import detection
from durable_sim.health.exports import to_alert_events, to_openmetrics
from durable_sim.health.operator import operator_view
from durable_sim.library.orders import correct_order
from durable_sim.views.health_panel import health_panel

fast = os.environ.get("DURABLE_SIM_FAST") == "1"
seed = 2
orders = 480 if fast else 1440
seeds = range(3) if fast else range(20)

# %% [markdown]
# An order every ten seconds; payments refuse every call from minute 20 to minute 40.

# %%
down = ds.Downtime("20m", "20m", faults=ds.Mixture(refuse=1.0))
inputs = [{"order_id": f"o-{number}"} for number in range(orders)]


def day(outage):
    services = ds.library.shop(payments={"outage": outage})
    arrivals = ds.Arrivals("10s", random=True)
    return ds.Scenario(correct_order(), tuple(inputs), services, arrivals=arrivals, workers=4, horizon="1d")


bad = ds.run_scenario(day(down), "replay", seed)
health = bad.health()
health

# %%
health_panel(health)

# %% [markdown]
# Two ring first, in the same minute: of step failures one bad sample in twenty is enough, and the first refused charges
# are that; and the orders behind them are late within seconds, so the share that completes in time falls as fast. How
# many are open must stay high for ten minutes. Durations ring last, and only when it is over: an order that is not done
# has no duration yet.

# %%
started = {alert.rule.metric: alert.start_us / 60_000_000 for alert in health.alerts}
assert started["step_failure_rate"] == started["completion_rate"] == min(started.values())
assert started["duration_p95"] == max(started.values()) > 40
assert set(started) == {"completion_rate", "step_failure_rate", "duration_p95", "active"}
pd.DataFrame({"metric": list(started), "rings at minute": list(started.values())}).set_index("metric")

# %% [markdown]
# On the same day without the outage nothing rings.

# %%
calm = ds.run_scenario(day(None), "replay", seed).health()
assert not calm.alerts
calm

# %% [markdown]
# ## What an operator sees in the middle of it
#
# Stuck ones first: which step, which attempt of how many, the last error, when it tries again.

# %%
operator_view(bad.recording, at_us=35 * 60_000_000)

# %% [markdown]
# ## How good are the rules?
#
# How soon does each rule see the outage, and how often does it cry wolf, over many days with other seeds? The share
# detected and the false alarms have Wilson intervals: of few days little can be said.

# %%
found = detection(day(down), seeds=seeds, model="replay")
found

# %% [markdown]
# ## Out of here
#
# As OpenMetrics text for a scraper, and as alert events that a pager's webhook takes.

# %%
text = to_openmetrics(health)
assert text.endswith("# EOF\n")
print(text[:600])

# %%
events = to_alert_events(health, source="shop")
assert [event["event_action"] for event in events].count("trigger") == len(health.alerts)
pd.DataFrame([{"action": event["event_action"], "key": event["dedup_key"]} for event in events])
