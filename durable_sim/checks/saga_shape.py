"""Saga shape: what an execution did reads T1..Tn, or T1..Tj and then the compensations Cj..C1.

Sagas are from H. Garcia-Molina and K. Salem, "Sagas", SIGMOD 1987. Reads the ledger only, and of it what is owed
exactly once: nothing can really undo a mail. For workflows that are one saga: one that takes something back and then
goes on has another shape. In which order compensations come is another check's question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from durable_sim.checks.ledgers import Kinds, entries_by_execution, kinds_of, name_of, original, standing
from durable_sim.checks.violations import Violation
from durable_sim.models.executions import Execution
from durable_sim.simulation.run import Recording
from durable_sim.world.ledger import Entry

SAGA_SHAPE = "saga_shape"
SHAPE = "T1..Tn, or T1..Tj and then Cj..C1"


def saga_shape(recording: Recording) -> Iterator[Violation]:
    """Compensations of nothing, effects that come after a compensation, and chains of compensations that break off."""
    kinds = kinds_of(recording)
    ledgers = entries_by_execution(recording)
    for execution in recording.executions:
        word = [entry for entry in ledgers[execution.id] if kinds[original(entry, kinds)].owed == "exactly_once"]
        own = [entry for entry in word if entry.execution == execution.id]
        yield from _without_effect(execution, own, kinds)
        yield from _forward_again(execution, own, kinds)
        if execution.status != "open" and not recording.requests_under_way.get(execution.id):
            yield from _broken_off(execution, word, kinds)


def _without_effect(execution: Execution, word: Sequence[Entry], kinds: Kinds) -> Iterator[Violation]:
    """Compensations of what never stood, or of what another one had undone."""
    undone: set[int] = set()
    for entry in word:
        if not _compensates(entry, kinds):
            continue
        if entry.undoes is None or entry.undoes in undone:
            what = "nothing that ever stood" if entry.undoes is None else "what was undone before"
            yield _violation(execution, entry, f"a compensation of {what}", entry.time_us)
        else:
            undone.add(entry.undoes)


def _forward_again(execution: Execution, word: Sequence[Entry], kinds: Kinds) -> Iterator[Violation]:
    """Effects whose request was sent when a compensation had taken place. One that was under way by then is left to
    other checks: it ran in parallel, and could as well have come first."""
    first = next((entry for entry in word if _compensates(entry, kinds)), None)
    for entry in word:
        if first is not None and not _compensates(entry, kinds) and first.time_us < entry.sent_us:
            yield _violation(execution, entry, f"done after {name_of(first.kind, first.subject)}", entry.time_us)


def _broken_off(execution: Execution, word: Sequence[Entry], kinds: Kinds) -> Iterator[Violation]:
    """Effects that stand although the execution has failed, or others of its effects were undone: one violation.

    What is irrevocable may stand.
    """
    revocable = (entry for entry in standing(word) if not kinds[entry.kind].irrevocable)
    left = [entry for entry in revocable if not _compensates(entry, kinds)]
    undos = [entry for entry in word if _compensates(entry, kinds)]
    if left and (undos or execution.status == "failed"):
        after = f"after {name_of(undos[-1].kind, undos[-1].subject)}" if undos else "and no compensation was made"
        counts = Counter(name_of(entry.kind, entry.subject) for entry in left)
        names = ", ".join(name + (f" x {count}" if count > 1 else "") for name, count in counts.items())
        yield _violation(execution, left[-1], f"{execution.status}, {names} left standing {after}", None)


def _compensates(entry: Entry, kinds: Kinds) -> bool:
    return kinds[entry.kind].undoes is not None


def _violation(execution: Execution, entry: Entry, found: str, time_us: int | None) -> Violation:
    return Violation(SAGA_SHAPE, execution.id, name_of(entry.kind, entry.subject), found, SHAPE, time_us)
