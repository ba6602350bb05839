"""Chains of runs: continue-as-new, and workflows with a retry policy of their own."""

from __future__ import annotations

import pytest

import durable_sim as ds
from durable_sim.durations import HOUR, SECOND
from tests.models.replay_engine.scenes import at_s, checked, do, echo, only, shape

A = "AScheduled AStarted ACompleted"


async def pages(ctx: ds.WorkflowContext, page: int, last: int) -> str:
    """A page a run."""
    await do(ctx, echo, page)
    if page < last:
        ctx.continue_as_new(page + 1, last)
    return f"{page} pages"


def test_each_run_has_an_id_and_a_history_of_its_own() -> None:
    """All but the last end as continued; result and status are the last run's."""
    sim = ds.Simulation([pages])
    handle = sim.start(pages, 1, 3, id="p")
    assert handle.result() == "3 pages"
    assert (handle.status, len(set(handle.runs))) == ("COMPLETED", 3)
    shapes = [shape(handle.history(run_id)) for run_id in handle.runs]
    assert shapes == [f"Started [T] {A} [T] ContinuedAsNew"] * 2 + [f"Started [T] {A} [T] Completed"]
    checked(sim, pages)


def test_runs_name_each_other() -> None:
    """The end names the next run, the start the one before and the first; the arguments are the new ones."""
    sim = ds.Simulation([pages])
    handle = sim.start(pages, 1, 2, id="p")
    handle.result()
    first, second = (handle.history(run_id) for run_id in handle.runs)
    ended = only(first, "WorkflowExecutionContinuedAsNew")
    begun = only(second, "WorkflowExecutionStarted")
    assert (ended["new_run_id"], ended["input"], ended["initiator"]) == (handle.runs[1], [2, 2], "CONTINUE_AS_NEW")
    assert (begun["continued_run_id"], begun["first_run_id"], begun["input"]) == (*[handle.runs[0]] * 2, [2, 2])
    assert begun["initiator"] == "CONTINUE_AS_NEW"


def test_the_server_spaces_runs_a_second_apart() -> None:
    """A short run's follower waits for the rest of the second; one that took longer is followed at once."""

    async def naps(ctx: ds.WorkflowContext, *durations: str) -> str:
        await ctx.sleep(durations[0])
        if durations[1:]:
            ctx.continue_as_new(*durations[1:])
        return "done"

    sim = ds.Simulation([naps])
    handle = sim.start(naps, "200ms", "5s", "1s", id="n")
    handle.result()
    runs = [handle.history(run_id) for run_id in handle.runs]
    assert [history[0].time_us for history in runs] == [0, 200_000, 1_000_000 + 5_000_000]
    assert [at_s(history, "WorkflowTaskScheduled")[0] for history in runs] == [0, 1, 6]
    assert [history[0].attributes["first_task_backoff_us"] for history in runs] == [0, 800_000, 0]
    checked(sim, naps)


def test_a_run_may_continue_as_another_workflow() -> None:
    """By function or by name, on other options."""

    async def second(ctx: ds.WorkflowContext, value: int) -> str:
        return f"second {value} {ctx.info.workflow_name}"

    async def first(ctx: ds.WorkflowContext) -> None:
        ctx.continue_as_new(7, workflow=second, run_timeout="1h", task_timeout="5s")

    sim = ds.Simulation([first, second])
    handle = sim.start(first)
    assert handle.result() == "second 7 second"
    begun = handle.history()[0].attributes
    assert (begun["run_timeout_us"], begun["task_timeout_us"]) == (HOUR, 5 * SECOND)
    checked(sim, first, second)


def test_memo_and_search_attributes_are_carried_over() -> None:
    """Those of the start and those set since; patches are not."""

    async def carries(ctx: ds.WorkflowContext, left: int) -> list[object]:
        ctx.patched("p")
        if left:
            ctx.upsert_memo({"set": left})
            ctx.upsert_search_attributes({"State": "second"})
            ctx.continue_as_new(left - 1)
        return [dict(ctx.memo), dict(ctx.search_attributes)]

    sim = ds.Simulation([carries])
    handle = sim.start(carries, 1, memo={"given": 1}, search_attributes={"State": "first"})
    assert handle.result() == [{"given": 1, "set": 1}, {"State": "second"}]
    checked(sim, carries)


def test_a_run_that_continues_while_a_signal_arrives_is_made_to_see_it() -> None:
    """The server refuses to close it: no signal is lost between two runs."""

    async def counts(ctx: ds.WorkflowContext, seen: int, left: int) -> int:
        got: list[int] = []
        ctx.set_signal_handler("go", lambda: got.append(1))
        await ctx.sleep("1s")
        if left:
            ctx.continue_as_new(seen + len(got), left - 1)
        return seen + len(got)

    sim = ds.Simulation([counts], rpc_latency="100ms")
    handle = sim.start(counts, 0, 2)
    for _ in range(30):
        sim.advance("110ms")
        if handle.status == "RUNNING":
            handle.signal("go")
            sent = len([record for record in sim.trace if record.kind == "signal_received"])
    assert handle.result() == sent
    assert "TFailed" in " ".join(shape(handle.history(run_id)) for run_id in handle.runs)
    checked(sim, counts)


