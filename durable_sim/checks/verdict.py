"""The verdict on each execution and on the run, from ledger and final states alone, never from what an engine
believes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from durable_sim.checks import balance, compensation, effects
from durable_sim.checks.ledgers import Kinds, as_judged, entries_by_execution, kinds_of
from durable_sim.checks.owed import Debt, debts, without_taken_back
from durable_sim.checks.violations import BAD, VERDICTS, Verdict, Violation
from durable_sim.checks.waiting import why_open
from durable_sim.models.executions import Execution
from durable_sim.simulation.run import Recording
from durable_sim.world.ledger import Entry

INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Judged:
    """One execution: its verdict, beside the status that the engine itself reports."""

    execution: Execution
    verdict: Verdict
    violations: tuple[Violation, ...]
    repeats: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """One run: its executions, the violations that concern the run as a whole, and what was owed."""

    executions: tuple[Judged, ...]
    imbalances: tuple[Violation, ...]
    owed: tuple[Debt, ...] = ()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All violations, those of executions first."""
        return (*(violation for one in self.executions for violation in one.violations), *self.imbalances)

    def counts(self) -> dict[str, int]:
        """How many executions got each verdict; verdicts that nobody got are left out."""
        counts = Counter(one.verdict for one in self.executions)
        return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def judge(recording: Recording, owed: Sequence[Debt] | None = None) -> Judgement:
    """Judge a finished run. `owed` may be passed where it is known from another run of the same scenario."""
    owed = debts(recording.scenario, recording.seed) if owed is None else owed
    owed = without_taken_back(owed, recording)
    kinds, ledger = kinds_of(recording), as_judged(recording.ledger, recording.scenario)
    ledgers = entries_by_execution(recording, ledger)
    judged = tuple(
        _judge_one(recording, execution, ledgers[execution.id], debt, kinds)
        for execution, debt in zip(recording.executions, owed, strict=True)
    )
    imbalances = (
        *balance.books(recording.ledger, recording.balances, recording.effect_kinds),
        *balance.totals(ledger, recording.executions, owed, kinds),
    )
    return Judgement(judged, imbalances, tuple(owed))


def _judge_one(
    recording: Recording, execution: Execution, entries: Sequence[Entry], debt: Debt, kinds: Kinds
) -> Judged:
    violations = tuple(_violations(recording, execution, entries, debt, kinds))
    found = {violation.kind for violation in violations}
    good: Verdict = "completed" if execution.status == "completed" else "compensated"
    verdict = next((kind for kind in BAD if kind in found), good)
    made = [entry for entry in entries if entry.execution == execution.id]
    return Judged(execution, verdict, violations, effects.repeats(made, debt, kinds))


def _violations(
    recording: Recording, execution: Execution, entries: Sequence[Entry], debt: Debt, kinds: Kinds
) -> Iterator[Violation]:
    name = execution.id
    yield from effects.duplicates(name, entries, debt, kinds)
    yield from compensation.out_of_order(name, entries, kinds)
    open_ended = _open_ended(recording, execution, debt)
    if open_ended is not None:
        yield open_ended
    elif execution.status == "completed":
        yield from effects.lost(name, entries, debt, kinds)
        yield from effects.wrong_amounts(name, entries, debt, kinds)
        yield from effects.orphaned(name, entries, debt, kinds)
    else:
        yield from effects.orphaned(name, entries, None, kinds)
        if execution.status == "open":
            yield Violation("stuck", name, "execution", f"open, and {why_open(recording, name)}", "an end")


def _open_ended(recording: Recording, execution: Execution, debt: Debt) -> Violation | None:
    """Why nothing can be said yet about the end of an execution, if that is so."""
    name = execution.id
    pending = recording.pending.get(name)
    if execution.status == "open" and pending is not None:
        return Violation(INCONCLUSIVE, name, "execution", f"still open at the horizon ({pending})", "an end")
    under_way = recording.requests_under_way.get(name, 0)
    if under_way:
        return Violation(INCONCLUSIVE, name, "requests", f"{under_way} still under way at the horizon", "none")
    if execution.status == "completed" and not debt.completes:
        return Violation(INCONCLUSIVE, name, "execution", "completed", "a failure, as without any fault")
    return None
