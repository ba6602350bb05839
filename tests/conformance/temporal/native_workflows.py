"""The recorded workflows and activities in the function style: same type names, same commands, same order.

`workflows(once)` gives them by the class names of the recording. What happened "only the first time" there asks
`once`, an object of the test that outlives a crash as the world does; a replay never gets there. Where a recorded
result shows the name of an exception class of the SDK, `told` and `told_repr` write that name.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import durable_sim as ds
from durable_sim.workflows.failures import CancelledFailure

Workflow = Callable[..., Coroutine[Any, Any, Any]]
CancelledError = ds.CancelledError

STEPS = ("charge_card", "reserve_inventory", "send_confirmation_email", "schedule_shipping", "mark_order_complete")
THREE_ATTEMPTS = ds.RetryPolicy(initial_interval="200ms", backoff_coefficient=2.0, maximum_attempts=3)
ONE_ATTEMPT = ds.RetryPolicy(maximum_attempts=1)
TIMEOUT_NUMBERS = {"START_TO_CLOSE": 1, "SCHEDULE_TO_START": 2, "SCHEDULE_TO_CLOSE": 3, "HEARTBEAT": 4}
SDK_NAMES = {"ActivityTimeout": "TimeoutError", "CancelledFailure": "CancelledError"}


class Once:
    """Remembers what has happened before; one for each scenario."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}

    def first_time(self, key: str) -> bool:
        """True for the first call with this key, False for ever after."""
        first = key not in self._seen
        self._seen[key] = None
        return first


def told(error: BaseException | None) -> str:
    """The name of an exception's class in the SDK."""
    name = type(error).__name__
    return SDK_NAMES.get(name, name)


def told_repr(error: BaseException | None) -> str:
    """The exception as the SDK's `repr` writes it."""
    return f"{told(error)}({str(error)!r})"


def told_type(error: BaseException | None) -> Any:
    """What the SDK has in an exception's `type`: a name, or the number of a kind of time-out."""
    if isinstance(error, ds.ActivityTimeout):
        return TIMEOUT_NUMBERS[error.timeout_type]
    return getattr(error, "type", None)


def seconds(number: float) -> timedelta:
    """A time span from the plain numbers that the recorded code uses."""
    return timedelta(seconds=number)


# --- activities -----------------------------------------------------------------------------------------------------
def _step_activity(name: str) -> Workflow:
    @ds.activity(name=name)
    async def step_of_an_order(ctx: ds.ActivityContext, order: str) -> str:
        return f"{name}:{order}"

    return step_of_an_order


@ds.activity
async def fail_n(ctx: ds.ActivityContext, n: int) -> str:
    """Fails in its first n attempts."""
    if ctx.attempt <= n:
        raise ds.ApplicationError(f"boom attempt {ctx.attempt}", type="Flaky")
    return f"ok on attempt {ctx.attempt}"


@ds.activity
async def fail_typed(ctx: ds.ActivityContext, args: list[Any]) -> str:
    error_type, non_retryable = args
    raise ds.ApplicationError("bad", type=error_type, non_retryable=non_retryable)


@ds.activity
async def fail_valueerror(ctx: ds.ActivityContext) -> str:
    raise ValueError("plain python error")


@ds.activity
async def fail_next_delay(ctx: ds.ActivityContext, n: int) -> str:
    if ctx.attempt <= n:
        raise ds.ApplicationError("delay me", next_retry_delay="700ms")
    return "ok"


@ds.activity
async def rec_fail(ctx: ds.ActivityContext, key: str) -> str:
    raise ValueError("always")


@ds.activity
async def slow_first(ctx: ds.ActivityContext, args: list[Any]) -> str:
    """Sleeps in its first n attempts, is instant afterwards."""
    length, n = args
    if ctx.attempt <= n:
        await ctx.sleep(seconds(length))
    return f"done attempt {ctx.attempt}"


