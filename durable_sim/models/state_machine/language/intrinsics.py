"""Intrinsic functions of the JSONPath language: States.Format, States.MathAdd and the others.

Always holds: a call changes nothing that it is given, and draws (MathRandom, UUID) only from the given randomness. A
path without a value is States.Runtime, as in the service; whatever else a function cannot do is
States.IntrinsicFailure.
"""

from __future__ import annotations

import base64
import binascii
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from durable_sim.models.state_machine.language import paths
from durable_sim.models.state_machine.language.errors import INTRINSIC_FAILURE, StatesError
from durable_sim.models.state_machine.language.intrinsic_syntax import (
    Argument,
    Call,
    IntrinsicSyntaxError,
    Literal,
    Reference,
    Text,
    parsed,
)
from durable_sim.models.state_machine.language.values import (
    ALGORITHMS,
    compact,
    digest,
    is_number,
    rounded,
    same,
    strict_json,
    uuid4,
)

_TEXT_LONGEST = 10_000
_RANGE_LONGEST = 1_000
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_TEMPLATE_PART = re.compile(r"\\(.)|(\{\})|([{}])|([^\\{}]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Function:
    """What a function takes: at least and at most so many arguments (None: any number)."""

    run: Callable[..., Any]
    least: int
    most: int | None
    draws: bool = False


class _Cannot(Exception):
    """A function that cannot do it; the argument says why."""


def call(text: str, data: Any, context: Any, variables: Mapping[str, Any], randomness: random.Random) -> Any:
    """The value of an intrinsic function call.

    >>> given = {"n": 1, "all": [5, 6]}
    >>> call("States.Format('{} of {}', $.n, States.ArrayLength($.all))", given, {}, {}, random.Random(0))
    '1 of 2'

    Raises:
        StatesError: States.Runtime for a path without a value, else States.IntrinsicFailure.
    """
    problem = problems_of(text)
    if problem:
        raise StatesError(INTRINSIC_FAILURE, f"The function '{text}' is not valid: {problem}")
    try:
        return _Reader(text, data, context, variables, randomness).called(parsed(text))
    except _Cannot as why:
        raise StatesError(INTRINSIC_FAILURE, f"The function '{text}' had the following error: {why}") from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the values of a call are read from."""

    text: str
    data: Any
    context: Any
    variables: Mapping[str, Any]
    randomness: random.Random

    def called(self, made: Call) -> Any:
        function = FUNCTIONS[made.name]
        given = [self._given(made.name, index, argument) for index, argument in enumerate(made.arguments)]
        return function.run(*given, *([self.randomness] if function.draws else []))

    def _given(self, name: str, index: int, argument: Argument) -> Any:
        """An argument's value; the template of States.Format keeps its escapes, which tell {} from \\{\\}."""
        match argument:
            case Text(raw) if name == "Format" and index == 0:
                return raw
            case Text() | Literal():
                return argument.value
            case Reference(path):
                return self._read(path)
            case Call():
                return self.called(argument)

    def _read(self, path: str) -> Any:
        why = f"The JsonPath argument for the field '{path}'"
        subject = f"The function '{self.text}' had the following error: {why}"
        return paths.read(path, self.data, self.context, self.variables, subject=subject)


def problems_of(text: str) -> str | None:
    """What is wrong with a call as it is written; None if it may be made."""
    try:
        return _problem_in(parsed(text))
    except IntrinsicSyntaxError as problem:
        return str(problem)


def _problem_in(made: Call) -> str | None:
    function = FUNCTIONS.get(made.name)
    if function is None:
        return f"there is no function States.{made.name}; there are {', '.join(FUNCTIONS)}"
    count = len(made.arguments)
    if count < function.least or (function.most is not None and count > function.most):
        return f"States.{made.name} has {count} arguments, expected {_expected(function)}"
    inner = (_problem_in(argument) for argument in made.arguments if isinstance(argument, Call))
    return next((problem for problem in inner if problem), None)


def _expected(function: Function) -> str:
    if function.most is None:
        return f"{function.least} or more"
    return str(function.least) if function.least == function.most else f"{function.least} to {function.most}"


# -- texts and JSON ---------------------------------------------------------------------------------------------------


def _format(template: Any, *values: Any) -> str:
    parts: list[str] = []
    left = list(values)
    for escaped, hole, lone, plain in _TEMPLATE_PART.findall(_text(template, "the template")):
        if lone:
            raise _Cannot(f"the template has a single '{lone}'; write '\\{lone}'")
        if hole and not left:
            raise _Cannot(f"the template has more {{}} than the {len(values)} values given")
        parts.append(_interpolated(left.pop(0)) if hole else escaped or plain)
    if left:
        raise _Cannot(f"the template has {len(values) - len(left)} {{}}, {len(values)} values are given")
    return "".join(parts)


def _interpolated(value: Any) -> str:
    return value if isinstance(value, str) else compact(value)


def _string_to_json(text: Any) -> Any:
    try:
        return strict_json(_text(text, "its argument"))
    except (ValueError, RecursionError) as problem:
        raise _Cannot(f"{text!r} is not JSON: {problem}") from None


def _string_split(text: Any, marks: Any) -> list[str]:
    """Every character of `marks` splits, and empty parts are dropped, as the service does."""
    text, marks = _text(text, "the text"), _text(marks, "the splitter")
    parts = re.split("[" + re.escape(marks) + "]", text) if marks else [text]
    return [part for part in parts if part]


def _base64_encode(text: Any) -> str:
    return base64.b64encode(_short(text).encode()).decode()


def _base64_decode(text: Any) -> str:
    try:
        return base64.b64decode(_short(text), validate=True).decode()
    except (binascii.Error, ValueError) as problem:
        raise _Cannot(f"{text!r} is not the Base64 form of a text: {problem}") from None


def _hash(value: Any, algorithm: Any) -> str:
    if algorithm not in ALGORITHMS:
        raise _Cannot(f"the algorithm is {algorithm!r}, expected one of {', '.join(ALGORITHMS)}")
    return digest(_short(value if isinstance(value, str) else compact(value)), algorithm)


def _json_merge(first: Any, second: Any, deep: Any) -> dict[str, Any]:
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise _Cannot("both values must be objects")
    if deep is not False:
        raise _Cannot(f"the third argument is {compact(deep)}, expected false: only shallow merging is supported")
    return {**first, **second}


# -- arrays -----------------------------------------------------------------------------------------------------------


def _array(*values: Any) -> list[Any]:
    return list(values)


def _array_partition(array: Any, size: Any) -> list[list[Any]]:
    items, size = _items(array), _whole(size, "the size of a part")
    if size <= 0:
        raise _Cannot(f"the size of a part is {size}, expected more than 0")
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def _array_contains(array: Any, value: Any) -> bool:
    return any(same(item, value) for item in _items(array))


def _array_range(first: Any, last: Any, step: Any) -> list[int]:
    first, last, step = _whole(first, "the first"), _whole(last, "the last"), _whole(step, "the step")
    if step == 0:
        raise _Cannot("the step is 0")
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > _RANGE_LONGEST:
        raise _Cannot(f"the range has {len(numbers)} numbers, expected at most {_RANGE_LONGEST}")
    return list(numbers)


def _array_get_item(array: Any, index: Any) -> Any:
    items, index = _items(array), _whole(index, "the index")
    if not 0 <= index < len(items):
        raise _Cannot(f"the index is {index}, the array has {len(items)} items")
    return items[index]


def _array_length(array: Any) -> int:
    return len(_items(array))


def _array_unique(array: Any) -> list[Any]:
    unique: list[Any] = []
    for item in _items(array):
        if not any(same(item, other) for other in unique):
            unique.append(item)
    return unique


# -- numbers ----------------------------------------------------------------------------------------------------------


def _math_random(first: Any, end: Any, *seed_and_randomness: Any) -> int:
    """From `first` up to, not including, `end`; with a seed, the same number each time."""
    *seed, randomness = seed_and_randomness
    first, end = _integer(first, "the start"), _integer(end, "the end")
    if first >= end:
        raise _Cannot(f"the start {first} is not below the end {end}")
    source = random.Random(_integer(seed[0], "the seed")) if seed else randomness
    return int(source.randrange(first, end))


def _math_add(first: Any, second: Any) -> int:
    total = _integer(first, "the first number") + _integer(second, "the second number")
    return _in_range(total, "the sum")


def _uuid(randomness: random.Random) -> str:
    return uuid4(randomness)


# -- arguments --------------------------------------------------------------------------------------------------------


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _Cannot(f"{what} is {compact(value)}, expected a text")
    return value


def _short(value: Any) -> str:
    text = _text(value, "its argument")
    if len(text) > _TEXT_LONGEST:
        raise _Cannot(f"its argument has {len(text)} characters, expected at most {_TEXT_LONGEST}")
    return text


def _items(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise _Cannot(f"its first argument is {compact(value)}, expected an array")
    return value


def _whole(value: Any, what: str) -> int:
    if not is_number(value):
        raise _Cannot(f"{what} is {compact(value)}, expected a number")
    return rounded(value)


def _integer(value: Any, what: str) -> int:
    return _in_range(_whole(value, what), what)


def _in_range(value: int, what: str) -> int:
    if not _INT_MIN <= value <= _INT_MAX:
        raise _Cannot(f"{what} is {value}, expected {_INT_MIN} to {_INT_MAX}")
    return value


FUNCTIONS: Mapping[str, Function] = {
    "Format": Function(_format, 1, None),
    "StringToJson": Function(_string_to_json, 1, 1),
    "JsonToString": Function(compact, 1, 1),
    "Array": Function(_array, 0, None),
    "ArrayPartition": Function(_array_partition, 2, 2),
    "ArrayContains": Function(_array_contains, 2, 2),
    "ArrayRange": Function(_array_range, 3, 3),
    "ArrayGetItem": Function(_array_get_item, 2, 2),
    "ArrayLength": Function(_array_length, 1, 1),
    "ArrayUnique": Function(_array_unique, 1, 1),
    "Base64Encode": Function(_base64_encode, 1, 1),
    "Base64Decode": Function(_base64_decode, 1, 1),
    "Hash": Function(_hash, 2, 2),
    "JsonMerge": Function(_json_merge, 3, 3),
    "MathRandom": Function(_math_random, 2, 3, draws=True),
    "MathAdd": Function(_math_add, 2, 2),
    "StringSplit": Function(_string_split, 2, 2),
    "UUID": Function(_uuid, 0, 0, draws=True),
}
"""The functions by their names after "States."."""
