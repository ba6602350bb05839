"""Definitions: from text to data, and from data to a state machine."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.models.state_machine.language.definition import DefinitionError, load, parse, query_language

RIGHT: dict[str, Any] = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}, "Comment": "c", "TimeoutSeconds": 9}
YAML = """
# an order
Comment: &c waits
StartAt: A
States:
  A: {Type: Wait, Timestamp: 2027-01-31T12:00:00Z, Next: B, Comment: *c}
  B:
    Type: Pass
    Result: [1, 2.5, true, null, "x", ~]
    End: true
"""


def test_json_and_yaml_give_the_same_data() -> None:
    """A date in YAML is a text, an alias is what it stands for."""
    states = {
        "A": {"Type": "Wait", "Timestamp": "2027-01-31T12:00:00Z", "Next": "B", "Comment": "waits"},
        "B": {"Type": "Pass", "Result": [1, 2.5, True, None, "x", None], "End": True},
    }
    assert load(YAML) == {"Comment": "waits", "StartAt": "A", "States": states}
    assert load(' \n{"a": [1, 2.5, true, null]}') == {"a": [1, 2.5, True, None]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ('{\n"a": 1,\n"b": {"c": 1, "c": 2}}', "line 3: the key 'c' is there twice"),
        ('{"a":\n NaN}', "line 2: NaN is not JSON"),
        ('{"a": ' + "[" * 100_000, "nests too deep"),
        ("", "line 1: it is empty"),
        ("# nothing", "line 1: it is empty"),
        ("a: 1\nb: [1", "line 2"),
        ("a: 1\na: 2", "line 2: the key 'a' is there twice"),
        ("a: 1\n1: 2", "line 2: the key '1' is not a text"),
        ("a: 1\nyes: 2", "line 2: the key 'yes' is not a text"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']", "line 2: "),
        ("a: 1\nb: !!set {a, b}", "line 2: "),
        ("a: .inf", "line 1: .inf is not JSON"),
        ("a: 1\nb: !!binary aGk=", "line 2: "),
        ("a: &a [*a]", "contains itself"),
        ("a: *nobody", "line 1"),
        ("a: 1\n\tb: 2", "line 2"),
        ("a: [" * 2_000, "line 1"),
    ],
)
def test_a_text_with_a_mistake_is_told_in_one_line(text: str, words: str) -> None:
    """With its line; nothing in a text is ever run."""
    with pytest.raises(UserError) as refused:
        load(text)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_a_text_cannot_grow_without_bound_by_its_aliases() -> None:
    """A thousand million values in ten lines are refused before they are made."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UserError, match="its aliases stand for more than 200000 values"):
        load("\n".join(lines))


def test_a_right_definition_becomes_a_state_machine() -> None:
    """With the fields that its execution asks for; the defaults are JSONPath and no time-out."""
    machine = parse(RIGHT, name="orders")
    assert (machine.definition, machine.name, machine.comment) == (RIGHT, "orders", "c")
    assert (machine.query_language, machine.timeout_s) == ("JSONPath", 9)
    bare = parse({"QueryLanguage": "JSONata", "StartAt": "A", "States": RIGHT["States"]})
    assert (bare.name, bare.comment, bare.query_language, bare.timeout_s) == (None, None, "JSONata", None)


def test_all_problems_are_told_one_a_line() -> None:
    """A DefinitionError is a UserError that keeps its problems when it is pickled."""
    with pytest.raises(UserError) as refused:
        parse({"StartAt": "A", "States": {"A": {"Type": "Succeed", "Nxt": 1}}, "Foo": 1})
    lines = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["$.Foo", "$.States.A.Nxt"]
    again = pickle.loads(pickle.dumps(refused.value))
    assert isinstance(again, DefinitionError) and str(again) == str(refused.value)


def test_a_definition_may_have_a_megabyte() -> None:
    """One byte more is told."""
    room = 1_048_576 - len('{"StartAt":"A","States":{"A":{"Type":"Succeed"}},"Comment":"","TimeoutSeconds":9}')
    parse({**RIGHT, "Comment": "c" * room})
    with pytest.raises(DefinitionError, match="has 1048577 bytes, expected at most 1048576"):
        parse({**RIGHT, "Comment": "c" * (room + 1)})


def test_a_state_says_its_language_or_has_that_of_its_machine() -> None:
    """JSONPath where nothing is said."""
    assert query_language({}) == "JSONPath"
    assert query_language({}, "JSONata") == "JSONata"
    assert query_language({"QueryLanguage": "JSONPath"}, "JSONata") == "JSONPath"