@ds.activity
async def hb_stop(ctx: ds.ActivityContext, n: int) -> str:
    """Heartbeats once, then is silent for 5 s in its first n attempts."""
    details = list(ctx.heartbeat_details)
    ctx.heartbeat("progress", ctx.attempt)
    if ctx.attempt <= n:
        await ctx.sleep("5s")
    return f"attempt {ctx.attempt} got {details}"


@ds.activity
async def hb_loop(ctx: ds.ActivityContext, length: float) -> str:
    """Heartbeats every 0.1 s. With a length of 99 it ignores a cancel request and completes."""
    try:
        end, beat = ctx.now() + seconds(length), 0
        while ctx.now() < end:
            ctx.heartbeat(beat)
            beat += 1
            await ctx.sleep("100ms")
        return "loop finished"
    except CancelledError:
        if length == 99:
            return "cancel ignored, completed"
        raise


@ds.activity
async def echo(ctx: ds.ActivityContext, x: str) -> str:
    return x


@ds.activity
async def step(ctx: ds.ActivityContext, x: str) -> str:
    return x


@ds.activity
async def nap(ctx: ds.ActivityContext, length: float) -> float:
    await ctx.sleep(seconds(length))
    return length


@ds.activity
async def blocking(ctx: ds.ActivityContext, length: float) -> str:
    """Takes its time and never heartbeats."""
    await ctx.sleep(seconds(length))
    return f"pid-agnostic attempt {ctx.attempt}"


ACTIVITIES = (
    *(_step_activity(name) for name in STEPS),
    fail_n, fail_typed, fail_valueerror, fail_next_delay, rec_fail, slow_first, hb_stop, hb_loop, echo, step, nap,
    blocking,
)  # fmt: skip


# --- plain sequences ------------------------------------------------------------------------------------------------
@ds.workflow(name="Order")
async def order(ctx: ds.WorkflowContext, order: str) -> str:
    for name in STEPS:
        await ctx.execute_activity(name, order, start_to_close_timeout="30s", retry_policy=THREE_ATTEMPTS)
    return f"completed {order}"


@ds.workflow(name="Steps")
async def steps(ctx: ds.WorkflowContext, n: int) -> int:
    for _ in range(n):
        await ctx.execute_activity(step, "o", start_to_close_timeout="30s")
    return n


@ds.workflow(name="FailTwice")
async def fail_twice(ctx: ds.WorkflowContext, n: int) -> str:
    return await ctx.execute_activity(fail_n, n, start_to_close_timeout="30s", retry_policy=THREE_ATTEMPTS)


@ds.workflow(name="Saga")
async def saga(ctx: ds.WorkflowContext, order: str) -> str:
    options: dict[str, Any] = {"start_to_close_timeout": "30s", "retry_policy": THREE_ATTEMPTS}
    compensations = []
    try:
        await ctx.execute_activity("charge_card", order, **options)
        compensations.append("refund")
        await ctx.execute_activity("reserve_inventory", order, **options)
        compensations.append("release")
        await ctx.execute_activity(fail_n, 99, **options)
    except ds.ActivityError:
        for compensation in reversed(compensations):
            await ctx.execute_activity(echo, compensation, **options)
        raise
    return "never"


# --- time-outs and retries ------------------------------------------------------------------------------------------
def _first_interval(interval: str, **more: Any) -> ds.RetryPolicy:
    return ds.RetryPolicy(initial_interval=interval, **more)


