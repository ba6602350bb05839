"""The limits of the platform as named numbers, and checks that refuse what goes beyond, by the limit's name."""

from __future__ import annotations

from durable_sim.durations import DAY, HOUR
from durable_sim.errors import UserError

STEPS_MAX = 1000
"""Finished steps of a run."""
STEP_OUTPUT_MAX_BYTES = 4 * 1024 * 1024
"""What one step gives, as JSON."""
STATE_MAX_BYTES = 32 * 1024 * 1024
"""What all finished steps of a run have given, as JSON."""
SLEEP_MAX_US = 366 * DAY
"""How long a step may sleep or wait."""
TRIGGERS_MAX = 10
"""Triggers of a function."""
CONCURRENCY_ENTRIES_MAX = 2
CANCEL_ON_MAX = 5
BATCH_SIZE_MAX = 100
PRIORITY_MAX_S = 600
IDEMPOTENCY_US = 24 * HOUR
"""How long an event id or an idempotency key is remembered."""


class LimitExceeded(UserError):
    """Something is larger than the platform takes. `limit` names the limit."""

    def __init__(self, limit: str, found: str, most: str) -> None:
        super().__init__(limit, found, most)
        self.limit = limit
        self.found = found
        self.most = most

    def __str__(self) -> str:
        return f"limit '{self.limit}': found {self.found}, expected at most {self.most}"


def check_triggers(count: int) -> None:
    """The number of a function's triggers."""
    _count("triggers of a function", count, TRIGGERS_MAX, "triggers")


def check_concurrency_entries(count: int) -> None:
    """The number of a function's concurrency entries."""
    _count("concurrency entries of a function", count, CONCURRENCY_ENTRIES_MAX, "entries")


def check_cancel_on(count: int) -> None:
    """The number of events that cancel a function's runs."""
    _count("cancelOn of a function", count, CANCEL_ON_MAX, "entries")


def _count(limit: str, found: int, most: int, unit: str) -> None:
    if found > most:
        raise LimitExceeded(limit, f"{found} {unit}", f"{most}")
