"""Retry policies, and the one decision whether and when to try again.

Pure: no clock and no randomness. Every execution model that retries asks `next_retry`.
"""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.errors import UserError
from durable_sim.fields import check_fields
from durable_sim.workflows.failures import Failure

NON_RETRYABLE_FAILURE = "NON_RETRYABLE_FAILURE"
MAXIMUM_ATTEMPTS_REACHED = "MAXIMUM_ATTEMPTS_REACHED"
TIMEOUT = "TIMEOUT"
RETRY_POLICY_NOT_SET = "RETRY_POLICY_NOT_SET"
CANCEL_REQUESTED = "CANCEL_REQUESTED"
IN_PROGRESS = "IN_PROGRESS"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a failed activity is tried again; given at the call, not in the activity.

    The delay before attempt n + 1 is `initial_interval * backoff_coefficient ** (n - 1)`, at most `maximum_interval`
    (100 times the initial one when unset). `maximum_attempts` counts the first attempt too; 0 means without limit. A
    policy is kept as a server records it: the maximum filled in, spans in their shortest form.

    >>> RetryPolicy(initial_interval="1s", backoff_coefficient=2).delay_us(3)
    4000000
    >>> RetryPolicy(initial_interval="0.5s").maximum_interval
    '50s'
    """

    initial_interval: Duration = "1s"
    backoff_coefficient: float = 2.0
    maximum_interval: Duration | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "RetryPolicy")
        if duration_us(self.initial_interval) <= 0:
            raise UserError(f"RetryPolicy: initial_interval is {self.initial_interval!r}, expected more than 0s")
        if self.maximum_interval is not None and duration_us(self.maximum_interval) < duration_us(
            self.initial_interval
        ):
            expected = f"expected at least the initial_interval {self.initial_interval!r}"
            raise UserError(f"RetryPolicy: maximum_interval is {self.maximum_interval!r}, {expected}")
        if not self.backoff_coefficient >= 1:
            raise UserError(f"RetryPolicy: backoff_coefficient is {self.backoff_coefficient}, expected 1 or more")
        if self.maximum_attempts < 0:
            raise UserError(f"RetryPolicy: maximum_attempts is {self.maximum_attempts}, expected 0 (no limit) or more")
        if isinstance(self.non_retryable_error_types, str):
            raise UserError("RetryPolicy: non_retryable_error_types is a string, expected a list of type names")
        object.__setattr__(self, "non_retryable_error_types", tuple(self.non_retryable_error_types))
        initial_us = duration_us(self.initial_interval)
        maximum_us = 100 * initial_us if self.maximum_interval is None else duration_us(self.maximum_interval)
        object.__setattr__(self, "initial_interval", format_us(initial_us))
        object.__setattr__(self, "maximum_interval", format_us(maximum_us))

    def delay_us(self, attempt: int) -> int:
        """The wait after attempt number `attempt` (from 1) has failed."""
        initial = duration_us(self.initial_interval)
        maximum = 100 * initial if self.maximum_interval is None else duration_us(self.maximum_interval)
        try:
            return int(min(initial * float(self.backoff_coefficient) ** (attempt - 1), maximum))
        except OverflowError:  # the power no longer fits a float
            return maximum


DEFAULT_RETRY_POLICY = RetryPolicy()


def next_retry(policy: RetryPolicy, failure: Failure, attempt: int, now_us: int, deadline_us: int | None) -> int | str:
    """The delay in microseconds before the next attempt, or the retry state that says why there is none.

    A retry whose wait would end past the deadline (schedule-to-close) is not begun: the activity closes at once.
    """
    if failure.non_retryable or failure.type in policy.non_retryable_error_types:
        return NON_RETRYABLE_FAILURE
    if policy.maximum_attempts and attempt >= policy.maximum_attempts:
        return MAXIMUM_ATTEMPTS_REACHED
    delay_us = policy.delay_us(attempt) if failure.next_retry_delay_us is None else failure.next_retry_delay_us
    if deadline_us is not None and now_us + delay_us >= deadline_us:
        return TIMEOUT
    return delay_us
