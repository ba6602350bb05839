"""What the state machine runs, and what must hold of it: a service with keys, workflows, and checks of histories.

The workflows are small and between them use everything that the engine offers; those of `V2` do the same and one step
more, behind `ctx.patched`. A check takes histories as the simulation gives them and nothing of its insides.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import durable_sim as ds
from durable_sim.models.replay.events import CLOSING_EVENTS, Event
from durable_sim.models.replay.lives import LIVES
from durable_sim.workflows.failures import is_cancellation
from durable_sim.world.services.base import Service

PATIENT = ds.RetryPolicy(initial_interval="1s", maximum_interval="8s")
THREE = ds.RetryPolicy(initial_interval="1s", maximum_attempts=3)
TRY = {"start_to_close_timeout": "20s", "retry_policy": PATIENT}
SLEEP_DAYS = 5
STATUS_OF = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
}


# --- the world ------------------------------------------------------------------------------------------------------
class Books(Service):
    """Keeps entries by subject. One idempotency key makes one entry at most; an erased subject stays erased."""

    effects: ClassVar[tuple[ds.EffectKind, ...]] = (
        ds.EffectKind("write", "exactly_once", "entries"),
        ds.EffectKind("erase", "exactly_once", "entries", undoes="write"),
    )
    processing_share: ClassVar[float] = 0.5

    def __init__(self, name: str, database: Any = None) -> None:
        super().__init__(name, database)
        self._keys: dict[str, str] = {}
        self._standing: dict[str, list[Any]] = {}
        self._erased: set[str] = set()

    @ds.operation
    def write(self, request: Any, subject: str, *, idempotency_key: str) -> str:
        """Write an entry, unless that was done under this key before, or the subject was erased."""
        before = self._keys.setdefault(idempotency_key, subject)
        assert before == subject, f"key {idempotency_key} was used for {before} and for {subject}"
        if subject not in self._erased and subject not in self._standing:
            self._standing[subject] = [request.apply("write", subject)]
        elif subject in self._standing and idempotency_key not in self._keys:
            self._standing[subject].append(request.apply("write", subject))
        return subject

    @ds.operation
    def erase(self, request: Any, subject: str) -> str:
        """Take back what was written on a subject, and refuse what arrives for it later."""
        self._erased.add(subject)
        for effect in self._standing.pop(subject, ()):
            request.undo(effect, "erase")
        return subject
