"""The smallest sets: against brute force over all subsets, on predicates of both kinds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable_sim.search.minimal import EXHAUSTIVE_MAX, cut_down, smallest

Subset = tuple[int, ...]


def fails_with(causes: frozenset[frozenset[int]]) -> Callable[[Subset], bool]:
    """Fails wherever all of some cause are there: what is added never mends it."""
    return lambda kept: any(cause <= set(kept) for cause in causes)


causes = st.frozensets(st.frozensets(st.integers(0, 7), min_size=1, max_size=4), min_size=1, max_size=4)


@given(causes)
@settings(max_examples=200, deadline=None)
def test_what_is_given_back_fails_and_no_smaller_part_of_it_does(found: frozenset[frozenset[int]]) -> None:
    """For predicates that stay failed when faults are added."""
    fails = fails_with(found)
    kept = smallest(range(8), fails)
    assert fails(kept) and list(kept) == sorted(kept)
    assert not any(fails(part) for size in range(len(kept)) for part in combinations(kept, size))


@given(st.frozensets(st.integers(0, 63), max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_part_of_it_fails_whatever_the_predicate(failing: frozenset[int]) -> None:
    """Any set of subsets of six items may be the failing ones: a fault may mend what another breaks."""

    def fails(kept: Subset) -> bool:
        return sum(1 << item for item in kept) in failing

    kept = smallest(range(6), fails)
    assert fails(kept) or kept == tuple(range(6))
    if fails(tuple(range(6))):
        assert not any(fails(part) for size in range(len(kept)) for part in combinations(kept, size))


@given(st.lists(st.integers(0, 99), unique=True, min_size=1, max_size=30), st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_cut_down_needs_each_of_its_items(items: list[int], data: st.DataObject) -> None:
    """Of many items, and in the order in which they came."""
    cause = frozenset(data.draw(st.lists(st.sampled_from(items), unique=True)))
    kept = cut_down(tuple(items), fails_with(frozenset((cause,))))
    assert kept == tuple(item for item in items if item in cause)


def test_each_item_is_needed_where_the_predicate_is_not_monotone() -> None:
    """An odd number of items fails: one is enough, and is found."""
    assert len(cut_down(tuple(range(9)), lambda kept: len(kept) % 2 == 1)) == 1


def test_two_items_far_apart_are_found_among_many() -> None:
    """Neither half fails alone."""
    assert smallest(range(100), lambda kept: {3, 90} <= set(kept)) == (3, 90)


def test_a_large_set_is_found_with_few_tries() -> None:
    """Halves are thrown away, not single items: far fewer tries than items squared."""
    tries: list[Subset] = []

    def fails(kept: Subset) -> bool:
        tries.append(kept)
        return 500 in kept

    assert smallest(range(1000), fails) == (500,)
    assert len(tries) < 60


def test_two_items_far_apart_are_found_with_few_tries() -> None:
    """Where no half can be left out, quarters are tried next, not single items."""
    tries: list[Subset] = []

    def fails(kept: Subset) -> bool:
        tries.append(kept)
        return {3, 190} <= set(kept)

    assert smallest(range(200), fails) == (3, 190)
    assert len(tries) < 60


@pytest.mark.parametrize("items", [(), (1,), (1, 2, 3)])
def test_nothing_is_needed_where_nothing_has_to_be_there(items: Subset) -> None:
    """What fails without any fault needs none."""
    assert smallest(items, lambda kept: True) == ()
    assert cut_down(items, lambda kept: True) == ()


def test_what_does_not_fail_is_given_back_as_it_is() -> None:
    """Nothing can be said of it."""
    assert smallest((1, 2, 3), lambda kept: False) == (1, 2, 3)


@pytest.mark.parametrize("extra", [0, 1])
def test_every_subset_is_tried_of_few_items_only(extra: int) -> None:
    """All of them, or one alone: of at most eight the one alone is found, of more the tries would be too many."""
    assert EXHAUSTIVE_MAX == 8
    items = tuple(range(8 + extra))
    alone = (items[3],)
    kept = smallest(items, lambda kept: kept in (items, alone))
    assert kept == (items if extra else alone)
