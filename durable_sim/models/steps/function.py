"""Functions as the platform knows them: id, trigger, retries, failure handler, and the code.

The workflow of a simulation is a function in this engine's idiom (`idioms["steps"]` of its definition: one, or several
of which the first is the workflow), or, where there is none, the common workflow function itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any

from durable_sim.errors import UserError
from durable_sim.models.steps.flow.control import FlowControl
from durable_sim.models.steps.protocol import Event
from durable_sim.models.steps.retries import RETRIES_MAX
from durable_sim.workflows.definitions import WorkflowDefinition, name_of

Code = Callable[..., Coroutine[Any, Any, Any]]
FAILED_EVENT, CANCELLED_EVENT = "inngest/function.failed", "inngest/function.cancelled"
INVOKED_EVENT = "inngest/function.invoked"
IDIOM = "steps"


@dataclass(frozen=True, slots=True)
class StepFunction:
    """A function of the platform.

    `code` is an `async def f(ctx, step)`, or with `common` an `async def f(ctx, input)` of the common kind. `event` is
    the name of the event that starts it, `matches` a further condition on that event. `retries` comes after the first
    attempt, of each step; None leaves it to the platform. `on_failure` is the code of the function `<id>-failure`,
    which is called once when a run has failed: it is started, as any function may be, by the platform's own event
    "inngest/function.failed"; a cancelled run sends "inngest/function.cancelled" instead. `flow` says how flow
    control treats its events, runs and calls; where it has triggers, they take the place of `event`. Without either, an
    event of the function's own id starts it.
    """

    id: str
    code: Code
    event: str | None = None
    matches: Callable[[Event], bool] | None = None
    retries: int | None = None
    on_failure: Code | None = None
    common: bool = False
    flow: FlowControl | None = None

    def __post_init__(self) -> None:
        if not inspect.iscoroutinefunction(self.code):
            raise UserError(f"function {self.id}: {self.code!r} is not async; define it with 'async def f(ctx, step)'")
        if self.retries is not None and not 0 <= self.retries <= RETRIES_MAX:
            raise UserError(f"function {self.id}: retries is {self.retries}, expected 0 to {RETRIES_MAX}")

        if self.flow is not None and any(trigger.every is not None for trigger in self.flow.triggers):
            raise UserError(
                f"function {self.id}: found a trigger by the clock, expected events: no clock starts runs here"
            )
        if self.event is not None and self.flow is not None and self.flow.triggers:
            raise UserError(f"function {self.id}: found event and flow.triggers, expected one of them")

    @property
    def event_name(self) -> str:
        """The name of the event that starts it, the first of several."""
        named = [trigger.event for trigger in self.flow.triggers if trigger.event] if self.flow is not None else []
        return self.event or (named[0] if named else self.id)

    def starts_on(self, event: Event) -> bool:
        """Whether an event starts it, as far as flow control lets it."""
        if self.flow is not None and self.flow.triggers:
            return any(trigger.starts(event) for trigger in self.flow.triggers)
        return event.name == self.event_name and (self.matches is None or self.matches(event))

    def failure_handler(self) -> StepFunction | None:
        """The function that is called when a run of this one has failed; the platform's own event starts it."""
        if self.on_failure is None:
            return None
        return StepFunction(f"{self.id}-failure", self.on_failure, FAILED_EVENT, self._is_of_mine, retries=0)

    def _is_of_mine(self, event: Event) -> bool:
        return isinstance(event.data, dict) and event.data.get("function_id") == self.id


def create_function(
    *,
    id: str | None = None,
    event: str | None = None,
    matches: Callable[[Event], bool] | None = None,
    retries: int | None = None,
    on_failure: Code | None = None,
    flow: FlowControl | None = None,
) -> Callable[[Code], StepFunction]:
    """Make a function of the platform from an `async def f(ctx, step)`; settings as in `StepFunction`.

    >>> @create_function(event="order/created", retries=3)
    ... async def fulfil(ctx, step): ...
    >>> fulfil.id, fulfil.retries
    ('fulfil', 3)
    """

    def make(code: Code) -> StepFunction:
        return StepFunction(id or name_of(code, "function"), code, event, matches, retries, on_failure, flow=flow)

    return make


def as_function(given: StepFunction | Code, id: str | None = None) -> StepFunction:
    """A function as it is, or a plain `async def f(ctx, step)` with everything else at its default."""
    return given if isinstance(given, StepFunction) else StepFunction(id or name_of(given, "function"), given)


def functions_of(definition: WorkflowDefinition) -> tuple[StepFunction, ...]:
    """The functions behind a workflow definition: its own first, then others, then the failure handlers.

    The first is known under the workflow's name, so that a deploy of other code finds it again.
    """
    given = definition.idioms.get(IDIOM)
    if given is None:
        functions = [StepFunction(definition.name, definition.function, common=True)]
    else:
        listed = list(given) if isinstance(given, Iterable) else [given]
        functions = [replace(as_function(listed[0]), id=definition.name), *map(as_function, listed[1:])]
    handlers = [function.failure_handler() for function in functions]
    return (*functions, *(handler for handler in handlers if handler is not None))
