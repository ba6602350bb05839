"""Triggers: which events, or which clock, start a function; and the functions that one event starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from durable_sim.durations import SECOND, Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.models.steps.flow.checks import span
from durable_sim.models.steps.flow.matching import check_path, field
from durable_sim.models.steps.protocol import Event


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a function: an `event` by name, or a clock `every` so often (in place of a cron line; 1 s or more).

    `match` narrows an event further: a function of it, or a dotted field that must be there and true.
    """

    event: str | None = None
    every: Duration | None = None
    match: str | Callable[[Event], bool] | None = None

    def __post_init__(self) -> None:
        if bool(self.event) == (self.every is not None):
            found = f"event is {self.event!r} and every is {self.every!r}"
            raise UserError(f"Trigger: {found}, expected exactly one of them")
        if self.every is not None:
            span("Trigger", "every", self.every, SECOND)
            if self.match is not None:
                raise UserError(f"Trigger: match is {self.match!r}, expected none beside every")
        check_path("Trigger", "match", self.match)

    def starts(self, event: Event) -> bool:
        """Whether an event starts the function."""
        if self.event is None or event.name != self.event:
            return False
        if self.match is None:
            return True
        return bool(field(event, self.match) if isinstance(self.match, str) else self.match(event))

    def next_us(self, now_us: int) -> int | None:
        """When the clock strikes next after now, at a whole multiple of its interval; None without a clock."""
        if self.every is None:
            return None
        every_us = duration_us(self.every)
        return (now_us // every_us + 1) * every_us


def fan_out(event: Event, functions: Mapping[str, Iterable[Trigger]]) -> list[str]:
    """The functions that an event starts, each once, in the order in which they are given.

    >>> fan_out(Event("paid"), {"ship": [Trigger("paid")], "tick": [Trigger(every="1h")], "mail": [Trigger("paid")]})
    ['ship', 'mail']
    """
    return [name for name, triggers in functions.items() if any(trigger.starts(event) for trigger in triggers)]
