"""Sagas: undo in reverse order, each undo once."""

from __future__ import annotations

import random
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.api import run
from durable_sim.trace import COMPENSATION_BEGUN, COMPENSATION_ENDED
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.commands import ScheduleActivity
from durable_sim.workflows.context import WorkflowContext, WorkflowInfo
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    Failure,
    activity_error,
    child_error,
)
from durable_sim.workflows.handlers import Handlers
from durable_sim.workflows.program import Program, Task
from durable_sim.workflows.saga import Saga, SagaStep, run_saga

Before = Literal["before", "after"]
WHEN: tuple[Before, ...] = ("before", "after")


async def act(ctx: ActivityContext, name: str, *told: Any) -> str:
    """The one activity of these tests; its first argument says which step it stands for."""
    return name


class Shop:
    """Runs a saga by hand: activities named in `fails` fail for good, the others return "<name> done"."""

    def __init__(self, fails: tuple[str, ...] = (), fails_on: tuple[type[BaseException], ...] = ()) -> None:
        self.fails = fails
        self.done: list[Any] = []
        self.notes: list[tuple[str, str | None]] = []
        self.program = Program()
        handlers = Handlers(self.program)
        handlers.fails_on = fails_on
        info = WorkflowInfo("o-1", "o-1/1", "saga", lambda: random.Random(0))
        self.ctx = WorkflowContext(self.program, info, handlers)

    def do(self, name: str, *told: Any) -> Any:
        """Ask for an activity."""
        return self.ctx.execute_activity(act, name, *told, start_to_close_timeout="1s")

    def step(self, name: str, register: Before = "before", best_effort: bool = False, undo: bool = True) -> SagaStep:
        """A step whose undo is told what its action returned."""

        def compensate(result: Any) -> Any:
            return self.do(f"undo {name}", result)

        return SagaStep(name, lambda: self.do(name), compensate if undo else None, register, best_effort)

    def run(self, main: Callable[[], Any]) -> Task[Any]:
        """Carry out every command until nothing is asked for any more."""
        program = self.program
        program.start(main())
        program.advance()
        while commands := program.take_issued():
            self.notes += [(note.kind, note.subject) for note in program.take_notes()]
            for command in commands:
                assert isinstance(command, ScheduleActivity)
                name, *told = command.arguments
                self.done.append((name, *told) if told else name)
                if name in self.fails:
                    error = activity_error("act", "NON_RETRYABLE_FAILURE", Failure("Refused", name))
                    program.settle(command.step, error=error)
                else:
                    program.settle(command.step, f"{name} done")
            program.advance()
        self.notes += [(note.kind, note.subject) for note in program.take_notes()]
        assert program.main is not None
        return program.main

    def run_steps(self, *steps: SagaStep) -> Task[Any]:
        """Run them as a saga."""
        return self.run(lambda: run_saga(self.ctx, steps))


def test_a_saga_that_succeeds_undoes_nothing() -> None:
    """It runs the steps in order and returns their results by name."""
    shop = Shop()
    task = shop.run_steps(shop.step("charge"), shop.step("ship"))
    assert task.result() == {"charge": "charge done", "ship": "ship done"}
    assert (shop.done, shop.notes) == (["charge", "ship"], [])


def test_a_failed_step_is_undone_first_then_those_before_it() -> None:
    """Registered before its action, the undo of the failed step runs too, told None; others are told results."""
    shop = Shop(fails=("ship",))
    task = shop.run_steps(shop.step("charge"), shop.step("reserve"), shop.step("ship"), shop.step("mail"))
    assert shop.done == [
        "charge",
        "reserve",
        "ship",
        ("undo ship", None),
        ("undo reserve", "reserve done"),
        ("undo charge", "charge done"),
    ]
    assert isinstance(task.error, ActivityError)
    assert isinstance(task.error.cause, ApplicationError)
    assert task.error.cause.message == "ship"


