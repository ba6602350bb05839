"""Local activities: run by the worker within the workflow task, remembered by one marker each."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import SECOND
from tests.models.replay_engine.scenes import at_s, caught_s, checked, do, echo, nap, only, shape

LIMIT = {"start_to_close_timeout": "1m"}


def local(ctx: ds.WorkflowContext, activity: Any, *arguments: Any, **options: Any) -> Any:
    """A local activity."""
    return ctx.execute_local_activity(activity, *arguments, **(LIMIT | options))


def moody(times: int, calls: Counter[str] | None = None) -> Any:
    """An activity that fails in its first attempts."""

    @ds.activity
    async def moody(ctx: ds.ActivityContext) -> int:
        if calls is not None:
            calls["moody"] += 1
        if ctx.attempt <= times:
            raise ds.ApplicationError(f"attempt {ctx.attempt}", "Moody")
        return ctx.attempt

    return moody


def test_several_in_one_task_leave_a_marker_each_and_no_task_between() -> None:
    """Three local activities and a timer: one workflow task."""

    async def three(ctx: ds.WorkflowContext) -> list[Any]:
        got = [await local(ctx, echo, number) for number in range(3)]
        await ctx.sleep("1s")
        return got

    sim = ds.Simulation([three])
    handle = sim.start(three)
    assert handle.result() == [0, 1, 2]
    assert shape(handle.history()) == "Started [T] Marker Marker Marker TimerStarted TimerFired [T] Completed"
    checked(sim, three, strict=True)


def test_a_marker_says_all_that_a_replay_needs() -> None:
    """Type, attempt, times and the result, under the names of the real one."""

    async def one(ctx: ds.WorkflowContext) -> Any:
        await ctx.sleep("3s")
        return await local(ctx, nap, "500ms")

    sim = ds.Simulation([one])
    handle = sim.start(one)
    handle.result()
    told = only(handle.history(), "MarkerRecorded")
    (data,) = told["details"]["data"]
    assert told["marker_name"] == "core_local_activity"
    assert told["details"]["result"] == ["500ms"]
    found = [data[name] for name in ("seq", "attempt", "activity_id", "activity_type", "backoff_us")]
    assert found == [1, 1, "1", "nap", None]
    assert (data["original_schedule_us"], data["complete_us"]) == (3 * SECOND, 3 * SECOND + 500_000)
    checked(sim, one)


def test_they_run_at_once_and_come_back_in_the_order_of_their_ends() -> None:
    """Two in parallel take as long as the longer one; the markers are written as they ended."""

    async def two(ctx: ds.WorkflowContext) -> Any:
        return await ctx.gather(local(ctx, nap, "3s"), local(ctx, nap, "1s"))

    sim = ds.Simulation([two])
    handle = sim.start(two)
    assert handle.result() == ["3s", "1s"]
    assert sim.now_us == 3 * SECOND
    ends = [event.attributes["details"]["result"] for event in handle.history().of("MarkerRecorded")]
    assert ends == [["1s"], ["3s"]]
    checked(sim, two)


def test_commands_of_the_same_task_go_out_when_it_is_done() -> None:
    """An activity asked for together with a local one is scheduled only at the end of the task."""

    async def both(ctx: ds.WorkflowContext) -> Any:
        return await ctx.gather(do(ctx, nap, "1s"), local(ctx, nap, "2s"))

    sim = ds.Simulation([both])
    handle = sim.start(both)
    assert handle.result() == ["1s", "2s"]
    assert at_s(handle.history(), "ActivityTaskScheduled") == [2]
    assert sim.now_us == 3 * SECOND
    checked(sim, both)


def test_a_crash_in_the_middle_runs_all_of_the_task_again() -> None:
    """Nothing of the task was written: what had been done is done again."""
    calls: Counter[str] = Counter()

    @ds.activity
    async def counted(ctx: ds.ActivityContext, name: str) -> str:
        calls[name] += 1
        await ctx.sleep("1s")
        return name

    async def two(ctx: ds.WorkflowContext) -> Any:
        return [await local(ctx, counted, "first"), await local(ctx, counted, "second")]

    sim = ds.Simulation([two], workers=1)
    handle = sim.start(two)
    sim.advance("1500ms")
    sim.crash("w1")
    assert handle.result() == ["first", "second"]
    assert calls == {"first": 2, "second": 2}
    assert at_s(handle.history(), "WorkflowTaskTimedOut") == [10]
    checked(sim, two)


def test_what_is_recorded_is_not_run_again() -> None:
    """A later crash replays the markers."""
    calls: Counter[str] = Counter()
    activity = moody(0, calls)

    async def one(ctx: ds.WorkflowContext) -> Any:
        got = await local(ctx, activity)
        await ctx.sleep("1h")
        return got

    sim = ds.Simulation([one])
    handle = sim.start(one)
    sim.advance("1m")
    for worker in sim.workers:
        sim.crash(worker)
    assert handle.result() == 1
    assert calls == {"moody": 1}
    checked(sim, one)


def test_short_retries_stay_in_the_task() -> None:
    """Two failures, 1 s and 2 s of waiting: one marker, for the third attempt."""
    activity = moody(2)

    async def retried(ctx: ds.WorkflowContext) -> Any:
        return await local(ctx, activity)

    sim = ds.Simulation([retried])
    handle = sim.start(retried)
    assert handle.result() == 3
    assert shape(handle.history()) == "Started [T] Marker Completed"
    assert only(handle.history(), "MarkerRecorded")["details"]["data"][0]["attempt"] == 3
    assert sim.now_us == 3 * SECOND
    checked(sim, retried)


def test_a_retry_beyond_the_threshold_is_a_marker_with_a_failure_and_a_timer() -> None:
    """The workflow waits for it by a timer that outlives the worker; the attempt is counted on."""
    activity = moody(1)

    async def retried(ctx: ds.WorkflowContext) -> Any:
        policy = ds.RetryPolicy(initial_interval="30s")
        return await local(ctx, activity, retry_policy=policy, local_retry_threshold="5s")

    sim = ds.Simulation([retried])
    handle = sim.start(retried)
    sim.advance("10s")
    for worker in sim.workers:
        sim.crash(worker)
    assert handle.result() == 2
    history = handle.history()
    assert shape(history).startswith("Started [T] Marker TimerStarted TimerFired ")
    first, second = (event.attributes for event in history.of("MarkerRecorded"))
    assert first["failure"].message == "attempt 1" and "result" not in first["details"]
    assert first["details"]["data"][0]["backoff_us"] == 30 * SECOND
    assert (second["details"]["data"][0]["attempt"], second["details"]["result"]) == (2, [2])
    checked(sim, retried)


@pytest.mark.parametrize(
    ("policy", "state"),
    [
        (ds.RetryPolicy(maximum_attempts=2), "MAXIMUM_ATTEMPTS_REACHED"),
        (ds.RetryPolicy(non_retryable_error_types=("Moody",)), "NON_RETRYABLE_FAILURE"),
    ],
)
def test_one_that_fails_for_good_is_an_activity_error(policy: ds.RetryPolicy, state: str) -> None:
    """As for any activity; the marker has the failure, and a replay raises the same."""
    activity = moody(9)

    async def fails(ctx: ds.WorkflowContext) -> Any:
        try:
            return await local(ctx, activity, retry_policy=policy)
        except ds.ActivityError as error:
            return f"{error.retry_state}: {error.cause}"

    sim = ds.Simulation([fails])
    handle = sim.start(fails)
    attempts = policy.maximum_attempts or 1
    assert handle.result() == f"{state}: Moody: attempt {attempts}"
    assert only(handle.history(), "MarkerRecorded")["failure"].type == "Moody"
    checked(sim, fails, strict=True)


def test_start_to_close_ends_an_attempt_of_it() -> None:
    """And the next one is made; what the first brings later is ignored."""

    @ds.activity
    async def slow_at_first(ctx: ds.ActivityContext) -> int:
        await ctx.sleep("5s" if ctx.attempt == 1 else "1s")
        return ctx.attempt

    async def waits(ctx: ds.WorkflowContext) -> Any:
        return await local(ctx, slow_at_first, start_to_close_timeout="2s")

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    assert handle.result() == 2
    assert sim.now_us == 4 * SECOND  # 2 s, a back-off of 1 s, and 1 s
    sim.run()
    checked(sim, waits)


def test_schedule_to_close_bounds_all_attempts() -> None:
    """A retry that would come too late is not begun."""
    activity = moody(9)

    async def waits(ctx: ds.WorkflowContext) -> Any:
        policy = ds.RetryPolicy(initial_interval="2s", backoff_coefficient=1)
        try:
            return await ctx.execute_local_activity(activity, schedule_to_close_timeout="5s", retry_policy=policy)
        except ds.ActivityError as error:
            return error.retry_state

    sim = ds.Simulation([waits])
    assert sim.start(waits).result() == "TIMEOUT"
    assert sim.now_us == 4 * SECOND
    checked(sim, waits)


def test_long_ones_keep_the_workflow_task_alive() -> None:
    """After 8 s the worker completes the task and asks for another; the activity is not begun again."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        return await local(ctx, nap, "20s")

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    assert handle.result() == "20s"
    assert sim.now_us == 20 * SECOND
    assert shape(handle.history()) == "Started [T] [T] [T] Marker Completed"
    assert at_s(handle.history(), "WorkflowTaskCompleted") == [8, 16, 20]
    assert len(caught_s(sim, "task_started")) == 1
    checked(sim, waits)


