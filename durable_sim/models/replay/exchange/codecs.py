"""The exchange form, part 1: how plain values are written in protobuf JSON and read back, and what a field is.

Always holds: what a codec writes it reads back as it was; what it cannot read it refuses with a `Mismatch` that says
what was found, what was expected and where. Nothing that is read is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from durable_sim.durations import SECOND
from durable_sim.workflows.clock import EPOCH

_SPAN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s", re.ASCII)
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)
_INNER_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
ABSENT = object()
"""What stands for a value that is not there, or is there and says nothing (an enum's UNSPECIFIED)."""


class Mismatch(ValueError):
    """A value that is not what its place wants; `path` leads to the place."""

    def __init__(self, found: object, expected: str, path: str = "") -> None:
        super().__init__(found, expected, path)
        self.found = found
        self.expected = expected
        self.path = path

    def below(self, name: str) -> Mismatch:
        """The same, seen from one level up."""
        return Mismatch(self.found, self.expected, f"{name}.{self.path}" if self.path else name)


class Codec(NamedTuple):
    """Both ways for one kind of value. A value equal to `empty()` is left out, and is read where nothing is."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    expected: str
    empty: Callable[[], Any] | None = None
    keeps_none: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute: its name here and its place there, both with dots where it lies deeper."""

    name: str
    path: str
    codec: Codec
    required: bool = False


def write_fields(fields: Iterable[Field], values: dict[str, Any]) -> dict[str, Any]:
    """The protobuf JSON of some attributes; those that are None or not there are left out."""
    body: dict[str, Any] = {}
    for field in fields:
        value, codec = _dig(values, field.name), field.codec
        if value is ABSENT or (value is None and not codec.keeps_none):
            continue
        if codec.empty is None or value != codec.empty():
            try:
                _put(body, field.path, codec.write(value))
            except Mismatch as mismatch:
                raise mismatch.below(field.name) from None
    return body


def read_fields(fields: Iterable[Field], body: dict[str, Any]) -> dict[str, Any]:
    """The attributes in some protobuf JSON; what no field asks for is left behind."""
    values: dict[str, Any] = {}
    for field in fields:
        try:
            value = _read(field, _dig(body, field.path))
        except Mismatch as mismatch:
            raise mismatch.below(field.path) from None
        if value is not ABSENT:
            _put(values, field.name, value)
    return values


def _read(field: Field, found: Any) -> Any:
    if found is not ABSENT and found is not None:
        return field.codec.read(found)
    if field.required:
        raise Mismatch(ABSENT, field.codec.expected)
    return ABSENT if field.codec.empty is None else field.codec.empty()


def _dig(values: Any, path: str) -> Any:
    for name in path.split("."):
        if values is None:
            return ABSENT
        values = the(dict, values, f"an object with {name!r}").get(name, ABSENT)
        if values is ABSENT:
            return ABSENT
    return values


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        values = values.setdefault(name, {})
    values[last] = value


def the(kind: type | tuple[type, ...], value: Any, expected: str) -> Any:
    """The value, if it is of that kind; true and false are no numbers."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Mismatch(value, expected)
    return value


# --- text, numbers, enums -------------------------------------------------------------------------------------------
def _read_whole(value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return int(the(int, value, "a whole number"))


def _read_event_id(value: Any) -> int:
    try:
        number = _read_whole(value)
    except Mismatch:
        number = 0
    if number < 1:
        raise Mismatch(value, "an event id, from 1")
    return number


TEXT = Codec(str, lambda value: the(str, value, "text"), "text")
WHOLE = Codec(int, _read_whole, "a whole number")
FLAG = Codec(bool, lambda value: the(bool, value, "true or false"), "true or false", bool)
EVENT_ID = Codec(str, _read_event_id, "an event id, from 1")
EVENT_ID_OR_ZERO = Codec(str, _read_whole, "an event id", int)
WRITTEN_ONLY = Codec(str, lambda _: ABSENT, "text")


def upper_snake(name: str) -> str:
    """`TimerFired` as `TIMER_FIRED`."""
    return _INNER_CAPITAL.sub("_", name).upper()


def enum(prefix: str, **theirs: str) -> Codec:
    """Enum values without their common prefix; `theirs` has those that are called otherwise there."""
    ours = {name: own for own, name in theirs.items()}
    expected = f"a value of {prefix}"

    def read(value: Any) -> Any:
        text: str = the(str, value, expected)
        name = text.removeprefix(f"{prefix}_") if text.isupper() else upper_snake(text)
        return ABSENT if name == "UNSPECIFIED" else ours.get(name, name)

    return Codec(lambda name: f"{prefix}_{theirs.get(name, name)}", read, expected)


# --- time -----------------------------------------------------------------------------------------------------------
def write_span(us: int) -> str:
    """Microseconds as protobuf JSON has them.

    >>> write_span(30_000_000), write_span(200_000), write_span(1)
    ('30s', '0.200s', '0.000001s')
    """
    sign, (whole, rest) = "-" if us < 0 else "", divmod(abs(us), SECOND)
    if not rest:
        return f"{sign}{whole}s"
    return f"{sign}{whole}.{rest // 1000:03d}s" if rest % 1000 == 0 else f"{sign}{whole}.{rest:06d}s"


def read_span(value: Any) -> int:
    """Whole microseconds; what is finer is cut off."""
    parts = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise Mismatch(value, "a duration such as '30s' or '0.200s'")
    us = int(parts[2]) * SECOND + _fraction_us(parts[3])
    return -us if parts[1] else us


def write_time(us: int) -> str:
    """A time of the simulation in RFC 3339, with nanoseconds.

    >>> write_time(1_500_000)
    '2026-01-01T00:00:01.500000000Z'
    """
    return (EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def read_time(value: Any) -> int:
    """Microseconds since the start of simulated time, negative before it; what is finer is cut off."""
    parts = _TIME.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise Mismatch(value, "a time such as '2026-01-01T00:00:00.000000000Z'")
    try:
        moment = datetime.fromisoformat(parts[1] + parts[3].replace("Z", "+00:00"))
    except ValueError as error:
        raise Mismatch(value, f"a time that exists ({error})") from None
    return (moment - EPOCH) // timedelta(microseconds=1) + _fraction_us(parts[2])


def _fraction_us(digits: str | None) -> int:
    return int((digits or "").ljust(6, "0")[:6])


SPAN = Codec(write_span, read_span, "a duration")
TIMEOUT = Codec(write_span, lambda value: read_span(value) or ABSENT, "a duration")
