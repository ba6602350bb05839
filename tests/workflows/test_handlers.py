"""Handlers: signals that come early, updates that are let in or refused, queries that only look."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

import pytest

from durable_sim.workflows.commands import (
    AcceptUpdate,
    CompleteUpdate,
    RejectUpdate,
    ScheduleActivity,
    StartTimer,
)
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.failures import ApplicationError, Failure
from durable_sim.workflows.handlers import QueryFailed, UpdateRequest
from tests.workflows.driving import Driven, charge


async def waits(ctx: WorkflowContext) -> None:
    """A workflow that waits for something that never comes."""
    await ctx.wait_condition(lambda: False)


@pytest.fixture
def driven() -> Driven:
    """A run that waits."""
    return Driven(waits)


def ask(driven: Driven, name: str, *arguments: Any, id: str = "u-1", replayed: bool = False) -> None:
    """Ask for an update."""
    driven.handlers.update(UpdateRequest(id, name, arguments, replayed))
    driven.program.advance()


# --- signals --------------------------------------------------------------------------------------------------------
def test_signals_that_come_before_their_handler_are_handled_when_it_is_set(driven: Driven) -> None:
    """In the order in which they came; those of another name go on waiting."""
    seen: list[Any] = []
    for name, value in (("a", 1), ("b", 2), ("a", 3)):
        driven.signal(name, value)
    driven.ctx.set_signal_handler("a", lambda value: seen.append(("a", value)))
    driven.program.advance()
    assert seen == [("a", 1), ("a", 3)]
    driven.ctx.set_signal_handler("b", lambda value: seen.append(("b", value)))
    driven.signal("a", 4)
    assert seen == [("a", 1), ("a", 3), ("b", 2), ("a", 4)]


def test_the_last_handler_set_is_the_one_that_counts(driven: Driven) -> None:
    """A handler may be replaced."""
    seen: list[str] = []
    driven.ctx.set_signal_handler("a", lambda: seen.append("old"))
    driven.signal("a")
    driven.ctx.set_signal_handler("a", lambda: seen.append("new"))
    driven.signal("a")
    assert seen == ["old", "new"]


def test_a_signal_handler_may_act_and_take_its_time(driven: Driven) -> None:
    """It is a coroutine beside the others; whether any is under way can be asked."""
    ctx, seen = driven.ctx, list[Any]()

    async def handler(value: int) -> None:
        seen.append(await ctx.execute_activity(charge, value, start_to_close_timeout="1s"))

    ctx.set_signal_handler("a", handler)
    assert ctx.all_handlers_finished()
    driven.signal("a", 5)
    (command,) = driven.commands()
    assert isinstance(command, ScheduleActivity) and command.arguments == (5,)
    assert not ctx.all_handlers_finished()
    driven.settle(command.step, "ch_1")
    assert seen == ["ch_1"] and ctx.all_handlers_finished()


def test_a_signal_handler_that_raises_is_the_programs_failure(driven: Driven) -> None:
    """The first one counts: the machinery fails the workflow task for it."""
    driven.ctx.set_signal_handler("a", lambda: 1 / 0)
    driven.ctx.set_signal_handler("b", lambda: {}["b"])
    driven.signal("a")
    driven.signal("b")
    assert isinstance(driven.program.failure, ZeroDivisionError)


# --- updates --------------------------------------------------------------------------------------------------------
def test_an_update_is_accepted_and_completed(driven: Driven) -> None:
    """Both in one task where the handler need not wait, with the result that it returns."""
    driven.ctx.set_update_handler("add", lambda one, other: one + other)
    ask(driven, "add", 2, 3)
    assert driven.commands() == [AcceptUpdate("u-1", "add", (2, 3)), CompleteUpdate("u-1", 5)]


def test_an_updates_commands_come_after_its_acceptance(driven: Driven) -> None:
    """A handler that acts has its commands between the two."""
    ctx = driven.ctx

    async def handler() -> str:
        await ctx.sleep("1s")
        return "done"

    ctx.set_update_handler("slow", handler)
    ask(driven, "slow")
    accepted, timer = driven.commands()
    assert accepted == AcceptUpdate("u-1", "slow", ()) and isinstance(timer, StartTimer)
    driven.settle(timer.step)
    assert driven.commands() == [CompleteUpdate("u-1", "done")]


def test_a_validator_that_raises_refuses_the_update(driven: Driven) -> None:
    """The handler never runs; the failure is what the validator raised."""
    seen: list[int] = []

    def positive(value: int) -> None:
        if value < 0:
            raise ValueError("too small")

    driven.ctx.set_update_handler("set", seen.append, positive)
    ask(driven, "set", -1)
    assert driven.commands() == [RejectUpdate("u-1", Failure("ValueError", "too small"))]
    ask(driven, "set", 1, id="u-2")
    assert [type(command) for command in driven.commands()] == [AcceptUpdate, CompleteUpdate]
    assert seen == [1]


def test_a_replayed_update_is_not_validated_again(driven: Driven) -> None:
    """It was let in; the history says so."""
    driven.ctx.set_update_handler("set", lambda: None, lambda: 1 / 0)
    ask(driven, "set", replayed=True)
    assert driven.commands() == [AcceptUpdate("u-1", "set", ()), CompleteUpdate("u-1", None)]


def test_an_update_that_nobody_handles_is_refused(driven: Driven) -> None:
    """The message names those that there are."""
    driven.ctx.set_update_handler("add", lambda: None)
    ask(driven, "remove")
    (command,) = driven.commands()
    assert isinstance(command, RejectUpdate)
    assert command.failure.message == "Update handler for 'remove' expected but not found, and there are: add"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ApplicationError("no", "Full"), "Full", "no"),
        (CancelledError(), "CancelledFailure", "Cancelled"),
    ],
)
def test_a_failure_of_its_handler_completes_the_update_with_it(
    driven: Driven, error: BaseException, kind: str, message: str
) -> None:
    """A workflow failure or a cancellation goes to who asked; the workflow goes on."""

    async def handler() -> None:
        raise error

    driven.ctx.set_update_handler("fail", handler)
    ask(driven, "fail")
    _, command = driven.commands()
    assert isinstance(command, CompleteUpdate) and command.failure is not None
    assert (command.failure.type, command.failure.message) == (kind, message)
    assert driven.program.failure is None and not driven.main.done


def test_a_mistake_in_an_updates_handler_is_the_programs_failure(driven: Driven) -> None:
    """Any other exception fails the workflow task, and the update is tried again with it."""
    driven.ctx.set_update_handler("fail", lambda: 1 / 0)
    ask(driven, "fail")
    assert isinstance(driven.program.failure, ZeroDivisionError)
    assert not any(isinstance(command, CompleteUpdate) for command in driven.commands())


def test_a_validator_may_only_look(driven: Driven) -> None:
    """A command in it refuses the update; none is issued, and afterwards the program may act again."""
    ctx = driven.ctx
    ctx.set_update_handler("set", lambda: None, lambda: ctx.sleep("1s"))
    ask(driven, "set")
    (command,) = driven.commands()
    assert isinstance(command, RejectUpdate)
    assert command.failure.message.startswith("the validator of update set issued StartTimer")
    ctx.sleep("1s")
    assert len(driven.commands()) == 1


# --- queries --------------------------------------------------------------------------------------------------------
def test_a_query_is_answered_with_a_copy(driven: Driven) -> None:
    """Who asks cannot change the workflow's state through the answer."""
    state = {"items": ["book"]}
    driven.ctx.set_query_handler("state", lambda: state)
    driven.handlers.query("state", ())["items"].append("pen")
    assert driven.handlers.query("state", ()) == {"items": ["book"]}
    assert driven.commands() == []


