"""Definitions broken at random: one value deleted, replaced or renamed."""

from __future__ import annotations

import copy
import random
from typing import Any

OTHERS: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**12,
    "",
    "$",
    "$.a[",
    "{% $",
    "States.ALL",
    [],
    [1],
    {},
    {"a.$": 1},
    [{}],
]


def spots(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a definition."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(spot for key, each in inner for spot in spots(each, (*at, key)))]


def mutated(definition: Any, draw: random.Random) -> Any:
    """A copy with one value deleted, replaced or renamed."""
    definition = copy.deepcopy(definition)
    there = [spot for spot in spots(definition) if spot]
    if not there:
        return definition
    *above, key = draw.choice(there)
    holder = definition
    for step in above:
        holder = holder[step]
    kind = draw.choice(["delete", "replace", "rename"])
    if kind == "delete":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[draw.choice(["Retry", "Next", "Type", key + "x", "Choices", "QueryLanguage"])] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(draw.choice(OTHERS))
    return definition


ALTERNATIVES: dict[str, list[Any]] = {
    "Seconds": [0, 1, 5],
    "MaxAttempts": [0, 1, 5],
    "IntervalSeconds": [1, 2],
    "TimeoutSeconds": [1, 60],
    "BackoffRate": [1.0, 3.0],
    "ResultPath": ["$", None, "$.x", "$.order.y"],
    "InputPath": ["$", None, "$.missing"],
    "OutputPath": ["$", None, "$.missing"],
    "ErrorEquals": [["States.ALL"], ["Nope"], ["States.Timeout"]],
    "MaxConcurrency": [0, 1, 2],
}


def nudged(definition: Any, draw: random.Random) -> Any:
    """A copy with one setting or one Next changed to another that may stand there."""
    definition = copy.deepcopy(definition)
    names = [spot[-1] for spot in spots(definition) if len(spot) > 1 and spot[-2] == "States"]
    there = [spot for spot in spots(definition) if spot and (spot[-1] in ALTERNATIVES or spot[-1] == "Next")]
    if not there:
        return definition
    *above, key = draw.choice(there)
    holder = definition
    for step in above:
        holder = holder[step]
    holder[key] = copy.deepcopy(draw.choice(ALTERNATIVES.get(key, names)))
    return definition
