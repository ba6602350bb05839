"""A state machine as a user gives it along with a workflow, and what a model makes of it.

`@workflow(idioms={"state_machine": ...})` takes the definition as a dict or as JSON or YAML text, or a
`StateMachineDefinition` where the functions that it calls are not among the workflow's own activities. One that was
parsed before is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from durable_sim.errors import UserError
from durable_sim.models.state_machine.language.definition import StateMachine, load, parse
from durable_sim.models.state_machine.maps import is_distributed, processor_of
from durable_sim.models.state_machine.resources import Resource, function_name, resource_of
from durable_sim.workflows.definitions import Build, WorkflowDefinition, name_of

IDIOM = "state_machine"
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class StateMachineDefinition:
    """A state machine in the Amazon States Language, and the activities that its tasks call by name."""

    definition: Mapping[str, Any] | str | StateMachine
    activities: tuple[Function, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployed:
    """A state machine as it was deployed with a version of the code."""

    machine: StateMachine
    build: Build
    activities: Mapping[str, Function]

    def function(self, name: str) -> Function | None:
        """The code behind the name of a function."""
        return self.activities.get(name) or self.build.activity(name)


def deployed(workflow: WorkflowDefinition, build: Build) -> Deployed:
    """The state machine that a workflow comes with.

    Raises:
        UserError: it comes with none, or with something else; or its tasks name functions that nobody has.
    """
    if IDIOM not in workflow.idioms:
        raise UserError(
            f"workflow {workflow.name} has no state-machine definition: give it one with "
            f'@workflow(idioms={{"{IDIOM}": {{"StartAt": ..., "States": {{...}}}}}}), or choose another execution model'
        )
    given = workflow.idioms[IDIOM]
    if not isinstance(given, StateMachineDefinition):
        given = StateMachineDefinition(given)
    found = Deployed(
        _machine(workflow.name, given.definition),
        build,
        MappingProxyType({name_of(function, "activity"): function for function in given.activities}),
    )
    _check_functions(workflow.name, found)
    return found


def _machine(workflow: str, definition: Any) -> StateMachine:
    if isinstance(definition, StateMachine):
        return definition
    if isinstance(definition, str):
        return parse(load(definition))
    if isinstance(definition, Mapping):
        return parse(definition)
    raise UserError(
        f"workflow {workflow}: its state machine is a {type(definition).__name__}, expected a dict, or JSON or YAML "
        "text, or a StateMachineDefinition"
    )


def _check_functions(workflow: str, found: Deployed) -> None:
    for name, state in tasks_of(found.machine.definition["States"]):
        function = _named_function(resource_of(state["Resource"]), state)
        if function is not None and found.function(function) is None:
            raise UserError(
                f"workflow {workflow}: state {name!r} calls {function!r}, and there is no activity of that name; "
                f"define it with @activity(name={function!r}), and name it in the workflow or in "
                "StateMachineDefinition(definition, activities=(...,))"
            )


def _named_function(resource: Resource, state: Mapping[str, Any]) -> str | None:
    """The function that a Task calls, None if that shows only when it runs."""
    if resource.function is not None:
        return resource.function
    arguments = state.get("Parameters", state.get("Arguments"))
    named = arguments.get("FunctionName") if isinstance(arguments, Mapping) else None
    return function_name(named) if isinstance(named, str) and not named.startswith("{%") else None


def tasks_of(states: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All Task states by name, those in branches and Maps included."""
    return ((name, state) for name, state in all_states(states) if state["Type"] == "Task")


def all_states(states: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All states by name, those in branches and Maps included."""
    for name, state in states.items():
        yield name, state
        for branch in state.get("Branches", ()):
            yield from all_states(branch["States"])
        if state["Type"] == "Map":
            yield from all_states(processor_of(state)["States"])


def check_express(workflow: str, machine: StateMachine) -> None:
    """Refuse what only Standard workflows have.

    Raises:
        UserError: a task token, .sync, an activity or a distributed Map.
    """
    for name, state in all_states(machine.definition["States"]):
        what = _only_standard(state)
        if what is not None:
            raise UserError(
                f"workflow {workflow}: state {name!r} {what}, which Express workflows do not have; "
                "use express='standard', or another kind of state"
            )


def _only_standard(state: Mapping[str, Any]) -> str | None:
    if state["Type"] == "Map" and is_distributed(state):
        return "is a distributed Map"
    if state["Type"] != "Task":
        return None
    resource = resource_of(state["Resource"])
    if resource.kind == "activity":
        return "is an activity"
    if resource.waits_for_callback:
        return "waits for a task token"
    return "waits for a job (.sync)" if ".sync" in resource.operation else None
