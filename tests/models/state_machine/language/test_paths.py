"""Paths: what is read, what is missing, and where a result may be written."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.models.state_machine.language.errors import StatesError
from durable_sim.models.state_machine.language.paths import find, is_path, is_reference_path, read, write

DATA = {
    "id": "o-1",
    "nothing": None,
    "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 5}],
    "deep": {"list": [10, 20, 30, 40], "a-b": 1, "a b": 2, "it's": 3},
}
CONTEXT = {"Execution": {"Id": "arn:x"}, "Map": {"Item": {"Index": 0}}}
VARIABLES = {"x": {"y": [7, 8]}, "größe": 4}


def value(path: str) -> Any:
    return read(path, DATA, CONTEXT, VARIABLES)


READ = [
    ("$", DATA),
    ("$.id", "o-1"),
    ("$.nothing", None),
    ("$.items[1].sku", "b"),
    ("$.items[-1].sku", "b"),
    ("$['deep']['a b']", 2),
    ('$["deep"]["list"][0]', 10),
    ("$.deep.a-b", 1),
    (r"$.deep['it\'s']", 3),
    ("$$.Execution.Id", "arn:x"),
    ("$$", CONTEXT),
    ("$x", {"y": [7, 8]}),
    ("$x.y[1]", 8),
    ("$größe", 4),
    # selections are always lists
    ("$.items[*].sku", ["a", "b"]),
    ("$..sku", ["a", "b"]),
    ("$.deep.list[1:3]", [20, 30]),
    ("$.deep.list[-2:]", [30, 40]),
    ("$.deep.list[0,2]", [10, 30]),
    ("$.items[?(@.n > 2)].sku", ["b"]),
    ("$.items[?(@.sku == 'a')]", [{"sku": "a", "n": 1}]),
    ("$.items[?(@.n > 2 && @.sku == 'a')]", []),
    ("$.items[?(@.none)]", []),
    ("$.items[*].none", []),
    ("$x.y[*]", [7, 8]),
    ("$$.Map..Index", [0]),
    ("$.id[*]", []),
]


@pytest.mark.parametrize(("path", "expected"), READ)
def test_a_path_gives_its_value_or_what_it_selects(path: str, expected: Any) -> None:
    """A path that names one place gives the value, null too; one that selects gives a list, empty too."""
    assert value(path) == expected


@pytest.mark.parametrize(
    "path",
    ["$.none", "$.id.x", "$.nothing.x", "$.items[2]", "$.items[-3]", "$.id[0]", "$.items.sku", "$$.None", "$y", "$x.z"],
)
def test_a_place_that_is_not_there_fails(path: str) -> None:
    """With the error that the caller names, and the path in the cause."""
    with pytest.raises(StatesError) as failed:
        read(path, DATA, CONTEXT, VARIABLES, error="States.ParameterPathFailure")
    assert failed.value.error == "States.ParameterPathFailure" and path in failed.value.cause
    with pytest.raises(StatesError, match=r"States\.Runtime"):
        value(path)


BROKEN = [
    "",
    "id",
    "$.",
    "$.a[",
    "$.a b",
    "$ .a",
    "$.a..",
    "$.a[?(@.b =]",
    "$$a",
    "$.a | $.b",
    "$1a",
    "$.a.[0]x",
    "$[",
    "$.a)",
]


@pytest.mark.parametrize("path", BROKEN)
def test_a_text_that_is_no_path_is_told(path: str) -> None:
    """It is neither kind of path, and reading it fails with a StatesError."""
    assert not is_path(path) and not is_reference_path(path)
    with pytest.raises(StatesError):
        find(path, DATA, CONTEXT, VARIABLES)


@pytest.mark.parametrize(
    ("path", "names_one"),
    [("$", True), ("$.a.b[0]", True), ("$['a b']", True), ("$$.Execution.Id", True), ("$x.y", True)]
    + [(path, False) for path in ("$.a[*]", "$..a", "$.a[0:2]", "$.a[0,1]", "$.a[?(@.b)]", "$.a[-1]", "$.*")],
)
def test_a_reference_path_names_one_place(path: str, names_one: bool) -> None:
    """Wildcards, filters, slices, unions and counting from the end make it another kind of path."""
    assert is_path(path)
    assert is_reference_path(path) is names_one


@pytest.mark.parametrize("value", [None, 1, ["$"], {"$": 1}])
def test_what_is_no_text_is_no_path(value: object) -> None:
    """Of whatever type it is."""
    assert not is_path(value) and not is_reference_path(value)


WRITTEN = [
    ("$", {"a": 1}, 9),
    (None, {"a": 1}, {"a": 1}),
    ("$.b", {"a": 1}, {"a": 1, "b": 9}),
    ("$.a", {"a": 1}, {"a": 9}),
    ("$.b.c.d", {"a": 1}, {"a": 1, "b": {"c": {"d": 9}}}),
    ("$.l[1]", {"l": [1, 2]}, {"l": [1, 9]}),
    ("$.l[0].x", {"l": [{"y": 1}]}, {"l": [{"y": 1, "x": 9}]}),
    ("$['a b']", {}, {"a b": 9}),
    ("$[0]", [1, 2], [9, 2]),
]


@pytest.mark.parametrize(("path", "document", "expected"), WRITTEN)
def test_a_result_is_written_at_its_place(path: str | None, document: Any, expected: Any) -> None:
    """Missing objects are made; the document that was given stays as it is."""
    before = copy.deepcopy(document)
    assert write(path, document, 9) == expected
    assert document == before


@pytest.mark.parametrize(
    ("path", "document"),
    [("$.a", "text"), ("$.a", None), ("$.a", [1]), ("$.a.b", {"a": 1}), ("$.l[5]", {"l": [1]}), ("$.l[0]", {}),
     ("$[0]", {}), ("$.l[-1]", {"l": [1]}), ("$.a[*]", {"a": [1]}), ("$$.a", {}), ("$x.a", {}), ("a", {})],
)  # fmt: skip
def test_a_result_without_a_place_fails(path: str, document: Any) -> None:
    """States.ResultPathMatchFailure: something else is in the way, or it is no reference path into the input."""
    with pytest.raises(StatesError, match=r"States\.ResultPathMatchFailure"):
        write(path, document, 9)


@given(st.lists(st.text("ab ' \\é", min_size=1, max_size=4), min_size=1, max_size=5), st.integers())
def test_what_was_written_is_read_back(keys: list[str], result: int) -> None:
    """For keys with blanks, quotes and backslashes, written in brackets."""
    quoted = [key.replace("\\", "\\\\").replace("'", "\\'") for key in keys]
    path = "$" + "".join(f"['{key}']" for key in quoted)
    assert read(path, write(path, {"other": 1}, result), None, {}) == result


@given(st.text("$.[]()*?@'\"ab01 ,:&|=<>!~-", max_size=12))
def test_any_text_is_a_path_or_not(text: str) -> None:
    """No text makes anything but a value, MISSING or a StatesError."""
    try:
        find(text, {"a": [1, {"b": "x"}]}, {"a": 1}, {"a": [1]})
    except StatesError:
        pass
    else:
        assert is_path(text)


def test_without_the_library_the_extra_is_named() -> None:
    """Paths that name one place are read; one that selects is told as a problem, and fails as a StatesError."""
    code = (
        "import sys; sys.modules['jsonpath'] = None\n"
        "from durable_sim.models.state_machine.language import paths\n"
        "print(paths.read('$.a', {'a': 7}, {}, {}), paths.problem_of('$.a[*]'))\n"
        "try: paths.read('$.a[*]', {'a': [7]}, {}, {})\n"
        "except Exception as problem: print(type(problem).__name__, problem.cause)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("7 ") and "StatesError" in done.stdout
    assert done.stdout.count("pip install 'durable_sim[state_machine]'") == 2


def test_the_library_is_only_imported_for_a_path_that_selects() -> None:
    """Neither `import durable_sim` nor a reference path imports it, nor JSONata, nor YAML."""
    code = (
        "import sys, durable_sim; from durable_sim.models.state_machine.language import paths;"
        "paths.read('$.a', {'a': 1}, {}, {});"
        "print([name for name in ('jsonpath', 'jsonpath_ng', 'jsonata', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
