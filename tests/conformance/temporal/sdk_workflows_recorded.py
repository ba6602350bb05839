"""Workflows and activities behind the histories in histories/: the code that the real server and SDK ran.

Recorded with temporalio 1.35.0 (Python 3.11) and a Temporal dev server 1.32.0. manifest.json names the class of each
history. Classes whose decorator says name="Patched" or name="Deploy" are versions of one workflow type.
Some classes are not used by any history in this folder.
"""

import asyncio
from datetime import timedelta as td

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    import time

    from tests.conformance.temporal import golden_hooks


# ---------------------------------------------------------------------------------------------------- activities
STEPS = ["charge_card", "reserve_inventory", "send_confirmation_email", "schedule_shipping", "mark_order_complete"]


def _step_activity(name):
    @activity.defn(name=name)
    async def step(order: str) -> str:
        return f"{name}:{order}"

    return step


step_activities = [_step_activity(name) for name in STEPS]


@activity.defn
async def fail_n(n: int) -> str:
    """Fails in its first n attempts."""
    attempt = activity.info().attempt
    if attempt <= n:
        raise ApplicationError(f"boom attempt {attempt}", type="Flaky")
    return f"ok on attempt {attempt}"


@activity.defn
async def fail_typed(args: list) -> str:
    error_type, non_retryable = args
    raise ApplicationError("bad", type=error_type, non_retryable=non_retryable)


@activity.defn
async def fail_valueerror() -> str:
    raise ValueError("plain python error")


@activity.defn
async def fail_next_delay(n: int) -> str:
    if activity.info().attempt <= n:
        raise ApplicationError("delay me", next_retry_delay=td(seconds=0.7))
    return "ok"


@activity.defn
async def rec_fail(key: str) -> str:
    raise ValueError("always")


@activity.defn
async def slow_first(args: list) -> str:
    """Sleeps `seconds` in its first n attempts, is instant afterwards."""
    seconds, n = args
    if activity.info().attempt <= n:
        await asyncio.sleep(seconds)
    return f"done attempt {activity.info().attempt}"


@activity.defn
async def hb_stop(n: int) -> str:
    """Heartbeats once, then is silent for 5 s in its first n attempts."""
    info = activity.info()
    details = list(info.heartbeat_details)
    activity.heartbeat("progress", info.attempt)
    if info.attempt <= n:
        await asyncio.sleep(5)
    return f"attempt {info.attempt} got {details}"


@activity.defn
async def hb_loop(seconds: float) -> str:
    """Heartbeats every 0.1 s. With seconds == 99 it ignores a cancel request and completes."""
    try:
        end = time.time() + seconds
        beat = 0
        while time.time() < end:
            activity.heartbeat(beat)
            beat += 1
            await asyncio.sleep(0.1)
        return "loop finished"
    except asyncio.CancelledError:
        if seconds == 99:
            return "cancel ignored, completed"
        raise


@activity.defn
async def echo(x: str) -> str:
    return x


@activity.defn
async def step(x: str) -> str:
    return x


@activity.defn
async def nap(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@activity.defn
def blocking(seconds: float) -> str:
    """Runs in a thread and never heartbeats."""
    golden_hooks.EXECUTIONS.append(("blocking", activity.info().attempt))
    time.sleep(seconds)
    return f"pid-agnostic attempt {activity.info().attempt}"


ACTIVITIES = [
    *step_activities,
    fail_n,
    fail_typed,
    fail_valueerror,
    fail_next_delay,
    rec_fail,
    slow_first,
    hb_stop,
    hb_loop,
    echo,
    step,
    nap,
    blocking,
]
THREE_ATTEMPTS = RetryPolicy(initial_interval=td(milliseconds=200), backoff_coefficient=2.0, maximum_attempts=3)


# ------------------------------------------------------------------------------------------------ plain sequences
@workflow.defn
class Order:
    @workflow.run
    async def run(self, order: str) -> str:
        for name in STEPS:
            await workflow.execute_activity(
                name, order, start_to_close_timeout=td(seconds=30), retry_policy=THREE_ATTEMPTS
            )
        return f"completed {order}"


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, n: int) -> int:
        for _ in range(n):
            await workflow.execute_activity(step, "o", start_to_close_timeout=td(seconds=30))
        return n


