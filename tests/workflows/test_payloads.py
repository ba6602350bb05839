"""Values that cross a boundary are copied, or refused by name."""

from __future__ import annotations

import enum
import json
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.errors import UserError
from durable_sim.workflows.payloads import as_json, copied

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
jsons: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple)
)


@dataclass(frozen=True)
class Item:
    """An order's line."""

    sku: str
    quantity: int = 1


@dataclass
class Order:
    """An order."""

    order_id: str
    items: list[Item] = field(default_factory=list)
    lines: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.lines = len(self.items)


@given(jsons)
def test_copying_twice_is_copying_once(value: Any) -> None:
    """`copied(copied(x)) == copied(x)`, and what was copied goes through JSON unchanged."""
    once = copied(value)
    assert copied(once) == once
    assert json.loads(json.dumps(once)) == once


@given(jsons)
def test_a_copy_shares_nothing_that_can_change(value: Any) -> None:
    """No list or dict of the copy is one of the original."""

    def containers(one: Any) -> list[int]:
        if isinstance(one, dict):
            return [id(one), *(found for inner in one.values() for found in containers(inner))]
        if isinstance(one, list):
            return [id(one), *(found for inner in one for found in containers(inner))]
        if isinstance(one, tuple):
            return [found for inner in one for found in containers(inner)]
        return []

    assert not set(containers(value)) & set(containers(copied(value)))


def test_a_tuple_becomes_a_list() -> None:
    """As JSON would have it."""
    assert copied(("a", (1, 2))) == ["a", [1, 2]]


def test_a_dataclass_stays_one() -> None:
    """Its fields are copied; what the class computes itself is computed again."""
    order = Order("o-1", [Item("book", 2)])
    copy = copied(order)
    assert copy == order
    assert copy is not order and copy.items is not order.items and copy.lines == 1
    assert copied(copy) == copy


class Color(enum.IntEnum):
    """A subclass of a plain type, which JSON would not give back."""

    RED = 1


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a", "b"}, "order is a set"),
        (b"bytes", "order is a bytes"),
        ({"at": datetime(2026, 1, 1)}, "order['at'] is a datetime"),
        ([1, [2, object()]], "order[1][1] is a object"),
        (Item("book", 1j), "order.quantity is a complex"),  # type: ignore[arg-type]
        (Color.RED, "order is a Color"),
        (Point(1, 2), "order is a Point"),
        (Item, "order is a type"),
        (lambda: None, "order is a function"),
    ],
)
def test_what_no_history_could_keep_is_refused_with_its_path(value: Any, found: str) -> None:
    """The error says where in the value it sits, what it is and what was expected."""
    with pytest.raises(UserError) as caught:
        copied(value, "order")
    assert str(caught.value) == (
        f"{found}: expected JSON-like data (text, numbers, booleans, None, lists, dicts with text keys, dataclasses of "
        "these); convert it before it leaves the function"
    )


def test_keys_must_be_text() -> None:
    """JSON would turn the number into text behind the user's back."""
    with pytest.raises(UserError) as caught:
        copied({"a": {1: "x"}}, "order")
    assert str(caught.value) == "order['a'] has the key 1: expected text keys, as JSON has them; convert the key"


@given(jsons)
def test_json_of_a_copy_is_the_copy(value: Any) -> None:
    """Without dataclasses there is nothing to turn into dicts."""
    assert as_json(copied(value)) == copied(value)


def test_json_of_dataclasses_is_dicts() -> None:
    """At any depth."""
    plain = as_json({"orders": (Order("o-1", [Item("book")]),)})
    assert plain == {"orders": [{"order_id": "o-1", "items": [{"sku": "book", "quantity": 1}], "lines": 1}]}
    assert json.loads(json.dumps(plain)) == plain
