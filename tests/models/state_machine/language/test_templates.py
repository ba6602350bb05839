"""Payload templates: what a key that ends in ".$" takes."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from durable_sim.models.state_machine.language.errors import StatesError
from durable_sim.models.state_machine.language.paths import read, write
from durable_sim.models.state_machine.language.templates import fill

FOLDER = Path(__file__).parents[3] / "conformance" / "step_functions" / "executions"


def filled(template: Any, data: Any = None, variables: Any = None) -> Any:
    return fill(template, data or {"a": 1, "l": [2, 3]}, {"State": {"Name": "S"}}, variables or {}, random.Random(0))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({"x.$": "$.a"}, {"x": 1}),
        ({"x.$": "$"}, {"x": {"a": 1, "l": [2, 3]}}),
        ({"x.$": "$$.State.Name"}, {"x": "S"}),
        ({"x.$": "$.l[*]"}, {"x": [2, 3]}),
        ({"x.$": "States.ArrayLength($.l)"}, {"x": 2}),
        ({"x": "$.a", "y": [1, None, "States.UUID()"]}, {"x": "$.a", "y": [1, None, "States.UUID()"]}),
        ({"x": {"y": [{"z.$": "$.a", "k": True}]}}, {"x": {"y": [{"z": 1, "k": True}]}}),
        ({".$": "$.a"}, {"": 1}),
        ("$.a", "$.a"),
        ({}, {}),
    ],
)
def test_a_template_is_filled(template: Any, expected: Any) -> None:
    """Paths, the context, functions; what is not under a ".$" is literal. The template stays as it is."""
    before = copy.deepcopy(template)
    assert filled(template) == expected
    assert template == before


def test_variables_are_read_by_name() -> None:
    """As in the recorded execution: $x and $y."""
    golden = json.loads((FOLDER / "assign_variables_jsonpath.json").read_text())
    states = golden["definition"]["States"]
    variables = filled(states["A"]["Assign"], golden["input"])
    assert filled(states["B"]["Parameters"], golden["input"], variables) == golden["output"]


def test_data_flows_as_it_was_recorded() -> None:
    """InputPath, Parameters, ResultSelector, ResultPath and OutputPath, one after the other."""
    golden = json.loads((FOLDER / "paths_input_params_selector_result_output.json").read_text())
    state = golden["definition"]["States"]["A"]
    payload = filled(state["Parameters"], read(state["InputPath"], golden["input"], {}, {}))
    assert payload == golden["calls"][0]["payload"]
    answer = golden["functions"]["f"][0]
    result = payload if answer.get("return_input") else answer["return"]
    output = write(state["ResultPath"], golden["input"], filled(state["ResultSelector"], result))
    assert read(state["OutputPath"], output, {}, {}) == golden["output"]


def test_a_result_joins_the_input_as_it_was_recorded() -> None:
    """The first reservation is kept under its ResultPath, and the caught error beside it."""
    golden = json.loads((FOLDER / "ddb_conditional_reserve_then_oos.json").read_text())
    states, output = golden["definition"]["States"], golden["output"]
    reserved = write(states["R1"]["ResultPath"], golden["input"], output["u"])
    assert write(states["R2"]["Catch"][0]["ResultPath"], reserved, output["err"]) == output


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ({"x.$": "$.none"}, "States.Runtime"),
        ({"x.$": "$none"}, "States.Runtime"),
        ({"x.$": 1}, "States.Runtime"),
        ({"x.$": "States.ArrayLength($.a)"}, "States.IntrinsicFailure"),
    ],
)
def test_a_template_that_cannot_be_filled_fails(template: Any, error: str) -> None:
    """What is missing is States.Runtime, which no Catch takes; the cause names the field."""
    with pytest.raises(StatesError) as failed:
        filled(template)
    assert failed.value.error == error
    if error == "States.Runtime":
        assert "'x.$'" in failed.value.cause
