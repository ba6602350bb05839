"""Narrowing down: from a run with many faults to the few that are enough, in one execution."""

from __future__ import annotations

from dataclasses import replace

import pytest

import durable_sim as ds
from durable_sim.api import run_scenario
from durable_sim.errors import UserError
from durable_sim.files.token import read_token
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.search.again import run_again
from durable_sim.search.narrowing import narrowed
from durable_sim.simulation.scenario import Arrivals, Scenario

FLAKY = {"faults": ds.Mixture(refuse=0.05, lose_reply=0.03, slow=0.1)}
BUSY = Scenario(
    correct_order(keys=False),
    tuple({"order_id": f"o-{number}", "customer": f"c-{number}"} for number in range(40)),
    shop(payments=FLAKY, shipping=FLAKY),
    (ds.Crashes(every="4s", until="100s"), ds.Deploys(every="30s", until="100s")),
    arrivals=Arrivals("2s"),
    workers=3,
)


@pytest.mark.parametrize("model", ["replay", "steps", "regular_rerun", "status_columns"])
def test_few_faults_of_many_are_enough(model: str) -> None:
    """For the same violation, in the one execution that it is about, and none of them can be left out."""
    run = run_scenario(BUSY, model, 3)
    worst = run.worst
    found = narrowed(run)
    assert len(found.faults) <= 2 < len(run.recording.strikes)
    assert found.violation.kind == worst.violations[0].kind
    assert [one.execution.id for one in found.run.executions] == [worst.execution.id]
    for left_out in range(len(found.faults)):
        fewer = found.faults[:left_out] + found.faults[left_out + 1 :]
        assert all(violation.kind != found.violation.kind for violation in found.trial.run(fewer).violations)


def test_its_token_repeats_it_from_the_whole_scenario() -> None:
    """The token names the execution, so that it needs the scenario as it was given."""
    found = narrowed(run_scenario(BUSY, "replay", 3))
    run, same = run_again(read_token(found.token), BUSY)
    assert same and run.trace.digest() == found.run.trace.digest()


def test_faults_at_a_time_become_faults_at_a_place() -> None:
    """A crash in the middle of a call is told as the crash after its request."""
    crash = ds.Crash(at="10ms", worker="w2", restart_after="1s")
    scenario = replace(BUSY, inputs=BUSY.inputs[:1], faults=(crash,), services=shop())
    found = narrowed(run_scenario(scenario, "replay", 0))
    assert found.faults == (ds.Crash(after="request_sent", of="payments.charge", execution="o-0", restart_after="1s"),)


def test_executions_that_break_each_other_are_kept_together() -> None:
    """Where one alone goes well, all are needed: two orders for one book."""
    short = shop(inventory={"options": {"stock": {"book": 1}}})

    @ds.activity
    async def reserve(ctx: ds.ActivityContext, order: dict[str, str]) -> None:
        await ctx.service("inventory").reserve("book", 1)

    @ds.workflow
    async def take(ctx: ds.WorkflowContext, order: dict[str, str]) -> None:
        try:
            await ctx.execute_activity(
                reserve, order, start_to_close_timeout="30s", retry_policy=ds.RetryPolicy(maximum_attempts=1)
            )
        except ds.ActivityError:
            return

    orders = ({"order_id": "o-1"}, {"order_id": "o-2"})
    run = run_scenario(Scenario(take, orders, short, arrivals=Arrivals("10s")), "replay", 0)
    found = narrowed(run)
    assert run.verdicts == {"completed": 1, "lost_effect": 1}
    assert found.faults == () and len(found.run.executions) == 2


def test_a_run_that_went_well_cannot_be_narrowed_down() -> None:
    """There is nothing to look for."""
    with pytest.raises(UserError, match="nothing went wrong in this run"):
        narrowed(run_scenario(replace(BUSY, faults=(), services=shop()), "replay", 0))
