"""What all settings are checked with: whole numbers, time spans and words, refused in one line: found, expected."""

from __future__ import annotations

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.errors import UserError


def whole(owner: str, name: str, value: object, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number within bounds.

    >>> whole("Batch", "max_size", 200, 1, 100)
    Traceback (most recent call last):
    durable_sim.errors.UserError: Batch: max_size is 200, expected a whole number from 1 to 100
    """
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least and (most is None or value <= most)
    if not fits:
        bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise UserError(f"{owner}: {name} is {value!r}, expected a whole number {bounds}")


def span(owner: str, name: str, value: Duration, least_us: int, most_us: int | None = None) -> int:
    """A time span within bounds, in microseconds.

    >>> span("Debounce", "period", "8d", 1_000_000, 604_800_000_000)
    Traceback (most recent call last):
    durable_sim.errors.UserError: Debounce: period is '8d', expected a time span from 1s to 7d
    """
    us = duration_us(value)
    if us < least_us or (most_us is not None and us > most_us):
        bounds = f"of {format_us(least_us)} or more" if most_us is None else f"{_range(least_us, most_us)}"
        raise UserError(f"{owner}: {name} is {value!r}, expected a time span {bounds}")
    return us


def one_of(owner: str, name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a word that is not among those known."""
    if value not in known:
        raise UserError(f"{owner}: {name} is {value!r}, expected one of {', '.join(map(repr, known))}")


def _range(least_us: int, most_us: int) -> str:
    return f"from {format_us(least_us)} to {format_us(most_us)}"
