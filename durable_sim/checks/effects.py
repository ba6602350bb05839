"""Effects: was each done as often as it is owed, at every moment and in the end?

Reads the ledger only. An effect counts from the moment it takes place until the moment it is undone; a charge that was
refunded before the next one is no double charge, two at the same time are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from durable_sim.checks.owed import Debt, EffectKey, key_of
from durable_sim.checks.violations import Violation
from durable_sim.world.ledger import EffectKind, Entry, Owed

Kinds = Mapping[str, EffectKind]


def duplicates(execution: str, entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> Iterator[Violation]:
    """More of an effect at a time than is owed, or one effect undone twice. Only what is owed exactly once can be."""
    standing: Counter[EffectKey] = Counter()
    undone: set[int] = set()
    for entry in entries:
        if entry.undoes is None and kinds[entry.kind].undoes is None:
            key = key_of(entry)
            standing[key] += 1
            owed = max(debt.effects.get(key, 0), 1)
            if standing[key] > owed and _owed(kinds, entry) == "exactly_once":
                found = f"{standing[key]} at the same time"
                yield Violation("duplicate_effect", execution, _name(key), found, f"{owed}", entry.time_us)
        elif entry.undoes in undone and _owed(kinds, entry) == "exactly_once":
            subject = _name(key_of(entry))
            yield Violation("duplicate_effect", execution, subject, "undone twice", "once", entry.time_us)
        elif entry.undoes is not None:
            undone.add(entry.undoes)
            standing[(kinds[entry.kind].undoes or "", entry.subject)] -= 1


def lost(execution: str, entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> Iterator[Violation]:
    """An effect that a completed execution owes and that is not there."""
    made = Counter(key_of(entry) for entry in entries)
    standing = _standing(entries)
    for key, owed in debt.effects.items():
        obligation = kinds[key[0]].owed
        found = made[key] if obligation == "at_least_once" else standing[key]
        if obligation != "best_effort" and found < owed:
            yield Violation("lost_effect", execution, _name(key), f"{found}", f"{owed}, as it says it is completed")


def orphaned(
    execution: str, entries: Sequence[Entry], owed: Mapping[EffectKey, int], kinds: Kinds
) -> Iterator[Violation]:
    """An effect that stands in the end although nobody owes it (one owed once that stands twice is a duplicate)."""
    for key, count in _standing(entries).items():
        if count and key not in owed and kinds[key[0]].owed == "exactly_once":
            yield Violation("orphaned_effect", execution, _name(key), f"{count} left standing", "0")


def repeats(entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> int:
    """How many effects were made beyond what is owed, where at least once is all that is owed."""
    made = Counter(key_of(entry) for entry in entries if kinds[entry.kind].owed == "at_least_once")
    return sum(max(0, count - debt.effects.get(key, 0)) for key, count in made.items())


def _standing(entries: Sequence[Entry]) -> Counter[EffectKey]:
    """The effects that have not been undone, by key."""
    undone = {entry.undoes for entry in entries if entry.undoes is not None}
    plain = (entry for entry in entries if entry.undoes is None and entry.index not in undone)
    return Counter(map(key_of, plain))


def _owed(kinds: Kinds, entry: Entry) -> Owed:
    return kinds[entry.kind].owed


def _name(key: EffectKey) -> str:
    return f"{key[0]} {key[1]}".rstrip()
