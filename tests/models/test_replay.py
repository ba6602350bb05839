"""Durable execution: what the server keeps, what a worker may lose, and what nobody can know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import MINUTE, SECOND, duration_us
from durable_sim.library.orders import correct_order
from durable_sim.models.replay import events
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.instance import Instance
from durable_sim.models.replay.model import Replay
from durable_sim.models.replay.native import info_of
from durable_sim.models.replay.runner import Decision
from durable_sim.randomness import Randomness
from durable_sim.workflows.commands import CompleteWorkflow, FailWorkflow, ScheduleActivity, StartTimer
from durable_sim.workflows.context import WorkflowInfo
from durable_sim.workflows.definitions import Build, definition_of

ORDER = {"order_id": "o-1"}
TWO_ITEMS = {"order_id": "o-1", "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 2}]}
BOTH = ("w1", "w2")
GIVE_UP = ds.RetryPolicy(maximum_attempts=1)
Workflow = Callable[..., Coroutine[Any, Any, Any]]


def run(workflow: Workflow, *faults: Any, **options: Any) -> ds.Run:
    """One execution under replay."""
    return ds.run(workflow, options.pop("input", ORDER), model="replay", faults=faults, **options)


def times_us(run: ds.Run, kind: str, subject: str | None = None) -> list[int]:
    """When the records of a kind were made."""
    return [record.time_us for record in run.trace if record.kind == kind and subject in (None, record.subject)]


def history(run: ds.Run, execution: str = "o-1") -> list[Event]:
    """What the server remembers of an execution."""
    model, _ = run.recording.engine
    assert isinstance(model, Replay)
    return model.server.runs[execution].history


def types(run: ds.Run) -> list[str]:
    """The types of the events of the only execution."""
    return [event.type for event in history(run)]


def ended_us(run: ds.Run) -> int:
    """When the only execution ended."""
    ended = run.executions[0].execution.ended_us
    assert ended is not None
    return ended


async def charge(ctx: ds.ActivityContext) -> Any:
    return await ctx.service("payments").charge("ada", 40)


async def ship(ctx: ds.ActivityContext) -> Any:
    return await ctx.service("shipping").schedule(ctx.workflow_id)


def do(ctx: ds.WorkflowContext, activity: Workflow, *arguments: Any, **options: Any) -> Any:
    """Run an activity, half a minute at most each attempt."""
    return ctx.execute_activity(activity, *arguments, start_to_close_timeout="30s", **options)


async def charges_then_ships(ctx: ds.WorkflowContext, order: Any) -> str:
    charged = await do(ctx, charge)
    label = await do(ctx, ship)
    return f"{charged['id']} {label['label']}"


async def naps_a_day(ctx: ds.WorkflowContext, order: Any) -> None:
    await ctx.sleep("1d")


# --- recorded results -----------------------------------------------------------------------------------------------
def test_what_is_recorded_is_not_called_again() -> None:
    """After the loss of every worker the workflow goes on from its history: one charge, and the old result."""
    crashes = [ds.Crash(after="result_recorded", of="charge", worker=worker) for worker in BOTH]
    found = run(charges_then_ships, *crashes)
    assert found.faults["fired"] == 2
    assert len(times_us(found, "request_sent", "payments.charge")) == 1
    assert len(times_us(found, "replayed")) >= 1
    assert found.executions[0].execution.result == "ch_1 lb_1" and found.ok


def test_an_unrecorded_effect_is_done_again() -> None:
    """At least once is all that an engine can promise: a crash before the report means a second charge."""
    found = run(charges_then_ships, ds.Crash(after="reply_received", of="payments.charge"))
    assert len(times_us(found, "request_sent", "payments.charge")) == 2
    assert found.verdicts == {"duplicate_effect": 1}


def test_a_report_that_has_left_a_dying_worker_is_recorded() -> None:
    """Between report and record there is no window: the message is under way."""
    found = run(charges_then_ships, ds.Crash(after="result_reported", of="charge"), services=ds.library.shop())
    assert found.faults["hit"] >= 1 and found.ok
    assert len(times_us(found, "request_sent", "payments.charge")) == 1


# --- every crash point ----------------------------------------------------------------------------------------------
def crash_points(workflow: Workflow, *faults: Any, **options: Any) -> Counter[str]:
    """The verdicts for a crash after each record of the trace that the workflow leaves without one."""
    length = len(run(workflow, *faults, **options).trace)
    found: Counter[str] = Counter()
    for index in range(length):
        crashed = run(workflow, *faults, ds.Crash(after_record=index), **options)
        assert crashed.faults["fired"] == crashed.faults["planned"], index
        assert crashed.ok or crashed.verdicts.keys() & {"duplicate_effect"}, crashed
        found[crashed.executions[0].verdict] += 1
    return found


def test_a_crash_at_any_point_of_a_correct_order_changes_nothing_that_matters() -> None:
    """With keys the order is completed at every crash point, of which there are more than fifty."""
    found = crash_points(correct_order(), input=TWO_ITEMS)
    assert set(found) == {"completed"}
    assert found.total() > 50


def test_a_crash_at_any_point_of_a_compensation_changes_nothing_that_matters() -> None:
    """With keys a refused order is wholly undone, in reverse order, at every crash point."""
    refused = [ds.Script("shipping", "schedule", call, "error_after_effect") for call in range(1, 5)]
    down = ds.library.shop(shipping={"operations": {"schedule": ds.OperationSpec(faults=ds.Mixture(error=1.0))}})
    found = crash_points(correct_order(), *refused[:1], input=TWO_ITEMS, services=down)
    assert set(found) == {"compensated"}
    assert found.total() > 100


def test_all_workers_lost_at_any_point_changes_nothing_that_matters() -> None:
    """The same holds when every process dies at the same record."""
    length = len(run(correct_order()).trace)
    for index in range(length):
        crashes = [ds.Crash(after_record=index, worker=worker) for worker in BOTH]
        found = run(correct_order(), *crashes)
        assert found.verdicts == {"completed": 1} and found.ok, found


def test_without_keys_some_crash_points_duplicate() -> None:
    """The same engine without idempotency keys: charge, reservation or parcel are made twice at some points."""
    found = crash_points(correct_order(keys=False), input=TWO_ITEMS)
    assert set(found) == {"completed", "duplicate_effect"}
    assert found["duplicate_effect"] >= 4


# --- retries and time-outs ------------------------------------------------------------------------------------------
def failing(times: int, error: Callable[[], Exception] = lambda: ds.ApplicationError("not yet")) -> Workflow:
    """An activity that fails in its first attempts."""

    async def moody(ctx: ds.ActivityContext) -> int:
        if ctx.attempt <= times:
            raise error()
        return ctx.attempt

    return moody


def calling(activity: Workflow, **options: Any) -> Workflow:
    """A workflow that calls one activity and returns what comes of it."""

    async def calls(ctx: ds.WorkflowContext, order: Any) -> Any:
        try:
            return await ctx.execute_activity(activity, **({"start_to_close_timeout": "30s"} | options))
        except ds.ActivityError as error:
            return f"{error.retry_state}: {error.cause}"

    return calls


def result(run: ds.Run) -> Any:
    """What the only execution returned."""
    assert run.executions[0].execution.status == "completed"
    return run.executions[0].execution.result


def test_attempts_follow_the_formula() -> None:
    """The wait before attempt n + 1 is initial * coefficient ** (n - 1), and never more than the maximum."""
    policy = ds.RetryPolicy(initial_interval="1s", backoff_coefficient=3, maximum_interval="20s")
    found = run(calling(failing(5), retry_policy=policy))
    assert result(found) == 6
    starts = times_us(found, "task_started")
    assert [(later - sooner) // SECOND for sooner, later in pairwise(starts)] == [1, 3, 9, 20, 20]
    assert times_us(found, "backoff_ended") == starts[1:]


def test_retries_end_with_the_attempts() -> None:
    """After `maximum_attempts` the failure of the last attempt is what the workflow catches."""
    found = run(calling(failing(9), retry_policy=ds.RetryPolicy(maximum_attempts=3)))
    assert result(found) == "MAXIMUM_ATTEMPTS_REACHED: not yet"
    assert len(times_us(found, "task_started")) == 3


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        (lambda: ds.ApplicationError("no", non_retryable=True), ds.RetryPolicy()),
        (lambda: ds.ApplicationError("no", type="Final"), ds.RetryPolicy(non_retryable_error_types=("Final",))),
        (lambda: KeyError("no"), ds.RetryPolicy(non_retryable_error_types=("KeyError",))),
    ],
)
def test_some_failures_are_not_retried(error: Callable[[], Exception], policy: ds.RetryPolicy) -> None:
    """A failure that says so itself, or that the policy names by its type, is final at once."""
    found = run(calling(failing(9, error), retry_policy=policy))
    assert result(found).startswith("NON_RETRYABLE_FAILURE")
    assert len(times_us(found, "task_started")) == 1


def test_a_failure_may_say_when_to_try_again() -> None:
    """`next_retry_delay` overrides the policy's wait."""
    found = run(calling(failing(1, lambda: ds.ApplicationError("later", next_retry_delay="7m"))))
    assert times_us(found, "task_started") == [0, 7 * MINUTE]


