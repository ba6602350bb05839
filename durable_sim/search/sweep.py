"""Sweeps: a fault at every place of a run, a second one at every later place of what comes of the first, and so on.

Nothing is drawn: with the same scenario, model and seed a sweep makes the same runs in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable

from durable_sim.checks.oracles import Oracle
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.search.baseline import Executions
from durable_sim.search.coverage import ALL_PHASES
from durable_sim.search.explorer import At, Explorer, Progress
from durable_sim.search.families import Settings, families_of
from durable_sim.search.result import Case, Sweep
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
        depth: how many faults strike in one run. All combinations are tried: a later fault is placed at every place
            after the earlier one, in the run that has the earlier one.
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
    explorer = Explorer(trial, families_of(faults), at, settings.for_scenario(scenario))
    with campaign() as marks:
        cases = tuple(Case.of(run, placed) for run, placed in explorer.runs((), depth, progress))
    _check_words(at, trial.base.scenario, cases)
    return Sweep(trial, explorer.families, depth, at is None, cases, marks.never)


def _check_words(at: At | None, scenario: Scenario, cases: tuple[Case, ...]) -> None:
    """Refuse a word that is no kind of record, no phase and no operation, and that no place had."""
    if at is None or callable(at):
        return
    operations = [f"{name}.{one}" for name, spec in scenario.services.items() for one in spec.service.operations()]
    known = [*RECORD_KINDS, *ALL_PHASES, *operations]
    had = {word for case in cases for placed in case.placed for word in placed.place.words}
    for word in [at] if isinstance(at, str) else at:
        if word not in known and word not in had:
            raise UnknownNameError("place (kind of record, phase, operation or activity)", word, known)
