"""Several steps in one call: faster, and what was not reported is lost in a crash."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.steps.errors import NonRetriableError, StepError
from tests.models.steps.scenes import Played, idiom


class Counting:
    """A function of six steps, and which of them have run."""

    def __init__(self) -> None:
        self.ran: list[int] = []

    async def act(self, actx: ds.ActivityContext, number: int) -> int:
        """A step of a second."""
        await actx.sleep("1s")
        self.ran.append(number)
        return number

    async def code(self, ctx: Any, step: Any) -> list[int]:
        """Six steps, one after the other."""
        return [await step.run(f"step {number}", self.act, number) for number in range(6)]


def played(batch: int | None, *faults: Any, **options: Any) -> tuple[Played, list[int]]:
    """A run of six steps, and what ran in it."""
    counting = Counting()
    return Played(idiom(counting.code), faults=faults, sdk="js", checkpoint_batch=batch, **options).run(), counting.ran


@pytest.mark.parametrize(("batch", "calls"), [(None, 7), (1, 1), (3, 1), (1000, 1)])
def test_with_checkpoints_one_call_does_it_all(batch: int | None, calls: int) -> None:
    """Six steps take seven calls without checkpoints and one with them, and less time."""
    found, ran = played(batch)
    assert found.one.result == ran == [0, 1, 2, 3, 4, 5]
    assert len(found.calls) == calls
    overhead_us = (found.one.ended_us or 0) - 6_000_000
    assert overhead_us > 700_000 if batch is None else overhead_us <= 500_000 + 6 * 20_000


@pytest.mark.parametrize(("batch", "again"), [(1, []), (2, [4]), (3, [3, 4]), (1000, [0, 1, 2, 3, 4])])
def test_a_crash_loses_what_was_not_reported(batch: int, again: list[int]) -> None:
    """A crash in the sixth step runs those finished steps again that were still in the buffer: up to the batch."""
    found, ran = played(batch, ds.Crash(after="task_started", nth=6))
    assert found.one.result == [0, 1, 2, 3, 4, 5]
    assert ran == [0, 1, 2, 3, 4, *again, 5]
    assert len(again) < batch


def test_without_checkpoints_a_crash_loses_only_the_step_under_way() -> None:
    """Nothing that is finished runs again."""
    _, ran = played(None, ds.Crash(after="task_started", nth=6))
    assert ran == [0, 1, 2, 3, 4, 5]


def test_what_cannot_be_done_in_place_is_answered_with_the_buffer() -> None:
    """A sleep, a retry and several steps at once end the call; what was finished goes with the answer."""
    attempts: list[int] = []

    async def flaky(actx: ds.ActivityContext) -> None:
        attempts.append(actx.attempt)
        if len(attempts) < 3:
            raise RuntimeError("boom")

    counting = Counting()

    async def code(ctx: Any, step: Any) -> list[int]:
        first = await step.run("first", counting.act, 1)
        await step.sleep("nap", "1m")
        second = await step.run("second", counting.act, 2)
        await step.run("flaky", flaky)
        both = await step.parallel(step.run("a", counting.act, 3), step.run("b", counting.act, 4))
        return [first, second, *both]

    found = Played(idiom(code), sdk="js", checkpoint_batch=1000).run()
    assert found.one.result == [1, 2, 3, 4] and sorted(counting.ran) == [1, 2, 3, 4]
    assert attempts == [1, 2, 3]
    assert found.calls[0].did == [("StepRun", "first"), ("Sleep", "nap")]
    assert found.calls[1].did == [("StepRun", "second"), ("StepError", "flaky")]


def test_a_final_error_is_handled_in_place() -> None:
    """The function catches it within the same call."""

    async def fatal(actx: ds.ActivityContext) -> None:
        raise NonRetriableError("no")

    async def code(ctx: Any, step: Any) -> str:
        try:
            await step.run("fatal", fatal)
        except StepError as error:
            return f"caught {error}"
        return "fine"

    found = Played(idiom(code), sdk="js", checkpoint_batch=1).run()
    assert found.one.result == "caught no" and len(found.calls) == 1


def test_many_instant_steps_in_one_call() -> None:
    """Nine hundred steps that take no time do not run into Python's limit of nested calls."""

    async def instant(actx: ds.ActivityContext) -> None: ...

    async def code(ctx: Any, step: Any) -> int:
        for _ in range(900):
            await step.run("instant", instant)
        return 900

    assert Played(idiom(code), sdk="js", checkpoint_batch=1000).run().one.result == 900


@pytest.mark.parametrize("batch", [1, 1000])
def test_each_step_of_a_call_has_attempts_of_its_own(batch: int) -> None:
    """With one retry, two steps of one call may each fail once: the second one's attempts begin anew."""
    attempts: dict[str, list[int]] = {"one": [], "two": []}

    async def flaky(actx: ds.ActivityContext, name: str) -> None:
        attempts[name].append(actx.attempt)
        if len(attempts[name]) == 1:
            raise RuntimeError("boom")

    async def code(ctx: Any, step: Any) -> None:
        await step.run("one", flaky, "one")
        await step.run("two", flaky, "two")

    found = Played(idiom(code), sdk="js", checkpoint_batch=batch, retries=1).run()
    assert found.one.status == "completed"
    assert attempts == {"one": [1, 2], "two": [1, 2]}


def test_a_crash_after_a_report_is_the_next_steps_first_failure() -> None:
    """With one retry, a step that failed once is reported, and the crash in the step after it is still made good."""
    attempts: list[int] = []

    async def flaky(actx: ds.ActivityContext) -> None:
        attempts.append(actx.attempt)
        if len(attempts) == 1:
            raise RuntimeError("boom")

    async def pays(actx: ds.ActivityContext) -> None:
        await actx.service("payments").charge("ada", 40)

    async def code(ctx: Any, step: Any) -> None:
        await step.run("flaky", flaky)
        await step.run("pays", pays)

    crash = ds.Crash(after="effect_applied", of="payments.charge")
    found = Played(idiom(code), faults=[crash], sdk="js", checkpoint_batch=1, retries=1).run()
    assert found.one.status == "completed" and attempts == [1, 2]
    assert found.effects == ["payments.charge"] * 2