def test_retries_survive_the_workers() -> None:
    """Attempts are counted and waits are kept by the server, whoever dies meanwhile."""
    policy = ds.RetryPolicy(initial_interval="1h", backoff_coefficient=1, maximum_attempts=3)
    crashes = [ds.Crash(at=at, worker=worker) for at in ("30m", "90m") for worker in BOTH]
    found = run(calling(failing(9), retry_policy=policy), *crashes)
    assert result(found) == "MAXIMUM_ATTEMPTS_REACHED: not yet"
    assert times_us(found, "task_started") == [0, duration_us("1h"), duration_us("2h")]


def test_a_lost_worker_is_noticed_only_by_the_time_out() -> None:
    """The server learns nothing of a crash; start-to-close ends the attempt, and the next one succeeds."""
    found = run(charges_then_ships, ds.Crash(after="request_sent", of="payments.charge"))
    assert times_us(found, "attempt_timed_out") == [duration_us("30s")]
    assert times_us(found, "task_started", "charge") == [0, duration_us("31s")]


def test_start_to_close_ends_an_attempt_that_takes_too_long() -> None:
    """The attempt is given up at its limit, its late result is refused, and the next attempt counts."""

    async def slow_at_first(ctx: ds.ActivityContext) -> int:
        await ctx.sleep("40s" if ctx.attempt == 1 else "20s")
        return ctx.attempt

    found = run(calling(slow_at_first))
    assert result(found) == 2
    assert times_us(found, "attempt_timed_out") == [30 * SECOND]
    assert times_us(found, "result_refused") == [40 * SECOND]


