"""Effects: was each done as often as it is owed, for whom and in the quantity in which it is, at every moment and in
the end?

Reads the ledger only. An effect counts from the moment it takes place until the moment it is undone; a charge that was
refunded before the next one is no double charge, two at the same time are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from durable_sim.checks.ledgers import EffectKey, Kinds, key_of, name_of, namer, standing
from durable_sim.checks.owed import Debt
from durable_sim.checks.violations import Violation
from durable_sim.world.ledger import Entry, Owed

DUPLICATE = "duplicate_effect"


def duplicates(execution: str, entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> Iterator[Violation]:
    """More of an effect at a time than is owed, or one effect undone twice. Only what is owed exactly once can be.

    An undo frees what the execution did itself: to take back what another one did makes no room for a second effect.
    """
    words = namer([*debt.effects, *map(key_of, entries)])
    own: dict[int, EffectKey] = {}
    held = _Held(debt)
    undone: set[int] = set()
    for entry in entries:
        key, once = key_of(entry), _owed(kinds, entry) == "exactly_once"
        if entry.undoes is None and kinds[entry.kind].undoes is None:
            own[entry.index] = key
            held.add(key, 1)
            if once and (excess := held.excess(key)):
                for_one, found, owed = excess
                subject = words(key) if for_one else name_of(key.kind, key.subject)
                yield Violation(DUPLICATE, execution, subject, f"{found} at the same time", owed, entry.time_us)
        elif entry.undoes in undone and once:
            yield Violation(DUPLICATE, execution, words(key), "undone twice", "once", entry.time_us)
        elif entry.undoes is not None:
            undone.add(entry.undoes)
            if entry.undoes in own:
                held.add(own[entry.undoes], -1)


class _Held:
    """How many effects there are at a moment: for each whose they are, and for all together."""

    def __init__(self, debt: Debt) -> None:
        self._one: Counter[EffectKey] = Counter()
        self._all: Counter[tuple[str, str]] = Counter()
        self._owed_one = debt.effects
        self._owed_all: Counter[tuple[str, str]] = Counter()
        for key, owed in debt.effects.items():
            self._owed_all[key.kind, key.subject] += owed

    def add(self, key: EffectKey, count: int) -> None:
        """So many more, or fewer."""
        self._one[key] += count
        self._all[key.kind, key.subject] += count

    def excess(self, key: EffectKey) -> tuple[bool, int, str] | None:
        """Whether there are too many for one (else for all together), how many there are, and how many may be."""
        one, every = max(self._owed_one.get(key, 0), 1), max(self._owed_all[key.kind, key.subject], 1)
        if self._one[key] > one:
            return True, self._one[key], f"{one}"
        together = self._all[key.kind, key.subject]
        return (False, together, f"{every}") if together > every else None


def lost(execution: str, entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> Iterator[Violation]:
    """An effect that a completed execution owes and that is not there."""
    words = namer([*debt.effects, *map(key_of, entries)])
    made = Counter(map(key_of, entries))
    left = Counter(map(key_of, standing(entries)))
    for key, owed in debt.effects.items():
        obligation = kinds[key.kind].owed
        found = made[key] if obligation == "at_least_once" else left[key]
        if obligation != "best_effort" and found < owed:
            yield Violation("lost_effect", execution, words(key), f"{found}", f"{owed}, as it says it is completed")


def wrong_amounts(execution: str, entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> Iterator[Violation]:
    """What a completed execution owes and has done as often as it owes it, in another quantity: 8000 cents for 4000."""
    words = namer([*debt.effects, *map(key_of, entries)])
    left = standing(entries)
    counts, found = Counter(map(key_of, left)), Counter[EffectKey]()
    for entry in left:
        found[key_of(entry)] += entry.quantity
    for key, owed in debt.quantities.items():
        kind = kinds[key.kind]
        if kind.owed == "exactly_once" and counts[key] == debt.effects[key] and found[key] != owed:
            amounts = f"{found[key]} {kind.unit}", f"{owed} {kind.unit}"
            yield Violation("wrong_amount", execution, words(key), *amounts)


def orphaned(execution: str, entries: Sequence[Entry], debt: Debt | None, kinds: Kinds) -> Iterator[Violation]:
    """An effect that stands in the end although nobody owes it (one owed once that stands twice is a duplicate).

    An execution that did not complete owes nothing (None). Then what is irrevocable may be left: nothing can undo it.
    """
    owed = {} if debt is None else debt.effects
    words = namer([*owed, *map(key_of, entries)])
    for key, count in Counter(map(key_of, standing(entries))).items():
        kind = kinds[key.kind]
        excused = debt is None and kind.irrevocable
        if key not in owed and kind.owed == "exactly_once" and not excused:
            yield Violation("orphaned_effect", execution, words(key), f"{count} left standing", "0")


def repeats(entries: Sequence[Entry], debt: Debt, kinds: Kinds) -> int:
    """How many effects were made beyond what is owed, where at least once is all that is owed."""
    made = Counter(key_of(entry) for entry in entries if kinds[entry.kind].owed == "at_least_once")
    return sum(max(0, count - debt.effects.get(key, 0)) for key, count in made.items())


def _owed(kinds: Kinds, entry: Entry) -> Owed:
    return kinds[entry.kind].owed
