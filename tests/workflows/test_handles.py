"""What stands for an activity or a sleep: when its command is issued, and what cancelling it does."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.workflows.commands import RequestCancelActivity, ScheduleActivity, StartTimer
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.failures import ActivityError
from tests.workflows.driving import Driven


def names(driven: Driven) -> list[str]:
    """The activities and timers that were asked for, in the order of the commands."""
    return [
        command.name if isinstance(command, ScheduleActivity) else "timer"
        for command in driven.commands()
        if isinstance(command, (ScheduleActivity, StartTimer))
    ]


def do(ctx: WorkflowContext, name: str) -> Any:
    """Ask for an activity."""
    return ctx.execute_activity(name, start_to_close_timeout="1s")


# --- when the command is issued -------------------------------------------------------------------------------------
async def held(ctx: WorkflowContext) -> None:
    one = do(ctx, "held")
    other = do(ctx, "held too")
    await do(ctx, "awaited")
    await one
    await other


async def held_beside_another(ctx: WorkflowContext) -> None:
    async def beside() -> None:
        await do(ctx, "beside")

    ctx.spawn(beside())
    one = do(ctx, "held")
    await ctx.wait_condition(lambda: False)
    await one


async def together_in_a_branch(ctx: WorkflowContext) -> None:
    async def beside() -> None:
        await do(ctx, "beside")

    ctx.spawn(beside())
    await ctx.gather(do(ctx, "a"), ctx.sleep("1s"), do(ctx, "b"))


async def a_sleep_that_is_held(ctx: WorkflowContext) -> None:
    sleeping = ctx.sleep("1s")
    await do(ctx, "awaited")
    await sleeping


@pytest.mark.parametrize(
    ("code", "issued"),
    [
        (held, ["held", "held too", "awaited"]),
        (held_beside_another, ["held", "beside"]),
        (together_in_a_branch, ["beside", "a", "timer", "b"]),
        (a_sleep_that_is_held, ["awaited", "timer"]),
    ],
)
def test_commands_are_issued_in_the_order_of_the_real_sdk(code: Callable[..., Any], issued: list[str]) -> None:
    """A held activity is one that was started, a held sleep a task; waited for together, each begins in its turn."""
    assert names(Driven(code)) == issued


# --- cancelling -----------------------------------------------------------------------------------------------------
def test_an_activity_that_has_ended_by_the_time_it_is_cancelled_raises_a_plain_cancellation() -> None:
    """Both come with one workflow task: no ActivityError, so that no `except ActivityError` undoes anything."""
    caught: list[str] = []

    async def code(ctx: WorkflowContext) -> None:
        try:
            await do(ctx, "charge")
        except (ActivityError, CancelledError) as error:
            caught.append(type(error).__name__)

    driven = Driven(code)
    driven.commands()
    driven.program.closing = frozenset([1])
    driven.program.cancel()
    driven.settle(1, "charged")
    assert (caught, driven.commands()) == (["CancelledError"], [])


def test_a_signal_that_cancels_an_activity_which_has_ended_is_too_late() -> None:
    """Signals are handled before results are told: nothing is requested, and the result comes."""

    async def code(ctx: WorkflowContext) -> Any:
        running = do(ctx, "charge")
        ctx.set_signal_handler("stop", running.cancel)
        return await running

    driven = Driven(code)
    driven.commands()
    driven.program.closing = frozenset([1])
    driven.signal("stop")
    driven.settle(1, "charged")
    assert (driven.main.result(), driven.commands()) == ("charged", [])


def test_an_activity_that_is_cancelled_where_it_is_asked_for_raises_a_plain_cancellation() -> None:
    """Its task has not run yet and never does; the command is taken back."""

    async def code(ctx: WorkflowContext) -> None:
        running = do(ctx, "charge")
        running.cancel()
        await running

    driven = Driven(code)
    assert isinstance(driven.main.error, CancelledError)
    assert driven.commands() == []


def test_a_cancelled_activity_is_answered_when_the_code_has_come_to_rest() -> None:
    """What else is cancelled at the same time cleans up before: the engine takes note of the request afterwards."""
    log: list[str] = []

    async def cleans_up(name: str, awaitable: Any) -> None:
        try:
            await awaitable
        finally:
            log.append(name)

    async def code(ctx: WorkflowContext) -> None:
        await ctx.gather(cleans_up("activity", do(ctx, "charge")), cleans_up("sleep", ctx.sleep("1h")))

    driven = Driven(code)
    driven.commands()
    driven.cancel()
    assert log == ["sleep"]
    assert isinstance(driven.main.error, CancelledError)


def test_a_sleep_that_is_cancelled_before_its_turn_starts_no_timer() -> None:
    """As a task that is cancelled before it has begun."""

    async def code(ctx: WorkflowContext) -> str:
        sleeping = ctx.sleep("1h")
        sleeping.cancel()
        await ctx.execute_activity("other", start_to_close_timeout="1s")
        return "done"

    driven = Driven(code)
    assert names(driven) == ["other"]
    driven.settle(1)
    assert driven.main.result() == "done"


@pytest.mark.parametrize("times", [1, 2])
def test_the_end_of_an_activity_is_requested_once(times: int) -> None:
    """However often it is cancelled, and whoever waits for it."""

    async def code(ctx: WorkflowContext) -> None:
        running = ctx.execute_activity(
            "charge", start_to_close_timeout="1s", cancellation_type="WAIT_CANCELLATION_COMPLETED"
        )
        await ctx.gather(running, running)

    driven = Driven(code)
    driven.commands()
    for _ in range(times):
        driven.cancel()
    assert driven.commands() == [RequestCancelActivity(2, 1)]
