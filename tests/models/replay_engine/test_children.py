"""Child workflows and strangers: starting, ending, policies, signals and cancellation between workflows."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from durable_sim.errors import UnknownNameError
from tests.models.replay_engine.scenes import at_s, checked, do, echo, nap, only, shape


async def child(ctx: ds.WorkflowContext, what: str) -> str:
    """Does as it is told."""
    match what:
        case "fail":
            raise ds.ApplicationError("no", "Refused")
        case "sleep":
            await ctx.sleep("1h")
        case "clean up":
            try:
                await ctx.sleep("1h")
            finally:
                await do(ctx, echo, "cleaned up")
        case "insist":
            try:
                await ctx.sleep("1h")
            except ds.CancelledError:
                return "insisted"
        case "wait":
            told: list[str] = []
            ctx.set_signal_handler("go", told.append)
            await ctx.wait_condition(lambda: bool(told))
            return told[0]
    return str(await do(ctx, echo, what))


async def parent(ctx: ds.WorkflowContext, what: str, options: dict[str, Any] | None = None) -> Any:
    """Waits for its child."""
    try:
        return await ctx.execute_child_workflow(child, what, **({"id": "c-1"} | (options or {})))
    except ds.ChildWorkflowError as error:
        return f"{type(error.cause).__name__}: {error.cause}, {error.retry_state}"


async def leaver(ctx: ds.WorkflowContext, options: dict[str, Any]) -> str:
    """Ends while its child runs."""
    await ctx.start_child_workflow(child, "clean up", id="c-1", **options)
    await ctx.sleep("10s")
    return "left"


CODE = parent, child, leaver
A = "AScheduled AStarted ACompleted"


def simulation(**options: Any) -> ds.Simulation:
    """Two workers that know everything here."""
    return ds.Simulation(CODE, **options)


# --- ends -----------------------------------------------------------------------------------------------------------
def test_a_child_that_completes() -> None:
    """Initiated; started, with a task; completed, with a task: in the parent. The child has a history of its own."""
    sim = simulation()
    handle = sim.start(parent, "work")
    assert handle.result() == "work"
    assert shape(handle.history()) == "Started [T] ChildInitiated ChildStarted [T] ChildCompleted [T] Completed"
    assert shape(sim.history_of("c-1")) == f"Started [T] {A} [T] Completed"
    started = sim.history_of("c-1")[0].attributes
    assert started["parent"] == {"workflow_id": "parent-1", "run_id": "parent-1", "initiated_event_id": 5}
    assert started["root"] == {"workflow_id": "parent-1", "run_id": "parent-1"}
    checked(sim, *CODE)


def test_a_child_that_fails_is_an_error_with_its_failure_as_the_cause() -> None:
    """ChildWorkflowError, caused by the child's own error; no retry policy was set."""
    sim = simulation()
    handle = sim.start(parent, "fail")
    assert handle.result() == "ApplicationError: Refused: no, RETRY_POLICY_NOT_SET"
    assert only(handle.history(), "ChildWorkflowExecutionFailed")["failure"].type == "Refused"
    assert sim.handle("c-1").status == "FAILED"
    checked(sim, *CODE)


def test_a_child_with_a_retry_policy_is_tried_again_in_new_runs() -> None:
    """The parent hears of the end of the chain only."""
    sim = simulation()
    policy = ds.RetryPolicy(maximum_attempts=3, initial_interval="2s", backoff_coefficient=1)

    async def retrying(ctx: ds.WorkflowContext) -> str:
        try:
            return str(await ctx.execute_child_workflow(child, "fail", id="c-1", retry_policy=policy))
        except ds.ChildWorkflowError as error:
            return error.retry_state

    sim = ds.Simulation([retrying, child])
    handle = sim.start(retrying)
    assert handle.result() == "MAXIMUM_ATTEMPTS_REACHED"
    assert sim.now_us == 4 * SECOND
    assert len(sim.handle("c-1").runs) == 3
    assert shape(handle.history()) == "Started [T] ChildInitiated ChildStarted [T] ChildFailed [T] Completed"
    checked(sim, retrying, child)


def test_a_child_that_runs_out_of_time() -> None:
    """The parent sees a time-out; the child's code is not asked."""
    sim = simulation()
    handle = sim.start(parent, "sleep", {"run_timeout": "5s"})
    assert handle.result().startswith("ActivityTimeout: ")
    assert at_s(handle.history(), "ChildWorkflowExecutionTimedOut") == [5]
    checked(sim, *CODE)


