"""Choice states: which rule holds, and where it leads.

Always holds: rules are looked at in order and the first that holds decides; And and Or stop as early as they can, so
an IsPresent may guard what follows. A comparison of a value of another type does not hold; a variable that is not
there fails the run, but under IsPresent.
"""

from __future__ import annotations

import operator
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from durable_sim.models.state_machine.language import jsonata, paths
from durable_sim.models.state_machine.language.errors import QUERY_EVALUATION_ERROR, RUNTIME, StatesError
from durable_sim.models.state_machine.language.values import is_number, timestamp_us

PATH_SUFFIX = "Path"
_PATTERN_PART = re.compile(r"\\(.)|(\*)|([^*\\]+|\\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An operator: what both sides must be, and how they are compared."""

    kind: str
    holds: Callable[[Any, Any], bool]
    may_be_path: bool = True


def choose(
    state: Mapping[str, Any],
    data: Any,
    context: Any,
    variables: Mapping[str, Any],
    randomness: random.Random | None = None,
) -> tuple[str | None, Mapping[str, Any] | None]:
    """The next state's name and the rule that led there: (Default or None, None) where no rule holds.

    `randomness` serves $random and $uuid in JSONata conditions.

    >>> rule = {"Variable": "$.n", "NumericGreaterThan": 10, "Next": "Big"}
    >>> choose({"Choices": [rule], "Default": "Small"}, {"n": 3}, {}, {})
    ('Small', None)

    Raises:
        StatesError: States.Runtime for a variable that is not there, States.QueryEvaluationError for a condition.
    """
    for index, rule in enumerate(state["Choices"]):
        if "Condition" in rule:
            holds = _condition(index, rule["Condition"], data, context, variables, randomness or random.Random(0))
        else:
            holds = _holds(rule, data, context, variables)
        if holds:
            return rule["Next"], rule
    return state.get("Default"), None


def _condition(
    index: int, condition: Any, data: Any, context: Any, variables: Mapping[str, Any], randomness: random.Random
) -> bool:
    states = {"input": data, "context": context}
    field = f"Choices[{index}]/Condition"
    found = jsonata.evaluate(condition, states, variables, randomness, field=field)
    if not isinstance(found, bool):
        raise StatesError(QUERY_EVALUATION_ERROR, f"The field '{field}' evaluated to {found!r}, expected a boolean")
    return found


def _holds(rule: Mapping[str, Any], data: Any, context: Any, variables: Mapping[str, Any]) -> bool:
    if "And" in rule:
        return all(_holds(inner, data, context, variables) for inner in rule["And"])
    if "Or" in rule:
        return any(_holds(inner, data, context, variables) for inner in rule["Or"])
    if "Not" in rule:
        return not _holds(rule["Not"], data, context, variables)
    name = operator_of(rule)
    variable = paths.find(rule["Variable"], data, context, variables)
    if name == "IsPresent":
        return (variable is not paths.MISSING) is rule[name]
    if variable is paths.MISSING:
        raise StatesError(
            RUNTIME, f"Invalid path '{rule['Variable']}': the choice state's condition path references an invalid value"
        )
    if name in TESTS:
        return TESTS[name](variable) is rule[name]
    return _compared(name, variable, rule[name], data, context, variables)


def operator_of(rule: Mapping[str, Any]) -> str:
    """The one operator of a rule with a Variable."""
    for name in rule:
        if name in OPERATORS:
            return name
    raise StatesError(RUNTIME, f"a rule has no operator, only {', '.join(rule)}")


def _compared(name: str, variable: Any, expected: Any, data: Any, context: Any, variables: Mapping[str, Any]) -> bool:
    if name.endswith(PATH_SUFFIX):
        expected = paths.read(expected, data, context, variables)
    comparison = COMPARISONS[name.removesuffix(PATH_SUFFIX)]
    understand = KINDS[comparison.kind]
    left, right = understand(variable), understand(expected)
    return left is not None and right is not None and comparison.holds(left, right)


def _like(text: str, pattern: str) -> bool:
    """Whether a text matches: * is any characters, a backslash makes what follows plain. No regular expression, so
    that many stars cost no more than one."""
    first, *others = _between_stars(pattern)
    if not others:
        return text == first
    *middle, last = others
    if not text.startswith(first):
        return False
    position = len(first)
    for part in middle:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(text) - len(last) >= position and text.endswith(last)


@lru_cache(maxsize=1024)
def _between_stars(pattern: str) -> tuple[str, ...]:
    parts = [""]
    for escaped, star, plain in _PATTERN_PART.findall(pattern):
        if star:
            parts.append("")
        else:
            parts[-1] += escaped or plain
    return tuple(parts)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if is_number(value) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


KINDS: Mapping[str, Callable[[Any], Any]] = {
    "String": _text,
    "Numeric": _number,
    "Boolean": _boolean,
    "Timestamp": timestamp_us,
}
"""How a value is understood before it is compared; None if it is of another type."""

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}

COMPARISONS: Mapping[str, Comparison] = {
    **{
        f"{kind}{order}": Comparison(kind, holds)
        for kind in ("String", "Numeric", "Timestamp")
        for order, holds in _ORDERS.items()
    },
    "BooleanEquals": Comparison("Boolean", operator.eq),
    "StringMatches": Comparison("String", _like, may_be_path=False),
}
"""Operators that compare the variable with a value, or through their ...Path form with another path's."""

TESTS: Mapping[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": is_number,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: timestamp_us(value) is not None,
}
"""Operators that ask what a value is."""

PATH_FORMS = tuple(f"{name}{PATH_SUFFIX}" for name, comparison in COMPARISONS.items() if comparison.may_be_path)
OPERATORS = (*COMPARISONS, *PATH_FORMS, "IsPresent", *TESTS)
"""All the operators of a rule with a Variable."""
