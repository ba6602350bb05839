"""What an explorer explores: how to make the scenario of one execution, and what of it can be chosen.

Takes a scenario, the path of a scenario file, the name of a library workload, a workflow function, or a function that
makes one of its parameters. Always holds: the scenario has one execution, the first of what was given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from durable_sim.api import scenario_of
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.files.scenario_file import load
from durable_sim.library.workloads import Workload, find_workload
from durable_sim.models.registry import models_for
from durable_sim.randomness import Randomness
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import Script

Values = Mapping[str, Sequence[Any]]
"""What can be chosen for each parameter."""
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Subject:
    """A maker of scenarios: `make(seed, parameters)`. `choices` are the values of each parameter that can be chosen,
    `chosen` those it has at first."""

    make: Callable[[int, Mapping[str, Any]], Scenario]
    choices: Values = field(default_factory=lambda: _NONE)
    chosen: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    seed: int = 0

    def scenario(self, seed: int, parameters: Mapping[str, Any] = _NONE) -> Scenario:
        """The scenario of the first execution, with its own faults."""
        return first_execution(self.make(seed, {**self.chosen, **parameters}))

    def models(self, parameters: Mapping[str, Any] = _NONE) -> tuple[str, ...]:
        """The execution models that can run it."""
        scenario = self.scenario(self.seed, parameters)
        return models_for(scenario.workflow, {stimulus.kind for stimulus in scenario.stimuli})


def subject_of(
    what: Scenario | str | Path | Callable[..., Any],
    input: Any = None,
    *,
    parameters: Values = _NONE,
    **settings: Any,
) -> Subject:
    """What to explore.

    Args:
        what: a scenario; the path of a scenario file; the name of a library workload ("orders.saga"); a workflow
            function, for which `input` and `settings` are as for `durable_sim.run`; or a plain function that takes the
            `parameters` by keyword, and gives a workflow function or a scenario.
        parameters: the values to choose from, by parameter; the first is where it starts, unless the function, file or
            workload says another. Parameters of a workload that are true or false can always be chosen.

    Raises:
        UserError: what was given cannot be explored.
    """
    if isinstance(what, Scenario):
        _no_parameters(parameters, "a scenario")
        return Subject(lambda _seed, _chosen: what)
    if callable(what):
        return _of_code(what, input, parameters, settings)
    if isinstance(what, (str, Path)):
        if str(what).endswith(".toml"):
            return _of_file(what, parameters)
        return _of_workload(find_workload(str(what)), parameters)
    found = f"explorer: found {what!r}, expected a scenario, the path of a scenario file, the name of a workload"
    raise UserError(f"{found}, a workflow function, or a function that makes one")


def first_execution(scenario: Scenario) -> Scenario:
    """A scenario without all executions but the first, and without what is aimed at the others."""
    if len(scenario.inputs) == 1:
        return scenario
    name = scenario.execution_ids()[0]

    def is_meant(one: Any) -> bool:
        roles = ("execution",) if isinstance(one, Script) else ("execution", "target")
        return all(getattr(one, role, None) in (None, name) for role in roles)

    return replace(
        scenario,
        inputs=scenario.inputs[:1],
        faults=tuple(filter(is_meant, scenario.faults)),
        stimuli=tuple(filter(is_meant, scenario.stimuli)),
    )


def _of_code(code: Callable[..., Any], input: Any, choices: Values, settings: Mapping[str, Any]) -> Subject:
    if inspect.iscoroutinefunction(code):
        _no_parameters(choices, "a workflow function; give a function that makes it")
        scenario = scenario_of(code, input, **settings)
        return Subject(lambda _seed, _chosen: scenario)
    known = inspect.signature(code).parameters
    defaults = {name: one.default for name, one in known.items() if one.default is not inspect.Parameter.empty}
    choices = _all_choices(choices, known, defaults)

    def make(_seed: int, chosen: Mapping[str, Any]) -> Scenario:
        made = code(**chosen)
        return made if isinstance(made, Scenario) else scenario_of(made, input, **settings)

    return Subject(make, choices, _first(choices, defaults))


def _of_file(path: str | Path, choices: Values) -> Subject:
    loaded = load(path)
    file = loaded.file
    defaults = {**find_workload(file.workload).parameters, **file.parameters}
    choices = _all_choices(choices, defaults, defaults)

    def make(seed: int, chosen: Mapping[str, Any]) -> Scenario:
        return file.model_copy(update={"parameters": {**file.parameters, **chosen}}).scenario(seed, loaded.name)

    return Subject(make, choices, _first(choices, defaults), file.seed)


def _of_workload(workload: Workload, choices: Values) -> Subject:
    choices = _all_choices(choices, workload.parameters, workload.parameters)

    def make(seed: int, chosen: Mapping[str, Any]) -> Scenario:
        input = workload.inputs(0, Randomness(seed))
        return scenario_of(workload.workflow(**chosen), input, services=workload.services())

    return Subject(make, choices, _first(choices, workload.parameters))


def _all_choices(given: Values, known: Mapping[str, Any], defaults: Mapping[str, Any]) -> Values:
    """The choices given, and true or false for what is one of the two."""
    for name, values in given.items():
        if name not in known:
            raise UnknownNameError("parameter", name, known)
        if not values:
            raise UserError(f"explorer: parameter {name} has no values to choose from, expected one or more")
    switches = {name: (True, False) for name, value in defaults.items() if isinstance(value, bool)}
    return {**switches, **{name: tuple(values) for name, values in given.items()}}


def _first(choices: Values, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Where each parameter starts."""
    return {name: defaults[name] if defaults.get(name) in values else values[0] for name, values in choices.items()}


def _no_parameters(parameters: Values, what: str) -> None:
    if parameters:
        raise UserError(f"explorer: found parameters {', '.join(parameters)}, but was given {what}")