TIMEOUTS: dict[str, tuple[Workflow, Any, dict[str, Any]]] = {
    "s2c_retry": (slow_first, [3.0, 1], {"start_to_close_timeout": "1s", "retry_policy": THREE_ATTEMPTS}),
    "s2c_exhaust": (
        slow_first,
        [3.0, 9],
        {"start_to_close_timeout": "1s", "retry_policy": _first_interval("200ms", maximum_attempts=2)},
    ),
    "sched2close_running": (
        slow_first,
        [3.0, 9],
        {"schedule_to_close_timeout": "1s", "retry_policy": THREE_ATTEMPTS},
    ),
    "sched2close_backoff": (
        fail_n,
        99,
        {
            "schedule_to_close_timeout": "1s",
            "start_to_close_timeout": "1s",
            "retry_policy": _first_interval("300ms", backoff_coefficient=4),
        },
    ),
    "sched2close_s2c": (
        slow_first,
        [3.0, 9],
        {
            "schedule_to_close_timeout": "3s",
            "start_to_close_timeout": "1s",
            "retry_policy": _first_interval("100ms"),
        },
    ),
    "sched2start": (  # a task queue that nobody polls
        echo,
        "x",
        {
            "task_queue": "nobody-home",
            "schedule_to_start_timeout": "1s",
            "start_to_close_timeout": "5s",
            "retry_policy": THREE_ATTEMPTS,
        },
    ),
    "heartbeat_retry": (
        hb_stop,
        1,
        {"heartbeat_timeout": "1s", "start_to_close_timeout": "10s", "retry_policy": THREE_ATTEMPTS},
    ),
    "heartbeat_exhaust": (
        hb_stop,
        9,
        {"heartbeat_timeout": "1s", "start_to_close_timeout": "10s", "retry_policy": ONE_ATTEMPT},
    ),
}


@ds.workflow(name="Timeouts")
async def timeouts(ctx: ds.WorkflowContext, kind: str) -> str:
    activity, argument, options = TIMEOUTS[kind]
    try:
        return await ctx.execute_activity(activity, argument, **options)
    except ds.ActivityError as error:
        cause = error.cause
        behind = cause.__cause__ if cause is not None else None
        second = told(behind) if behind is not None else None
        return (
            f"ActivityError retry_state={error.retry_state} cause={told(cause)} type={told_type(cause)} "
            f"msg={cause} cause2={second}:{behind}"
        )


@ds.workflow(name="NonRetry")
async def non_retry(ctx: ds.WorkflowContext, kind: str) -> str:
    fatal = ("Fatal", "ValueError")
    policy = ds.RetryPolicy(initial_interval="200ms", maximum_attempts=3, non_retryable_error_types=fatal)
    options: dict[str, Any] = {"start_to_close_timeout": "5s", "retry_policy": policy}
    try:
        if kind == "flag":
            await ctx.execute_activity(fail_typed, ["Whatever", True], **options)
        elif kind == "type":
            await ctx.execute_activity(fail_typed, ["Fatal", False], **options)
        elif kind == "valueerror":
            await ctx.execute_activity(fail_valueerror, **options)
        elif kind == "next_delay":
            return await ctx.execute_activity(fail_next_delay, 2, **options)
        elif kind == "default_policy":
            return await ctx.execute_activity(fail_n, 1, start_to_close_timeout="5s")
        elif kind == "unregistered":
            options["retry_policy"] = _first_interval("200ms", maximum_attempts=2)
            return await ctx.execute_activity("no_such_activity", **options)
    except ds.ActivityError as error:
        return f"{error.retry_state} {told_repr(error.cause)} type={told_type(error.cause)}"
    return "?"


@ds.workflow(name="Rec")
async def rec(ctx: ds.WorkflowContext, a: list[Any]) -> str:
    """One always-failing activity under a given retry policy (0 means unset)."""
    key, initial, coefficient, maximum, attempts, schedule_to_close = a
    policy = ds.RetryPolicy(
        initial_interval=seconds(initial),
        backoff_coefficient=coefficient,
        maximum_interval=seconds(maximum) if maximum else None,
        maximum_attempts=attempts,
    )
    try:
        await ctx.execute_activity(
            rec_fail,
            key,
            start_to_close_timeout="10s",
            schedule_to_close_timeout=seconds(schedule_to_close) if schedule_to_close else None,
            retry_policy=policy,
        )
    except ds.ActivityError as error:
        return f"{error.retry_state} {told(error.cause)} {error.cause}"
    return "?"


