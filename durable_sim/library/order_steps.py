"""A saga in the idiom of the step engine: each action and each undo is a step that is remembered by its name.

A refusal that is final is a result here, not an error: the engine would try it again, and what it would not try again
ends the run before anything is undone. Errors are left for what may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from durable_sim.models.steps.errors import NonRetriableError, StepError
from durable_sim.models.steps.function import StepFunction
from durable_sim.models.steps.tools import StepContext, StepTools
from durable_sim.trace import COMPENSATION_BEGUN, COMPENSATION_ENDED
from durable_sim.workflows.definitions import activity
from durable_sim.workflows.failures import ServiceError, failure_of

Activity = Callable[..., Coroutine[Any, Any, Any]]
RETRIES = 10


class ActivityPair(NamedTuple):
    """An action and what undoes it; a `best_effort` undo may fail."""

    action: Activity
    undo: Activity
    best_effort: bool = False


def saga_in_steps(id: str, pairs: Sequence[ActivityPair], final: Sequence[str]) -> StepFunction:
    """The function that takes the actions one after the other and, when one fails for good, undoes them in reverse.

    The undo is registered before its action, as the effect of an action that failed may stand. An undo must not be
    given up for a mere outage, so the function asks for more retries than the engine gives by itself: four hours of
    them, for actions too, as they cannot be set for each step.
    """
    attempts = [_telling(pair.action, final) for pair in pairs]

    async def fulfil(ctx: StepContext, step: StepTools) -> str:
        order = ctx.event.data
        for place, (pair, attempt) in enumerate(zip(pairs, attempts, strict=True)):
            refused = await _refusal(step, pair.action.__name__, attempt, order)
            if refused is not None:
                for begun in reversed(pairs[: place + 1]):
                    step.note(COMPENSATION_BEGUN, begun.undo.__name__)
                    await _undo(step, begun, order)
                    step.note(COMPENSATION_ENDED, begun.undo.__name__)
                raise NonRetriableError(f"order {order['order_id']} is undone: {refused}")
        return f"order {order['order_id']} fulfilled"

    return StepFunction(id, fulfil, retries=RETRIES)


def _telling(action: Activity, final: Sequence[str]) -> Activity:
    """An action that gives None, or why it was refused for good."""

    async def attempt(ctx: Any, order: Any) -> str | None:
        try:
            await action(ctx, order)
        except ServiceError as error:
            if failure_of(error).type not in final:
                raise
            return str(error)
        return None

    return activity(name=action.__name__)(attempt)


async def _refusal(step: StepTools, name: str, attempt: Activity, order: Any) -> str | None:
    try:
        refused: str | None = await step.run(name, attempt, order)
    except StepError as error:
        return str(error)
    return refused


async def _undo(step: StepTools, pair: ActivityPair, order: Any) -> None:
    try:
        await step.run(pair.undo.__name__, pair.undo, order)
    except StepError:
        if not pair.best_effort:
            raise
