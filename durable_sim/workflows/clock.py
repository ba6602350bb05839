"""The calendar date of simulated time."""

from __future__ import annotations

from datetime import UTC, datetime

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment at which every simulation starts."""
