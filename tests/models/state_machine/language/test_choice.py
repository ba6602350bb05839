"""Choice rules: every operator one by one, their order, and what a missing variable does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.models.state_machine.language.choice import OPERATORS, choose
from durable_sim.models.state_machine.language.errors import StatesError

NOON, LATER = "2027-01-31T12:00:00Z", "2027-01-31T13:30:00+01:00"
DATA = {
    "s": "mango",
    "n": 5,
    "f": 5.0,
    "yes": True,
    "nothing": None,
    "noon": NOON,
    "later": LATER,
    "list": [5],
    "star": "a*b",
    "same": {"s": "mango", "n": 5, "yes": True, "noon": "2027-01-31T13:00:00+01:00"},
}


def holds(rule: dict[str, Any], data: Any = None) -> bool:
    """Whether a rule is the one that is chosen."""
    rules = [{**rule, "Next": "Yes"}]
    name, chosen = choose({"Choices": rules, "Default": "No"}, data or DATA, {"State": {"Name": "S"}}, {"v": 5})
    assert chosen is (rules[0] if name == "Yes" else None)
    return name == "Yes"


FACTS: list[tuple[str, str, Any, bool]] = [
    ("$.s", "StringEquals", "mango", True),
    ("$.s", "StringEquals", "Mango", False),
    ("$.n", "StringEquals", "5", False),
    ("$.s", "StringLessThan", "melon", True),
    ("$.s", "StringLessThan", "mango", False),
    ("$.s", "StringGreaterThan", "Mango", True),
    ("$.s", "StringGreaterThan", "mango", False),
    ("$.s", "StringLessThanEquals", "mango", True),
    ("$.s", "StringLessThanEquals", "kiwi", False),
    ("$.s", "StringGreaterThanEquals", "mango", True),
    ("$.s", "StringGreaterThanEquals", "nut", False),
    ("$.s", "StringMatches", "m*o", True),
    ("$.s", "StringMatches", "*", True),
    ("$.s", "StringMatches", "m*x", False),
    ("$.s", "StringMatches", "m.ngo", False),
    ("$.s", "StringMatches", "*a*n*", True),
    ("$.s", "StringMatches", "*n*a*", False),
    ("$.s", "StringMatches", "mango*", True),
    ("$.s", "StringMatches", "mang*ngo", False),
    ("$.s", "StringMatches", "**o", True),
    ("$.star", "StringMatches", r"a\*b", True),
    ("$.s", "StringMatches", r"m\*o", False),
    ("$.n", "StringMatches", "*", False),
    ("$.n", "NumericEquals", 5, True),
    ("$.f", "NumericEquals", 5, True),
    ("$.s", "NumericEquals", 5, False),
    ("$.yes", "NumericEquals", 1, False),
    ("$.list", "NumericEquals", 5, False),
    ("$.n", "NumericLessThan", 5.5, True),
    ("$.n", "NumericLessThan", 5, False),
    ("$.n", "NumericGreaterThan", 4, True),
    ("$.n", "NumericGreaterThan", 5, False),
    ("$.n", "NumericLessThanEquals", 5, True),
    ("$.n", "NumericLessThanEquals", 4, False),
    ("$.n", "NumericGreaterThanEquals", 5, True),
    ("$.n", "NumericGreaterThanEquals", 6, False),
    ("$.yes", "BooleanEquals", True, True),
    ("$.yes", "BooleanEquals", False, False),
    ("$.n", "BooleanEquals", True, False),
    ("$.noon", "TimestampEquals", "2027-01-31T13:00:00+01:00", True),
    ("$.noon", "TimestampEquals", LATER, False),
    ("$.s", "TimestampEquals", NOON, False),
    ("$.noon", "TimestampLessThan", LATER, True),
    ("$.later", "TimestampLessThan", NOON, False),
    ("$.later", "TimestampGreaterThan", NOON, True),
    ("$.noon", "TimestampGreaterThan", NOON, False),
    ("$.noon", "TimestampLessThanEquals", NOON, True),
    ("$.later", "TimestampLessThanEquals", NOON, False),
    ("$.noon", "TimestampGreaterThanEquals", NOON, True),
    ("$.noon", "TimestampGreaterThanEquals", LATER, False),
    ("$.s", "StringEqualsPath", "$.same.s", True),
    ("$.s", "StringEqualsPath", "$.star", False),
    ("$.s", "StringLessThanPath", "$.star", False),
    ("$.star", "StringLessThanPath", "$.s", True),
    ("$.s", "StringGreaterThanPath", "$.star", True),
    ("$.s", "StringGreaterThanPath", "$.same.s", False),
    ("$.s", "StringLessThanEqualsPath", "$.same.s", True),
    ("$.s", "StringLessThanEqualsPath", "$.star", False),
    ("$.s", "StringGreaterThanEqualsPath", "$.same.s", True),
    ("$.star", "StringGreaterThanEqualsPath", "$.s", False),
    ("$.n", "NumericEqualsPath", "$v", True),
    ("$.n", "NumericEqualsPath", "$.s", False),
    ("$.n", "NumericLessThanPath", "$.same.n", False),
    ("$.n", "NumericGreaterThanPath", "$.same.n", False),
    ("$.n", "NumericLessThanEqualsPath", "$.same.n", True),
    ("$.n", "NumericGreaterThanEqualsPath", "$.same.n", True),
    ("$.yes", "BooleanEqualsPath", "$.same.yes", True),
    ("$.yes", "BooleanEqualsPath", "$.n", False),
    ("$.noon", "TimestampEqualsPath", "$.same.noon", True),
    ("$.noon", "TimestampLessThanPath", "$.later", True),
    ("$.noon", "TimestampGreaterThanPath", "$.later", False),
    ("$.noon", "TimestampLessThanEqualsPath", "$.same.noon", True),
    ("$.noon", "TimestampGreaterThanEqualsPath", "$.later", False),
    ("$.nothing", "IsPresent", True, True),
    ("$.none", "IsPresent", True, False),
    ("$.none", "IsPresent", False, True),
    ("$.s", "IsPresent", False, False),
    ("$none", "IsPresent", True, False),
    ("$.nothing", "IsNull", True, True),
    ("$.s", "IsNull", True, False),
    ("$.s", "IsNull", False, True),
    ("$.s", "IsString", True, True),
    ("$.n", "IsString", True, False),
    ("$.n", "IsNumeric", True, True),
    ("$.yes", "IsNumeric", True, False),
    ("$.yes", "IsBoolean", True, True),
    ("$.n", "IsBoolean", True, False),
    ("$.noon", "IsTimestamp", True, True),
    ("$.later", "IsTimestamp", True, True),
    ("$.s", "IsTimestamp", True, False),
    ("$.s", "IsTimestamp", False, True),
    ("$$.State.Name", "StringEquals", "S", True),
    ("$v", "NumericEquals", 5, True),
]


@pytest.mark.parametrize(("variable", "operator", "value", "expected"), FACTS)
def test_an_operator_holds_or_not(variable: str, operator: str, value: Any, expected: bool) -> None:
    """A value of another type is never equal, less or greater."""
    assert holds({"Variable": variable, operator: value}) is expected


def test_every_operator_is_among_the_facts() -> None:
    """None is forgotten."""
    assert [name for name in OPERATORS if name not in [fact[1] for fact in FACTS]] == []
    assert len(OPERATORS) == 39


@pytest.mark.parametrize(
    "text",
    ["2027-01-31 12:00:00Z", "2027-01-31T12:00:00", "2027-01-31t12:00:00z", "2027-02-30T12:00:00Z", "2027-01-31"],
)
def test_what_is_no_timestamp(text: str) -> None:
    """A capital T, a zone and a real day are needed."""
    assert not holds({"Variable": "$.t", "IsTimestamp": True}, {"t": text})


YES, NO = {"Variable": "$.n", "NumericEquals": 5}, {"Variable": "$.n", "NumericEquals": 6}
FAILS = {"Variable": "$.none", "NumericEquals": 5}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"And": [YES, YES]}, True),
        ({"And": [YES, NO]}, False),
        ({"Or": [NO, YES]}, True),
        ({"Or": [NO, NO]}, False),
        ({"Not": NO}, True),
        ({"Not": YES}, False),
        ({"Not": {"Or": [NO, {"And": [YES, {"Not": YES}]}]}}, True),
        ({"And": [{"Variable": "$.none", "IsPresent": True}, FAILS]}, False),
        ({"Or": [YES, FAILS]}, True),
    ],
)
def test_rules_combine(rule: dict[str, Any], expected: bool) -> None:
    """And, Or and Not nest; And and Or stop as soon as they can, so that IsPresent guards."""
    assert holds(rule) is expected


@pytest.mark.parametrize(
    "rule",
    [
        FAILS,
        {"Not": FAILS},
        {"And": [YES, FAILS]},
        {"Variable": "$.none", "IsNull": True},
        {"Variable": "$.none", "IsString": False},
        {"Variable": "$.n", "NumericEqualsPath": "$.none"},
    ],
)
def test_a_missing_variable_fails_the_run(rule: dict[str, Any]) -> None:
    """States.Runtime, also where there is a Default; only IsPresent may ask."""
    with pytest.raises(StatesError, match=r"States\.Runtime"):
        holds(rule)


def test_the_first_rule_that_holds_is_chosen() -> None:
    """In their order; then Default, then nothing."""
    rules = [{**NO, "Next": "A"}, {**YES, "Next": "B"}, {**YES, "Next": "C"}]
    assert choose({"Choices": rules, "Default": "D"}, DATA, {}, {}) == ("B", rules[1])
    assert choose({"Choices": rules[:1], "Default": "D"}, DATA, {}, {}) == ("D", None)
    assert choose({"Choices": rules[:1]}, DATA, {}, {}) == (None, None)


def test_conditions_in_jsonata() -> None:
    """They see the input, the context and the variables; what is no boolean fails."""
    rules = [{"Condition": "{% $states.input.n > 5 %}", "Next": "A"}, {"Condition": "{% $v = 5 %}", "Next": "B"}]
    assert choose({"Choices": rules}, DATA, {}, {"v": 5}) == ("B", rules[1])
    assert choose({"Choices": [{"Condition": True, "Next": "A"}]}, DATA, {}, {})[0] == "A"
    with pytest.raises(StatesError, match=r"States\.QueryEvaluationError"):
        choose({"Choices": [{"Condition": "{% $states.input.n %}", "Next": "A"}]}, DATA, {}, {})


@given(st.text("ab*\\.", max_size=6), st.text("ab*\\.", max_size=6))
def test_an_escaped_text_matches_just_itself(text: str, other: str) -> None:
    """With every star and backslash escaped, a pattern is a plain comparison."""
    pattern = text.replace("\\", "\\\\").replace("*", "\\*")
    assert holds({"Variable": "$.t", "StringMatches": pattern}, {"t": other}) is (text == other)
