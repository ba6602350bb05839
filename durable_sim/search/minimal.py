"""The smallest sets of faults that still break a workflow.

Pure: what is tried, and whether it still fails, is the caller's. Always holds: of a set that is given back, no smaller
subset fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import TypeVar

Item = TypeVar("Item")
Fails = Callable[[tuple[Item, ...]], bool]
EXHAUSTIVE_MAX = 8
"""Of so many items every subset is tried; of more, they are cut down first."""


def smallest(items: Sequence[Item], fails: Fails[Item]) -> tuple[Item, ...]:
    """The first of the smallest subsets that fail, in order; all items if none does.

    First cut down as delta debugging does (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
    2002), which leaves a set of which nothing can be left out; then every smaller subset of that is tried.

    >>> smallest(range(20), lambda kept: 3 in kept and 11 in kept)
    (3, 11)
    """
    kept = cut_down(tuple(items), fails)
    if len(kept) <= EXHAUSTIVE_MAX:
        for size in range(len(kept)):
            for subset in combinations(kept, size):
                if fails(subset):
                    return subset
    return kept


def cut_down(items: tuple[Item, ...], fails: Fails[Item]) -> tuple[Item, ...]:
    """A subset that fails and of which no single item can be left out."""
    parts = 2
    while len(items) >= 2:
        rest = next((rest for rest in _without_a_part(items, parts) if fails(rest)), None)
        if rest is not None:
            items, parts = rest, max(parts - 1, 2)
        elif parts < len(items):
            parts = min(2 * parts, len(items))
        else:
            break
    return () if len(items) == 1 and fails(()) else items


def _without_a_part(items: tuple[Item, ...], parts: int) -> Iterator[tuple[Item, ...]]:
    bounds = [len(items) * number // parts for number in range(parts + 1)]
    for start, end in pairwise(bounds):
        yield items[:start] + items[end:]
