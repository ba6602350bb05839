"""What the simulator tells of a run in the trace, and what it has told already.

The engine knows nothing of this. Steps get the numbers that the trace and idempotency keys use, in the order in which
anybody first comes to them. Always holds: a step keeps its number over entries, attempts, crashes and deploys.
"""

from __future__ import annotations

from typing import Any

from durable_sim import trace as kinds
from durable_sim.trace import Trace
from durable_sim.workflows.program import Note


class Chronicle:
    """The chronicle of one execution, with all the runs that belong to it."""

    __slots__ = ("_notes", "_numbers", "_scheduled", "_trace", "execution")

    def __init__(self, trace: Trace, execution: str) -> None:
        self.execution = execution
        self._trace = trace
        self._numbers: dict[tuple[str, str], int] = {}
        self._scheduled: dict[tuple[str, str], bool] = {}
        self._notes: dict[str, int] = {}

    def number_of(self, run_id: str, step: str) -> int:
        """The number of a step, by its run and its hashed id."""
        return self._numbers.setdefault((run_id, step), len(self._numbers) + 1)

    def scheduled(self, run_id: str, step: str, name: str) -> None:
        """Somebody has come to a step: told the first time."""
        if (run_id, step) not in self._scheduled:
            self._scheduled[run_id, step] = True
            self.note(kinds.TASK_SCHEDULED, run_id, step, name)

    def remark(self, run_id: str, place: int, remark: Note, worker_id: str) -> None:
        """User code has left its remark number `place` of an entry: told the first time."""
        if place >= self._notes.get(run_id, 0):
            self._notes[run_id] = place + 1
            self._trace.add(remark.kind, self.execution, worker_id, remark.subject)

    def note(
        self,
        kind: str,
        run_id: str,
        step: str | None = None,
        name: str | None = None,
        data: dict[str, Any] | None = None,
        attempt: int | None = None,
        worker_id: str | None = None,
    ) -> None:
        """Leave a record in the trace."""
        number = None if step is None else self.number_of(run_id, step)
        self._trace.add(kind, self.execution, worker_id, name, number, attempt, None, data)
