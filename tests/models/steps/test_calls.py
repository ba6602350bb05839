"""One call after the other: where the body is entered, how a call ends in user code, what an error does."""

from __future__ import annotations

import gc
import pickle
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UserError
from durable_sim.models.steps.errors import NestedStepError, NonRetriableError, RetryAfterError, StepError
from durable_sim.models.steps.function import create_function
from durable_sim.models.steps.retries import BACKOFF_S
from tests.models.steps.scenes import Played, idiom

SDKS = ("python", "js")


async def nothing(actx: ds.ActivityContext) -> None:
    """A step that does nothing."""


async def fails(actx: ds.ActivityContext, error: str = "boom") -> None:
    """A step that always fails."""
    raise RuntimeError(error)


def diary_of(sdk: str) -> list[str]:
    """How the body of a function of two steps is entered and left."""
    diary: list[str] = []

    async def code(ctx: Any, step: Any) -> None:
        diary.append("enter")
        try:
            await step.run("one", nothing)
            await step.run("two", nothing)
            diary.append("end")
        except Exception:
            diary.append("except")
        finally:
            diary.append("finally")

    played = Played(idiom(code), sdk=sdk).run()
    assert played.one.status == "completed"
    gc.collect()
    return diary


def test_the_python_sdk_runs_finally_on_every_entry() -> None:
    """A function of two steps is entered three times, and `finally` runs three times, `except Exception` never."""
    assert diary_of("python") == ["enter", "finally", "enter", "finally", "enter", "end", "finally"]


def test_the_js_sdk_drops_the_code_at_the_end_of_a_call() -> None:
    """`finally` runs once, when the function returns."""
    assert diary_of("js") == ["enter", "enter", "enter", "end", "finally"]


def test_code_outside_steps_runs_once_more_than_there_are_steps() -> None:
    """Four steps, five entries; each step runs once."""
    entries, runs = [], []

    async def note(actx: ds.ActivityContext, number: int) -> None:
        runs.append(number)

    async def code(ctx: Any, step: Any) -> None:
        entries.append(ctx.attempt)
        for number in range(4):
            await step.run(f"step {number}", note, number)

    Played(idiom(code)).run()
    assert entries == [0] * 5 and runs == [0, 1, 2, 3]


def test_code_that_swallows_the_end_of_a_call_ends_the_run() -> None:
    """A bare `except` catches what the Python SDK throws; what the function then returns is taken for its result."""

    async def code(ctx: Any, step: Any) -> str:
        try:
            await step.run("one", nothing)
        except BaseException:
            return "swallowed"
        return "fine"

    assert Played(idiom(code), sdk="python").run().one.result == "swallowed"
    assert Played(idiom(code), sdk="js").run().one.result == "fine"


def test_a_final_error_in_a_step_is_seen_by_the_function_only_with_the_js_sdk() -> None:
    """With Python the run fails at once and the failure handler is called; with JS the function compensates."""
    seen: list[str] = []

    async def fatal(actx: ds.ActivityContext) -> None:
        raise NonRetriableError("no such card")

    async def handler(ctx: Any, step: Any) -> None:
        seen.append(f"handler: {ctx.event.data['error']['message']}")

    @create_function(on_failure=handler)
    async def fulfil(ctx: Any, step: Any) -> str:
        try:
            await step.run("charge", fatal)
        except StepError as error:
            seen.append(f"caught: {error.name}")
            return "compensated"
        return "fine"

    python = Played(idiom(fulfil), sdk="python").run()
    assert python.one.status == "failed" and seen == ["handler: no such card"]
    assert python.one.failure is not None and python.one.failure.type == "NonRetriableError"
    seen.clear()
    js = Played(idiom(fulfil), sdk="js").run()
    assert js.one.result == "compensated" and seen == ["caught: NonRetriableError"]
    assert len(python.calls) == 2 and len(js.calls) == 2


@pytest.mark.parametrize("sdk", SDKS)
def test_a_step_is_tried_five_times_and_its_error_is_remembered(sdk: str) -> None:
    """Four retries come after the first attempt; the function then catches the last error, with name and message."""

    async def code(ctx: Any, step: Any) -> str:
        try:
            await step.run("flaky", fails)
        except StepError as error:
            return f"{error.name}: {error}"
        return "fine"

    played = Played(idiom(code), sdk=sdk).run()
    assert played.one.result == "RuntimeError: boom"
    assert [call.call.attempt for call in played.calls] == [0, 1, 2, 3, 4, 0]
    assert [call.did for call in played.calls[:5]] == [[("StepError", "flaky")]] * 4 + [[("StepFailed", "flaky")]]


