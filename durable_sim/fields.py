"""Settings against their annotations: a dataclass refuses what is not of the kind that its fields say.

Reads annotations of whole numbers, numbers, texts, true or false, time spans and choices (`Literal`), each also with
None; it passes over all others.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from functools import cache
from types import NoneType
from typing import Any, Literal, NamedTuple, cast, get_args, get_origin, get_type_hints

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import ScenarioError

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "True or False"}


class _Checked(NamedTuple):
    """A field: its name, whether it may be None, and a type, `Duration`, or the choices there are."""

    name: str
    optional: bool
    kind: Any
    choices: tuple[str, ...]


def check_fields(given: Any, name: str) -> None:
    """Refuse a dataclass whose fields hold what they cannot; `name` is what messages call it.

    Raises:
        ScenarioError: a line for each field that does not fit.
        DurationError: a time span that cannot be read.
    """
    problems = []
    for field in _checked(cast(Hashable, type(given))):
        value = getattr(given, field.name)
        if value is None and field.optional:
            continue
        if field.kind is Duration:
            duration_us(value)
        elif field.choices:
            if value not in field.choices:
                problems.append(f"{field.name} is {value!r}, expected one of {', '.join(field.choices)}")
        elif not _fits(value, field.kind):
            problems.append(f"{field.name} is {value!r}, expected {_WORDS[field.kind]}")
    if problems:
        raise ScenarioError(name, problems)


def _fits(value: object, kind: type) -> bool:
    return isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))


@cache
def _checked(owner: Hashable) -> tuple[_Checked, ...]:
    hints = get_type_hints(owner)
    found = (_kind_of(field.name, hints[field.name]) for field in fields(cast(Any, owner)))
    return tuple(field for field in found if field is not None)


def _kind_of(name: str, hint: Any) -> _Checked | None:
    parts = get_args(hint) if get_origin(hint) is not Literal and NoneType in get_args(hint) else (hint,)
    kinds = [part for part in parts if part is not NoneType]
    optional = len(kinds) < len(parts)
    if hint in (Duration, Duration | None):
        return _Checked(name, optional, Duration, ())
    if len(kinds) != 1:
        return None
    if get_origin(kinds[0]) is Literal:
        return _Checked(name, optional, None, get_args(kinds[0]))
    return _Checked(name, optional, kinds[0], ()) if kinds[0] in _WORDS else None
