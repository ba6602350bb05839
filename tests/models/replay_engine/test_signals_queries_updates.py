"""Signals, queries and updates against a running engine."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.workflows.handlers import QueryFailed
from tests.models.replay_engine.scenes import caught_s, checked, do, echo, nap, only, shape

A = "AScheduled AStarted ACompleted"


async def basket(ctx: ds.WorkflowContext) -> list[Any]:
    """Collects what it is sent until it is told to stop."""
    items: list[Any] = []
    closed: list[int] = []

    def refuse_negative(item: Any) -> None:
        if item == "bad":
            raise ds.ApplicationError("not here", "Refused")

    async def add(item: Any) -> int:
        if item == "slow":
            await do(ctx, nap, "5s")
        if item == "failing":
            raise ds.ApplicationError("no room", "Full")
        items.append(item)
        return len(items)

    ctx.set_signal_handler("add", items.append)
    ctx.set_signal_handler("close", lambda: closed.append(1))
    ctx.set_query_handler("items", lambda: items)
    ctx.set_update_handler("add", add, refuse_negative)
    await ctx.wait_condition(lambda: bool(closed))
    return items


@pytest.fixture
def sim() -> ds.Simulation:
    """One basket could be started here."""
    return ds.Simulation([basket])


# --- signals --------------------------------------------------------------------------------------------------------
def test_a_signal_is_an_event_and_a_task(sim: ds.Simulation) -> None:
    """Each signal that comes while nothing else goes on has a workflow task of its own."""
    handle = sim.start(basket)
    sim.advance("1s")
    for item in ("a", "b"):
        handle.signal("add", item)
        sim.advance("1s")
    handle.signal("close")
    assert handle.result() == ["a", "b"]
    assert shape(handle.history()) == "Started [T] Signal [T] Signal [T] Signal [T] Completed"
    assert handle.history().of("WorkflowExecutionSignaled")[1].attributes["input"] == ["b"]
    checked(sim, basket)


def test_signals_survive_the_loss_of_every_worker(sim: ds.Simulation) -> None:
    """They are events of the server; whoever takes over sees them in their order."""
    handle = sim.start(basket)
    sim.advance("1s")
    handle.signal("add", 1)
    for worker in sim.workers:
        sim.crash(worker, restart_after="1m")
    for item in (2, 3):
        handle.signal("add", item)
    handle.signal("close")
    assert handle.result() == [1, 2, 3]
    checked(sim, basket)


def test_a_signal_is_copied_when_it_is_sent(sim: ds.Simulation) -> None:
    """What the sender changes later does not reach the workflow."""
    handle, item = sim.start(basket), {"sku": "book"}
    handle.signal("add", item)
    item["sku"] = "pen"
    handle.signal("close")
    assert handle.result() == [{"sku": "book"}]


def test_what_no_message_could_carry_is_refused_at_the_call(sim: ds.Simulation) -> None:
    """Signals, queries, updates, starts and signals with a start, by name."""
    handle = sim.start(basket)
    for act, name in (
        (lambda: handle.signal("add", object()), "argument of signal add"),
        (lambda: handle.query("items", object()), "argument of query items"),
        (lambda: handle.update("add", object()), "argument of update add"),
        (lambda: sim.start(basket, object()), "argument of basket"),
        (lambda: sim.start(basket, id="b-2", signal=("add", object())), "argument of the signal"),
    ):
        with pytest.raises(ds.UserError, match=name):
            act()


def test_a_closed_workflow_takes_no_signal(sim: ds.Simulation) -> None:
    """The sender is told so."""
    handle = sim.start(basket)
    handle.signal("close")
    handle.result()
    with pytest.raises(ds.UserError, match="it is completed, expected an open workflow"):
        handle.signal("add", 1)


def test_a_signal_handler_may_run_activities(sim: ds.Simulation) -> None:
    """It is told beside the main code, and what it does is in the history."""

    async def errands(ctx: ds.WorkflowContext) -> list[Any]:
        done: list[Any] = []

        async def run(value: int) -> None:
            done.append(await do(ctx, echo, value))

        ctx.set_signal_handler("run", run)
        await ctx.wait_condition(lambda: len(done) == 2 and ctx.all_handlers_finished())
        return done

    sim = ds.Simulation([errands])
    handle = sim.start(errands, signal=("run", 1))
    handle.signal("run", 2)
    assert handle.result() == [1, 2]
    checked(sim, errands)


def test_a_mistake_in_a_signal_handler_fails_the_task(sim: ds.Simulation) -> None:
    """The workflow stays open, and its description says what went wrong."""

    async def fragile(ctx: ds.WorkflowContext) -> None:
        ctx.set_signal_handler("divide", lambda by: 1 / by)
        await ctx.sleep("1h")

    sim = ds.Simulation([fragile])
    handle = sim.start(fragile)
    handle.signal("divide", 0)
    sim.advance("5s")
    assert handle.status == "RUNNING"
    assert handle.describe().task is not None and "ZeroDivisionError" in str(handle.describe())
    failed = handle.history().of("WorkflowTaskFailed")[0].attributes
    assert (failed["cause"], failed["failure"].type) == ("WORKFLOW_WORKER_UNHANDLED_FAILURE", "ZeroDivisionError")


def test_a_workflow_failure_in_a_signal_handler_fails_the_workflow() -> None:
    """As one in the main code does: the real SDK runs both in the same way."""

    async def strict(ctx: ds.WorkflowContext) -> None:
        def refuse() -> None:
            raise ds.ApplicationError("not that", "Refused")

        ctx.set_signal_handler("go", refuse)
        await ctx.sleep("1h")

    sim = ds.Simulation([strict])
    handle = sim.start(strict)
    sim.advance("1s")
    handle.signal("go")
    sim.advance("1s")
    assert handle.status == "FAILED"
    assert only(handle.history(), "WorkflowExecutionFailed")["failure"].type == "Refused"
    checked(sim, strict)


def test_a_signal_handler_may_continue_as_new() -> None:
    """The run ends there, and the next begins."""

    async def renewed(ctx: ds.WorkflowContext, rounds: int) -> int:
        ctx.set_signal_handler("renew", lambda: ctx.continue_as_new(rounds + 1))
        await ctx.wait_condition(lambda: rounds == 1)
        return rounds

    sim = ds.Simulation([renewed])
    handle = sim.start(renewed, 0)
    sim.advance("1s")
    handle.signal("renew")
    assert handle.result() == 1
    assert len(handle.runs) == 2
    checked(sim, renewed)


# --- queries --------------------------------------------------------------------------------------------------------
def test_a_query_leaves_no_event(sim: ds.Simulation) -> None:
    """Before, between and after tasks: the history is that of a run without queries."""
    handle = sim.start(basket)
    assert handle.query("items") == []
    handle.signal("add", 1)
    assert handle.query("items") == [1]
    handle.signal("close")
    handle.result()
    assert handle.query("items") == [1]
    assert shape(handle.history()) == "Started [T] Signal [T] Signal [T] Completed"
    checked(sim, basket)


def test_a_query_sees_what_was_sent_before_it(sim: ds.Simulation) -> None:
    """It waits for the workflow task that is under way; messages that take time change nothing in that."""
    sim = ds.Simulation([basket], rpc_latency="100ms")
    handle = sim.start(basket)
    for item in range(5):
        handle.signal("add", item)
        assert handle.query("items") == list(range(item + 1))


def test_a_query_is_answered_by_replay_where_no_cache_has_the_run(sim: ds.Simulation) -> None:
    """After all workers were lost another one answers, once it is there."""
    handle = sim.start(basket)
    handle.signal("add", 1)
    sim.advance("1s")
    for worker in sim.workers:
        sim.crash(worker, restart_after="3s")
    before = sim.now_us
    assert handle.query("items") == [1]
    assert sim.now_us - before == 3 * SECOND
    handle.signal("close")
    handle.result()
    checked(sim, basket)


def test_a_query_is_not_answered_by_an_instance_that_was_left_behind() -> None:
    """w1 has the run in its cache and no slot for it, so that w2 runs the later tasks: once w2 is gone, w1 must not
    answer from what it has."""

    async def holds_its_slot(ctx: ds.WorkflowContext) -> Any:
        return await ctx.execute_local_activity(nap, "60s", start_to_close_timeout="2m")

    code = [basket, holds_its_slot]
    sim = ds.Simulation(code, max_concurrent_workflow_tasks=1)
    sim.stop("w2")
    handle = sim.start(basket)
    handle.signal("add", 1)
    assert handle.query("items") == [1]
    slow = sim.start(holds_its_slot, task_timeout="200s")
    sim.advance("1s")
    sim.start_worker("w2")
    handle.signal("add", 2)
    sim.advance("15s")
    sim.stop("w2")
    sim.advance("1s")
    identities = [event.attributes["identity"] for event in handle.history().of("WorkflowTaskCompleted")]
    assert [identity.split("@")[0] for identity in identities] == ["w1", "w1", "w2"]
    assert handle.query("items") == [1, 2]
    handle.signal("close")
    assert (handle.result(), slow.result()) == ([1, 2], "60s")
    checked(sim, *code)


def test_a_query_changes_nothing_in_the_code_that_goes_on(sim: ds.Simulation) -> None:
    """An answer is a copy, and an instance that was made for a query is not used for tasks."""
    handle = sim.start(basket)
    handle.signal("add", 1)
    handle.query("items").append(99)
    handle.signal("close")
    assert handle.result() == [1]


@pytest.mark.parametrize(("name", "problem"), [("nothing", "expected but not found"), ("broken", "KeyError: 'x'")])
def test_a_query_that_fails_tells_why_and_harms_nothing(name: str, problem: str) -> None:
    """No handler, or one that raises: QueryFailed for who asked, and the workflow goes on."""

    async def asked(ctx: ds.WorkflowContext) -> str:
        ctx.set_query_handler("broken", lambda: {}["x"])
        await ctx.sleep("1m")
        return "done"

    sim = ds.Simulation([asked])
    handle = sim.start(asked)
    with pytest.raises(QueryFailed, match=problem):
        handle.query(name)
    assert handle.result() == "done"
    assert caught_s(sim, "workflow_task_failed") == []
    checked(sim, asked)


def test_a_query_handler_may_not_act() -> None:
    """A command in it fails the query; nothing of it is ever sent."""

    async def asked(ctx: ds.WorkflowContext) -> str:
        ctx.set_query_handler("act", lambda: do(ctx, echo, 1))
        await ctx.sleep("1m")
        return "done"

    sim = ds.Simulation([asked])
    handle = sim.start(asked)
    with pytest.raises(QueryFailed, match="the handler of query act issued ScheduleActivity"):
        handle.query("act")
    assert handle.result() == "done"
    assert shape(handle.history()) == "Started [T] TimerStarted TimerFired [T] Completed"


# --- updates --------------------------------------------------------------------------------------------------------
def test_an_update_is_accepted_done_and_answered(sim: ds.Simulation) -> None:
    """Accepted and completed stand behind its task; the caller gets what the handler returned."""
    handle = sim.start(basket)
    assert handle.update("add", "a") == 1
    assert handle.update("add", "b") == 2
    handle.signal("close")
    assert handle.result() == ["a", "b"]
    pair = "[T] UpdateAccepted UpdateCompleted"
    # the first came before the first task was done
    assert shape(handle.history()) in (
        f"Started {pair} {pair} Signal [T] Completed",
        f"Started [T] {pair} {pair} Signal [T] Completed",
    )
    checked(sim, basket)


def test_an_update_may_take_its_time(sim: ds.Simulation) -> None:
    """It is accepted at once and done when its activity is; a handle says which."""
    handle = sim.start(basket)
    sim.advance("1s")
    update = handle.start_update("add", "slow")
    sim.advance("1s")
    assert (update.accepted, update.done) == (True, False)
    assert update.result() == 1 and update.done
    assert sim.now_us == 6 * SECOND
    assert shape(handle.history()) == f"Started [T] [T] UpdateAccepted {A} [T] UpdateCompleted"
    handle.signal("close")
    handle.result()
    checked(sim, basket)


def test_a_refused_update_leaves_no_trace(sim: ds.Simulation) -> None:
    """Not even its workflow task; the caller gets the validator's failure."""
    handle = sim.start(basket)
    sim.advance("1s")
    with pytest.raises(ds.UpdateFailed, match="update add was rejected: Refused: not here") as caught:
        handle.update("add", "bad")
    assert isinstance(caught.value.cause, ds.ApplicationError) and caught.value.cause.type == "Refused"
    assert shape(handle.history()) == "Started [T]"
    assert handle.update("add", "good") == 1
    handle.signal("close")
    assert handle.result() == ["good"]
    assert shape(handle.history()) == "Started [T] [T] UpdateAccepted UpdateCompleted Signal [T] Completed"
    checked(sim, basket)


