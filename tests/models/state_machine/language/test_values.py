"""JSON values: instants, rounding, sameness."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.models.state_machine.language.values import compact, rounded, same, strict_json, timestamp_us


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T00:00:00.1234567Z", 123_456),
        ("1969-12-31T23:59:59.5Z", -500_000),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T18:30:00-05:30", 0),
        ("1970-01-01T24:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("1970-01-01T00:00:00+1:00", None),
        ("1970-01-01T00:00:00.Z", None),
        (0, None),
        (None, None),
    ],
)
def test_a_timestamp_is_an_instant(text: object, us: int | None) -> None:
    """Zones on both sides of Greenwich, parts of seconds, and what is none."""
    assert timestamp_us(text) == us


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_a_timestamp_is_read_as_python_writes_it(moment: datetime, minutes: int) -> None:
    """In any zone of whole minutes."""
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert timestamp_us(there.isoformat()) == (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(("number", "nearest"), [(3, 3), (1.4, 1), (1.5, 2), (2.5, 3), (-1.5, -1), (-1.6, -2)])
def test_halves_are_rounded_up(number: float, nearest: int) -> None:
    """Also below zero."""
    assert rounded(number) == nearest


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(1, 1.0, True), (1, True, False), (0, False, False), (None, 0, False), ("1", 1, False), ([1], [1, 1], False),
     ({"a": 1}, {"a": 1.0}, True), ({"a": 1}, {"b": 1}, False), ({"a": [0]}, {"a": [False]}, False), ([], {}, False)],
)  # fmt: skip
def test_values_are_the_same_by_type_and_content(one: object, other: object, equal: bool) -> None:
    """Numbers are compared as numbers; a boolean is none, however deep."""
    assert same(one, other) is equal and same(other, one) is equal


def test_json_text_without_blanks_is_read_back() -> None:
    """Letters of other scripts stay as they are; NaN and Infinity are refused."""
    value = {"größe": [1, None, True, "x"]}
    assert compact(value) == '{"größe":[1,null,true,"x"]}' and strict_json(compact(value)) == value
    for text in ("NaN", "[Infinity]", "-Infinity"):
        with pytest.raises(ValueError, match="is not JSON"):
            strict_json(text)
