"""How a local activity ended, as the marker in which a history keeps it."""

from __future__ import annotations

from typing import Any

from durable_sim.models.replay.runner import LocalOutcome
from durable_sim.workflows.commands import CancelLocalActivity, RecordMarker
from durable_sim.workflows.failures import cancelled_failure
from durable_sim.workflows.markers import LOCAL_ACTIVITY
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.retry import CANCEL_REQUESTED


def as_marker(outcome: LocalOutcome) -> RecordMarker:
    """The marker that keeps how a local activity ended."""
    data = {
        "seq": outcome.seq,
        "attempt": outcome.attempt,
        "activity_id": str(outcome.seq),
        "activity_type": outcome.activity,
        "complete_us": outcome.complete_us,
        "backoff_us": outcome.backoff_us,
        "original_schedule_us": outcome.scheduled_us,
        "retry_state": outcome.retry_state,
    }
    details: dict[str, list[Any]] = {"data": [data]}
    if outcome.failure is None:
        details["result"] = [copied(outcome.result, f"result of {outcome.activity}")]
    return RecordMarker(LOCAL_ACTIVITY, details, outcome.failure)


def cancelled(command: CancelLocalActivity, now_us: int) -> RecordMarker:
    """The marker of one that the code has given up."""
    scheduled_us = now_us if command.scheduled_us is None else command.scheduled_us
    who = command.seq, command.name, command.attempt, now_us, scheduled_us
    return as_marker(LocalOutcome(*who, failure=cancelled_failure(), retry_state=CANCEL_REQUESTED))


def from_marker(marker: dict[str, Any]) -> LocalOutcome:
    """Read it back from the attributes of its event."""
    data = marker["details"]["data"][0]
    result = marker["details"].get("result", [None])
    return LocalOutcome(
        data["seq"],
        data["activity_type"],
        data["attempt"],
        data["complete_us"],
        data["original_schedule_us"],
        result[0] if result else None,
        marker.get("failure"),
        data.get("retry_state") or "",
        data.get("backoff_us"),
    )
