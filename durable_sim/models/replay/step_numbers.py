"""The numbers under which the trace and the effect ledger show the steps of an execution.

A run counts its own steps from 1, and an execution may have many runs: its children, and those that follow when it
continues as new, is retried or is reset. The engine knows nothing of this. Always holds: a step keeps its number, two
steps of one execution have different ones, and as long as there has been one run they are the run's own; then they go
on in the order in which the steps are first heard of.
"""

from __future__ import annotations


class StepNumbers:
    """Those of all executions."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, _Shown] = {}

    def of(self, execution: str, run_id: str, step: int) -> int:
        """The number of a step that a run calls by its own number."""
        shown = self._of.get(execution)
        if shown is None:
            shown = self._of[execution] = _Shown(run_id)
        return shown.numbers.get((run_id, step)) or shown.add(run_id, step)

    def known(self, execution: str, run_id: str, step: int) -> int | None:
        """The same for a step that the trace may not have told of."""
        shown = self._of.get(execution)
        return None if shown is None else shown.numbers.get((run_id, step))

    def hand_over(self, execution: str, old: str, new: str, step: int) -> None:
        """What goes on in another run is the same step still."""
        number = self.of(execution, old, step)
        self._of[execution].numbers[new, step] = number


class _Shown:
    """Those of one execution; `alone` is its run while there is only one."""

    __slots__ = ("_alone", "_highest", "numbers")

    def __init__(self, run_id: str) -> None:
        self.numbers: dict[tuple[str, int], int] = {}
        self._alone: str | None = run_id
        self._highest = 0

    def add(self, run_id: str, step: int) -> int:
        """Give a step its number."""
        if self._alone != run_id:
            self._alone = None
        number = step if self._alone is not None else self._highest + 1
        self._highest = max(self._highest, number)
        self.numbers[run_id, step] = number
        return number
