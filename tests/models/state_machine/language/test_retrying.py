"""Retry and Catch: the table of delays, counters, jitter, and which catcher is taken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.durations import SECOND
from durable_sim.models.state_machine.language.retrying import Retriers, catcher

ALL = ["States.ALL"]


def delays(retry: list[dict[str, Any]], *errors: str, draw: float = 0.0) -> list[float | None]:
    """The delays in seconds after these errors, one after the other."""
    retriers = Retriers(retry)
    told = [retriers.delay_us(error, draw) for error in errors]
    return [None if delay is None else delay / SECOND for delay in told]


def test_the_defaults_are_three_retries_that_double() -> None:
    """1, 2 and 4 seconds, then it fails."""
    assert delays([{"ErrorEquals": ALL}], *"EEEE") == [1, 2, 4, None]


def test_delays_stop_growing_at_the_maximum() -> None:
    """1 s, times 3, at most 5 s: 1, 3, 5, 5, 5."""
    retrier = {"ErrorEquals": ALL, "MaxAttempts": 5, "BackoffRate": 3, "MaxDelaySeconds": 5}
    assert delays([retrier], *"EEEEEE") == [1, 3, 5, 5, 5, None]


def test_max_attempts_zero_never_retries() -> None:
    """MaxAttempts counts retries; the second entry is not asked."""
    assert delays([{"ErrorEquals": ALL, "MaxAttempts": 0}, {"ErrorEquals": ALL}], "E") == [None]


def test_each_retrier_counts_for_itself() -> None:
    """Errors that take turns grow each on their own, and one that is used up does not stop the other."""
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 2}, {"ErrorEquals": ["B"], "IntervalSeconds": 10}]
    assert delays(retry, *"ABABAB") == [1, 10, 2, 20, None, 40]


def test_the_first_match_decides_alone() -> None:
    """A used up retrier ends the search, though a later one means the error too."""
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ALL}]
    assert delays(retry, *"AAB") == [1, None, 1]


def test_an_error_that_no_retrier_means_is_not_retried() -> None:
    """Nor is States.Runtime, whatever is written, nor anything without a Retry."""
    assert delays([{"ErrorEquals": ["A"]}], "B") == [None]
    assert delays([{"ErrorEquals": ALL}, {"ErrorEquals": ["States.Runtime"]}], "States.Runtime") == [None]
    assert Retriers(None).delay_us("A", 0.5) is None


def test_full_jitter_is_drawn_from_the_delay_after_the_maximum() -> None:
    """Half of min(4, 3) s is 1.5 s; without jitter the draw counts for nothing."""
    retrier = {"ErrorEquals": ALL, "BackoffRate": 4, "MaxDelaySeconds": 3}
    assert delays([{**retrier, "JitterStrategy": "FULL"}], *"EE", draw=0.5) == [0.5, 1.5]
    assert delays([{**retrier, "JitterStrategy": "NONE"}], *"EE", draw=0.5) == [1, 3]


@given(st.integers(1, 100), st.floats(1, 10), st.integers(2, 1000), st.floats(0, 1, exclude_max=True))
def test_a_jittered_delay_lies_below_the_plain_one(interval: int, rate: float, longest: int, draw: float) -> None:
    """Every delay is whole microseconds from 0 to the delay without jitter, which never shrinks."""
    retrier = {"ErrorEquals": ALL, "IntervalSeconds": interval, "BackoffRate": rate, "MaxAttempts": 500}
    plain, jittered = (
        Retriers([{**retrier, "MaxDelaySeconds": interval + longest, "JitterStrategy": jitter}])
        for jitter in ("NONE", "FULL")
    )
    before = 0
    for _ in range(20):
        most, drawn = plain.delay_us("E", draw), jittered.delay_us("E", draw)
        assert isinstance(most, int) and isinstance(drawn, int)
        assert before <= most <= (interval + longest) * SECOND and 0 <= drawn <= most
        before = most


def test_a_power_that_no_longer_fits_a_float_is_the_longest_time() -> None:
    """Ten thousand retries at a rate of 10 do not overflow."""
    retriers = Retriers([{"ErrorEquals": ALL, "BackoffRate": 10, "MaxAttempts": 10_000}])
    told = [retriers.delay_us("E", 0.0) for _ in range(10_000)]
    assert told[-1] == 99_999_999 * SECOND


@pytest.mark.parametrize(
    ("error", "goes"), [("A", "First"), ("B", "Second"), ("States.Timeout", "Second"), ("States.Runtime", None)]
)
def test_the_first_catcher_that_means_an_error_is_taken(error: str, goes: str | None) -> None:
    """In their order; States.Runtime is never caught, not even by name."""
    catch = [
        {"ErrorEquals": ["A"], "Next": "First"},
        {"ErrorEquals": ["States.Runtime"], "Next": "Never"},
        {"ErrorEquals": ALL, "Next": "Second"},
    ]
    found = catcher({"Catch": catch}, error)
    assert (found and found["Next"]) == goes
    assert catcher({}, error) is None
