"""Sleeps, events, invocations: what a run waits for outlives every worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UserError
from durable_sim.models.steps.errors import StepError
from durable_sim.models.steps.function import create_function
from durable_sim.models.steps.protocol import Event
from durable_sim.workflows.clock import EPOCH
from tests.models.steps.scenes import Played, idiom

MINUTE_US = 60_000_000


async def nothing(actx: ds.ActivityContext) -> None:
    """A step that does nothing."""


def waits_for_payment(match: Any = "data.order_id") -> Any:
    """A function that waits an hour for an event."""

    async def code(ctx: Any, step: Any) -> Any:
        event = await step.wait_for_event("pay", event="order/paid", timeout="1h", match=match)
        return None if event is None else event.data

    return idiom(code)


def send(played: Played, at_us: int, name: str, data: Any) -> None:
    """Send an event from outside, later."""
    played.world.alarms.after(at_us, played.model.send, Event(name, data))


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_sleep_outlives_every_worker(sdk: str) -> None:
    """A month of sleep is over on time although all workers were replaced meanwhile."""

    async def code(ctx: Any, step: Any) -> str:
        await step.sleep("nap", "30d")
        return "rested"

    crashes = [ds.Crash(at="10d", worker=worker) for worker in ("w1", "w2")]
    played = Played(idiom(code), faults=crashes, sdk=sdk, horizon="60d").run()
    (started,), (fired,) = played.of_kind("timer_started"), played.of_kind("timer_fired")
    assert played.one.result == "rested" and len(played.calls) == 2
    assert started.data["duration_us"] == fired.time_us - started.time_us
    assert 0 <= 30 * 24 * 60 * MINUTE_US - (fired.time_us - started.time_us) <= 250_000  # the answer's way is in it


def test_sleeping_until_an_instant() -> None:
    """The run goes on at the instant, or at once where it is over."""

    async def code(ctx: Any, step: Any) -> None:
        await step.sleep_until("noon", EPOCH + timedelta(hours=12))
        await step.sleep_until("eleven", EPOCH + timedelta(hours=11))

    played = Played(idiom(code)).run()
    assert next(record.time_us for record in played.of_kind("timer_fired")) == 12 * 60 * MINUTE_US
    assert (played.one.ended_us or 0) < 12 * 60 * MINUTE_US + 2_000_000


def test_more_than_366_days_is_refused() -> None:
    """Sleeps and waits have a limit."""

    async def code(ctx: Any, step: Any) -> None:
        await step.sleep("nap", "367d")

    with pytest.raises(UserError, match="step nap: 367d is too long, expected at most 366d"):
        Played(idiom(code)).run()


def test_an_event_that_matches_is_returned() -> None:
    """An event about another order does not wake the run; its own does, whole."""
    played = Played(waits_for_payment())
    send(played, 5 * MINUTE_US, "order/paid", {"order_id": "o-2", "cents": 1})
    send(played, 6 * MINUTE_US, "order/sent", {"order_id": "o-1", "cents": 2})
    send(played, 7 * MINUTE_US, "order/paid", {"order_id": "o-1", "cents": 3})
    assert played.until("6m").model.pending(played.one) == "step pay waits for event order/paid"
    played.run()
    assert played.one.result == {"order_id": "o-1", "cents": 3}
    assert len(played.of_kind("signal_received")) == 1 == len(played.of_kind("timer_cancelled"))


def test_a_function_can_say_which_event_matches() -> None:
    """A condition in Python sees both events."""
    played = Played(waits_for_payment(lambda original, new: new.data["cents"] > 2))
    send(played, 5 * MINUTE_US, "order/paid", {"cents": 2})
    send(played, 6 * MINUTE_US, "order/paid", {"cents": 5})
    assert played.run().one.result == {"cents": 5}


def test_an_event_that_does_not_come_is_none() -> None:
    """After the hour the step is None, and an event that comes later changes nothing."""
    played = Played(waits_for_payment())
    send(played, 61 * MINUTE_US, "order/paid", {"order_id": "o-1"})
    played.run()
    assert played.one.status == "completed" and played.one.result is None
    assert 60 * MINUTE_US <= (played.one.ended_us or 0) < 61 * MINUTE_US


def test_an_event_before_the_wait_is_missed() -> None:
    """Events are not kept for steps that will wait for them."""
    played = Played(waits_for_payment())
    send(played, 10, "order/paid", {"order_id": "o-1"})
    assert played.run().one.result is None


def test_an_invoked_function_gives_its_result() -> None:
    """The child runs its own steps and its result is remembered under the parent's step."""

    async def double(actx: ds.ActivityContext, number: int) -> int:
        return 2 * number

    @create_function(id="child")
    async def child(ctx: Any, step: Any) -> int:
        doubled: int = await step.run("double", double, ctx.event.data["number"])
        return doubled + 1

    async def code(ctx: Any, step: Any) -> Any:
        by_itself = await step.invoke("one", child, {"number": 20})
        by_id = await step.invoke("two", "child", {"number": 30})
        return [by_itself, by_id]

    played = Played(idiom(code)).run()
    assert played.one.result == [41, 61]
    assert [record.data["status"] for record in played.of_kind("child_ended")] == ["completed", "completed"]


