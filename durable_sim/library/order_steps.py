"""A saga in the idiom of the step engine: each action and each undo is a step that is remembered by its name.

A refusal that is final is a result of its step here, not an error: the step returns it as data, which is remembered,
and the function acts upon it outside of the step. A `NonRetriableError` raised inside a step would not do. The Python
SDK raises it where the code awaits the step, and remembers nothing: it can be caught, but every later entry runs the
refused action again, and should that succeed meanwhile, the undoing that was begun is forgotten half-way. No step
stands in a `finally` or a bare `except` either: with that SDK it would run whenever a call ends. Errors are left for
what may pass.

What no code of a function can catch is left over: a call that breaks in its last attempt (the process died, or nobody
listened) ends the run as it is, and nothing is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from durable_sim.models.steps.errors import NonRetriableError, StepError
from durable_sim.models.steps.function import StepFunction
from durable_sim.models.steps.tools import StepContext, StepTools
from durable_sim.trace import COMPENSATION_BEGUN, COMPENSATION_ENDED
from durable_sim.workflows.definitions import activity
from durable_sim.workflows.failures import Failure, failure_of

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
    undos = [_telling(pair.undo, ()) for pair in pairs]

    async def fulfil(ctx: StepContext, step: StepTools) -> str:
        order = ctx.event.data
        for place, (pair, attempt) in enumerate(zip(pairs, attempts, strict=True)):
            refused = await _refusal(step, pair.action.__name__, attempt, order)
            if refused is not None:
                for begun, undo in reversed(list(zip(pairs, undos, strict=True))[: place + 1]):
                    await _undo(step, begun, undo, order)
                raise NonRetriableError(f"order {order['order_id']} is undone: {refused}")
        return f"order {order['order_id']} fulfilled"

    return StepFunction(id, fulfil, retries=RETRIES)


def _telling(code: Activity, final: Sequence[str]) -> Activity:
    """Code of a step that gives None, or why it was refused for good; no error leaves it that says it is final."""

    async def attempt(ctx: Any, order: Any) -> str | None:
        try:
            await code(ctx, order)
        except Exception as error:
            if not _is_final(failure_of(error), final):
                raise
            return str(error)
        return None

    return activity(name=code.__name__)(attempt)


def _is_final(failure: Failure, final: Sequence[str]) -> bool:
    return failure.non_retryable or failure.type in final


async def _refusal(step: StepTools, name: str, code: Activity, order: Any) -> str | None:
    """Why a step has failed for good, or None: what it says itself, or its last error."""
    try:
        refused: str | None = await step.run(name, code, order)
    except StepError as error:
        return str(error)
    return refused


async def _undo(step: StepTools, pair: ActivityPair, undo: Activity, order: Any) -> None:
    """Undo an action. An undo that fails for good ends the run, unless it is best effort."""
    name = pair.undo.__name__
    step.note(COMPENSATION_BEGUN, name)
    refused = await _refusal(step, name, undo, order)
    if refused is not None and not pair.best_effort:
        raise NonRetriableError(f"{name} failed for good, order {order['order_id']} is half undone: {refused}")
    step.note(COMPENSATION_ENDED, name)
