"""The JSONata language of state machines: texts of the form "{% ... %}", evaluated by the jsonata-python package.

The package is imported at the first expression. What it would take from the machine is replaced: $now and $millis are
simulated time, $random, $shuffle and $uuid draw from the given randomness, and $eval is not there, as in the service.

Always holds: an expression is bounded in depth and in steps, never by a clock; the interpreter's recursion limit is
the same afterwards; null and undefined are told apart.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from typing import Any

from durable_sim.models.state_machine.language.errors import QUERY_EVALUATION_ERROR, StatesError
from durable_sim.models.state_machine.language.jsonata_functions import extra_functions, inside, null
from durable_sim.models.state_machine.language.values import timestamp_us

DEEPEST = 100
"""Evaluations nest at most so deep, as in the service."""
STEPS_MAX = 500_000
"""A bound on endless recursion that is the same on every machine."""
_RECURSION = 10_000
MISSING_PACKAGE = "JSONata needs the package jsonata-python: pip install 'durable_sim[state_machine]'"


def is_expression(value: object) -> bool:
    """Whether a value is a text of the form "{% ... %}"."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}") and len(value) >= 4


def evaluate(
    template: Any,
    states: Mapping[str, Any],
    variables: Mapping[str, Any],
    randomness: random.Random,
    *,
    field: str = "",
    now_us: int | None = None,
) -> Any:
    """`template` with every "{% ... %}" in it replaced by its value.

    `states` is $states (input, result, errorOutput, context); `variables` are bound by their names. `field` names the
    template in a cause. The time of $now is `now_us`, else when the context says that the state was entered.

    Raises:
        StatesError: States.QueryEvaluationError, where an expression fails or gives nothing.
    """
    if isinstance(template, str):
        if not is_expression(template):
            return template
        if now_us is None:
            now_us = _entered_us(states.get("context"))
        return _value(template[2:-2].strip(), field, _bindings(states, variables, randomness, now_us))
    if isinstance(template, Mapping):
        return {
            key: evaluate(value, states, variables, randomness, field=f"{field}/{key}", now_us=now_us)
            for key, value in template.items()
        }
    if isinstance(template, list):
        return [
            evaluate(value, states, variables, randomness, field=f"{field}[{index}]", now_us=now_us)
            for index, value in enumerate(template)
        ]
    return template


def problem_of(template: str) -> str | None:
    """What is wrong with a "{% ... %}" as it is written; None if it parses."""
    try:
        with _deep_recursion():
            _compiled(template[2:-2].strip())
    except ImportError:
        return MISSING_PACKAGE
    except Exception as problem:
        return f"the expression does not parse: {_told(problem)}"
    return None


def _value(expression: str, field: str, bindings: dict[str, Any]) -> Any:
    subject = f"The JSONata expression '{expression}' specified for the field '{field}'"
    try:
        with _deep_recursion():
            found = _compiled(expression).evaluate(None, bindings)
    except ImportError:
        raise StatesError(QUERY_EVALUATION_ERROR, MISSING_PACKAGE) from None
    except Exception as problem:  # the package lets TypeErrors and the like of its own through
        cause = f"{subject} threw an error during evaluation. {_told(problem)}"
        raise StatesError(QUERY_EVALUATION_ERROR, cause) from None
    if found is None:
        raise StatesError(QUERY_EVALUATION_ERROR, f"{subject} returned nothing (undefined).")
    return _outside(found, subject)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    compiled = _package().Jsonata(expression)
    compiled.set_validate_input(False)
    compiled.set_output_convert_nulls(False)
    return compiled


def _package() -> Any:
    """The package, imported without the recursion limit that its import sets."""
    limit = sys.getrecursionlimit()
    try:
        return import_module("jsonata.jsonata")
    finally:
        sys.setrecursionlimit(limit)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _bindings(
    states: Mapping[str, Any], variables: Mapping[str, Any], randomness: random.Random, now_us: int
) -> dict[str, Any]:
    try:
        package = _package()
    except ImportError:
        raise StatesError(QUERY_EVALUATION_ERROR, MISSING_PACKAGE) from None
    entered, left = _bounds()
    functions = {
        name: package.Jsonata.JLambda(function) for name, function in extra_functions(randomness, now_us).items()
    }
    return {
        **functions,
        "eval": None,
        **{name: inside(value) for name, value in variables.items()},
        "states": inside(states),
        "__evaluate_entry": entered,
        "__evaluate_exit": left,
    }


def _bounds() -> tuple[Callable[..., None], Callable[..., None]]:
    """What is called when an evaluation begins and ends: it ends the expression that nests too deep or never ends."""
    depth = steps = 0

    def entered(*_: Any) -> None:
        nonlocal depth, steps
        depth, steps = depth + 1, steps + 1
        if depth > DEEPEST:
            raise RecursionError(f"Stack overflow error: depth={depth} max={DEEPEST}")
        if steps > STEPS_MAX:
            raise RecursionError(f"Expression evaluation took more than {STEPS_MAX} steps")

    def left(*_: Any) -> None:
        nonlocal depth
        depth -= 1

    return entered, left


def _outside(value: Any, subject: str) -> Any:
    if value is null():
        return None
    if isinstance(value, Mapping):
        return {key: _outside(entry, subject) for key, entry in value.items()}
    if isinstance(value, list | tuple | range):
        return [_outside(entry, subject) for entry in value]
    if isinstance(value, str | int) or value is None or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise StatesError(QUERY_EVALUATION_ERROR, f"{subject} returned an unsupported result type.")


def _entered_us(context: Any) -> int:
    """When the state was entered, or else the execution started, by the context object; 0 if it does not say."""
    if not isinstance(context, Mapping):
        return 0
    for part, key in (("State", "EnteredTime"), ("Execution", "StartTime")):
        section = context.get(part)
        moment = timestamp_us(section.get(key)) if isinstance(section, Mapping) else None
        if moment is not None:
            return moment
    return 0


def _told(problem: Exception) -> str:
    code = getattr(problem, "error", None)
    return f"{code}: {problem}" if code else str(problem) or type(problem).__name__