def test_the_attempts_come_at_the_intervals_of_the_table() -> None:
    """Each delay lies between the table's wait and 30 s more, in whole milliseconds; no two are the same."""
    retries = 12

    async def code(ctx: Any, step: Any) -> None:
        await step.run("flaky", fails)

    begun = Played(idiom(create_function(retries=retries)(code))).run().of_kind("backoff_begun")
    delays = [record.data["delay_us"] for record in begun]
    table = [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]
    assert len(delays) == retries == len(set(delays))
    assert all(wait <= delay / 1_000_000 < wait + 30 for wait, delay in zip(table, delays, strict=True))
    assert all(delay % 1000 == 0 for delay in delays)


@pytest.mark.parametrize(("after", "waits_us"), [("60s", 60_000_000), ("10ms", 1_000_000), ("30d", 86_400_000_000)])
@pytest.mark.parametrize("sdk", SDKS)
def test_a_retry_after_is_kept_between_a_second_and_a_day(sdk: str, after: str, waits_us: int) -> None:
    """Under both SDKs the next attempt comes when the error says, within limits."""

    async def later(actx: ds.ActivityContext) -> str:
        if actx.attempt == 1:
            raise RetryAfterError("busy", after)
        return "done"

    async def code(ctx: Any, step: Any) -> Any:
        return await step.run("later", later)

    played = Played(idiom(code), sdk=sdk).run()
    assert [record.data["delay_us"] for record in played.of_kind("backoff_begun")] == [waits_us]
    assert played.one.result == "done"
    assert played.calls[0].answer is not None
    assert played.calls[0].answer.status == (500 if sdk == "python" else 206)


def test_an_error_outside_steps_makes_the_whole_function_run_again() -> None:
    """Without steps the function is the unit of retry; after the last attempt the run fails."""
    runs: list[int] = []

    async def code(ctx: Any, step: Any) -> None:
        runs.append(ctx.attempt)
        raise RuntimeError("no luck")

    played = Played(idiom(create_function(retries=2)(code))).run()
    assert runs == [0, 1, 2]
    assert played.one.status == "failed" and played.one.failure is not None
    assert played.one.failure.message == "no luck"


def test_an_uncaught_error_of_a_step_fails_the_run_at_once() -> None:
    """The call that raises it is not made again."""

    async def code(ctx: Any, step: Any) -> None:
        await step.run("flaky", fails)

    played = Played(idiom(create_function(retries=0)(code))).run()
    assert [call.answer.status for call in played.calls if call.answer] == [206, 500]
    assert played.one.status == "failed"


def test_a_failure_handler_gets_one_attempt() -> None:
    """It runs once although it fails itself, a call's time after the run has failed."""
    attempts: list[str] = []

    async def handler(ctx: Any, step: Any) -> None:
        attempts.append(ctx.event.data["run_id"])
        raise RuntimeError("the handler fails too")

    @create_function(retries=0, on_failure=handler)
    async def fulfil(ctx: Any, step: Any) -> None:
        raise RuntimeError("boom")

    played = Played(idiom(fulfil)).run()
    assert attempts == ["o-1#1"]
    assert [call.call.function_id for call in played.calls] == ["fulfil", "fulfil-failure"]
    assert 100_000 <= played.calls[1].time_us - (played.one.ended_us or 0) <= 500_000


def test_a_step_inside_a_step_is_refused_and_not_tried_again() -> None:
    """The inner step never runs."""
    ran: list[str] = []

    async def inner(actx: ds.ActivityContext) -> None:
        ran.append("inner")

    async def code(ctx: Any, step: Any) -> None:
        async def outer(actx: ds.ActivityContext) -> None:
            await step.run("inner", inner)

        await step.run("outer", outer)

    played = Played(idiom(code)).run()
    assert played.one.status == "failed" and ran == [] and len(played.calls) == 2


def test_what_a_function_changes_in_a_result_is_gone_at_the_next_entry() -> None:
    """Each entry gets the remembered value again, as it was."""

    async def make(actx: ds.ActivityContext) -> list[int]:
        return [1]

    async def code(ctx: Any, step: Any) -> list[int]:
        numbers: list[int] = await step.run("make", make)
        numbers.append(2)
        await step.run("nothing", nothing)
        return numbers

    assert Played(idiom(code)).run().one.result == [1, 2]


