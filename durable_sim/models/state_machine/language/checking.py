"""What all rules of the validator share: a problem, the places in a definition, and checks of single values.

Always holds: a check never raises for JSON data, and finds each mistake once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from durable_sim.errors import did_you_mean
from durable_sim.models.state_machine.language import intrinsics, jsonata, paths
from durable_sim.models.state_machine.language.values import compact, is_number, timestamp_us

_PLAIN = re.compile(r"[\w-]+(?:\.\$)?")
_NAME = re.compile(r"[^\W\d]\w*")
_SHOWN = 60
NAME_LONGEST = 80
SECONDS_MAX = 99_999_999
JSONPATH = "JSONPath"
JSONATA = "JSONata"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where ("$.States.Charge.Retry[0].BackoffRate"), and what was found and expected."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a definition, and the list that its problems go to."""

    value: Any
    path: str
    language: str
    found: list[Problem]
    key: str = ""
    """The field that the value is under."""

    def report(self, message: str, path: str | None = None) -> None:
        self.found.append(Problem(path or self.path, message))

    def expected(self, expected: str) -> None:
        self.report(f"found {shown(self.value)}, expected {expected}")

    def at(self, key: str | int) -> Place:
        """The place of a field or an entry, which must be there."""
        return Place(self.value[key], self.path_of(key), self.language, self.found, str(key))

    def in_language(self, language: str) -> Place:
        return replace(self, language=language)

    def path_of(self, key: str | int) -> str:
        if isinstance(key, int):
            return f"{self.path}[{key}]"
        return f"{self.path}.{key}" if _PLAIN.fullmatch(key) else f"{self.path}[{key!r}]"

    def fields(self) -> Iterable[Place]:
        return [self.at(key) for key in self.value]

    def entries(self) -> Iterable[Place]:
        return [self.at(index) for index in range(len(self.value))]

    @property
    def jsonata(self) -> bool:
        return self.language == JSONATA


Check = Callable[[Place], None]


