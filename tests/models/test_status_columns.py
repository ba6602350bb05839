"""Status columns: check, do, update; the window between the effect and the update, and what closes it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import duration_us
from durable_sim.library.orders import article_order, correct_order, database_order

ORDER = {"order_id": "o-1"}
TWO_ITEMS = {"order_id": "o-1", "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 2}]}
STATUS = ("status_columns", "status_columns_transactional")
RESERVE = "reserve_inventory"

# The instants of one step, in order: its effect, the answer, the report to the engine, the engine's record.
WINDOW = {
    "effect_applied": {"after": "effect_applied", "of": "inventory.reserve"},
    "reply_received": {"after": "reply_received", "of": "inventory.reserve"},
    "result_reported": {"after": "result_reported", "of": RESERVE},
    "result_recorded": {"after": "result_recorded"},
}
EXPECTED = {
    # check, do, update: everything before the update is forgotten, and done again
    "status_columns": {
        "effect_applied": "duplicate_effect",
        "reply_received": "duplicate_effect",
        "result_reported": "duplicate_effect",
        "result_recorded": "completed",
    },
    # effect and column are one transaction: both or none
    "status_columns_transactional": dict.fromkeys(WINDOW, "completed"),
    # a report that has left the worker arrives; before that, the engine cannot know
    "replay": {
        "effect_applied": "duplicate_effect",
        "reply_received": "duplicate_effect",
        "result_reported": "completed",
        "result_recorded": "completed",
    },
}


def verdict(run: ds.Run) -> str:
    """The verdict of the only execution."""
    return run.executions[0].verdict


def counted(run: ds.Run, kind: str) -> int:
    """How many records of a kind there are."""
    return sum(record.kind == kind for record in run.trace)


@pytest.mark.parametrize("instant", WINDOW)
@pytest.mark.parametrize("model", EXPECTED)
def test_a_crash_at_each_instant_of_a_step(model: str, instant: str) -> None:
    """A reservation without a key is made twice exactly if the crash falls before its record is safe."""
    run = ds.run(database_order, ORDER, model=model, faults=[ds.Crash(**WINDOW[instant])])
    assert run.faults["fired"] == 1
    assert verdict(run) == EXPECTED[model][instant]


def crash_points(model: str, workflow: Any, order: Any, **options: Any) -> Counter[str]:
    """The verdicts of a run for a crash after each of its trace records."""
    length = len(ds.run(workflow, order, model=model, **options).trace)
    found: Counter[str] = Counter()
    for index in range(length):
        run = ds.run(workflow, order, model=model, faults=[ds.Crash(after_record=index)], **options)
        assert run.faults["fired"] == 1
        found[verdict(run)] += 1
    return found


def test_one_transaction_is_exact_for_what_lives_in_one_database() -> None:
    """At every single crash point the transactional pattern does each database effect exactly once."""
    found = crash_points("status_columns_transactional", database_order, TWO_ITEMS)
    assert set(found) == {"completed"}
    assert found["completed"] > 25


def test_without_the_transaction_the_window_is_really_there() -> None:
    """The same workflow under plain status columns has crash points that duplicate, and others that do not."""
    found = crash_points("status_columns", database_order, TWO_ITEMS)
    assert set(found) == {"completed", "duplicate_effect"}
    assert min(found.values()) >= 5


def test_a_transaction_does_not_reach_beyond_the_database() -> None:
    """Charges and parcels live elsewhere: the whole order is duplicated at some crash points even so."""
    found = crash_points("status_columns_transactional", article_order, ORDER)
    assert found["duplicate_effect"] >= 5


def test_a_transaction_that_dies_with_its_process_leaves_nothing() -> None:
    """Effects of an open transaction are in no ledger: the crash rolls the first item back, and both are done once."""
    crash = ds.Crash(after="reply_received", of="inventory.reserve")
    run = ds.run(database_order, TWO_ITEMS, model="status_columns_transactional", faults=[crash])
    assert [entry.subject for entry in run.ledger] == ["book", "lamp", ""]
    crashed_us = next(record.time_us for record in run.trace if record.kind == "worker_crashed")
    assert all(entry.time_us > crashed_us for entry in run.ledger)
    assert run.ok


def test_a_step_whose_column_is_filled_is_not_done_again() -> None:
    """After a restart the recorded steps are skipped, and their results are those of the first time."""
    results: list[Any] = []

    async def charge(ctx: ds.ActivityContext) -> Any:
        return await ctx.service("payments").charge("ada", 40)

    async def shows_result(ctx: ds.WorkflowContext, order: Any) -> None:
        results.append(await ctx.execute_activity(charge, start_to_close_timeout="30s"))
        await ctx.sleep("1h")

    run = ds.run(shows_result, ORDER, model="status_columns", faults=[ds.Crash(at="30m", worker="w2")])
    assert run.verdicts == {"completed": 1} and run.faults["hit"] == 1
    assert counted(run, "execution_restarted") >= 1
    assert sum(record.subject == "payments.charge" and record.kind == "request_sent" for record in run.trace) == 1
    assert {result["id"] for result in results} == {"ch_1"} and len(results) >= 3  # both runs, and the calm one


def test_the_sweeper_starts_what_nobody_has_touched_for_a_while() -> None:
    """A lost order is begun again at the first sweep after its claim has run out."""
    options = {"status_columns": {"sweep_every": "40s", "claim_lasts": "100s"}}
    crash = ds.Crash(after="request_sent", of="payments.charge")
    run = ds.run(article_order, ORDER, model="status_columns", faults=[crash], model_options=options)
    restarted = [record.time_us for record in run.trace if record.kind == "execution_restarted"]
    assert len(restarted) == 1
    assert (
        duration_us("120s") <= restarted[0] < duration_us("121s")
    )  # touched at 0 s and a bit: free at the third sweep


def test_a_claim_that_runs_out_while_the_work_goes_on_makes_two_runs_at_once() -> None:
    """A step that takes longer than a claim that nobody renews is begun by a second run."""

    async def slowly(ctx: ds.ActivityContext) -> None:
        await ctx.sleep("5m")
        await ctx.service("inventory").reserve("book", 1)

    async def patient(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.execute_activity(slowly, start_to_close_timeout="10m")

    def run(claim: str, renew: bool = False) -> ds.Run:
        options = {"status_columns": {"claim_lasts": claim, "renew_claims": renew}}
        return ds.run(patient, ORDER, model="status_columns", model_options=options)

    assert verdict(run("2m")) == "duplicate_effect" and counted(run("2m"), "execution_restarted") >= 1
    for calm in (run("10m"), run("2m", renew=True)):
        assert verdict(calm) == "completed" and counted(calm, "execution_restarted") == 0


def test_the_sweeper_gives_up_after_so_many_restarts() -> None:
    """An order that has been restarted too often is left where it stands, half done."""
    options = {"status_columns": {"restarts_max": 2}}
    crashes = [ds.Crash(after="task_started", of="reserve_inventory", nth=n) for n in (1, 2, 3)]
    run = ds.run(article_order, ORDER, model="status_columns", faults=crashes, model_options=options)
    assert run.faults["hit"] == 3
    assert run.execution("o-1").execution.runs == 3
    assert {one.kind for one in run.violations} == {"orphaned_effect", "stuck"}


def test_a_restart_makes_new_keys_unless_they_are_derived_from_the_row() -> None:
    """Keys made anew charge a second time; stable keys get the first answer again, at every crash point."""
    crash = ds.Crash(after="effect_applied", of="payments.charge")
    run = ds.run(correct_order(), ORDER, model="status_columns", faults=[crash])
    assert verdict(run) == "duplicate_effect"
    stable = crash_points(
        "status_columns", correct_order(), ORDER, model_options={"status_columns": {"stable_keys": True}}
    )
    assert set(stable) == {"completed"}
    assert stable["completed"] > 60


def test_failed_attempts_are_retried_in_memory() -> None:
    """Status columns honour the retry policy, without any restart of the run."""
    faults = [ds.Script("shipping", "schedule", call, "error") for call in (1, 2)]
    run = ds.run(article_order, ORDER, model="status_columns", faults=faults)
    assert run.verdicts == {"completed": 1}
    assert counted(run, "backoff_begun") == 2 and counted(run, "execution_restarted") == 0


def refused_then_crashed(workflow: Any) -> ds.Run:
    """The reservation is refused until the order is given up; the worker dies right after the refund."""
    refused = [ds.Script("inventory", "reserve", call, "refuse") for call in range(1, 5)]
    crash = ds.Crash(after="effect_applied", of="payments.refund")
    return ds.run(workflow, ORDER, model="status_columns", faults=[*refused, crash])


def test_a_restart_in_the_middle_of_a_compensation_goes_forward_again() -> None:
    """A failed step leaves no mark, the charge's column is full, and nobody knows of the refund: a free parcel."""
    run = refused_then_crashed(article_order)
    assert run.faults["hit"] == run.faults["planned"]
    assert run.execution("o-1").execution.status == "completed"
    assert run.verdicts == {"lost_effect": 1}
    assert run.violations[0].subject == "payments.charge"


