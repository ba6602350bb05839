"""The limits of the platform: each is refused by its name just above it, and taken at it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.models.steps.flow import limits

Check = Callable[[Any], object]


CASES: list[tuple[Check, Any, Any, str]] = [
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