def test_a_query_gets_its_arguments(driven: Driven) -> None:
    """By place."""
    driven.ctx.set_query_handler("sum", lambda one, other: one + other)
    assert driven.handlers.query("sum", (1, 2)) == 3


def test_a_query_that_nobody_handles_fails(driven: Driven) -> None:
    """The message names those that there are."""
    driven.ctx.set_query_handler("state", lambda: None)
    with pytest.raises(QueryFailed, match=r"'stat' expected but not found, known queries: \['state'\]"):
        driven.handlers.query("stat", ())


def test_a_query_whose_handler_raises_fails_and_nothing_else_does(driven: Driven) -> None:
    """The text has type and message of the error; the program has no failure."""
    driven.ctx.set_query_handler("state", lambda: {}["x"])
    with pytest.raises(QueryFailed, match="KeyError: 'x'"):
        driven.handlers.query("state", ())
    assert driven.program.failure is None


@pytest.mark.parametrize(
    "act",
    [
        lambda ctx: ctx.sleep("1s"),
        lambda ctx: ctx.execute_activity(charge, start_to_close_timeout="1s"),
        lambda ctx: ctx.start_child_workflow("other", id="c-1"),
        lambda ctx: ctx.external_workflow("o-2").signal("a"),
        lambda ctx: ctx.upsert_memo({"a": 1}),
        lambda ctx: ctx.patched("p"),
        lambda ctx: ctx.side_effect(lambda: 1),
    ],
    ids=["sleep", "activity", "child", "signal", "memo", "patched", "side effect"],
)
def test_a_query_may_only_look(driven: Driven, act: Any) -> None:
    """Whatever would leave a command behind fails the query, and leaves none."""
    driven.ctx.set_query_handler("state", lambda: act(driven.ctx))
    with pytest.raises(QueryFailed, match="the handler of query state issued"):
        driven.handlers.query("state", ())
    assert driven.commands() == []
    driven.ctx.sleep("1s")
    assert len(driven.commands()) == 1


def test_an_answer_that_no_message_could_carry_fails_the_query(driven: Driven) -> None:
    """It is named."""
    driven.ctx.set_query_handler("state", lambda: object())
    with pytest.raises(QueryFailed, match="answer to query state is a object"):
        driven.handlers.query("state", ())
