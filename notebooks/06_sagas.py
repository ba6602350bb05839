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
# # When does undoing go wrong?
#
# No transaction spans a card, a shelf and a parcel. A saga undoes instead: when a step fails for good, what was done is
# taken back, last first. The idea takes one sentence, and there are at least five ways to get it wrong, which only show
# when something else goes wrong at the same time.

# %% tags=["parameters"]
import os
from collections import Counter
from dataclasses import replace

import pandas as pd

import durable_sim as ds
from durable_sim.checks.violations import VERDICTS
from durable_sim.library.gallery import BUGS
from durable_sim.library.sagas import saga_order
from durable_sim.library.shop import shop
from durable_sim.views.charts import crash_matrix
from durable_sim.views.sweep_tables import worst_verdict
from durable_sim.world.faults import Script

pd.options.display.max_colwidth = None
SEED = 0
FAST = bool(os.environ.get("DURABLE_SIM_FAST"))
FAMILIES = ("cancel", "error_after_effect", "lose_reply") if FAST else (
    "crash", "cancel", "refuse", "error", "error_after_effect", "lose_request", "lose_reply", "late_effect", "duplicate"
)  # fmt: skip

# %% [markdown]
# ## Last done, first undone
#
# The courier refuses four times, and the fourth is the last attempt. What was done before is taken back.

# %%
order = {"order_id": "o-1", "customer": "ada", "total": 40}
no_courier = tuple(Script("shipping", "schedule", call, "refuse") for call in (1, 2, 3, 4))
run = ds.run(saga_order(), order, faults=no_courier, seed=SEED)
assert run.verdicts == {"compensated": 1}
run.timeline()

# %% [markdown]
# The ledger reads T1 T2 T3 C3 C2 C1, as Garcia-Molina and Salem wrote it in 1987. (A mail cannot be taken back; C3 is
# another mail.) `undoes` names the entry that is undone:

# %%
effects = run.frame("effects")
undone = effects["undoes"].dropna().tolist()
assert undone == sorted(undone, reverse=True) == [2, 1, 0]
effects[["time", "kind", "quantity", "undoes", "undone_by"]]

# %% [markdown]
# ## Four variants, a fault at every place
#
# The variants differ in one word each: undo in the order of the actions; undo, by the ids that they gave, what has
# succeeded; try an undo three times only. Into the order above, which fails and is undone, strikes one more fault, at
# each place in turn. What is marked "?" still tries to undo after ten minutes.

# %%
VARIANTS = {
    "reverse, by reference, until done": {},
    "in the order of the actions": {"order": "forward"},
    "by result": {"undo": "result"},
    "three attempts at an undo": {"patience": "few"},
}


def scenario(**rules):
    return ds.Scenario(saga_order(**rules), (order,), shop(), faults=no_courier, horizon="10m")


sweeps = {
    variant: {
        family: ds.fault_sweep(scenario(**rules), faults=family, oracles=["saga_shape"], seed=SEED)
        for family in FAMILIES
    }
    for variant, rules in VARIANTS.items()
}
rows = [
    (variant, {family: worst_verdict(list(sweep.verdicts)) for family, sweep in by_family.items()})
    for variant, by_family in sweeps.items()
]
runs = sum(len(sweep.cases) for by_family in sweeps.values() for sweep in by_family.values())
crash_matrix(
    rows,
    FAMILIES,
    title="An order that is undone, and one more fault",
    subtitle=f"The worst of what comes of it, fault by fault: {runs:,} runs.",
    rows_are="variants that hold",
)

# %%
outcome = dict(rows)
assert all(sweep.ok for sweep in sweeps["reverse, by reference, until done"].values())
assert set(outcome["in the order of the actions"].values()) == {"compensation_order"}
assert outcome["by result"]["error_after_effect"] == "orphaned_effect"
assert outcome["by result"]["cancel"] == "orphaned_effect"

# %% [markdown]
# Undoing by result fails twice over. A charge whose answer was lost gave no id, so nobody refunds it. And a refund
# whose own answer was lost is refused the second time ("already refunded"), and is tried again without end:

# %%
by_result = sweeps["by result"]["lose_reply"]
forever = by_result.run(by_result.found[0])
refusals = [record for record in forever.trace if (record.data or {}).get("error") == "ChargeAlreadyRefunded"]
assert len(refusals) > 5
print(by_result.found[0], forever.violations[0], sep="\n")

# %% [markdown]
# ## Giving up
#
# The last variant holds against one fault, since it takes three to exhaust it. Depth 3 places three refusals, here at
# the call that releases the stock only.

# %%
given_up = ds.fault_sweep(
    scenario(patience="few"), faults="refuse", depth=3, at="inventory.release", oracles=["saga_shape"], seed=SEED
)
assert [len(case.placed) for case in given_up.found] == [3]
given_up.run(given_up.found[0]).timeline()

# %%
patient = ds.fault_sweep(scenario(), faults="refuse", depth=3, at="inventory.release", seed=SEED)
assert patient.ok
print(given_up.found[0].violations[-1])
Counter(violation.kind for violation in given_up.found[0].violations)

# %% [markdown]
# The last line is from the oracle `saga_shape`: what an execution did must read T1..Tn, or T1..Tj and then Cj..C1.
#
# ## Register first, and leave a mark
#
# Three rules of thumb, each with two bugs of the gallery that break it, and what a sweep of broken and mended code says.
# The undo is registered before the action, because an action that failed may have happened. It leaves a mark by which
# the service refuses an action that arrives later, or is still under way in another branch. And it runs to its end, on
# cancellation too.

# %%
RULES = (
    "registered_after_action",
    "failed_step_not_compensated",
    "compensation_overtakes_late_effect",
    "parallel_branch_in_flight",
    "cancellation_between_action_and_registration",
    "compensation_not_awaited",
)


def swept(bug, which):
    return ds.fault_sweep(
        getattr(bug, which), faults=bug.faults, depth=bug.depth, executions=None, oracles=bug.oracles, seed=SEED
    )


broken = {name: swept(BUGS[name], "broken") for name in RULES}
fixed = {name: swept(BUGS[name], "fixed") for name in RULES}
pd.DataFrame(
    [
        (
            name,
            BUGS[name].mistake,
            BUGS[name].remedy,
            f"{len(sweep.found)} of {len(sweep.cases)}",
            str(sweep.smallest[0]),
        )
        for name, sweep in broken.items()
    ],
    columns=["bug", "mistake", "remedy", "runs that go wrong", "the smallest"],
).set_index("bug")

# %%
assert all(sweep.ok for sweep in fixed.values())
assert all(sweep.found for sweep in broken.values())

# %% [markdown]
# The one that is hardest to believe, as a picture: the undo finds nothing to undo and is done; then the action lands
# that everybody had given up.

# %%
overtaken = broken["compensation_overtakes_late_effect"]
overtaken.run(overtaken.found[0]).timeline()

# %% [markdown]
# ## Under the other models
#
# The same saga, the same refusals, and a crash at every place.

# %%
MODELS = ("regular", "status_columns", "replay", "steps")
four_attempts = replace(scenario(), model_options={"steps": {"retries": 3}})
crashes = {model: ds.crash_sweep(four_attempts, model, seed=SEED) for model in MODELS}
counts = {model: sweep.verdicts for model, sweep in crashes.items()}
pd.DataFrame(counts).reindex(VERDICTS).dropna(how="all").fillna(0).astype(int)

# %%
assert set(counts["replay"]) == {"compensated"}
assert "orphaned_effect" in counts["regular"]
assert "duplicate_effect" in counts["status_columns"]
assert "orphaned_effect" in counts["steps"]
print(*crashes["steps"].smallest[:3], sep="\n")

# %% [markdown]
# Regular code dies with its list of undos. A restarted run on status columns makes new keys, and does again what was
# not yet in a column. Under `replay` the stack of undos is rebuilt by the replay. Under `steps` nearly all is well: but
# if a worker dies in the last attempt that the platform grants a step, the run fails from outside, and the code that
# would undo is never called.