def test_a_refusal_together_with_a_signal_keeps_the_task(sim: ds.Simulation) -> None:
    """Something else came in the same task, so that it is written down."""
    sim = ds.Simulation([basket], rpc_latency="100ms")
    handle = sim.start(basket)
    sim.advance("1s")
    update = handle.start_update("add", "bad")
    handle.signal("add", 1)
    with pytest.raises(ds.UpdateFailed, match="not here"):
        update.result()
    handle.signal("close")
    assert handle.result() == [1]
    assert "UpdateAccepted" not in shape(handle.history())
    checked(sim, basket)


def test_an_update_whose_handler_fails_is_completed_with_the_failure(sim: ds.Simulation) -> None:
    """The workflow goes on; a replay gives the same."""
    handle = sim.start(basket)
    with pytest.raises(ds.UpdateFailed, match="update add was failed: Full: no room"):
        handle.update("add", "failing")
    assert handle.update("add", "a") == 1
    assert handle.history().of("WorkflowExecutionUpdateCompleted")[0].attributes["failure"].message == "no room"
    handle.signal("close")
    handle.result()
    checked(sim, basket)


def test_an_update_that_raises_what_fails_the_workflow_fails_alone() -> None:
    """A type among the failure exception types is a failure of the update, not of the task or the workflow."""

    @ds.workflow(failure_exception_types=(KeyError,))
    async def lenient(ctx: ds.WorkflowContext) -> str:
        ctx.set_update_handler("look up", lambda key: {}[key])
        await ctx.sleep("1h")
        return "done"

    sim = ds.Simulation([lenient])
    handle = sim.start(lenient)
    with pytest.raises(ds.UpdateFailed, match="KeyError"):
        handle.start_update("look up", "x").result()
    assert handle.result() == "done"
    checked(sim, lenient)