def test_schedule_to_close_bounds_all_attempts_together() -> None:
    """An attempt that is running at the limit is ended there, with the failure of the attempt before as the cause."""

    async def fails_then_hangs(ctx: ds.ActivityContext) -> None:
        if ctx.attempt == 1:
            raise ds.ApplicationError("not yet")
        await ctx.sleep("1h")

    found = run(calling(fails_then_hangs, start_to_close_timeout=None, schedule_to_close_timeout="90s"))
    assert result(found) == (
        "TIMEOUT: Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
    )
    assert ended_us(found) == 90 * SECOND
    closing = next(event for event in history(found) if event.type == events.ACTIVITY_TASK_TIMED_OUT)
    assert closing.attributes["failure"].cause.message == "not yet"


def test_a_retry_that_would_come_too_late_is_not_waited_for() -> None:
    """Where the next wait ends after schedule-to-close the activity fails at once."""
    policy = ds.RetryPolicy(initial_interval="1m", backoff_coefficient=1)
    found = run(calling(failing(9), schedule_to_close_timeout="150s", retry_policy=policy))
    assert result(found).startswith("TIMEOUT")
    assert ended_us(found) == 2 * MINUTE


def test_an_attempt_that_goes_silent_times_out_on_its_heartbeat() -> None:
    """Heartbeats keep an attempt alive; the pause after the last one ends it, and its details reach the next.

    A worker sends one heartbeat in 8 s here, 80 % of the time-out: at 5, 13 and 21 s, each time the latest.
    """
    seen: list[tuple[int, tuple[Any, ...]]] = []

    async def counts(ctx: ds.ActivityContext) -> int:
        seen.append((ctx.attempt, ctx.heartbeat_details))
        done = ctx.heartbeat_details[0] if ctx.heartbeat_details else 0
        while done < 6:
            await ctx.sleep("5s")
            done += 1
            ctx.heartbeat(done)
            if ctx.attempt == 1 and done == 4:
                await ctx.sleep("1h")
        return done

    found = run(calling(counts, start_to_close_timeout="2h", heartbeat_timeout="10s"))
    assert result(found) == 6
    assert times_us(found, "attempt_timed_out") == [31 * SECOND]  # the last heartbeat, of 20 s, was sent at 21 s
    assert times_us(found, "task_started") == [0, 32 * SECOND]
    assert ended_us(found) == 42 * SECOND  # two more steps
    assert (2, (4,)) in seen


