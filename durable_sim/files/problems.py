"""What is wrong with a scenario file, in words that its author can use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from durable_sim.errors import did_you_mean
from durable_sim.randomness import Constant, Exponential, LogNormal, Uniform
from durable_sim.world.faults import Crash, Crashes, Deploy, Deploys, Mixture, Outage, Pause, Script

_DISTRIBUTIONS = tuple(kind.__name__ for kind in (Constant, Uniform, Exponential, LogNormal))
_A_DISTRIBUTION = "expected { value }, { low, high }, { mean } or { p50, p99 } with time spans"
_FAULTS = {kind.__name__.lower(): kind for kind in (Crash, Pause, Deploy, Crashes, Deploys, Script)}
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each mistake, as "key: what is wrong"."""
    return list(dict.fromkeys(_lines(error, model)))


def _lines(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        location = problem["loc"]
        distribution = next((place for place, part in enumerate(location) if part in _DISTRIBUTIONS), None)
        if distribution is not None:
            yield f"{_path(location[:distribution])}: {_A_DISTRIBUTION}"
        elif location and location[-1] in ("str", "timedelta"):
            yield f"{_path(location[:-1])}: found {problem['input']!r}, expected a time span such as '30s'"
        elif problem["type"] in _UNKNOWN:
            yield f"{_path(location)}: unknown key: {did_you_mean(str(location[-1]), _known(location[:-1], model))}"
        else:
            yield f"{_path(location)}: {_message(problem)}"


def _message(problem: Any) -> str:
    if problem["type"] == "missing":
        return "is missing"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "union_tag_invalid":
        kind = problem["ctx"]["tag"]
        return f"unknown kind {kind!r}: {did_you_mean(kind, _FAULTS)}"
    if problem["type"] == "union_tag_not_found":
        return f"has no kind; expected one of {', '.join(_FAULTS)}"
    return f"found {problem['input']!r}, {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for place, part in enumerate(location):
        if isinstance(part, int):
            text += f"[{part}]"
        elif part in _FAULTS and place and isinstance(location[place - 1], int):
            continue  # the tag of a fault, which is no key
        else:
            text += f".{part}" if text else str(part)
    return text or "the file"


def _known(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The keys that exist at a place of the file."""
    container: Any = model
    for part in location:
        container = _inside(container, part)
    if container is None:
        return []
    if is_dataclass(container):
        return [field.name for field in fields(container)]
    return list(container.model_fields)


def _inside(container: Any, part: int | str) -> Any:
    """The type found under a key; tables of named things and lists stand for what they hold."""
    if part in _FAULTS:
        return _FAULTS[str(part)]
    if isinstance(container, type) and issubclass(container, BaseModel):
        if part == "faults" and "services" not in container.model_fields:
            return Mixture
        field = container.model_fields.get(str(part))
        return None if field is None else _held(field.annotation)
    if container is Outage and part == "faults":
        return Mixture
    return container


def _held(annotation: Any) -> Any:
    for held in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(held, type) and (issubclass(held, BaseModel) or held in (Outage, Mixture)):
            return held
    return None
