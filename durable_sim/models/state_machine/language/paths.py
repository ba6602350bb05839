"""Paths: reading a value out of a state's input, the context object or a variable, and writing a result back.

A path that names one place ("$.a.b[0]") is read by this file. A path that selects (wildcard, filter, slice, "..") is
read by the python-jsonpath package, imported at the first such path: it follows RFC 9535, depends on nothing and
never evaluates code.

Always holds: nothing that is given is changed; what `write` returns shares the untouched parts with its input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from durable_sim.models.state_machine.language.errors import RESULT_PATH_MATCH_FAILURE, RUNTIME, StatesError
from durable_sim.models.state_machine.language.values import compact

Step = str | int
"""A key of an object, or an index of an array."""

Select = Callable[[Any], list[Any]]

MISSING: Any = object()
"""What `find` gives for a place that is not there."""

_ROOT = re.compile(r"\$(?P<context>\$)?(?P<variable>(?!\d)\w+)?(?=[.\[]|$)")
_STEP = re.compile(
    r"""\.(?P<name>[^\s.\[\]()'"*?@,:]+)"""
    r"""|\[(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]"""
    r"""|\[(?P<index>-?\d+)\]"""
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DEEPEST = 200
MISSING_PACKAGE = "a path that selects needs the package python-jsonpath: pip install 'durable_sim[state_machine]'"


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was understood: its root, and either its steps or a selection."""

    text: str
    root: str
    """"" for the state's input, "$" for the context object, else the name of a variable."""
    steps: tuple[Step, ...]
    select: Select | None = None


def read(
    path: str, data: Any, context: Any, variables: Mapping[str, Any], *, error: str = RUNTIME, subject: str = ""
) -> Any:
    """The value at `path`: the value itself for a path that names one place, a list for a path that selects.

    "$" begins in `data`, "$$" in `context`, "$name" in a variable. `subject` says in the cause what was being read.

    Raises:
        StatesError: with the name `error`, where the path does not parse or there is nothing at it.
    """
    value = find(path, data, context, variables, error=error)
    if value is not MISSING:
        return value
    subject = subject or f"The JSONPath '{path}'"
    where = "the context object" if path.startswith("$$") else f"the input '{compact(data)}'"
    raise StatesError(error, f"{subject} could not be found in {where}")


def find(path: str, data: Any, context: Any, variables: Mapping[str, Any], *, error: str = RUNTIME) -> Any:
    """The value at `path` as `read` gives it, or MISSING."""
    parsed = _parsed(path)
    if isinstance(parsed, str):
        raise StatesError(error, parsed)
    if parsed.root and parsed.root != "$":
        data = variables.get(parsed.root, MISSING)
    elif parsed.root:
        data = context
    if data is MISSING:
        return MISSING
    return _walk(data, parsed.steps) if parsed.select is None else parsed.select(data)


def write(path: str | None, document: Any, value: Any) -> Any:
    """`document` with `value` at `path` (ResultPath); "$" replaces it, None keeps it; missing objects are made.

    >>> write("$.charge.id", {"order": 7}, "ch_1")
    {'order': 7, 'charge': {'id': 'ch_1'}}

    Raises:
        StatesError: States.ResultPathMatchFailure, where something other than an object or array is in the way, or
            an array has no such index.
    """
    if path is None:
        return document
    parsed = _parsed(path)
    if isinstance(parsed, str) or parsed.root or parsed.select is not None:
        raise StatesError(RESULT_PATH_MATCH_FAILURE, f"ResultPath '{path}' is not a reference path into the input")
    return _placed(parsed, 0, document, value)


def is_path(text: object) -> bool:
    """Whether `text` is a path: "$...", "$$..." or "$variable..."."""
    return isinstance(text, str) and isinstance(_parsed(text), Path)


def is_reference_path(text: object) -> bool:
    """Whether `text` is a path that names exactly one place."""
    if not isinstance(text, str):
        return False
    parsed = _parsed(text)
    return isinstance(parsed, Path) and parsed.select is None and not any(_backwards(step) for step in parsed.steps)


def problem_of(text: str) -> str | None:
    """What is wrong with a path, in words; None if it is one."""
    parsed = _parsed(text)
    return parsed if isinstance(parsed, str) else None


def root_of(text: str) -> str | None:
    """Where a path begins: "" the input, "$" the context object, else a variable's name; None if it is no path."""
    parsed = _parsed(text)
    return parsed.root if isinstance(parsed, Path) else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Path | str:
    """The path, or what is wrong with it. Paths are text from definitions, so the cache is bounded by them."""
    root = _ROOT.match(text)
    if root is None:
        return f"the path {text!r} does not begin with '$', '$$' or '$variable'"
    if root["context"] and root["variable"]:
        return f"the path {text!r} begins with '$${root['variable']}', expected '$$.{root['variable']}'"
    begins = root["context"] or root["variable"] or ""
    steps = _steps(text, root.end())
    if steps is not None:
        return Path(text, begins, steps)
    select = _selection("$" + text[root.end() :])
    return Path(text, begins, (), select) if callable(select) else f"the path {text!r} does not parse: {select}"


def _steps(text: str, position: int) -> tuple[Step, ...] | None:
    steps: list[Step] = []
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        position = step.end()
        if step["name"] is not None:
            steps.append(step["name"])
        elif step["index"] is not None:
            steps.append(int(step["index"]))
        else:
            steps.append(_ESCAPE.sub(r"\1", step["quoted"][1:-1]))
    return tuple(steps)


def _selection(query: str) -> Select | str:
    """What finds all places of a selecting path, or what is wrong with it."""
    try:
        import jsonpath  # only here: most definitions never need it
    except ImportError:
        return MISSING_PACKAGE
    if query.count("[") + query.count("(") > _DEEPEST:
        return f"it nests more than {_DEEPEST} deep"
    try:
        compiled = jsonpath.compile(query)
    except jsonpath.JSONPathError as problem:
        return str(problem.args[0] if problem.args else problem).splitlines()[0]
    except (ValueError, ArithmeticError, RecursionError, re.error) as problem:
        return str(problem)
    if not isinstance(compiled, jsonpath.JSONPath):
        return "a union of paths is not part of the States Language"
    return _safely(compiled.findall, query)


def _safely(findall: Callable[[Any], list[Any]], query: str) -> Select:
    def select(data: Any) -> list[Any]:
        if not isinstance(data, dict | list):
            return []
        try:
            return list(findall(data))
        except (ValueError, TypeError, ArithmeticError, RecursionError, LookupError) as problem:
            raise StatesError(RUNTIME, f"the path '{query}' cannot be applied: {problem}") from None

    return select


def _walk(value: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        value = _under(value, step)
        if value is MISSING:
            break
    return value


def _under(value: Any, step: Step) -> Any:
    if isinstance(step, str):
        return value.get(step, MISSING) if isinstance(value, Mapping) else MISSING
    if not isinstance(value, list | tuple) or not -len(value) <= step < len(value):
        return MISSING
    return value[step]


def _backwards(step: Step) -> bool:
    return isinstance(step, int) and step < 0


def _placed(path: Path, depth: int, document: Any, value: Any) -> Any:
    if depth == len(path.steps):
        return value
    step = path.steps[depth]
    if isinstance(step, str) and (document is MISSING or isinstance(document, Mapping)):
        fields = {} if document is MISSING else dict(document)
        fields[step] = _placed(path, depth + 1, fields.get(step, MISSING), value)
        return fields
    if isinstance(step, int) and isinstance(document, list) and 0 <= step < len(document):
        return [*document[:step], _placed(path, depth + 1, document[step], value), *document[step + 1 :]]
    raise StatesError(RESULT_PATH_MATCH_FAILURE, _no_place(path.text, step, document))


def _no_place(path: str, step: Step, document: Any) -> str:
    found = "nothing" if document is MISSING else f"'{compact(document)}'"
    return f"Unable to apply step '{step}' of the ResultPath '{path}' to {found}"