def test_the_task_is_kept_alive_by_its_own_time_out() -> None:
    """80 % of it: with a task time-out of 5 s the worker asks for another after 4 s."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        return await local(ctx, nap, "7s")

    sim = ds.Simulation([waits])
    handle = sim.start(waits, task_timeout="5s")
    assert handle.result() == "7s"
    assert at_s(handle.history(), "WorkflowTaskCompleted") == [4, 7]
    assert handle.history().of("WorkflowTaskTimedOut") == ()
    checked(sim, waits)


def test_a_worker_that_dies_during_a_long_one_begins_it_again() -> None:
    """Its tasks are kept alive to no end but time."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        await local(ctx, echo)
        return await local(ctx, nap, "20s")

    sim = ds.Simulation([waits], workers=1)
    handle = sim.start(waits)
    sim.advance("10s")
    sim.crash("w1")
    assert handle.result() == "20s"
    assert len([record for record in sim.trace if record.kind == "task_started" and record.subject == "nap"]) == 2
    assert len(handle.history().of("MarkerRecorded")) == 2
    checked(sim, waits)


def test_a_signal_during_a_long_one_is_seen_with_the_next_task() -> None:
    """It is delivered to the code while the activity goes on."""
    seen: list[float] = []

    async def waits(ctx: ds.WorkflowContext) -> Any:
        ctx.set_signal_handler("go", lambda: seen.append(ctx.history_length))
        return await local(ctx, nap, "12s")

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    sim.advance("3s")
    handle.signal("go")
    sim.advance("7s")
    assert len(seen) == 1
    assert handle.result() == "12s"
    checked(sim, waits)


