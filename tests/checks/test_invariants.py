"""Invariants of users: plain functions that hold, are violated, or are no invariants at all."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from durable_sim.checks.invariants import invariant
from durable_sim.errors import UserError


def found(function: Any, run: Any = None) -> list[str]:
    """What an invariant finds."""
    return [violation.found for violation in invariant(function)(run)]


@pytest.mark.parametrize("answer", [None, True, [], (), iter(())])
def test_it_holds_where_the_function_says_nothing(answer: Any) -> None:
    """None, True, or no sentences."""
    assert found(lambda run: answer) == []


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        (False, ["False"]),
        ("one is too many", ["one is too many"]),
        (["one", "two"], ["one", "two"]),
        (("one",), ["one"]),
        (iter(["one", "two"]), ["one", "two"]),
    ],
)
def test_false_and_sentences_are_violations(answer: Any, sentences: list[str]) -> None:
    """One violation a sentence, in their order."""
    assert found(lambda run: answer) == sentences


def test_the_function_gets_the_run_and_its_violations_are_named_after_it() -> None:
    """What is expected is the first line of its docstring, or else that it holds."""

    def ends_well(run: str) -> Any:
        """Everything ends well.

        Really.
        """
        return f"{run} does not"

    def without_words(run: str) -> Any:
        return run == "this"

    (violation,) = invariant(ends_well)("this")
    assert (violation.kind, violation.execution, violation.subject) == ("invariant", None, "ends_well")
    assert (violation.found, violation.expected, violation.time_us) == ("this does not", "Everything ends well.", None)
    assert list(invariant(without_words)("this")) == []
    (violation,) = invariant(without_words)("that")
    assert (violation.subject, violation.expected) == ("without_words", "it to hold")


def test_a_callable_object_has_the_name_of_its_class() -> None:
    """And no sentence of its own: the docstring of a class is about something else."""

    class Strict:
        """A class."""

        def __call__(self, run: Any) -> bool:
            return False

    (violation,) = invariant(Strict())(None)
    assert (violation.subject, violation.expected) == ("Strict", "it to hold")


def test_a_generator_may_yield_sentences_and_then_fail() -> None:
    """What it has said before counts too."""

    def two(run: Any) -> Iterator[str]:
        yield "first"
        raise AssertionError("second")

    first, second = found(two)
    assert first == "first" and second.startswith("second (in two, test_invariants.py line ")


def test_a_failed_assertion_is_a_violation_with_its_message() -> None:
    """And with the function, the file, the line and the text of the assertion, in its first line: a story shows no
    more than that."""

    def told(run: Any) -> None:
        raise AssertionError("money is missing\n + where")

    def bare(run: Any) -> None:
        if run:
            raise AssertionError

    line = bare.__code__.co_firstlineno + 2
    first = told.__code__.co_firstlineno + 1
    assert found(told) == [
        f"money is missing (in told, test_invariants.py line {first}: "
        'raise AssertionError("money is missing\\n + where"))\n + where'
    ]
    assert found(bare, True) == [f"a failed assertion in bare, test_invariants.py line {line}: raise AssertionError"]
    assert found(bare, False) == []


def test_the_place_is_in_the_function_that_another_one_wraps() -> None:
    """Not in the one around it: the test under `every_crash` is the user's, what calls it is not."""

    def bare(run: Any) -> None:
        raise AssertionError

    space: dict[str, Any] = {"wraps": functools.wraps, "bare": bare}
    exec("@wraps(bare)\ndef around(run):\n    return bare(run)\n", space)
    line = bare.__code__.co_firstlineno + 1
    assert found(space["around"]) == [
        f"a failed assertion in bare, test_invariants.py line {line}: raise AssertionError"
    ]


def helper(run: Any) -> None:
    """Fails, in the same file as its caller."""
    raise LookupError("no such thing")


def test_any_other_exception_is_the_users_error_with_function_and_line() -> None:
    """It never passes for an invariant that holds, nor for one that is violated; the cause is kept."""

    def asks(run: Any) -> None:
        helper(run)

    with pytest.raises(UserError) as caught:
        found(asks)
    line = helper.__code__.co_firstlineno + 2
    assert str(caught.value) == (
        f"invariant asks raised LookupError: no such thing in helper, test_invariants.py line {line}: "
        'raise LookupError("no such thing"); an invariant fails with `assert`'
    )
    assert isinstance(caught.value.__cause__, LookupError)


def test_the_line_is_one_of_the_users_own_where_the_error_comes_from_deeper() -> None:
    """Not one in the library that was called; without a file of its own, the innermost there is."""

    def parses(run: Any) -> None:
        json.loads("{")

    with pytest.raises(UserError, match=r"in parses, test_invariants\.py line \d+: json\.loads"):
        found(parses)
    with pytest.raises(UserError, match=r"in raw_decode, decoder\.py line \d+: "):
        found(Loads())


class Loads:
    """A callable without code of its own that the traceback could show first."""

    def __call__(self, run: Any) -> Any:
        return json.loads("{")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (0, "returned 0 (int)"),
        (1, "returned 1 (int)"),
        ({"a": 1}, "returned {'a': 1} (dict)"),
        ({"a"}, "returned {'a'} (set)"),
        ([1], "gave 1 (int) for a sentence"),
        ([""], "gave '' (str) for a sentence"),
        (" ", "gave ' ' (str) for a sentence"),
        (["fine", None], "gave None (NoneType) for a sentence"),
        ("", "gave '' (str) for a sentence"),
    ],
)
def test_an_answer_that_says_neither_yes_nor_no_is_the_users_error(answer: Any, shown: str) -> None:
    """The error names the function, shows the answer, and says what is expected."""

    def vague(run: Any) -> Any:
        return answer

    with pytest.raises(UserError) as caught:
        found(vague)
    assert str(caught.value) == (
        f"invariant vague {shown}, expected None or True where it holds, False, a sentence, a list of sentences, "
        "or a failed assert"
    )


@pytest.mark.parametrize(("length", "shown"), [(80, "0" * 80), (81, "0" * 77 + "...")])
def test_a_long_answer_is_cut(length: int, shown: str) -> None:
    """Eighty characters are shown whole."""
    with pytest.raises(UserError) as caught:
        found(lambda run: Shown("0" * length))
    assert f"returned {shown} (Shown)" in str(caught.value)


class Shown:
    """Has a text of its own."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def test_an_async_function_is_refused_at_once() -> None:
    """It would return something that is true and has checked nothing; so would an object with an async call."""

    async def waits(run: Any) -> None:
        """Never runs."""

    async def yields(run: Any) -> AsyncIterator[str]:
        yield "never"

    class Waits:
        async def __call__(self, run: Any) -> None:
            """Never runs."""

    for wrong, name in (
        (waits, "waits"),
        (yields, "yields"),
        (Waits(), "Waits"),
        (functools.partial(waits), "partial"),
    ):
        with pytest.raises(UserError) as caught:
            invariant(wrong)
        assert (
            str(caught.value) == f"invariant {name} is an `async def`, expected a plain function: nothing waits in it"
        )


def test_a_coroutine_for_an_answer_is_refused_and_closed() -> None:
    """A plain function that calls an async one and forgets to wait."""

    async def waits() -> None:
        """Never runs."""

    with pytest.raises(UserError, match=r"returned <coroutine object .*\(coroutine\)"):
        found(lambda run: waits())
