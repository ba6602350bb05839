"""How a state machine is given along with a workflow, and how its history is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.state_machine.history import to_json
from durable_sim.models.state_machine.language.definition import DefinitionError, parse
from durable_sim.models.state_machine.resources import resource_of
from tests.models.state_machine.driver import machine_of, run, task
from tests.models.state_machine.shop import simulate, workflow_of

DEFINITION = machine_of(P={"Type": "Pass", "Result": "done", "End": True})
YAML = """
StartAt: P
States:
  P:
    Type: Pass
    Result: done
    End: true
"""


@pytest.mark.parametrize(
    "given", [DEFINITION, json.dumps(DEFINITION), YAML, parse(DEFINITION)], ids=["dict", "JSON", "YAML", "parsed"]
)
def test_a_definition_may_be_data_or_text(given: Any) -> None:
    """A dict, JSON or YAML text, or what was parsed before: all the same machine."""
    assert simulate(workflow_of(given)).run().execution.result == "done"


def test_a_bare_definition_will_do() -> None:
    """Without StateMachineDefinition, tasks call the activities that the workflow's code names."""

    @ds.activity
    async def greet(ctx: ds.ActivityContext, order: Any) -> str:
        return f"hello {order['order_id']}"

    @ds.workflow(idioms={"state_machine": machine_of(G={"Type": "Task", "Resource": "greet", "End": True})})
    async def greeting(ctx: ds.WorkflowContext, order: Any) -> Any:
        return await ctx.execute_activity(greet, order, start_to_close_timeout="5s")

    assert simulate(greeting).run().execution.result == "hello o-1"


def test_something_else_is_refused() -> None:
    """A definition that is a number is the user's mistake."""
    with pytest.raises(ds.UserError, match="its state machine is a int, expected a dict, or JSON or YAML text"):
        simulate(workflow_of(3)).run()


def test_a_definition_with_mistakes_is_refused_as_a_whole() -> None:
    """Its problems are told when the first execution starts."""
    with pytest.raises(DefinitionError, match="Nowhere"):
        simulate(workflow_of(machine_of(P={"Type": "Pass", "Next": "Nowhere"}))).run()


@pytest.mark.parametrize(
    ("text", "kind", "function", "waits"),
    [
        ("charge", "lambda", "charge", False),
        ("arn:aws:lambda:us-east-1:1:function:charge:7", "lambda", "charge", False),
        ("arn:aws:states:us-east-1:1:activity:charge", "activity", "charge", False),
        ("arn:aws:states:::lambda:invoke", "service", None, False),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", "service", "sqs:sendMessage", True),
        ("arn:aws:states:::aws-sdk:s3:getObject", "service", "aws-sdk:s3:getObject", False),
    ],
)
def test_resources(text: str, kind: str, function: str | None, waits: bool) -> None:
    """A Resource says which events tell of its task, which function is called, and whether a callback ends it."""
    found = resource_of(text)
    assert (found.kind, found.function, found.waits_for_callback) == (kind, function, waits)


def test_the_history_is_told_as_the_service_does() -> None:
    """Details stand under the name of their kind, values are JSON text, times are those of the simulation."""
    events = [to_json(event) for event in run(machine_of(A=task(Assign={"v.$": "$"})), {"k": 1}, f=[7]).events]
    assert events[1] == {
        "timestamp": "2026-01-01T00:00:00.000Z",
        "type": "TaskStateEntered",
        "id": 2,
        "previousEventId": 0,
        "stateEnteredEventDetails": {"name": "A", "input": '{"k":1}', "inputDetails": {"truncated": False}},
    }
    assert "lambdaFunctionStartedEventDetails" not in events[3]
    assert events[5]["stateExitedEventDetails"]["assignedVariables"] == {"v": "7"}
    assert events[6]["executionSucceededEventDetails"]["output"] == "7"
