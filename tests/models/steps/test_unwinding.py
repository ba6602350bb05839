"""Code that unwinds: steps where it does, errors that it catches. Recorded in tests/conformance/inngest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.steps.errors import NonRetriableError, RetryAfterError, StepError
from durable_sim.models.steps.function import create_function
from durable_sim.views.work import attempts_in
from tests.models.steps.scenes import Played, idiom

Code = Callable[..., Any]


class Diary:
    """Notes which steps have run, and fails those that it is told to."""

    def __init__(self, error: Exception | None = None, of: str = "ship", times: int = 1 << 60) -> None:
        self.ran: list[str] = []
        self._error, self._of, self._left = error, of, times

    async def act(self, actx: ds.ActivityContext, name: str) -> str:
        """A step."""
        self.ran.append(name)
        if self._error is not None and name == self._of and self._left > 0:
            self._left -= 1
            raise self._error
        return name


def in_finally(diary: Diary) -> Code:
    """Charges and ships; releases in a `finally`."""

    async def code(ctx: Any, step: Any) -> str:
        try:
            await step.run("charge", diary.act, "charge")
            await step.run("ship", diary.act, "ship")
        finally:
            await step.run("release", diary.act, "release")
        return "ok"

    return code


def in_bare_except(diary: Diary) -> Code:
    """Charges and ships; refunds in a bare `except`."""

    async def code(ctx: Any, step: Any) -> str:
        try:
            await step.run("charge", diary.act, "charge")
            await step.run("ship", diary.act, "ship")
        except:
            await step.run("release", diary.act, "release")
            raise
        return "ok"

    return code


def in_exit(diary: Diary) -> Code:
    """Charges and ships while something is held; lets go of it in an `__aexit__`."""

    async def code(ctx: Any, step: Any) -> str:
        @asynccontextmanager
        async def held() -> AsyncIterator[None]:
            try:
                yield
            finally:
                await step.run("release", diary.act, "release")

        async with held():
            await step.run("charge", diary.act, "charge")
            await step.run("ship", diary.act, "ship")
        return "ok"

    return code


@pytest.mark.parametrize("write", [in_finally, in_bare_except, in_exit])
def test_a_step_that_unwinding_code_asks_for_runs_at_once_and_the_one_before_it_again(write: Any) -> None:
    """With the Python SDK nothing goes wrong and yet the charge is made twice: its first result was lost."""
    diary = Diary()
    played = Played(idiom(write(diary)), sdk="python").run()
    assert played.one.result == "ok"
    assert diary.ran == ["charge", "release", "charge", "ship"]
    assert [call.did for call in played.calls] == [
        [("StepRun", "release")],
        [("StepRun", "charge")],
        [("StepRun", "ship")],
        [],
    ]


@pytest.mark.parametrize(
    ("write", "ran"), [(in_finally, ["charge", "ship", "release"]), (in_bare_except, ["charge", "ship"])]
)
def test_with_the_js_sdk_unwinding_code_runs_when_the_function_ends(write: Any, ran: list[str]) -> None:
    """Each step runs once, in the order of the code."""
    diary = Diary()
    Played(idiom(write(diary)), sdk="js").run()
    assert diary.ran == ran


def test_a_lost_result_is_told_as_lost() -> None:
    """The trace says which result the SDK dropped; no attempt looks as if it ran for ever."""
    played = Played(idiom(in_finally(Diary()))).run()
    (lost,) = played.of_kind("result_refused")
    assert (lost.subject, lost.data) == ("charge", {"lost": True})
    outcomes = [(one.activity, one.outcome) for one in attempts_in(played.world.trace)]
    assert outcomes == [("charge", "refused"), ("release", "completed"), ("charge", "completed"), ("ship", "completed")]
    assert "charge: its result is lost, the code went on" in played.judged().story()


def test_code_that_goes_on_for_ever_never_answers() -> None:
    """A loop around a bare `except` never lets the call end: the platform gives it up after its time-out."""

    over: list[bool] = []  # else the loop would go on when Python closes the code

    async def code(ctx: Any, step: Any) -> None:
        while not over:
            try:
                await step.sleep("nap", "1s")
            except BaseException:
                continue

    played = Played(idiom(create_function(retries=0)(code)), call_timeout="1h").run()
    over.append(True)
    assert played.one.status == "failed" and [call.answer for call in played.calls] == [None]


# --- errors that say what is to become of retries ---------------------------------------------------------------------
def catches(diary: Diary, caught: Any = Exception) -> Code:
    """Charges and ships; what it catches from shipping makes it refund and release."""

    async def code(ctx: Any, step: Any) -> str:
        await step.run("charge", diary.act, "charge")
        try:
            await step.run("ship", diary.act, "ship")
        except caught as error:
            await step.run("refund", diary.act, "refund")
            await step.run("release", diary.act, "release")
            return f"compensated: {type(error).__name__}"
        return "shipped"

    return code


@pytest.mark.parametrize("error", [NonRetriableError("no"), RetryAfterError("later", "1m")])
def test_an_error_about_retries_can_be_caught_and_is_not_remembered(error: Exception) -> None:
    """With the Python SDK the step that failed runs again at every entry of a function that compensates for it."""
    diary = Diary(error)
    played = Played(idiom(catches(diary)), sdk="python").run()
    assert played.one.result == f"compensated: {type(error).__name__}"
    assert diary.ran == ["charge", "ship", "refund", "ship", "release", "ship"]


def test_a_step_that_was_compensated_for_may_succeed_after_all() -> None:
    """Refunded, and then shipped: at the next entry the refused step succeeds, and the rest is never undone."""
    diary = Diary(NonRetriableError("no"), times=1)
    played = Played(idiom(catches(diary)), sdk="python").run()
    assert played.one.result == "shipped" and diary.ran == ["charge", "ship", "refund", "ship"]


def test_user_code_catches_the_very_error_that_its_step_has_raised() -> None:
    """A class of one's own can be told apart where it is caught."""

    class CardDeclined(NonRetriableError):
        pass

    diary = Diary(CardDeclined("no funds"))
    assert Played(idiom(catches(diary, CardDeclined))).run().one.result == "compensated: CardDeclined"


