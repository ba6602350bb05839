"""What a run records of itself: the patches whose new path it took, and values that it made once.

The machinery tells beforehand what the history holds (`recorded_patches`, `recorded_values`); a run that is not
replayed makes its own. Always holds: a patch is recorded once, before the next command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from durable_sim.workflows.commands import RecordMarker, SetPatch
from durable_sim.workflows.failures import NonDeterminismError
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import Program

PATCH, LOCAL_ACTIVITY, SIDE_EFFECT = "core_patch", "core_local_activity", "SideEffect"


class Markers:
    """The markers of one run."""

    __slots__ = ("_decided", "_effects", "_program", "recorded_patches", "recorded_values")

    def __init__(self, program: Program) -> None:
        self._program = program
        self._decided: dict[str, bool] = {}
        self._effects = 0
        self.recorded_patches: set[str] = set()
        self.recorded_values: deque[Any] = deque()

    def patched(self, id: str, *, deprecated: bool = False) -> bool:
        """Whether the new path is to be taken; `deprecated` says that it is the only one left."""
        if id not in self._decided:
            self._decided[id] = id in self.recorded_patches or not self._program.replaying
            if self._decided[id]:
                self._program.tell(SetPatch(id, deprecated))
        return self._decided[id]

    def side_effect(self, make: Callable[[], Any]) -> Any:
        """The recorded value, or a new one."""
        program = self._program
        self._effects += 1
        if not program.replaying:
            value = copied(make(), "value of a side effect")
        elif self.recorded_values:
            value = self.recorded_values.popleft()
        else:
            raise NonDeterminismError(program.history_length, "no side effect at this point", "a side effect")
        program.tell(RecordMarker(SIDE_EFFECT, {"side-effect-id": [self._effects], "data": [value]}))
        return copied(value)
