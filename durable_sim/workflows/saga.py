"""Sagas: undo what was done, in reverse order, when a later step fails. Plain code over the public workflow context."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from durable_sim.trace import COMPENSATION_BEGUN, COMPENSATION_ENDED
from durable_sim.workflows.context import WorkflowContext


@dataclass(frozen=True, slots=True)
class _Compensation:
    name: str
    undo: Callable[[], Awaitable[Any]]
    best_effort: bool


class Saga:
    """A stack of compensations.

    Register the undo before the action: a step that failed with a time-out may have happened, or may yet happen. The
    undo must then work by key, find nothing to undo without complaint, and stop an action that arrives after it:

        saga = Saga(ctx)
        saga.add_compensation("refund", lambda: ctx.execute_activity(refund, order, start_to_close_timeout="30s"))
        try:
            await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
        except ctx.failure_types:
            await saga.compensate()
            raise
    """

    def __init__(self, ctx: WorkflowContext) -> None:
        self._ctx = ctx
        self._stack: list[_Compensation] = []

    def add_compensation(self, name: str, undo: Callable[[], Awaitable[Any]], *, best_effort: bool = False) -> None:
        """Push an undo. A best-effort one may fail for good without stopping those below it."""
        self._stack.append(_Compensation(name, undo, best_effort))

    async def compensate(self) -> None:
        """Run the compensations one after the other, last registered first; each runs once.

        A workflow that is told to stop meanwhile stops after them: what is half undone helps nobody.

        Raises:
            ActivityError, or another of `ctx.failure_types`: a compensation that is not best effort failed for good;
                those below it have not run.
            CancelledError: the workflow was told to stop meanwhile.
        """
        unwinding = self._ctx.spawn(self._unwind())
        stopped: CancelledError | None = None
        while not unwinding.done:
            try:
                await self._ctx.shield(unwinding)
            except CancelledError as error:
                stopped = error
        await unwinding
        if stopped is not None:
            raise stopped

    async def _unwind(self) -> None:
        while self._stack:
            compensation = self._stack.pop()
            self._ctx.note(COMPENSATION_BEGUN, compensation.name)
            try:
                await compensation.undo()
            except self._ctx.failure_types:
                if not compensation.best_effort:
                    raise
            self._ctx.note(COMPENSATION_ENDED, compensation.name)


@dataclass(frozen=True, slots=True)
class SagaStep:
    """A step of a saga as data: its name, the action, and the undo.

    `compensate` gets the action's result, or None when the action failed and nobody knows whether it happened. With
    `register="after"` (what many published examples do) the undo of a failed step itself never runs.
    """

    name: str
    execute: Callable[[], Awaitable[Any]]
    compensate: Callable[[Any], Awaitable[Any]] | None = None
    register: Literal["before", "after"] = "before"
    best_effort: bool = False


async def run_saga(ctx: WorkflowContext, steps: Sequence[SagaStep]) -> dict[str, Any]:
    """Run the steps in order; when one fails for good, compensate in reverse order and raise its error.

    That is any of `ctx.failure_types`; a mistake in the code undoes nothing, it is for a deploy to mend.

    Returns the results by step name.
    """
    saga = Saga(ctx)
    results: dict[str, Any] = {}
    try:
        for step in steps:
            if step.register == "before":
                _register(saga, step, results)
            results[step.name] = await step.execute()
            if step.register == "after":
                _register(saga, step, results)
    except ctx.failure_types:
        await saga.compensate()
        raise
    return results


def _register(saga: Saga, step: SagaStep, results: dict[str, Any]) -> None:
    compensate = step.compensate
    if compensate is not None:
        saga.add_compensation(step.name, lambda: compensate(results.get(step.name)), best_effort=step.best_effort)