def test_a_child_that_is_terminated() -> None:
    """By somebody else: the parent hears of that."""
    sim = simulation()
    handle = sim.start(parent, "sleep")
    sim.advance("1s")
    sim.handle("c-1").terminate("enough")
    assert handle.result().startswith("TerminatedFailure: ")
    assert shape(handle.history()).endswith("ChildTerminated [T] Completed")
    checked(sim, *CODE)


def test_a_child_that_is_cancelled_by_somebody_else() -> None:
    """It cleans up and ends as cancelled; the parent sees a cancelled child."""
    sim = simulation()
    handle = sim.start(parent, "clean up")
    sim.advance("1s")
    sim.handle("c-1").cancel()
    assert handle.result().startswith("CancelledFailure: ")
    assert shape(handle.history()).endswith("ChildCanceled [T] Completed")
    assert shape(sim.history_of("c-1")).endswith(f"TimerCanceled {A} [T] Canceled")
    checked(sim, *CODE)


def test_a_child_that_continues_as_new_is_one_child() -> None:
    """The parent gets the last run's result, from that run."""

    async def counts(ctx: ds.WorkflowContext, left: int) -> str:
        if left:
            ctx.continue_as_new(left - 1)
        return "counted"

    async def waits(ctx: ds.WorkflowContext) -> Any:
        return await ctx.execute_child_workflow(counts, 2, id="c-1")

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    assert handle.result() == "counted"
    assert len(sim.handle("c-1").runs) == 3
    assert only(handle.history(), "ChildWorkflowExecutionCompleted")["run_id"] == sim.handle("c-1").runs[-1]
    checked(sim, waits, counts)


# --- ids ------------------------------------------------------------------------------------------------------------
def test_a_child_whose_id_is_taken_does_not_start() -> None:
    """The parent sees WorkflowAlreadyStarted; who has the id is not disturbed."""
    sim = simulation()
    sim.start(child, "sleep", id="c-1")
    handle = sim.start(parent, "work")
    assert "WorkflowAlreadyStarted" in handle.result()
    assert shape(handle.history()) == "Started [T] ChildInitiated ChildStartFailed [T] Completed"
    assert sim.handle("c-1").status == "RUNNING"
    checked(sim, *CODE)


@pytest.mark.parametrize(
    ("policy", "before", "starts"),
    [
        ("ALLOW_DUPLICATE", "work", True),
        ("ALLOW_DUPLICATE_FAILED_ONLY", "work", False),
        ("ALLOW_DUPLICATE_FAILED_ONLY", "fail", True),
        ("REJECT_DUPLICATE", "fail", False),
        ("TERMINATE_IF_RUNNING", "sleep", True),
    ],
)
def test_an_id_that_was_used_before_follows_the_policy(policy: str, before: str, starts: bool) -> None:
    """Completed or failed before, or still running: another child of that id may start or not."""
    sim = simulation()
    sim.start(child, before, id="c-1")
    sim.advance("1s")
    handle = sim.start(parent, "work", {"id_reuse_policy": policy})
    assert (handle.result() == "work") is starts
    assert len(sim.handle("c-1").runs) == (2 if starts else 1)
    checked(sim, *CODE)


# --- parents that end -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("policy", "status"),
    [("TERMINATE", "TERMINATED"), ("REQUEST_CANCEL", "CANCELED"), ("ABANDON", "RUNNING")],
)
@pytest.mark.parametrize("end", ["completes", "is terminated", "times out"])
def test_what_becomes_of_a_child_when_its_parent_ends(policy: str, status: str, end: str) -> None:
    """Terminated, cancelled (with its clean-up) or left alone, however the parent has ended."""
    sim = simulation()
    options = {"run_timeout": "5s"} if end == "times out" else {}
    handle = sim.start(leaver, {"parent_close_policy": policy}, **options)
    sim.advance("2s")
    if end == "is terminated":
        handle.terminate("enough")
    sim.advance("1m")
    assert handle.status == {"completes": "COMPLETED", "is terminated": "TERMINATED", "times out": "TIMED_OUT"}[end]
    assert sim.handle("c-1").status == status
    cleaned = sim.history_of("c-1").of("ActivityTaskCompleted")
    assert len(cleaned) == (1 if status == "CANCELED" else 0)
    sim.run()
    checked(sim, *CODE)