def test_a_mistake_of_usage_in_a_handler_ends_the_simulation() -> None:
    """An activity without a time-out is told at once, as it is in the main code."""

    async def mistaken(ctx: ds.WorkflowContext) -> None:
        ctx.set_signal_handler("go", lambda: ctx.execute_activity(echo))
        await ctx.sleep("1h")

    sim = ds.Simulation([mistaken])
    handle = sim.start(mistaken)
    with pytest.raises(ds.UserError, match=r"execute_activity\(echo\): give start_to_close_timeout"):
        handle.signal("go")
        sim.advance("1s")


def test_an_update_without_a_handler_is_refused(sim: ds.Simulation) -> None:
    """The message names those that there are."""
    handle = sim.start(basket)
    with pytest.raises(ds.UpdateFailed, match="'remove' expected but not found, and there are: add"):
        handle.update("remove", 1)


def test_the_same_update_id_is_one_update(sim: ds.Simulation) -> None:
    """Asked again, during or after, it is not done again; both callers get the one outcome."""
    handle = sim.start(basket)
    first, second = (handle.start_update("add", "slow", id="u") for _ in range(2))
    assert (first.result(), second.result()) == (1, 1)
    assert handle.update("add", "slow", id="u") == 1
    handle.signal("close")
    assert handle.result() == ["slow"]
    assert len(handle.history().of("WorkflowExecutionUpdateAccepted")) == 1
    checked(sim, basket)


