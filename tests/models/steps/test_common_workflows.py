"""The package's common workflow functions, unchanged, under this engine; and what its calls cost."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import duration_us
from durable_sim.errors import UserError
from durable_sim.library.orders import article_order, correct_order
from durable_sim.randomness import Constant
from durable_sim.trace import first_difference
from tests.models.steps.scenes import Played, common, idiom

CORRECT = common(correct_order())
ALL_EFFECTS = ["payments.charge", "inventory.reserve", "email.send", "shipping.schedule", "orders.complete"]


def no_parcel(times: int) -> list[ds.Script]:
    """Shipping answers with an error so many times."""
    return [ds.Script("shipping", "schedule", call, "error") for call in range(1, times + 1)]


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_the_correct_order_completes(sdk: str) -> None:
    """Five steps, six calls, every effect once."""
    played = Played(CORRECT, sdk=sdk).run()
    assert played.one.result == "order o-1 fulfilled" and played.effects == ALL_EFFECTS
    assert len(played.calls) == 6
    judged = played.judged()
    assert judged.verdicts == {"completed": 1} and judged.ok
    assert "schedule_shipping: result recorded" in judged.story()


@pytest.mark.parametrize("seed", range(5))
def test_many_correct_orders_come_right_in_a_storm(seed: int) -> None:
    """Crashes every three seconds and flaky services: each order completes or is compensated."""
    inputs = [{"order_id": f"o-{number}"} for number in range(12)]
    services = ds.library.shop(payments={"faults": ds.Mixture(lose_request=0.1, lose_reply=0.1)})
    faults = [ds.Crashes(every="3s", until="3m")]
    played = Played(CORRECT, inputs, services=services, faults=faults, seed=seed, retries=20).run()
    judged = played.judged()
    assert set(judged.verdicts) <= {"completed", "compensated"} and judged.ok, judged
    assert any(call.answer is None for call in played.calls)


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_saga_compensates_by_its_own_except_clause(sdk: str) -> None:
    """Where shipping fails for good the workflow catches `ActivityError`, undoes everything and fails."""
    judged = Played(CORRECT, faults=no_parcel(5), sdk=sdk).run().judged()
    assert judged.verdicts == {"compensated": 1} and judged.ok
    begun = [record.subject for record in judged.trace if record.kind == "compensation_begun"]
    assert begun == ["void_label", "send_cancellation_email", "release_inventory", "refund_charge"]


def test_a_retry_policy_means_nothing_here() -> None:
    """Three attempts at one-second intervals were asked for; five are made, at the platform's intervals."""
    played = Played(common(article_order), faults=no_parcel(5)).run()
    attempts = [record.attempt for record in played.of_kind("task_started") if record.subject == "schedule_shipping"]
    assert attempts == [1, 2, 3, 4, 5]
    assert all(record.data["delay_us"] >= 15_000_000 for record in played.of_kind("backoff_begun"))
    assert played.one.status == "failed"


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_an_error_that_is_not_retryable_is_caught_at_once(sdk: str) -> None:
    """In common code it is the step's under both SDKs, so that its `except ActivityError` works."""

    async def declined(ctx: ds.ActivityContext) -> None:
        raise ds.ApplicationError("card declined", "CardDeclined", non_retryable=True)

    async def pays(ctx: ds.WorkflowContext, order: Any) -> Any:
        try:
            await ctx.execute_activity(declined, start_to_close_timeout="30s")
        except ds.ActivityError as error:
            assert isinstance(error.cause, ds.ApplicationError)
            return [error.activity, error.cause.type, error.cause.message]
        return None

    played = Played(pays, sdk=sdk).run()
    assert played.one.result == ["declined", "CardDeclined", "card declined"] and len(played.calls) == 2


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_final_error_is_data_of_its_step_and_remembered(sdk: str) -> None:
    """The refused activity runs once, however often the function is entered to undo what came before it."""
    ran: list[str] = []

    async def act(ctx: ds.ActivityContext, name: str) -> None:
        ran.append(name)
        if name == "ship":
            raise ds.ApplicationError("no address", "NoAddress", non_retryable=True)

    async def sells(ctx: ds.WorkflowContext, order: Any) -> Any:
        try:
            for name in ("charge", "ship"):
                await ctx.execute_activity(act, name, start_to_close_timeout="30s")
        except ds.ActivityError as error:
            for name in ("refund", "release"):
                await ctx.execute_activity(act, name, start_to_close_timeout="30s")
            return error.retry_state
        return None

    played = Played(sells, sdk=sdk).run()
    assert ran == ["charge", "ship", "refund", "release"] and played.one.result == "NON_RETRYABLE_FAILURE"
    assert [call.did for call in played.calls] == [[("StepRun", "act")]] * 4 + [[]]
    recorded = [record.data for record in played.of_kind("result_recorded")]
    assert recorded == [None, {"failure": {"name": "NoAddress", "message": "no address"}}, None, None]


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_next_retry_delay_is_kept_and_the_last_attempt_can_be_caught(sdk: str) -> None:
    """No `except` of the workflow sees the attempts in between; what the last one raises is remembered."""
    caught: list[str] = []

    async def busy(ctx: ds.ActivityContext) -> None:
        raise ds.ApplicationError("busy", "Busy", next_retry_delay="7s")

    async def asks(ctx: ds.WorkflowContext, order: Any) -> Any:
        try:
            await ctx.execute_activity(busy, start_to_close_timeout="30s")
        except Exception as error:
            caught.append(type(error).__name__)
            return "gave up"
        return None

    played = Played(asks, sdk=sdk, retries=2).run()
    assert played.one.result == "gave up" and caught == ["ActivityError"]
    assert [record.data["delay_us"] for record in played.of_kind("backoff_begun")] == [7_000_000, 7_000_000]


