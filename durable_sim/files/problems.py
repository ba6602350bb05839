"""What is wrong with the shape of a scenario file (keys, types, ranges), in words that its author can use.

Reads pydantic's errors and makes lines "key: what is wrong". Always holds: a key in a line is spelled as in the file,
and pydantic's own vocabulary stays out of it.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from types import MappingProxyType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from durable_sim.durations import duration_us
from durable_sim.errors import DurationError, ScenarioError, did_you_mean
from durable_sim.randomness import Constant, Exponential, LogNormal, Uniform
from durable_sim.world.faults import Downtime, Fault, Outage, Stimulus

A_SPAN = "expected a time span such as '30s', '1h30m' or '250 ms'"
_A_DISTRIBUTION = "expected { value }, { low, high }, { mean } or { p50, p99 } with time spans"
_DISTRIBUTIONS = {kind.__name__: kind for kind in (Constant, Uniform, Exponential, LogNormal)}
_KINDS: Mapping[str, Mapping[str, type]] = MappingProxyType(  # lists of tables of several kinds, by their key
    {
        key: {str(field.default): kind for kind in get_args(union) for field in fields(kind) if field.name == "kind"}
        for key, union in (("faults", Fault), ("stimuli", Stimulus))
    }
)
_SPANS = {  # the keys of all settings that are checked as a whole
    field.name
    for kind in (*get_args(Fault | Stimulus), *_DISTRIBUTIONS.values(), Outage, Downtime)
    for field in fields(kind)
    if str(field.type).startswith("Duration")
}
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ABOUT_A_KEY = re.compile(r"[\w-]+(\[\d+\])?: ")
_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "dataclass_type": "a table",
    "tuple_type": "a list",
    "list_type": "a list",
}


def problems_of(error: ValidationError, model: type[BaseModel], data: Mapping[str, Any]) -> list[str]:
    """One line for each mistake that validating `data` has found, as "key: what is wrong"."""
    return list(dict.fromkeys(_lines(error, model, data)))


def problems_of_dates(data: Any, path: str = "") -> Iterator[str]:
    """TOML can write dates and times of day; nothing in a scenario is one."""
    if isinstance(data, (date, time)):
        yield f"{path}: found the date {data}, expected JSON-like data; write it as text in quotes"
    for part, value in _parts(data):
        yield from problems_of_dates(value, joined(path, part))


def joined(path: str, part: int | str) -> str:
    """The path to a part of what is at `path`, spelled as in TOML."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    key = part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
    return f"{path}.{key}" if path else key