@ds.workflow(name="STC")
async def stc(ctx: ds.WorkflowContext, a: list[Any]) -> str | None:
    start_to_close, schedule_to_close, initial = a
    t0 = ctx.now()
    try:
        await ctx.execute_activity(
            nap,
            30.0,
            start_to_close_timeout=seconds(start_to_close),
            schedule_to_close_timeout=seconds(schedule_to_close),
            retry_policy=ds.RetryPolicy(initial_interval=seconds(initial)),
        )
    except ds.ActivityError as error:
        cause = error.cause
        assert cause is not None
        behind = told_repr(cause.__cause__) if cause.__cause__ is not None else None
        passed = (ctx.now() - t0).total_seconds()
        return f"t={passed:.2f} {error.retry_state} {told(cause)} type={told_type(cause)} {cause} <- {behind}"
    return None


# --- timers, signals, queries, updates ------------------------------------------------------------------------------
@ds.workflow(name="Timer")
async def timer(ctx: ds.WorkflowContext, length: float) -> str:
    t0 = ctx.now()
    await ctx.sleep(seconds(length))
    return f"slept {(ctx.now() - t0).total_seconds():.3f}"


@ds.workflow(name="SignalWait")
async def signal_wait(ctx: ds.WorkflowContext, n: int) -> str:
    got: list[str] = []

    async def upd(x: str) -> str:
        got.append("u:" + x)
        return "updated " + await ctx.execute_activity(echo, x, start_to_close_timeout="5s")

    def validate(x: str) -> None:
        if x == "bad":
            raise ValueError("rejected by validator")

    ctx.set_signal_handler("go", got.append)
    ctx.set_query_handler("state", lambda: got)
    ctx.set_update_handler("upd", upd, validate)
    await ctx.wait_condition(lambda: len(got) >= n)
    return ",".join(got)


@ds.workflow(name="SignalTimeout")
async def signal_timeout(ctx: ds.WorkflowContext) -> str:
    got: list[bool] = []
    ctx.set_signal_handler("go", lambda: got.append(True))
    try:
        await ctx.wait_condition(lambda: bool(got), timeout="30s")
        return "signalled"
    except TimeoutError:
        return "timed out"


# --- children, continue-as-new --------------------------------------------------------------------------------------
@ds.workflow(name="Child")
async def child(ctx: ds.WorkflowContext, mode: str) -> str:
    if mode == "fail":
        raise ds.ApplicationError("child failed on purpose", type="ChildBad")
    return await ctx.execute_activity(echo, mode, start_to_close_timeout="5s")


@ds.workflow(name="Parent")
async def parent(ctx: ds.WorkflowContext, mode: str) -> str:
    try:
        return await ctx.execute_child_workflow(child, mode, id=ctx.workflow_id + "-child")
    except ds.ChildWorkflowError as error:
        return f"child error retry_state={error.retry_state} cause={told_repr(error.cause)}"


@ds.workflow(name="CAN")
async def can(ctx: ds.WorkflowContext, n: int) -> str:
    await ctx.execute_activity(echo, str(n), start_to_close_timeout="5s")
    if n > 0:
        ctx.continue_as_new(n - 1)
    return "end"


# --- cancellation ---------------------------------------------------------------------------------------------------
@ds.workflow(name="CancelCleanup")
async def cancel_cleanup(ctx: ds.WorkflowContext) -> str:
    try:
        await ctx.sleep("60s")
        return "no"
    finally:
        await ctx.execute_activity(echo, "cleanup", start_to_close_timeout="5s")


async def _sleep(ctx: ds.WorkflowContext, length: str) -> None:
    await ctx.sleep(length)


async def _give_up(task: Any) -> None:
    task.cancel()
    try:
        await task
    except CancelledError:
        pass


@ds.workflow(name="TimerCancel")
async def timer_cancel(ctx: ds.WorkflowContext) -> str:
    minute = ctx.spawn(_sleep(ctx, "60s"))
    await ctx.execute_activity(echo, "x", start_to_close_timeout="5s")
    await _give_up(minute)
    return await ctx.execute_activity(echo, "y", start_to_close_timeout="5s")


