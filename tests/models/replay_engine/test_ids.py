"""Workflow ids: one open run each, reuse afterwards, and signal-with-start. Activity ids: one open activity each."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UnknownNameError
from durable_sim.simulation.live import WorkflowAlreadyStarted
from tests.models.replay_engine.scenes import checked, do, echo, nap, shape


async def collects(ctx: ds.WorkflowContext, wanted: int) -> list[Any]:
    """Ends when it has been sent enough; fails if that is negative."""
    items: list[Any] = []
    ctx.set_signal_handler("add", items.append)
    if wanted < 0:
        raise ds.ApplicationError("no")
    await ctx.wait_condition(lambda: len(items) >= wanted)
    return items


@pytest.fixture
def sim() -> ds.Simulation:
    """Two workers."""
    return ds.Simulation([collects])


def test_an_id_is_made_where_none_is_given(sim: ds.Simulation) -> None:
    """From the type and a count."""
    assert [sim.start(collects, 0).workflow_id for _ in range(2)] == ["collects-1", "collects-2"]


def test_an_id_that_is_open_is_refused(sim: ds.Simulation) -> None:
    """The one that runs is not touched."""
    handle = sim.start(collects, 1, id="a")
    with pytest.raises(WorkflowAlreadyStarted, match="'a' is open already"):
        sim.start(collects, 1, id="a")
    handle.signal("add", 1)
    assert handle.result() == [1] and len(handle.runs) == 1
    checked(sim, collects)


def test_the_existing_one_may_be_used(sim: ds.Simulation) -> None:
    """Both handles are of the same run."""
    handle = sim.start(collects, 1, id="a")
    other = sim.start(collects, 9, id="a", id_conflict_policy="USE_EXISTING")
    other.signal("add", 1)
    assert handle.result() == other.result() == [1]
    assert len(handle.runs) == 1


@pytest.mark.parametrize(
    "policy", [{"id_conflict_policy": "TERMINATE_EXISTING"}, {"id_reuse_policy": "TERMINATE_IF_RUNNING"}]
)
def test_the_existing_one_may_be_terminated(sim: ds.Simulation, policy: dict[str, Any]) -> None:
    """Another run begins under the id."""
    handle = sim.start(collects, 1, id="a")
    sim.advance("1s")
    sim.start(collects, 0, id="a", **policy)
    assert handle.result() == []
    assert len(handle.runs) == 2
    assert shape(handle.history(handle.runs[0])) == "Started [T] Terminated"
    checked(sim, collects)


@pytest.mark.parametrize(
    ("policy", "before", "allowed"),
    [
        ("ALLOW_DUPLICATE", 0, True),
        ("ALLOW_DUPLICATE", -1, True),
        ("ALLOW_DUPLICATE_FAILED_ONLY", 0, False),
        ("ALLOW_DUPLICATE_FAILED_ONLY", -1, True),
        ("REJECT_DUPLICATE", 0, False),
        ("REJECT_DUPLICATE", -1, False),
        ("TERMINATE_IF_RUNNING", 0, True),
    ],
)
def test_an_id_that_was_used_follows_the_reuse_policy(
    sim: ds.Simulation, policy: Any, before: int, allowed: bool
) -> None:
    """After a completed or a failed run."""
    sim.start(collects, before, id="a")
    sim.advance("1s")
    if allowed:
        assert sim.start(collects, 0, id="a", id_reuse_policy=policy).result() == []
    else:
        with pytest.raises(WorkflowAlreadyStarted, match=f"was used before, and {policy} forbids that"):
            sim.start(collects, 0, id="a", id_reuse_policy=policy)
    checked(sim, collects)


@pytest.mark.parametrize("end", ["terminate", "cancel", "time out"])
def test_not_completed_counts_as_failed_for_reuse(sim: ds.Simulation, end: str) -> None:
    """Terminated, cancelled and timed-out runs may be followed under ALLOW_DUPLICATE_FAILED_ONLY."""
    handle = sim.start(collects, 1, id="a", run_timeout="5s")
    sim.advance("1s")
    if end != "time out":
        getattr(handle, end)()
    sim.advance("5s")
    assert sim.start(collects, 0, id="a", id_reuse_policy="ALLOW_DUPLICATE_FAILED_ONLY").result() == []


def test_signal_with_start_starts_or_signals(sim: ds.Simulation) -> None:
    """The first call starts the workflow, the second finds it open: each delivers its signal."""
    handle = sim.start(collects, 2, id="a", signal=("add", "first"))
    again = sim.start(collects, 2, id="a", signal=("add", "second"))
    assert handle.result() == again.result() == ["first", "second"]
    assert shape(handle.history()).startswith("Started Signal TScheduled") or shape(handle.history()).startswith(
        "Started Signal [T]"
    )
    assert len(handle.runs) == 1
    checked(sim, collects)


def test_signal_with_start_after_the_end_starts_anew(sim: ds.Simulation) -> None:
    """If the reuse policy allows it; the signal goes to the new run."""
    sim.start(collects, 1, id="a", signal=("add", "first")).result()
    handle = sim.start(collects, 1, id="a", signal=("add", "second"))
    assert handle.result() == ["second"]
    with pytest.raises(WorkflowAlreadyStarted):
        sim.start(collects, 1, id="a", signal=("add", "third"), id_reuse_policy="REJECT_DUPLICATE")
    checked(sim, collects)


def test_an_unknown_id_is_refused_with_the_nearest(sim: ds.Simulation) -> None:
    """As every name."""
    sim.start(collects, 0, id="order-1")
    with pytest.raises(UnknownNameError, match="unknown workflow id 'ordr-1': did you mean 'order-1'"):
        sim.handle("ordr-1")


def test_an_unknown_type_is_the_workers_trouble(sim: ds.Simulation) -> None:
    """The server takes any name; its tasks fail, and say what is known, until a worker knows it."""
    handle = sim.start("unknown", id="a")
    sim.advance("5s")
    assert handle.status == "RUNNING"
    assert "unknown is not registered on this worker, available workflows: collects" in str(handle.describe())


@pytest.mark.parametrize("at_once", [True, False])
def test_an_activity_id_that_is_open_fails_the_workflow_task(at_once: bool) -> None:
    """Asked for twice in one task, or again while the first one runs: nothing of that task is carried out."""

    async def twice(ctx: ds.WorkflowContext) -> Any:
        first = do(ctx, nap, "1h", start_to_close_timeout="2h", activity_id="x")
        if not at_once:
            await ctx.sleep("1s")
        return await ctx.gather(first, do(ctx, echo, activity_id="x"))

    sim = ds.Simulation([twice])
    handle = sim.start(twice)
    sim.advance("1m")
    assert handle.status == "RUNNING"
    failed = handle.history().of("WorkflowTaskFailed")[0].attributes
    assert failed["cause"] == "SCHEDULE_ACTIVITY_DUPLICATE_ID"
    assert failed["failure"].message.startswith("ScheduleActivityDuplicateId: an activity with id x is open")
    assert len(handle.history().of("ActivityTaskScheduled")) == (0 if at_once else 1)
    handle.history().check()


def test_an_activity_id_may_be_used_again_once_it_is_free() -> None:
    """After the first has closed, or in the very task that calls off one of which no attempt is running."""

    @ds.activity
    async def fails(ctx: ds.ActivityContext) -> None:
        raise ds.ApplicationError("no")

    async def again(ctx: ds.WorkflowContext) -> list[Any]:
        done = [await do(ctx, echo, 1, activity_id="x"), await do(ctx, echo, 2, activity_id="x")]
        backing_off = do(ctx, fails, activity_id="x", retry_policy=ds.RetryPolicy(initial_interval="1h"))
        await ctx.sleep("1m")
        backing_off.cancel()
        with suppress(ds.ActivityError):
            await backing_off
        return [*done, await do(ctx, echo, 3, activity_id="x")]

    sim = ds.Simulation([again])
    handle = sim.start(again)
    assert handle.result() == [1, 2, 3]
    assert not handle.history().of("WorkflowTaskFailed")
    checked(sim, again)
