"""Values that cross a boundary: workflow inputs, activity arguments and results.

An engine keeps values, not references: what it hands out is a copy, so that a workflow that changes a result in place
changes nothing in the history. Always holds: `copied(copied(x)) == copied(x)`, and what cannot be kept is refused by
name.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from durable_sim.errors import UserError

_SCALARS = frozenset((str, int, float, bool, type(None)))


def copied(value: Any, name: str = "value") -> Any:
    """A deep copy of JSON-like data (dataclasses allowed; tuples become lists, as JSON would have it).

    Raises:
        UserError: something that no history could keep, with the path to it.
    """
    if type(value) in _SCALARS:
        return value
    try:
        return _copy(value)
    except RecursionError:
        raise UserError(f"{name} contains itself: expected data without cycles, as JSON has it") from None
    except TypeError as error:
        _explain(value, name)
        raise UserError(
            f"{name} cannot be copied ({error}): expected dataclasses that can be made from their fields"
        ) from None


def copied_arguments(arguments: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Copies of positional arguments."""
    for argument in arguments:
        if type(argument) not in _SCALARS:
            return tuple([copied(one, name) for one in arguments])
    return arguments


def copied_options(options: dict[str, Any], name: str) -> dict[str, Any]:
    """Copies of named arguments."""
    for option in options.values():
        if type(option) not in _SCALARS:
            return {key: copied(one, name) for key, one in options.items()}
    return options


def _copy(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:  # loops and no comprehensions: in Python 3.11 each of those is a call of its own
        fields = {}
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError
            fields[key] = item if type(item) in _SCALARS else _copy(item)
        return fields
    if kind is list or kind is tuple:
        items = []
        for item in value:
            items.append(item if type(item) in _SCALARS else _copy(item))
        return items
    if dataclasses.is_dataclass(kind):
        return kind(**{f.name: _copy(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init})
    raise TypeError


def _explain(value: Any, name: str) -> None:
    """Raise for the first part of `value` that cannot be kept; only called once it is known that there is one."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise UserError(f"{name} has the key {key!r}: expected text keys, as JSON has them; convert the key")
            _explain(item, f"{name}[{key!r}]")
    elif kind is list or kind is tuple:
        for place, item in enumerate(value):
            _explain(item, f"{name}[{place}]")
    elif dataclasses.is_dataclass(kind):
        for f in dataclasses.fields(value):
            _explain(getattr(value, f.name), f"{name}.{f.name}")
    elif kind not in _SCALARS:
        raise UserError(
            f"{name} is a {kind.__qualname__}: expected JSON-like data (text, numbers, booleans, None, lists, "
            "dicts with text keys, dataclasses of these); convert it before it leaves the function"
        )


def as_json(value: Any) -> Any:
    """Copied data with its dataclasses as dicts, ready for `json.dumps`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value
