"""What every part of a world stands on: the clock, randomness, the trace, the ledger, alarms."""

from __future__ import annotations

import simpy

from durable_sim.randomness import Randomness
from durable_sim.trace import Trace
from durable_sim.world.alarms import Alarms
from durable_sim.world.ledger import Ledger


class Ground:
    """The fresh ground of one run."""

    def __init__(self, seed: int, start_us: int = 0) -> None:
        self.env = simpy.Environment(initial_time=start_us)
        self.randomness = Randomness(seed)
        self.trace = Trace(self.env)
        self.ledger = Ledger()
        self.alarms = Alarms(self.env)

    @property
    def now_us(self) -> int:
        """Simulated time since the start, in microseconds."""
        return self.env._now  # type: ignore[return-value]  # `now` is a property: asked for at every record, it shows
