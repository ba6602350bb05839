"""Scenarios and their parts as Python code that can be pasted: settings that are the default are left out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import timedelta
from functools import reduce
from pathlib import PurePath
from types import FunctionType
from typing import Any

from durable_sim.checks.oracles import oracle_name
from durable_sim.durations import duration_us, format_us
from durable_sim.library.shop import shop
from durable_sim.simulation.scenario import Scenario
from durable_sim.workflows.definitions import definition_of

Check = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Checks:
    """What a test asks beyond the verdicts: oracles and invariants that can be imported, and the names of those that
    found what it is about and cannot be."""

    oracles: tuple[Check, ...] = ()
    invariants: tuple[Check, ...] = ()
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.oracles or self.invariants)

    @property
    def arguments(self) -> str:
        """As arguments of `trial_of`, each after a comma."""
        given = {"oracles": self.oracles, "invariants": self.invariants}
        return "".join(f", {kind}=[{', '.join(map(called, checks))}]" for kind, checks in given.items() if checks)

    @property
    def imports(self) -> list[str]:
        """The lines that import them."""
        own = (one for one in (*self.oracles, *self.invariants) if oracle_name(one) is None)
        return [f"from {one.__module__} import {one.__qualname__.partition('.')[0]}" for one in own]

    @property
    def end(self) -> str:
        """The last lines of the test, which fail as long as the run of the name `done` is wrong, or a check is missing
        in it."""
        line = "    assert done.ok, done.report()\n"
        if not self.missing:
            return line
        return f'{line}    raise AssertionError("add the check that found this: {", ".join(self.missing)}")\n'


def called(check: Check) -> str:
    """An oracle or invariant as it is given to a search: the name that comes with the package, or a function's own."""
    known = oracle_name(check)
    name = getattr(check, "__qualname__", type(check).__qualname__).rpartition("<locals>.")[2]
    return name if known is None else repr(known)


def is_importable(check: Check) -> bool:
    """Whether a test in another file can import a check; it need not import one that comes with the package."""
    if oracle_name(check) is not None:
        return True
    home: Any = sys.modules.get(getattr(check, "__module__", ""))
    found = reduce(lambda one, part: getattr(one, part, None), getattr(check, "__qualname__", "").split("."), home)
    return found is check and check.__module__ != "__main__"


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


def pytest_of(scenario: Scenario, model: str, seed: int, checks: Checks = Checks()) -> str:
    """A pytest function that runs a scenario and wants it to go well, with all that it has to import."""
    settings = [f"model={model!r}", f"seed={seed}"]
    body = _call("done = run", [*_arguments(scenario), *settings])
    return _pytest(scenario, (), ["from durable_sim import run"], f"{body}{checks.end}")


def pytest_of_trial(scenario: Scenario, model: str, seed: int, faults: Sequence[Any], checks: Checks) -> str:
    """The same for a calm scenario and faults in it, with further checks."""
    imports = [*checks.imports, _TRIAL, "from durable_sim.api import scenario_of"]
    made = _call("scenario = scenario_of", _arguments(scenario))
    return _pytest(scenario, faults, imports, f"{made}{_listed(faults)}{_tried(model, seed, None, checks)}{checks.end}")


def pytest_of_file(
    source: str,
    changes: Sequence[str],
    model: str,
    seed: int,
    executions: Any,
    faults: Sequence[Any],
    checks: Checks = Checks(),
) -> str:
    """The same for a scenario file: some of its executions in calm weather, with these faults."""
    kinds = dict.fromkeys(type(fault).__name__ for fault in faults)
    loads = "from durable_sim.files.scenario_file import load"
    imports = sorted(
        {*(f"from durable_sim.world.faults import {kind}" for kind in kinds), *checks.imports, loads, _TRIAL}
    )
    return (
        "\n".join(imports)
        + f"\n\n\ndef test_{_identifier(source)}() -> None:\n"
        + f"    scenario = load({source!r}, {list(changes)!r}).scenario({seed})\n"
        + f"{_listed(faults)}{_tried(model, seed, executions, checks)}{checks.end}"
    )


def _pytest(scenario: Scenario, faults: Sequence[Any], imports: Sequence[str], body: str) -> str:
    """A test of a scenario, and all that it has to import."""
    settings = [getattr(scenario, name) for name in _shown(scenario)]
    lines = {*imports, *(_imported(one)[1] for one in _named([*settings, list(faults)]))}
    head = "\n".join([_imported(scenario.workflow)[1], *sorted(lines)])
    return f"{head}\n\n\ndef test_{definition_of(scenario.workflow).name}() -> None:\n{body}"


_TRIAL = "from durable_sim.search.trial import trial_of"


def _arguments(scenario: Scenario) -> list[str]:
    """The arguments that make a scenario."""
    settings = (f"{name}={code_of(getattr(scenario, name))}" for name in _shown(scenario))
    return [_imported(scenario.workflow)[0], *settings]


def _call(head: str, arguments: Iterable[str]) -> str:
    """A call with an argument a line."""
    return f"    {head}(\n{''.join(f'        {argument},{chr(10)}' for argument in arguments)}    )\n"


def _listed(faults: Sequence[Any]) -> str:
    """The line or lines that list faults."""
    lines = "".join(f"        {code_of(fault)},\n" for fault in faults)
    return f"    faults = [\n{lines}    ]\n" if faults else "    faults = []\n"


def _tried(model: str, seed: int, executions: Any, checks: Checks) -> str:
    """The line that tries these faults in this scenario."""
    return f"    done = trial_of(scenario, {model!r}, {seed}, {executions!r}{checks.arguments}).run(faults)\n"


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