def shown(value: Any) -> str:
    """A value as short JSON text."""
    text = compact(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def check_fields(place: Place, fields: Mapping[str, Check], required: Iterable[str], what: str) -> None:
    """Every field is known and right, and the required ones are there."""
    for name in required:
        if name not in place.value:
            place.report(f"{what} has no {name}, which it needs")
    for name in place.value:
        check = fields.get(name)
        if check is None:
            place.report(unknown_field(name, fields, what), place.path_of(name))
        else:
            check(place.at(name))


def unknown_field(name: str, fields: Iterable[str], what: str) -> str:
    return f"found the field {name!r}, which {what} does not have; {did_you_mean(name, fields)}"


def is_object(place: Place) -> bool:
    if not isinstance(place.value, Mapping):
        place.expected("an object")
        return False
    return True


def objects(place: Place, what: str, *, empty: bool = False) -> list[Place]:
    """The entries of a list of objects; what is none of them is reported."""
    if not isinstance(place.value, list) or (not place.value and not empty):
        place.expected(f"a list of {what}" + ("" if empty else ", at least one"))
        return []
    return [entry for entry in place.entries() if is_object(entry)]


def text(place: Place) -> None:
    if not isinstance(place.value, str):
        place.expected("a text")


def filled_text(place: Place) -> None:
    if not isinstance(place.value, str) or not place.value:
        place.expected("a text that is not empty")


def boolean(place: Place) -> None:
    if not isinstance(place.value, bool):
        place.expected("true or false")


def anything(_: Place) -> None:
    """Any JSON value will do."""


def number(place: Place) -> None:
    if not is_number(place.value):
        place.expected("a number")


def timestamp(place: Place) -> None:
    if timestamp_us(place.value) is None:
        place.expected("a timestamp like '2027-01-31T12:00:00Z'")


def one_of(*values: str) -> Check:
    def check(place: Place) -> None:
        if place.value not in values:
            place.expected(" or ".join(repr(value) for value in values))

    return check


def whole(least: int, most: int = SECONDS_MAX) -> Check:
    """A whole number from `least` to `most`."""

    def check(place: Place) -> None:
        value = place.value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            place.expected(f"a whole number from {least} to {most}")

    return check


def between(least: float, most: float | None = None) -> Check:
    """A number from `least` on, up to `most` if given."""

    def check(place: Place) -> None:
        value = place.value
        if not is_number(value) or value < least or (most is not None and value > most):
            place.expected(f"a number of at least {least}" + ("" if most is None else f" and at most {most}"))

    return check


def or_expression(check: Check) -> Check:
    """In a JSONata state, an expression may stand for the value."""

    def either(place: Place) -> None:
        if place.jsonata and isinstance(place.value, str) and place.value.startswith("{%"):
            expression(place)
        else:
            check(place)

    return either


def expression(place: Place) -> None:
    """A text "{% ... %}" that parses."""
    if not jsonata.is_expression(place.value):
        place.expected("an expression '{% ... %}'")
        return
    problem = jsonata.problem_of(place.value)
    if problem:
        place.report(f"found {shown(place.value)}: {problem}")


def path(place: Place) -> None:
    """A path that parses."""
    if not isinstance(place.value, str):
        place.expected("a path like '$.order.id'")
        return
    problem = paths.problem_of(place.value)
    if problem:
        place.expected(f"a path like '$.order.id': {problem}")


def path_or_call(place: Place) -> None:
    """A path, or a call of an intrinsic function."""
    if not isinstance(place.value, str):
        place.expected("a path like '$.order.id' or a call like 'States.UUID()'")
    elif place.value.startswith("$"):
        path(place)
    else:
        problem = intrinsics.problems_of(place.value)
        if problem:
            place.expected(f"a path like '$.order.id' or a call like 'States.UUID()': {problem}")


def path_or_null(place: Place) -> None:
    if place.value is not None:
        path(place)


def reference_path(place: Place) -> None:
    """A path that names one place."""
    if not paths.is_reference_path(place.value):
        place.expected("a reference path like '$.order.id' (no wildcard, filter or slice)")


def result_path(place: Place) -> None:
    """A reference path into the input, or null."""
    if place.value is not None and not (paths.is_reference_path(place.value) and paths.root_of(place.value) == ""):
        place.expected("a reference path like '$.result' into the input, or null")


def template(place: Place) -> None:
    """A payload template; in a JSONata state a value whose texts may be expressions."""
    value = place.value
    if isinstance(value, Mapping):
        for field in value:
            _template_field(place, field)
    elif isinstance(value, list):
        for entry in place.entries():
            template(entry)
    elif place.jsonata and isinstance(value, str) and value.startswith("{%"):
        expression(place)


def _template_field(place: Place, field: str) -> None:
    inner = place.at(field)
    if not field.endswith(".$"):
        template(inner)
    elif place.jsonata:
        inner.report(f"found the field {field!r} in a JSONata state; write {field[:-2]!r} and '{{% ... %}}'")
    elif field[:-2] in place.value:
        inner.report(f"found both {field!r} and {field[:-2]!r}, expected one of them")
    else:
        path_or_call(inner)


def object_template(place: Place) -> None:
    if isinstance(place.value, Mapping) or place.jsonata:
        template(place)
    else:
        place.expected("an object")


def assign(place: Place) -> None:
    """An object whose fields are names of variables."""
    if not is_object(place):
        return
    for field in place.value:
        name = field.removesuffix(".$")
        if len(name) > NAME_LONGEST or not _NAME.fullmatch(name):
            message = f"found the variable {name!r}, expected letters, digits and _, at most {NAME_LONGEST} characters"
            place.report(message, place.path_of(field))
        elif name == "states":
            place.report("found the variable 'states', which is reserved", place.path_of(field))
    template(place)


def only_one_of(place: Place, names: Iterable[str], what: str, *, needed: bool) -> None:
    """At most one of the fields is there, exactly one if `needed`."""
    there = [name for name in names if name in place.value]
    if len(there) > 1:
        place.report(f"{what} has {' and '.join(there)}, expected one of them")
    elif needed and not there:
        place.report(f"{what} has none of {', '.join(names)}, expected exactly one")