def test_heartbeats_let_a_crash_be_noticed_early() -> None:
    """With a heartbeat time-out a lost worker is noticed long before start-to-close."""

    async def works(ctx: ds.ActivityContext) -> None:
        for _ in range(12):
            await ctx.sleep("5s")
            ctx.heartbeat()

    hourly = calling(works, start_to_close_timeout="1h")
    beating = calling(works, start_to_close_timeout="1h", heartbeat_timeout="10s")
    crash = ds.Crash(at="22s", worker="w2")
    for workflow, noticed in ((hourly, "1h"), (beating, "31s")):
        found = run(workflow, crash)
        assert found.faults["hit"] == 1
        assert times_us(found, "attempt_timed_out") == [duration_us(noticed)]


# --- timers and sticky queues ---------------------------------------------------------------------------------------
def test_timers_survive_crashes_and_a_sticky_task_waits_ten_seconds_for_its_dead_worker() -> None:
    """The timer fires on time; its task sticks to the worker that is gone, and goes elsewhere after 10 s."""
    found = run(naps_a_day, *[ds.Crash(at="1h", worker=worker) for worker in BOTH])
    assert times_us(found, "timer_fired") == [duration_us("1d")]
    assert times_us(found, "workflow_task_timed_out") == [duration_us("1d") + 10 * SECOND]
    assert ended_us(found) == duration_us("1d") + 10 * SECOND
    timed_out = [event for event in history(found) if event.type == events.WORKFLOW_TASK_TIMED_OUT]
    assert [event.attributes["timeout_type"] for event in timed_out] == ["SCHEDULE_TO_START"]


def test_a_graceful_deploy_gives_back_what_sticks() -> None:
    """After a deploy with a grace period the timer's task starts at once, on the new worker."""
    found = run(naps_a_day, ds.Deploy(at="1h", grace="30s"))
    assert found.faults["fired"] == 1 and len(times_us(found, "worker_stopped")) == 2
    assert times_us(found, "workflow_task_timed_out") == []
    assert ended_us(found) == duration_us("1d")
    assert len(times_us(found, "replayed")) == 1


def test_a_hard_deploy_does_not() -> None:
    """A hard deploy is a crash to the server: ten seconds are lost."""
    found = run(naps_a_day, ds.Deploy(at="1h", rolling=False))
    assert ended_us(found) == duration_us("1d") + 10 * SECOND


def test_a_warm_worker_replays_nothing() -> None:
    """As long as nothing happens to it, the worker that has the workflow in its memory goes on from there."""
    found = run(charges_then_ships)
    assert times_us(found, "replayed") == []


def test_a_worker_that_dies_with_a_workflow_task_costs_its_time_out() -> None:
    """Where messages take time a task can be lost on its way: it times out after 10 s, and is tried again."""
    options = {"replay": {"rpc_latency": "50ms"}}
    found = run(naps_a_day, ds.Crash(at="10ms", worker="w1"), ds.Crash(at="10ms", worker="w2"), model_options=options)
    assert found.verdicts == {"completed": 1}
    assert times_us(found, "workflow_task_timed_out") == [10 * SECOND]
    assert "WorkflowTaskTimedOut" in types(found)


def test_an_open_execution_is_not_stuck_while_a_worker_will_come_back_for_it() -> None:
    """A lost workflow task is waiting for its second attempt when the horizon comes: nothing is known yet."""
    options = {"replay": {"rpc_latency": "50ms"}}
    crash = ds.Crash(at="10ms", worker="w1", restart_after="1h")
    found = run(naps_a_day, crash, workers=1, horizon="30m", model_options=options)
    assert found.verdicts == {"inconclusive": 1}


# --- other code -----------------------------------------------------------------------------------------------------
async def v1(ctx: ds.WorkflowContext, order: Any) -> str:
    await do(ctx, charge)
    await ctx.sleep("1h")
    await do(ctx, ship)
    return "v1"