@ds.workflow(name="SameTaskTimerCancel")
async def same_task_timer_cancel(ctx: ds.WorkflowContext) -> str:
    await _give_up(ctx.sleep("60s"))
    return await ctx.execute_activity(echo, "y", start_to_close_timeout="5s")


@ds.workflow(name="ActCancel")
async def act_cancel(ctx: ds.WorkflowContext, args: list[Any]) -> str:
    """Cancels a heartbeating activity after 1 s, then runs one more."""
    cancellation_type, length = args
    handle = ctx.execute_activity(
        hb_loop,
        length,
        start_to_close_timeout="20s",
        heartbeat_timeout="2s",
        cancellation_type=cancellation_type,
        retry_policy=ONE_ATTEMPT,
    )
    await ctx.sleep("1s")
    handle.cancel()
    try:
        out = f"result {await handle}"
    except ds.ActivityError as error:
        assert isinstance(error.cause, CancelledFailure)
        out = f"ActivityError cause={told(error.cause)}"
    except CancelledError:
        out = "CancelledError"
    await ctx.execute_activity(echo, "after", start_to_close_timeout="5s")
    return out


# --- patches, local activities --------------------------------------------------------------------------------------
@ds.workflow(name="Patched")
async def patched_new(ctx: ds.WorkflowContext) -> str:
    await ctx.execute_activity(echo, "a", start_to_close_timeout="5s")
    if ctx.patched("my-patch"):
        await ctx.execute_activity(echo, "new", start_to_close_timeout="5s")
    else:
        await ctx.execute_activity(echo, "old", start_to_close_timeout="5s")
    await ctx.sleep("1s")
    return f"patched={ctx.patched('my-patch')}"


@ds.workflow(name="Patched")
async def patched_old(ctx: ds.WorkflowContext) -> str:
    await ctx.execute_activity(echo, "a", start_to_close_timeout="5s")
    await ctx.execute_activity(echo, "old", start_to_close_timeout="5s")
    await ctx.sleep("1s")
    return "old"


@ds.workflow(name="Patched")
async def patched_deprecated(ctx: ds.WorkflowContext) -> str:
    await ctx.execute_activity(echo, "a", start_to_close_timeout="5s")
    ctx.deprecate_patch("my-patch")
    await ctx.execute_activity(echo, "new", start_to_close_timeout="5s")
    await ctx.sleep("1s")
    return "patched=True"


@ds.workflow(name="LocalAct")
async def local_act(ctx: ds.WorkflowContext, n: int) -> str:
    policy = ds.RetryPolicy(initial_interval="300ms", backoff_coefficient=3.0, maximum_attempts=4)
    return await ctx.execute_local_activity(
        fail_n, n, start_to_close_timeout="5s", local_retry_threshold="600ms", retry_policy=policy
    )


@ds.workflow(name="LocalActs3")
async def local_acts_3(ctx: ds.WorkflowContext) -> str:
    for i in range(3):
        await ctx.execute_local_activity(echo, str(i), start_to_close_timeout="5s")
    await ctx.sleep("200ms")
    return "ok"


# --- concurrency, buffered events -----------------------------------------------------------------------------------
@ds.workflow(name="Gather")
async def gather(ctx: ds.WorkflowContext, n: int) -> list[float]:
    naps = (ctx.execute_activity(nap, 0.1 * (n - i), start_to_close_timeout="5s") for i in range(n))
    return await ctx.gather(*naps)


