"""Contexts: what workflow and activity code is given, and the commands that it makes of calls."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable_sim.errors import DurationError, UserError
from durable_sim.workflows.activity_context import ActivityContext, ActivityInfo
from durable_sim.workflows.commands import (
    ActivityOptions,
    CallService,
    CancelTimer,
    ContinueAsNew,
    RequestCancelActivity,
    ScheduleActivity,
    ScheduleLocalActivity,
    Sleep,
    StartTimer,
    UpsertMemo,
    UpsertSearchAttributes,
)
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, definition_of, name_of, workflow
from durable_sim.workflows.failures import ActivityError, CancelledFailure
from durable_sim.workflows.handles import LocalBackoff
from durable_sim.workflows.program import ContinueRun, Note, Program
from durable_sim.workflows.retry import DEFAULT_RETRY_POLICY, RetryPolicy
from tests.workflows.driving import Driven, info


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


# --- waiting and giving up ------------------------------------------------------------------------------------------
def test_a_timer_that_is_called_off_in_its_own_task_leaves_nothing() -> None:
    """Started and cancelled before the commands are taken: no command at all."""

    async def main(ctx: WorkflowContext) -> str:
        timer = ctx.sleep("1h")
        timer.cancel()
        try:
            await timer
        except CancelledError:
            return "cancelled"
        return "slept"

    driven = Driven(main)
    assert driven.main.result() == "cancelled"
    assert driven.commands() == []


def test_a_timer_that_is_called_off_later_is_a_command() -> None:
    """It names the timer by its step."""

    async def main(ctx: WorkflowContext) -> None:
        await ctx.sleep("1h")

    driven = Driven(main)
    driven.commands()
    driven.cancel()
    assert driven.commands() == [CancelTimer(2, 1)]
    assert isinstance(driven.main.error, CancelledError)


def one_activity(cancellation_type: Any) -> Driven:
    """A workflow that waits for an activity."""

    async def main(ctx: WorkflowContext) -> Any:
        return await ctx.execute_activity(plain, start_to_close_timeout="1s", cancellation_type=cancellation_type)

    return Driven(main)


@pytest.mark.parametrize("cancellation_type", ["TRY_CANCEL", "WAIT_CANCELLATION_COMPLETED", "ABANDON"])
def test_an_activity_that_is_cancelled_in_its_own_task_leaves_nothing(cancellation_type: str) -> None:
    """Whatever was asked for: it never was scheduled, so that there is nothing to wait for."""
    driven = one_activity(cancellation_type)
    driven.cancel()
    assert driven.commands() == []
    error = driven.main.error
    assert isinstance(error, ActivityError) and isinstance(error.cause, CancelledFailure)


@pytest.mark.parametrize(
    ("cancellation_type", "told", "waits"),
    [("TRY_CANCEL", True, False), ("WAIT_CANCELLATION_COMPLETED", True, True), ("ABANDON", False, False)],
)
def test_three_ways_to_cancel_an_activity(cancellation_type: str, told: bool, waits: bool) -> None:
    """Tell it and go on; tell it and wait; do not even tell it. Going on means an ActivityError for a cancellation."""
    driven = one_activity(cancellation_type)
    driven.commands()
    driven.cancel()
    assert driven.commands() == ([RequestCancelActivity(2, 1)] if told else [])
    assert driven.main.done is not waits
    if waits:
        driven.cancel()
        assert driven.commands() == []  # told once
        driven.settle(1, "done after all")
        assert driven.main.result() == "done after all"
    else:
        error = driven.main.error
        assert isinstance(error, ActivityError) and isinstance(error.cause, CancelledFailure)
        assert (error.activity, error.retry_state) == ("plain", "CANCEL_REQUESTED")


def test_waiting_for_a_condition_needs_no_command() -> None:
    """It goes on when code that ran has made it true."""
    driven = Driven()
    ready: list[int] = []

    async def main() -> str:
        await driven.ctx.wait_condition(lambda: bool(ready))
        return "went on"

    driven.ctx.set_signal_handler("ready", lambda: ready.append(1))
    driven.program.start(main())
    driven.program.advance()
    assert not driven.main.done
    driven.signal("ready")
    assert driven.main.result() == "went on"
    assert driven.commands() == []


@pytest.fixture
def limited() -> Driven:
    """A workflow that waits an hour for a condition."""
    driven = Driven()
    ready: list[int] = []

    async def main() -> str:
        await driven.ctx.wait_condition(lambda: bool(ready), timeout="1h")
        return "in time"

    driven.ctx.set_signal_handler("ready", lambda: ready.append(1))
    driven.program.start(main())
    return driven


def test_a_condition_with_a_limit_has_a_timer(limited: Driven) -> None:
    """If it fires first, the wait raises TimeoutError."""
    limited.program.advance()
    assert limited.commands() == [StartTimer(1, 3_600_000_000, "1")]
    limited.settle(1)
    assert isinstance(limited.main.error, TimeoutError)
    assert limited.commands() == []


def test_a_condition_that_holds_in_time_calls_its_timer_off(limited: Driven) -> None:
    """The real engine writes TimerCanceled for it."""
    limited.program.advance()
    limited.commands()
    limited.signal("ready")
    assert limited.main.result() == "in time"
    assert limited.commands() == [CancelTimer(2, 1)]


def test_a_condition_that_holds_at_once_needs_no_timer(limited: Driven) -> None:
    """Nothing of it is left in the task's commands."""
    limited.handlers.signal("ready", ())
    limited.program.advance()
    assert limited.main.result() == "in time"
    assert limited.commands() == []


