"""When a service is down: an on/off process with exponential times."""

from __future__ import annotations

import random
from bisect import bisect_right

from durable_sim.durations import duration_us
from durable_sim.world.faults import Mixture, Outage


class OutageClock:
    """The up and down times of one service, the same under every execution model. Starts up."""

    __slots__ = ("_mean_us", "_stream", "_turns_us", "faults")

    def __init__(self, outage: Outage, stream: random.Random) -> None:
        self.faults: Mixture = outage.faults
        self._mean_us = (duration_us(outage.mean_up), duration_us(outage.mean_down))
        self._stream = stream
        self._turns_us: list[int] = []

    def down(self, now_us: int) -> bool:
        """Whether the service is down at this instant."""
        turns = self._turns_us
        while not turns or turns[-1] <= now_us:
            mean_us = self._mean_us[len(turns) % 2]
            last = turns[-1] if turns else 0
            turns.append(last + 1 + round(self._stream.expovariate(1.0) * mean_us))
        return bisect_right(turns, now_us) % 2 == 1
