"""JSON values: what is the same, what is a number, and their texts; used by paths, functions and conditions.

Always holds: true is never the number 1, and nothing here knows NaN or Infinity.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_number(value: object) -> bool:
    """Whether a value is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; 1 and 1.0 are, 1 and true are not.

    >>> same([1, {"a": 2}], [1.0, {"a": 2}]), same(1, True)
    (True, False)
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if is_number(one) and is_number(other):
        return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def rounded(number: float) -> int:
    """The nearest whole number, halves away from zero upwards as Java's Math.round: floor(x + 1/2)."""
    return number if isinstance(number, int) else math.floor(number + 0.5)


def compact(value: Any) -> str:
    """A value as JSON text without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def strict_json(text: str) -> Any:
    """JSON text as a value; NaN and Infinity are refused. Raises ValueError."""
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def digest(text: str, algorithm: str) -> str:
    """The hash of a text in hexadecimal digits; `algorithm` is one of ALGORITHMS."""
    return hashlib.new(ALGORITHMS[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def uuid4(randomness: random.Random) -> str:
    """A version 4 UUID out of 128 drawn bits."""
    return str(uuid.UUID(int=randomness.getrandbits(128), version=4))


def timestamp_us(text: object) -> int | None:
    """The instant of an RFC 3339 timestamp (capital T and Z) in microseconds since 1970; None if it is none.

    >>> timestamp_us("1970-01-01T00:00:01Z"), timestamp_us("1970-01-01 00:00:01")
    (1000000, None)
    """
    match = _TIMESTAMP.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - offset
    except (ValueError, OverflowError):  # the thirtieth of February
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) + int((fraction or "").ljust(6, "0")[:6])