@workflow.defn
class FailTwice:
    @workflow.run
    async def run(self, n: int) -> str:
        return await workflow.execute_activity(
            fail_n, n, start_to_close_timeout=td(seconds=30), retry_policy=THREE_ATTEMPTS
        )


@workflow.defn
class Saga:
    @workflow.run
    async def run(self, order: str) -> str:
        options = {"start_to_close_timeout": td(seconds=30), "retry_policy": THREE_ATTEMPTS}
        compensations = []
        try:
            await workflow.execute_activity("charge_card", order, **options)
            compensations.append("refund")
            await workflow.execute_activity("reserve_inventory", order, **options)
            compensations.append("release")
            await workflow.execute_activity(fail_n, 99, **options)
        except ActivityError:
            for compensation in reversed(compensations):
                await workflow.execute_activity(echo, compensation, **options)
            raise
        return "never"


# -------------------------------------------------------------------------------------------- timeouts and retries
@workflow.defn
class Timeouts:
    @workflow.run
    async def run(self, kind: str) -> str:
        policy = RetryPolicy(initial_interval=td(milliseconds=200), maximum_attempts=3)
        try:
            if kind == "s2c_retry":
                return await workflow.execute_activity(
                    slow_first, [3.0, 1], start_to_close_timeout=td(seconds=1), retry_policy=policy
                )
            if kind == "s2c_exhaust":
                return await workflow.execute_activity(
                    slow_first,
                    [3.0, 9],
                    start_to_close_timeout=td(seconds=1),
                    retry_policy=RetryPolicy(initial_interval=td(milliseconds=200), maximum_attempts=2),
                )
            if kind == "sched2close_running":
                return await workflow.execute_activity(
                    slow_first, [3.0, 9], schedule_to_close_timeout=td(seconds=1), retry_policy=policy
                )
            if kind == "sched2close_backoff":
                return await workflow.execute_activity(
                    fail_n,
                    99,
                    schedule_to_close_timeout=td(seconds=1),
                    start_to_close_timeout=td(seconds=1),
                    retry_policy=RetryPolicy(initial_interval=td(milliseconds=300), backoff_coefficient=4),
                )
            if kind == "sched2close_s2c":
                return await workflow.execute_activity(
                    slow_first,
                    [3.0, 9],
                    schedule_to_close_timeout=td(seconds=3),
                    start_to_close_timeout=td(seconds=1),
                    retry_policy=RetryPolicy(initial_interval=td(milliseconds=100)),
                )
            if kind == "sched2start":  # a task queue that nobody polls
                return await workflow.execute_activity(
                    echo,
                    "x",
                    task_queue="nobody-home",
                    schedule_to_start_timeout=td(seconds=1),
                    start_to_close_timeout=td(seconds=5),
                    retry_policy=policy,
                )
            if kind == "heartbeat_retry":
                return await workflow.execute_activity(
                    hb_stop,
                    1,
                    heartbeat_timeout=td(seconds=1),
                    start_to_close_timeout=td(seconds=10),
                    retry_policy=policy,
                )
            if kind == "heartbeat_exhaust":
                return await workflow.execute_activity(
                    hb_stop,
                    9,
                    heartbeat_timeout=td(seconds=1),
                    start_to_close_timeout=td(seconds=10),
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
        except ActivityError as e:
            c = e.cause
            return (
                f"ActivityError retry_state={e.retry_state.name if e.retry_state else None} cause={type(c).__name__} "
                f"type={getattr(c, 'type', None)} msg={c} "
                f"cause2={type(c.cause).__name__ if c.cause else None}:{c.cause}"
            )
        return "?"


@workflow.defn
class NonRetry:
    @workflow.run
    async def run(self, kind: str) -> str:
        policy = RetryPolicy(
            initial_interval=td(milliseconds=200), maximum_attempts=3, non_retryable_error_types=["Fatal", "ValueError"]
        )
        try:
            if kind == "flag":
                await workflow.execute_activity(
                    fail_typed, ["Whatever", True], start_to_close_timeout=td(seconds=5), retry_policy=policy
                )
            elif kind == "type":
                await workflow.execute_activity(
                    fail_typed, ["Fatal", False], start_to_close_timeout=td(seconds=5), retry_policy=policy
                )
            elif kind == "valueerror":
                await workflow.execute_activity(
                    fail_valueerror, start_to_close_timeout=td(seconds=5), retry_policy=policy
                )
            elif kind == "next_delay":
                return await workflow.execute_activity(
                    fail_next_delay, 2, start_to_close_timeout=td(seconds=5), retry_policy=policy
                )
            elif kind == "default_policy":
                return await workflow.execute_activity(fail_n, 1, start_to_close_timeout=td(seconds=5))
            elif kind == "unregistered":
                return await workflow.execute_activity(
                    "no_such_activity",
                    start_to_close_timeout=td(seconds=5),
                    retry_policy=RetryPolicy(initial_interval=td(milliseconds=200), maximum_attempts=2),
                )
        except ActivityError as e:
            return f"{e.retry_state.name} {e.cause!r} type={getattr(e.cause, 'type', None)}"
        return "?"


@workflow.defn
class Rec:
    """One always-failing activity under a given retry policy (0 means unset)."""

    @workflow.run
    async def run(self, a: list) -> str:
        key, initial, coefficient, maximum, attempts, schedule_to_close = a
        try:
            await workflow.execute_activity(
                rec_fail,
                key,
                start_to_close_timeout=td(seconds=10),
                schedule_to_close_timeout=td(seconds=schedule_to_close) if schedule_to_close else None,
                retry_policy=RetryPolicy(
                    initial_interval=td(seconds=initial),
                    backoff_coefficient=coefficient,
                    maximum_interval=td(seconds=maximum) if maximum else None,
                    maximum_attempts=attempts,
                ),
            )
        except ActivityError as e:
            return f"{e.retry_state.name} {type(e.cause).__name__} {e.cause}"
        return "?"


@workflow.defn
class STC:
    @workflow.run
    async def run(self, a: list) -> str:
        start_to_close, schedule_to_close, initial = a
        t0 = workflow.now()
        try:
            await workflow.execute_activity(
                nap,
                30.0,
                start_to_close_timeout=td(seconds=start_to_close),
                schedule_to_close_timeout=td(seconds=schedule_to_close),
                retry_policy=RetryPolicy(initial_interval=td(seconds=initial)),
            )
        except ActivityError as e:
            return (
                f"t={(workflow.now() - t0).total_seconds():.2f} {e.retry_state.name} {type(e.cause).__name__} "
                f"type={e.cause.type} {e.cause} <- {e.cause.cause!r}"
            )


# ------------------------------------------------------------------------------ timers, signals, queries, updates
@workflow.defn
class Timer:
    @workflow.run
    async def run(self, seconds: float) -> str:
        t0 = workflow.now()
        await asyncio.sleep(seconds)
        return f"slept {(workflow.now() - t0).total_seconds():.3f}"


@workflow.defn
class SignalWait:
    def __init__(self):
        self.got = []

    @workflow.signal
    def go(self, x: str) -> None:
        self.got.append(x)

    @workflow.query
    def state(self) -> list:
        return self.got

    @workflow.update
    async def upd(self, x: str) -> str:
        self.got.append("u:" + x)
        r = await workflow.execute_activity(echo, x, start_to_close_timeout=td(seconds=5))
        return "updated " + r

    @upd.validator
    def _validate(self, x: str) -> None:
        if x == "bad":
            raise ValueError("rejected by validator")

    @workflow.run
    async def run(self, n: int) -> str:
        await workflow.wait_condition(lambda: len(self.got) >= n)
        return ",".join(self.got)


@workflow.defn
class SignalTimeout:
    def __init__(self):
        self.got = False

    @workflow.signal
    def go(self) -> None:
        self.got = True

    @workflow.run
    async def run(self) -> str:
        try:
            await workflow.wait_condition(lambda: self.got, timeout=30)
            return "signalled"
        except TimeoutError:
            return "timed out"


# --------------------------------------------------------------------------------------- children, continue-as-new
@workflow.defn
class Child:
    @workflow.run
    async def run(self, mode: str) -> str:
        if mode == "fail":
            raise ApplicationError("child failed on purpose", type="ChildBad")
        return await workflow.execute_activity(echo, mode, start_to_close_timeout=td(seconds=5))


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, mode: str) -> str:
        try:
            return await workflow.execute_child_workflow(Child.run, mode, id=workflow.info().workflow_id + "-child")
        except ChildWorkflowError as e:
            return f"child error retry_state={e.retry_state} cause={e.cause!r}"


