"""Children and strangers: the commands that a workflow issues for them, and what it gets of them."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.workflows.children import ChildHandle
from durable_sim.workflows.commands import CancelExternal, SignalExternal, StartChild
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.failures import ApplicationError, CancelledFailure, ChildWorkflowError, Failure, child_error
from durable_sim.workflows.retry import RetryPolicy
from tests.workflows.driving import Driven


async def ship(ctx: WorkflowContext, order: Any) -> None:
    """A child, which is never run here."""


def executing(**options: Any) -> Any:
    """A workflow that waits for a child."""

    async def parent(ctx: WorkflowContext) -> Any:
        return await ctx.execute_child_workflow(ship, "o-1", id="c-1", **options)

    return parent


def test_starting_a_child_is_a_command_with_its_options() -> None:
    """What is not given is unset, and the child is terminated with its parent."""
    driven = Driven()
    policy = RetryPolicy(maximum_attempts=2)
    driven.ctx.start_child_workflow(ship, {"a": 1}, id="c-1")
    driven.ctx.start_child_workflow(
        "by name",
        id="c-2",
        task_queue="other",
        parent_close_policy="ABANDON",
        id_reuse_policy="REJECT_DUPLICATE",
        retry_policy=policy,
        execution_timeout="1h",
        run_timeout="30m",
        task_timeout="5s",
    )
    assert driven.commands() == [
        StartChild(1, "c-1", "ship", ship, ({"a": 1},)),
        StartChild(
            2, "c-2", "by name", None, (), "other", 3_600_000_000, 1_800_000_000, 5_000_000, policy, "ABANDON",
            "REJECT_DUPLICATE",
        ),
    ]  # fmt: skip


def test_a_child_without_an_id_gets_one_that_replay_repeats() -> None:
    """It is drawn from the run's random numbers; two children have two."""

    def ids() -> list[str]:
        driven = Driven()
        driven.ctx.start_child_workflow(ship)
        driven.ctx.start_child_workflow(ship)
        return [command.workflow_id for command in driven.commands() if isinstance(command, StartChild)]

    assert ids() == ids() and len(set(ids())) == 2


def test_a_started_child_has_a_handle_and_its_end_is_another_wait() -> None:
    """Ids at its start; the result once it has closed."""

    async def parent(ctx: WorkflowContext) -> Any:
        child = await ctx.start_child_workflow(ship, "o-1", id="c-1")
        seen.append((child.workflow_id, child.run_id))
        return await child.result

    seen: list[Any] = []
    driven = Driven(parent)
    driven.commands()
    driven.settle(1, "run-7")
    assert seen == [("c-1", "run-7")] and not driven.main.done
    driven.settle(-1, "shipped")
    assert driven.main.result() == "shipped"


def test_a_child_that_cannot_start_raises_where_it_is_started() -> None:
    """With or without a handle, the failure says why."""
    for run in (executing(), None):

        async def parent(ctx: WorkflowContext, run: Any = run) -> Any:
            return await (run(ctx) if run is not None else ctx.start_child_workflow(ship, id="c-1"))

        driven = Driven(parent)
        failure = Failure("WorkflowAlreadyStarted", "Workflow execution already started")
        driven.settle(1, error=child_error("c-1", "NON_RETRYABLE_FAILURE", failure, {}))
        error = driven.main.error
        assert isinstance(error, ChildWorkflowError) and isinstance(error.cause, ApplicationError)
        assert error.cause.type == "WorkflowAlreadyStarted"


def test_a_child_that_is_cancelled_in_the_task_that_starts_it_leaves_nothing() -> None:
    """Neither command is issued; the wait ends with a cancellation."""
    driven = Driven(executing())
    driven.cancel()
    assert driven.commands() == []
    assert isinstance(driven.main.error, ChildWorkflowError)
    assert isinstance(driven.main.error.cause, CancelledFailure)


@pytest.mark.parametrize("started", [True, False], ids=["started", "being started"])
def test_by_default_a_cancelled_child_is_told_and_waited_for(started: bool) -> None:
    """The parent goes on when the child has ended, as it has ended."""
    driven = Driven(executing())
    driven.commands()
    if started:
        driven.settle(1, "run-7")
    driven.cancel()
    driven.cancel()  # the real SDK tells it each time
    assert driven.commands() == [CancelExternal(2, "c-1", None, True), CancelExternal(3, "c-1", None, True)]
    assert not driven.main.done
    if not started:
        driven.settle(1, "run-7")
    driven.settle(-1, error=child_error("c-1", "", Failure("CancelledFailure", "Cancelled", kind="canceled"), {}))
    assert isinstance(driven.main.error, ChildWorkflowError)
    assert isinstance(driven.main.error.cause, CancelledFailure)


def test_a_child_that_takes_no_notice_of_the_cancellation_gives_its_result() -> None:
    """Waited for, it may complete all the same."""
    driven = Driven(executing())
    driven.commands()
    driven.settle(1, "run-7")
    driven.cancel()
    driven.settle(-1, "shipped anyway")
    assert driven.main.result() == "shipped anyway"


def test_try_cancel_tells_the_child_and_goes_on_at_once() -> None:
    """In the same task the wait raises; what the child does later is ignored."""
    driven = Driven(executing(cancellation_type="TRY_CANCEL"))
    driven.commands()
    driven.settle(1, "run-7")
    driven.cancel()
    assert driven.commands() == [CancelExternal(2, "c-1", None, True)]
    assert isinstance(driven.main.error, ChildWorkflowError)
    driven.settle(-1, "late")
    assert isinstance(driven.main.error.cause, CancelledFailure)


def test_abandon_does_not_even_tell_the_child() -> None:
    """No command; the wait raises at once."""
    driven = Driven(executing(cancellation_type="ABANDON"))
    driven.commands()
    driven.settle(1, "run-7")
    driven.cancel()
    assert driven.commands() == []
    assert isinstance(driven.main.error, ChildWorkflowError)


def test_a_child_is_signalled_and_cancelled_by_its_handle() -> None:
    """Both are commands that say that it must be a child."""
    driven = Driven()
    child = ChildHandle(driven.program, "c-1", "run-7", driven.program.expect(-99))
    child.signal("hurry", {"by": 2})
    child.cancel()
    assert driven.commands() == [
        SignalExternal(1, "c-1", None, "hurry", ({"by": 2},), True),
        CancelExternal(2, "c-1", None, True),
    ]


def test_a_stranger_is_signalled_and_cancelled_by_its_id() -> None:
    """Any run of it, or a certain one."""
    driven = Driven()
    driven.ctx.external_workflow("o-2").signal("hurry")
    driven.ctx.external_workflow("o-2", "run-7").cancel()
    assert driven.commands() == [
        SignalExternal(1, "o-2", None, "hurry", (), False),
        CancelExternal(2, "o-2", "run-7", False),
    ]


def test_what_no_history_could_keep_is_refused_at_the_call() -> None:
    """Arguments of a child and of a signal, by name; no command is issued and no step used up."""
    driven = Driven()
    with pytest.raises(UserError, match=r"^argument of ship is a object"):
        driven.ctx.start_child_workflow(ship, object(), id="c-1")
    with pytest.raises(UserError, match=r"^argument of signal hurry is a object"):
        driven.ctx.external_workflow("o-2").signal("hurry", object())
    assert driven.commands() == []
