"""Crash points of several models side by side: one row a gap between two things that happen.

Reads the cases of sweeps, makes the rows of a crash matrix. Always holds: a point has the same name under every model
where the same thing happened last; where a model was struck there several times, the worst verdict counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from durable_sim import trace as kinds
from durable_sim.checks.violations import BAD
from durable_sim.views.sweep_tables import Spot, SweptCase, worst_verdict

_GAPS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        kinds.TASK_SCHEDULED: ("scheduled", "started"),
        kinds.TASK_STARTED: ("started", "called"),
        kinds.REQUEST_SENT: ("called", "arrives"),
        kinds.REQUEST_RECEIVED: ("arrives", "takes effect"),
        kinds.EFFECT_APPLIED: ("takes effect", "is answered"),
        kinds.REPLY_SENT: ("is answered", "answer is seen"),
        kinds.REPLY_RECEIVED: ("answer is seen", "recorded"),
        kinds.CALL_GIVEN_UP: ("given up", "recorded"),
        kinds.RESULT_REPORTED: ("reported", "recorded"),
        kinds.RESULT_RECORDED: ("recorded", "next"),
        kinds.TASK_COMPLETED: ("completed", "next"),
        kinds.BACKOFF_BEGUN: ("failed", "tried again"),
        kinds.BACKOFF_ENDED: ("to be tried again", "started"),
        kinds.TIMER_STARTED: ("sleep begins", "sleep ends"),
        kinds.TIMER_FIRED: ("sleep ends", "next"),
        kinds.EXECUTION_STARTED: ("workflow starts", "next"),
        kinds.EXECUTION_ENDED: ("workflow ends", "nothing"),
    }
)
"""What has happened at a point, and what comes next if nothing strikes."""


Verdicts = dict[str, str]
"""By model."""


def gap(place: Spot) -> str:
    """A point by the gap that it is in.

    The first of its kind is not counted: "payments.charge called → arrives", then "payments.charge called (2nd) →
    arrives".
    """
    return f"{_happened(place)} → {_words(place)[1]}"


def crash_rows(
    cases_by_model: Mapping[str, Iterable[SweptCase]], *, merged: bool = False
) -> list[tuple[str, Verdicts]]:
    """The rows of a crash matrix: each point with the verdict under each model that has it, in the order of a run.

    Only runs with one fault that hit work in flight count. A point that some models lack follows the point before it.
    With `merged`, neighbours about which no model disagrees become one row ("payments.charge called → charge_card
    recorded"): as few rows as can tell the same.
    """
    points: dict[str, Spot] = {}
    rows: dict[str, Verdicts] = {}
    order: list[str] = []
    for model, cases in cases_by_model.items():
        at = -1
        for case in cases:
            if len(case.placed) == 1 and case.hit:
                place = case.placed[0].place
                name = _happened(place)
                points.setdefault(name, place)
                at = _placed(order, name, at)
                _add(rows.setdefault(name, {}), model, case)
    if merged:
        return _merged([(name, rows[name]) for name in order])
    return [(gap(points[name]), rows[name]) for name in order]


def first_to_break(rows: Iterable[tuple[str, Mapping[str, str]]], model: str) -> str | None:
    """The first point at which a model does not survive a crash."""
    return next((label for label, verdicts in rows if verdicts.get(model) in BAD), None)


def _placed(order: list[str], label: str, at: int) -> int:
    """Where a label is in the order; a new one goes behind the one before it."""
    if label not in order:
        order.insert(at + 1, label)
    return max(at, order.index(label))


def _words(place: Spot) -> tuple[str, str]:
    return _GAPS.get(place.kind, (place.kind.replace("_", " "), "next"))


def _happened(place: Spot) -> str:
    """What has happened last."""
    subject = f"{place.subject} " if place.subject else ""
    return f"{subject}{_words(place)[0]}" + (f" ({_ordinal(place.nth)})" if place.nth > 1 else "")


def _merged(rows: Sequence[tuple[str, Verdicts]]) -> list[tuple[str, Verdicts]]:
    groups: list[tuple[str, Verdicts]] = []
    for name, verdicts in rows:
        if groups and all(groups[-1][1].get(model, verdict) == verdict for model, verdict in verdicts.items()):
            groups[-1][1].update(verdicts)
        else:
            groups.append((name, dict(verdicts)))
    ends = [*(name for name, _ in groups[1:]), "the end"]
    return [(f"{name} → {end}", verdicts) for (name, verdicts), end in zip(groups, ends, strict=True)]


def _add(row: Verdicts, model: str, case: SweptCase) -> None:
    met = [*case.verdicts, *([row[model]] if model in row else [])]
    verdict = worst_verdict(met)
    if verdict is not None:
        row[model] = verdict


def _ordinal(number: int) -> str:
    """A number as 2nd, 3rd, 11th.

    >>> [_ordinal(number) for number in (2, 3, 11, 21, 112)]
    ['2nd', '3rd', '11th', '21st', '112th']
    """
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
