"""Time spans: from what people write to whole microseconds, and back.

Owns the one unit of simulated time. Integers, because `0.1 + 0.2` and `0.3` fire in the wrong order as floats.
Always holds: `duration_us(format_us(n)) == n` for every n >= 0.
"""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache

from durable_sim.errors import DurationError

Duration = str | timedelta
"""What a user may write wherever a time span is wanted."""

MICROSECOND = 1
MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_UNITS: dict[str, int] = {
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), MICROSECOND),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), MILLISECOND),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), WEEK),
}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Zµμ]+)\s*,?", re.ASCII)
_PARTS_PRINTED = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND))


def duration_us(value: Duration) -> int:
    """Read a time span as whole microseconds.

    Takes text with units ("30s", "24 hours", "1h30m", "1.5 s") or a `timedelta`. A bare number is refused, since
    nobody can tell its unit.

    >>> duration_us("24 hours")
    86400000000
    >>> duration_us("1h30m") == duration_us("90 minutes")
    True

    Raises:
        DurationError: no number, no or an unknown unit, negative, or finer than a microsecond.
    """
    if isinstance(value, str):
        return _parse(value)
    if isinstance(value, timedelta):
        return _from_timedelta(value)
    raise DurationError(value, f"a {type(value).__name__} has no unit")


def format_us(us: int) -> str:
    """Write whole microseconds in the shortest exact form that `duration_us` reads back.

    >>> format_us(5_400_000_000), format_us(1_500_000), format_us(0)
    ('1h30m', '1.5s', '0s')
    """
    if us < 0:
        return "-" + format_us(-us)
    if us == 0:
        return "0s"
    if us < SECOND:
        unit, size = ("ms", MILLISECOND) if us >= MILLISECOND else ("us", MICROSECOND)
        return f"{_decimal(us, size)}{unit}"
    text = ""
    for unit, size in _PARTS_PRINTED[:3]:
        count, us = divmod(us, size)
        text += f"{count}{unit}" if count else ""
    return text + (f"{_decimal(us, SECOND)}s" if us else "")


def seconds(us: int) -> str:
    """Microseconds as seconds with three decimals, for stories and tables.

    >>> seconds(1_234_567)
    '1.235s'
    """
    return f"{us / SECOND:.3f}s"


def _decimal(us: int, size: int) -> str:
    whole, rest = divmod(us, size)
    if not rest:
        return str(whole)
    digits = len(str(size)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")


@lru_cache(maxsize=1024)
def _parse(text: str) -> int:
    total = Fraction(0)
    position = 0
    while position < len(text.rstrip()):
        part = _PART.match(text, position)
        if part is None:
            raise DurationError(text, "expected a number followed by a unit")
        number, unit = part.groups()
        size = _UNITS.get(unit) or _UNITS.get(unit.lower())
        if size is None:
            raise DurationError(text, f"unknown unit {unit!r} (us, ms, s, m, h, d, w and their long names)")
        total += Fraction(number) * size
        position = part.end()
    if position == 0:
        raise DurationError(text, "it is empty")
    if total.denominator != 1:
        raise DurationError(text, "finer than a microsecond")
    return int(total)


def _from_timedelta(value: timedelta) -> int:
    us = value // timedelta(microseconds=1)
    if us < 0:
        raise DurationError(value, "a time span cannot be negative")
    return us
