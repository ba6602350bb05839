"""Conservation of money and stock: at no moment is more given back than was taken.

Reads the ledger, which has every moment, and the services' own books, which have the last one. Whether the two agree,
and whether the sums are those that are owed, is the verdict's question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from durable_sim.checks.ledgers import EffectKey, Kinds, key_of, name_of, namer, original
from durable_sim.checks.violations import Violation
from durable_sim.simulation.run import Recording
from durable_sim.world.ledger import Entry

CONSERVATION = "conservation"


def conservation(recording: Recording) -> Iterator[Violation]:
    """The first moment at which an execution has given back more of something than it took, and books below zero."""
    kinds = recording.effect_kinds
    yield from _given_back(recording.ledger, kinds)
    yield from _below_zero(recording.balances, kinds)


def _given_back(ledger: Sequence[Entry], kinds: Kinds) -> Iterator[Violation]:
    """Whoever gives back what another execution took is found, too: it never had it."""
    held: Counter[tuple[str, EffectKey]] = Counter()
    breached: set[tuple[str, EffectKey]] = set()
    words = namer(map(key_of, ledger))
    for entry in ledger:
        kind = original(entry, kinds)
        key = key_of(entry)._replace(kind=kind)
        account = (entry.execution, key)
        held[account] += entry.quantity
        if held[account] < 0 and account not in breached:
            breached.add(account)
            found = f"{-held[account]} {kinds[kind].unit} more given back than taken"
            yield Violation(CONSERVATION, entry.execution, words(key), found, "at most what was taken", entry.time_us)


def _below_zero(balances: Mapping[str, Mapping[str, int]], kinds: Kinds) -> Iterator[Violation]:
    for kind, amounts in balances.items():
        for subject, amount in amounts.items():
            if amount < 0:
                found = f"{amount} {kinds[kind].unit} in the service's books"
                yield Violation(CONSERVATION, None, name_of(kind, subject), found, "0 or more")