def shown(value: Any, most: int = 60) -> str:
    """A value as it could stand in the file, shortened where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}..."


def _parts(data: Any) -> Iterable[tuple[int | str, Any]]:
    if isinstance(data, dict):
        return data.items()
    return enumerate(data) if isinstance(data, list) else ()


def _lines(error: ValidationError, model: type[BaseModel], data: Mapping[str, Any]) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        location = problem["loc"]
        tags = _tags(problem, data)
        path = _path(part for place, part in enumerate(location) if place not in tags)
        branch = next((place for place in tags if location[place] in _DISTRIBUTIONS), None)
        if branch is not None:
            yield from _about_a_distribution(problem, branch, tags, data)
        elif tags and location[tags[-1]] in ("str", "timedelta"):
            yield f"{path}: found {shown(problem['input'])}, {A_SPAN}"
        elif problem["type"] in _UNKNOWN:
            yield f"{path}: unknown key: {did_you_mean(str(location[-1]), _known(location[:-1], model))}"
        elif problem["type"] == "value_error":
            yield from _about_a_value(path, problem["ctx"]["error"], problem["input"])
        else:
            yield f"{path}: {_message(problem)}"


def _about_a_distribution(problem: Any, branch: int, tags: list[int], data: Mapping[str, Any]) -> Iterator[str]:
    """pydantic tries all distributions and tells what each lacks; only the one that was meant is of interest."""
    location = problem["loc"]
    before = [part for place, part in enumerate(location[:branch]) if place not in tags]
    path, found = _path(before), _at(data, before)
    meant = _meant(found)
    if meant is None:
        yield f"{path}: found {shown(found)}, {_A_DISTRIBUTION}"
    elif location[branch] == meant:
        known = [field.name for field in fields(_DISTRIBUTIONS[meant])]
        key = str(location[branch + 1]) if len(location) > branch + 1 else ""
        if problem["type"] == "value_error":
            yield from _about_a_value(path, problem["ctx"]["error"], found)
        elif problem["type"] in _UNKNOWN:
            yield f"{joined(path, key)}: unknown key: {did_you_mean(key, known)}"
        elif problem["type"] == "missing":
            yield f"{joined(path, key)}: is missing"
        else:
            yield f"{joined(path, key)}: found {shown(problem['input'])}, {A_SPAN}"


def _meant(found: Any) -> str | None:
    """The distribution whose keys resemble those found best."""
    if not isinstance(found, dict):
        return None

    def likeness(name: str) -> float:
        known = [field.name for field in fields(_DISTRIBUTIONS[name])]
        return sum(max(difflib.SequenceMatcher(None, key, one).ratio() for one in known) for key in found)

    best = max(_DISTRIBUTIONS, key=likeness)
    return best if likeness(best) > 0.5 else None


def _about_a_value(path: str, error: Exception, found: Any) -> Iterator[str]:
    if isinstance(error, DurationError) and isinstance(found, dict):
        for key, value in found.items():
            if key in _SPANS and (problem := unreadable(value)):
                yield f"{joined(path, key)}: {problem}"
    elif isinstance(error, DurationError):
        yield f"{path}: {unreadable(error.value)}"
    elif isinstance(error, ScenarioError):
        for problem in error.problems:
            yield f"{path}.{problem}" if _ABOUT_A_KEY.match(problem) else f"{path}: {problem}"
    else:
        yield f"{path}: {error}"


def unreadable(value: Any) -> str | None:
    """Why a value is no time span; None where it is one."""
    if not isinstance(value, str):
        return f"found {shown(value)}, {A_SPAN}"
    try:
        duration_us(value)
    except DurationError as error:
        return f"found {shown(value)}: {error.problem}; {A_SPAN}"
    return None


def _message(problem: Any) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    found = f"found {shown(problem['input'])}"
    match kind:
        case "missing":
            return "is missing"
        case "union_tag_invalid":
            name = context["tag"]
            return f"unknown kind {name!r}: {did_you_mean(name, _KINDS[problem['loc'][0]])}"
        case "union_tag_not_found" if isinstance(problem["input"], dict):
            return f"has no kind; expected one of {', '.join(_KINDS[problem['loc'][0]])}"
        case "union_tag_not_found":
            return f"{found}, expected a table with a kind"
        case "greater_than_equal":
            return f"{found}, expected {context['ge']} or more"
        case "less_than_equal":
            return f"{found}, expected {context['le']} or less"
        case "too_short":
            return f"{found}, expected at least {context['min_length']}"
        case "literal_error":
            return f"{found}, expected {context['expected']}"
        case _ if kind in _EXPECTED:
            return f"{found}, expected {_EXPECTED[kind]}"
    return f"{found}, {problem['msg'][0].lower()}{problem['msg'][1:]}"


# --- places -----------------------------------------------------------------------------------------------------------
def _tags(problem: Any, data: Any) -> list[int]:
    """Where in an error's location pydantic names a branch of a union, which is no key of the file."""
    location, tags = problem["loc"], []
    for place, part in enumerate(location):
        lacking = problem["type"] == "missing" and place == len(location) - 1
        if part in dict(_parts(data)):
            data = data[part]
        elif not lacking:
            tags.append(place)
    return tags


def _path(location: Iterable[int | str]) -> str:
    path = ""
    for part in location:
        path = joined(path, part)
    return path or "the file"


def _at(data: Any, location: Iterable[int | str]) -> Any:
    """What stands at a place of the file."""
    for part in location:
        data = data[part]
    return data


def _known(location: Iterable[int | str], model: type[BaseModel]) -> list[str]:
    """The keys that exist at a place of the file."""
    kinds: list[Any] = [model]
    for part in location:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    return [name for kind in kinds for name in _keys(kind)]


def _keys(kind: Any) -> list[str]:
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _inside(kind: Any, part: int | str) -> list[Any]:
    """The types that a part of a `kind` can have."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict:
        return _flat(arguments[1])
    if origin is tuple:
        return _flat(arguments[0])
    if any(kind is kinds.get(str(part)) for kinds in _KINDS.values()):  # the branch of a union
        return [kind]
    if _keys(kind):
        return _flat(get_type_hints(kind, include_extras=True).get(str(part)))
    return []


def _flat(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _flat(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [one for part in get_args(annotation) for one in _flat(part)]
    return [annotation]
