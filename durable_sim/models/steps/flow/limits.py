"""The limits of the platform as named numbers, and checks that refuse what goes beyond, by the limit's name."""

from __future__ import annotations

import json
from typing import Any

from durable_sim.durations import DAY, HOUR, format_us
from durable_sim.errors import UserError

KIB, MIB = 1024, 1024 * 1024

STEPS_DEFAULT = 1000
"""Steps in a run, unless set otherwise."""
STEPS_MAX = 10_000
"""What the number of steps in a run may be set to at most."""
STATE_BYTES_MAX = 32 * MIB
"""All that is remembered of a run."""
OUTPUT_BYTES_MAX = 4 * MIB
"""What one step returns."""
EVENT_BYTES_MAX = 512 * KIB
"""One event, unless set otherwise."""
EVENT_BYTES_CAP = 3 * MIB
"""What the size of an event may be set to at most."""
EVENTS_IN_SEND_MAX = 5000
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


def size_of(value: Any) -> int:
    """The bytes of a value as compact JSON in UTF-8.

    >>> size_of({"a": "ä"})
    10
    """
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode())


def check_steps(count: int, most: int = STEPS_DEFAULT) -> None:
    """The number of steps in a run."""
    _count("steps in a run", count, min(most, STEPS_MAX), "steps")


def check_steps_setting(most: int) -> None:
    """What the number of steps in a run is to be limited to."""
    _count("maximum steps in a run", most, STEPS_MAX, "steps")


def check_state(size_bytes: int) -> None:
    """The size of all that is remembered of a run."""
    _size("state of a run", size_bytes, STATE_BYTES_MAX)


def check_output(value: Any) -> int:
    """What a step returns; gives its size in bytes."""
    return _size("output of a step", size_of(value), OUTPUT_BYTES_MAX)


def check_event(event: Any, most: int = EVENT_BYTES_MAX) -> int:
    """An event as JSON-like data; gives its size in bytes."""
    return _size("event", size_of(event), min(most, EVENT_BYTES_CAP))


def check_send(count: int) -> None:
    """The number of events in one send."""
    _count("events in one send", count, EVENTS_IN_SEND_MAX, "events")


def check_sleep(us: int) -> None:
    """How long a step is to sleep or wait."""
    if us > SLEEP_MAX_US:
        raise LimitExceeded("sleep or wait", format_us(us), format_us(SLEEP_MAX_US))


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


def _size(limit: str, found: int, most: int) -> int:
    if found > most:
        raise LimitExceeded(limit, f"{found} bytes", f"{most} bytes")
    return found
