"""Keys and matches: fields and functions, never text that is run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.errors import UserError
from durable_sim.models.steps.flow.matching import field, key_of, matches
from durable_sim.models.steps.protocol import Event

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@dataclass(frozen=True)
class Order:
    """Data that is no dict."""

    customer: str


def test_fields_reach_into_dicts_and_dataclasses() -> None:
    """The event's own fields, nested ones, and those of a dataclass; what is not there is None."""
    event = Event("order/created", {"customer": {"id": "c-1"}}, "e-1", 5_000)
    paths = ("name", "id", "ts", "data.customer.id", "data.nothing", "data.customer.id.more", "other")
    assert [field(event, path) for path in paths] == ["order/created", "e-1", 5, "c-1", None, None, None]
    assert field(Event("e", Order("c-2")), "data.customer") == "c-2"
    assert field(Event("e", Order("c-2")), "data.__class__") is None


@given(json_like, json_like)
def test_keys_differ_where_values_do(one: object, other: object) -> None:
    """The text of a key says which value it was."""
    same = repr_of(one) == repr_of(other)
    assert (key_of("data.x", Event("e", {"x": one})) == key_of("data.x", Event("e", {"x": other}))) == same


def repr_of(value: object) -> str:
    """Text for JSON-like data in which the order of keys does not count."""
    if isinstance(value, dict):
        return f"dict {sorted((key, repr_of(inner)) for key, inner in value.items())}"
    return f"list {[repr_of(inner) for inner in value]}" if isinstance(value, list) else repr(value)


def test_a_function_gives_a_key() -> None:
    """It is called with the event; what is not JSON-like is refused."""
    assert key_of(lambda event: event.data["a"] + 1, Event("e", {"a": 1})) == "2"
    with pytest.raises(UserError, match="found a object for event 'e', expected text, a number or JSON-like data"):
        key_of(lambda event: object(), Event("e"))


def test_no_key_is_the_same_for_all_and_like_no_other() -> None:
    """Neither a field that is not there nor an empty text is mixed up with it."""
    assert key_of(None, Event("a", {"x": 1})) == key_of(None, Event("b"))
    assert len({key_of(None, Event("e")), key_of("data.x", Event("e")), key_of("data.x", Event("e", {"x": ""}))}) == 3


def test_a_match_is_equality_of_a_field() -> None:
    """Equal in both and there; a function sees both events; None matches all."""
    original, same, other = Event("a", {"n": 1}), Event("b", {"n": 1}), Event("b", {"n": 2})
    assert matches("data.n", original, same)
    assert not matches("data.n", original, other)
    assert not matches("data.none", original, same)
    assert not matches("data.n", original, Event("b", {"n": True}))
    assert matches(lambda old, new: new.data["n"] == old.data["n"] + 1, original, other)
    assert matches(None, original, other)
