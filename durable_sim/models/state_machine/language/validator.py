"""The validator: every problem of a definition at once.

It looks at machines here (a definition, the branches of Parallel, the processors of Map): StartAt, where states lead
to, which are reached, and that names are unique in the whole definition. Single states and variables have files of
their own.

Always holds: whatever data is given, the answer is a list of problems, in the order of the definition; a definition
without problems can be interpreted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from durable_sim.errors import did_you_mean
from durable_sim.models.state_machine.language.checking import (
    JSONATA,
    JSONPATH,
    NAME_LONGEST,
    Check,
    Place,
    Problem,
    anything,
    check_fields,
    filled_text,
    is_object,
    one_of,
    text,
    whole,
)
from durable_sim.models.state_machine.language.validate_scopes import Scope
from durable_sim.models.state_machine.language.validate_states import (
    check_state,
    has_next,
    is_distributed,
    processor_config,
)

__all__ = ["Problem", "problems"]

DEEPEST = 100
"""Values nest at most so deep in a definition."""

_MACHINE: Mapping[str, Check] = {
    "Comment": text,
    "StartAt": filled_text,
    "States": anything,
    "QueryLanguage": one_of(JSONPATH, JSONATA),
}
_TOP: Mapping[str, Check] = {**_MACHINE, "Version": one_of("1.0"), "TimeoutSeconds": whole(1)}
_PROCESSOR: Mapping[str, Check] = {**_MACHINE, "ProcessorConfig": processor_config}


def problems(definition: Any) -> list[Problem]:
    """All the problems of a definition; none if it may run."""
    found = list(_not_json(definition, "$", 0))
    if not found:
        _machine(Place(definition, "$", JSONPATH, found), _TOP, "a state machine", {}, Scope())
    return found


def _not_json(value: Any, path: str, depth: int) -> Iterator[Problem]:
    if depth > DEEPEST:
        yield Problem(path, f"values nest more than {DEEPEST} deep")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _not_json(inner, f"{path}.{key}", depth + 1)
            else:
                yield Problem(path, f"found the key {key!r}, expected a text")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _not_json(inner, f"{path}[{index}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"found {value!r}, which is not JSON")
    elif not isinstance(value, str | int | float | bool | None):
        yield Problem(path, f"found a {type(value).__name__}, which is not JSON")


def _machine(place: Place, fields: Mapping[str, Check], what: str, names: dict[str, str], around: Scope) -> None:
    """One machine; `names` has the states met before and where, `around` the variables of what the machine is in."""
    if not is_object(place):
        return
    check_fields(place, fields, ("StartAt", "States"), what)
    if "States" not in place.value:
        return
    states = place.at("States").in_language(_language(place))
    if not is_object(states):
        return
    if not states.value:
        states.report("found no state, expected at least one")
        return
    for state in states.fields():
        _name(state, names)
    scope = around.within(states.value)
    for state in states.fields():
        if is_object(state):
            _state(state, names, scope)
    _graph(place, states)


def _language(place: Place) -> str:
    """The query language that a machine or a state says, or else that of what it is in."""
    said = place.value.get("QueryLanguage")
    return said if said in (JSONPATH, JSONATA) else place.language


def _name(state: Place, names: dict[str, str]) -> None:
    if not 1 <= len(state.key) <= NAME_LONGEST:
        found = f"found a state name of {len(state.key)} characters"
        state.report(f"{found}, expected 1 to {NAME_LONGEST}")
    if state.key in names:
        state.report(f"found the state name {state.key!r} a second time in the definition, first at {names[state.key]}")
    names.setdefault(state.key, state.path)


def _state(state: Place, names: dict[str, str], scope: Scope) -> None:
    """A state, and the machines inside it, which have the query language of what the state is in."""
    own = state.in_language(_language(state))
    check_state(own)
    scope.check(own)
    kind = state.value.get("Type")
    if kind == "Parallel" and isinstance(state.value.get("Branches"), list):
        for branch in state.at("Branches").entries():
            if isinstance(branch.value, Mapping):
                _machine(branch, _MACHINE, "a branch", names, scope)
    if kind == "Map":
        for name, fields in (("ItemProcessor", _PROCESSOR), ("Iterator", _MACHINE)):
            if name in state.value:
                inner = scope.of_children() if is_distributed(state.value[name]) else scope
                _machine(state.at(name), fields, f"an {name}", names, inner)


def _graph(place: Place, states: Place) -> None:
    """StartAt, targets, what is never reached, and that there is an end.

    What is reached is told only where all that leads on is right: a broken Next is one mistake, not two.
    """
    known: Mapping[str, Any] = states.value
    ways = {state.key: _targets(state) for state in states.fields()}
    start = [place.at("StartAt")] if "StartAt" in place.value else []
    targets = [*start, *(target for way in ways.values() for target in way)]
    for target in targets:
        if isinstance(target.value, str) and target.value and target.value not in known:
            target.report(f"found {target.value!r}, which is no state here; {did_you_mean(target.value, known)}")
    if start and all(_leads_on(state) for state in known.values()) and all(_is_in(t.value, known) for t in targets):
        reached = _reached(start[0].value, {name: [target.value for target in way] for name, way in ways.items()})
        for state in states.fields():
            if state.key not in reached:
                state.report("nothing leads to this state; make it StartAt or some state's Next, or remove it")
        if not any(_ends(state) for state in known.values()):
            states.report("no state ends the machine, expected a Succeed or Fail state, or one with End true")


def _is_in(name: object, known: Mapping[str, Any]) -> bool:
    return isinstance(name, str) and name in known


def _reached(start: str, ways: Mapping[str, list[str]]) -> Mapping[str, None]:
    reached: dict[str, None] = {}
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached[name] = None
            ahead += ways[name]
    return reached


def _leads_on(state: Any) -> bool:
    """Whether a state says all that it should about where it leads."""
    if not isinstance(state, Mapping):
        return False
    rules = [rule for name in ("Catch", "Choices") for rule in _listed(state.get(name, []))]
    if not all(isinstance(rule, Mapping) and "Next" in rule for rule in rules):
        return False
    return not has_next(state.get("Type")) or "Next" in state or state.get("End") is True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [None]


def _ends(state: Any) -> bool:
    return isinstance(state, Mapping) and (state.get("Type") in ("Succeed", "Fail") or state.get("End") is True)


def _targets(state: Place) -> list[Place]:
    """The places of all names of states that a state may lead to."""
    if not isinstance(state.value, Mapping):
        return []
    lists = [state.at(name) for name in ("Catch", "Choices") if isinstance(state.value.get(name), list)]
    leading = [entry for entries in lists for entry in entries.entries() if isinstance(entry.value, Mapping)]
    targets = [entry.at("Next") for entry in leading if "Next" in entry.value]
    return targets + [state.at(name) for name in ("Next", "Default") if name in state.value]
