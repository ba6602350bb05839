"""What a scenario file expects of a model: conditions on the verdicts, as data.

A condition is a number (exactly so many), or text: ">= 5", "< 3", "!= 0" and so on, or "all". Besides the verdicts,
`violations` and `repeats` can be counted, and `only` lists the verdicts that may occur at all.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from durable_sim.checks.violations import VERDICTS
from durable_sim.errors import ScenarioError, did_you_mean

Expectation = Mapping[str, int | str | list[str]]
_KEYS = (*VERDICTS, "violations", "repeats", "only")
_CONDITION = re.compile(r"(>=|<=|==|!=|>|<)?\s*(\d+)")
_OPERATORS: Mapping[str, Callable[[int, int], bool]] = MappingProxyType(
    {
        ">=": operator.ge,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
        ">": operator.gt,
        "<": operator.lt,
    }
)


def check_expectation(expectation: Mapping[str, Any]) -> Expectation:
    """The conditions, if all can be read.

    Raises:
        ScenarioError: every unknown verdict, and every condition that cannot be read.
    """
    problems = [problem for key, condition in expectation.items() for problem in _problems(key, condition)]
    if problems:
        raise ScenarioError("expect", problems)
    return expectation


def unmet(expectation: Expectation, counts: Mapping[str, int], executions: int) -> Iterator[str]:
    """The conditions that do not hold, in words. `counts` has the verdicts, `violations` and `repeats`."""
    for key, condition in expectation.items():
        if key == "only":
            others = {name: counts[name] for name in VERDICTS if name not in condition and counts.get(name)}  # type: ignore[operator]
            if others:
                found = ", ".join(f"{count} {name}" for name, count in others.items())
                yield f"found {found}, expected only {', '.join(condition)}"  # type: ignore[arg-type]
        elif not _holds(condition, counts.get(key, 0), executions):
            yield f"{key}: found {counts.get(key, 0)}, expected {condition}"


def _problems(key: str, condition: object) -> Iterator[str]:
    if key not in _KEYS:
        yield f"{key}: unknown verdict: {did_you_mean(key, _KEYS)}"
    elif key != "only":
        if not _readable(condition):
            yield f"{key}: found {condition!r}, expected a number, a comparison such as '>= 5', or 'all'"
    elif not isinstance(condition, list) or not condition:
        yield f"only: found {condition!r}, expected a list of verdicts"
    else:
        for name in condition:
            if name not in VERDICTS:
                yield f"only: unknown verdict {name!r}: {did_you_mean(str(name), VERDICTS)}"


def _readable(condition: object) -> bool:
    if isinstance(condition, str):
        return condition == "all" or _CONDITION.fullmatch(condition.strip()) is not None
    return type(condition) is int and condition >= 0


def _holds(condition: object, count: int, executions: int) -> bool:
    if isinstance(condition, int):
        return count == condition
    if condition == "all":
        return count == executions
    match = _CONDITION.fullmatch(str(condition).strip())
    assert match is not None
    return _OPERATORS[match[1] or "=="](count, int(match[2]))