def test_each_run_has_random_numbers_of_its_own() -> None:
    """And a replay of a run has the same."""

    async def draws(ctx: ds.WorkflowContext, before: list[str]) -> list[str]:
        drawn = [*before, str(ctx.uuid4())]
        await do(ctx, echo, drawn)
        if len(drawn) < 3:
            ctx.continue_as_new(drawn)
        return drawn

    sim = ds.Simulation([draws], cache="cold")
    assert len(set(sim.start(draws, []).result())) == 3
    checked(sim, draws, strict=True)


def test_the_execution_time_out_counts_over_all_runs() -> None:
    """The run time-out begins anew with each."""

    async def for_ever(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("3s")
        ctx.continue_as_new()

    sim = ds.Simulation([for_ever])
    handle = sim.start(for_ever, execution_timeout="10s", run_timeout="5s")
    with pytest.raises(ds.ExecutionFailed, match="TIMED_OUT"):
        handle.result()
    assert (sim.now_us, len(handle.runs)) == (10 * SECOND, 4)
    checked(sim, for_ever)


# --- retries of workflows -------------------------------------------------------------------------------------------
async def moody(ctx: ds.WorkflowContext, good: int) -> int:
    """Fails until its attempt number `good`."""
    if ctx.info.attempt < good:
        raise ds.ApplicationError(f"attempt {ctx.info.attempt}", "Moody")
    return ctx.info.attempt


def test_a_failed_workflow_is_tried_again_as_its_policy_says() -> None:
    """Each attempt is a run of its own, with the arguments of the first and the failure of the one before."""
    sim = ds.Simulation([moody])
    policy = ds.RetryPolicy(initial_interval="2s", backoff_coefficient=3)
    handle = sim.start(moody, 3, retry_policy=policy)
    assert handle.result() == 3
    runs = [handle.history(run_id) for run_id in handle.runs]
    assert [at_s(history, "WorkflowTaskScheduled") for history in runs] == [[0], [2], [8]]
    assert [history[0].attributes["attempt"] for history in runs] == [1, 2, 3]
    assert runs[2][0].attributes["last_failure"].message == "attempt 2"
    assert runs[2][0].attributes["initiator"] == "RETRY"
    assert only(runs[0], "WorkflowExecutionFailed")["new_run_id"] == handle.runs[1]
    assert only(runs[0], "WorkflowExecutionFailed")["retry_state"] == "IN_PROGRESS"
    checked(sim, moody)


def test_a_retry_comes_a_second_after_the_run_before_at_least() -> None:
    """However short the policy's wait."""
    sim = ds.Simulation([moody])
    handle = sim.start(moody, 3, retry_policy=ds.RetryPolicy(initial_interval="100ms"))
    handle.result()
    runs = [handle.history(run_id) for run_id in handle.runs]
    assert [at_s(history, "WorkflowTaskScheduled") for history in runs] == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("policy", "state", "runs"),
    [
        (None, "RETRY_POLICY_NOT_SET", 1),
        (ds.RetryPolicy(maximum_attempts=3), "MAXIMUM_ATTEMPTS_REACHED", 3),
        (ds.RetryPolicy(non_retryable_error_types=("Moody",)), "NON_RETRYABLE_FAILURE", 1),
    ],
)
def test_retries_of_a_workflow_end_like_those_of_an_activity(
    policy: ds.RetryPolicy | None, state: str, runs: int
) -> None:
    """Without a policy there are none."""
    sim = ds.Simulation([moody])
    handle = sim.start(moody, 9, retry_policy=policy)
    with pytest.raises(ds.ExecutionFailed, match=f"Moody: attempt {runs}"):
        handle.result()
    assert (len(handle.runs), handle.status) == (runs, "FAILED")
    assert only(handle.history(), "WorkflowExecutionFailed")["retry_state"] == state
    checked(sim, moody)


def test_a_run_that_timed_out_is_tried_again_within_the_execution_time_out() -> None:
    """The retry that would come too late is not begun."""

    async def hangs(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("1h")

    sim = ds.Simulation([hangs])
    policy = ds.RetryPolicy(initial_interval="1s", backoff_coefficient=1)
    handle = sim.start(hangs, run_timeout="3s", execution_timeout="8s", retry_policy=policy)
    with pytest.raises(ds.ExecutionFailed, match="TIMED_OUT"):
        handle.result()
    assert (len(handle.runs), sim.now_us) == (2, 7 * SECOND)
    checked(sim, hangs)


def test_a_cancelled_workflow_is_not_tried_again() -> None:
    """Nor is one that was terminated."""

    async def hangs(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("1h")

    for act, status in ((ds.WorkflowHandle.cancel, "CANCELED"), (ds.WorkflowHandle.terminate, "TERMINATED")):
        sim = ds.Simulation([hangs])
        handle = sim.start(hangs, retry_policy=ds.RetryPolicy())
        sim.advance("1s")
        act(handle)
        sim.advance("1m")
        assert (handle.status, len(handle.runs)) == (status, 1)
