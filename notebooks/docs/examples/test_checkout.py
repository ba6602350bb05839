"""The tests of the tutorial: nothing but durable_sim has to be installed beside pytest."""

from checkout import check_out
from mended import check_out_once

import durable_sim as ds

ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}


@ds.every_crash(check_out, ORDER)
def test_check_out(run):
    assert run.worst.execution.result == "on its way"


@ds.every_crash(check_out_once, ORDER, models=["replay", "steps"], depth=2)
def test_check_out_once(run):
    assert run.worst.execution.result == "on its way"