def test_an_update_survives_the_loss_of_its_worker(sim: ds.Simulation) -> None:
    """Accepted, it is in the history: the replay runs its handler again, without the validator, to the same end."""
    handle = sim.start(basket)
    sim.advance("1s")
    update = handle.start_update("add", "slow")
    sim.advance("1s")
    for worker in sim.workers:
        sim.crash(worker)
    assert update.result() == 1
    handle.signal("close")
    assert handle.result() == ["slow"]
    checked(sim, basket)


def test_an_update_that_was_not_accepted_when_its_worker_died_is_given_to_the_next(sim: ds.Simulation) -> None:
    """It is in nobody's history yet; the server hands it out again."""
    sim = ds.Simulation([basket], rpc_latency="100ms", workers=1)
    handle = sim.start(basket)
    sim.advance("1s")
    update = handle.start_update("add", "a")
    sim.advance("50ms")
    sim.crash("w1")
    assert update.result() == 1
    handle.signal("close")
    assert handle.result() == ["a"]
    checked(sim, basket)


@pytest.mark.parametrize("later", range(0, 400, 50))
def test_updates_that_come_while_a_task_runs_are_given_out_with_the_next(later: int) -> None:
    """Messages take 0.1 s, and a signal's task is under way: none waits for ever, whatever the moment."""
    sim = ds.Simulation([basket], rpc_latency="100ms")
    handle = sim.start(basket)
    sim.advance("1s")
    handle.signal("add", 0)
    sim.advance(f"{later}ms")
    updates = [handle.start_update("add", item) for item in ("a", "bad", "b")]
    assert updates[2].result() == 3
    assert updates[0].result() == 2
    with pytest.raises(ds.UpdateFailed, match="not here"):
        updates[1].result()
    handle.signal("close")
    assert handle.result() == [0, "a", "b"]
    checked(sim, basket)


def test_updates_still_open_at_the_end_are_told_so(sim: ds.Simulation) -> None:
    """One that was accepted fails as AcceptedUpdateCompletedWorkflow."""
    handle = sim.start(basket)
    update = handle.start_update("add", "slow")
    sim.advance("1s")
    handle.signal("close")
    with pytest.raises(ds.UpdateFailed) as caught:
        update.result()
    assert isinstance(caught.value.cause, ds.ApplicationError)
    assert caught.value.cause.type == "AcceptedUpdateCompletedWorkflow"
    assert handle.status == "COMPLETED"


def test_an_update_of_a_closed_workflow_is_refused(sim: ds.Simulation) -> None:
    """At the call."""
    handle = sim.start(basket)
    handle.signal("close")
    handle.result()
    with pytest.raises(ds.UserError, match=r"update .* it is completed"):
        handle.update("add", 1)
