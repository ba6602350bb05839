"""What flow control decides, as data. A platform carries it out; an order is the order of the list that it is in."""

from __future__ import annotations

from typing import Literal, NamedTuple

from durable_sim.models.steps.protocol import Event

Reason = Literal["not triggered", "duplicate event", "idempotency", "rate limit", "singleton"]
CancelReason = Literal["cancelOn", "singleton", "start timeout", "finish timeout"]


class Start(NamedTuple):
    """A run is to be started at a time, by one event, or by several where they are batched.

    `rank_us` says who is first among runs that wait for the same place: the lowest.
    """

    run_id: str
    events: tuple[Event, ...]
    at_us: int
    rank_us: int


class Drop(NamedTuple):
    """Events start nothing: the one that has come, or those that were held and are due."""

    reason: Reason
    events: tuple[Event, ...]


class Hold(NamedTuple):
    """An event waits for others, until then as things are. What is due then is told by `Gate.due`."""

    until_us: int
    event: Event


class Cancel(NamedTuple):
    """A run that was decided earlier is to be cancelled between its steps, or before it starts."""

    run_id: str
    reason: CancelReason


Decision = Start | Drop | Hold | Cancel
