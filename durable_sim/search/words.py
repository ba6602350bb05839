"""How searches put into words what they have shown: one sentence for all of them, and its bounds.

Always holds: what is wrong goes before what is missing, and nothing is said to hold where either is so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from durable_sim.checks.shown import fails_calmly, idle, unheard
from durable_sim.checks.violations import VERDICTS
from durable_sim.search.trial import Trial
from durable_sim.views import text

NO_HIT = "no fault hit anything in flight"


def guarantee(
    model: str, *, wrong: str = "", nothing: str = "", little: str = "", never_reached: Sequence[str] = (), holds: str
) -> str:
    """What was found wrong, or else why nothing or too little is shown, or else what holds.

    >>> guarantee("replay", nothing=NO_HIT, holds="nothing lost")
    'replay: shows nothing: no fault hit anything in flight'
    """
    if never_reached and not little:
        little = f"never reached: {', '.join(never_reached)}"
    said = wrong or (nothing and f"shows nothing: {nothing}") or (little and f"shows too little: {little}") or holds
    return f"{model}: {said}"


def why_nothing(trial: Trial, hits: int) -> str:
    """Why a search shows nothing; empty if it shows something."""
    return why_idle(trial) or ("" if hits else NO_HIT)


def why_idle(trial: Trial) -> str:
    """Why what is tried shows nothing, whatever strikes it; empty if it shows something."""
    return idle(trial.owed, asked=bool(trial.oracles))


def uncommon(verdicts: Mapping[str, int]) -> str:
    """The verdicts, where they are not all completed: a fault that cost an order must be seen.

    >>> uncommon({"completed": 2}), uncommon({"completed": 2, "compensated": 1})
    ('', '; verdicts: 2 completed, 1 compensated')
    """
    return f"; verdicts: {text.counts(verdicts)}" if set(verdicts) - {VERDICTS[0]} else ""


def bounds_of(trial: Trial, families: Sequence[str], never_struck: Iterable[str] = ()) -> str:
    """What every search for faults is limited to."""
    scenario = trial.base.scenario
    missed = f" (never struck: {', '.join(names)})" if (names := tuple(never_struck)) else ""
    left_out = f"; left out: {', '.join(trial.base.left_out)}" if trial.base.left_out else ""
    kept = f"; in memory, which no crash here forgets: {', '.join(trial.kept)}" if trial.kept else ""
    return (
        f"faults: {', '.join(families)}{missed}; executions: {', '.join(scenario.execution_ids())}; "
        f"seed {trial.seed}, {scenario.workers} worker(s){left_out}{kept}{_fails_anyway(trial)}"
        + "".join(f"; {words}" for words in unheard(trial.owed))
    )


def _fails_anyway(trial: Trial) -> str:
    """That all that was searched is a workflow that fails in any case, as it is meant to."""
    failures = [debt.failure for debt in trial.owed if debt.failure is not None]
    if not failures or len(failures) < len(trial.owed) or why_idle(trial):
        return ""
    return f"; {fails_calmly(failures[0])}"