def test_a_child_outlives_a_parent_that_continues_as_new() -> None:
    """It belonged to the run that ended: by its policy it is terminated, or goes on."""

    async def goes_on(ctx: ds.WorkflowContext, policy: str, left: int) -> str:
        if left:
            await ctx.start_child_workflow(child, "sleep", id="c-1", parent_close_policy=policy)
            ctx.continue_as_new(policy, left - 1)
        return "done"

    for policy, status in (("ABANDON", "RUNNING"), ("TERMINATE", "TERMINATED")):
        sim = ds.Simulation([goes_on, child])
        assert sim.start(goes_on, policy, 1).result() == "done"
        assert sim.handle("c-1").status == status
        sim.run()
        checked(sim, goes_on, child)


# --- cancellation of the parent -------------------------------------------------------------------------------------
def test_cancelling_a_parent_cancels_the_child_and_waits_for_it() -> None:
    """The child cleans up first; the parent ends when that is done."""

    async def strict_parent(ctx: ds.WorkflowContext) -> Any:
        return await ctx.execute_child_workflow(child, "clean up", id="c-1")

    sim = ds.Simulation([strict_parent, child])
    handle = sim.start(strict_parent)
    sim.advance("1s")
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed):
        handle.result()
    assert (handle.status, sim.handle("c-1").status) == ("CANCELED", "CANCELED")
    assert shape(handle.history()) == (
        "Started [T] ChildInitiated ChildStarted [T] CancelRequested [T] CancelInitiated ExternalCancelRequested [T] "
        "ChildCanceled [T] Canceled"
    )
    checked(sim, strict_parent, child)


def test_a_child_that_insists_completes_and_so_does_the_wait() -> None:
    """The parent gets the result of a child that takes no notice of its cancellation."""
    sim = simulation()
    handle = sim.start(parent, "insist")
    sim.advance("1s")
    handle.cancel()
    assert handle.result() == "insisted"
    assert (handle.status, sim.handle("c-1").status) == ("COMPLETED", "COMPLETED")
    checked(sim, *CODE)


def test_a_child_that_is_abandoned_goes_on() -> None:
    """The parent's cancellation does not reach it."""

    async def abandons(ctx: ds.WorkflowContext) -> Any:
        return await ctx.execute_child_workflow(
            child, "sleep", id="c-1", cancellation_type="ABANDON", parent_close_policy="ABANDON"
        )

    sim = ds.Simulation([abandons, child])
    handle = sim.start(abandons)
    sim.advance("1s")
    handle.cancel()
    sim.advance("1s")
    assert (handle.status, sim.handle("c-1").status) == ("CANCELED", "RUNNING")
    sim.run()
    checked(sim, abandons, child)


# --- signals between workflows --------------------------------------------------------------------------------------
def test_a_parent_signals_its_child() -> None:
    """The child gets it as from any client; the parent knows when it is delivered."""

    async def calls(ctx: ds.WorkflowContext) -> Any:
        handle = await ctx.start_child_workflow(child, "wait", id="c-1")
        await handle.signal("go", "now")
        return await handle.result

    sim = ds.Simulation([calls, child])
    handle = sim.start(calls)
    assert handle.result() == "now"
    told = only(handle.history(), "SignalExternalWorkflowExecutionInitiated")
    assert told["child_workflow_only"] is True
    assert len(handle.history().of("ExternalWorkflowExecutionSignaled")) == 1
    checked(sim, calls, child)


def test_a_signal_reaches_a_child_that_has_continued_as_new() -> None:
    """Whichever of its runs is the current one."""

    async def renews(ctx: ds.WorkflowContext, left: int) -> str:
        told: list[str] = []
        ctx.set_signal_handler("go", told.append)
        if left:
            ctx.continue_as_new(left - 1)
        await ctx.wait_condition(lambda: bool(told))
        return told[0]

    async def calls(ctx: ds.WorkflowContext) -> Any:
        handle = await ctx.start_child_workflow(renews, 1, id="c-1")
        await ctx.sleep("1m")
        await handle.signal("go", "now")
        return await handle.result

    sim = ds.Simulation([calls, renews])
    handle = sim.start(calls)
    assert handle.result() == "now"
    checked(sim, calls, renews)