def test_a_limit_is_a_timer_that_is_called_off_when_the_block_is_left() -> None:
    """The activity inside had its result in time."""

    async def main(ctx: WorkflowContext) -> Any:
        async with ctx.timeout("5s") as scope:
            got = await ctx.execute_activity(plain, start_to_close_timeout="1s")
        return got, scope.expired

    driven = Driven(main)
    assert [type(command) for command in driven.commands()] == [StartTimer, ScheduleActivity]
    driven.settle(2, "got")
    assert driven.main.result() == ("got", False)
    assert driven.commands() == [CancelTimer(3, 1)]


def test_a_limit_that_is_run_into_cancels_the_activity_inside() -> None:
    """It is told, and TimeoutError comes out of the block."""

    async def main(ctx: WorkflowContext) -> Any:
        scope = ctx.timeout("5s")
        try:
            async with scope:
                await ctx.execute_activity(plain, start_to_close_timeout="1s")
        except (TimeoutError, ActivityError) as error:
            return type(error).__name__, scope.expired

    driven = Driven(main)
    driven.commands()
    driven.settle(1)
    assert driven.commands() == [RequestCancelActivity(3, 2)]
    assert driven.main.result() == ("ActivityError", True)


# --- local activities -----------------------------------------------------------------------------------------------
def test_a_local_activity_is_for_the_worker_and_no_command_of_the_task() -> None:
    """It has a count of its own, its options and the limit beyond which a retry becomes a timer."""

    async def main(ctx: WorkflowContext) -> Any:
        return await ctx.execute_local_activity(
            plain, start_to_close_timeout="1s", retry_policy=policy, local_retry_threshold="7s"
        )

    policy = RetryPolicy(maximum_attempts=3)
    driven = Driven(main)
    (command,) = driven.program.take_local()
    options = ActivityOptions(1_000_000, None, None, policy)
    assert command == ScheduleLocalActivity(1, "plain", plain, (), options, 1, 1, 7_000_000, None)
    driven.settle(1, "done")
    assert driven.main.result() == "done"
    assert driven.commands() == []


def test_a_local_activity_that_backs_off_waits_by_a_timer_of_the_workflow() -> None:
    """The next attempt is another local activity, numbered on, that remembers when the first was scheduled."""

    async def main(ctx: WorkflowContext) -> Any:
        return await ctx.execute_local_activity(plain, schedule_to_close_timeout="1h")

    driven = Driven(main)
    driven.program.take_local()
    driven.settle(1, LocalBackoff(2, 60_000_000, 17))
    (timer,) = driven.commands()
    assert isinstance(timer, StartTimer) and timer.duration_us == 60_000_000
    driven.settle(timer.step)
    (again,) = driven.program.take_local()
    assert (again.seq, again.attempt, again.scheduled_us) == (2, 2, 17)


def test_a_local_activity_without_a_time_out_is_refused() -> None:
    """By name."""
    with pytest.raises(UserError, match=r"execute_local_activity\(plain\): give start_to_close_timeout or"):
        Driven().ctx.execute_local_activity(plain)


