"""The walk through the runs of a sweep, depth first.

Always holds: a run up to the instant at which a fault strikes is the same as without that fault, so the places of the
run with the first faults are exactly where the next one can strike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from durable_sim.api import Run
from durable_sim.search.families import CALL_FAMILIES, FAMILIES, Settings, strikes_at
from durable_sim.search.places import Place, places
from durable_sim.search.result import Placed
from durable_sim.search.trial import Trial

At = Callable[[Place], bool] | str | Sequence[str]
"""Which places: a condition, or words that a place has: kinds of record, phases, operations, activities,
"compensation"."""
Progress = Callable[[Iterable[Place]], Iterable[Place]]


class Explorer:
    """Walks through the places, depth first."""

    def __init__(self, trial: Trial, families: tuple[str, ...], at: At | None, settings: Settings) -> None:
        self._trial = trial
        self._wanted = _condition(at)
        self._settings = settings
        self.families = families

    def runs(
        self, placed: tuple[Placed, ...], depth: int, progress: Progress = iter
    ) -> Iterator[tuple[Run, tuple[Placed, ...]]]:
        """The run with these faults, and then those with one more after them, down to the depth."""
        run = self._trial.run([one.fault for one in placed])
        yield run, placed
        if depth:
            for place in progress(list(self._next_places(run, placed))):
                for more in self._placed_at(run, place, placed):
                    yield from self.runs((*placed, more), depth - 1)

    def _next_places(self, run: Run, placed: tuple[Placed, ...]) -> Iterator[Place]:
        """Where one more fault can strike: nowhere before the last, so that no set of faults is tried twice."""
        since = placed[-1].place.at if placed else 0
        return filter(self._wanted, places(run.recording, since))

    def _placed_at(self, run: Run, place: Place, placed: tuple[Placed, ...]) -> Iterator[Placed]:
        """The faults that can strike at a place; where a call's fate is settled already (by an earlier fault, or by the
        scenario's own script), only a process can be hit."""
        if placed and place.at == placed[-1].place.at and placed[-1].family not in CALL_FAMILIES:
            return
        settled = "fault" in (run.trace[place.at].data or {})
        for family in self.families:
            if strikes_at(family, place, self._trial.base.scenario) and not (settled and family in CALL_FAMILIES):
                yield Placed(family, place, FAMILIES[family](place, self._settings))


def _condition(at: At | None) -> Callable[[Place], bool]:
    if at is None:
        return lambda _: True
    if callable(at):
        return at
    words = [at] if isinstance(at, str) else list(at)
    return lambda place: any(word in place.words for word in words)
