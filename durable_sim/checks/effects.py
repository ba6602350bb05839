"""Effects: was each done as often as it is owed, at every moment and in the end?

Reads the ledger only. An effect counts from the moment it takes place until the moment it is undone; a charge that was
refunded before the next one is no double charge, two at the same time are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from durable_sim.checks.ledgers import Kinds, name_of, standing
from durable_sim.checks.owed import Debt, EffectKey, key_of
from durable_sim.checks.violations import Violation
from durable_sim.world.ledger import Entry, Owed


def duplicates(execution: str, entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> Iterator[Violation]:
    """More of an effect at a time than is owed, or one effect undone twice. Only what is owed exactly once can be."""
    held: Counter[EffectKey] = Counter()
    undone: set[int] = set()
    for entry in entries:
        if entry.undoes is None and kinds[entry.kind].undoes is None:
            key = key_of(entry)
            held[key] += 1
            owed = max(debt.effects.get(key, 0), 1)
            if held[key] > owed and _owed(kinds, entry) == "exactly_once":
                found = f"{held[key]} at the same time"
                yield Violation("duplicate_effect", execution, name_of(*key), found, f"{owed}", entry.time_us)
        elif entry.undoes in undone and _owed(kinds, entry) == "exactly_once":
            subject = name_of(*key_of(entry))
            yield Violation("duplicate_effect", execution, subject, "undone twice", "once", entry.time_us)
        elif entry.undoes is not None:
            undone.add(entry.undoes)
            held[(kinds[entry.kind].undoes or "", entry.subject)] -= 1


def lost(execution: str, entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> Iterator[Violation]:
    """An effect that a completed execution owes and that is not there."""
    made = Counter(key_of(entry) for entry in entries)
    left = _standing(entries)
    for key, owed in debt.effects.items():
        obligation = kinds[key[0]].owed
        found = made[key] if obligation == "at_least_once" else left[key]
        if obligation != "best_effort" and found < owed:
            yield Violation("lost_effect", execution, name_of(*key), f"{found}", f"{owed}, as it says it is completed")


def orphaned(
    execution: str, entries: Sequence[Entry], owed: Mapping[EffectKey, int], kinds: Kinds
) -> Iterator[Violation]:
    """An effect that stands in the end although nobody owes it (one owed once that stands twice is a duplicate)."""
    for key, count in _standing(entries).items():
        if count and key not in owed and kinds[key[0]].owed == "exactly_once":
            yield Violation("orphaned_effect", execution, name_of(*key), f"{count} left standing", "0")


def repeats(entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> int:
    """How many effects were made beyond what is owed, where at least once is all that is owed."""
    made = Counter(key_of(entry) for entry in entries if kinds[entry.kind].owed == "at_least_once")
    return sum(max(0, count - debt.effects.get(key, 0)) for key, count in made.items())


def _standing(entries: Sequence[Entry]) -> Counter[EffectKey]:
    """The effects that have not been undone, by key."""
    return Counter(map(key_of, standing(entries)))


def _owed(kinds: Kinds, entry: Entry) -> Owed:
    return kinds[entry.kind].owed
