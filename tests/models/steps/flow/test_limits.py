"""The limits of the platform: each is refused by its name just above it, and taken at it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.durations import DAY
from durable_sim.errors import UserError
from durable_sim.models.steps.flow import limits

Check = Callable[[Any], object]


def text_of(size_bytes: int) -> str:
    """Text whose JSON has that many bytes."""
    return "x" * (size_bytes - 2)


CASES: list[tuple[Check, Any, Any, str]] = [
    (limits.check_steps, 1000, 1001, "limit 'steps in a run': found 1001 steps, expected at most 1000"),
    (
        lambda count: limits.check_steps(count, 20_000),
        10_000,
        10_001,
        "limit 'steps in a run': found 10001 steps, expected at most 10000",
    ),
    (limits.check_steps_setting, 10_000, 10_001, "limit 'maximum steps in a run': found 10001 steps"),
    (limits.check_state, 32 * 2**20, 32 * 2**20 + 1, "limit 'state of a run': found 33554433 bytes"),
    (
        limits.check_output,
        text_of(4 * 2**20),
        text_of(4 * 2**20 + 1),
        "limit 'output of a step': found 4194305 bytes, expected at most 4194304 bytes",
    ),
    (limits.check_event, text_of(512 * 2**10), text_of(512 * 2**10 + 1), "limit 'event': found 524289 bytes"),
    (
        lambda event: limits.check_event(event, 10 * 2**20),
        text_of(3 * 2**20),
        text_of(3 * 2**20 + 1),
        "limit 'event': found 3145729 bytes, expected at most 3145728 bytes",
    ),
    (limits.check_send, 5000, 5001, "limit 'events in one send': found 5001 events, expected at most 5000"),
    (limits.check_sleep, 366 * DAY, 366 * DAY + 1, "limit 'sleep or wait': found 366d0.000001s, expected at most 366d"),
    (limits.check_triggers, 10, 11, "limit 'triggers of a function': found 11 triggers, expected at most 10"),
    (limits.check_concurrency_entries, 2, 3, "limit 'concurrency entries of a function': found 3 entries"),
    (limits.check_cancel_on, 5, 6, "limit 'cancelOn of a function': found 6 entries, expected at most 5"),
]


@pytest.mark.parametrize(("check", "most", "more", "text"), CASES)
def test_each_limit_is_refused_by_name(check: Check, most: Any, more: Any, text: str) -> None:
    """What is at the limit passes; one more is refused, saying which, found and expected."""
    check(most)
    with pytest.raises(limits.LimitExceeded) as refused:
        check(more)
    assert str(refused.value).startswith(text)


def test_a_refusal_survives_pickling() -> None:
    """It is a mistake of the user, and its fields and text are the same after a copy."""
    error = limits.LimitExceeded("event", "2 bytes", "1 bytes")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, UserError)
    assert (copy.limit, str(copy)) == ("event", str(error))


def test_sizes_are_bytes_of_compact_json() -> None:
    """Text counts by its bytes in UTF-8, with quotes."""
    assert [limits.size_of(value) for value in (None, "a", "ä", {"a": [1, 2]})] == [4, 3, 4, 11]
    assert limits.check_output("abc") == 5
