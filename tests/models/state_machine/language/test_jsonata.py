"""The JSONata language: values, nulls, what is replaced by simulated time and randomness, and its bounds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from durable_sim.models.state_machine.language import jsonata
from durable_sim.models.state_machine.language.errors import StatesError

FOLDER = Path(__file__).parents[3] / "conformance" / "step_functions" / "executions"
STATES = {
    "input": {"n": 2, "gone": None, "list": [3, 1, 2], "name": "Ann"},
    "result": {"id": "c-1"},
    "context": {"State": {"Name": "S", "EnteredTime": "2027-01-01T00:00:01.500Z"}},
}
RECURSIVE = "( $f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(%d) )"


def value(expression: str, seed: int = 0, **variables: Any) -> Any:
    return jsonata.evaluate(f"{{% {expression} %}}", STATES, variables, random.Random(seed), field="Output")


GIVES = [
    ("$states.input.n * 2", 4),
    ("$states.result.id", "c-1"),
    ("$states.context.State.Name & '!'", "S!"),
    ("$v.a[1]", 6),
    ("$states.input.gone", None),
    ("{'a': $states.input.gone, 'b': [null]}", {"a": None, "b": [None]}),
    ("$type($states.input.gone)", "null"),
    ("$exists($states.input.gone)", True),
    ("$states.input.gone = null", True),
    ("$map($states.input.list, function($x) { $x * 10 })", [30, 10, 20]),
    ("$merge([{'a': 1}, {'b': 2}])", {"a": 1, "b": 2}),
    ("[]", []),
    ("''", ""),
    ("false", False),
    ("$partition([1, 2, 3, 4, 5], 2.9)", [[1, 2], [3, 4], [5]]),
    ("$range(0, 10, 5)", [0, 5, 10]),
    ("$range(-1.7, 2, 1)", [-1, 0, 1, 2]),
    ("$range(3, 1, -1)", [3, 2, 1]),
    ("$range(1, 1, 1)", 1),
    ("$hash('a', 'MD5')", "0cc175b9c0f1b6a831c399e269772661"),
    ('$parse(\'{"a": null, "b": [1]}\')', {"a": None, "b": [1]}),
    ("$now()", "2027-01-01T00:00:01.500Z"),
    ("$millis()", 1_798_761_601_500),
    ("$sort($shuffle($states.input.list))", [1, 2, 3]),
]


@pytest.mark.parametrize(("expression", "expected"), GIVES)
def test_an_expression_gives_its_value(expression: str, expected: Any) -> None:
    """$states, variables, nulls, and the functions that state machines add."""
    assert value(expression, v={"a": [5, 6]}) == expected


FAILS = [
    ("$states.input.none", "returned nothing (undefined)"),
    ("$range(1, 2)", "returned nothing (undefined)"),
    ("$range(1, 2, -1)", "returned nothing (undefined)"),
    ("$partition([], 2)", "returned nothing (undefined)"),
    ("$hash('a')", "returned nothing (undefined)"),
    ("$range(1, 400000, 1)", "expected at most 360145"),
    ("$hash('a', 'CRC')", "expected one of MD5"),
    ("$parse('{')", "threw an error"),
    ("$parse('NaN')", "NaN is not JSON"),
    ("$eval('1')", "T1006"),
    ("1 / 0", "threw an error"),
    ("1e308 * 10", "D1001"),
    ("$states.input.name * 2", "threw an error"),
    ("$sum(", "threw an error"),
    ("function($x) { $x }", "unsupported result type"),
    ("$error('stop here')", "stop here"),
]


@pytest.mark.parametrize(("expression", "words"), FAILS)
def test_an_expression_that_fails_is_told_with_its_field(expression: str, words: str) -> None:
    """States.QueryEvaluationError, with the expression, the field and why."""
    with pytest.raises(StatesError) as failed:
        value(expression)
    assert failed.value.error == "States.QueryEvaluationError"
    start = f"The JSONata expression '{expression}' specified for the field 'Output' "
    assert failed.value.cause.startswith(start) and words in failed.value.cause


def test_a_template_is_evaluated_all_the_way_down() -> None:
    """Only texts that are expressions as a whole; the field of a failure is where it stands."""
    template = {"a": "{% 1 + 1 %}", "b": ["{% $v %}", "plain {% 1 %}", 3], "c": {"d": None}}
    found = jsonata.evaluate(template, STATES, {"v": "x"}, random.Random(0))
    assert found == {"a": 2, "b": ["x", "plain {% 1 %}", 3], "c": {"d": None}}
    with pytest.raises(StatesError, match=r"the field 'Output/b\[0\]/c'"):
        jsonata.evaluate({"b": [{"c": "{% $none %}"}]}, STATES, {}, random.Random(0), field="Output")


def test_what_an_expression_binds_is_forgotten() -> None:
    """An expression that is evaluated again begins anew."""
    assert value("( $x := $v; $x + 1 )", v=1) == 2
    with pytest.raises(StatesError, match="undefined"):
        value("$x")
    assert value("( $x := $v; $x + 1 )", v=2) == 3


def test_a_recorded_order_gives_what_it_gave() -> None:
    """Arguments, Assign and Output of the states of a recorded execution."""
    golden = json.loads((FOLDER / "jsonata_order.json").read_text())
    charge, given, draw = golden["definition"]["States"]["Charge"], golden["input"], random.Random(0)
    arguments = jsonata.evaluate(charge["Arguments"], {"input": given}, {}, draw)
    assert arguments["Payload"] == golden["calls"][0]["payload"]
    states = {"input": given, "result": {"Payload": {"cid": "ch1"}}}
    assigned = jsonata.evaluate(charge["Assign"], states, {}, draw)
    output = jsonata.evaluate(charge["Output"], states, {}, draw)
    last = golden["definition"]["States"]["P"]["Output"]
    assert jsonata.evaluate(last, {"input": output}, assigned, draw) == golden["output"]


def test_what_is_random_comes_from_the_given_randomness() -> None:
    """The same stream gives the same; a seed gives the same whatever the stream."""
    text = "[$random(), $uuid(), $shuffle([1..50])]"
    assert value(text, 1) == value(text, 1) != value(text, 2)
    assert value("$random(7)", 1) == value("$random(7)", 2)
    assert 0 <= value("$random()") < 1 and uuid.UUID(value("$uuid()")).version == 4


def test_the_time_is_the_simulated_one() -> None:
    """What the caller says, or when the state was entered, or 1970; never the clock of the machine."""
    draw = random.Random(0)
    assert jsonata.evaluate("{% $millis() %}", STATES, {}, draw, now_us=5_000) == 5
    assert jsonata.evaluate("{% $now() %}", {}, {}, draw) == "1970-01-01T00:00:00.000Z"


def test_what_is_given_is_not_changed() -> None:
    """Neither $states nor a variable."""
    given = {"input": {"a": [1, {"b": None}]}}
    jsonata.evaluate("{% $states.input.a[1] ~> |$|{'c': 2}| %}", given, {"v": given}, random.Random(0))
    assert given == {"input": {"a": [1, {"b": None}]}}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("+".join(["1"] * 100), "+".join(["1"] * 101)), ("(" * 99 + "1" + ")" * 99, "(" * 100 + "1" + ")" * 100),
     (RECURSIVE % 31, RECURSIVE % 32)],
    ids=["terms", "parentheses", "calls"],
)  # fmt: skip
def test_an_expression_may_nest_a_hundred_deep(right: str, wrong: str) -> None:
    """100 terms, 99 parentheses and a recursion of 31 pass, one more does not: the bound of the service."""
    assert value(right) in (100, 1, 31)
    with pytest.raises(StatesError, match="Stack overflow error: depth=101 max=100"):
        value(wrong)


def test_an_endless_recursion_ends_after_a_number_of_steps() -> None:
    """The bound counts steps and no time; the interpreter's recursion limit stays as it was."""
    limit = sys.getrecursionlimit()
    with pytest.raises(StatesError, match="more than 500000 steps"):
        value("( $f := function($n) { $f($n + 1) }; $f(0) )")
    assert sys.getrecursionlimit() == limit


def test_without_the_package_the_extra_is_named() -> None:
    """A process that cannot import it tells so in the validator's words and as a StatesError."""
    code = (
        "import sys, random; sys.modules['jsonata'] = None\n"
        "from durable_sim.models.state_machine.language import jsonata\n"
        "print(jsonata.problem_of('{% 1 %}'))\n"
        "try: jsonata.evaluate('{% 1 %}', {}, {}, random.Random(0))\n"
        "except Exception as problem: print(type(problem).__name__, problem.cause)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'durable_sim[state_machine]'") == 2 and "StatesError" in done.stdout
