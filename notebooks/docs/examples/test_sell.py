"""A sweep of two families of faults under two models, and a workflow driven by hand."""

from sell import sell

import durable_sim as ds

ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}


@ds.every_crash(sell, ORDER, models=["replay", "steps"], faults=["crash", "lose_reply"])
def test_sell(run):
    ds.sometimes("a second attempt", any(record.attempt == 2 for record in run.trace))


@ds.any_faults(sell, ORDER, max_examples=20, faults=["crash", "pause", "lose_reply", "late_effect"])
def test_sell_whatever_happens(run):
    assert run.worst.execution.status != "open"


def test_cancelled_while_it_waits(durable_simulation):
    sim = durable_simulation([sell])
    handle = sim.start(sell, ORDER)
    sim.advance("2 hours")
    handle.cancel()
    sim.run("1 day")
    assert [entry.kind for entry in sim.ledger] == ["payments.charge", "payments.refund"]