async def v2_reordered(ctx: ds.WorkflowContext, order: Any) -> str:
    await do(ctx, ship)
    await ctx.sleep("1h")
    await do(ctx, charge)
    return "v2"


async def v2_shorter(ctx: ds.WorkflowContext, order: Any) -> str:
    await do(ctx, charge)
    return "v2"


async def v2_compatible(ctx: ds.WorkflowContext, order: Any) -> str:
    await do(ctx, charge)
    await ctx.sleep("1h")
    await do(ctx, ship)
    return "v2"


async def v2_with_a_typo(ctx: ds.WorkflowContext, order: Any) -> str:
    charged = await do(ctx, charge)
    await ctx.sleep("1h")
    await do(ctx, ship)
    return str(charged["ID"])


VERSIONS = {"v1": v1, "reordered": v2_reordered, "shorter": v2_shorter, "same": v2_compatible, "typo": v2_with_a_typo}


def deployed(version: str, *faults: Any, **options: Any) -> ds.Run:
    """The first version runs; another one is deployed while it sleeps."""
    return run(v1, ds.Deploy(at="30m", version=version, grace="1m"), *faults, versions=VERSIONS, **options)


def test_other_code_that_asks_for_the_same_goes_on() -> None:
    """A deploy of code with the same commands is no trouble: the new code ends what the old one began."""
    found = deployed("same")
    assert result(found) == "v2" and found.ok


@pytest.mark.parametrize(
    ("version", "recorded", "asked"),
    [
        ("reordered", "activity charge (activity id 1)", "activity ship (activity id 1)"),
        ("shorter", "a timer of 1h (timer id 1)", "the workflow's completion"),
    ],
)
def test_other_code_that_disagrees_with_the_history_fails_its_tasks(version: str, recorded: str, asked: str) -> None:
    """Workflow tasks fail, naming event and both sides; the workflow stays open, and its charge is an orphan."""
    found = deployed(version, horizon="2d")
    failed = [record.data for record in found.trace if record.kind == "workflow_task_failed"]
    assert len(failed) > 3
    for data in failed:
        assert data is not None and data["cause"] == "NON_DETERMINISTIC_ERROR"
        assert recorded in data["message"] and asked in data["message"] and "event " in data["message"]
    assert found.executions[0].execution.status == "open"
    assert found.verdicts == {"orphaned_effect": 1}
    assert {violation.kind for violation in found.violations} == {"orphaned_effect", "stuck"}


@pytest.mark.parametrize("version", ["reordered", "shorter", "typo"])
def test_a_rollback_heals(version: str) -> None:
    """Once the old code is back the workflow goes on as if nothing had been: nothing is lost or done twice."""
    found = deployed(version, ds.Deploy(at="3h", version="v1", grace="1m"))
    assert len(times_us(found, "workflow_task_failed")) > 3
    assert result(found) == "v1" and found.ok
    # the wait between two tries is at most ten minutes
    assert duration_us("3h") < ended_us(found) < duration_us("3h11m")


