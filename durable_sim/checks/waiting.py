"""Why an execution is still open, in words: from what the engine says, the trace, and where the code itself waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from durable_sim import trace as kinds
from durable_sim.durations import seconds
from durable_sim.models.replay.model import Replay, waits_of
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record

NOTHING = "nothing will ever move it"


def why_open(recording: Recording, execution: str) -> str:
    """What an open execution waits for, or that nothing will ever move it, and what is known of the reason."""
    records = recording.trace.of(execution)
    pending = recording.pending.get(execution)
    reasons = [pending or NOTHING, *_reasons(records)]
    if pending is None and len(reasons) == 1:
        reasons += _waits(recording, execution)
    return "; ".join([*reasons, *_last_attempt(records)])


def _reasons(records: Sequence[Record]) -> Iterator[str]:
    lost = _last(records, kinds.EXECUTION_LOST)
    begun = _last(records, kinds.EXECUTION_STARTED, kinds.EXECUTION_RESTARTED)
    if lost is not None and (begun is None or begun.index < lost.index):
        yield f"the run on {lost.worker} was lost at {seconds(lost.time_us)}"
    failed = _last(records, kinds.WORKFLOW_TASK_FAILED)
    moved = _last(records, *_MOVES)
    if failed is not None and failed.data is not None and (moved is None or moved.index < failed.index):
        told = f"attempt {failed.data['attempt']}, at {seconds(failed.time_us)}"
        yield f"its last workflow task failed ({told}): {failed.data['message']}"


_MOVES = (kinds.TASK_SCHEDULED, kinds.TIMER_STARTED, kinds.CHILD_STARTED)


def _waits(recording: Recording, execution: str) -> Iterator[str]:
    """Where the code stands, in an engine that can tell without running on."""
    model, _ = recording.engine
    if isinstance(model, Replay):
        waits, _ = waits_of(model, model.server.current(execution))
        if waits:
            yield f"its code waits in {', '.join(map(str, waits))}"


def _last_attempt(records: Sequence[Record]) -> Iterator[str]:
    last = _last(records, kinds.TASK_STARTED)
    if last is not None:
        yield f"last begun: {last.subject}, attempt {last.attempt}, at {seconds(last.time_us)}"


def _last(records: Sequence[Record], *wanted: str) -> Record | None:
    return next((record for record in reversed(records) if record.kind in wanted), None)
