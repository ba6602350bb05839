"""When a service is down: an on/off process with exponential times, or one stretch that is known beforehand."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right

from durable_sim.durations import duration_us
from durable_sim.world.faults import Downtime, Mixture, Outage


class OutageClock:
    """The up and down times of one service, the same under every execution model. An `Outage` starts up."""

    __slots__ = ("_mean_us", "_stream", "_turns_us", "faults")

    def __init__(self, outage: Outage | Downtime, stream: random.Random) -> None:
        self.faults: Mixture = outage.faults
        self._stream = stream
        self._mean_us: tuple[int, ...] = ()
        self._turns_us: list[int] = []
        if isinstance(outage, Outage):
            self._mean_us = (duration_us(outage.mean_up), duration_us(outage.mean_down))
        else:
            start_us = duration_us(outage.start)
            self._turns_us = [start_us, start_us + duration_us(outage.lasts)]

    def down(self, now_us: int) -> bool:
        """Whether the service is down at this instant."""
        self._draw_beyond(now_us)
        return bisect_right(self._turns_us, now_us) % 2 == 1

    def downs_us(self, until_us: int) -> list[tuple[int, int]]:
        """The stretches of being down that begin before an instant, the last one whole; their ends are up again."""
        self._draw_beyond(until_us)
        turns = self._turns_us
        starts = turns[: bisect_left(turns, until_us) : 2]
        return [(start_us, self._turn(2 * place + 1)) for place, start_us in enumerate(starts)]

    def _turn(self, place: int) -> int:
        while place >= len(self._turns_us):
            self._draw_beyond(self._turns_us[-1])
        return self._turns_us[place]

    def _draw_beyond(self, now_us: int) -> None:
        turns, mean_us = self._turns_us, self._mean_us
        while mean_us and (not turns or turns[-1] <= now_us):
            last = turns[-1] if turns else 0
            turns.append(last + 1 + round(self._stream.expovariate(1.0) * mean_us[len(turns) % 2]))
