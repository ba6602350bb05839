"""Workflows and activities as users define them: plain `async def` functions, decorated or not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from durable_sim.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__durable_sim_name__"


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A workflow function under its name."""

    name: str
    function: Callable[..., Any]


@overload
def workflow(function: F) -> F: ...
@overload
def workflow(*, name: str) -> Callable[[F], F]: ...
def workflow(function: Any = None, *, name: str | None = None) -> Any:
    """Mark an `async def f(ctx, input)` as a workflow. Optional: a plain function runs just as well under its own name.

    >>> @workflow(name="fulfil")
    ... async def fulfil_v2(ctx, order): ...
    >>> definition_of(fulfil_v2).name
    'fulfil'
    """
    return _mark("workflow", function, name)


@overload
def activity(function: F) -> F: ...
@overload
def activity(*, name: str) -> Callable[[F], F]: ...
def activity(function: Any = None, *, name: str | None = None) -> Any:
    """Mark an `async def f(ctx, *arguments)` as an activity. Optional, as for `workflow`."""
    return _mark("activity", function, name)


def definition_of(function: Callable[..., Any]) -> WorkflowDefinition:
    """The workflow definition behind a function.

    Raises:
        UserError: it is not an `async def`.
    """
    return WorkflowDefinition(name_of(function, "workflow"), function)


def name_of(function: Callable[..., Any], kind: str) -> str:
    """The name under which a workflow or activity function is known."""
    marked: str | None = getattr(function, _MARK, None)
    if marked is not None:
        return marked
    if not inspect.iscoroutinefunction(function):
        raise UserError(f"{kind} {function!r} is not an async function; define it with 'async def name(ctx, ...)'")
    return function.__name__


def _mark(kind: str, function: Any, name: str | None) -> Any:
    def mark(function: Any) -> Any:
        if not inspect.iscoroutinefunction(function):
            raise UserError(f"@{kind} on {function!r}: expected an async function; define it with 'async def'")
        setattr(function, _MARK, name or function.__name__)
        return function

    return mark if function is None else mark(function)
