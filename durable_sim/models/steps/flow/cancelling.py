"""What cancels runs: events, and time-outs. A run is cancelled between its steps; a step that executes goes on."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.durations import SECOND, Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.models.steps.flow.checks import span
from durable_sim.models.steps.flow.matching import Match, check_path, matches
from durable_sim.models.steps.protocol import Event


@dataclass(frozen=True, slots=True)
class CancelOn:
    """Cancel a run when an `event` of that name comes.

    `match` is a dotted field that must be equal in the event that started the run and the new one, or a function of
    both; None cancels all runs of the function. After `timeout` from when the run was decided the event does nothing.
    """

    event: str
    match: Match = None
    timeout: Duration | None = None

    def __post_init__(self) -> None:
        if not self.event:
            raise UserError(f"CancelOn: event is {self.event!r}, expected the name of an event")
        check_path("CancelOn", "match", self.match)
        if self.timeout is not None:
            span("CancelOn", "timeout", self.timeout, SECOND)

    def cancels(self, original: Event, since_us: int, new: Event, now_us: int) -> bool:
        """Whether a new event cancels the run that an original event has started."""
        if new.name != self.event or now_us < since_us:
            return False
        if self.timeout is not None and now_us - since_us >= duration_us(self.timeout):
            return False
        return matches(self.match, original, new)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Cancel a run that has not begun its first step within `start` (all waiting included), or that is not over within
    `finish` of its first step's begin. None sets no end; one of both is set."""

    start: Duration | None = None
    finish: Duration | None = None

    def __post_init__(self) -> None:
        if self.start is None and self.finish is None:
            raise UserError("Timeouts: start and finish are None, expected a time span for one of them")
        for name, value in (("start", self.start), ("finish", self.finish)):
            if value is not None:
                span("Timeouts", name, value, 1)

    def deadline_us(self, decided_us: int, began_us: int | None) -> int | None:
        """When a run is out of time as things are: by `start` before its first step, by `finish` after; or None."""
        limit, from_us = (self.start, decided_us) if began_us is None else (self.finish, began_us)
        return None if limit is None else from_us + duration_us(limit)
