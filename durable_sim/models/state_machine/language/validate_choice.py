"""Rules for the rules of a Choice state.

Always holds: a list that passes can be given to `choose`.
"""

from __future__ import annotations

from durable_sim.models.state_machine.language.checking import (
    Check,
    Place,
    anything,
    assign,
    boolean,
    check_fields,
    is_object,
    number,
    objects,
    only_one_of,
    or_expression,
    path,
    template,
    text,
    timestamp,
)
from durable_sim.models.state_machine.language.choice import COMPARISONS, OPERATORS, PATH_FORMS, TESTS

_BOOLEAN = ("And", "Or", "Not")
_DEEPEST = 100
_VALUES: dict[str, Check] = {"String": text, "Numeric": number, "Boolean": boolean, "Timestamp": timestamp}
_OPERATORS: dict[str, Check] = {
    **{name: _VALUES[comparison.kind] for name, comparison in COMPARISONS.items()},
    **dict.fromkeys(PATH_FORMS, path),
    **dict.fromkeys(("IsPresent", *TESTS), boolean),
}
_JSONATA: dict[str, Check] = {
    "Condition": or_expression(boolean),
    "Next": text,
    "Assign": assign,
    "Output": template,
    "Comment": text,
}
_TOP: dict[str, Check] = {"Next": text, "Assign": assign, "Comment": text}


def choices(place: Place) -> None:
    """A list of rules, at least one."""
    for rule in objects(place, "rules"):
        if rule.jsonata:
            check_fields(rule, _JSONATA, ("Condition", "Next"), "a rule of a JSONata state")
        else:
            _rule(rule, 0)


def _rule(rule: Place, depth: int) -> None:
    if depth > _DEEPEST:
        rule.report(f"rules nest more than {_DEEPEST} deep")
        return
    only_one_of(rule, ("Variable", *_BOOLEAN), "a rule", needed=True)
    top: dict[str, Check] = _TOP if depth == 0 else {"Comment": text}
    if "Variable" in rule.value:
        operators = [name for name in rule.value if name in OPERATORS]
        if len(operators) > 1:
            rule.report(f"a rule has {' and '.join(operators)}, expected one operator")
        elif not operators and _all_known(rule, top):
            rule.report("a rule has a Variable and no operator, expected one, like 'StringEquals'")
        own: dict[str, Check] = {**top, **dict.fromkeys(_BOOLEAN, anything), "Variable": path, **_OPERATORS}
    else:
        own = {**top, **dict.fromkeys(_BOOLEAN, anything)}
    required = ("Next",) if depth == 0 else ()
    check_fields(rule, own, required, "a rule" if depth == 0 else "a rule inside another")
    _inner(rule, depth)


def _all_known(rule: Place, top: dict[str, Check]) -> bool:
    """Whether no field could be a misspelt operator, which is told on its own."""
    return all(name in top or name in ("Variable", *_BOOLEAN) for name in rule.value)


def _inner(rule: Place, depth: int) -> None:
    for name in ("And", "Or"):
        if name in rule.value:
            for inner in objects(rule.at(name), "rules"):
                _rule(inner, depth + 1)
    if "Not" in rule.value and is_object(rule.at("Not")):
        _rule(rule.at("Not"), depth + 1)