def test_strangers_are_signalled_and_cancelled_or_not_found() -> None:
    """Delivery is confirmed; for one that is not there the sender sees a failure."""

    async def meddler(ctx: ds.WorkflowContext) -> list[str]:
        await ctx.external_workflow("c-1").signal("go", "hello")
        await ctx.external_workflow("c-2").cancel()
        problems: list[str] = []
        for act in (ctx.external_workflow("c-9").signal("go", 1), ctx.external_workflow("c-9").cancel()):
            try:
                await act
            except ds.ApplicationError as error:
                problems.append(error.type)
        return problems

    sim = ds.Simulation([meddler, child])
    one, other = sim.start(child, "wait", id="c-1"), sim.start(child, "sleep", id="c-2")
    sim.advance("1s")
    handle = sim.start(meddler)
    assert handle.result() == ["ExternalWorkflowNotFound"] * 2
    assert one.result() == "hello"
    sim.run()
    assert other.status == "CANCELED"
    kinds = shape(handle.history())
    assert kinds.count("SignalFailed") == kinds.count("CancelFailed") == 1
    assert kinds.count("ExternalSignaled") == kinds.count("ExternalCancelRequested") == 1
    checked(sim, meddler, child)


def test_a_workflow_is_no_stranger_to_itself() -> None:
    """The real server finds nobody where a workflow signals itself, or asks itself to cancel."""

    async def alone(ctx: ds.WorkflowContext) -> list[str]:
        itself, problems = ctx.external_workflow(ctx.workflow_id), []
        for act in (itself.signal("go"), itself.cancel()):
            try:
                await act
            except ds.ApplicationError as error:
                problems.append(error.type)
        return problems

    sim = ds.Simulation([alone])
    handle = sim.start(alone)
    assert handle.result() == ["ExternalWorkflowNotFound"] * 2
    failed = handle.history().of("SignalExternalWorkflowExecutionFailed")[0].attributes
    assert failed["cause"] == "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"
    checked(sim, alone)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cancellation_type": "WAIT_CANCELLATION"}, "unknown cancellation_type of a child workflow"),
        ({"parent_close_policy": "ABANDONED"}, "unknown parent_close_policy 'ABANDONED'.*ABANDON"),
        ({"id_reuse_policy": "REJECT"}, "unknown id_reuse_policy 'REJECT'.*REJECT_DUPLICATE"),
    ],
)
def test_a_policy_that_there_is_not_is_refused_at_once(wrong: dict[str, str], told: str) -> None:
    """A slip of the pen would else be another policy, without a word."""

    async def mistaken(ctx: ds.WorkflowContext) -> None:
        await ctx.start_child_workflow(child, "wait", **wrong)  # type: ignore[arg-type]

    sim = ds.Simulation([mistaken, child])
    with pytest.raises(UnknownNameError, match=told):
        sim.start(mistaken)


def test_an_activity_knows_no_cancellation_type_of_children() -> None:
    """WAIT_CANCELLATION_REQUESTED is for children only, as in the real SDK."""

    async def mistaken(ctx: ds.WorkflowContext) -> None:
        await do(ctx, echo, cancellation_type="WAIT_CANCELLATION_REQUESTED")

    sim = ds.Simulation([mistaken])
    with pytest.raises(UnknownNameError, match="unknown cancellation_type of an activity"):
        sim.start(mistaken)


# --- crashes --------------------------------------------------------------------------------------------------------
def test_children_go_on_when_workers_die() -> None:
    """Parent and child are both on the server; each crash costs time only."""
    sim = simulation()
    handle = sim.start(parent, "wait")
    sim.advance("1s")
    for worker in sim.workers:
        sim.crash(worker)
    sim.advance("5s")
    sim.handle("c-1").signal("go", "after the crash")
    assert handle.result() == "after the crash"
    checked(sim, *CODE)


def test_many_children_at_once() -> None:
    """Results come in the order of the calls, whichever ends first."""

    async def slow(ctx: ds.WorkflowContext, number: int) -> int:
        await do(ctx, nap, f"{10 - number}s")
        return number

    async def many(ctx: ds.WorkflowContext) -> Any:
        return await ctx.gather(*[ctx.execute_child_workflow(slow, number) for number in range(5)])

    sim = ds.Simulation([many, slow])
    assert sim.start(many).result() == [0, 1, 2, 3, 4]
    assert sim.now_us == 10 * SECOND
    checked(sim, many, slow)
