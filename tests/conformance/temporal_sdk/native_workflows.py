"""The twins of sdk_workflows.py in the function style: same types, same activities, same commands in the same order."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import durable_sim as ds

Workflow = Callable[..., Coroutine[Any, Any, Any]]
OPTIONS: dict[str, Any] = {
    "start_to_close_timeout": "30s",
    "retry_policy": ds.RetryPolicy(maximum_attempts=3),
}


# --- activities -----------------------------------------------------------------------------------------------------
@ds.activity
async def echo(ctx: ds.ActivityContext, word: str) -> str:
    """What it is told."""
    return word


@ds.activity
async def flaky(ctx: ds.ActivityContext, failures: int) -> str:
    """Fails in its first attempts."""
    await ctx.sleep("20ms")
    if ctx.attempt <= failures:
        raise ds.ApplicationError(f"attempt {ctx.attempt}", type="Flaky")
    return f"done in attempt {ctx.attempt}"


@ds.activity
async def refuse(ctx: ds.ActivityContext, what: str) -> str:
    """Never works, and says so."""
    raise ds.ApplicationError(f"no {what}", type="Full", non_retryable=True)


@ds.activity
async def slow(ctx: ds.ActivityContext) -> str:
    """Works a minute and tells so every second."""
    for second in range(60):
        ctx.heartbeat(second)
        await ctx.sleep("1s")
    return "after all"


def _named(name: str) -> Workflow:
    @ds.activity(name=name)
    async def step(ctx: ds.ActivityContext, word: str) -> str:
        await ctx.sleep("100ms")
        return f"{name} {word}"

    return step


ACTIVITIES: tuple[Workflow, ...] = (
    *(echo, flaky, refuse, slow),
    *map(_named, ("check", "reserve", "charge", "ship", "thank", "book", "undo")),
)


def do(ctx: ds.WorkflowContext, name: str, *arguments: Any, **options: Any) -> Any:
    """Run an activity by its name."""
    return ctx.execute_activity(name, *arguments, **OPTIONS | options)


# --- workflows ------------------------------------------------------------------------------------------------------
@ds.workflow(name="Order")
async def order(ctx: ds.WorkflowContext, order: str) -> str:
    """Five steps, one after the other."""
    for name in ("check", "reserve", "charge", "ship", "thank"):
        await do(ctx, name, order)
    return f"{order} done"


@ds.workflow(name="Trip")
async def trip(ctx: ds.WorkflowContext, trip: str) -> str:
    """A saga: the third booking fails, the first two are undone in reverse order, and the workflow fails."""
    booked: list[str] = []
    try:
        for name in ("hotel", "flight"):
            await do(ctx, "book", name)
            booked.append(name)
        await do(ctx, "refuse", "car")
    except ds.ActivityError:
        for name in reversed(booked):
            await do(ctx, "undo", name)
        raise ds.ApplicationError(f"{trip} is off", type="TripFailed") from None
    return trip


@ds.workflow(name="Stubborn")
async def stubborn(ctx: ds.WorkflowContext) -> list[str]:
    """An activity that fails twice, and one that is given up."""
    first = await do(ctx, "flaky", 2)
    try:
        second = await do(ctx, "flaky", 99)
    except ds.ActivityError as error:
        second = f"gave up: {error.cause}"
    return [first, second]


@ds.workflow(name="Nap")
async def nap(ctx: ds.WorkflowContext) -> str:
    """Two timers in a row, and two at once."""
    await ctx.sleep("60s")
    await ctx.gather(ctx.sleep("5s"), ctx.sleep("3s"))
    return "rested"


@ds.workflow(name="Inbox")
async def inbox(ctx: ds.WorkflowContext, limit_s: int) -> list[str]:
    """Waits for two signals without a limit, then for a third with one."""
    got: list[str] = []
    ctx.set_signal_handler("put", got.append)
    await ctx.wait_condition(lambda: len(got) >= 2)
    await do(ctx, "echo", got[0])
    try:
        await ctx.wait_condition(lambda: len(got) >= 3, timeout=f"{limit_s}s")
    except TimeoutError:
        await do(ctx, "echo", "nobody")
    return got


@ds.workflow(name="Family")
async def family(ctx: ds.WorkflowContext, name: str) -> list[str]:
    """A child that completes and one that fails, started with ids of their own."""
    told = [await ctx.execute_child_workflow("Kid", False, id=f"{name}-kid-1")]
    try:
        await ctx.execute_child_workflow("Kid", True, id=f"{name}-kid-2")
    except ds.ChildWorkflowError as error:
        told.append(f"{error.cause}")
    return told


@ds.workflow(name="Kid")
async def kid(ctx: ds.WorkflowContext, fails: bool) -> str:
    """Does as it is told."""
    await do(ctx, "echo", "kid")
    if fails:
        raise ds.ApplicationError("no", type="Tantrum")
    return "yes"


@ds.workflow(name="Countdown")
async def countdown(ctx: ds.WorkflowContext, n: int) -> str:
    """Continues as new until it is at zero."""
    await do(ctx, "echo", str(n))
    if n > 0:
        ctx.continue_as_new(n - 1)
    return "zero"


@ds.workflow(name="Counter")
async def counter(ctx: ds.WorkflowContext) -> int:
    """Takes updates that act before they answer, until the sum is 10 or more."""
    total = 0

    async def add(n: int) -> int:
        nonlocal total
        await do(ctx, "echo", str(n))
        total += n
        return total

    def validate(n: int) -> None:
        if n < 0:
            raise ValueError("less than nothing")

    ctx.set_update_handler("add", add, validator=validate)
    await ctx.wait_condition(lambda: total >= 10 and ctx.all_handlers_finished())
    return total


@ds.workflow(name="Fashion")
async def fashion(ctx: ds.WorkflowContext) -> str:
    """Code that was changed: the new path where the patch is recorded."""
    await do(ctx, "echo", "before")
    way = "new" if ctx.patched("other-way") else "old"
    await do(ctx, "echo", way)
    return way


@ds.workflow(name="Fashion")
async def fashion_before(ctx: ds.WorkflowContext) -> str:
    """The same before the change."""
    await do(ctx, "echo", "before")
    await do(ctx, "echo", "old")
    return "old"


@ds.workflow(name="Settled")
async def settled(ctx: ds.WorkflowContext) -> str:
    """Code whose change is old: the patch is deprecated; and another change beside it."""
    ctx.deprecate_patch("other-way")
    await do(ctx, "echo", "new")
    if ctx.patched("another-change"):
        await ctx.sleep("1s")
    await do(ctx, "echo", "end")
    return "new"


@ds.workflow(name="Careful")
async def careful(ctx: ds.WorkflowContext) -> str:
    """Cleans up when it is cancelled, and is then cancelled."""
    try:
        await ctx.sleep("1h")
        return "slept"
    finally:
        await do(ctx, "echo", "cleanup")


@ds.workflow(name="Impatient")
async def impatient(ctx: ds.WorkflowContext) -> str:
    """Cancels a slow activity after a while, waits for how it ends, and goes on."""
    working = do(ctx, "slow", heartbeat_timeout="5s", cancellation_type="WAIT_CANCELLATION_COMPLETED")
    await ctx.sleep("2s")
    working.cancel()
    try:
        told = str(await working)
    except ds.ActivityError as error:
        told = {"CancelledFailure": "CancelledError"}.get(type(error.cause).__name__, type(error.cause).__name__)
    await do(ctx, "echo", told)
    return told


@ds.workflow(name="Homework")
async def homework(ctx: ds.WorkflowContext) -> list[str]:
    """Local activities: two that work, one that is none, and one whose retry is waited for by a timer."""
    done = []
    for word in ("a", "b"):
        done.append(await ctx.execute_local_activity("echo", word, start_to_close_timeout="30s"))
    done.append(await do(ctx, "echo", "c"))
    await ctx.sleep("1s")
    done.append(
        await ctx.execute_local_activity(
            "flaky",
            1,
            start_to_close_timeout="30s",
            local_retry_threshold="2s",
            retry_policy=ds.RetryPolicy(initial_interval="5s", maximum_attempts=3),
        )
    )
    return done


WORKFLOWS: tuple[Workflow, ...] = (
    *(
        order,
        trip,
        stubborn,
        nap,
        inbox,
        family,
        kid,
        countdown,
        counter,
        fashion,
        settled,
        careful,
        impatient,
        homework,
    ),
)
