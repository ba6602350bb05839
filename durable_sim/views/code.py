"""Scenarios and their parts as Python code that can be pasted: settings that are the default are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from pathlib import PurePath
from types import FunctionType
from typing import Any

from durable_sim.durations import duration_us, format_us
from durable_sim.library.shop import shop
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.definitions import definition_of


def code_of(value: Any) -> str:
    """A frozen dataclass as the call that makes it; anything else as Python writes it.

    >>> from durable_sim.world.faults import Crash
    >>> code_of(Crash(after="effect_applied", of="payments.charge"))
    "Crash(after='effect_applied', of='payments.charge')"
    """
    match value:
        case type() | FunctionType():
            return _imported(value)[0]
        case timedelta():
            return repr(format_us(duration_us(value)))
        case dict() | Mapping():
            return f"{{{', '.join(f'{key!r}: {code_of(one)}' for key, one in value.items())}}}"
        case list():
            return f"[{', '.join(map(code_of, value))}]"
        case tuple():
            return f"({', '.join(map(code_of, value))}{',' if len(value) == 1 else ''})"
    if not is_dataclass(value):
        return repr(value)
    given = [f"{one.name}={code_of(getattr(value, one.name))}" for one in fields(value) if _is_given(value, one)]
    return f"{type(value).__name__}({', '.join(given)})"


def pytest_of(scenario: Scenario, model: str, seed: int) -> str:
    """A pytest function that runs a scenario and wants it to go well, with all that it has to import."""
    workflow, line = _imported(scenario.workflow)
    settings = {name: getattr(scenario, name) for name in _shown(scenario)}
    arguments = [f"{name}={code_of(value)}" for name, value in settings.items()]
    lines = "".join(f"        {argument},\n" for argument in [workflow, *arguments, f"model={model!r}", f"seed={seed}"])
    imports = {_imported(one)[1]: None for one in _named(settings.values())}
    head = "\n".join([line, *sorted([*imports, "from durable_sim import run"])])
    name = definition_of(scenario.workflow).name
    return f"{head}\n\n\ndef test_{name}() -> None:\n    done = run(\n{lines}    )\n    assert done.ok, done.report()\n"


def pytest_of_file(
    source: str, changes: Sequence[str], model: str, seed: int, executions: Any, faults: Sequence[Any]
) -> str:
    """The same for a scenario file: some of its executions in calm weather, with these faults."""
    names = sorted(dict.fromkeys(type(fault).__name__ for fault in faults))
    imports = [
        *(f"from durable_sim.world.faults import {name}" for name in names),
        "from durable_sim.files.scenario_file import load",
        "from durable_sim.search.trial import trial_of",
    ]
    lines = "".join(f"        {code_of(fault)},\n" for fault in faults)
    return (
        "\n".join(sorted(imports))
        + f"\n\n\ndef test_{_identifier(source)}() -> None:\n"
        + f"    scenario = load({source!r}, {list(changes)!r}).scenario({seed})\n"
        + (f"    faults = [\n{lines}    ]\n" if faults else "    faults = []\n")
        + f"    done = trial_of(scenario, {model!r}, {seed}, {executions!r}).run(faults)\n"
        + "    assert done.ok, done.report()\n"
    )


def _identifier(source: str) -> str:
    return re.sub(r"\W+", "_", PurePath(source).stem)


def _shown(scenario: Scenario) -> list[str]:
    """The fields of a scenario that a test has to give."""
    plain = {one.name: one for one in fields(scenario)}
    ours = {"inputs": True, "services": code_of(scenario.services) != code_of(shop())}
    given = {name: ours.get(name, _is_given(scenario, one)) for name, one in plain.items()}
    return [name for name, shown in given.items() if shown and name not in ("workflow", "name")]


def _is_given(value: Any, one: Field[Any]) -> bool:
    if not one.repr:
        return False
    default = one.default if one.default_factory is MISSING else one.default_factory()
    return bool(default is MISSING or getattr(value, one.name) != default)


def _named(values: Iterable[Any]) -> list[Any]:
    """The classes and functions that the code of some values names."""
    found: list[Any] = []
    for value in values:
        match value:
            case type() | FunctionType():
                found.append(value)
            case dict() | Mapping():
                found += _named(value.values())
            case list() | tuple():
                found += _named(value)
            case _ if is_dataclass(value):
                inner = [getattr(value, one.name) for one in fields(value) if _is_given(value, one)]
                found += [type(value), *_named(inner)]
    return found


def _imported(one: Any) -> tuple[str, str]:
    """The name of a class or a workflow function in the test, and the line that imports it: what a function has made
    cannot be imported."""
    module, qualified = one.__module__, one.__qualname__
    if "<locals>" in qualified:
        maker = qualified.split(".<locals>")[0]
        name = one.__name__ if isinstance(one, type) else definition_of(one).name
        return name, f"# TODO {name} is made by {maker}: from {module} import {maker}; {name} = {maker}(...)"
    return qualified, f"from {module} import {qualified}"
