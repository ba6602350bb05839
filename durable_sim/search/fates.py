"""The fate of one deploy: what goes wrong because of the new code.

A run across a deploy is right if it does what the old code owes, as a whole, or what the new code owes, as a whole;
what it does of both is a mixture. What the old code does wrong there too, when it is restarted at the same place, is no
fault of the new one: that is no worse than before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from durable_sim.checks.owed import Debt, debts
from durable_sim.checks.verdict import INCONCLUSIVE, Judgement, judge
from durable_sim.checks.violations import BAD, Violation
from durable_sim.errors import UserError
from durable_sim.models.executions import Execution
from durable_sim.search.signals import owed_with
from durable_sim.search.trial import Trial
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import Deploy, Placeable

SAFE, NO_WORSE = "safe", "no_worse"
MIXED, REPEATED, FAILED, ERROR, IMBALANCE = "mixed", "repeated", "failed", "error", "imbalance"
FATES = (ERROR, MIXED, *sorted(BAD, key="orphaned_effect".__eq__), IMBALANCE, FAILED, REPEATED, NO_WORSE, SAFE)
"""Where several apply, the first counts: what stands because an execution is stuck is no orphan yet."""
_AS_EVER = "as when the old code is restarted"
_OPEN = ("stuck", INCONCLUSIVE)

Owed = tuple[Debt, ...]


@dataclass(frozen=True, slots=True)
class Codes:
    """The old code and the new one, and what each owes where no signal is moved."""

    trial: Trial
    new: Scenario
    new_owed: Owed

    @classmethod
    def of(cls, trial: Trial, version: str) -> Codes:
        """The code of a trial, and the version of it that is deployed."""
        scenario = trial.base.scenario
        new = replace(scenario, workflow=scenario.versions[version])
        return cls(trial, new, debts(new, trial.seed))

    def owed(self, faults: Sequence[Placeable]) -> tuple[tuple[Owed, ...], tuple[Owed, ...]]:
        """What the old code owes, and the new one: each one thing or several, any of which is fine."""
        trial = self.trial
        old = owed_with(trial.base.scenario, faults, trial.seed, trial.owed)
        return old, owed_with(self.new, faults, trial.seed, self.new_owed)


@dataclass(frozen=True, slots=True)
class _Run:
    """A run with a deploy, judged by all that may be owed."""

    execution: Execution
    old: tuple[Judgement, ...]
    new: tuple[Judgement, ...]

    @property
    def right(self) -> bool:
        """Whether it is right by one of the measures, as a whole."""
        return _right((*self.old, *self.new))

    @property
    def repeats(self) -> int:
        """How many effects were made more often than either code would."""
        return min(sum(one.repeats for one in judgement.executions) for judgement in (*self.old, *self.new))

    @property
    def failed(self) -> bool:
        """Whether it failed although either code completes."""
        judged = (*self.old, *self.new)
        return self.execution.status == "failed" and all(debt.completes for one in judged for debt in one.owed)


def fate_of(codes: Codes, faults: Sequence[Placeable], deploy: Deploy) -> tuple[str, tuple[Violation, ...]]:
    """What becomes of the history of some faults when a deploy strikes there, and what is wrong, that first which the
    fate is about."""
    owed = codes.owed(faults)
    try:
        shipped = _run(codes, [*faults, deploy], owed)
    except UserError as error:
        name = codes.new.execution_ids()[0]
        expected = "code that can take what the old code asked for"
        return ERROR, (Violation(ERROR, name, "new code", str(error), expected),)
    if shipped.right and not shipped.repeats and not shipped.failed:
        return SAFE, ()
    restarted = _run(codes, [*faults, replace(deploy, version=None)], owed)
    found = [*_wrong(shipped, restarted), *_failed(shipped, restarted), *_repeated(shipped, restarted)]
    if found:
        kinds = {violation.kind for violation in found}
        fate = next((kind for kind in FATES if kind in kinds), found[0].kind)
        return fate, tuple(sorted(found, key=lambda one: one.kind != fate))
    return (SAFE, ()) if shipped.right else (NO_WORSE, shipped.old[0].violations)


def _run(codes: Codes, faults: Sequence[Placeable], owed: tuple[tuple[Owed, ...], tuple[Owed, ...]]) -> _Run:
    trial = codes.trial
    recording = simulate(trial.scenario(faults), trial.model, trial.seed)
    old, new = (tuple(judge(recording, one) for one in several) for several in owed)
    return _Run(recording.executions[0], old, new)


def _right(judgements: Iterable[Judgement]) -> bool:
    return any(not judgement.violations for judgement in judgements)


def _wrong(shipped: _Run, restarted: _Run) -> Iterator[Violation]:
    """What is wrong by every measure, and was not with the old code."""
    if shipped.right:
        return
    known = [()] * len(shipped.old) if _right(restarted.old) else [one.violations for one in restarted.old]
    beyond = [list(_beyond(one.violations, before)) for one, before in zip(shipped.old, known, strict=True)]
    by_old, by_new = min(beyond, key=len), shipped.new[0].violations
    if not by_old:
        return
    also = {(one.kind, one.subject) for one in by_new}
    both = [one for one in by_old if (one.kind, one.subject) in also]
    if both:
        yield from both
        return
    said = f"{_short(by_old[0])} by what the old code owes, {_short(by_new[0])} by what the new code owes"
    yield Violation(MIXED, shipped.execution.id, "effects", said, "what one of the two owes, as a whole")
    yield from (*by_old, *by_new)


def _beyond(violations: Iterable[Violation], known: Iterable[Violation]) -> Iterator[Violation]:
    """The violations that are not among the known ones, each of which counts once."""
    left = Counter(map(_what, known))
    for violation in violations:
        if left[_what(violation)]:
            left[_what(violation)] -= 1
        else:
            yield violation


def _what(violation: Violation) -> tuple[str | None, ...]:
    """What is wrong, without when: of an execution that is open also why it is, without counts and times."""
    found = re.sub(r"[\d.]+", "#", violation.found) if violation.kind in _OPEN else violation.found
    return violation.kind, violation.execution, violation.subject, found


def _short(violation: Violation) -> str:
    return f"{violation.kind} {violation.subject} ({violation.found})"


def _failed(shipped: _Run, restarted: _Run) -> Iterator[Violation]:
    """An execution that fails, although either code and the old one restarted complete."""
    if shipped.failed and restarted.execution.status == "completed":
        failure = shipped.execution.failure
        why = f"failed ({failure.told})" if failure else "failed"
        yield Violation(FAILED, shipped.execution.id, "execution", why, f"completed, {_AS_EVER}")


def _repeated(shipped: _Run, restarted: _Run) -> Iterator[Violation]:
    """Effects owed at least once that are made again, more of them than by the old code restarted."""
    if shipped.repeats > restarted.repeats:
        found, expected = f"{shipped.repeats} made again", f"{restarted.repeats}, {_AS_EVER}"
        yield Violation(REPEATED, shipped.execution.id, "effects owed at least once", found, expected)
