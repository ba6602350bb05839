"""A Parallel state: branches side by side, each a strand of its own.

Always holds: outputs are in the order of the branches; the first branch that fails stops the others; a retry begins
all branches anew, under the same step numbers.
"""

from __future__ import annotations

from typing import Any

from durable_sim.models.state_machine import flow
from durable_sim.models.state_machine.core import Core
from durable_sim.models.state_machine.strands import Failure, Stay, Strand


class Parallel:
    """The branches of one Parallel state."""

    __slots__ = ("_core", "_outputs", "_stay", "_strands", "_view")

    def __init__(self, core: Core, stay: Stay) -> None:
        self._core = core
        self._stay = stay
        self._strands: list[Strand] = []
        self._outputs: dict[int, Any] = {}
        self._view: flow.View | None = None

    def begin(self) -> None:
        """Begin all branches."""
        core, stay = self._core, self._stay
        view = self._view = core.view(stay)
        data = flow.arguments(stay.state, view)
        core.write(stay.strand, "ParallelStateStarted")
        self._outputs = {}
        self._strands = [self._branch(place, branch) for place, branch in enumerate(stay.state["Branches"])]
        for strand in self._strands:
            core.go_to(strand, strand.start_at, data)

    def _branch(self, place: int, branch: dict[str, Any]) -> Strand:
        stay = self._stay
        return Strand(
            branch["States"],
            branch["StartAt"],
            stay.strand.query_language,
            self,
            (*stay.path, place),
            place,
            dict(stay.strand.variables),
            stay.strand.item,
            stay.strand.previous_id,
        )

    def strand_succeeded(self, strand: Strand, output: Any) -> None:
        """A branch has come to its end; the last one ends the state."""
        strand.alive = False
        self._outputs[strand.place] = output
        if len(self._outputs) < len(self._strands):
            return
        core, stay, view = self._core, self._stay, self._view
        assert view is not None
        stay.strand.previous_id = strand.previous_id
        core.write_aside(stay.strand, "ParallelStateSucceeded")
        core.complete(stay, [self._outputs[place] for place in range(len(self._strands))], view)

    def strand_failed(self, strand: Strand, failure: Failure) -> None:
        """A branch has failed: stop the others, and fail."""
        core, stay = self._core, self._stay
        strand.alive = False
        core.write_aborted(strand)
        self.abort()
        stay.strand.previous_id = strand.previous_id
        core.write(stay.strand, "ParallelStateFailed", error=failure.error, cause=failure.cause)
        core.failed(stay, failure)

    def abort(self) -> None:
        """Stop all branches."""
        for strand in self._strands:
            self._core.abort(strand)

    def redrive(self) -> None:
        """Take up the branches that did not end; those that did are not run again."""
        unfinished = [strand for strand in self._strands if strand.place not in self._outputs]
        if not unfinished:
            return self.begin()
        for strand in unfinished:
            self._core.redrive(strand)

    def close(self, failure: Failure) -> None:
        """Nobody was asked for anything but by the branches."""
