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


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_the_new_run_draws_other_random_numbers_from_the_reset_on(cache: Any) -> None:
    """What was drawn before stays, or the code would disagree with the copied history; a key or an id that is drawn
    behind it is not that of the old run, also of a generator that the code has kept."""

    async def draws(ctx: ds.WorkflowContext) -> list[str]:
        kept = ctx.random
        first = await do(ctx, echo, f"{ctx.uuid4()} {kept.random()}")
        await ctx.sleep("1m")
        return [first, await do(ctx, echo, str(ctx.uuid4())), await do(ctx, echo, str(kept.random()))]

    sim = ds.Simulation([draws], strict=True, cache=cache)
    handle = sim.start(draws)
    results = [handle.result()]
    for _ in range(2):  # the second copies the first one's reset
        handle.reset(reset_point(handle, 2))
        results.append(handle.result())
    assert results[0][0] == results[1][0] == results[2][0]
    assert len({second for _, second, _ in results}) == 3
    assert results[0][2] != results[1][2]
    checked(sim, draws, strict=True)


def test_reset_to_its_first_task_a_run_draws_other_random_numbers_from_its_start() -> None:
    """No code of the old run is left in the copied history."""

    async def draws(ctx: ds.WorkflowContext) -> str:
        return str(ctx.uuid4())

    sim = ds.Simulation([draws])
    handle = sim.start(draws)
    first = handle.result()
    handle.reset(reset_point(handle, 0))
    assert handle.result() != first
    checked(sim, draws)


async def basket(ctx: ds.WorkflowContext) -> list[Any]:
    """Collects what it is told until it is closed."""
    items: list[Any] = []
    closed: list[bool] = []
    ctx.set_signal_handler("add", items.append)
    ctx.set_signal_handler("close", lambda: closed.append(True))
    ctx.set_query_handler("items", lambda: items)
    await ctx.wait_condition(lambda: bool(closed))
    return items


def test_a_signal_that_waits_in_the_buffer_reaches_the_new_run() -> None:
    """A worker had the workflow task when it came: it is written as the old run ends, and given to the new one."""
    sim = ds.Simulation([basket], rpc_latency="100ms")
    handle = sim.start(basket)
    sim.advance("1s")
    handle.signal("add", 1)
    handle.signal("add", 2)
    handle.reset(4)
    handle.signal("close")
    assert handle.result() == [1, 2]
    checked(sim, basket)


def test_a_query_is_answered_by_the_new_run() -> None:
    """Not by the instance of the old one, which a worker may still have."""
    sim = ds.Simulation([basket], workers=1)
    handle = sim.start(basket)
    handle.signal("add", 1)
    assert handle.query("items") == [1]
    handle.reset(4)
    handle.signal("add", 2)
    assert handle.query("items") == [1, 2]
    handle.signal("close")
    assert handle.result() == [1, 2]
    checked(sim, basket)


def test_timers_that_are_over_fire_together_in_the_order_in_which_they_were_due() -> None:
    """The sleep of 3 s before the limit of 30 s; both in one task, where the limit still strikes, as in asyncio."""

    async def naps(ctx: ds.WorkflowContext) -> str:
        ctx.set_signal_handler("nudge", lambda: None)
        async with ctx.timeout("30s"):
            await ctx.sleep("3s")
        await ctx.sleep("1h")
        return "rested"

    sim = ds.Simulation([naps])
    handle = sim.start(naps)
    sim.advance("1s")
    handle.signal("nudge")
    sim.advance("1m")
    handle.reset(reset_point(handle, 1))
    sim.advance("1s")
    history = handle.history()
    assert shape(history).endswith("TFailed [T] TimerFired TimerFired [T] Failed"), history
    lengths = {event.id: event.attributes["start_to_fire_us"] for event in history.of("TimerStarted")}
    fired = [lengths[event.attributes["started_event_id"]] for event in history.of("TimerFired")]
    assert fired == [3_000_000, 30_000_000]
    with pytest.raises(ds.ExecutionFailed, match="TimeoutError"):
        handle.result()
    checked(sim, naps)


@pytest.mark.parametrize("rpc_latency", ["0s", "10ms"])
def test_a_reset_of_a_reset_goes_back_to_before_a_childs_end(rpc_latency: str) -> None:
    """The child belongs to whichever run is the last, and its end is told again."""

    async def child(ctx: ds.WorkflowContext, name: str) -> str:
        await ctx.sleep("10s")
        return name

    async def parent(ctx: ds.WorkflowContext) -> list[str]:
        children = [await ctx.start_child_workflow(child, name, id=name) for name in "ab"]
        await ctx.sleep("1s")
        found = [await one.result for one in children]
        await ctx.sleep("1m")
        return found

    sim = ds.Simulation([parent, child], rpc_latency=rpc_latency)
    handle = sim.start(parent)
    sim.advance("15s")
    handle.reset(reset_point(handle, -1))
    sim.advance("1s")
    handle.reset(reset_point(handle, 3))
    sim.advance("1s")
    sim.restart_server()
    assert handle.result() == ["a", "b"]
    checked(sim, parent, child)


def test_a_parent_waits_for_the_run_that_a_reset_of_its_child_began() -> None:
    """The end of the run that was reset is nothing to it."""

    async def child(ctx: ds.WorkflowContext) -> str:
        await ctx.sleep("1h")
        return "done"

    async def parent(ctx: ds.WorkflowContext) -> str:
        return await ctx.execute_child_workflow(child, id="c")

    sim = ds.Simulation([parent, child])
    handle = sim.start(parent)
    sim.advance("10m")
    sim.handle("c").reset(4)
    assert handle.result() == "done"
    assert sim.now_us == (60 + 10) * 60_000_000
    checked(sim, parent, child)
