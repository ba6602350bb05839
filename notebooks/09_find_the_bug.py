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
# # Where is the bug?
#
# A test that runs a workflow once shows that it works when nothing happens. A chaos test shows that it works when
# something happens, at times that chance has chosen. Here every place is tried, and what is found comes back as a story
# of a few lines, a test to paste, and a token that makes the run again.

# %% tags=["parameters"]
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import find, settings

import durable_sim as ds
from durable_sim.files.scenario_file import load
from durable_sim.library.gallery import BUGS
from durable_sim.library.orders import article_order, correct_order
from durable_sim.library.shop import shop
from durable_sim.search.narrowing import narrowed
from durable_sim.search.witness import witness
from durable_sim.testing import strategies
from durable_sim.testing.hunt import hunt
from durable_sim.views.charts import crash_matrix
from durable_sim.views.crash_points import crash_rows

pd.options.display.max_colwidth = None
SEED = 0
FAST = bool(os.environ.get("DURABLE_SIM_FAST"))
DEPTH = 1 if FAST else 2
HUNTED = ("no_key", "key_expired", "global_state_in_worker", "compensation_not_awaited")
REPEATS, RUNS_MAX = (3, 60) if FAST else (5, 150)

# %% [markdown]
# ## A crash at every place
#
# One run without faults; its trace is the list of places. Then one run for each place: a worker dies right there, work
# goes on elsewhere, and the effect ledger is judged. With `depth=2` another one dies at every later place. The answer
# is a guarantee, with its bounds.

# %%
order = {"order_id": "o-1", "customer": "ada", "total": 40}


def scenario(workflow):
    return ds.Scenario(workflow, (order,), shop())


correct = ds.crash_sweep(scenario(correct_order()), depth=DEPTH, seed=SEED)
assert correct.ok
correct

# %% [markdown]
# The same without idempotency keys, and a picture of where each model breaks. Neighbouring places about which no model
# disagrees share a row: a stretch of the run.

# %%
keyless = scenario(correct_order(keys=False))
MODELS = ("regular_rerun", "status_columns", "replay", "steps", "state_machine")
sweeps = {model: ds.crash_sweep(keyless, model, seed=SEED) for model in MODELS}
rows = crash_rows({model: sweep.cases for model, sweep in sweeps.items()}, merged=True)
title = "One crash, anywhere, and no idempotency keys"
crash_matrix(rows, MODELS, title=title, subtitle=sweeps["replay"].bounds, rows_are="stretches survived")

# %%
pd.DataFrame(
    [(model, len(sweep.cases), len(sweep.found), sweep.guarantee) for model, sweep in sweeps.items()],
    columns=["model", "runs", "go wrong", "in words"],
).set_index("model")

# %%
assert all(sweep.found for sweep in sweeps.values())

# %% [markdown]
# ## A witness
#
# The article's own workflow has a key, made from the time. One case with the smallest set of faults, told, drawn, as
# code, and as a token: `run_again(TOKEN, scenario)` (for a scenario file `durable-sim run --replay TOKEN`) makes the
# same run on another machine, and says so if the scenario has changed meanwhile.

# %%
article = ds.crash_sweep(scenario(article_order), seed=SEED)
told = witness(article.trial, article.smallest[0].faults)
told

# %%
print(told.as_test())

# %%
assert len(told.faults) == 1 and told.violation.kind == "duplicate_effect"
told.timeline()

# %% [markdown]
# ## From a noisy run to the one fault that matters
#
# Sixty orders, flaky services, a crash every two seconds. Something goes wrong, under more than a hundred faults.
# `narrowed` leaves out whatever the violation does not need.

# %%
noisy = load("../scenarios/order_fulfillment.toml", ["arrivals.count=60", "parameters.keys=false"]).scenario(7)
run = ds.run_scenario(noisy, "replay", 7)
fired = run.faults["fired"] + sum(run.recording.call_faults.values())
print(run.verdicts, "after", fired, "faults")
few = narrowed(run)
assert fired > 100 and len(few.faults) <= 2
few

# %% [markdown]
# ## Chance, guided
#
# Where the space is too large to be tried out (several families of faults, three at a time, inputs too), Hypothesis
# draws. Its strategies are public, and shrink towards calm: what `find` returns is the calmest plan that it knows of.


# %%
def goes_wrong(faults):
    return not ds.run(article_order, order, faults=faults, seed=SEED).ok


plans = strategies.fault_plans(2, shop(), 3, kinds=("crash", "lose_reply", "error_after_effect", "slow"))
shrunk = find(plans, goes_wrong, settings=settings(max_examples=200, database=None, derandomize=True, deadline=None))
assert len(shrunk) == 1
shrunk

# %% [markdown]
# ## As tests
#
# Two decorators, and a plugin that pytest finds by itself. The first test tries every crash; the second lets
# Hypothesis draw any faults. A test whose faults hit nothing in flight fails too.

# %%
TESTS = """
import durable_sim
from durable_sim.library.orders import article_order, correct_order

ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}


@durable_sim.every_crash(correct_order(), ORDER, models=["replay", "steps"])
def test_correct(run):
    assert len(run.ledger) >= 5


@durable_sim.any_faults(article_order, ORDER, max_examples=100)
def test_article(run):
    durable_sim.sometimes("the order is undone", "compensated" in run.verdicts)
"""
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "test_orders.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", "test_orders.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
print(done.stdout)
assert "1 failed, 2 passed" in done.stdout

# %% [markdown]
# ## What was covered
#
# Which faults hit an execution in which phase, and what was never met: a sweep over one calm run meets no compensation.

# %%
calls = ds.fault_sweep(
    scenario(correct_order()), faults=("crash", "cancel", "lose_reply", "error_after_effect"), seed=SEED
)
assert calls.ok
covered = calls.coverage.to_json()
pd.DataFrame(covered["phases"]).T.rename_axis("phase")

# %%
assert "compensation" in covered["never"]
deeper = ds.fault_sweep(scenario(correct_order()), faults=("cancel", "crash"), depth=2, at="reply", seed=SEED)
assert deeper.ok and deeper.coverage.hits("compensation") > 0
deeper

# %% [markdown]
# ## How many runs does it take?
#
# Four bugs of the gallery; the same families of faults, placed at random times, by a sweep, and by Hypothesis. A run is
# one simulation. `durable-sim bugs --find` makes the whole table.

# %%
hunts = [hunt(BUGS[name], "replay", repeats=REPEATS, most=RUNS_MAX) for name in HUNTED]
pd.DataFrame(
    [(one.bug, str(one.random), str(one.hypothesis), one.sweep, one.sweep_runs) for one in hunts],
    columns=["bug", f"random faults (of {REPEATS} searches)", "Hypothesis", "sweep: first found", "sweep: all runs"],
).set_index("bug")

# %%
assert all(one.sweep is not None and one.sweep <= one.sweep_runs for one in hunts)
assert hunts[0].random.runs < hunts[0].sweep and hunts[-1].random.runs is None

# %% [markdown]
# Where a bug is broad, chance is quicker. The last one needs a worker to die in the few milliseconds in which a refund
# is under way that nobody waits for: no random time ever met them. The sweep did, and it ends, and has then tried
# everything that it speaks of.