def test_an_undo_that_refuses_what_comes_later_stops_the_order_from_going_forward() -> None:
    """With undos by reference that bury their actions the same crash ends in a whole compensation."""
    run = refused_then_crashed(correct_order())
    assert run.faults["hit"] == run.faults["planned"]
    assert counted(run, "execution_restarted") >= 1
    assert run.verdicts == {"compensated": 1} and run.ok


def test_columns_of_an_activity_that_is_called_twice_are_kept_apart() -> None:
    """Two calls of one activity are two steps with a column each: after a crash between them the second is done."""

    async def reserve(ctx: ds.ActivityContext, sku: str) -> Any:
        return await ctx.service("inventory").reserve(sku, 1)

    async def reserves_two(ctx: ds.WorkflowContext, order: Any) -> None:
        for sku in ("book", "lamp"):
            await ctx.execute_activity(reserve, sku, start_to_close_timeout="30s")

    run = ds.run(reserves_two, ORDER, model="status_columns", faults=[ds.Crash(after="result_recorded")])
    assert counted(run, "execution_restarted") == 1
    assert [entry.subject for entry in run.ledger] == ["book", "lamp"] and run.ok


@pytest.mark.parametrize("model", STATUS)
def test_an_order_that_arrives_while_every_worker_is_away_is_found_by_the_sweeper(model: str) -> None:
    """The row is there although nobody could start on it, and the sweeper does."""
    run = ds.run(
        database_order,
        inputs=[{"order_id": "o-1"}, {"order_id": "o-2"}],
        arrivals=ds.Arrivals(every="10s"),
        model=model,
        workers=1,
        faults=[ds.Crash(at="9s", restart_after="10s")],
    )
    assert run.verdicts == {"completed": 2} and run.ok