def test_an_invoked_function_that_fails_raises_in_its_caller() -> None:
    """Its last error is the step's, and so is that there is no such function."""

    async def code(ctx: Any, step: Any) -> Any:
        caught = []
        for target in (fails, "nobody"):
            try:
                await step.invoke("call", target)
            except StepError as error:
                caught.append(error.message)
        return caught

    @create_function(id="fails", retries=1)
    async def fails(ctx: Any, step: Any) -> None:
        raise RuntimeError(f"attempt {ctx.attempt}")

    assert Played(idiom(code)).run().one.result == ["attempt 1", "could not find function with ID: nobody"]


def test_an_event_starts_the_functions_that_it_triggers() -> None:
    """One event sent by a step starts two functions, and wakes a third that waits for it."""
    started: list[tuple[str, Any]] = []

    @create_function(event="order/shipped")
    async def mail(ctx: Any, step: Any) -> None:
        started.append(("mail", ctx.event.data))

    @create_function(event="order/shipped", matches=lambda event: event.data["express"])
    async def call_courier(ctx: Any, step: Any) -> None:
        started.append(("courier", ctx.event.data))

    async def code(ctx: Any, step: Any) -> Any:
        first = await step.send_event("tell", "order/shipped", {"express": True})
        second = await step.send_event("tell", Event("order/shipped", {"express": False}, "e-42"))
        return [*first, *second]

    played = Played(idiom([code, mail, call_courier])).run()
    assert sorted(name for name, _ in started) == ["courier", "mail", "mail"]
    assert played.one.result[1] == "e-42" and len(played.calls) == 3 + 3


def test_the_event_of_an_execution_starts_other_functions_too() -> None:
    """Fan-out: what has the same trigger as the workflow runs beside it."""
    ran: list[str] = []

    @create_function(event="order/created")
    async def fulfil(ctx: Any, step: Any) -> str:
        return str(ctx.event.data["order_id"])

    @create_function(event="order/created")
    async def audit(ctx: Any, step: Any) -> None:
        ran.append(ctx.event.name)

    played = Played(idiom([fulfil, audit])).run()
    assert played.one.result == "o-1" and ran == ["order/created"]


# --- side by side ---------------------------------------------------------------------------------------------------
async def takes(actx: ds.ActivityContext, name: str, time: str) -> str:
    """Takes a while."""
    await actx.sleep(time)
    return name


def two_branches(mode: str) -> Any:
    """A fast and a slow step side by side."""

    async def code(ctx: Any, step: Any) -> Any:
        both = step.run("fast", takes, "fast", "1s"), step.run("slow", takes, "slow", "10s")
        found = await step.parallel(*both, mode=mode)
        await step.run("last", nothing)
        return found

    return idiom(code)


@pytest.mark.parametrize(("mode", "calls"), [("wait", 5), ("race", 6)])
def test_steps_side_by_side_take_as_long_as_the_slowest(mode: str, calls: int) -> None:
    """Both are planned in one call and run at the same time; a race enters the function after each of them."""
    played = Played(two_branches(mode)).run()
    assert played.one.result == ["fast", "slow"]
    assert len(played.calls) == calls
    assert (played.one.ended_us or 0) < 13_000_000
    runs = [name for call in played.calls for op, name in call.did if op == "StepRun"]
    assert sorted(runs) == ["fast", "last", "slow"]


def test_the_first_of_several_wins_a_race_of_the_common_kind() -> None:
    """A step against a sleep: the function goes on as soon as one of them is done."""

    async def work(ctx: ds.ActivityContext, time: str) -> str:
        await ctx.sleep(time)
        return time

    async def waits(ctx: ds.WorkflowContext, order: Any) -> Any:
        work_done = ctx.execute_activity(work, order["takes"], start_to_close_timeout="1h")
        place, _ = await ctx.first_of(work_done, ctx.sleep("1m"))
        return place

    assert Played(waits, [{"takes": "5s"}]).run().one.result == 0
    late = Played(waits, [{"takes": "5m"}]).run()
    assert late.one.result == 1 and MINUTE_US < (late.one.ended_us or 0) < 2 * MINUTE_US


def test_branches_of_several_steps_run_beside_each_other() -> None:
    """Each branch goes on for itself; every step runs once."""
    ran: list[str] = []

    async def note(actx: ds.ActivityContext, name: str) -> str:
        ran.append(name)
        return name

    async def code(ctx: Any, step: Any) -> Any:
        async def branch(name: str, count: int) -> list[str]:
            return [await step.run(f"{name}{number}", note, f"{name}{number}") for number in range(count)]

        return await step.parallel(branch("a", 3), branch("b", 1), step.sleep("nap", "1s"))

    for sdk in ("python", "js"):
        ran.clear()
        played = Played(idiom(code), sdk=sdk).run()
        assert played.one.result == [["a0", "a1", "a2"], ["b0"], None]
        assert sorted(ran) == ["a0", "a1", "a2", "b0"], sdk


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_crash_in_one_branch_repeats_that_branch(sdk: str) -> None:
    """The other one is remembered."""
    ran: list[str] = []

    async def note(actx: ds.ActivityContext, name: str, time: str) -> None:
        ran.append(name)
        await actx.sleep(time)

    async def code(ctx: Any, step: Any) -> None:
        await step.parallel(step.run("fast", note, "fast", "1s"), step.run("slow", note, "slow", "10s"))

    crashes = [ds.Crash(at="8s", worker=worker, restart_after="1s") for worker in ("w1", "w2")]
    played = Played(idiom(code), faults=crashes, sdk=sdk).run()
    assert played.one.status == "completed"
    assert sorted(ran) == ["fast", "slow", "slow"]
