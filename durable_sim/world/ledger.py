"""The effect ledger: what the outside world really did.

Services write it, checks read it, an engine never sees it. Always holds: an entry stands for an effect that took
place at its time (a transaction's effects at its commit), and an undo names the entry that it undoes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from durable_sim.fields import check_fields

Owed = Literal["exactly_once", "at_least_once", "best_effort"]
OWED: tuple[Owed, ...] = get_args(Owed)


@dataclass(frozen=True, slots=True)
class EffectKind:
    """A kind of effect: what is owed of it, and in what it is counted.

    `owed`: money, stock and parcels are owed exactly once; a mail at least once, since no provider can do better; a
    cancellation mail is best effort. `undoes` names the kind that this one undoes. What is `irrevocable` (a wire, a
    credit check that is billed) nothing can undo: it is owed once like others, and may be left by who fails later.
    """

    name: str
    owed: Owed
    unit: str
    undoes: str | None = None
    irrevocable: bool = False

    def __post_init__(self) -> None:
        check_fields(self, f"effect kind {self.name!r}")


class Entry(NamedTuple):
    """One effect.

    `quantity` is in the kind's unit, negative for an undo; `reference` is the service's own id; `undoes` the index of
    the entry undone; `sent_us` when the request behind it left the caller. `subject` and `whose` tell apart effects of
    one kind that an execution owes side by side: of what (two stock items, two mails), and for whom.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    time_us: int
    kind: str
    execution: str
    step: int | None
    subject: str
    quantity: int
    reference: str
    undoes: int | None
    call: int
    sent_us: int
    whose: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry as plain data."""
        return self._asdict()


class Effect:
    """A service's handle on an effect of its own, by which it can undo it later."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry = entry


class Ledger:
    """An append-only list of entries."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Append an entry, whose index must be the next one."""
        assert entry.index == len(self._entries), "an entry's index is its place in the ledger"
        self._entries.append(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> tuple[Entry, ...]:
        """All entries, in the order in which the effects took place."""
        return tuple(self._entries)
