"""The walk through the runs of a sweep, depth first.

Always holds: a run up to the instant at which a fault strikes is the same as without that fault, so the places of the
run with the first faults are exactly where the next one can strike. A signal that is moved comes there and not when it
was to, so its places are those of the run in which it never comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from durable_sim.results.run import Run
from durable_sim.search.families import CALL_FAMILIES, SIGNAL, Settings, faults_at
from durable_sim.search.places import Place, places
from durable_sim.search.result import Placed
from durable_sim.search.signals import alike, signals_of, with_faults, without_signal
from durable_sim.search.trial import Trial
from durable_sim.simulation.run import simulate
from durable_sim.world.faults import Placeable, Signal

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
        if placed and not came(run, [placed[-1].fault]):
            return
        yield run, placed
        if depth:
            for place in progress(list(self._next_places(run, placed))):
                for more in self._placed_at(place, placed):
                    yield from self.runs((*placed, more), depth - 1)
            for more in self._moved(placed):
                yield from self.runs((*placed, more), depth - 1)

    def _next_places(self, run: Run, placed: tuple[Placed, ...]) -> Iterator[Place]:
        """Where one more fault can strike: nowhere before the last, so that no set of faults is tried twice."""
        since = placed[-1].place.at if placed else 0
        return filter(self._wanted, places(run.recording, since))

    def _placed_at(self, place: Place, placed: tuple[Placed, ...]) -> Iterator[Placed]:
        """The faults that can strike at a place: no second one of a process."""
        if placed and place.at == placed[-1].place.at and placed[-1].family not in CALL_FAMILIES:
            return
        for family in self.families:
            if family != SIGNAL:
                for fault in faults_at(family, place, self._trial.base.scenario, self._settings):
                    yield Placed(family, place, fault)

    def _moved(self, placed: tuple[Placed, ...]) -> Iterator[Placed]:
        """Each signal that has not been moved yet, at each place of the run without it."""
        if SIGNAL in self.families:
            since = placed[-1].place.at if placed else 0
            for place, signal in moves(self._trial, [one.fault for one in placed], since):
                if self._wanted(place):
                    yield Placed(SIGNAL, place, signal)


def came(run: Run, faults: Sequence[Placeable]) -> bool:
    """Whether the signals among these faults were taken: one that is refused was not moved, but is missing."""
    return all(strike.fired_us is not None for strike in run.recording.stimuli if strike.fault in faults)


def moves(trial: Trial, faults: Sequence[Placeable] = (), since: int = 0) -> Iterator[tuple[Place, Signal]]:
    """Where each signal can come that has not been moved by these faults, from the record number `since` on: at the
    places of the run in which it never comes, which go on after those of the run in which it does."""
    scenario = trial.base.scenario
    for signal in signals_of(scenario):
        if not any(isinstance(fault, Signal) and alike(signal, fault) for fault in faults):
            never = simulate(with_faults(without_signal(scenario, signal), faults), trial.model, trial.seed)
            for place in places(never, since):
                for moved in faults_at(SIGNAL, place, scenario, Settings()):
                    if isinstance(moved, Signal) and alike(moved, signal):
                        yield place, moved


def _condition(at: At | None) -> Callable[[Place], bool]:
    if at is None:
        return lambda _: True
    if callable(at):
        return at
    words = [at] if isinstance(at, str) else list(at)
    return lambda place: any(word in place.words for word in words)