def test_a_failing_task_is_tried_again_at_growing_intervals() -> None:
    """At once, then when the attempt has timed out after 10 s; a wait that doubles, up to ten minutes, comes on top."""
    found = deployed("reordered", horizon="2d")
    waits = [(later - sooner) // SECOND for sooner, later in pairwise(times_us(found, "workflow_task_failed"))]
    growing = [10, 10, 15, 20, 30, 50, 90, 170, 330, 610]
    start = waits.index(10)
    assert set(waits[:start]) == {0}
    assert waits[start : start + len(growing)] == growing
    assert set(waits[start + len(growing) :]) == {610}


def test_a_failing_task_leaves_one_trace_in_the_history() -> None:
    """Later tries of the same task are not written down until one succeeds."""
    found = deployed("reordered", horizon="2d")
    assert types(found).count("WorkflowTaskFailed") <= 2
    assert len(times_us(found, "workflow_task_failed")) > 100


def test_a_plain_exception_fails_the_task_and_not_the_workflow() -> None:
    """A mistake in the code is not the order's fault: the workflow stays open until the code is mended."""
    found = deployed("typo", horizon="1d")
    failed = [record.data for record in found.trace if record.kind == "workflow_task_failed"]
    assert failed[0] is not None and failed[0]["cause"] == "WORKFLOW_WORKER_UNHANDLED_FAILURE"
    assert "KeyError: 'ID'" in failed[0]["message"]
    assert found.executions[0].execution.status == "open"
    assert found.verdicts == {"orphaned_effect": 1}


def test_a_workflow_failure_ends_the_workflow() -> None:
    """An ApplicationError raised by the workflow fails it, at once and for good."""

    async def refuses(ctx: ds.WorkflowContext, order: Any) -> None:
        raise ds.ApplicationError("not today")

    found = run(refuses)
    assert found.executions[0].execution.status == "failed"
    assert found.executions[0].execution.failure is not None
    assert found.executions[0].execution.failure.message == "not today"
    assert found.verdicts == {"compensated": 1}
    assert types(found)[-1] == "WorkflowExecutionFailed"


def test_a_signal_that_comes_while_the_last_task_runs_is_not_passed_over() -> None:
    """A result that arrives during the closing task makes the server refuse to close, and the task runs again."""
    options = {"replay": {"rpc_latency": "1s"}}

    async def first(ctx: ds.ActivityContext) -> None:
        await ctx.sleep("1s")

    async def second(ctx: ds.ActivityContext) -> None:
        await ctx.sleep("2s")

    async def does_not_wait(ctx: ds.WorkflowContext, order: Any) -> str:
        one, _other = do(ctx, first), do(ctx, second)
        await one
        return "done"

    found = run(does_not_wait, model_options=options)
    causes = [event.attributes["cause"] for event in history(found) if event.type == "WorkflowTaskFailed"]
    assert causes == ["UNHANDLED_COMMAND"]
    assert result(found) == "done"


# --- histories ------------------------------------------------------------------------------------------------------
async def all_sorts(ctx: ds.WorkflowContext, order: Any) -> Any:
    """Parallel steps, a timer, random numbers, time, a failure that is caught."""
    token = str(ctx.uuid4())

    async def echo(ctx: ds.ActivityContext, *told: Any) -> Any:
        return list(told)

    async def fails(ctx: ds.ActivityContext) -> None:
        raise ds.ApplicationError("never")

    both = await ctx.gather(do(ctx, echo, token), do(ctx, charge))
    await ctx.sleep(f"{ctx.random.randint(1, 50)}s")
    try:
        await do(ctx, fails, retry_policy=ds.RetryPolicy(maximum_attempts=2))
    except ds.ActivityError as error:
        both.append(str(error.cause))
    return await do(ctx, echo, ctx.now().isoformat(), both)


async def gives_up(ctx: ds.WorkflowContext, order: Any) -> None:
    await do(ctx, charge)
    await do(ctx, ship, retry_policy=GIVE_UP)


REFUSED = ds.Script("shipping", "schedule", 1, "refuse")
HISTORIES: dict[str, tuple[Workflow, tuple[Any, ...]]] = {
    "calm": (all_sorts, ()),
    "crashes": (all_sorts, tuple(ds.Crash(at=f"{at}ms") for at in (100, 3_000, 20_000, 45_000, 80_000))),
    "failed": (gives_up, (REFUSED,)),
    "an order": (correct_order(), (ds.Crash(after="result_recorded"), REFUSED)),
    "a compensated order": (
        correct_order(),
        tuple(ds.Script("shipping", "schedule", call, "error") for call in range(1, 5)),
    ),
}
SEED = 11


def decided(event: Event) -> tuple[str, Any, Any]:
    """What a command event of a history says that the code asked for."""
    told = event.attributes
    match event.type:
        case "ActivityTaskScheduled":
            return "activity", told["step"], told["activity_type"]
        case "TimerStarted":
            return "timer", told["step"], None
        case "WorkflowExecutionCompleted":
            return "complete", None, told["result"]
        case "WorkflowExecutionFailed":
            return "fail", None, told["failure"]
    return "none", None, None


def asked(decision: Decision) -> list[tuple[str, Any, Any]]:
    """The same of a decision."""
    found: list[tuple[str, Any, Any]] = []
    for command in decision.commands:
        match command:
            case ScheduleActivity():
                found.append(("activity", command.step, command.name))
            case StartTimer():
                found.append(("timer", command.step, None))
            case CompleteWorkflow():
                found.append(("complete", None, command.result))
            case FailWorkflow():
                found.append(("fail", None, command.failure))
    return found


def replay(workflow: Workflow, history: list[Event]) -> Decision:
    """Run the code over a history up to a started workflow task, from nothing else: what it then decides."""

    def info(started: dict[str, Any]) -> WorkflowInfo:
        return info_of(started["run_id"], started, Randomness(SEED))

    return Instance(Build(None, {definition_of(workflow).name: workflow}), info).apply(history)


@pytest.mark.parametrize("case", HISTORIES)
def test_replay_of_every_prefix_of_a_history_decides_what_the_history_then_shows(case: str) -> None:
    """Replaying up to any started workflow task, from nothing but the history, gives the commands that follow."""
    workflow, faults = HISTORIES[case]
    found = run(workflow, *faults, seed=SEED)
    assert found.executions[0].execution.status != "open"
    whole = history(found)
    compared = 0
    for place, event in enumerate(whole):
        if event.type != events.WORKFLOW_TASK_STARTED:
            continue
        decision = replay(workflow, whole[: place + 1])
        if whole[place + 1].type != events.WORKFLOW_TASK_COMPLETED:
            continue  # the task was lost; what it would have decided is decided later
        commands = asked(decision)
        follow = [decided(later) for later in whole[place + 2 : place + 2 + len(commands)]]
        assert follow == commands, whole[: place + 1]
        compared += 1
    assert compared >= 3 and compared == [event.type for event in whole].count(events.WORKFLOW_TASK_COMPLETED)


def test_replay_gives_the_same_arguments_too() -> None:
    """Random numbers and times of a replay are those of the first run: each decision has the recorded arguments."""
    found = run(all_sorts, seed=SEED)
    whole = history(found)
    last = max(place for place, event in enumerate(whole) if event.type == events.ACTIVITY_TASK_SCHEDULED)
    started = max(place for place, event in enumerate(whole[:last]) if event.type == events.WORKFLOW_TASK_STARTED)
    (command,) = replay(all_sorts, whole[: started + 1]).commands
    assert isinstance(command, ScheduleActivity)
    assert list(command.arguments) == result(found)


def test_replay_changes_nothing_in_the_history_that_it_reads() -> None:
    """Two replays of one history decide the same, for each gets copies of what is recorded."""

    async def numbers(ctx: ds.ActivityContext) -> list[int]:
        return [1]

    async def spoils(ctx: ds.WorkflowContext, order: Any) -> Any:
        got = await do(ctx, numbers)
        got.append(2)
        order["order_id"] = "spoilt"
        await ctx.sleep("1s")
        return got

    found = run(spoils, seed=SEED)
    whole = history(found)
    decision = replay(spoils, whole[:-2])
    assert decision == replay(spoils, whole[:-2])
    assert list(decision.commands) == [CompleteWorkflow([1, 2])]
    assert whole[0].attributes["input"] == [ORDER]
    assert [event.attributes["result"] for event in whole if event.type == events.ACTIVITY_TASK_COMPLETED] == [[1]]


@pytest.mark.parametrize("case", HISTORIES)
def test_the_ids_of_a_history_are_dense_and_name_their_causes(case: str) -> None:
    """Events count 1, 2, 3, ...; what results from another event names one that came before it."""
    workflow, faults = HISTORIES[case]
    whole = history(run(workflow, *faults, seed=SEED))
    assert [event.id for event in whole] == list(range(1, len(whole) + 1))
    by_id = {event.id: event for event in whole}
    causes = {
        "ActivityTaskCompleted": ("scheduled_event_id", "ActivityTaskScheduled"),
        "ActivityTaskFailed": ("scheduled_event_id", "ActivityTaskScheduled"),
        "ActivityTaskTimedOut": ("scheduled_event_id", "ActivityTaskScheduled"),
        "ActivityTaskStarted": ("scheduled_event_id", "ActivityTaskScheduled"),
        "WorkflowTaskStarted": ("scheduled_event_id", "WorkflowTaskScheduled"),
        "WorkflowTaskCompleted": ("started_event_id", "WorkflowTaskStarted"),
    }
    for event in whole:
        if event.type in causes:
            attribute, cause = causes[event.type]
            assert event.attributes[attribute] < event.id
            assert by_id[event.attributes[attribute]].type == cause
    assert whole[0].type == "WorkflowExecutionStarted"
    assert whole[-1].type in ("WorkflowExecutionCompleted", "WorkflowExecutionFailed")
