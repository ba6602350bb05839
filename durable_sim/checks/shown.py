"""What a finished run, or many, can show, and when they show nothing: the words that every output has in common.

Always holds: nobody claims an order of undoing where nothing was undone, nor anything about a workflow that does
nothing, or about faults of which none struck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from durable_sim.checks.owed import Debt
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.failures import ACTIVITY, CHILD, Failure
from durable_sim.world.services.base import ServiceSpec

VACUOUS = "no planned fault hit anything in flight"
NEVER_STRUCK = "faults were asked for, and none struck"
NO_EFFECT = "in calm weather this workflow has no effect"
_MISTAKES = frozenset(
    {"AttributeError", "IndexError", "KeyError", "NameError", "TypeError", "UnboundLocalError", "ZeroDivisionError"}
)
"""What Python raises by itself where code and input do not fit."""


def unharmed(*, undone: bool) -> str:
    """What verdicts vouch for; of the order of undoing only where something was undone.

    >>> unharmed(undone=False)
    'nothing lost, doubled or stranded'
    """
    return f"nothing lost, doubled{',' if undone else ' or'} stranded{' or undone out of order' if undone else ''}"


def idle(owed: Sequence[Debt], *, asked: bool = False) -> str:
    """Why a workflow shows nothing, whatever strikes it: it fails or has no effect even where nothing strikes. Empty if
    it shows something.

    A failure that is meant (a card is declined, an item is sold out, the code says no) is a course of its own, if it is
    reached by effects that are undone, or if somebody has `asked` for more than effects. A `KeyError` is not meant.
    """
    if not owed or any(_does_something(debt, asked) for debt in owed):
        return ""
    failures = [debt.failure for debt in owed if debt.failure is not None]
    return fails_calmly(failures[0]) if failures else "; ".join([NO_EFFECT, *unheard(owed)])


def unheard(owed: Sequence[Debt]) -> tuple[str, ...]:
    """The signals that reach no handler even where nothing goes wrong, each once, in words."""
    return tuple(dict.fromkeys(debt.unheard for debt in owed if debt.unheard))


def fails_calmly(failure: Failure) -> str:
    """That a workflow fails without any fault, and how."""
    root = _root(failure)
    return f"without any fault the workflow fails ({root.type}: {root.message})"


def _does_something(debt: Debt, asked: bool) -> bool:
    if debt.failure is None:
        return debt.acts
    return _root(debt.failure).type not in _MISTAKES and (debt.acts or asked)


def _root(failure: Failure) -> Failure:
    """What went wrong, without the activities and children that it came through."""
    while failure.kind in (ACTIVITY, CHILD) and failure.cause is not None:
        failure = failure.cause
    return failure


def warning(words: str) -> str:
    """The line that warns of a run that shows nothing, or nothing about the faults that were planned.

    >>> warning(VACUOUS)
    'WARNING: no planned fault hit anything in flight: this run shows nothing about them'
    """
    return f"WARNING: {words}: this run shows nothing{' about them' if words == VACUOUS else ''}"


class Warned(Protocol):
    """A run, as far as it says why it shows nothing."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why it shows nothing."""


def warned(runs: Mapping[str, Warned]) -> tuple[str, ...]:
    """Why runs show nothing, each with the models of which that is so."""
    models: dict[str, list[str]] = {}
    for model, run in runs.items():
        for words in run.warnings:
            models.setdefault(words, []).append(model)
    return tuple(f"{words} (under {', '.join(names)})" for words, names in models.items())


def flaky(spec: ServiceSpec) -> bool:
    """Whether calls of a service go wrong by chance, or for a time."""
    own = [operation.faults for operation in spec.operations.values() if operation.faults is not None]
    return spec.outage is not None or any(mixture.total > 0 for mixture in (spec.faults, *own))


def unstruck(scenario: Scenario, faults: Mapping[str, int], call_faults: Mapping[str, int]) -> str:
    """Why a run shows nothing of the faults that its scenario asks for (planned, random, or of its services). Empty if
    it shows something, or if none is asked for."""
    if faults["hit"]:
        return ""
    if faults["planned"]:
        return VACUOUS
    return NEVER_STRUCK if _asks_for_faults(scenario) and not sum(call_faults.values()) else ""


def idle_in(scenario: Scenario, owed: Sequence[Debt]) -> str:
    """Why a workflow shows nothing in a single run; that it has no effect matters only where something is to happen to
    it: faults, or what people do."""
    words = idle(owed)
    return "" if words.startswith(NO_EFFECT) and not (scenario.stimuli or _asks_for_faults(scenario)) else words


def _asks_for_faults(scenario: Scenario) -> bool:
    return bool(scenario.faults) or any(map(flaky, scenario.services.values()))
