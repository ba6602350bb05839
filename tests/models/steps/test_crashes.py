"""What a crash, a lost answer, a time-out or a restarted executor costs: one step again, and nothing of user code."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.library.orders import correct_order
from durable_sim.models.steps.function import create_function
from tests.models.steps.scenes import Played, common, idiom

CRASH = ds.Crash(after="effect_applied", of="payments.charge")


async def charge(actx: ds.ActivityContext, key: bool) -> Any:
    """Charges, with or without a key."""
    keys = {"idempotency_key": actx.idempotency_key} if key else {}
    return await actx.service("payments").charge("ada", 40, **keys)


async def ship(actx: ds.ActivityContext, key: bool) -> Any:
    """Books a parcel."""
    keys = {"idempotency_key": actx.idempotency_key} if key else {}
    return await actx.service("shipping").schedule("o-1", **keys)


def order(key: bool) -> Any:
    """Charge, then ship."""

    async def code(ctx: Any, step: Any) -> str:
        await step.run("charge", charge, key)
        await step.run("ship", ship, key)
        return "shipped"

    return idiom(code)


@pytest.mark.parametrize(("key", "charges"), [(False, 2), (True, 1)])
@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_crash_in_a_step_repeats_that_step_only(sdk: str, key: bool, charges: int) -> None:
    """The charge is made twice without an idempotency key and once with one; the parcel is booked once."""
    played = Played(order(key), faults=[CRASH], sdk=sdk).run()
    assert played.one.result == "shipped"
    assert played.effects == ["payments.charge"] * charges + ["shipping.schedule"]
    assert [call.call.attempt for call in played.calls] == [0, 1, 0, 0]
    assert played.calls[0].answer is None


@pytest.mark.parametrize(("transport", "attempts"), [("serve", [0, 0, 1, 0]), ("connect", [0, 0, 0])])
def test_a_crash_between_steps_repeats_no_step(transport: str, attempts: list[int]) -> None:
    """What is remembered is not done again; a call over HTTP that finds nobody is an attempt all the same."""
    crashes = [ds.Crash(after="result_recorded", of="charge", worker=worker) for worker in ("w1", "w2")]
    played = Played(order(False), faults=crashes, transport=transport).run()
    assert played.effects == ["payments.charge", "shipping.schedule"]
    assert [call.call.attempt for call in played.calls] == attempts


def test_an_answer_that_has_left_a_dying_worker_counts() -> None:
    """The answer is on its way when the process dies: the step is not run again."""
    played = Played(order(False), faults=[ds.Crash(after="result_reported", of="charge")]).run()
    assert played.effects == ["payments.charge", "shipping.schedule"]


def test_a_lost_answer_repeats_the_step() -> None:
    """With half of the answers lost, steps run once more for each answer of theirs that is lost."""
    played = Played(order(False), lose_answer=0.5, retries=20, seed=1, horizon="365d").run()
    assert played.one.result == "shipped"
    lost = [call for call in played.calls if call.answer is None and len(call.call.memo) < 2]
    assert lost and len(played.effects) == 2 + len(lost)


def test_a_call_that_takes_too_long_is_made_again_and_its_answer_is_refused() -> None:
    """The old attempt goes on and ends; its result is not taken, its effect stays."""

    async def slow(actx: ds.ActivityContext) -> int:
        await actx.service("payments").charge("ada", 40)
        await actx.sleep("30s" if actx.attempt == 1 else "1s")
        return actx.attempt

    async def code(ctx: Any, step: Any) -> Any:
        return await step.run("slow", slow)

    played = Played(idiom(code), call_timeout="10s").run()
    assert played.one.result == 2
    assert played.effects == ["payments.charge", "payments.charge"]
    assert len(played.of_kind("attempt_timed_out")) == 1 == len(played.of_kind("result_refused"))


def test_a_restarted_executor_makes_its_calls_again_when_their_leases_are_over() -> None:
    """30 seconds later the call is made again, as the same attempt; the first one has done its work for nothing."""
    played = Played(order(False))
    played.until("400ms").model.restart_executor()
    played.run()
    assert played.one.result == "shipped"
    assert played.effects == ["payments.charge", "payments.charge", "shipping.schedule"]
    assert [call.call.attempt for call in played.calls] == [0, 0, 0]
    assert len(played.of_kind("result_refused")) == 1
    assert played.calls[0].time_us > 30_400_000


def test_a_worker_that_is_always_dead_uses_the_attempts_up() -> None:
    """A step that kills its process every time fails the run after the last attempt."""
    crashes = [ds.Crash(after="effect_applied", of="payments.charge", nth=nth) for nth in range(1, 6)]
    played = Played(order(False), faults=crashes, services=ds.library.shop(), workers=1).run()
    assert played.one.status == "failed" and played.one.failure is not None
    assert played.one.failure.type == "CallBroken" and len(played.calls) == 5


@pytest.mark.parametrize("sdk", ["python", "js"])
def test_a_crash_in_the_last_attempt_ends_the_run_and_nothing_is_undone(sdk: str) -> None:
    """The code is not called again, so no `except` of it runs; only the failure handler is called, once."""
    told: list[str] = []

    async def handler(ctx: Any, step: Any) -> None:
        told.append(f"handler: {ctx.event.data['error']['name']}")

    @create_function(retries=1, on_failure=handler)
    async def fulfil(ctx: Any, step: Any) -> None:
        try:
            await step.run("charge", charge, True)
        except Exception:
            told.append("caught")
            raise

    crashes = [ds.Crash(after="effect_applied", of="payments.charge"), ds.Crash(after="request_received", nth=2)]
    played = Played(idiom(fulfil), faults=crashes, sdk=sdk).run()
    assert played.one.status == "failed" and told == ["handler: CallBroken"]
    assert played.effects == ["payments.charge"]
    assert [(one.call.function_id, one.call.attempt) for one in played.calls] == [
        ("fulfil", 0),
        ("fulfil", 1),
        ("fulfil-failure", 0),
    ]


def away(restart_after: str) -> list[ds.Crash]:
    """Every worker is gone from the start, for a while."""
    return [ds.Crash(at="0s", worker=worker, restart_after=restart_after) for worker in ("w1", "w2")]


def test_a_call_over_http_that_finds_nobody_costs_an_attempt() -> None:
    """Over HTTP nobody answers while every worker is gone: the call comes back broken, and is tried as if it failed."""
    played = Played(order(False), faults=away("1m")).run()
    assert played.one.result == "shipped"
    broken = [call.call.attempt for call in played.calls if call.answer is None]
    assert broken == list(range(len(broken))) and broken
    begun = played.of_kind("backoff_begun")
    assert {record.data["failure"]["message"] for record in begun} == {"nobody listens at the app's URL"}
    assert 100_000 <= played.calls[0].time_us <= 500_000


def test_a_stop_of_all_workers_fails_runs_once_their_attempts_are_used_up() -> None:
    """An hour without workers is longer than five attempts; the code of the run is never asked, its handler is."""
    told: list[str] = []

    async def handler(ctx: Any, step: Any) -> None:
        told.append(ctx.event.data["error"]["message"])

    @create_function(on_failure=handler)
    async def fulfil(ctx: Any, step: Any) -> None:
        try:
            await step.run("charge", charge, True)
        except BaseException:
            told.append("caught")
            raise

    played = Played(idiom(fulfil), faults=away("1h")).run()
    assert played.one.status == "failed" and played.one.failure is not None and played.effects == []
    assert (played.one.failure.type, len(played.calls)) == ("CallBroken", 6)
    assert told == []  # the handler's one attempt finds nobody either


def test_calls_to_connected_workers_wait_for_one() -> None:
    """Where workers connect to the platform, a call is made when one is back, as the first attempt."""
    played = Played(order(False), faults=away("1m"), transport="connect")
    assert "waiting" in str(played.until("10s").model.pending(played.one))
    played.run()
    assert played.one.result == "shipped" and played.calls[0].time_us > 60_000_000


def test_a_run_whose_workers_never_come_back_stays_open() -> None:
    """Its next call waits for a worker to connect; the model says so."""
    played = Played(order(False), faults=away("60d"), transport="connect").run()
    assert played.one.status == "open"
    assert played.model.pending(played.one) == "call 1 of fulfil, attempt 1 of 5, waiting for its turn or a worker"


@pytest.mark.parametrize("sdk", ["python", "js"])
@pytest.mark.parametrize("after", ["task_started", "request_sent", "effect_applied", "reply_received", "replayed"])
@pytest.mark.parametrize("kill", ["crash", "deploy"])
def test_nothing_runs_in_the_code_that_dies(sdk: str, after: str, kill: str) -> None:
    """No `except`, no `finally` and no exit of a context runs in the function or the step that a crash hits."""
    lives: list[list[str]] = []

    async def act(actx: ds.ActivityContext) -> None:
        pages: list[str] = []
        lives.append(pages)
        try:
            await actx.service("payments").charge("ada", 40)
            pages.append("end")
        finally:
            pages.append("finally")

    async def code(ctx: Any, step: Any) -> None:
        pages: list[str] = []
        lives.append(pages)
        try:
            await step.run("one", act)
            await step.run("two", act)
            pages.append("end")
        finally:
            pages.append("finally")

    fault = ds.Crash(after=after) if kill == "crash" else ds.Deploy(after=after, rolling=False)
    played = Played(idiom(code), faults=[fault], sdk=sdk).run()
    gc.collect()
    assert played.one.status == "completed"
    whole, unwound, silent = ["end", "finally"], ["finally"], []
    found = {tuple(pages) for pages in lives}
    assert found <= {tuple(whole), tuple(silent), *([tuple(unwound)] if sdk == "python" else [])}
    assert lives.count(silent) >= (1 if sdk == "python" and after != "replayed" else 0)


@pytest.mark.parametrize(
    "options", [{"sdk": "python"}, {"sdk": "js"}, {"sdk": "js", "checkpoint_batch": 2}], ids=["python", "js", "batch"]
)
@pytest.mark.parametrize("written", ["common", "as it is"])
def test_a_crash_after_any_record_leaves_an_order_right(written: str, options: dict[str, Any]) -> None:
    """The correct order, crashed after each record of its trace, completes with every effect that counts once."""
    correct = common(correct_order()) if written == "common" else correct_order()
    length = len(Played(correct, **options).run().world.trace)
    assert length > 50
    for index in range(length):
        judged = Played(correct, faults=[ds.Crash(after_record=index)], **options).run().judged()
        assert judged.verdicts == {"completed": 1} and judged.ok, (index, judged)


def test_a_graceful_stop_waits_for_the_calls_under_way() -> None:
    """A deploy with grace breaks no connection: no step is run twice."""
    deploy = ds.Deploy(after="request_sent", of="payments.charge", rolling=False, grace="10m")
    played = Played(order(False), faults=[deploy], transport="connect").run()
    assert [call.call.attempt for call in played.calls] == [0, 0, 0]
    assert played.effects == ["payments.charge", "shipping.schedule"]


def test_a_frozen_worker_answers_late() -> None:
    """Nobody takes over from a process that stands still for less than the call's time-out."""
    pause = ds.Pause(after="request_sent", of="payments.charge", lasts="10m")
    played = Played(order(False), faults=[pause]).run()
    assert played.effects == ["payments.charge", "shipping.schedule"]
    assert (played.one.ended_us or 0) > 600_000_000
