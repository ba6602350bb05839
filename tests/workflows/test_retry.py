"""Retry policies: how long to wait, and when to stop."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.durations import SECOND
from durable_sim.errors import DurationError, UserError
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.retry import (
    DEFAULT_RETRY_POLICY,
    MAXIMUM_ATTEMPTS_REACHED,
    NON_RETRYABLE_FAILURE,
    TIMEOUT,
    RetryPolicy,
    next_retry,
)

FAILURE = Failure("ServerError", "500")
attempts = st.integers(1, 5_000)
policies = st.builds(
    lambda initial, coefficient, times: RetryPolicy(f"{initial}ms", coefficient, f"{initial * times}ms"),
    st.integers(1, 10_000),
    st.floats(1, 10),
    st.integers(1, 1_000),
)


def test_the_default_is_temporals() -> None:
    """1 s, doubling, at most 100 s apart, without limit."""
    delays = [DEFAULT_RETRY_POLICY.delay_us(attempt) // SECOND for attempt in range(1, 10)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    assert DEFAULT_RETRY_POLICY.maximum_attempts == 0


def test_delays_grow_by_the_coefficient_up_to_the_maximum() -> None:
    """initial * coefficient ** (n - 1), at most the maximum."""
    policy = RetryPolicy(initial_interval="2s", backoff_coefficient=1.5, maximum_interval="6s")
    assert [policy.delay_us(attempt) for attempt in (1, 2, 3, 4)] == [2_000_000, 3_000_000, 4_500_000, 6_000_000]


def test_a_coefficient_of_one_never_backs_off() -> None:
    """All waits are the same."""
    policy = RetryPolicy(initial_interval="3s", backoff_coefficient=1)
    assert {policy.delay_us(attempt) for attempt in (1, 2, 1_000_000)} == {3 * SECOND}


@given(policies, attempts)
def test_a_delay_lies_between_the_first_and_the_longest(policy: RetryPolicy, attempt: int) -> None:
    """Never below the initial interval, never above the maximum, never shorter than the one before."""
    delay_us = policy.delay_us(attempt)
    assert policy.delay_us(1) <= delay_us <= policy.delay_us(10_000)
    assert delay_us <= policy.delay_us(attempt + 1)


@given(policies, attempts, st.integers(0, 10**12), st.none() | st.integers(0, 10**12))
def test_a_retry_ends_its_wait_before_the_deadline(
    policy: RetryPolicy, attempt: int, now_us: int, deadline_us: int | None
) -> None:
    """Either the policy's delay, and it is over before the deadline; or TIMEOUT, and it would not be."""
    answer = next_retry(policy, FAILURE, attempt, now_us, deadline_us)
    over_us = now_us + policy.delay_us(attempt)
    if deadline_us is not None and over_us >= deadline_us:
        assert answer == TIMEOUT
    else:
        assert answer == policy.delay_us(attempt)


@given(st.integers(1, 50), st.integers(1, 60))
def test_maximum_attempts_counts_the_first(maximum: int, attempt: int) -> None:
    """With n attempts allowed, failures 1 to n - 1 are retried and failure n is not."""
    answer = next_retry(RetryPolicy(maximum_attempts=maximum), FAILURE, attempt, 0, None)
    assert (answer == MAXIMUM_ATTEMPTS_REACHED) == (attempt >= maximum)
    assert isinstance(answer, int) == (attempt < maximum)


def test_a_failure_that_says_so_is_not_retried() -> None:
    """Neither is one whose type the policy names; others are."""
    policy = RetryPolicy(non_retryable_error_types=("CardDeclined",))
    assert next_retry(policy, Failure("X", "", non_retryable=True), 1, 0, None) == NON_RETRYABLE_FAILURE
    assert next_retry(policy, Failure("CardDeclined", ""), 1, 0, None) == NON_RETRYABLE_FAILURE
    assert next_retry(policy, Failure("ServerError", ""), 1, 0, None) == SECOND


def test_not_retryable_comes_before_out_of_attempts_before_out_of_time() -> None:
    """Where several reasons hold, the first in this order is told."""
    policy = RetryPolicy(maximum_attempts=1, non_retryable_error_types=("CardDeclined",))
    assert next_retry(policy, Failure("CardDeclined", ""), 1, 5, 5) == NON_RETRYABLE_FAILURE
    assert next_retry(policy, FAILURE, 1, 5, 5) == MAXIMUM_ATTEMPTS_REACHED


def test_a_failure_may_name_its_own_delay() -> None:
    """It overrides the policy's, also with none at all, and counts against the deadline."""
    asks = Failure("RateLimited", "", next_retry_delay_us=7 * SECOND)
    assert next_retry(DEFAULT_RETRY_POLICY, asks, 1, 0, None) == 7 * SECOND
    assert next_retry(DEFAULT_RETRY_POLICY, asks._replace(next_retry_delay_us=0), 1, 0, None) == 0
    assert next_retry(DEFAULT_RETRY_POLICY, asks, 1, 0, 7 * SECOND) == TIMEOUT


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"initial_interval": "0s"}, "RetryPolicy: initial_interval is '0s', expected more than 0s"),
        ({"backoff_coefficient": 0.5}, "RetryPolicy: backoff_coefficient is 0.5, expected 1 or more"),
        ({"maximum_attempts": -1}, "RetryPolicy: maximum_attempts is -1, expected 0 (no limit) or more"),
        (
            {"non_retryable_error_types": "CardDeclined"},
            "RetryPolicy: non_retryable_error_types is a string, expected a list of type names",
        ),
        (
            {"initial_interval": "2s", "maximum_interval": "1s"},
            "RetryPolicy: maximum_interval is '1s', expected at least the initial_interval '2s'",
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(options: dict[str, Any], text: str) -> None:
    """The error names the field, what was found and what was expected."""
    with pytest.raises(UserError) as caught:
        RetryPolicy(**options)
    assert str(caught.value) == text


@pytest.mark.parametrize("field", ["initial_interval", "maximum_interval"])
def test_intervals_are_read_when_the_policy_is_made(field: str) -> None:
    """A duration that cannot be read is refused where it is written, not at the first retry."""
    with pytest.raises(DurationError):
        RetryPolicy(**{field: "5 parsecs"})  # type: ignore[arg-type]


def test_a_list_of_types_is_as_good_as_a_tuple() -> None:
    """Equal policies compare equal, and can be hashed, whichever was given."""
    types: Any = ["CardDeclined"]
    policy = RetryPolicy(non_retryable_error_types=types)
    assert policy == RetryPolicy(non_retryable_error_types=("CardDeclined",))
    assert hash(policy) == hash(RetryPolicy(non_retryable_error_types=("CardDeclined",)))
