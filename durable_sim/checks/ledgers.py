"""What several checks read off a recording: its kinds of effect as the scenario has them, its ledger by execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from durable_sim.simulation.run import Recording
from durable_sim.world.ledger import EffectKind, Entry

Kinds = Mapping[str, EffectKind]


def kinds_of(recording: Recording) -> Kinds:
    """The kinds of effect by name, each with what the scenario says is owed of it."""
    owed = recording.scenario.owed
    return {name: replace(kind, owed=owed.get(name, kind.owed)) for name, kind in recording.effect_kinds.items()}


def entries_by_execution(recording: Recording) -> dict[str, list[Entry]]:
    """The ledger by execution, in order; first the executions of the scenario, then what they have started."""
    ledgers: dict[str, list[Entry]] = {execution.id: [] for execution in recording.executions}
    for entry in recording.ledger:
        ledgers.setdefault(entry.execution, []).append(entry)  # an event may have started one that nobody owes anything
    return ledgers


def original(entry: Entry, kinds: Kinds) -> str:
    """The kind of effect that an entry makes or undoes."""
    return kinds[entry.kind].undoes or entry.kind


def name_of(kind: str, subject: str) -> str:
    """An effect in words: its kind, and its subject where it has one."""
    return f"{kind} {subject}".rstrip()


def standing(entries: Sequence[Entry]) -> list[Entry]:
    """The effects that have not been undone, in order."""
    undone = {entry.undoes for entry in entries if entry.undoes is not None}
    return [entry for entry in entries if entry.undoes is None and entry.index not in undone]
