"""Deploys: other code for runs that are under way."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from tests.models.replay_engine.scenes import caught_s, checked, do, echo, only, shape

A = "AScheduled AStarted ACompleted"


@ds.activity
async def charge(ctx: ds.ActivityContext) -> str:
    """The first step."""
    return "charged"


@ds.activity
async def ship(ctx: ds.ActivityContext) -> str:
    """The second step."""
    return "shipped"


@ds.activity
async def pack(ctx: ds.ActivityContext) -> str:
    """A step that only the new code has."""
    return "packed"


@ds.workflow(name="order")
async def v1(ctx: ds.WorkflowContext) -> list[Any]:
    """Charge, a minute, ship."""
    steps = [await do(ctx, charge)]
    await ctx.sleep("1m")
    steps.append(await do(ctx, ship))
    return ["v1", *steps]


@ds.workflow(name="order")
async def same(ctx: ds.WorkflowContext) -> list[Any]:
    """The same commands, another result."""
    steps = [await do(ctx, charge)]
    await ctx.sleep("1m")
    steps.append(await do(ctx, ship))
    return ["same", *steps]


@ds.workflow(name="order")
async def reordered(ctx: ds.WorkflowContext) -> list[Any]:
    """Ship, a minute, charge."""
    steps = [await do(ctx, ship)]
    await ctx.sleep("1m")
    steps.append(await do(ctx, charge))
    return ["reordered", *steps]


@ds.workflow(name="order")
async def later(ctx: ds.WorkflowContext) -> list[Any]:
    """Differs behind the minute only."""
    steps = [await do(ctx, charge)]
    await ctx.sleep("1m")
    steps += [await do(ctx, pack), await do(ctx, ship)]
    return ["later", *steps]


@ds.workflow(name="order")
async def patched(ctx: ds.WorkflowContext) -> list[Any]:
    """The old way for old runs, the new way for new ones."""
    steps = [await do(ctx, pack)] if ctx.patched("pack-first") else []
    steps.append(await do(ctx, charge))
    await ctx.sleep("1m")
    steps.append(await do(ctx, ship))
    return ["patched", *steps]


@ds.workflow(name="order")
async def deprecated(ctx: ds.WorkflowContext) -> list[Any]:
    """No run of the old way is left."""
    ctx.deprecate_patch("pack-first")
    steps = [await do(ctx, pack), await do(ctx, charge)]
    await ctx.sleep("1m")
    steps.append(await do(ctx, ship))
    return ["deprecated", *steps]


@ds.workflow(name="order")
async def removed(ctx: ds.WorkflowContext) -> list[Any]:
    """No run with a patch is left."""
    steps = [await do(ctx, pack), await do(ctx, charge)]
    await ctx.sleep("1m")
    steps.append(await do(ctx, ship))
    return ["removed", *steps]


VERSIONS = {
    "same": same,
    "reordered": reordered,
    "later": later,
    "patched": patched,
    "deprecated": deprecated,
    "removed": removed,
}


def simulation(base: Any = v1, **options: Any) -> ds.Simulation:
    """Two workers on the base code, with the other versions at hand."""
    return ds.Simulation([base], versions=VERSIONS, **options)


def deployed(sim: ds.Simulation, version: str, **options: Any) -> ds.WorkflowHandle:
    """An order that sleeps when another version is deployed."""
    handle = sim.start("order")
    sim.advance("10s")
    sim.deploy(version, **({"grace": "5s"} | options))
    sim.advance("10s")
    return handle


# --- how ------------------------------------------------------------------------------------------------------------
def test_a_rolling_deploy_replaces_one_worker_after_the_other() -> None:
    """Each is away for its downtime; one at least is always there."""
    sim = simulation(workers=3)
    sim.advance("1s")
    sim.deploy("same", downtime="2s")
    counts = []
    for _ in range(8):
        counts.append(len(sim.workers))
        sim.advance("1s")
    assert min(counts) == 2 and counts[-1] == 3
    assert caught_s(sim, "worker_stopped") == [1, 3, 5]


def test_all_at_once_leaves_nobody_for_a_while() -> None:
    """All are away together."""
    sim = simulation(workers=3)
    sim.deploy("same", rolling=False, downtime="2s")
    assert sim.workers == ()
    sim.advance("2s")
    assert sim.workers == ("w1", "w2", "w3")


def test_the_history_says_which_build_ran_a_task() -> None:
    """Before a deploy there is no build id."""
    sim = simulation()
    handle = deployed(sim, "same")
    assert handle.result() == ["same", "charged", "shipped"]
    builds = [event.attributes.get("build_id") for event in handle.history().of("WorkflowTaskCompleted")]
    assert builds == [None, None, "same", "same"]
    checked(sim, same)
    checked(sim, v1)


def test_an_unknown_version_is_refused() -> None:
    """The message says which are known."""
    with pytest.raises(ds.UserError, match="unknown code version 'v9': known: base, same"):
        simulation().deploy("v9")


# --- what -----------------------------------------------------------------------------------------------------------
def test_a_change_behind_what_was_reached_takes_effect() -> None:
    """The run goes on with the new code as if it had always been there."""
    sim = simulation()
    handle = deployed(sim, "later")
    assert handle.result() == ["later", "charged", "packed", "shipped"]
    checked(sim, later)


def test_a_change_of_what_was_done_is_non_determinism() -> None:
    """The next task fails, naming event, record and what was asked; the run stays open and is tried again."""
    sim = simulation()
    handle = deployed(sim, "reordered")
    sim.advance("1h")
    assert handle.status == "RUNNING"
    failed = handle.history().of("WorkflowTaskFailed")[0].attributes
    assert failed["cause"] == "NON_DETERMINISTIC_ERROR"
    assert failed["failure"].message.startswith("[TMPRL1100]")
    for part in ("event 5", "activity charge (activity id 1)", "activity ship (activity id 1)"):
        assert part in failed["failure"].message
    assert len(caught_s(sim, "workflow_task_failed")) > 5
    with pytest.raises(ds.NonDeterminismError, match="event 5"):
        checked(sim, reordered)
    checked(sim, v1)


def test_a_rollback_heals_it() -> None:
    """With the base code again the run ends at its next try, and nothing was lost or done twice."""
    sim = simulation()
    handle = deployed(sim, "reordered")
    sim.advance("1m")
    sim.deploy("base")
    assert handle.result() == ["v1", "charged", "shipped"]
    assert shape(handle.history()).count("ACompleted") == 2
    checked(sim, v1)


def test_new_runs_begin_on_the_new_code() -> None:
    """Whatever becomes of the old ones."""
    sim = simulation()
    deployed(sim, "reordered")
    assert sim.start("order").result() == ["reordered", "shipped", "charged"]


def test_pinned_runs_stay_on_their_build() -> None:
    """An old run waits for a worker of its own build; one that is there takes it."""
    sim = simulation(pinned=True, workers=2)
    sim.deploy("same", rolling=False)
    sim.advance("2s")
    handle = sim.start("order")
    sim.advance("1s")
    sim.deploy("reordered", rolling=False)
    sim.advance("5m")
    assert handle.describe().build == "same"
    assert handle.status == "RUNNING" and caught_s(sim, "workflow_task_failed") == []
    assert sim.start("order").result() == ["reordered", "shipped", "charged"]
    sim.deploy("same")
    assert handle.result() == ["same", "charged", "shipped"]


def test_runs_of_the_base_code_are_pinned_too() -> None:
    """The code of the beginning is a build like any other."""
    sim = simulation(pinned=True)
    handle = deployed(sim, "reordered")
    sim.advance("5m")
    assert caught_s(sim, "workflow_task_failed") == []
    sim.deploy("base")
    assert handle.result() == ["v1", "charged", "shipped"]


def test_an_activity_that_a_build_does_not_know_is_retried_until_one_does() -> None:
    """During a rolling deploy a new workflow task may ask for what an old worker lacks: NotFoundError."""
    sim = simulation(workers=2)
    handle = sim.start("order")
    sim.advance("10s")
    sim.stop("w1")
    sim.stop("w2")
    sim.start_worker("w1")  # the old code
    sim.advance("1s")
    sim.deploy("later", rolling=True, downtime="1s")
    sim.advance("1s")
    assert handle.result() == ["later", "charged", "packed", "shipped"]
    checked(sim, later)


def test_an_unknown_activity_fails_its_attempts_as_not_found() -> None:
    """Retryable: it may be there after a deploy."""

    @ds.workflow(name="order")
    async def by_name(ctx: ds.WorkflowContext) -> Any:
        return await do(ctx, "pack")

    sim = ds.Simulation([by_name], versions={"same": same, "patched": patched})
    handle = sim.start("order")
    sim.advance("10s")
    (activity,) = handle.describe().activities
    assert activity.attempt == 5 and activity.last_failure is not None
    assert activity.last_failure.startswith("NotFoundError: Activity function pack")
    assert "WorkflowTaskFailed" not in handle.history().types


def test_non_determinism_fails_the_workflow_that_asks_for_it() -> None:
    """With NonDeterminismError among its failure exception types."""

    @ds.workflow(name="order", failure_exception_types=(ds.NonDeterminismError,))
    async def strict(ctx: ds.WorkflowContext) -> Any:
        return await do(ctx, ship)

    sim = ds.Simulation([v1], versions={"strict": strict})
    handle = sim.start("order")
    sim.advance("10s")
    sim.deploy("strict", grace="1s")
    with pytest.raises(ds.ExecutionFailed, match="TMPRL1100"):
        handle.result()
    assert handle.status == "FAILED"
    assert handle.history().types[-1] == "WorkflowExecutionFailed"


def test_other_exceptions_may_fail_the_workflow_too() -> None:
    """Those that it lists, and no others."""

    @ds.workflow(failure_exception_types=(KeyError,))
    async def picky(ctx: ds.WorkflowContext, what: str) -> None:
        raise KeyError(what) if what == "key" else ValueError(what)

    sim = ds.Simulation([picky])
    failed, stuck = sim.start(picky, "key"), sim.start(picky, "value")
    sim.advance("1m")
    assert (failed.status, stuck.status) == ("FAILED", "RUNNING")
    assert only(failed.history(), "WorkflowExecutionFailed")["failure"].type == "KeyError"


# --- patches --------------------------------------------------------------------------------------------------------
def test_a_patch_lets_old_runs_go_the_old_way_and_new_ones_the_new() -> None:
    """The marker stands before the first new command, with the search attribute that the server adds."""
    sim = simulation()
    old = deployed(sim, "patched")
    new = sim.start("order")
    assert old.result() == ["patched", "charged", "shipped"]
    assert new.result() == ["patched", "packed", "charged", "shipped"]
    assert "Marker" not in shape(old.history())
    assert shape(new.history()).startswith(f"Started [T] Marker Upsert {A} [T] ")
    told = only(new.history(), "MarkerRecorded")
    assert told["details"] == {"patch-data": [{"id": "pack-first", "deprecated": False}]}
    upsert = only(new.history(), "UpsertWorkflowSearchAttributes")["search_attributes"]
    assert upsert == {"TemporalChangeVersion": ["pack-first"]}
    checked(sim, patched)


def test_old_code_cannot_run_a_patched_history() -> None:
    """A non-deprecated marker that it knows nothing of."""
    sim = simulation(base=patched)
    sim.start("order").result()
    with pytest.raises(ds.NonDeterminismError, match="a non-deprecated patch marker encountered for pack-first"):
        checked(sim, v1)
    with pytest.raises(ds.NonDeterminismError, match="non-deprecated patch marker"):
        checked(sim, removed)


def test_deprecating_takes_histories_with_the_marker_and_without() -> None:
    """It records the marker still, marked as deprecated, which code without any patch passes over."""
    for base in (patched, removed):
        sim = simulation(base=base)
        sim.start("order").result()
        checked(sim, deprecated)
    sim = simulation(base=deprecated)
    handle = sim.start("order")
    handle.result()
    assert only(handle.history(), "MarkerRecorded")["details"]["patch-data"][0]["deprecated"] is True
    for code in (deprecated, patched, removed):
        checked(sim, code)


def test_the_three_steps_of_a_patch_each_heal_the_runs_of_the_one_before() -> None:
    """patched, then deprecate_patch, then gone: no run is ever stuck."""
    sim = simulation()
    runs = []
    for version in ("patched", "deprecated", "removed"):
        runs.append(sim.start("order"))
        sim.advance("5s")
        if version == "deprecated":
            runs[0].result()  # the last run of the old way ends before its code goes
        if version == "removed":
            runs[1].result()  # and so does the last with a non-deprecated marker
        sim.deploy(version, grace="1s")
        sim.advance("5s")
    assert [handle.result()[0] for handle in runs] == ["patched", "deprecated", "removed"]
    assert caught_s(sim, "workflow_task_failed") == []


def test_a_patch_asked_for_twice_is_recorded_once() -> None:
    """Also in a loop, and after other commands."""

    async def loops(ctx: ds.WorkflowContext) -> int:
        count = 0
        for _ in range(3):
            count += ctx.patched("p")
            await do(ctx, echo)
        return count + ctx.patched("q")

    sim = ds.Simulation([loops], cache="cold")
    handle = sim.start(loops)
    assert handle.result() == 4
    assert len(handle.history().of("MarkerRecorded")) == 2
    attributes = [e.attributes["search_attributes"] for e in handle.history().of("UpsertWorkflowSearchAttributes")]
    assert attributes == [{"TemporalChangeVersion": ["p"]}, {"TemporalChangeVersion": ["p", "q"]}] or attributes == [
        {"TemporalChangeVersion": ["p"]},
        {"TemporalChangeVersion": ["q", "p"]},
    ]
    checked(sim, loops)


def test_side_effects_are_made_once() -> None:
    """Their values are in the history, and the replay after a crash finds them there."""
    made = iter(range(100))

    async def rolls(ctx: ds.WorkflowContext) -> list[int]:
        first = ctx.side_effect(lambda: next(made))
        await ctx.sleep("1m")
        return [first, ctx.side_effect(lambda: next(made))]

    sim = ds.Simulation([rolls], cache="cold")
    handle = sim.start(rolls)
    assert handle.result() == [0, 1]
    assert [event.attributes["marker_name"] for event in handle.history().of("MarkerRecorded")] == ["SideEffect"] * 2
    checked(sim, rolls, strict=True)
    assert next(made) == 2


def test_a_deploy_under_fire_of_crashes_changes_nothing_that_matters() -> None:
    """Many orders, a compatible version, a worker crashed each second: each order is done, once."""
    sim = simulation(workers=3)
    handles = [sim.start("order") for _ in range(10)]
    sim.deploy("same", grace="1s")
    for second in range(60):
        sim.crash(f"w{second % 3 + 1}", restart_after="500ms")
        sim.advance("1s")
    assert {handle.result()[0] for handle in handles} <= {"v1", "same"}
    assert all(shape(handle.history()).count("ACompleted") == 2 for handle in handles)
    assert sim.now_us < 600 * SECOND
    checked(sim, same)