def buffered(signals_take: dict[str, str]) -> Workflow:
    """`signals_take` says for how long the workflow task of a signal runs; the recorded machine was slow there."""

    @ds.workflow(name="Buffered")
    async def buffered(ctx: ds.WorkflowContext) -> list[Any]:
        """One workflow task blocks for 1.2 s."""
        got: list[str] = []
        log: list[Any] = []

        def go(x: str) -> None:
            got.append(x)
            if not ctx.is_replaying:
                ctx.block_for(signals_take.get(x, "0s"))

        async def one(i: int) -> None:
            log.append(await ctx.execute_activity(nap, 0.3 + 0.1 * (3 - i), start_to_close_timeout="5s"))

        async def half_a_second() -> None:
            await ctx.sleep("500ms")
            log.append("timer")

        ctx.set_signal_handler("go", go)
        tasks = [ctx.spawn(one(i)) for i in range(3)]
        tasks.append(ctx.spawn(half_a_second()))
        await ctx.sleep("50ms")
        if not ctx.is_replaying:
            ctx.block_for("1.2s")
        slow = ctx.execute_activity(echo, "cmd-from-slow-task", start_to_close_timeout="5s")
        await ctx.gather(*tasks)
        await slow
        return log + got

    return buffered


def complete_while_signal(once: Once) -> Workflow:
    """Completes in a workflow task during which a signal arrives."""

    @ds.workflow(name="CompleteWhileSignal")
    async def complete_while_signal(ctx: ds.WorkflowContext, name: str) -> list[str]:
        got: list[str] = []
        ctx.set_signal_handler("go", got.append)
        await ctx.execute_activity(echo, "x", start_to_close_timeout="5s")
        if not ctx.is_replaying and not got and once.first_time("cws_" + ctx.workflow_id):
            ctx.block_for("1s")
        return got

    return complete_while_signal


# --- crashes, stalls ------------------------------------------------------------------------------------------------
@ds.workflow(name="Crashy")
async def crashy(ctx: ds.WorkflowContext, args: list[Any]) -> str:
    length, start_to_close, heartbeat = args
    await ctx.execute_activity("charge_card", "o", start_to_close_timeout="5s")
    result = await ctx.execute_activity(
        blocking,
        length,
        start_to_close_timeout=seconds(start_to_close),
        heartbeat_timeout=seconds(heartbeat) if heartbeat else None,
        retry_policy=ds.RetryPolicy(initial_interval="200ms"),
    )
    await ctx.execute_activity("mark_order_complete", "o", start_to_close_timeout="5s")
    return result


def slow_task(once: Once) -> Workflow:
    """Stalls its second workflow task, the first time only."""

    @ds.workflow(name="SlowTask")
    async def slow_task(ctx: ds.WorkflowContext, length: float) -> str:
        await ctx.execute_activity(echo, "x", start_to_close_timeout="5s")
        if not ctx.is_replaying and once.first_time("wft_" + ctx.workflow_id):
            ctx.block_for(seconds(length))
        await ctx.execute_activity(echo, "y", start_to_close_timeout="5s")
        return "ok"

    return slow_task


# --- deploys --------------------------------------------------------------------------------------------------------
@ds.workflow(name="Deploy")
async def deploy_v1(ctx: ds.WorkflowContext) -> str:
    await ctx.execute_activity("charge_card", "o", start_to_close_timeout="5s")
    await ctx.sleep("2s")
    await ctx.execute_activity("mark_order_complete", "o", start_to_close_timeout="5s")
    return "v1"


async def _two_steps(ctx: ds.WorkflowContext) -> str:
    await ctx.execute_activity("charge_card", "o", start_to_close_timeout="5s")
    await ctx.execute_activity("reserve_inventory", "o", start_to_close_timeout="5s")
    await ctx.sleep("2s")
    await ctx.execute_activity("mark_order_complete", "o", start_to_close_timeout="5s")
    return "v2"


@ds.workflow(name="Deploy")
async def deploy_v2(ctx: ds.WorkflowContext) -> str:
    """Adds an activity before the timer."""
    return await _two_steps(ctx)


@ds.workflow(name="Deploy", failure_exception_types=[ds.NonDeterminismError])
async def deploy_v2_fail(ctx: ds.WorkflowContext) -> str:
    """The same, and lets non-determinism fail the workflow."""
    return await _two_steps(ctx)


