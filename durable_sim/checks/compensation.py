"""Compensation order: what was done first is undone last.

Reads the ledger only. Two effects are in order when the first had taken place before the request for the second was
sent, by an earlier step; effects of steps that ran in parallel are in no order. Effects that are not owed exactly
once (mails) are left out: nothing can really undo them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from durable_sim.checks.ledgers import Kinds
from durable_sim.checks.violations import Violation
from durable_sim.world.ledger import Entry


def out_of_order(execution: str, entries: Sequence[Entry], kinds: Kinds) -> Iterator[Violation]:
    """Pairs in which the earlier effect was undone before the later one, while both stood."""
    undoings: dict[int, Entry] = {}
    for entry in entries:
        if entry.undoes is not None:
            undoings.setdefault(entry.undoes, entry)
    undone = [
        (entry, undoings[entry.index])
        for entry in entries
        if entry.index in undoings and kinds[entry.kind].owed == "exactly_once"
    ]
    for place, (first, first_undo) in enumerate(undone):
        for second, second_undo in undone[place + 1 :]:
            both_stood = second.index < first_undo.index
            if both_stood and _in_order(first, second) and first_undo.index < second_undo.index:
                found = f"{first_undo.kind} before {second_undo.kind}"
                expected = f"{second.kind} undone first, as it was done last"
                yield Violation("compensation_order", execution, first.kind, found, expected, second_undo.time_us)


def _in_order(first: Entry, second: Entry) -> bool:
    steps = (first.step or 0) < (second.step or 0)
    return steps and first.time_us <= second.sent_us