@workflow.defn
class CAN:
    @workflow.run
    async def run(self, n: int) -> str:
        await workflow.execute_activity(echo, str(n), start_to_close_timeout=td(seconds=5))
        if n > 0:
            workflow.continue_as_new(n - 1)
        return "end"


# ---------------------------------------------------------------------------------------------------- cancellation
@workflow.defn
class CancelCleanup:
    @workflow.run
    async def run(self) -> str:
        try:
            await asyncio.sleep(60)
            return "no"
        finally:
            await workflow.execute_activity(echo, "cleanup", start_to_close_timeout=td(seconds=5))


@workflow.defn
class TimerCancel:
    @workflow.run
    async def run(self) -> str:
        timer = asyncio.create_task(asyncio.sleep(60))
        await workflow.execute_activity(echo, "x", start_to_close_timeout=td(seconds=5))
        timer.cancel()
        try:
            await timer
        except asyncio.CancelledError:
            pass
        return await workflow.execute_activity(echo, "y", start_to_close_timeout=td(seconds=5))


@workflow.defn
class SameTaskTimerCancel:
    @workflow.run
    async def run(self) -> str:
        timer = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        timer.cancel()
        try:
            await timer
        except asyncio.CancelledError:
            pass
        return await workflow.execute_activity(echo, "y", start_to_close_timeout=td(seconds=5))


