"""Keys and matches: dotted fields of an event, or plain functions that the user gives. No text is ever evaluated.

Always holds: a field that is not there is None, and None matches nothing; equal keys are equal text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from durable_sim.errors import UserError
from durable_sim.models.steps.protocol import Event

Key = str | Callable[[Event], Any] | None
"""A dotted field of the event ("data.customer"), a function of it, or None: one key for all."""
Match = str | Callable[[Event, Event], bool] | None
"""A dotted field that is equal in both events, a function of the original and the new event, or None: all match."""
NO_KEY = ""


def field(event: Event, path: str) -> Any:
    """What is at a dotted path of an event, from its `name`, `data`, `id` or `ts` on; None where there is nothing.

    >>> field(Event("order/created", {"customer": {"id": "c-1"}}), "data.customer.id")
    'c-1'
    """
    value: Any = event.to_json()
    for part in path.split("."):
        value = _part(value, part)
    return value


def value_of(key: Key, event: Event) -> Any:
    """What a key is for an event, before it is made text."""
    return field(event, key) if isinstance(key, str) else key(event) if key is not None else None


def key_of(key: Key, event: Event) -> str:
    """What a key is for an event, as text that differs where the values do.

    >>> key_of("data.n", Event("e", {"n": 1})), key_of("data.n", Event("e", {"n": "1"})), key_of(None, Event("e"))
    ('1', '"1"', '')

    Raises:
        UserError: the key is not JSON-like data.
    """
    if key is None:
        return NO_KEY
    value = value_of(key, event)
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        found = f"{type(value).__name__} for event {event.name!r}"
        raise UserError(f"key {key!r}: found a {found}, expected text, a number or JSON-like data") from None


def matches(match: Match, original: Event, new: Event) -> bool:
    """Whether a new event is meant for what the original event has started.

    >>> paid = Event("order/paid", {"order": "o-1"})
    >>> matches("data.order", Event("order/created", {"order": "o-1"}), paid)
    True
    >>> matches("data.order", Event("order/created", {}), paid)
    False
    """
    if match is None:
        return True
    if isinstance(match, str):
        value = field(original, match)
        return value is not None and same(value, field(new, match))
    return bool(match(original, new))


def same(one: Any, other: Any) -> bool:
    """Equality as JSON has it: True is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def check_path(owner: str, name: str, given: object) -> None:
    """Refuse what is neither a dotted field, nor a function, nor None."""
    if given is None or callable(given):
        return
    if not isinstance(given, str) or not all(part.isidentifier() for part in given.split(".")):
        raise UserError(f"{owner}: {name} is {given!r}, expected a dotted field such as 'data.customer' or a function")
    if given.split(".")[0] not in ("data", "id", "name", "ts"):
        raise UserError(f"{owner}: {name} is {given!r}, expected it to begin with data, id, name or ts of the event")


def _part(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if is_dataclass(value) and any(one.name == name for one in fields(value)):
        return getattr(value, name)
    return None
