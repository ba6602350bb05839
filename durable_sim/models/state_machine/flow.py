"""How data flows through a state: from its input to what it works on, and from a result to its output and variables.

Both query languages: the five fields of JSONPath (InputPath, Parameters, ResultSelector, ResultPath, OutputPath), and
Arguments and Output of JSONata. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, NamedTuple

from durable_sim.durations import SECOND
from durable_sim.models.state_machine.language import jsonata, paths, templates
from durable_sim.models.state_machine.language.errors import QUERY_EVALUATION_ERROR, RUNTIME, StatesError
from durable_sim.models.state_machine.language.retrying import LONGEST_S
from durable_sim.models.state_machine.strands import Failure

State = Mapping[str, Any]


class View(NamedTuple):
    """What expressions of a state can see beside its data."""

    input: Any
    context: Mapping[str, Any]
    variables: Mapping[str, Any]
    randomness: random.Random
    jsonata: bool

    def states(self, **more: Any) -> dict[str, Any]:
        """What a JSONata expression sees as $states."""
        return {"input": self.input, "context": self.context, **more}

    def read(self, path: str, data: Any, error: str = RUNTIME) -> Any:
        """The value at a JSONPath."""
        return paths.read(path, data, self.context, self.variables, error=error)

    def fill(self, template: Any, data: Any) -> Any:
        """A payload template, filled."""
        return templates.fill(template, data, self.context, self.variables, self.randomness)

    def evaluate(self, template: Any, **more: Any) -> Any:
        """A JSONata template, evaluated."""
        return jsonata.evaluate(template, self.states(**more), self.variables, self.randomness)


# --- into a state ---------------------------------------------------------------------------------------------------
def effective_input(state: State, view: View) -> Any:
    """The input after InputPath."""
    path = "$" if view.jsonata else state.get("InputPath", "$")
    return _at(path, view.input, view)


def arguments(state: State, view: View) -> Any:
    """What the state works on: the input after InputPath and Parameters, or the Arguments."""
    if view.jsonata:
        return view.evaluate(state["Arguments"]) if "Arguments" in state else view.input
    data = effective_input(state, view)
    return view.fill(state["Parameters"], data) if "Parameters" in state else data


def value_of(state: State, name: str, view: View, default: Any = None) -> Any:
    """A field that may also be given by a path (`<name>Path`) or an expression."""
    if name in state:
        return view.evaluate(state[name]) if view.jsonata else state[name]
    if f"{name}Path" in state and not view.jsonata:
        return view.read(state[f"{name}Path"], effective_input(state, view))
    return default


def number_of(state: State, name: str, view: View) -> float | None:
    """As `value_of`, for a number that is not negative.

    Raises:
        StatesError: it is something else.
    """
    value = value_of(state, name, view)
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0):
        return value
    error = QUERY_EVALUATION_ERROR if view.jsonata else RUNTIME
    raise StatesError(error, f"{name} is {value!r}, expected a number that is not negative")


def span_us(state: State, name: str, view: View, least_s: int = 0) -> int | None:
    """As `value_of`, for a time in whole seconds.

    Raises:
        StatesError: it is something else, or less than `least_s`.
    """
    seconds = number_of(state, name, view)
    if seconds is None:
        return None
    if seconds % 1 or not least_s <= seconds <= LONGEST_S:
        error = QUERY_EVALUATION_ERROR if view.jsonata else RUNTIME
        raise StatesError(error, f"{name} is {seconds!r}, expected a whole number from {least_s} to {LONGEST_S}")
    return int(seconds) * SECOND


def text_of(state: State, name: str, view: View) -> str | None:
    """As `value_of`, for a text; a path may also hold an intrinsic function."""
    path = state.get(f"{name}Path")
    if path is not None and path.startswith("States.") and not view.jsonata:
        return str(view.fill({"it.$": path}, effective_input(state, view))["it"])
    value = value_of(state, name, view)
    return None if value is None else str(value)


# --- out of a state -------------------------------------------------------------------------------------------------
def selected(state: State, result: Any, view: View) -> Any:
    """A result after ResultSelector."""
    if view.jsonata or "ResultSelector" not in state:
        return result
    return view.fill(state["ResultSelector"], result)


def output(state: State, result: Any, view: View) -> Any:
    """The output that a result (after ResultSelector) makes."""
    if view.jsonata:
        return view.evaluate(state["Output"], result=result) if "Output" in state else result
    return through_output_path(state, placed(state.get("ResultPath", "$"), result, view), view)


def through_output_path(state: State, document: Any, view: View) -> Any:
    """A document after OutputPath."""
    return _at(state.get("OutputPath", "$"), document, view)


def placed(path: str | None, result: Any, view: View) -> Any:
    """A result put into the input as a ResultPath says."""
    if path is None:
        return view.input
    return result if path == "$" else paths.write(path, view.input, result)


def assigned(holder: Mapping[str, Any], data: Any, view: View, **more: Any) -> dict[str, Any]:
    """The variables that Assign sets, of a state, a choice rule or a catcher."""
    template = holder.get("Assign")
    if template is None:
        return {}
    values: dict[str, Any] = view.evaluate(template, **more) if view.jsonata else view.fill(template, data)
    return values


def caught(catcher: Mapping[str, Any], failure: Failure, view: View) -> tuple[Any, dict[str, Any]]:
    """The output and the variables of a catcher."""
    told = {"Error": failure.error, "Cause": failure.cause or ""}
    variables = assigned(catcher, told, view, errorOutput=told)
    if view.jsonata:
        return (view.evaluate(catcher["Output"], errorOutput=told) if "Output" in catcher else told), variables
    return placed(catcher.get("ResultPath", "$"), told, view), variables


def _at(path: str | None, data: Any, view: View) -> Any:
    if path is None:
        return {}
    return data if path == "$" else view.read(path, data)
