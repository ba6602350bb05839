"""What several checks read off a recording: its kinds of effect as the scenario has them, its ledger by execution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from durable_sim.checks.named import Names
from durable_sim.simulation.run import Recording
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.ledger import EffectKind, Entry

Kinds = Mapping[str, EffectKind]


class EffectKey(NamedTuple):
    """What tells apart the effects that one execution owes: what kind, of what, for whom."""

    kind: str
    subject: str
    whose: str = ""


def key_of(entry: Entry) -> EffectKey:
    """The key under which an effect is owed."""
    return EffectKey(entry.kind, entry.subject, entry.whose)


def kinds_of(recording: Recording) -> Kinds:
    """The kinds of effect by name, with what the scenario says is owed of them, and as undos of what counts instead."""
    owed, instead = recording.scenario.owed, recording.scenario.instead
    return {
        name: replace(kind, owed=owed.get(name, kind.owed), undoes=instead.get(kind.undoes or "", kind.undoes))
        for name, kind in recording.effect_kinds.items()
    }


def as_judged(ledger: Iterable[Entry], scenario: Scenario, names: Names | None = None) -> list[Entry]:
    """The entries under the kinds as which they count, for those of whom the inputs speak."""
    entries = (names or Names(scenario)).kept(ledger)
    if not scenario.instead:
        return entries
    return [entry._replace(kind=scenario.instead.get(entry.kind, entry.kind)) for entry in entries]


def entries_by_execution(recording: Recording, judged: Sequence[Entry] | None = None) -> dict[str, list[Entry]]:
    """The ledger as it is judged by execution, in order; first the executions of the scenario, then what they started.

    An undo of what another execution did is in the ledgers of both: the one has done it, the other has lost by it.
    """
    judged = as_judged(recording.ledger, recording.scenario) if judged is None else judged
    ledgers: dict[str, list[Entry]] = {execution.id: [] for execution in recording.executions}
    owners: dict[int | None, str] = {}
    for entry in judged:
        owners[entry.index] = entry.execution
        for name in dict.fromkeys((entry.execution, owners.get(entry.undoes, entry.execution))):
            ledgers.setdefault(name, []).append(entry)  # an event may have started one that nobody owes anything
    return ledgers


def original(entry: Entry, kinds: Kinds) -> str:
    """The kind of effect that an entry makes or undoes."""
    return kinds[entry.kind].undoes or entry.kind


def name_of(kind: str, subject: str, whose: str = "") -> str:
    """An effect in words: its kind, its subject where it has one, and for whom it is."""
    return f"{kind} {subject}".rstrip() + (f" for {whose}" if whose else "")


def namer(keys: Iterable[EffectKey]) -> Callable[[EffectKey], str]:
    """A function that puts effects in words: it says for whom one is if there are some for others among `keys`."""
    several = Counter((key.kind, key.subject) for key in dict.fromkeys(keys))

    def words(key: EffectKey) -> str:
        return name_of(key.kind, key.subject, key.whose if several[key.kind, key.subject] > 1 else "")

    return words


def standing(entries: Sequence[Entry]) -> list[Entry]:
    """The effects that have not been undone, in order."""
    undone = {entry.undoes for entry in entries if entry.undoes is not None}
    return [entry for entry in entries if entry.undoes is None and entry.index not in undone]
