"""One entry of a function's body, without a clock: what is told again, in which order, and what is new."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.models.steps.answers import Sdk, next_move
from durable_sim.models.steps.entry import Entry, Found
from durable_sim.models.steps.function import as_function
from durable_sim.models.steps.protocol import STEP_PLANNED, STEP_RUN, Call, Event, Memo, Op, StepFailure
from durable_sim.models.steps.step_ids import StepIds, hashed_id
from durable_sim.models.steps.tools import IdiomBody, StepContext
from tests.models.steps.scenes import Played, idiom

A, B = hashed_id("a"), hashed_id("b")


async def act(actx: Any) -> None:
    """A step."""


def entered(code: Any, **call: Any) -> tuple[Entry, list[Found], Call]:
    """A function's body, run as far as memory reaches."""
    made = Call("f", "r-1", Event("go"), **call)
    body = IdiomBody(as_function(code), StepContext(made.event, "r-1", 0))
    body.start()
    entry = Entry(made, body)
    return entry, entry.advance(), made


@pytest.mark.parametrize("stack", [(A, B), (B, A)])
def test_remembered_steps_are_told_in_the_order_in_which_they_were_done(stack: tuple[str, ...]) -> None:
    """Two branches go on in the order of the stack, not in that of the code."""
    order: list[str] = []

    async def code(ctx: Any, step: Any) -> None:
        async def branch(name: str) -> None:
            await step.run(name, act)
            order.append(hashed_id(name))

        await step.parallel(branch("a"), branch("b"))

    entered(code, memo={A: Memo(), B: Memo()}, stack=stack)
    assert order == list(stack)


def test_a_remembered_error_is_raised_and_an_unknown_entry_is_ignored() -> None:
    """The function catches the error by its message; what it does not ask for does not disturb it."""

    async def code(ctx: Any, step: Any) -> str:
        try:
            await step.run("a", act)
        except Exception as error:
            return str(error)
        return "fine"

    memo = {"unknown": Memo(1), A: Memo(error=StepFailure("Error", "boom"))}
    entry, new, _ = entered(code, memo=memo, stack=("unknown", A))
    assert new == [] and entry.program.main is not None and entry.program.main.result() == "boom"


@pytest.mark.parametrize(
    ("sdk", "flag", "in_group", "runs"),
    [
        ("python", False, False, True),
        ("python", False, True, False),
        ("python", True, False, False),
        ("js", False, True, True),
        ("js", True, False, False),
    ],
)
def test_one_new_step_runs_at_once_or_is_planned(sdk: Any, flag: bool, in_group: bool, runs: bool) -> None:
    """It is planned where immediate execution is off, and in Python where it stands in a group."""

    async def code(ctx: Any, step: Any) -> None:
        await (step.parallel(step.run("a", act)) if in_group else step.run("a", act))

    _, new, call = entered(code, disable_immediate_execution=flag)
    move = next_move(call, Sdk(sdk), new)
    assert isinstance(move, Found) == runs
    assert runs or [op.op for op in move or () if isinstance(op, Op)] == [STEP_PLANNED]


def test_a_targeted_call_runs_its_step_only() -> None:
    """Of two new steps the one that is meant is run, and none where it is not there."""

    async def code(ctx: Any, step: Any) -> None:
        await step.parallel(step.run("a", act), step.run("b", act))

    _, new, call = entered(code, target=B)
    move = next_move(call, Sdk(), new)
    assert isinstance(move, Found) and move.asked.name == "b"
    _, new, call = entered(code, target="nobody")
    assert next_move(call, Sdk(), new) is None


def test_the_ids_of_repeats() -> None:
    """The first use is the name's own hash, the next are numbered from 1."""
    ids = StepIds()
    assert [ids.next("same") for _ in range(3)] == [
        (hashed_id("same"), None),
        (hashed_id("same:1"), 1),
        (hashed_id("same:2"), 2),
    ]


def test_the_first_result_of_a_step_counts() -> None:
    """A result that comes after another one of the same step is refused."""

    async def slow(actx: Any) -> str:
        await actx.sleep("10s")
        return "second"

    async def code(ctx: Any, step: Any) -> Any:
        return await step.run("slow", slow)

    played = Played(idiom(code)).until("5s")
    (run,) = played.model.platform.runs_of(played.one)
    played.model.platform.checkpointed(run.items[0], (Op(STEP_RUN, hashed_id("slow"), "slow", data="first"),))
    played.run()
    assert played.one.result == "first" and len(played.of_kind("result_refused")) == 1
