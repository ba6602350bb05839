"""What user code asks of the machinery that runs it: data, imperative, without any behaviour.

A workflow issues the first two, an activity the last two. Commands are numbered from 1 in the order in which the
code issues them; the number (`step`) identifies a command across replays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from durable_sim.workflows.retry import RetryPolicy


class ActivityOptions(NamedTuple):
    """Time-outs (microseconds, None for unset) and retry policy of one activity call."""

    start_to_close_us: int | None
    schedule_to_close_us: int | None
    heartbeat_us: int | None
    retry_policy: RetryPolicy


class ScheduleActivity(NamedTuple):
    """Run an activity, again and again if need be, until it succeeds or may not be tried any more."""

    step: int
    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: ActivityOptions


class StartTimer(NamedTuple):
    """Wake the workflow after a time span."""

    step: int
    duration_us: int


class CallService(NamedTuple):
    """Send a request to a service and wait for its answer."""

    step: int
    service: str
    operation: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class Sleep(NamedTuple):
    """Let simulated time pass inside an activity; it does not outlive the process."""

    step: int
    duration_us: int


Command = ScheduleActivity | StartTimer | CallService | Sleep
