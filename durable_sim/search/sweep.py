"""Sweeps: a fault at every place of a run, a second one at every later place of what comes of the first, and so on.

Nothing is drawn: with the same scenario, model and seed a sweep makes the same runs in the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from durable_sim.checks.oracles import Oracle
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.results.run import Run
from durable_sim.search.baseline import Executions
from durable_sim.search.coverage import ALL_PHASES
from durable_sim.search.explorer import At, Explorer, Progress
from durable_sim.search.families import Settings, families_for
from durable_sim.search.places import places
from durable_sim.search.result import Case, Placed, Sweep
from durable_sim.search.sometimes import campaign
from durable_sim.search.trial import Invariant, trial_of
from durable_sim.simulation.scenario import RECORD_KINDS, Scenario


def crash_sweep(
    scenario: Scenario,
    model: str = "replay",
    *,
    depth: int = 1,
    at: At | None = None,
    seed: int = 0,
    executions: Executions = 1,
    settings: Settings = Settings(),
    oracles: Iterable[str | Oracle] = (),
    invariants: Iterable[Invariant] = (),
    progress: Progress = iter,
) -> Sweep:
    """Crash a worker after every record of a run, judge what came of it; to `depth` crashes.

    `fault_sweep` with `faults=("crash",)`; its arguments are explained there.

    >>> from durable_sim.library import shop
    >>> from durable_sim.library.orders import correct_order
    >>> sweep = crash_sweep(Scenario(correct_order(), ({"order_id": "o-1"},), shop()))
    >>> sweep.ok, sweep.points == len(sweep.cases) - 1
    (True, True)
    """
    return fault_sweep(
        scenario,
        model,
        faults=("crash",),
        depth=depth,
        at=at,
        seed=seed,
        executions=executions,
        settings=settings,
        oracles=oracles,
        invariants=invariants,
        progress=progress,
    )


def fault_sweep(
    scenario: Scenario,
    model: str = "replay",
    *,
    faults: str | Iterable[str] = ("crash",),
    depth: int = 1,
    at: At | None = None,
    seed: int = 0,
    executions: Executions = 1,
    settings: Settings = Settings(),
    oracles: Iterable[str | Oracle] = (),
    invariants: Iterable[Invariant] = (),
    progress: Progress = iter,
) -> Sweep:
    """Let faults of the given families strike at every place, and judge every run.

    Args:
        scenario: what is run; without its own process faults, flakiness and outages (`Sweep.bounds` says so).
        faults: families of `durable_sim.search.families.FAMILIES`; "process", "call" and "all" stand for several.
        depth: how many faults strike in one run. A later fault is placed at every place after the earlier one, in the
            run that has the earlier one; two faults of processes never strike at one and the same place.
        at: only places that have one of these words, or meet this condition; every place by default.
        seed: decides the latencies.
        executions: how many of the scenario's executions run at the same time, or the id of the one that runs alone;
            None: all.
        settings: how long what takes, and which version a deploy switches to: by default the scenario's only other
            one, or the same code once more.
        oracles: further checks, by name or as functions over the recording of a run.
        invariants: the user's own, functions over a `Run`: what they assert, or say, is a violation.
        progress: wraps the places of the first fault, as tqdm does.

    Raises:
        UserError: arguments that make no sweep.
        UnknownNameError: a model, a family of faults or a word for a place that there is not.
    """
    if depth < 1:
        raise UserError(f"depth is {depth}, expected 1 or more")
    trial = trial_of(scenario, model, seed, executions, oracles, invariants)
    families = families_for(faults, trial.base.scenario)
    explorer = Explorer(trial, families, at, settings.for_scenario(scenario))
    with campaign() as marks:
        cases = tuple(Case.of(run, placed) for run, placed in _checked(explorer.runs((), depth, progress), at, depth))
    return Sweep(trial, explorer.families, depth, at is None, cases, marks.never)


Runs = Iterator[tuple[Run, tuple[Placed, ...]]]


def _checked(runs: Runs, at: At | None, depth: int) -> Runs:
    """The runs; refuses words that no place has: at depth 1 all places are in the calm run, which is the first."""
    if at is None or callable(at):
        yield from runs
        return
    calm, none = next(runs)
    had = {word for place in places(calm.recording) for word in place.words}
    if depth == 1:
        _check_words(at, calm.recording.scenario, had)
    yield calm, none
    for run, placed in runs:
        had.update(placed[-1].place.words)
        yield run, placed
    _check_words(at, calm.recording.scenario, had)


def _check_words(at: str | Sequence[str], scenario: Scenario, had: Collection[str | None]) -> None:
    """Refuse a word that is no kind of record, no phase and no operation, and that no place had."""
    operations = [f"{name}.{one}" for name, spec in scenario.services.items() for one in spec.service.operations()]
    known = [*RECORD_KINDS, *ALL_PHASES, *operations]
    for word in [at] if isinstance(at, str) else at:
        if word not in known and word not in had:
            raise UnknownNameError("place (kind of record, phase, operation or activity)", word, known)