def test_registered_after_its_action_a_failed_step_is_not_undone() -> None:
    """What many published examples do: a step that timed out but happened stays."""
    shop = Shop(fails=("ship",))
    shop.run_steps(shop.step("charge", "after"), shop.step("ship", "after"))
    assert shop.done == ["charge", "ship", ("undo charge", "charge done")]


def test_a_step_without_an_undo_is_passed_over() -> None:
    """Nothing is registered for it."""
    shop = Shop(fails=("ship",))
    shop.run_steps(shop.step("charge"), shop.step("check", undo=False), shop.step("ship", undo=False))
    assert shop.done == ["charge", "check", "ship", ("undo charge", "charge done")]


names = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


@given(names, st.data())
def test_undo_is_the_mirror_of_do(steps: list[str], data: st.DataObject) -> None:
    """Whichever step fails, the undos are the begun steps in reverse order, each once."""
    failing = data.draw(st.sampled_from(steps))
    registers = data.draw(st.lists(st.sampled_from(WHEN), min_size=len(steps), max_size=len(steps)))
    shop = Shop(fails=(failing,))
    shop.run_steps(*[shop.step(name, register) for name, register in zip(steps, registers, strict=True)])
    begun = steps[: steps.index(failing) + 1]
    undone = begun if registers[steps.index(failing)] == "before" else begun[:-1]
    assert [done if isinstance(done, str) else done[0] for done in shop.done] == [
        *begun,
        *[f"undo {name}" for name in reversed(undone)],
    ]


def test_a_best_effort_undo_may_fail() -> None:
    """Those below it run all the same, and the workflow fails with the step's error, not the undo's."""
    shop = Shop(fails=("ship", "undo mail"))
    task = shop.run_steps(shop.step("charge"), shop.step("mail", best_effort=True), shop.step("ship", undo=False))
    assert shop.done[-2:] == [("undo mail", "mail done"), ("undo charge", "charge done")]
    assert isinstance(task.error, ActivityError)
    assert isinstance(task.error.cause, ApplicationError)
    assert task.error.cause.message == "ship"


class Unsure(Exception):
    """A type that the workflow was defined to fail by."""


async def times_out(ctx: WorkflowContext) -> None:
    """A wait that comes to its limit."""
    raise TimeoutError


async def is_told_to_stop(ctx: WorkflowContext) -> None:
    """Somebody has cancelled what is waited for."""
    raise CancelledError


async def child_fails(ctx: WorkflowContext) -> None:
    """As a child workflow does that has failed."""
    raise child_error("child-1", "RETRY_POLICY_NOT_SET", Failure("Refused", "no"), {"workflow_id": "child-1"})


async def is_unsure(ctx: WorkflowContext) -> None:
    """An exception of the workflow's own."""
    raise Unsure("?")


FAILURES = {
    TimeoutError: times_out,
    CancelledError: is_told_to_stop,
    ChildWorkflowError: child_fails,
    Unsure: is_unsure,
}


@pytest.mark.parametrize("error", FAILURES)
def test_whatever_ends_the_workflow_is_compensated(error: type[BaseException]) -> None:
    """The time-out of a wait, being told to stop, a child's failure, and the types that the workflow is defined by."""
    shop = Shop(fails_on=(Unsure,))
    task = shop.run_steps(shop.step("charge"), SagaStep("approve", lambda: FAILURES[error](shop.ctx)))
    assert isinstance(task.error, error)
    assert shop.done == ["charge", ("undo charge", "charge done")]


@pytest.mark.parametrize("error", FAILURES)
def test_a_best_effort_undo_may_fail_in_any_way_that_ends_a_workflow(error: type[BaseException]) -> None:
    """Not only by an activity: those below it run all the same."""
    shop = Shop(fails=("ship",), fails_on=(Unsure,))
    mail = SagaStep("mail", lambda: shop.do("mail"), lambda result: FAILURES[error](shop.ctx), best_effort=True)
    task = shop.run_steps(shop.step("charge"), mail, shop.step("ship", undo=False))
    assert isinstance(task.error, ActivityError)
    assert shop.done == ["charge", "mail", "ship", ("undo charge", "charge done")]


