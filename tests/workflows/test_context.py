"""Contexts: what workflow and activity code is given, and the commands that it makes of calls."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable_sim.errors import DurationError, UserError
from durable_sim.randomness import Randomness
from durable_sim.workflows.commands import ActivityOptions, CallService, ScheduleActivity, Sleep, StartTimer
from durable_sim.workflows.activity_context import ActivityContext, ActivityInfo
from durable_sim.workflows.context import WorkflowContext, WorkflowInfo
from durable_sim.workflows.definitions import activity, definition_of, name_of, workflow
from durable_sim.workflows.program import Note, Program
from durable_sim.workflows.retry import DEFAULT_RETRY_POLICY, RetryPolicy


def info(run_id: str = "o-1/1") -> WorkflowInfo:
    """Which run it is; its random numbers belong to the run."""

    def stream() -> random.Random:
        return Randomness(1).stream("workflow", run_id)

    return WorkflowInfo("o-1", run_id, "fulfill", stream)


def workflow_context(run_id: str = "o-1/1") -> tuple[Program, WorkflowContext]:
    """A context and its program."""
    program = Program()
    return program, WorkflowContext(program, info(run_id))


def activity_context(
    attempt: int = 1, step: int = 3, run_id: str = "o-1/1"
) -> tuple[Program, ActivityContext, list[tuple[Any, ...]]]:
    """A context, its program and the heartbeats told."""
    program, beats = Program(), list[tuple[Any, ...]]()
    known = ActivityInfo("o-1", run_id, "charge_card", step, attempt, ("page", 4))
    return program, ActivityContext(program, known, beats.append), beats


@activity
async def charge_card(ctx: ActivityContext, order: dict[str, Any]) -> str:
    """An activity."""
    return "ch_1"


async def plain(ctx: ActivityContext) -> None:
    """An activity without a decorator."""


def test_execute_activity_is_a_command_with_its_time_outs_in_microseconds() -> None:
    """What is not given is None; without a policy the default one holds."""
    program, ctx = workflow_context()
    ctx.execute_activity(charge_card, {"total": 40}, start_to_close_timeout="30s")
    policy = RetryPolicy(maximum_attempts=3)
    ctx.execute_activity(
        plain, schedule_to_close_timeout="1h", heartbeat_timeout=timedelta(seconds=5), retry_policy=policy
    )
    assert program.take_issued() == [
        ScheduleActivity(
            1,
            "charge_card",
            charge_card,
            ({"total": 40},),
            ActivityOptions(30_000_000, None, None, DEFAULT_RETRY_POLICY),
            id="1",
        ),
        ScheduleActivity(2, "plain", plain, (), ActivityOptions(None, 3_600_000_000, 5_000_000, policy), id="2"),
    ]


def test_an_activity_gets_the_arguments_as_they_were_at_the_call() -> None:
    """What the workflow changes later does not reach the command."""
    program, ctx = workflow_context()
    order = {"items": ["book"]}
    ctx.execute_activity(charge_card, order, start_to_close_timeout="30s")
    order["items"].append("pen")
    (command,) = program.take_issued()
    assert isinstance(command, ScheduleActivity)
    assert command.arguments == ({"items": ["book"]},)


def test_an_activity_without_a_time_out_is_refused() -> None:
    """The message names the activity and the two time-outs of which one is needed; no step is used up."""
    program, ctx = workflow_context()
    with pytest.raises(UserError) as caught:
        ctx.execute_activity(charge_card, {}, heartbeat_timeout="5s")
    expected = "execute_activity(charge_card): give start_to_close_timeout or schedule_to_close_timeout"
    assert str(caught.value) == expected
    assert (program.take_issued(), program.next_step()) == ([], 1)


def test_what_is_not_an_async_function_is_refused_as_an_activity() -> None:
    """The message shows how to define one."""

    def charge(ctx: ActivityContext) -> None:
        """Not async."""

    _, ctx = workflow_context()
    with pytest.raises(UserError, match="is not an async function; define it with 'async def name"):
        ctx.execute_activity(charge, start_to_close_timeout="1s")  # type: ignore[arg-type]


def test_an_argument_that_no_history_could_keep_is_refused_at_the_call() -> None:
    """The message names the activity."""
    program, ctx = workflow_context()
    with pytest.raises(UserError, match=r"^argument of charge_card is a object: expected JSON-like data"):
        ctx.execute_activity(charge_card, object(), start_to_close_timeout="1s")
    assert program.take_issued() == []


def test_sleep_is_a_timer_in_a_workflow_and_a_pause_in_an_activity() -> None:
    """A workflow's timer outlives the process, an activity's sleep does not: two commands."""
    program, ctx = workflow_context()
    ctx.sleep("24h")
    assert program.take_issued() == [StartTimer(1, 86_400_000_000, "1")]
    program, activity_ctx, _ = activity_context()
    activity_ctx.sleep("1s")
    assert program.take_issued() == [Sleep(1, 1_000_000)]


def test_a_bad_duration_is_refused_at_the_call() -> None:
    """Nobody can tell the unit of a bare number."""
    _, ctx = workflow_context()
    with pytest.raises(DurationError):
        ctx.sleep(24)  # type: ignore[arg-type]
    with pytest.raises(DurationError):
        ctx.execute_activity(charge_card, {}, start_to_close_timeout=30)  # type: ignore[arg-type]


def test_random_numbers_and_ids_are_the_runs_own() -> None:
    """A replay of the run draws the same ones, another run others."""

    def draws(run_id: str) -> list[Any]:
        _, ctx = workflow_context(run_id)
        return [ctx.uuid4(), ctx.random.random(), ctx.uuid4()]

    assert draws("o-1/1") == draws("o-1/1")
    assert draws("o-1/1") != draws("o-1/2")
    first, _, second = draws("o-1/1")
    assert first != second and first.version == 4


def test_now_is_the_time_at_which_the_code_was_given_something_to_do() -> None:
    """Counted from the moment at which every simulation starts; the clock stands still in between."""
    program, ctx = workflow_context()
    assert ctx.now() == datetime(2026, 1, 1, tzinfo=UTC)
    program.now_us = 90_000_001
    assert ctx.now() == datetime(2026, 1, 1, 0, 1, 30, 1, tzinfo=UTC)


def test_a_note_is_left_for_the_trace() -> None:
    """It is no command and takes no step."""
    program, ctx = workflow_context()
    ctx.note("compensation_begun", "refund")
    assert program.take_notes() == [Note("compensation_begun", "refund")]
    assert (program.take_issued(), program.next_step()) == ([], 1)


def test_a_workflow_knows_its_ids() -> None:
    """The execution's stays over reruns, the run's does not."""
    _, ctx = workflow_context("o-1/2")
    assert (ctx.workflow_id, ctx.run_id) == ("o-1", "o-1/2")


def test_an_idempotency_key_is_the_same_for_all_attempts_of_a_step() -> None:
    """And another for another step and for another run."""

    def key(**given: Any) -> str:
        return activity_context(**given)[1].idempotency_key

    assert key(attempt=1) == key(attempt=2) == key(attempt=99)
    assert len({key(), key(step=4), key(run_id="o-1/2"), key(run_id="o-1/2", step=4)}) == 4


def test_an_activity_knows_its_attempt_and_what_the_last_one_told() -> None:
    """Number, ids and heartbeat details."""
    _, ctx, _ = activity_context(attempt=2)
    assert (ctx.attempt, ctx.workflow_id, ctx.run_id) == (2, "o-1", "o-1/1")
    assert ctx.heartbeat_details == ("page", 4)


def test_a_heartbeat_tells_its_details_as_they_are_now() -> None:
    """A copy is told, and nothing that could not be kept."""
    _, ctx, beats = activity_context()
    done = [1]
    ctx.heartbeat("page", done)
    done.append(2)
    ctx.heartbeat()
    assert beats == [("page", [1]), ()]
    with pytest.raises(UserError, match=r"^heartbeat detail is a object"):
        ctx.heartbeat(object())


def test_a_dead_attempt_does_not_beat() -> None:
    """After a crash nobody hears it."""
    program, ctx, beats = activity_context()
    program.dead = True
    ctx.heartbeat("still here")
    assert beats == []


def test_a_service_call_is_a_command() -> None:
    """Service, operation, arguments and options, each a copy."""
    program, ctx, _ = activity_context()
    items = ["book"]
    ctx.service("shipping").schedule("o-1", items, reference="r", idempotency_key=ctx.idempotency_key)
    items.append("pen")
    options = {"reference": "r", "idempotency_key": "o-1/1/3"}
    assert program.take_issued() == [CallService(1, "shipping", "schedule", ("o-1", ["book"]), options)]


def test_an_activity_gathers_several_calls() -> None:
    """Both are on their way at once, results in the order given."""
    program, ctx, _ = activity_context()

    async def body() -> list[Any]:
        email = ctx.service("email")
        return await ctx.gather(email.send("a", "hello"), email.send("b", "hello"))

    program.start(body())
    program.advance()
    assert [command.step for command in program.take_issued()] == [1, 2]
    program.settle(2, "second")
    program.settle(1, "first")
    program.advance()
    assert program.main is not None
    assert program.main.result() == ["first", "second"]


def test_a_decorator_is_optional_and_may_name() -> None:
    """A plain function is known by its own name."""

    @workflow(name="fulfil")
    async def fulfil_v2(ctx: WorkflowContext) -> None:
        """Another version of the same workflow."""

    assert definition_of(fulfil_v2).name == "fulfil"
    assert definition_of(fulfil_v2).function is fulfil_v2
    assert (name_of(plain, "activity"), name_of(charge_card, "activity")) == ("plain", "charge_card")


def test_a_decorator_refuses_what_is_not_async() -> None:
    """At the definition, not in the middle of a run."""
    with pytest.raises(UserError, match=r"^@workflow on .* expected an async function"):

        @workflow
        def fulfill(ctx: WorkflowContext) -> None:
            """Not async."""
