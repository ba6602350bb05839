"""The order workflow as a state machine: a chain of tasks, and beside it, in reverse, the chain that undoes them.

A task that fails for good goes to its own undo (the undo is registered before its action, so to speak), and from there
back to the first; the order that was undone ends as failed, with the error that began it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

FOREVER = 99_999_999
"""The largest number of retries that the language allows."""


class Pair(NamedTuple):
    """An action and what undoes it, both by the names of activities; a `best_effort` undo may fail."""

    action: str
    undo: str
    best_effort: bool = False


def saga_machine(pairs: Sequence[Pair], final: Sequence[str], comment: str = "") -> dict[str, Any]:
    """The definition of a saga of these steps; errors that are `final` are not tried again.

    >>> list(saga_machine([Pair("pay", "refund")], ["CardDeclined"])["States"])
    ['pay', 'Done', 'refund', 'Failed']
    """
    states: dict[str, Any] = {}
    for place, pair in enumerate(pairs):
        following = pairs[place + 1].action if place + 1 < len(pairs) else "Done"
        states[pair.action] = _action(pair, following, final)
    states["Done"] = {"Type": "Succeed"}
    for place, pair in reversed(list(enumerate(pairs))):
        states[pair.undo] = _undo(pair, pairs[place - 1].undo if place else "Failed")
    states["Failed"] = {"Type": "Fail", "ErrorPath": "$.failed.Error", "CausePath": "$.failed.Cause"}
    return {"Comment": comment, "StartAt": pairs[0].action, "States": states}


def _action(pair: Pair, following: str, final: Sequence[str]) -> dict[str, Any]:
    tries = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 3}
    return {
        "Type": "Task",
        "Resource": pair.action,
        "TimeoutSeconds": 30,
        "ResultPath": None,
        "Retry": [{"ErrorEquals": list(final), "MaxAttempts": 0}, tries],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failed", "Next": pair.undo}],
        "Next": following,
    }


def _undo(pair: Pair, following: str) -> dict[str, Any]:
    tries = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 2}
    tries |= {"MaxAttempts": 2} if pair.best_effort else {"MaxAttempts": FOREVER, "MaxDelaySeconds": 30}
    state = {
        "Type": "Task",
        "Resource": pair.undo,
        "TimeoutSeconds": 30,
        "ResultPath": None,
        "Retry": [tries],
        "Next": following,
    }
    if pair.best_effort:
        state["Catch"] = [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": following}]
    return state
