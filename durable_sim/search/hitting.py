"""The smallest sets that hit every support: which faults, together, leave none of the ways in which a thing came about.

Pure: what an item is, and what a support is made of, is the caller's. Always holds: the same supports give the same
sets in the same order, the smaller first, and of each set that is given nothing can be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from itertools import combinations
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item", bound=Hashable)
Exclusive = Callable[[Item], Hashable | None]
"""Of the items with the same key (None aside) a set has one at most."""


class Support(NamedTuple, Generic[Item]):
    """One way in which a thing came about: without any of the `items` it would not have.

    It is known for those sets only that contain all of `given`: a retry is there only if something went wrong before.
    """

    items: tuple[Item, ...]
    given: tuple[Item, ...] = ()


def hitting_sets(
    supports: Iterable[Support[Item]],
    size_max: int | None = None,
    *,
    closed: Iterable[Collection[Item]] = (),
    exclusive: Exclusive[Item] | None = None,
) -> Iterator[tuple[Item, ...]]:
    """The minimal sets that hit every support that is known for them, in order of size, up to `size_max` items.

    A set that contains one of `closed` is left out. Walks the tree of Reiter ("A theory of diagnosis from first
    principles", 1987) by breadth: a set that misses a support grows by each of the items that would hit it.

    >>> list(hitting_sets([Support(("a", "b")), Support(("b", "c"))]))
    [('b',), ('a', 'c')]
    >>> list(hitting_sets([Support(("a", "b")), Support(("c",), given=("a",))]))
    [('b',), ('a', 'c')]
    """
    tree = _Tree(list(supports), exclusive)
    done = [tree.bits(one) for one in closed if tree.knows(one)]
    level, size = {0: None}, 0
    while level:
        longer: dict[int, None] = {}
        found: list[int] = []
        for node in level:
            if any(one & node == one for one in done):
                continue
            ways = tree.ways(node)
            if ways is None:
                found.append(node)
                yield tree.names(node)
            elif size_max is None or size < size_max:
                longer.update((node | bit, None) for bit in _each(ways))
        level, size = longer, size + 1
        done += found  # only now: of sets of one size, none contains another


class _Tree(Generic[Item]):
    """Supports as bits: whether a set hits one is a single operation. An item's bit is its place in `_items`."""

    def __init__(self, supports: list[Support[Item]], exclusive: Exclusive[Item] | None) -> None:
        self._items = list(dict.fromkeys(item for one in supports for item in (*one.given, *one.items)))
        self._bit = {item: 1 << place for place, item in enumerate(self._items)}
        self._known: dict[int, dict[int, None]] = {}
        for one in supports:
            self._known.setdefault(self.bits(one.given), {})[self.bits(one.items)] = None
        self._given_max = max((given.bit_count() for given in self._known), default=0)
        self._rivals = self._excluded(exclusive)

    def _excluded(self, exclusive: Exclusive[Item] | None) -> dict[int, int]:
        """By bit, the bits that cannot join it."""
        if exclusive is None:
            return {}
        groups: dict[Hashable, int] = {}
        keys = {bit: exclusive(item) for item, bit in self._bit.items()}
        for bit, key in keys.items():
            groups[key] = groups.get(key, 0) | bit
        return {bit: groups[key] for bit, key in keys.items() if key is not None}

    def knows(self, items: Collection[Item]) -> bool:
        """Whether any support has something to do with all of these items."""
        return all(item in self._bit for item in items)

    def bits(self, items: Iterable[Item]) -> int:
        """A set as bits."""
        found = 0
        for item in items:
            found |= self._bit[item]
        return found

    def names(self, node: int) -> tuple[Item, ...]:
        """The items of a set, in the order in which the supports name them."""
        return tuple(self._items[bit.bit_length() - 1] for bit in _each(node))

    def ways(self, node: int) -> int | None:
        """By what a set must grow: the items that would hit the support with the fewest; None if it hits them all."""
        barred = 0
        for bit in _each(node):
            barred |= self._rivals.get(bit, 0)
        missed = [support & ~barred for support in self._supports_of(node) if not support & node]
        return min(missed, key=int.bit_count) if missed else None

    def _supports_of(self, node: int) -> Iterator[int]:
        """The supports that are known for a set."""
        bits = list(_each(node))
        for count in range(min(len(bits), self._given_max) + 1):
            for given in combinations(bits, count):
                yield from self._known.get(sum(given), ())


def _each(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest
        bits ^= lowest
