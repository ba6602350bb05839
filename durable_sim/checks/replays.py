"""Replays: the code of a run does over again what its histories say, whoever takes over and wherever.

Reads a finished run under the replay model: every prefix of every history is replayed with the code that was last used
on it, and compared to the arguments.
"""

from __future__ import annotations

from collections.abc import Iterator

from durable_sim.checks.violations import Violation
from durable_sim.models.replay.model import Replay
from durable_sim.simulation.run import Recording

NON_DETERMINISM = "non_determinism"


def replays(recording: Recording, *, strict: bool = True) -> Iterator[Violation]:
    """A violation for each history that its own code does not follow. Nothing for other models: they replay nothing."""
    model, _ = recording.engine
    if not isinstance(model, Replay):
        return
    for run in model.server.runs.values():
        problem = model.replays_wrong(run, strict)
        if problem is not None:
            yield Violation(NON_DETERMINISM, run.trace_id, f"history of run {run.run_id}", problem, "what it records")