@ds.activity
async def charge_once(ctx: ds.ActivityContext, order: Any) -> None:
    """A charge with a key."""
    await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)


async def charge_after_a_sleep(ctx: ds.WorkflowContext, order: Any) -> None:
    """Half an hour, then the charge."""
    await ctx.sleep("30m")
    await ctx.execute_activity(charge_once, order, start_to_close_timeout="30s")


@pytest.mark.parametrize("model", STATUS)
def test_a_restart_that_nobody_can_make_is_not_counted(model: str) -> None:
    """With every worker away for hours nobody sweeps: the one restart that is allowed is made when they are back."""
    away = [ds.Crash(at="5m", worker=worker, restart_after="6h") for worker in ("w1", "w2")]
    options = {model: {"restarts_max": 1}}
    run = ds.run(charge_after_a_sleep, ORDER, model=model, faults=away, model_options=options)
    assert run.verdicts == {"completed": 1} and run.ok
    assert [r.time_us for r in run.trace if r.kind == "execution_restarted"] == [
        pytest.approx(duration_us("6h5m"), abs=duration_us("31s"))
    ]


def test_nobody_sweeps_while_every_worker_stands_still() -> None:
    """A sweeper in a process that is paused is paused too: no restart waits for the process to go on."""
    still = ds.Pause(at="5m", worker="w1", lasts="6h")
    run = ds.run(charge_after_a_sleep, ORDER, model="status_columns", workers=1, faults=[still])
    assert run.faults["hit"] == 1
    assert run.verdicts == {"completed": 1} and counted(run, "execution_restarted") == 0


def test_a_restart_sleeps_from_the_beginning_of_a_sleep() -> None:
    """No column says until when: a crash five minutes before the end of half an hour costs the half hour."""
    crash = ds.Crash(at="25m", worker="w2")
    run = ds.run(charge_after_a_sleep, ORDER, model="status_columns", faults=[crash])
    slept = [r.data["duration_us"] for r in run.trace if r.kind == "timer_started" and r.data]
    assert run.faults["hit"] == 1 and slept == [duration_us("30m")] * 2


def test_a_first_start_that_nobody_could_make_is_no_restart() -> None:
    """Where no order may be restarted, one that arrived while every worker was away is still begun once."""
    run = ds.run(
        database_order,
        ORDER,
        model="status_columns",
        workers=1,
        faults=[ds.Crash(at="0s", restart_after="1h")],
        model_options={"status_columns": {"restarts_max": 0}},
    )
    assert run.verdicts == {"completed": 1} and run.execution("o-1").execution.runs == 1