# --- the rest -------------------------------------------------------------------------------------------------------
def test_continue_as_new_ends_the_code_with_a_command() -> None:
    """No `except Exception` stops it, `finally` runs, and the command has arguments and options."""
    log: list[str] = []

    async def main(ctx: WorkflowContext) -> None:
        try:
            ctx.continue_as_new({"page": 2}, workflow="other", task_queue="q", run_timeout="1h", task_timeout="5s")
        except Exception:
            log.append("stopped")
        finally:
            log.append("finally")

    driven = Driven(main)
    error = driven.main.error
    assert isinstance(error, ContinueRun)
    assert error.command == ContinueAsNew("other", ({"page": 2},), "q", 3_600_000_000, 5_000_000)
    assert log == ["finally"]


def test_continue_as_new_goes_on_with_the_same_workflow_by_default() -> None:
    """And with a function under its name."""
    for given, name in ((None, None), (plain, "plain")):
        with pytest.raises(ContinueRun) as caught:
            Driven().ctx.continue_as_new(workflow=given)
        assert caught.value.command == ContinueAsNew(name, ())


def test_what_no_history_could_keep_is_refused_by_name() -> None:
    """Arguments of the next run and of a local activity, memo entries, search attributes."""
    ctx = Driven().ctx
    with pytest.raises(UserError, match=r"^argument of continue_as_new is a object"):
        ctx.continue_as_new(object())
    with pytest.raises(UserError, match=r"^argument of plain is a object"):
        ctx.execute_local_activity(plain, object(), start_to_close_timeout="1s")
    with pytest.raises(UserError, match=r"^memo\['a'\] is a object"):
        ctx.upsert_memo({"a": object()})
    with pytest.raises(UserError, match=r"^search attributes\['a'\] is a object"):
        ctx.upsert_search_attributes({"a": object()})
    assert dict(ctx.memo) == dict(ctx.search_attributes) == {}


def test_memo_and_search_attributes_are_those_of_the_start_and_what_was_set_since() -> None:
    """Setting some is a command with the changes only, and is seen at once."""
    driven = Driven(memo={"a": 1}, search_attributes={"s": "x"})
    ctx = driven.ctx
    ctx.upsert_memo({"b": 2})
    ctx.upsert_search_attributes({"s": "y"})
    assert (ctx.memo, ctx.search_attributes) == ({"a": 1, "b": 2}, {"s": "y"})
    assert driven.commands() == [UpsertMemo({"b": 2}), UpsertSearchAttributes({"s": "y"})]


def test_the_logger_is_silent_while_a_run_is_replayed(caplog: pytest.LogCaptureFixture) -> None:
    """A line is written once, and knows which run it is of."""
    driven = Driven()
    caplog.set_level(logging.INFO)
    driven.program.replaying = True
    assert driven.ctx.is_replaying
    driven.ctx.logger.info("charged %s", "ada")
    driven.program.replaying = False
    driven.ctx.logger.info("shipped %s", "ada")
    (record,) = caplog.records
    assert record.getMessage() == "shipped ada"
    assert vars(record)["workflow_id"] == "o-1" and vars(record)["run_id"] == "o-1/1"


def test_blocking_adds_up() -> None:
    """It is no command; the worker looks at the sum."""
    driven = Driven()
    driven.ctx.block_for("1s")
    driven.ctx.block_for("500ms")
    assert driven.program.blocked_us == 1_500_000
    assert driven.commands() == []


def test_the_server_suggests_and_the_code_asks() -> None:
    """How long the history is, and whether to continue as new, are what the machinery says."""
    driven = Driven()
    assert (driven.ctx.history_length, driven.ctx.continue_as_new_suggested) == (0, False)
    driven.program.history_length, driven.program.continue_as_new_suggested = 4_101, True
    assert (driven.ctx.history_length, driven.ctx.continue_as_new_suggested) == (4_101, True)


def test_activities_timers_and_steps_are_counted_apart() -> None:
    """An activity's id and a timer's id count their own kind; an id may be given."""
    driven = Driven()
    ctx = driven.ctx
    ctx.execute_activity(plain, start_to_close_timeout="1s")
    ctx.sleep("1s")
    ctx.execute_activity(plain, start_to_close_timeout="1s", activity_id="mine")
    ctx.sleep("1s")
    ctx.execute_activity(plain, start_to_close_timeout="1s")
    found = [(command.step, command.id) for command in driven.commands()]
    assert found == [(1, "1"), (2, "1"), (3, "mine"), (4, "2"), (5, "3")]
