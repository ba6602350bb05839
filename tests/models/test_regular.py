"""Regular code: a crash loses the run where it stands, a failed call ends it; somebody may rerun it from the top."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import duration_us
from durable_sim.library.orders import article_order, correct_order, plain_order
from durable_sim.models.registry import COMMON_MODELS

ORDER = {"order_id": "o-1"}
CHARGED = ds.Crash(after="reply_received", of="payments.charge")
NO_PARCEL = ds.Script("shipping", "schedule", 1, "error")


def made(run: ds.Run) -> list[str]:
    """The kinds of effect that there were, in order."""
    return [entry.kind for entry in run.ledger]


def times_us(run: ds.Run, kind: str) -> list[int]:
    """When records of this kind were made."""
    return [record.time_us for record in run.trace if record.kind == kind]


# --- regular --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", COMMON_MODELS)
def test_without_faults_every_model_does_the_same(model: str) -> None:
    """In calm weather each model completes the order with the same effects and the same result."""
    run = ds.run(article_order, ORDER, model=model)
    assert run.verdicts == {"completed": 1} and run.ok
    assert run.execution("o-1").execution.result == "order o-1 fulfilled"
    assert made(run) == ["payments.charge", "inventory.reserve", "email.send", "shipping.schedule", "orders.complete"]


def test_a_crash_loses_the_run_where_it_stands() -> None:
    """What was done stays done, nothing more is done, and the execution stays open for ever."""
    run = ds.run(article_order, ORDER, model="regular", faults=[CHARGED])
    one = run.execution("o-1").execution
    assert (one.status, one.runs, made(run)) == ("open", 1, ["payments.charge"])
    assert run.verdicts == {"orphaned_effect": 1}
    assert len(times_us(run, "execution_lost")) == 1


def test_a_request_that_was_sent_lands_although_its_sender_is_dead() -> None:
    """A crash right after the request left does not call it back."""
    run = ds.run(article_order, ORDER, model="regular", faults=[ds.Crash(after="request_sent", of="payments.charge")])
    assert made(run) == ["payments.charge"]
    assert times_us(run, "worker_crashed")[0] < run.ledger[0].time_us


def test_a_crash_at_any_point_before_the_last_effect_leaves_an_order_half_done() -> None:
    """Of all crash points, those between the first request and the last effect leave orphans behind."""
    calm = ds.run(article_order, ORDER, model="regular")
    first = next(record.index for record in calm.trace if record.kind == "request_sent")
    last = max(record.index for record in calm.trace if record.kind == "effect_applied")
    found = {
        index: next(iter(ds.run(article_order, ORDER, model="regular", faults=[ds.Crash(after_record=index)]).verdicts))
        for index in range(len(calm.trace))
    }
    assert last - first > 25
    assert {found[index] for index in range(first, last)} == {"orphaned_effect"}
    assert {found[index] for index in range(first)} == {"stuck", "completed"}  # completed: the other worker died


def test_a_failed_call_ends_the_run_whatever_the_retry_policy_says() -> None:
    """Retry policies mean nothing to regular code: one attempt, then the failure reaches the function."""
    run = ds.run(plain_order, ORDER, model="regular", faults=[NO_PARCEL])
    assert run.execution("o-1").execution.status == "failed"
    assert run.verdicts == {"orphaned_effect": 1}
    assert sum(record.kind == "request_sent" and record.subject == "shipping.schedule" for record in run.trace) == 1


def test_regular_code_may_catch_the_failure_and_compensate() -> None:
    """As long as nothing crashes, a correct saga is correct in regular code, too."""
    run = ds.run(correct_order(), ORDER, model="regular", faults=[NO_PARCEL])
    assert run.verdicts == {"compensated": 1} and run.ok


def test_an_activity_that_takes_too_long_times_out_and_its_late_result_is_refused() -> None:
    """Start-to-close holds in regular code; the activity goes on by itself, and nobody hears of its end."""

    async def slow(ctx: ds.ActivityContext) -> None:
        await ctx.sleep("1m")

    async def impatient(ctx: ds.WorkflowContext, order: Any) -> str:
        try:
            once = ds.RetryPolicy(maximum_attempts=1)
            await ctx.execute_activity(slow, start_to_close_timeout="30s", retry_policy=once)
        except ds.ActivityError as error:
            return str(error.cause)
        return "in time"

    run = ds.run(impatient, ORDER, model="regular")
    assert run.execution("o-1").execution.result == "activity StartToClose timeout"
    assert times_us(run, "attempt_timed_out") == [duration_us("30s")]
    assert times_us(run, "result_refused") == [duration_us("1m")]


def test_an_order_that_finds_no_worker_waits_at_the_door() -> None:
    """Who comes while all workers are away is served as soon as one is back."""
    away = ds.Crash(at="1s", restart_after="10s")
    run = ds.run(
        article_order,
        inputs=[{"order_id": "o-1"}, {"order_id": "o-2"}],
        arrivals=ds.Arrivals(every="5s"),
        model="regular",
        workers=1,
        faults=[away],
    )
    assert run.execution("o-2").verdict == "completed"
    assert times_us(run, "execution_started")[1] == duration_us("11s")


def test_a_timer_of_regular_code_dies_with_its_process() -> None:
    """A sleep is memory like everything else: after a crash it never ends."""

    async def naps(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.sleep("1h")

    crashes = [ds.Crash(at="30m", worker=worker) for worker in ("w1", "w2")]
    assert ds.run(naps, ORDER, model="regular", faults=crashes).verdicts == {"stuck": 1}
    assert ds.run(naps, ORDER, model="regular").verdicts == {"completed": 1}


def test_a_run_is_cut_off_open_and_inconclusive_while_its_process_lives() -> None:
    """A sleeping run in a living process is not stuck at the horizon."""

    async def naps(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.sleep("2h")

    run = ds.run(naps, ORDER, model="regular", horizon="1h")
    assert run.verdicts == {"inconclusive": 1}
    assert "running on w1" in run.violations[0].found


# --- rerun ----------------------------------------------------------------------------------------------------------
def rerun(workflow: Any, *faults: Any, **options: Any) -> ds.Run:
    """One order under regular_rerun with these options of the model."""
    return ds.run(workflow, ORDER, model="regular_rerun", faults=faults, model_options={"regular_rerun": options})


def test_somebody_reruns_a_lost_run_from_the_top_after_a_while() -> None:
    """The whole function runs again `rerun_after` later, and charges again."""
    run = rerun(article_order, CHARGED, rerun_after="5m")
    (lost,), (restarted,) = times_us(run, "execution_lost"), times_us(run, "execution_restarted")
    assert restarted - lost == duration_us("5m")
    assert made(run).count("payments.charge") == 2
    assert run.verdicts == {"duplicate_effect": 1}


def test_somebody_reruns_a_failed_run_too() -> None:
    """A failure of shipping repeats everything that came before it."""
    run = rerun(plain_order, NO_PARCEL)
    assert run.execution("o-1").execution.status == "completed"
    assert made(run).count("payments.charge") == made(run).count("inventory.reserve") == 2
    assert run.verdicts == {"duplicate_effect": 1} and run.repeats == 1


@pytest.mark.parametrize("reruns_max", [0, 1, 3])
def test_reruns_are_bounded(reruns_max: int) -> None:
    """A run that fails every time is run `reruns_max` times more, and its failure then stands."""
    declined = {"order_id": "o-1", "card": "card_declined"}
    run = ds.run(
        plain_order, declined, model="regular_rerun", model_options={"regular_rerun": {"reruns_max": reruns_max}}
    )
    one = run.execution("o-1").execution
    assert (one.status, one.runs) == ("failed", reruns_max + 1)
    assert len(times_us(run, "execution_restarted")) == reruns_max


def test_an_execution_whose_every_run_is_lost_is_stuck() -> None:
    """When the reruns are used up by crashes nobody comes any more."""
    crashes = [ds.Crash(after="execution_started"), ds.Crash(after="execution_restarted")]
    run = rerun(article_order, *crashes, reruns_max=1)
    assert run.faults["hit"] == 2
    assert run.verdicts == {"stuck": 1}


def test_a_planned_rerun_at_the_horizon_is_inconclusive() -> None:
    """An open execution that somebody will rerun is not stuck yet."""
    run = ds.run(
        article_order,
        ORDER,
        model="regular_rerun",
        faults=[ds.Crash(after="execution_started")],
        horizon="10m",
        model_options={"regular_rerun": {"rerun_after": "1h"}},
    )
    assert run.verdicts == {"inconclusive": 1}
    assert "rerun" in run.violations[0].found


def test_each_rerun_has_a_run_id_keys_and_random_numbers_of_its_own() -> None:
    """A rerun from the top is another run: its idempotency keys and its random numbers are new."""
    seen: list[tuple[str, str, str]] = []

    async def key(ctx: ds.ActivityContext) -> str:
        return ctx.idempotency_key

    async def looks(ctx: ds.WorkflowContext, order: Any) -> None:
        own = await ctx.execute_activity(key, start_to_close_timeout="30s")
        seen.append((ctx.run_id, own, str(ctx.uuid4())))
        await ctx.sleep("1m")

    ds.run(looks, ORDER, model="regular_rerun", faults=[ds.Crash(at="30s", worker="w1")])
    runs = {run_id: (own, number) for run_id, own, number in seen if "#" in run_id}  # the calm run has no number
    assert set(runs) == {"o-1#1", "o-1#2"}
    assert [own for own, _ in runs.values()] == ["o-1#1/1", "o-1#2/1"]
    assert runs["o-1#1"][1] != runs["o-1#2"][1]


@pytest.mark.parametrize("model", ["regular", "regular_rerun", "status_columns", "status_columns_transactional"])
def test_a_local_activity_is_one_like_any_other_here(model: str) -> None:
    """Code that was written for an engine runs; where everything is local, nothing is special."""

    async def charge_card(ctx: ds.ActivityContext, order: Any) -> None:
        await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)

    async def pays(ctx: ds.WorkflowContext, order: Any) -> str:
        await ctx.execute_local_activity(charge_card, order, start_to_close_timeout="30s")
        return "paid"

    run = ds.run(pays, ORDER, model=model)
    assert run.verdicts == {"completed": 1}
    assert [entry.kind for entry in run.ledger] == ["payments.charge"]


@pytest.mark.parametrize("model", ["regular", "status_columns"])
def test_what_only_an_engine_has_is_refused_by_name(model: str) -> None:
    """No silent wait for a child that nobody starts."""

    async def child(ctx: ds.WorkflowContext) -> None: ...

    async def parent(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.execute_child_workflow(child)

    with pytest.raises(ds.UserError, match="StartChild: this execution model has no such thing; only 'replay' does"):
        ds.run(parent, ORDER, model=model)
