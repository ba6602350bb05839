"""Durations: what people write, to whole microseconds and back."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.durations import DAY, HOUR, MINUTE, SECOND, WEEK, duration_us, format_us, seconds
from durable_sim.errors import DurationError, UserError

HINT = "; write for example '30s', '1h30m', '250 ms' or a timedelta"


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("0s", 0),
        ("1us", 1),
        ("1 µs", 1),  # the micro sign
        ("1 μs", 1),  # the Greek letter
        ("250 ms", 250_000),
        ("1.5s", 1_500_000),
        ("30s", 30 * SECOND),
        ("30 secs", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("5 Minutes", 5 * MINUTE),
        ("24 hours", DAY),
        ("1h30m", HOUR + 30 * MINUTE),
        ("1 hour, 30 minutes", HOUR + 30 * MINUTE),
        ("  2d 3h  ", 2 * DAY + 3 * HOUR),
        ("1w", WEEK),
        ("1.000001s", 1_000_001),
        ("0.1s0.2s", 300_000),
    ],
)
def test_text_is_read_by_its_units(text: str, us: int) -> None:
    """A number with a unit, or several in a row, is that many microseconds."""
    assert duration_us(text) == us


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("30", "expected a number followed by a unit"),
        ("s", "expected a number followed by a unit"),
        ("-5s", "expected a number followed by a unit"),
        ("5s!", "expected a number followed by a unit"),
        ("1h 30", "expected a number followed by a unit"),
        (".5s", "expected a number followed by a unit"),
        ("5 parsecs", "unknown unit 'parsecs' (us, ms, s, m, h, d, w and their long names)"),
        ("1e3s", "unknown unit 'e' (us, ms, s, m, h, d, w and their long names)"),
        ("0.5us", "finer than a microsecond"),
        ("1.0000001s", "finer than a microsecond"),
        (30, "a int has no unit"),
        (1.5, "a float has no unit"),
        (None, "a NoneType has no unit"),
        (timedelta(seconds=-1), "a time span cannot be negative"),
        (timedelta(microseconds=-1), "a time span cannot be negative"),
    ],
)
def test_a_bad_duration_is_refused_with_which_found_and_expected(value: Any, problem: str) -> None:
    """The error names the value, what is wrong with it, and how to write it."""
    with pytest.raises(DurationError) as caught:
        duration_us(value)
    assert (caught.value.value, caught.value.problem) == (value, problem)
    assert str(caught.value) == f"duration {value!r}: {problem}{HINT}"


def test_a_duration_error_is_a_users_mistake_and_a_value_error() -> None:
    """Code that guards with `except ValueError` catches it too."""
    assert issubclass(DurationError, UserError)
    assert issubclass(DurationError, ValueError)


def test_the_same_bad_text_is_refused_every_time() -> None:
    """Remembering what was read does not remember a failure as a success."""
    for _ in range(2):
        with pytest.raises(DurationError):
            duration_us("5 parsecs")


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0s"),
        (1, "1us"),
        (999, "999us"),
        (1_000, "1ms"),
        (1_500, "1.5ms"),
        (SECOND, "1s"),
        (1_234_567, "1.234567s"),
        (90 * SECOND, "1m30s"),
        (HOUR + 1, "1h0.000001s"),
        (DAY, "1d"),
        (8 * DAY + HOUR + MINUTE + SECOND, "8d1h1m1s"),
        (-90 * SECOND, "-1m30s"),
    ],
)
def test_microseconds_are_written_in_the_largest_units_that_fit(us: int, text: str) -> None:
    """The text has no zero parts and no trailing zeros."""
    assert format_us(us) == text


@given(st.integers(min_value=0, max_value=10**18))
def test_what_is_written_is_read_back_exactly(us: int) -> None:
    """`duration_us(format_us(n)) == n` for every n from 0."""
    assert duration_us(format_us(us)) == us


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10**6)))
def test_a_timedelta_is_read_exactly(value: timedelta) -> None:
    """A `timedelta` keeps each of its microseconds, where float seconds would lose some."""
    assert timedelta(microseconds=duration_us(value)) == value


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["us", "ms", "s", "m", "h", "d", "w"])), min_size=1))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    """A row of parts is the sum of its parts, in any order and of any units."""
    text = " ".join(f"{number}{unit}" for number, unit in parts)
    assert duration_us(text) == sum(duration_us(f"{number}{unit}") for number, unit in parts)


def test_seconds_has_three_decimals() -> None:
    """Tables show seconds rounded to milliseconds."""
    assert [seconds(us) for us in (0, 1_234_567, 90 * SECOND)] == ["0.000s", "1.235s", "90.000s"]


def test_a_duration_error_survives_pickling() -> None:
    """Fields and text are the same after a round trip."""
    error = pickle.loads(pickle.dumps(DurationError("5 parsecs", "unknown unit")))
    assert (error.value, error.problem) == ("5 parsecs", "unknown unit")
    assert str(error) == str(DurationError("5 parsecs", "unknown unit"))