def test_an_except_clause_for_step_errors_does_not_see_it() -> None:
    """`except StepError` is not enough: the run fails at once, and nothing is undone."""
    diary = Diary(NonRetriableError("no"))
    played = Played(idiom(catches(diary, StepError)), sdk="python").run()
    assert played.one.status == "failed" and diary.ran == ["charge", "ship"]


# --- what is told of them ---------------------------------------------------------------------------------------------
def test_an_error_that_bubbles_is_an_attempt_that_has_failed_and_is_tried_again() -> None:
    """The back-off belongs to the step: two attempts, one failed and one completed, and nothing left that waits."""
    diary = Diary(RetryAfterError("later", "1m"), times=1)
    played = Played(idiom(catches(diary, StepError))).run()
    ships = [one for one in attempts_in(played.world.trace) if one.activity == "ship"]
    assert [(one.attempt, one.outcome) for one in ships] == [(1, "failed"), (2, "completed")]
    assert [record.subject for record in played.of_kind("backoff_begun", "backoff_ended")] == ["ship", "ship"]
    assert {one.activity for one in attempts_in(played.world.trace)} == {"charge", "ship"}


@pytest.mark.parametrize("error", [NonRetriableError("no"), RetryAfterError("later", "1m")])
def test_an_error_that_bubbles_leaves_the_worker_as_a_report(error: Exception) -> None:
    """A crash can be placed right after its answer has left: it changes nothing, as the platform has it."""
    diary = Diary(error, times=1)
    crash = ds.Crash(after="result_reported", of="ship")
    played = Played(idiom(catches(diary, StepError)), faults=[crash]).run()
    assert len(played.of_kind("worker_crashed")) == 1
    assert [call.answer is None for call in played.calls] == [False] * len(played.calls)
    reported = [record for record in played.of_kind("result_reported") if record.subject == "ship"]
    assert reported[0].data is not None and reported[0].data["failure"]["message"] == str(error).partition(": ")[2]


def test_a_function_that_is_tried_again_outside_of_its_steps_is_no_attempt_of_a_step() -> None:
    """Only steps have attempts: a call of the whole function that fails adds none."""

    async def code(ctx: Any, step: Any) -> None:
        if ctx.attempt == 0:
            raise RuntimeError("boom")

    played = Played(idiom(code)).run()
    assert played.one.status == "completed" and len(played.of_kind("backoff_ended")) == 1
    assert attempts_in(played.world.trace) == []


def test_an_error_that_was_caught_is_told_as_lost() -> None:
    """The failures of the refused step that the function has caught are no attempts that still run."""
    played = Played(idiom(catches(Diary(NonRetriableError("no"))))).run()
    ships = [one for one in attempts_in(played.world.trace) if one.activity == "ship"]
    assert [one.outcome for one in ships] == ["refused"] * 3
