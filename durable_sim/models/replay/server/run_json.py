"""A run as plain JSON data, and back; its events separately.

The form follows from the annotations in state.py: a field that is added there is kept without a word here. Nothing that
was stored is evaluated or imported. Always holds: `from_json(to_json(run), run.history) == run`, but for volatile
fields, and for what JSON changes in values: a dataclass comes back as a dict (`workflows.payloads.as_json`), a tuple as
a list, and a span that was given as a `timedelta` as text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server.state import BufferedEvent, Run
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.payloads import as_json
from durable_sim.workflows.retry import RetryPolicy

VOLATILE = frozenset(("execution", "alarms", "alarm", "in_batch", "saved_events"))
"""Fields that are not kept; state.py marks them."""
ELSEWHERE = frozenset(("history",))
"""Fields of a run that are kept beside it."""


class _Form(NamedTuple):
    """How values of a type are written as JSON data, and read back."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


# --- runs and events ------------------------------------------------------------------------------------------------
def to_json(run: Run) -> dict[str, Any]:
    """All of a run but its history and what is volatile."""
    data: dict[str, Any] = _form(Run).write(run)
    return data


def from_json(data: Any, history: list[Event]) -> Run:
    """Read back what `to_json` gave; `execution` is for the server to set.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    run: Run = _form(Run).read(data)
    run.history = history
    return run


def attributes_to_json(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes of an event."""
    return {
        name: value if type(value) in _SCALARS else _form_of_attribute(name).write(value)
        for name, value in attributes.items()
    }


def attributes_from_json(data: Any) -> dict[str, Any]:
    """Read back what `attributes_to_json` gave."""
    return {name: value if value is None else _form_of_attribute(name).read(value) for name, value in _object(data)}


# --- forms ----------------------------------------------------------------------------------------------------------
_SCALARS: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    type(None): (type(None),),
}


@cache
def _form(hint: Any) -> _Form:
    """The form of what is annotated so."""
    if hint in _SPECIAL:
        return _SPECIAL[hint]
    origin, inside = get_origin(hint), get_args(hint)
    if hint in _SCALARS or origin is Literal:
        return _scalar(_SCALARS.get(hint, (str,)))
    if origin in (Union, UnionType):
        (rest,) = (_form(one) for one in _without_none(inside))
        return _Form(
            lambda value: None if value is None else rest.write(value),
            lambda data: None if data is None else rest.read(data),
        )
    if origin is dict:
        return _mapping(inside[0], _form(inside[1]))
    if origin is tuple and inside[-1] is not Ellipsis:
        return _record(tuple(_form(one) for one in inside))
    if origin in (list, tuple, Sequence):
        each = _form(inside[0])
        kind = list if origin is list else tuple
        return _Form(lambda values: [each.write(one) for one in values], lambda data: kind(map(each.read, _list(data))))
    if is_dataclass(hint) or hasattr(hint, "_fields"):
        return _fields(hint)
    raise TypeError(f"{hint} has no form as JSON data")


def _without_none(hints: tuple[Any, ...]) -> tuple[Any, ...]:
    """What an optional holds; a span is two types in one."""
    rest = tuple(one for one in hints if one is not type(None))
    return (Duration,) if rest == get_args(Duration) else rest


def _scalar(kinds: tuple[type, ...]) -> _Form:
    def read(data: Any) -> Any:
        if type(data) not in kinds:
            raise ValueError(f"found {data!r}, expected {' or '.join(kind.__name__ for kind in kinds)}")
        return data

    return _Form(lambda value: value, read)


def _mapping(key: type, each: _Form) -> _Form:
    """JSON knows text keys only."""
    return _Form(
        lambda values: {str(name): each.write(value) for name, value in values.items()},
        lambda data: {key(name): each.read(value) for name, value in _object(data)},
    )


def _record(parts: tuple[_Form, ...]) -> _Form:
    return _Form(
        lambda values: [part.write(value) for part, value in zip(parts, values, strict=True)],
        lambda data: tuple(part.read(value) for part, value in zip(parts, _list(data), strict=True)),
    )


def _fields(kind: Any) -> _Form:
    """A dataclass or named tuple, as an object of those of its fields that are kept and do not follow from others."""
    hints = get_type_hints(kind)
    names = [one.name for one in fields(kind) if one.init] if is_dataclass(kind) else kind._fields
    forms = {name: _form(hints[name]) for name in names if name not in VOLATILE | ELSEWHERE}

    def read(data: Any) -> Any:
        found = dict(_object(data))
        if found.keys() != forms.keys():
            raise ValueError(f"found {', '.join(found)} in a {kind.__name__}, expected {', '.join(forms)}")
        return kind(**{name: form.read(found[name]) for name, form in forms.items()})

    return _Form(lambda value: {name: form.write(getattr(value, name)) for name, form in forms.items()}, read)


def _form_of_attribute(name: str) -> _Form:
    """Attributes are values, but for those that have names of their own."""
    return _form(_ATTRIBUTES.get(name, Any))


def _object(data: Any) -> Any:
    if type(data) is not dict:
        raise ValueError(f"found {data!r}, expected an object")
    return data.items()


def _list(data: Any) -> list[Any]:
    if type(data) is not list:
        raise ValueError(f"found {data!r}, expected a list")
    return data


def _write_span(span: Duration) -> str:
    return format_us(duration_us(span)) if isinstance(span, timedelta) else span


_TEXT = _scalar((str,))
_NUMBER = _scalar((int,))
_EVENT_ATTRIBUTES = _Form(attributes_to_json, attributes_from_json)
_EVENT = _record((_NUMBER, _NUMBER, _TEXT, _EVENT_ATTRIBUTES))
_ATTRIBUTES = {"failure": Failure, "last_failure": Failure, "retry_policy": RetryPolicy}
_SPECIAL: dict[Any, _Form] = {
    Any: _Form(as_json, lambda data: data),
    Duration: _Form(_write_span, _TEXT.read),
    Failure: _Form(lambda failure: as_json(failure.to_json()), lambda data: Failure.from_json(dict(_object(data)))),
    Event: _Form(_EVENT.write, lambda data: Event(*_EVENT.read(data))),
    BufferedEvent: _record((_TEXT, _NUMBER, _EVENT_ATTRIBUTES)),
}