def test_more_than_a_thousand_steps_fail_the_run() -> None:
    """The 1001st result is one too many."""

    async def code(ctx: Any, step: Any) -> None:
        await step.parallel(*(step.sleep("nap", "1s") for _ in range(1001)))

    played = Played(idiom(code)).run()
    assert played.one.failure is not None and played.one.failure.type == "StepLimit"


MIB = 1024 * 1024


def outputs_of(sizes: list[int], **options: Any) -> Played:
    """A function whose steps give so many bytes each, one after the other."""

    async def give(actx: ds.ActivityContext, size: int) -> str:
        return "x" * size

    async def code(ctx: Any, step: Any) -> str:
        for number, size in enumerate(sizes):
            await step.run(f"step {number}", give, size)
        return "done"

    return Played(idiom(code), **options).run()


@pytest.mark.parametrize("options", [{}, {"sdk": "js", "checkpoint_batch": 2}], ids=["a call a step", "checkpoints"])
def test_a_step_that_gives_more_than_four_mebibytes_fails_the_run(options: dict[str, Any]) -> None:
    """The quotes of the text count: two bytes less than the limit are taken, one byte less is not, nor tried again."""
    assert outputs_of([4 * MIB - 2], **options).one.result == "done"
    played = outputs_of([4 * MIB - 1], **options)
    assert played.one.failure is not None and played.one.failure.type == "output_too_large"
    assert played.one.failure.message == "step output size is greater than the limit of 4194304 bytes"
    assert played.of_kind("result_recorded") == []


def test_a_run_that_remembers_more_than_thirty_two_mebibytes_fails() -> None:
    """Eight steps of four MiB fit; one byte more does not."""
    assert outputs_of([4 * MIB - 2] * 8).one.result == "done"
    played = outputs_of([4 * MIB - 2] * 8 + [1])
    assert played.one.failure is not None and played.one.failure.type == "InngestErrStateOverflowed"
    assert "33554432 bytes" in played.one.failure.message
    assert len(played.of_kind("result_recorded")) == 8


def test_a_remark_is_told_once() -> None:
    """The function is entered three times, and comes to its remark in each; the trace has it once."""

    async def code(ctx: Any, step: Any) -> None:
        step.note("compensation_begun", "refund")
        await step.run("one", nothing)
        step.note("compensation_ended", "refund")
        await step.run("two", nothing)

    played = Played(idiom(code)).run()
    kinds = [record.kind for record in played.of_kind("compensation_begun", "compensation_ended")]
    assert kinds == ["compensation_begun", "compensation_ended"]


def test_errors_survive_pickling() -> None:
    """Name, message and time span come back."""
    step = pickle.loads(pickle.dumps(StepError("Boom", "bang")))
    assert (step.name, step.message, str(step)) == ("Boom", "bang", "bang")
    for error in (NonRetriableError("no"), RetryAfterError("busy", "3s"), NestedStepError()):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error)
    assert pickle.loads(pickle.dumps(RetryAfterError("busy", "3s"))).next_retry_delay == "3s"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"retries": 21}, "retries"),
        ({"sdk": "go"}, "sdk"),
        ({"checkpoint_batch": 3}, "checkpoint_batch"),
        ({"sdk": "js", "checkpoint_batch": 0}, "checkpoint_batch"),
        ({"lose_answer": 2}, "lose_answer"),
        ({"overhead": ("1s", "2s", "3s")}, "overhead"),
        ({"transport": "pigeon"}, "transport"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], word: str) -> None:
    """The message names the option, what was found and what is expected."""

    async def code(ctx: Any, step: Any) -> None: ...

    with pytest.raises(UserError, match=rf"{word} is .*, expected"):
        Played(idiom(code), **options)


def test_a_function_that_is_not_async_or_retries_too_often_is_refused() -> None:
    """Mistakes are told where the function is made."""
    with pytest.raises(UserError, match="not async"):
        create_function(id="x")(lambda ctx, step: None)  # type: ignore[arg-type, return-value]

    async def code(ctx: Any, step: Any) -> None: ...

    with pytest.raises(UserError, match="retries is 21, expected 0 to 20"):
        create_function(retries=21)(code)