@ds.workflow(name="Deploy")
async def deploy_rename(ctx: ds.WorkflowContext) -> str:
    """Same commands, another activity type in step 1."""
    await ctx.execute_activity("reserve_inventory", "o", start_to_close_timeout="5s")
    await ctx.sleep("2s")
    await ctx.execute_activity("mark_order_complete", "o", start_to_close_timeout="5s")
    return "v1"


@ds.workflow(name="Deploy")
async def deploy_args(ctx: ds.WorkflowContext) -> str:
    """Same command types; other arguments, time-out and timer length."""
    await ctx.execute_activity("charge_card", "OTHER", start_to_close_timeout="50s")
    await ctx.sleep("9s")
    await ctx.execute_activity("mark_order_complete", "o", start_to_close_timeout="5s")
    return "args"


@ds.workflow(name="Deploy")
async def deploy_remove(ctx: ds.WorkflowContext) -> str:
    """The timer is gone."""
    await ctx.execute_activity("charge_card", "o", start_to_close_timeout="5s")
    await ctx.execute_activity("mark_order_complete", "o", start_to_close_timeout="5s")
    return "rm"


@ds.workflow(name="Deploy")
async def deploy_early_end(ctx: ds.WorkflowContext) -> str:
    """Returns after step 1."""
    await ctx.execute_activity("charge_card", "o", start_to_close_timeout="5s")
    return "early"


# --- errors, determinism --------------------------------------------------------------------------------------------
@ds.workflow(name="RaisePlain")
async def raise_plain(ctx: ds.WorkflowContext, mode: str) -> str:
    if mode == "plain":
        raise ValueError("plain error in workflow")
    raise ds.ApplicationError("app error in workflow", type="Biz")


@ds.workflow(name="Det")
async def det(ctx: ds.WorkflowContext) -> dict[str, Any]:
    return {"rand": ctx.random.random(), "uuid": str(ctx.uuid4()), "now": ctx.now().isoformat()}


@ds.workflow(name="WfRetry")
async def wf_retry(ctx: ds.WorkflowContext) -> str:
    if ctx.info.attempt < 3:
        raise ds.ApplicationError(f"attempt {ctx.info.attempt}")
    return f"ok attempt {ctx.info.attempt}"


@ds.workflow(name="Bad")
async def reads_wall_clock(ctx: ds.WorkflowContext, kind: str) -> str:
    """What no workflow may do."""
    import datetime

    if kind == "datetime.now":
        return str(datetime.datetime.now())
    return "?"


def workflows(once: Once | None = None, signals_take: dict[str, str] | None = None) -> dict[str, Workflow]:
    """The workflows by the names of the recorded classes."""
    once = once or Once()
    return {
        "Order": order,
        "Steps": steps,
        "FailTwice": fail_twice,
        "Saga": saga,
        "Timeouts": timeouts,
        "NonRetry": non_retry,
        "Rec": rec,
        "STC": stc,
        "Timer": timer,
        "SignalWait": signal_wait,
        "SignalTimeout": signal_timeout,
        "Child": child,
        "Parent": parent,
        "CAN": can,
        "CancelCleanup": cancel_cleanup,
        "TimerCancel": timer_cancel,
        "SameTaskTimerCancel": same_task_timer_cancel,
        "ActCancel": act_cancel,
        "PatchedNew": patched_new,
        "PatchedOld": patched_old,
        "PatchedDeprecated": patched_deprecated,
        "LocalAct": local_act,
        "LocalActs3": local_acts_3,
        "Gather": gather,
        "Buffered": buffered(signals_take or {}),
        "CompleteWhileSignal": complete_while_signal(once),
        "Crashy": crashy,
        "SlowTask": slow_task(once),
        "DeployV1": deploy_v1,
        "DeployV2": deploy_v2,
        "DeployV2Fail": deploy_v2_fail,
        "DeployRename": deploy_rename,
        "DeployArgs": deploy_args,
        "DeployRemove": deploy_remove,
        "DeployEarlyEnd": deploy_early_end,
        "RaisePlain": raise_plain,
        "Det": det,
        "WfRetry": wf_retry,
        "ReadsWallClock": reads_wall_clock,
    }
