"""Functions that state machines add to JSONata, and those whose time or randomness must come from the simulation.

None stands for undefined here, as in the package that calls them.

Always holds: arguments are rounded towards zero; some mistakes give undefined instead of an error, as in the service.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from durable_sim.models.state_machine.language.values import ALGORITHMS, digest, is_number, strict_json, uuid4

RANGE_LONGEST = 360_145
"""The longest $range that the service was seen to accept."""


def extra_functions(randomness: random.Random, now_us: int) -> Mapping[str, Callable[..., Any]]:
    """The functions by name, drawing from `randomness` at the time `now_us` (since 1970)."""

    def now(picture: Any = None, timezone: Any = None) -> Any:
        functions = import_module("jsonata.functions").Functions
        return functions.datetime_from_millis(now_us // 1000, picture, timezone)

    def shuffle(array: Any = None) -> Any:
        if not isinstance(array, list):
            return array
        return randomness.sample(array, len(array))

    return {
        "partition": _partition,
        "range": _range,
        "hash": _hash,
        "parse": _parse,
        "random": lambda seed=None: (randomness if seed is None else random.Random(_whole(seed))).random(),
        "uuid": lambda: uuid4(randomness),
        "shuffle": shuffle,
        "now": now,
        "millis": lambda: now_us // 1000,
    }


def _partition(array: Any = None, size: Any = None) -> Any:
    if array is None or size is None:
        return None
    items = array if isinstance(array, list) else [array]
    size = _whole(size)
    if size < 0:
        raise ValueError(f"$partition: the size is {size}, expected 1 or more")
    parts = [items[start : start + size] for start in range(0, len(items), size)] if size else []
    return parts or None


def _range(first: Any = None, last: Any = None, step: Any = None) -> Any:
    if first is None or last is None or step is None:
        return None
    first, last, step = _whole(first), _whole(last), _whole(step)
    if step == 0 or (last - first) * step < 0:
        return None
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > RANGE_LONGEST:
        raise ValueError(f"$range: {len(numbers)} numbers, expected at most {RANGE_LONGEST}")
    return list(numbers) if len(numbers) > 1 else first


def _hash(text: Any = None, algorithm: Any = None) -> Any:
    if text is None or algorithm is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"$hash: its first argument is {text!r}, expected a string")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"$hash: the algorithm is {algorithm!r}, expected one of {', '.join(ALGORITHMS)}")
    return digest(text, algorithm)


def _parse(text: Any = None) -> Any:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"$parse: its argument is {text!r}, expected a string")
    return inside(strict_json(text))


def null() -> Any:
    """What the package writes for null, since its None is undefined."""
    return import_module("jsonata.utils").Utils.NULL_VALUE


def inside(value: Any) -> Any:
    """A JSON value as the package wants it."""
    if value is None:
        return null()
    if isinstance(value, Mapping):
        return {key: inside(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [inside(entry) for entry in value]
    return value


def _whole(number: Any) -> int:
    if not is_number(number) or not math.isfinite(number):
        raise ValueError(f"{number!r} is not a number")
    return int(number)