@workflow.defn
class ActCancel:
    """Cancels a heartbeating activity after 1 s, then runs one more."""

    @workflow.run
    async def run(self, args: list) -> str:
        cancellation_type, seconds = args
        handle = workflow.start_activity(
            hb_loop,
            seconds,
            start_to_close_timeout=td(seconds=20),
            heartbeat_timeout=td(seconds=2),
            cancellation_type=ActivityCancellationType[cancellation_type],
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        await asyncio.sleep(1)
        handle.cancel()
        try:
            out = f"result {await handle}"
        except ActivityError as e:
            out = f"ActivityError cause={type(e.cause).__name__}"
        except asyncio.CancelledError:
            out = "CancelledError"
        await workflow.execute_activity(echo, "after", start_to_close_timeout=td(seconds=5))
        return out


# ------------------------------------------------------------------------------------------ patches, local activities
@workflow.defn(name="Patched")
class PatchedNew:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity(echo, "a", start_to_close_timeout=td(seconds=5))
        if workflow.patched("my-patch"):
            await workflow.execute_activity(echo, "new", start_to_close_timeout=td(seconds=5))
        else:
            await workflow.execute_activity(echo, "old", start_to_close_timeout=td(seconds=5))
        await asyncio.sleep(1.0)
        p2 = workflow.patched("my-patch")
        return f"patched={p2}"


@workflow.defn(name="Patched")
class PatchedOld:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity(echo, "a", start_to_close_timeout=td(seconds=5))
        await workflow.execute_activity(echo, "old", start_to_close_timeout=td(seconds=5))
        await asyncio.sleep(1.0)
        return "old"


@workflow.defn(name="Patched")
class PatchedDeprecated:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity(echo, "a", start_to_close_timeout=td(seconds=5))
        workflow.deprecate_patch("my-patch")
        await workflow.execute_activity(echo, "new", start_to_close_timeout=td(seconds=5))
        await asyncio.sleep(1.0)
        return "patched=True"


@workflow.defn
class LocalAct:
    @workflow.run
    async def run(self, n: int) -> str:
        return await workflow.execute_local_activity(
            fail_n,
            n,
            start_to_close_timeout=td(seconds=5),
            local_retry_threshold=td(milliseconds=600),
            retry_policy=RetryPolicy(
                initial_interval=td(milliseconds=300), backoff_coefficient=3.0, maximum_attempts=4
            ),
        )


@workflow.defn
class LocalActs3:
    @workflow.run
    async def run(self) -> str:
        for i in range(3):
            await workflow.execute_local_activity(echo, str(i), start_to_close_timeout=td(seconds=5))
        await asyncio.sleep(0.2)
        return "ok"


# ----------------------------------------------------------------------------------------- concurrency, buffered events
@workflow.defn
class Gather:
    @workflow.run
    async def run(self, n: int) -> list:
        return list(
            await asyncio.gather(
                *[workflow.execute_activity(nap, 0.1 * (n - i), start_to_close_timeout=td(seconds=5)) for i in range(n)]
            )
        )


@workflow.defn(sandboxed=False)
class Buffered:
    """One workflow task blocks for 1.2 s."""

    def __init__(self):
        self.got = []

    @workflow.signal
    def go(self, x: str) -> None:
        self.got.append(x)

    @workflow.run
    async def run(self) -> list:
        log = []

        async def one(i):
            log.append(await workflow.execute_activity(nap, 0.3 + 0.1 * (3 - i), start_to_close_timeout=td(seconds=5)))

        async def timer():
            await asyncio.sleep(0.5)
            log.append("timer")

        tasks = [asyncio.create_task(one(i)) for i in range(3)]
        tasks.append(asyncio.create_task(timer()))
        await asyncio.sleep(0.05)
        if not workflow.unsafe.is_replaying():
            golden_hooks.stall(1.2)
        handle = workflow.start_activity(echo, "cmd-from-slow-task", start_to_close_timeout=td(seconds=5))
        await asyncio.gather(*tasks)
        await handle
        return log + self.got


@workflow.defn(sandboxed=False)
class Buffered2:
    """The workflow task after the quick activity blocks for 1.6 s while much arrives."""

    def __init__(self):
        self.log = []

    @workflow.signal
    def go(self, x: str) -> None:
        self.log.append(x)

    @workflow.run
    async def run(self) -> list:
        log = self.log

        async def one(i):
            r = await workflow.execute_activity(nap, 0.4 + 0.1 * (3 - i), start_to_close_timeout=td(seconds=5))
            log.append(f"act{r:.1f}")

        async def timer():
            await asyncio.sleep(1.0)
            log.append("timer")

        async def child():
            await workflow.execute_child_workflow(Timer.run, 0.0, id=workflow.info().workflow_id + "-c")
            log.append("child")

        tasks = (
            [asyncio.create_task(timer())]
            + [asyncio.create_task(one(i)) for i in range(3)]
            + [asyncio.create_task(child())]
        )
        await workflow.execute_activity(echo, "quick", start_to_close_timeout=td(seconds=5))
        if not workflow.unsafe.is_replaying():
            golden_hooks.stall(1.6)
        handle = workflow.start_activity(echo, "cmd-from-slow-task", start_to_close_timeout=td(seconds=5))
        await asyncio.gather(*tasks)
        await handle
        return log


@workflow.defn
class CompleteWhileSignal:
    """Completes in a workflow task during which a signal arrives."""

    def __init__(self):
        self.got = []

    @workflow.signal
    def go(self, x: str) -> None:
        self.got.append(x)

    @workflow.run
    async def run(self, name: str) -> list:
        await workflow.execute_activity(echo, "x", start_to_close_timeout=td(seconds=5))
        with workflow.unsafe.sandbox_unrestricted():
            if (
                not workflow.unsafe.is_replaying()
                and not self.got
                and golden_hooks.first_time("cws_" + workflow.info().workflow_id)
            ):
                golden_hooks.stall(1.0)
        return self.got


# -------------------------------------------------------------------------------------------------- crashes, stalls
@workflow.defn
class Crashy:
    @workflow.run
    async def run(self, args: list) -> str:
        seconds, start_to_close, heartbeat = args
        await workflow.execute_activity("charge_card", "o", start_to_close_timeout=td(seconds=5))
        r = await workflow.execute_activity(
            blocking,
            seconds,
            start_to_close_timeout=td(seconds=start_to_close),
            heartbeat_timeout=td(seconds=heartbeat) if heartbeat else None,
            retry_policy=RetryPolicy(initial_interval=td(milliseconds=200)),
        )
        await workflow.execute_activity("mark_order_complete", "o", start_to_close_timeout=td(seconds=5))
        return r


@workflow.defn(sandboxed=False)
class SlowTask:
    """Stalls its second workflow task, the first time only."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        await workflow.execute_activity(echo, "x", start_to_close_timeout=td(seconds=5))
        if not workflow.unsafe.is_replaying() and golden_hooks.first_time("wft_" + workflow.info().workflow_id):
            golden_hooks.stall(seconds)
        await workflow.execute_activity(echo, "y", start_to_close_timeout=td(seconds=5))
        return "ok"


# ------------------------------------------------------------------------------------------------------------ deploys
@workflow.defn(name="Deploy")
class DeployV1:
    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity("charge_card", "o", start_to_close_timeout=td(seconds=5))
        await asyncio.sleep(2)
        await workflow.execute_activity("mark_order_complete", "o", start_to_close_timeout=td(seconds=5))
        return "v1"


@workflow.defn(name="Deploy")
class DeployV2:
    """Adds an activity before the timer."""

    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity("charge_card", "o", start_to_close_timeout=td(seconds=5))
        await workflow.execute_activity("reserve_inventory", "o", start_to_close_timeout=td(seconds=5))
        await asyncio.sleep(2)
        await workflow.execute_activity("mark_order_complete", "o", start_to_close_timeout=td(seconds=5))
        return "v2"


@workflow.defn(name="Deploy", failure_exception_types=[workflow.NondeterminismError])
class DeployV2Fail(DeployV2):
    """DeployV2 that lets non-determinism fail the workflow."""

    @workflow.run
    async def run(self) -> str:
        return await DeployV2.run(self)


@workflow.defn(name="Deploy")
class DeployRename:
    """Same commands, another activity type in step 1."""

    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity("reserve_inventory", "o", start_to_close_timeout=td(seconds=5))
        await asyncio.sleep(2)
        await workflow.execute_activity("mark_order_complete", "o", start_to_close_timeout=td(seconds=5))
        return "v1"


@workflow.defn(name="Deploy")
class DeployArgs:
    """Same command types; other arguments, timeout and timer duration."""

    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity("charge_card", "OTHER", start_to_close_timeout=td(seconds=50))
        await asyncio.sleep(9)
        await workflow.execute_activity("mark_order_complete", "o", start_to_close_timeout=td(seconds=5))
        return "args"


@workflow.defn(name="Deploy")
class DeployRemove:
    """The timer is gone."""

    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity("charge_card", "o", start_to_close_timeout=td(seconds=5))
        await workflow.execute_activity("mark_order_complete", "o", start_to_close_timeout=td(seconds=5))
        return "rm"


@workflow.defn(name="Deploy")
class DeployEarlyEnd:
    """Returns after step 1."""

    @workflow.run
    async def run(self) -> str:
        await workflow.execute_activity("charge_card", "o", start_to_close_timeout=td(seconds=5))
        return "early"


# -------------------------------------------------------------------------------------------------- errors, determinism
@workflow.defn
class RaisePlain:
    @workflow.run
    async def run(self, mode: str) -> str:
        if mode == "plain":
            raise ValueError("plain error in workflow")
        raise ApplicationError("app error in workflow", type="Biz")


@workflow.defn
class Det:
    @workflow.run
    async def run(self) -> dict:
        r = workflow.random()
        return {
            "rand": r.random(),
            "uuid": str(workflow.uuid4()),
            "now": workflow.now().isoformat(),
            "time": workflow.time(),
            "ns": workflow.time_ns(),
        }


@workflow.defn
class WfRetry:
    @workflow.run
    async def run(self) -> str:
        if workflow.info().attempt < 3:
            raise ApplicationError(f"attempt {workflow.info().attempt}")
        return f"ok attempt {workflow.info().attempt}"


@workflow.defn(name="Bad")
class ReadsWallClock:
    """Forbidden in a sandboxed workflow. Only the clock case of a larger probe is kept."""

    @workflow.run
    async def run(self, kind: str) -> str:
        import datetime

        if kind == "datetime.now":
            return str(datetime.datetime.now())
        return "?"


WORKFLOWS = [
    Order,
    Steps,
    FailTwice,
    Saga,
    Timeouts,
    NonRetry,
    Rec,
    STC,
    Timer,
    SignalWait,
    SignalTimeout,
    Child,
    Parent,
    CAN,
    CancelCleanup,
    TimerCancel,
    SameTaskTimerCancel,
    ActCancel,
    PatchedNew,
    LocalAct,
    LocalActs3,
    Gather,
    Buffered,
    Buffered2,
    CompleteWhileSignal,
    Crashy,
    SlowTask,
    DeployV1,
    RaisePlain,
    Det,
    WfRetry,
    ReadsWallClock,
]
