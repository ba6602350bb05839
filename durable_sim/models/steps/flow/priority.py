"""Priority: a run takes its place in the line as if it had come earlier or later."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.durations import SECOND
from durable_sim.errors import UserError
from durable_sim.models.steps.flow.limits import PRIORITY_MAX_S
from durable_sim.models.steps.flow.matching import Key, check_path, value_of
from durable_sim.models.steps.protocol import Event


@dataclass(frozen=True, slots=True)
class Priority:
    """How many seconds a run goes ahead of others (or behind them, below 0), from -600 to 600.

    `key` is a dotted field or a function that gives whole seconds. What lies beyond is cut to the nearest bound; a
    field that is not there is 0. It changes who is next where runs wait, and never starts anything by itself.

    >>> Priority("data.urgency").shift_us(Event("order/created", {"urgency": 900})) // 1_000_000
    600
    """

    key: Key

    def __post_init__(self) -> None:
        if self.key is None:
            raise UserError("Priority: key is None, expected a dotted field such as 'data.urgency' or a function")
        check_path("Priority", "key", self.key)

    def shift_us(self, event: Event) -> int:
        """How far ahead the run of an event goes, in microseconds."""
        shift_s = value_of(self.key, event)
        if shift_s is None:
            return 0
        if not isinstance(shift_s, int) or isinstance(shift_s, bool):
            raise UserError(f"Priority: key {self.key!r} gave {shift_s!r}, expected whole seconds from -600 to 600")
        return max(-PRIORITY_MAX_S, min(PRIORITY_MAX_S, shift_s)) * SECOND
