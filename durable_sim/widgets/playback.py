"""A run as it is at any instant, with blows that are dealt on the way.

Pure. Always holds: a simulation is cut off at the instant, and does what the whole one does up to there; a blow that is
dealt at an instant changes nothing before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from durable_sim.api import run_scenario
from durable_sim.durations import format_us
from durable_sim.results.run import Run
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import Crash, Deploy, Fault


@dataclass(frozen=True)
class Playback:
    """A scenario under a model and a seed, and the blows dealt so far."""

    scenario: Scenario
    model: str
    seed: int
    blows: tuple[Fault, ...] = ()

    @cached_property
    def whole(self) -> Run:
        """The run as it would go on by itself."""
        return run_scenario(self._with_blows, self.model, self.seed)

    @property
    def _with_blows(self) -> Scenario:
        return replace(self.scenario, faults=(*self.scenario.faults, *self.blows))

    @cached_property
    def moments_us(self) -> tuple[int, ...]:
        """The instants at which something happens."""
        return tuple(dict.fromkeys(record.time_us for record in self.whole.trace))

    def at(self, now_us: int) -> Run:
        """The run as it is at an instant, all that happens at it included."""
        return run_scenario(replace(self._with_blows, horizon=f"{now_us + 1}us"), self.model, self.seed)

    def next_us(self, now_us: int) -> int:
        """When something happens next; where nothing does, now."""
        return next((moment for moment in self.moments_us if moment > now_us), now_us)

    def crashed(self, now_us: int) -> Playback:
        """The same with a crash now, of a worker that has work in hand."""
        return self._struck(Crash(at=format_us(now_us + 1)))

    def deployed(self, now_us: int) -> Playback:
        """The same with a deploy now, to the scenario's other version if it has one."""
        version = next(iter(self.scenario.versions), None)
        return self._struck(Deploy(at=format_us(now_us + 1), version=version))

    def _struck(self, blow: Fault) -> Playback:
        return replace(self, blows=(*self.blows, blow))


def something_happened(moments_us: Sequence[int], since_us: int, until_us: int) -> bool:
    """Whether any of the moments lies behind the first instant and not behind the second."""
    return any(since_us < moment <= until_us for moment in moments_us)
