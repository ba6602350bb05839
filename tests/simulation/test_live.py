"""A simulation that is driven step by step: time, faults, workers, and the same again for the same seed."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import DAY, HOUR, MINUTE, SECOND
from durable_sim.library.orders import correct_order
from durable_sim.workflows.program import Program


@ds.activity
async def charge(ctx: ds.ActivityContext) -> Any:
    """Takes money."""
    return await ctx.service("payments").charge("ada", 40)


async def charges(ctx: ds.WorkflowContext, rounds: int = 1) -> int:
    """A charge an hour."""
    for _ in range(rounds):
        await ctx.execute_activity(charge, start_to_close_timeout="30s")
        await ctx.sleep("1h")
    return rounds


# --- time -----------------------------------------------------------------------------------------------------------
def test_nothing_happens_between_two_calls() -> None:
    """Time stands still until it is let pass."""
    sim = ds.Simulation([charges])
    handle = sim.start(charges)
    events = len(handle.history())
    assert sim.now_us == 0 and len(handle.history()) == events


def test_advance_ends_at_its_time_and_includes_it() -> None:
    """A timer that is due at the very end has fired; the clock is exact even where nothing happens."""

    async def naps(ctx: ds.WorkflowContext) -> str:
        await ctx.sleep("10s")
        return "done"

    sim = ds.Simulation([naps])
    handle = sim.start(naps)
    sim.advance("9999ms")
    assert (sim.now_us, handle.status) == (9_999_000, "RUNNING")
    sim.advance("1ms")
    assert (sim.now_us, handle.status) == (10 * SECOND, "COMPLETED")
    sim.advance("1d")
    assert sim.now_us == 10 * SECOND + DAY


def test_run_lets_everything_happen_or_as_much_as_a_limit_allows() -> None:
    """Until nothing is left."""
    sim = ds.Simulation([charges])
    handle = sim.start(charges, 48)
    sim.run("10h")
    assert handle.status == "RUNNING" and 9 * HOUR <= sim.now_us <= 10 * HOUR
    sim.run()
    assert handle.status == "COMPLETED" and sim.now_us // HOUR == 48


def test_run_until_stops_at_the_first_step_that_makes_it_true() -> None:
    """And says so if nothing ever will."""
    sim = ds.Simulation([charges])
    handle = sim.start(charges)
    sim.run_until(lambda: len(sim.ledger) == 1)
    assert handle.history().types[-1] == "ActivityTaskScheduled"
    with pytest.raises(ds.UserError, match="the moon is full: nothing will ever happen that could end it"):
        sim.run_until(lambda: False, "the moon is full")


def test_a_result_that_takes_more_than_a_year_is_not_waited_for() -> None:
    """The message describes what is open."""

    async def patient(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("500 days")

    sim = ds.Simulation([patient])
    with pytest.raises(ds.UserError, match="not done after a year of simulated time"):
        sim.start(patient).result()


# --- the world ------------------------------------------------------------------------------------------------------
def test_what_was_done_is_in_the_ledger_and_what_was_seen_in_the_trace() -> None:
    """One charge, of the execution that asked for it."""
    sim = ds.Simulation([charges])
    handle = sim.start(charges, id="o-1")
    handle.result()
    (entry,) = sim.ledger
    assert entry.execution == "o-1"
    assert [record.kind for record in sim.trace].count("effect_applied") == 1


def test_scripted_faults_and_planned_crashes_strike() -> None:
    """The plan of `durable_sim.run` works here too."""
    faults = [ds.Script("payments", "charge", 1, "error"), ds.Crash(at="10m", worker="w1"), ds.Crash(at="20m")]
    sim = ds.Simulation([charges], faults=faults)
    sim.start(charges).result()
    kinds = [record.kind for record in sim.trace]
    assert kinds.count("worker_crashed") == 2
    assert [record.attempt for record in sim.trace if record.kind == "task_started"] == [1, 2]


def test_other_services_may_be_given() -> None:
    """And one that is not there is named."""
    sim = ds.Simulation([charges], services=ds.library.shop(payments={"latency": ds.Constant("2s")}))
    handle = sim.start(charges)
    handle.result()
    (done,) = handle.history().of("ActivityTaskCompleted")
    assert done.time_us >= 2 * SECOND


def test_activities_that_are_only_named_may_be_given() -> None:
    """By `activities=`; without, nobody knows them."""

    async def by_name(ctx: ds.WorkflowContext) -> Any:
        return (await ctx.execute_activity("charge", start_to_close_timeout="30s"))["id"]

    sim = ds.Simulation([by_name], activities=[charge])
    assert sim.start(by_name).result() == "ch_1"


# --- the same again -------------------------------------------------------------------------------------------------
def test_the_same_calls_with_the_same_seed_give_the_same_histories() -> None:
    """To the byte; another seed gives others."""

    def played(seed: int) -> list[dict[str, Any]]:
        order = correct_order()
        sim = ds.Simulation([order], seed=seed, faults=[ds.Crashes(every="2s", until="1m")], rpc_latency="20ms")
        handles = [sim.start(order, {"order_id": f"o-{number}"}, id=f"o-{number}") for number in range(5)]
        sim.advance("2s")
        sim.restart_server("100ms")
        for handle in handles:
            handle.result()
        return [history.to_json() for history in sim.histories().values()]

    assert played(3) == played(3)
    assert played(3) != played(4)


# --- mistakes -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ds.Simulation([]), "there is no workflow"),
        (lambda: ds.Simulation([charges], workers=0), "workers"),
        (lambda: ds.Simulation([charges], cache=-1), "cache is -1"),
        (lambda: ds.Simulation([charges], cache="hot"), "cache is 'hot'"),
        (lambda: ds.Simulation([charges], faults=[ds.Script("paymets", "charge", 1, "error")]), "paymets"),
    ],
)
def test_a_mistake_is_told_where_it_is_made(make: Any, message: str) -> None:
    """Not when time passes."""
    with pytest.raises(ds.UserError, match=message):
        make()


@ds.activity
async def makes_an_object(ctx: ds.ActivityContext) -> object:
    """Returns what no history could keep."""
    return object()


async def returns_an_object(ctx: ds.WorkflowContext, where: str) -> object:
    """Makes a value that no history could keep, here or there."""
    if where == "activity":
        await ctx.execute_activity(makes_an_object, start_to_close_timeout="1s")
    if where == "local activity":
        await ctx.execute_local_activity(makes_an_object, start_to_close_timeout="1s")
    ctx.set_update_handler("make", lambda: object())
    await ctx.sleep("1s")
    return object()


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("workflow", "result of returns_an_object"),
        ("activity", "result of makes_an_object"),
        ("local activity", "result of makes_an_object"),
        ("update", "result of update make"),
    ],
)
def test_a_result_that_no_history_could_keep_ends_the_simulation(where: str, name: str) -> None:
    """It is named: a mistake in how the simulator is used, not a failure of the simulated world."""
    sim = ds.Simulation([returns_an_object])
    with pytest.raises(ds.UserError, match=f"^{name} is a object"):
        handle = sim.start(returns_an_object, where)
        handle.update("make") if where == "update" else handle.result()


@pytest.mark.parametrize("option", ["memo", "search_attributes"])
def test_memo_and_search_attributes_are_looked_at_at_the_start(option: str) -> None:
    """As arguments are; what the caller changes later does not reach the workflow."""

    async def tells(ctx: ds.WorkflowContext) -> Any:
        return [dict(ctx.memo), dict(ctx.search_attributes)]

    sim = ds.Simulation([tells])
    with pytest.raises(ds.UserError, match="is a object: expected JSON-like data"):
        sim.start(tells, **{option: {"a": object()}})
    given = {"a": [1]}
    handle = sim.start(tells, **{option: given})
    given["a"].append(2)
    assert {"a": [1]} in handle.result()


def test_a_handle_shows_its_description() -> None:
    """In a notebook, say."""
    sim = ds.Simulation([charges])
    handle = sim.start(charges, id="o-1")
    sim.advance("5m")
    assert repr(handle).startswith("charges o-1 (run o-1): RUNNING")
    assert "timer 1: due at" in repr(handle)


def test_a_history_shows_itself_as_a_table_of_events() -> None:
    """A line an event: id, time, type, and what tells it from others."""
    sim = ds.Simulation([charges])
    handle = sim.start(charges)
    handle.result()
    lines = str(handle.history()).splitlines()
    assert len(lines) == len(handle.history())
    assert "ActivityTaskScheduled charge" in lines[4]
    assert handle.history() == sim.history_of(handle.workflow_id)
    assert handle.history()._repr_html_().startswith('<pre style="font-family:ui-monospace')
    assert MINUTE == 60 * SECOND


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "unknown option of Simulation 'colour': known: rpc_latency, cache"),
        ({"cashe": "cold"}, "unknown option of Simulation 'cashe': did you mean 'cache'?"),
        ({"cache": "hot"}, "replay: cache is 'hot', expected 'warm', 'cold', 'evicted' or a number of instances"),
        ({"max_concurrent_activities": 0}, "replay: max_concurrent_activities is 0, expected 1 or more"),
    ],
)
def test_an_option_that_does_not_exist_or_fit_is_refused_in_one_line(options: Any, message: str) -> None:
    """By name, with what there is."""
    with pytest.raises(ds.UserError) as caught:
        ds.Simulation([charges], **options)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_what_has_ended_is_freed_without_the_collector() -> None:
    """A run switches it off: whatever made a circle with a workflow's code would pile up."""

    async def busy(ctx: ds.WorkflowContext) -> list[Any]:
        got: list[Any] = []
        ctx.set_signal_handler("x", got.append)
        async with ctx.timeout("1h"):
            await ctx.gather(ctx.sleep("1s"), ctx.execute_local_activity(echo, start_to_close_timeout="5s"))
        await ctx.race(ctx.sleep("1m"), ctx.sleep("2m"))
        return got

    async def echo(ctx: ds.ActivityContext) -> str:
        return "done"

    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(one, Program) for one in gc.get_objects())
        sim = ds.Simulation([busy])
        for _ in range(20):
            sim.start(busy)
        sim.run()
        assert sum(isinstance(one, Program) for one in gc.get_objects()) == before
    finally:
        gc.enable()