@pytest.mark.parametrize("model", ["regular", "replay", "steps", "status_columns"])
def test_a_workflow_fails_by_its_own_types_under_every_model(model: str) -> None:
    """What it was defined to fail by undoes what it did, whichever engine runs it."""
    done: list[str] = []

    @activity
    async def noted(ctx: ActivityContext, name: str) -> None:
        done.append(name)

    @workflow(failure_exception_types=[Unsure])
    async def unsure(ctx: WorkflowContext, order: Any) -> None:
        def do(name: str) -> Any:
            return ctx.execute_activity(noted, name, start_to_close_timeout="1s")

        charge = SagaStep("charge", lambda: do("charge"), lambda result: do("refund"))
        await run_saga(ctx, [charge, SagaStep("check", lambda: is_unsure(ctx))])

    (judged,) = run(unsure, {"order_id": "o-1"}, model=model).executions
    assert judged.execution.status == "failed"
    assert done[:2] == ["charge", "refund"]  # the calm run that it is compared with does the same again


def test_an_undo_that_must_not_fail_stops_the_rest() -> None:
    """Its error is raised, and the undos below it have not run."""
    shop = Shop(fails=("ship", "undo reserve"))
    task = shop.run_steps(shop.step("charge"), shop.step("reserve"), shop.step("ship", undo=False))
    assert shop.done[-1] == ("undo reserve", "reserve done")
    assert isinstance(task.error, ActivityError)
    assert isinstance(task.error.cause, ApplicationError)
    assert task.error.cause.message == "undo reserve"


def test_compensations_are_noted_from_begin_to_end() -> None:
    """Each undo leaves two remarks for the trace; one that fails for good has no end."""
    shop = Shop(fails=("ship", "undo charge"))
    shop.run_steps(shop.step("charge"), shop.step("reserve"), shop.step("ship", undo=False))
    assert shop.notes == [
        (COMPENSATION_BEGUN, "reserve"),
        (COMPENSATION_ENDED, "reserve"),
        (COMPENSATION_BEGUN, "charge"),
    ]


def test_each_undo_runs_once() -> None:
    """A second `compensate` goes on below where the first one stopped, and does nothing at all after that."""
    shop = Shop(fails=("undo b",))

    async def main() -> None:
        saga = Saga(shop.ctx)
        for name in "abc":
            saga.add_compensation(name, lambda name=name: shop.do(f"undo {name}"))  # type: ignore[misc]
        with pytest.raises(ActivityError):
            await saga.compensate()
        await saga.compensate()
        await saga.compensate()

    shop.run(main).result()
    assert shop.done == ["undo c", "undo b", "undo a"]


def test_an_undo_may_be_a_coroutine() -> None:
    """Anything awaitable will do, such as several activities in a row."""
    shop = Shop()

    async def main() -> None:
        saga = Saga(shop.ctx)

        async def undo() -> None:
            await shop.do("release")
            await shop.do("restock")

        saga.add_compensation("release", undo)
        saga.add_compensation("refund", lambda: shop.do("refund"))
        await saga.compensate()

    shop.run(main).result()
    assert shop.done == ["refund", "release", "restock"]


def test_a_mistake_in_the_code_undoes_nothing() -> None:
    """Only failures of the workflow start the compensation; a bug is for a deploy to mend."""
    shop = Shop()

    def broken() -> Any:
        raise TypeError("a bug")

    task = shop.run_steps(shop.step("charge"), SagaStep("ship", broken))
    assert isinstance(task.error, TypeError)
    assert shop.done == ["charge"]


def test_an_application_error_starts_the_compensation_too() -> None:
    """A workflow that decides to fail undoes what it did."""
    shop = Shop()

    async def refuse() -> None:
        raise ApplicationError("fraud")

    task = shop.run_steps(shop.step("charge"), SagaStep("check", refuse))
    assert shop.done == ["charge", ("undo charge", "charge done")]
    assert str(task.error) == "fraud"
