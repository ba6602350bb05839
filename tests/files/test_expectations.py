"""Expectations: conditions on counts, as data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.errors import ScenarioError
from durable_sim.files.expectations import check_expectation, unmet


@pytest.mark.parametrize(
    ("condition", "fulfilled", "missed"),
    [
        (3, 3, 4),
        ("3", 3, 2),
        ("== 3", 3, 2),
        ("!= 3", 2, 3),
        (">= 3", 3, 2),
        ("<= 3", 3, 4),
        ("> 3", 4, 3),
        ("<3", 2, 3),
        (" >=  3 ", 3, 2),
        ("all", 10, 9),
        (0, 0, 1),
    ],
)
def test_a_condition_holds_or_does_not(condition: int | str, fulfilled: int, missed: int) -> None:
    """Each way of writing a condition separates one count from its neighbour."""
    expectation = check_expectation({"stuck": condition})
    assert list(unmet(expectation, {"stuck": fulfilled}, 10)) == []
    assert list(unmet(expectation, {"stuck": missed}, 10)) == [f"stuck: found {missed}, expected {condition}"]


@given(st.integers(0, 50), st.integers(0, 50))
def test_at_least_and_less_are_opposites(bound: int, count: int) -> None:
    """Exactly one of the two is met."""
    problems = [list(unmet({"completed": f"{sign} {bound}"}, {"completed": count}, 50)) for sign in (">=", "<")]
    assert sorted(map(len, problems)) == [0, 1]


def test_a_verdict_that_nobody_got_counts_zero() -> None:
    """The counts leave out what did not occur."""
    assert list(unmet({"stuck": 0, "completed": ">= 1"}, {}, 5)) == ["completed: found 0, expected >= 1"]


def test_violations_and_repeats_can_be_counted() -> None:
    """They stand beside the verdicts."""
    counts = {"completed": 1, "violations": 2, "repeats": 3}
    assert list(unmet({"violations": 2, "repeats": "> 2"}, counts, 1)) == []
    assert list(unmet({"violations": 0}, counts, 1)) == ["violations: found 2, expected 0"]


def test_only_names_the_verdicts_that_may_occur() -> None:
    """Every other verdict is told with its count; what are no verdicts does not matter."""
    counts = {"completed": 4, "stuck": 2, "lost_effect": 1, "violations": 9, "repeats": 3}
    assert list(unmet({"only": ["completed"]}, counts, 7)) == ["found 1 lost_effect, 2 stuck, expected only completed"]
    assert list(unmet({"only": ["completed", "stuck", "lost_effect"]}, counts, 7)) == []


@pytest.mark.parametrize(
    ("expectation", "problem"),
    [
        ({"completd": 1}, "completd: unknown verdict: did you mean 'completed'?"),
        ({"stuck": "~5"}, "stuck: found '~5', expected a number, a comparison such as '>= 5', or 'all'"),
        ({"stuck": "5 >="}, "stuck: found '5 >='"),
        ({"stuck": ">= -5"}, "stuck: found '>= -5'"),
        ({"stuck": ""}, "stuck: found ''"),
        ({"stuck": -1}, "stuck: found -1"),
        ({"stuck": 1.5}, "stuck: found 1.5"),
        ({"stuck": True}, "stuck: found True"),
        ({"stuck": ["completed"]}, "stuck: found ['completed']"),
        ({"only": "completed"}, "only: found 'completed', expected a list of verdicts"),
        ({"only": []}, "only: found [], expected a list of verdicts"),
        ({"only": ["complete"]}, "only: unknown verdict 'complete': did you mean 'completed'?"),
        ({"only": [3]}, "only: unknown verdict 3: known: completed, "),
    ],
)
def test_an_expectation_that_cannot_be_read_is_refused(expectation: dict[str, Any], problem: str) -> None:
    """The key, what was found and what was expected are told."""
    with pytest.raises(ScenarioError) as caught:
        check_expectation(expectation)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(problem)


def test_all_that_is_wrong_is_told_at_once() -> None:
    """One problem for each condition."""
    with pytest.raises(ScenarioError) as caught:
        check_expectation({"completd": 1, "stuck": -1, "only": ["x", "y"]})
    assert len(caught.value.problems) == 4