def test_an_activity_in_a_finally_runs_in_the_call_that_leaves_through_it() -> None:
    """As a step does with the Python SDK: the charge is made twice, and nothing was wrong."""
    ran: list[str] = []

    async def act(ctx: ds.ActivityContext, name: str) -> None:
        ran.append(name)

    async def tidy(ctx: ds.WorkflowContext, order: Any) -> None:
        try:
            await ctx.execute_activity(act, "charge", start_to_close_timeout="30s")
        finally:
            await ctx.execute_local_activity(act, "release", start_to_close_timeout="30s")

    assert Played(tidy, sdk="python").run().one.status == "completed"
    assert ran == ["charge", "release", "charge"]
    ran.clear()
    assert Played(tidy, sdk="js").run().one.status == "completed" and ran == ["charge", "release"]


def test_sleeps_local_activities_and_gathers_are_steps() -> None:
    """Each is remembered; the same activity used again is another step."""
    runs: list[int] = []

    async def double(ctx: ds.ActivityContext, number: int) -> int:
        runs.append(number)
        return 2 * number

    async def mixed(ctx: ds.WorkflowContext, order: Any) -> Any:
        first = await ctx.execute_local_activity(double, 1, start_to_close_timeout="1s")
        await ctx.sleep("1h")
        rest = await ctx.gather(*(ctx.execute_activity(double, n, start_to_close_timeout="1s") for n in (2, 3)))
        await ctx.sleep("1h")
        return [first, *rest]

    played = Played(mixed).run()
    assert played.one.result == [2, 4, 6] and sorted(runs) == [1, 2, 3]
    assert 7_200_000_000 <= (played.one.ended_us or 0) < 7_205_000_000


def test_random_numbers_are_the_same_on_every_entry_and_the_time_is_not() -> None:
    """Code outside steps that asks the clock gets another answer in each call."""
    seen: list[tuple[float, Any]] = []

    async def nothing(ctx: ds.ActivityContext) -> None: ...

    async def asks(ctx: ds.WorkflowContext, order: Any) -> None:
        seen.append((ctx.random.random(), ctx.now()))
        await ctx.execute_activity(nothing, start_to_close_timeout="1s")

    Played(asks).run()
    (one, then), (other, later) = seen
    assert one == other and then < later


def test_what_has_no_counterpart_is_refused_by_name() -> None:
    """Child workflows and continue-as-new belong to another engine."""

    async def child(ctx: ds.WorkflowContext, order: Any) -> None: ...

    async def has_a_child(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.execute_child_workflow(child, order)

    async def goes_on(ctx: ds.WorkflowContext, order: Any) -> None:
        ctx.continue_as_new(order)

    for code, word in ((has_a_child, "StartChild"), (goes_on, "ContinueAsNew")):
        with pytest.raises(UserError, match=f"{word}: this execution model has no such thing; only 'replay' does"):
            Played(code).run()


def test_a_workflow_that_waits_for_what_never_comes_times_its_calls_out() -> None:
    """Nothing answers the call; after five times two hours the run fails."""

    async def waits(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.wait_condition(lambda: False)

    played = Played(waits).run()
    assert played.one.status == "failed" and len(played.calls) == 5
    assert (played.one.ended_us or 0) > 10 * 3600 * 1_000_000


# --- what a call costs ----------------------------------------------------------------------------------------------
def instant_order() -> Any:
    """Five steps that take no time."""

    async def instant(actx: ds.ActivityContext) -> None: ...

    async def code(ctx: Any, step: Any) -> None:
        for name in ("charge", "reserve", "mail", "ship", "complete"):
            await step.run(name, instant)

    return idiom(code)


@pytest.mark.parametrize("seed", range(20))
def test_a_step_costs_a_call(seed: int) -> None:
    """Five steps that take no time are all remembered after 0.5 to 2.5 seconds: 100 to 500 ms each."""
    played = Played(instant_order(), seed=seed).run()
    recorded = [record.time_us for record in played.of_kind("result_recorded")]
    assert len(recorded) == 5 and 500_000 <= recorded[-1] <= 2_500_000
    gaps = [later - one for one, later in zip([0, *recorded], recorded, strict=False)]
    assert all(100_000 <= gap <= 500_000 for gap in gaps)


@pytest.mark.parametrize("overhead", ["200ms", ("200ms", "200ms"), Constant("200ms")])
def test_the_overhead_can_be_given_as_a_span_a_range_or_a_distribution(overhead: Any) -> None:
    """All three say the same here: six calls of 200 ms."""
    assert Played(instant_order(), overhead=overhead).run().one.ended_us == 6 * duration_us("200ms")


def test_same_seed_same_trace() -> None:
    """Two runs with the same seed are the same to the byte, another seed gives another."""
    faults = [ds.Crashes(every="2s", until="30s")]
    inputs = [{"order_id": f"o-{number}"} for number in range(5)]
    one, other, third = (Played(CORRECT, inputs, faults=faults, seed=seed).run() for seed in (7, 7, 8))
    assert first_difference(one.world.trace, other.world.trace) is None
    assert one.world.trace.digest() == other.world.trace.digest() != third.world.trace.digest()
