"""Lets time pass in a simulation of the replay model, as far as its user asks for.

`PATIENCE_US` is how long something may take that is waited for. Always holds: nothing happens between two calls.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from durable_sim.durations import DAY, Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.models.replay.describe import Description, describe
from durable_sim.models.replay.model import Replay, waits_of
from durable_sim.models.replay.server.server import Server
from durable_sim.models.replay.server.state import Run
from durable_sim.world.world import World

PATIENCE_US = 365 * DAY


class Driver:
    """Drives a world, and the server and workers in it."""

    def __init__(self, world: World, replay: Replay) -> None:
        self.world = world
        self.replay = replay
        self.updates = 0

    @property
    def server(self) -> Server:
        """The durable server."""
        return self.replay.server

    def advance(self, duration: Duration) -> None:
        """Let time pass; what is due at the very end happens too."""
        env, until_us = self.world.env, self.world.now_us + duration_us(duration)
        self.run(duration)
        if self.world.now_us < until_us:
            env.run(until=until_us)

    def run(self, limit: Duration) -> None:
        """Let time pass until nothing is left to happen, at most for so long."""
        env, until_us = self.world.env, self.world.now_us + duration_us(limit)
        while env.peek() <= until_us:
            env.step()

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Let time pass, step by step, until `reached()` is true.

        Raises:
            UserError: it never will be, or takes more than a year.
        """
        env, until_us = self.world.env, self.world.now_us + PATIENCE_US
        while not reached():
            due_us = env.peek()
            if due_us == inf:
                raise UserError(f"{what}: nothing will ever happen that could end it\n{self._all_open()}")
            if due_us > until_us:
                raise UserError(f"{what}: not done after a year of simulated time\n{self._all_open()}")
            env.step()

    def describe(self, run: Run) -> Description:
        """What an operator sees of a run now."""
        return describe(run, *waits_of(self.replay, run))

    def _all_open(self) -> str:
        return "\n".join(str(self.describe(run)) for run in self.server.runs.values() if run.open)
