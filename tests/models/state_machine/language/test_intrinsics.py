"""Intrinsic functions: what each gives, what each refuses, and how calls are written."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.models.state_machine.language import intrinsics
from durable_sim.models.state_machine.language.errors import StatesError

DATA = {"name": "Ann", "list": [1, 2, 3, 3, "a"], "object": {"k": [1, None]}, "template": "<{}>", "long": "x" * 10_001}


def call(text: str, seed: int = 0) -> Any:
    return intrinsics.call(text, DATA, {"State": {"Name": "S"}}, {"v": {"n": 4}}, random.Random(seed))


GIVES = [
    ("States.Format('Hello')", "Hello"),
    ("States.Format('Hello {}, {} of {}', $.name, 1, 2.5)", "Hello Ann, 1 of 2.5"),
    ("States.Format('{}{}{}', true, null, $.object)", 'truenull{"k":[1,null]}'),
    (r"States.Format('\{\}{}\'\\', 1)", r"{}1'" + "\\"),
    ("States.Format($.template, $$.State.Name)", "<S>"),
    ("""States.StringToJson('{"a": [1, null]}')""", {"a": [1, None]}),
    ("States.StringToJson('7')", 7),
    ("States.JsonToString($.object)", '{"k":[1,null]}'),
    ("States.Array()", []),
    ("States.Array(1, -2.5, 'a,)', null, true, $.list[0], $v.n)", [1, -2.5, "a,)", None, True, 1, 4]),
    ("States.Array( 1 , States.Array( $.name ) )", [1, ["Ann"]]),
    ("States.Array($.list[?(@ == 3)], $['name'])", [[3, 3], "Ann"]),
    ("States.ArrayPartition($.list, 2)", [[1, 2], [3, 3], ["a"]]),
    ("States.ArrayPartition(States.Array(), 2)", []),
    ("States.ArrayContains($.list, 3)", True),
    ("States.ArrayContains($.list, true)", False),
    ("States.ArrayContains($.list, '3')", False),
    ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
    ("States.ArrayRange(3, 1, -1)", [3, 2, 1]),
    ("States.ArrayRange(1, 0, 1)", []),
    ("States.ArrayGetItem($.list, 4)", "a"),
    ("States.ArrayLength($.list)", 5),
    ("States.ArrayUnique($.list)", [1, 2, 3, "a"]),
    ("States.ArrayUnique(States.Array(1, true, 1.0, '1', null, null))", [1, True, "1", None]),
    ("States.Base64Encode('Data to encode')", "RGF0YSB0byBlbmNvZGU="),
    ("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", "Data to encode"),
    ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
    ("States.Hash('a', 'MD5')", "0cc175b9c0f1b6a831c399e269772661"),
    ('States.JsonMerge($.object, States.StringToJson(\'{"k": 2, "l": 3}\'), false)', {"k": 2, "l": 3}),
    ("States.MathAdd(111, -1)", 110),
    ("States.MathAdd(1.5, 1.4)", 3),
    ("States.StringSplit('1,2,3,4,5', ',')", ["1", "2", "3", "4", "5"]),
    ("States.StringSplit('This.is+a,test=string', '.+,=')", ["This", "is", "a", "test", "string"]),
    ("States.StringSplit('a]b^c-d', '-]^')", ["a", "b", "c", "d"]),
    ("States.StringSplit('abc', '')", ["abc"]),
]


@pytest.mark.parametrize(("text", "expected"), GIVES)
def test_a_call_gives_its_value(text: str, expected: Any) -> None:
    """All functions, nested calls, escapes, paths with commas and brackets of their own."""
    found = call(text)
    assert found == expected and [type(each) for each in [found]] == [type(expected)]


FAILS = [
    "States.Format('{}')",
    "States.Format('{}', 1, 2)",
    "States.Format('{', 1)",
    "States.Format(1)",
    "States.StringToJson('{')",
    "States.StringToJson('NaN')",
    "States.StringToJson(1)",
    "States.ArrayPartition($.list, 0)",
    "States.ArrayPartition($.list, 'a')",
    "States.ArrayPartition($.name, 1)",
    "States.ArrayContains(1, 1)",
    "States.ArrayRange(1, 2, 0)",
    "States.ArrayRange(0, 1000, 1)",
    "States.ArrayRange(true, 2, 1)",
    "States.ArrayGetItem($.list, 5)",
    "States.ArrayGetItem($.list, -1)",
    "States.ArrayLength('abc')",
    "States.ArrayUnique(1)",
    "States.Base64Encode($.long)",
    "States.Base64Encode(1)",
    "States.Base64Decode('!')",
    "States.Base64Decode('/w==')",
    "States.Hash('a', 'CRC')",
    "States.Hash('a', 1)",
    "States.Hash($.long, 'MD5')",
    "States.JsonMerge($.object, $.object, true)",
    "States.JsonMerge($.object, $.list, false)",
    "States.MathRandom(2, 2)",
    "States.MathRandom('a', 2)",
    "States.MathAdd(2147483647, 1)",
    "States.MathAdd(1, null)",
    "States.StringSplit(1, ',')",
]


@pytest.mark.parametrize("text", FAILS)
def test_a_call_that_cannot_be_done_fails(text: str) -> None:
    """States.IntrinsicFailure, with the call in the cause; it is right as it is written."""
    with pytest.raises(StatesError) as failed:
        call(text)
    assert failed.value.error == "States.IntrinsicFailure" and text in failed.value.cause
    assert intrinsics.problems_of(text) is None


def test_an_argument_that_is_not_there_fails_the_run() -> None:
    """States.Runtime in the service, which nothing catches; the cause has the whole call."""
    with pytest.raises(StatesError) as failed:
        intrinsics.call("States.Array(States.Format('{}', $.nope))", {"other": 1}, {}, {}, random.Random(0))
    assert failed.value.error == "States.Runtime"
    assert failed.value.cause == (
        "The function 'States.Array(States.Format('{}', $.nope))' had the following error: "
        "The JsonPath argument for the field '$.nope' could not be found in the input '{\"other\":1}'"
    )


WRITTEN_WRONG = [
    ("", "is not 'States.Name(...)'"),
    ("Format('a')", "is not 'States.Name(...)'"),
    (" States.UUID()", "is not 'States.Name(...)'"),
    ("States.UUID", "is not 'States.Name(...)'"),
    ("States.UUID(", "found 'the end'"),
    ("States.UUID() + 1", "follows the closing parenthesis"),
    ("States.Now()", "there is no function States.Now"),
    ("States.Array(States.Now())", "there is no function States.Now"),
    ("States.UUID(1)", "has 1 arguments, expected 0"),
    ("States.MathRandom(1)", "has 1 arguments, expected 2 to 3"),
    ("States.Format()", "has 0 arguments, expected 1 or more"),
    ("States.Array(1,)", "expected a number"),
    ("States.Array(1 2)", "expected ',' or ')'"),
    ("States.Array(01)", "expected a number"),
    ("States.Array(1.)", "expected a number"),
    ("States.Array(nothing)", "expected a number"),
    ("States.Array('a)", "no closing quote"),
    (r"States.Array('a\n')", "is no escape"),
    ('States.Array("a")', "expected a number"),
    ("States.Array($.a[)", "does not parse"),
    ("States.Array(" * 11 + ")" * 11, "nest more than 10 deep"),
]


@pytest.mark.parametrize(("text", "words"), WRITTEN_WRONG)
def test_a_call_that_is_written_wrong_is_told(text: str, words: str) -> None:
    """The validator tells it; made anyway, it fails."""
    problem = intrinsics.problems_of(text)
    assert problem is not None and words in problem
    with pytest.raises(StatesError, match=r"States\.IntrinsicFailure"):
        call(text)


def test_calls_may_nest_ten_deep() -> None:
    """As in the service."""
    assert intrinsics.problems_of("States.Array(" * 10 + ")" * 10) is None


def test_random_numbers_come_from_the_given_randomness_or_from_their_seed() -> None:
    """The same stream gives the same numbers and UUIDs; a seed gives the same number whatever the stream."""
    text = "States.Array(States.UUID(), States.MathRandom(0, 1000000))"
    assert call(text, 1) == call(text, 1) != call(text, 2)
    seeded = "States.MathRandom(0, 1000000, 7)"
    assert call(seeded, 1) == call(seeded, 2)
    assert uuid.UUID(call("States.UUID()")).version == 4


@given(st.integers(0, 2**32), st.integers(-50, 50), st.integers(1, 5))
def test_a_random_number_lies_from_the_start_to_below_the_end(seed: int, start: int, count: int) -> None:
    """The end is not among them."""
    assert start <= call(f"States.MathRandom({start}, {start + count})", seed) < start + count


@given(st.text("States.Array()$',\\{} 01[]@?.", max_size=25))
def test_any_text_is_a_call_or_not(text: str) -> None:
    """problems_of never raises, nor does a call anything but StatesError."""
    for tried in (text, f"States.Array({text})", f"States.Format('{text}')"):
        try:
            call(tried)
        except StatesError:
            pass
        else:
            assert intrinsics.problems_of(tried) is None
