"""Workflows and activities as users define them: plain `async def` functions, decorated or not, and a build of them.

`Build` is the code that one version of a worker runs: workflows and activities by name. Activities need not be
registered: those that a workflow names by function are learnt when it does, and decorated ones are found in the
workflow's module and closure beforehand.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar, overload

from durable_sim.errors import UserError

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__durable_sim_name__"
_KIND = "__durable_sim_kind__"
_FAILS = "__durable_sim_fails__"
_IDIOMS = "__durable_sim_idioms__"
_DEPTH = 3
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class WorkflowDefinition:
    """A workflow function under its name. Exceptions of the types `fails_on` fail the workflow, not its task.

    `idioms` is the same workflow as another engine has it written, by execution model.
    """

    name: str
    function: Callable[..., Any]
    fails_on: tuple[type[BaseException], ...] = ()
    idioms: Mapping[str, Any] = field(default_factory=lambda: _NONE)


class Build:
    """The code of one version: what a worker can run."""

    __slots__ = ("_activities", "_workflows", "version")

    def __init__(
        self,
        version: str | None,
        workflows: Mapping[str, Callable[..., Any]],
        activities: Iterable[Callable[..., Any]] = (),
    ) -> None:
        self.version = version
        self._workflows = {name: _definition(name, function) for name, function in workflows.items()}
        self._activities: dict[str, Callable[..., Any]] = {}
        for function in workflows.values():
            for found in _activities_near(function, _DEPTH):
                self._activities.setdefault(name_of(found, "activity"), found)
        for function in activities:
            self._activities[name_of(function, "activity")] = function

    def workflow(self, name: str) -> WorkflowDefinition | None:
        """The workflow of that name, if this build has one."""
        return self._workflows.get(name)

    def activity(self, name: str) -> Callable[..., Any] | None:
        """The activity of that name, if this build has one."""
        return self._activities.get(name)

    def learn_activity(self, name: str, function: Callable[..., Any]) -> None:
        """Code of this build has named an activity by its function."""
        self._activities[name] = function

    def learn_workflow(self, name: str, function: Callable[..., Any]) -> None:
        """Code of this build has named a child workflow by its function."""
        if name not in self._workflows:
            self._workflows[name] = _definition(name, function)
            for found in _activities_near(function, _DEPTH):
                self._activities.setdefault(name_of(found, "activity"), found)

    @property
    def workflow_names(self) -> tuple[str, ...]:
        """The workflows of this build."""
        return tuple(self._workflows)


def _definition(name: str, function: Callable[..., Any]) -> WorkflowDefinition:
    return WorkflowDefinition(name, function, failure_types_of(function), getattr(function, _IDIOMS, _NONE))


def _activities_near(function: Any, depth: int) -> Iterator[Callable[..., Any]]:
    """Decorated activities among the globals that a function's code names, and in its closure, and theirs; also those
    in lists, tuples and dicts there."""
    if getattr(function, "__code__", None) is None or depth == 0:
        return
    for value in near(function):
        if getattr(value, _KIND, None) == "activity":
            yield value
        elif inspect.isfunction(value):
            yield from _activities_near(value, depth - 1)


def names_in(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """The globals that a function's code names, and what is in its closure."""
    code: Any = function.__code__
    known = function.__globals__
    yield from ((name, known[name]) for name in _names(code) if name in known)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    yield from ((name, cell.cell_contents) for name, cell in cells if _filled(cell))


def near(function: Callable[..., Any]) -> Iterator[Any]:
    """The same without the names, and what is in those that are plain lists, tuples and dicts."""
    return _unpacked(value for _, value in names_in(function))


def _unpacked(values: Iterable[Any]) -> Iterator[Any]:
    """Values, and what is in those that are plain lists, tuples and dicts."""
    for value in values:
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _names(code: Any) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if inspect.iscode(inner):
            yield from _names(inner)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a cell of a function that is still being defined
        return False


@overload
def workflow(function: F) -> F: ...
@overload
def workflow(
    *,
    name: str | None = None,
    failure_exception_types: Iterable[type[BaseException]] = (),
    idioms: Mapping[str, Any] = _NONE,
) -> Callable[[F], F]: ...
def workflow(
    function: Any = None,
    *,
    name: str | None = None,
    failure_exception_types: Iterable[type[BaseException]] = (),
    idioms: Mapping[str, Any] = _NONE,
) -> Any:
    """Mark an `async def f(ctx, input)` as a workflow. Optional: a plain function runs just as well under its own name.

    An exception that is no `WorkflowFailure` fails the workflow task, which is tried again until the code is mended;
    those of `failure_exception_types` fail the workflow. `idioms` gives the same workflow as another engine has it
    written, by execution model: {"steps": function, "state_machine": definition}.

    >>> @workflow(name="fulfil")
    ... async def fulfil_v2(ctx, order): ...
    >>> definition_of(fulfil_v2).name
    'fulfil'
    """
    marked = _mark("workflow", function, name)
    types = tuple(failure_exception_types)
    if not types and not idioms:
        return marked

    def mark(function: Any) -> Any:
        setattr(function, _FAILS, types)
        setattr(function, _IDIOMS, MappingProxyType(dict(idioms)))
        return marked(function)

    return mark


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
    return _definition(name_of(function, "workflow"), function)


def failure_types_of(function: Callable[..., Any]) -> tuple[type[BaseException], ...]:
    """The exceptions that a workflow function was marked to fail by."""
    return getattr(function, _FAILS, ())


def name_of(function: Callable[..., Any], kind: str) -> str:
    """The name under which a workflow or activity function is known."""
    marked: str | None = getattr(function, _MARK, None)
    if marked is not None:
        return marked
    if not inspect.iscoroutinefunction(function):
        raise UserError(f"{kind} {function!r} is not an async function; define it with 'async def name(ctx, ...)'")
    return function.__name__


def is_activity(function: Callable[..., Any]) -> bool:
    """Whether a function is marked as an activity."""
    return getattr(function, _KIND, None) == "activity"


def _mark(kind: str, function: Any, name: str | None) -> Any:
    def mark(function: Any) -> Any:
        if not inspect.iscoroutinefunction(function):
            raise UserError(f"@{kind} on {function!r}: expected an async function; define it with 'async def'")
        setattr(function, _MARK, name or function.__name__)
        setattr(function, _KIND, kind)
        return function

    return mark if function is None else mark(function)