def test_a_workflow_that_returns_does_not_wait_for_one() -> None:
    """Nobody wants its result: the run closes at once, in the task in which it has been asked for too."""

    async def hurries(ctx: ds.WorkflowContext, first: bool) -> str:
        slow = local(ctx, nap, "30s")
        if first:
            await ctx.first_of(slow, local(ctx, nap, "1s"))
        return "done"

    for first, ends_s in ((True, 1), (False, 0)):
        sim = ds.Simulation([hurries])
        handle = sim.start(hurries, first)
        assert handle.result() == "done"
        assert sim.now_us == ends_s * SECOND
        sim.run()
        checked(sim, hurries)


def test_a_cancelled_workflow_with_a_local_activity() -> None:
    """The wait for it is given up; the run ends as cancelled."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        return await local(ctx, nap, "30s")

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    sim.advance("1s")
    handle.cancel()
    with pytest.raises(ds.ExecutionFailed, match="CANCELED"):
        handle.result()
    sim.run()
    checked(sim, waits)


def test_one_that_ends_between_two_tasks_is_told_with_the_next() -> None:
    """The worker has asked for another task, and has none when the result is there: messages take half a second."""

    async def waits(ctx: ds.WorkflowContext) -> Any:
        return [await local(ctx, nap, "8500ms"), await local(ctx, echo)]

    sim = ds.Simulation([waits], rpc_latency="500ms")
    handle = sim.start(waits)
    assert handle.result()[0] == "8500ms"
    assert shape(handle.history()) == "Started [T] [T] Marker Marker Completed"
    assert at_s(handle.history(), "WorkflowTaskCompleted") == [9, 10]
    checked(sim, waits)


def test_another_activity_under_a_recorded_marker_is_found_out() -> None:
    """A local activity that was renamed, or two that changed places: the marker says whose it is."""

    @ds.activity
    async def first(ctx: ds.ActivityContext) -> int:
        return 1

    @ds.activity
    async def second(ctx: ds.ActivityContext) -> int:
        return 2

    def code(*order: Any) -> Any:
        @ds.workflow(name="two")
        async def two(ctx: ds.WorkflowContext) -> Any:
            got = [await local(ctx, activity) for activity in order]
            await ctx.sleep("1h")
            return got

        return two

    sim = ds.Simulation([code(first, second)], versions={"swapped": code(second, first)})
    handle = sim.start("two")
    sim.advance("1m")
    sim.deploy("swapped")
    sim.advance("3h")
    assert handle.status == "RUNNING"
    failed = only(handle.history(), "WorkflowTaskFailed")
    assert failed["cause"] == "NON_DETERMINISTIC_ERROR"
    said = "event 5: the history has a marker of local activity first, the code asked for local activity second"
    assert said in failed["failure"].message
    sim.deploy("base")
    assert handle.result() == [1, 2]


def test_the_loser_of_a_race_is_told_and_holds_the_task_no_longer() -> None:
    """Cancelled, it leaves a marker that says so, and the workflow task ends: what comes next begins at once."""
    told: list[str] = []

    @ds.activity
    async def slow(ctx: ds.ActivityContext) -> None:
        try:
            await ctx.sleep("100s")
        except ds.CancelledError:
            told.append("cancelled")
            raise

    async def races(ctx: ds.WorkflowContext) -> Any:
        place, first = await ctx.race(local(ctx, nap, "1s"), local(ctx, slow, start_to_close_timeout="200s"))
        await ctx.sleep("1s")
        return place, first

    sim = ds.Simulation([races])
    handle = sim.start(races)
    assert handle.result() == [0, "1s"]
    assert sim.now_us == 2 * SECOND
    assert told == ["cancelled"]
    kinds = [(event.attributes.get("failure") or "done") for event in handle.history().of("MarkerRecorded")]
    assert kinds[0] == "done" and kinds[1].kind == "canceled"
    sim.run()
    checked(sim, races, strict=True)


def test_one_that_is_cancelled_in_a_back_off_is_not_begun_again() -> None:
    """The retry in the worker's memory is forgotten with it, and the code hears of an activity that was cancelled."""
    calls: Counter[str] = Counter()
    activity = moody(9, calls)

    async def gives_up(ctx: ds.WorkflowContext) -> Any:
        working = local(ctx, activity, retry_policy=ds.RetryPolicy(initial_interval="5s"))
        await local(ctx, nap, "2s")
        working.cancel()
        try:
            return await working
        except ds.ActivityError as error:
            return f"{error.retry_state}: {type(error.cause).__name__}"

    sim = ds.Simulation([gives_up])
    handle = sim.start(gives_up)
    assert handle.result() == "CANCEL_REQUESTED: CancelledFailure"
    sim.run()
    sim.advance("1m")
    assert calls == {"moody": 1}
    checked(sim, gives_up)


