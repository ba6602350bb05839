"""What is wrong with the names in a scenario file, which only the library, the models and the services can tell.

Reads the data as written, so that a file whose shape is wrong elsewhere still has all its names checked; what has the
wrong shape itself is passed over here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UnknownNameError, UserError, did_you_mean
from durable_sim.files.problems import joined, shown, unreadable
from durable_sim.library.shop import shop
from durable_sim.library.workloads import Workload, find_workload
from durable_sim.models.registry import COMMON_MODELS, MODELS, not_taken
from durable_sim.models.replay.model import Cache
from durable_sim.models.workers import BASE
from durable_sim.randomness import Randomness
from durable_sim.simulation.scenario import (
    NO_TARGET,
    STIMULI,
    check_workflow,
    execution_ids,
    own_id,
    problems_of_instead,
    problems_of_references,
)
from durable_sim.workflows.definitions import definition_of
from durable_sim.world.faults import CALL_FAULTS, Mixture
from durable_sim.world.services.base import ServiceSpec

Data = Mapping[str, Any]
_WORDS: dict[Any, str] = {
    int: "a whole number, 0 or more",
    bool: "true or false",
    str: "text in quotes",
    Mapping[str, int]: "a table of whole numbers, 0 or more",
    Mapping[str, str]: "a table of texts in quotes",
    Cache: 'a number of instances, 0 or more, or "warm", "cold" or "evicted"',
}


def problems_of_names(data: Data) -> Iterator[str]:
    """One line for each name that does not exist, and each option that is not of the kind it should be."""
    workload, lines = _find(data.get("workload"), "workload")
    yield from lines
    if workload is not None:
        yield from _parameters(_table(data, "parameters"), workload)
    for name, code in _table(data, "versions").items():
        yield from _find(code, joined("versions", name))[1]
    specs = shop() if workload is None else workload.services()
    yield from _models(data)
    yield from _services(_table(data, "services"), specs)
    yield from _inputs(data)
    yield from _faults(data, specs, workload)
    yield from _stimuli(data, workload)
    yield from _owed(_table(data, "owed"), specs)
    yield from _instead(_table(data, "instead"), specs)


def _find(name: Any, path: str) -> tuple[Workload | None, list[str]]:
    if not isinstance(name, str):
        return None, []
    try:
        workload = find_workload(name)
        check_workflow(workload.workflow())
        workload.services(), workload.inputs(0, Randomness(0))
    except UserError as error:
        return None, [f"{path}: {str(error).replace('workload ', 'found ', 1) if ':' in name else error}"]
    return workload, []


def _parameters(given: Data, workload: Workload) -> Iterator[str]:
    for name, value in given.items():
        path = joined("parameters", name)
        if name not in workload.parameters:
            yield f"{path}: unknown parameter: {did_you_mean(name, workload.parameters)}"
        elif type(value) is not (kind := type(workload.parameters[name])):
            yield f"{path}: found {shown(value)}, expected {_WORDS.get(kind, kind.__name__)}"


def _models(data: Data) -> Iterator[str]:
    models = data.get("models", list(COMMON_MODELS))
    models = models if isinstance(models, list) else list(COMMON_MODELS)
    for place, name in enumerate(models):
        if isinstance(name, str) and name not in MODELS:
            yield f"{joined('models', place)}: {UnknownNameError('execution model', name, MODELS)}"
        elif name in models[:place]:
            yield f"{joined('models', place)}: found {shown(name)} a second time; leave one out"
    for name in _table(data, "expect"):
        if name not in models:
            known = [model for model in models if isinstance(model, str)]
            yield f"{joined('expect', name)}: not a model of this file: {did_you_mean(name, known)}"
    for name, options in _table(data, "model_options").items():
        path = joined("model_options", name)
        if name not in MODELS:
            yield f"{path}: {UnknownNameError('execution model', name, MODELS)}"
        elif isinstance(options, dict):
            yield from _options(options, MODELS[name].build, MODELS[name].plain_options(), path)


def _services(given: Data, specs: Mapping[str, ServiceSpec]) -> Iterator[str]:
    for name, settings in given.items():
        path = joined("services", name)
        if name not in specs:
            yield f"{path}: {UnknownNameError('service', name, specs)}"
        elif isinstance(settings, dict):
            service = specs[name].service
            yield from _mixture(settings, path)
            yield from _mixture(_table(settings, "outage"), f"{path}.outage")
            yield from _mixture(_table(settings, "downtime"), f"{path}.downtime")
            for operation, own in _table(settings, "operations").items():
                place = joined(f"{path}.operations", operation)
                if operation not in service.operations():
                    yield f"{place}: {UnknownNameError(f'operation of {name}', operation, service.operations())}"
                if isinstance(own, dict):
                    yield from _mixture(own, place)
            known = tuple(inspect.signature(service).parameters)[2:]
            yield from _options(_table(settings, "options"), service, known, f"{path}.options")


def _mixture(settings: Data, path: str) -> Iterator[str]:
    """The probabilities of a mixture, which nobody looks at where it has an unknown key."""
    faults = _table(settings, "faults")
    numbers = {kind: value for kind, value in faults.items() if kind in CALL_FAULTS and type(value) in (int, float)}
    try:
        Mixture(**{kind: float(value) for kind, value in numbers.items()})  # type: ignore[arg-type]
    except UserError as error:
        yield from str(error).replace("faults: ", f"{path}.faults: ").split("\n")


def _options(given: Data, made_by: Any, known: tuple[str, ...], path: str) -> Iterator[str]:
    """Options of a service or a model against the class that takes them."""
    made_by = getattr(made_by, "func", made_by)  # a model with one option fixed is a partial
    hints = get_type_hints(made_by.__init__, localns={"Database": object})  # imported for type checkers only
    defaults = inspect.signature(made_by).parameters
    for name, value in given.items():
        if name not in known:
            yield f"{joined(path, name)}: unknown option: {did_you_mean(name, known)}"
        elif problem := _misfit(value, hints[name], defaults[name].default):
            yield f"{joined(path, name)}: {problem}"


def _misfit(value: Any, hint: Any, default: Any) -> str | None:
    if hint in (Duration, Duration | None):
        problem = unreadable(value)
        if problem is None and duration_us(value) == 0 and duration_us(default) > 0:
            problem = f"found {shown(value)}, expected more than 0s"
        return problem
    expected = next((one for one in _WORDS if hint in (one, one | None)), hint)
    try:
        TypeAdapter(expected).validate_python(value, strict=True)
        parts = value.values() if isinstance(value, dict) else [value]
        fits = not any(isinstance(one, (int, float)) and one < 0 for one in parts)
    except ValidationError:
        fits = False
    return None if fits else f"found {shown(value)}, expected {_WORDS.get(expected, expected)}"


def _inputs(data: Data) -> Iterator[str]:
    inputs = _list(data, "inputs")
    ids = [own_id(one) for one in inputs]
    for place, name in enumerate(ids):
        if name is not None and name in ids[:place]:
            yield (
                f"{joined('inputs', place)}: found the id {shown(name)} a second time; give each input an id of its "
                "own (its first key that is 'id' or ends with '_id')"
            )
    count = _table(data, "arrivals").get("count", 1)
    if inputs and count not in (1, len(inputs)):
        yield f"arrivals.count: found {shown(count)}, expected {len(inputs)}, as many as there are inputs; leave it out"


def _faults(data: Data, specs: Mapping[str, ServiceSpec], workload: Workload | None) -> Iterator[str]:
    workers = data.get("workers", 2)
    ids = [f"w{number + 1}" for number in range(workers)] if type(workers) is int and workers < 10_000 else []
    for path, settings in _tables(data, "faults", "stimuli"):
        executions = _executions(data, workload) if {"execution", "target"} & settings.keys() else []
        unknown = [*(["worker"] if not ids else []), *(["execution", "target"] if not executions else [])]
        known = {key: value for key, value in settings.items() if key not in unknown}  # no telling which there are
        for key, error in problems_of_references(known, ids, (*_table(data, "versions"), BASE), specs, executions):
            yield f"{path}.{key}: {error}"


def _stimuli(data: Data, workload: Workload | None) -> Iterator[str]:
    """Who a stimulus is for, and whether the models take it at all."""
    models = data.get("models", list(COMMON_MODELS))
    models = [one for one in models if isinstance(one, str) and one in MODELS] if isinstance(models, list) else []
    code = workload.workflow() if workload else None
    for path, settings in _tables(data, "stimuli"):
        kind = settings.get("kind")
        refused = [error for model in models if code and kind in STIMULI and (error := not_taken(model, kind, code))]
        if refused:
            yield f"{path}: {refused[0]}, as models = [...]"
        if not {"execution", "target"} & settings.keys() and len(_executions(data, workload)) > 1:
            yield f"{path}: {NO_TARGET}"


def _executions(data: Data, workload: Workload | None) -> list[str]:
    """The ids of the executions; none where they cannot be told."""
    inputs, count = _list(data, "inputs"), _table(data, "arrivals").get("count", 1)
    if workload is None or type(count) is not int:
        return []
    made = inputs or [workload.inputs(number, Randomness(0)) for number in range(count)]
    return execution_ids(tuple(made), definition_of(workload.workflow()).name)


def _owed(given: Data, specs: Mapping[str, ServiceSpec]) -> Iterator[str]:
    kinds = [f"{name}.{kind.name}" for name, spec in specs.items() for kind in spec.service.effects]
    for kind, owed in given.items():
        if isinstance(owed, dict):
            yield f'{joined("owed", kind)}: found a table; write the kind of effect in quotes, as in "email.send"'
        elif kind not in kinds:
            yield f"{joined('owed', kind)}: {UnknownNameError('kind of effect', kind, kinds)}"


def _instead(given: Data, specs: Mapping[str, ServiceSpec]) -> Iterator[str]:
    named = {kind: other for kind, other in given.items() if isinstance(other, str)}
    yield from (f"{joined('instead', kind)}: {error}" for kind, error in problems_of_instead(named, specs))


def _table(data: Data, key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _tables(data: Data, *keys: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tables in some lists of tables, each with its path."""
    for key in keys:
        for place, settings in enumerate(_list(data, key)):
            if isinstance(settings, dict):
                yield joined(key, place), settings


def _list(data: Data, key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []
