"""Reset: back to a workflow task, and on in a new run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import durable_sim as ds
from tests.models.replay_engine.scenes import Workflow, checked, do, echo, nap, only, shape

A = "AScheduled AStarted ACompleted"


def counting(calls: Counter[str]) -> Workflow:
    """A workflow with two activities, each counted when it is done, and a timer between."""

    @ds.activity
    async def counted(ctx: ds.ActivityContext, name: str) -> str:
        calls[name] += 1
        return f"{name} {calls[name]}"

    async def two(ctx: ds.WorkflowContext) -> list[str]:
        first = await do(ctx, counted, "first")
        await ctx.sleep("1m")
        return [first, await do(ctx, counted, "second")]

    return two


def reset_point(handle: ds.WorkflowHandle, number: int) -> int:
    """The id of the n-th completed workflow task."""
    return handle.history().of("WorkflowTaskCompleted")[number].id


def test_what_comes_before_the_task_is_kept_and_what_comes_after_runs_again() -> None:
    """The copied activity is not called again, the later one is; the old run stays as it was."""
    calls: Counter[str] = Counter()
    two = counting(calls)
    sim = ds.Simulation([two])
    handle = sim.start(two)
    assert handle.result() == ["first 1", "second 1"]
    before = handle.history()
    run_id = handle.reset(reset_point(handle, 2), "bad second")
    assert handle.result() == ["first 1", "second 2"]
    assert handle.runs == (handle.workflow_id, run_id) and handle.status == "COMPLETED"
    assert handle.history(handle.runs[0]) == before
    assert shape(handle.history()) == (
        f"Started [T] {A} [T] TimerStarted TimerFired TScheduled TStarted TFailed [T] {A} [T] Completed"
    )
    failed = only(handle.history(), "WorkflowTaskFailed")
    assert (failed["cause"], failed["base_run_id"], failed["new_run_id"]) == ("RESET_WORKFLOW", *handle.runs)
    assert "bad second" in failed["failure"].message
    checked(sim, two)


def test_to_its_first_task_the_whole_workflow_runs_again() -> None:
    """Nothing is kept but the start."""
    calls: Counter[str] = Counter()
    two = counting(calls)
    sim = ds.Simulation([two])
    handle = sim.start(two)
    handle.result()
    handle.reset(reset_point(handle, 0))
    assert handle.result() == ["first 2", "second 2"]
    checked(sim, two)


def test_an_open_run_is_terminated_by_its_reset() -> None:
    """There is one open run of a workflow at a time."""
    calls: Counter[str] = Counter()
    two = counting(calls)
    sim = ds.Simulation([two])
    handle = sim.start(two)
    sim.advance("10s")
    handle.reset(reset_point(handle, 1), "again")
    sim.advance("1s")
    assert handle.history(handle.runs[0]).types[-1] == "WorkflowExecutionTerminated"
    assert handle.result() == ["first 1", "second 1"]
    checked(sim, two)


def test_an_activity_that_was_open_at_that_task_runs_again() -> None:
    """It was asked for before, and had not ended."""
    calls: Counter[str] = Counter()

    @ds.activity
    async def slow(ctx: ds.ActivityContext) -> int:
        calls["slow"] += 1
        await ctx.sleep("1m")
        return calls["slow"]

    async def both(ctx: ds.WorkflowContext) -> Any:
        running = do(ctx, slow, start_to_close_timeout="2m")
        await do(ctx, nap, "5s")
        return await running

    sim = ds.Simulation([both])
    handle = sim.start(both)
    sim.advance("10s")
    handle.reset(reset_point(handle, 1))
    assert handle.result() == 2
    assert sim.now_us == 70_000_000
    checked(sim, both)


def test_a_timer_that_was_open_keeps_its_time() -> None:
    """It fires when it would have fired, or at once if that is past."""

    async def naps(ctx: ds.WorkflowContext) -> str:
        timer = ctx.sleep("1m")
        await do(ctx, echo)
        await timer
        return "done"

    for reset_at, ends_s in (("30s", 60), ("5m", 300)):
        sim = ds.Simulation([naps])
        handle = sim.start(naps)
        sim.advance(reset_at)
        handle.reset(reset_point(handle, 1))
        assert handle.result() == "done"
        assert sim.now_us == ends_s * 1_000_000
        checked(sim, naps)


def test_later_signals_are_given_to_the_new_run() -> None:
    """None is lost; earlier ones are in the history that was copied."""

    async def collects(ctx: ds.WorkflowContext) -> list[Any]:
        items: list[Any] = []
        ctx.set_signal_handler("add", items.append)
        await ctx.wait_condition(lambda: len(items) >= 3)
        return items

    sim = ds.Simulation([collects])
    handle = sim.start(collects)
    sim.advance("1s")
    for item in (1, 2, 3):
        handle.signal("add", item)
        sim.advance("1s")
    assert handle.result() == [1, 2, 3]
    handle.reset(reset_point(handle, 1))
    assert handle.result() == [1, 2, 3]
    checked(sim, collects)


def test_a_reset_heals_what_a_bad_deploy_did() -> None:
    """Code that went on wrongly is replaced, and the run goes back to before that."""

    async def good(ctx: ds.WorkflowContext) -> str:
        await do(ctx, echo, "first")
        await ctx.sleep("1m")
        return "right"

    @ds.workflow(name="good")
    async def bad(ctx: ds.WorkflowContext) -> str:
        await do(ctx, echo, "first")
        await ctx.sleep("1m")
        raise ds.ApplicationError("wrong")

    sim = ds.Simulation([good], versions={"bad": bad})
    handle = sim.start(good)
    sim.advance("10s")
    sim.deploy("bad")
    with pytest.raises(ds.ExecutionFailed, match="wrong"):
        handle.result()
    sim.deploy("base")
    sim.advance("10s")
    handle.reset(reset_point(handle, 2))
    assert handle.result() == "right"


def test_only_a_workflow_task_can_be_gone_back_to() -> None:
    """The message says which there are."""
    two = counting(Counter())
    sim = ds.Simulation([two])
    handle = sim.start(two)
    handle.result()
    with pytest.raises(ds.UserError, match=r"event 5 is no workflow task, expected one of \[4, 10, 15, 21\]"):
        handle.reset(5)


def test_the_new_run_has_the_random_numbers_of_the_old() -> None:
    """Else the code would disagree with the history that was copied."""

    async def draws(ctx: ds.WorkflowContext) -> list[str]:
        first = await do(ctx, echo, str(ctx.uuid4()))
        await ctx.sleep("1m")
        return [first, await do(ctx, echo, str(ctx.uuid4()))]

    sim = ds.Simulation([draws], strict=True, cache="cold")
    handle = sim.start(draws)
    found = handle.result()
    handle.reset(reset_point(handle, 1))
    assert handle.result() == found
    checked(sim, draws, strict=True)