def test_one_that_a_signal_cancels_over_a_heartbeat_of_its_task() -> None:
    """It had begun in an earlier workflow task; a crash afterwards replays its cancellation."""

    async def stops(ctx: ds.WorkflowContext) -> Any:
        working = local(ctx, nap, "50s")
        ctx.set_signal_handler("stop", working.cancel)
        try:
            await working
        except ds.ActivityError as error:
            await ctx.sleep("1h")
            return type(error.cause).__name__

    sim = ds.Simulation([stops])
    handle = sim.start(stops)
    sim.advance("10s")
    handle.signal("stop")
    sim.advance("10s")
    assert shape(handle.history()) == "Started [T] [T] Signal [T] Marker TimerStarted"
    for worker in sim.workers:
        sim.crash(worker)
    assert handle.result() == "CancelledFailure"
    checked(sim, stops)


def test_local_activities_and_others_share_one_count() -> None:
    """Their ids are taken from it in the order in which they are asked for, as in the real SDK."""

    async def mixed(ctx: ds.WorkflowContext) -> None:
        await do(ctx, echo, 1)
        await local(ctx, echo, 2)
        await do(ctx, echo, 3)

    sim = ds.Simulation([mixed])
    handle = sim.start(mixed)
    handle.result()
    assert [event.attributes["activity_id"] for event in handle.history().of("ActivityTaskScheduled")] == ["1", "3"]
    assert only(handle.history(), "MarkerRecorded")["details"]["data"][0]["activity_id"] == "2"
    checked(sim, mixed)


def test_several_in_a_row_keep_the_workflow_task_alive_together() -> None:
    """None of them is long; the task is, and another one is asked for 8 s after it began, and after the next."""

    async def works(ctx: ds.WorkflowContext) -> list[Any]:
        return [await local(ctx, nap, "5s") for _ in range(4)]

    sim = ds.Simulation([works])
    handle = sim.start(works)
    assert handle.result() == ["5s"] * 4
    assert sim.now_us == 20 * SECOND
    assert at_s(handle.history(), "WorkflowTaskCompleted") == [8, 16, 20]
    assert len(caught_s(sim, "task_started")) == 4
    checked(sim, works)
