"""What a Task's Resource names: which function is called, with what, and which events tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from durable_sim.models.state_machine.actions import TaskKind
from durable_sim.models.state_machine.language.errors import StatesError

CALLBACK = ".waitForTaskToken"
_LAMBDA_INVOKE = "lambda:invoke"
_ANSWER = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}


class EventNames(NamedTuple):
    """The types of event that tell of a task."""

    scheduled: str
    started: str
    succeeded: str
    failed: str
    timed_out: str

    @classmethod
    def of(cls, start: str) -> EventNames:
        """All that begin so."""
        return cls(*(f"{start}{end}" for end in ("Scheduled", "Started", "Succeeded", "Failed", "TimedOut")))


EVENTS: dict[TaskKind, EventNames] = {
    "lambda": EventNames.of("LambdaFunction"),
    "service": EventNames.of("Task"),
    "activity": EventNames.of("Activity"),
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A Resource taken apart. `service` and `operation` are "lambda" and "invoke" of arn:aws:states:::lambda:invoke.

    `function` is None where the parameters name it.
    """

    text: str
    kind: TaskKind
    function: str | None
    service: str = ""
    operation: str = ""

    @property
    def waits_for_callback(self) -> bool:
        """Whether somebody with the task token ends the task."""
        return self.operation.endswith(CALLBACK)

    @property
    def invokes_lambda(self) -> bool:
        """Whether it is the Lambda integration, which wraps payload and result."""
        return f"{self.service}:{self.operation.removesuffix(CALLBACK)}" == _LAMBDA_INVOKE

    def call(self, arguments: Any) -> tuple[str, Any]:
        """The function to call, and its payload.

        Raises:
            StatesError: the parameters name no function.
        """
        if not self.invokes_lambda:
            return self.function or "", arguments
        named = arguments.get("FunctionName") if isinstance(arguments, dict) else None
        if not isinstance(named, str) or not named:
            raise StatesError("States.Runtime", f"FunctionName is {named!r}, expected the name or ARN of a function")
        return function_name(named), arguments.get("Payload", {})

    def result(self, value: Any) -> Any:
        """What the task gives for what the function returned."""
        return {**_ANSWER, "Payload": value} if self.invokes_lambda else value

    def told(self) -> dict[str, Any]:
        """How the events of a task name it."""
        return {"resourceType": self.service, "resource": self.operation} if self.kind == "service" else {}


def resource_of(text: str) -> Resource:
    """Take a Resource apart.

    >>> resource_of("arn:aws:lambda:us-east-1:123456789012:function:charge").function
    'charge'
    >>> resource_of("arn:aws:states:::lambda:invoke.waitForTaskToken").waits_for_callback
    True
    >>> resource_of("arn:aws:states:::states:startExecution.sync:2").operation
    'startExecution.sync:2'
    """
    parts = text.split(":")
    if parts[0] != "arn":
        return Resource(text, "lambda", text)
    if parts[2:3] == ["lambda"]:
        return Resource(text, "lambda", function_name(text))
    if "activity" in parts:
        return Resource(text, "activity", parts[-1])
    *service, operation = parts[5:]
    if operation.isdigit() and service:  # ".sync:2": the form of the operation that gives its output as JSON
        *service, operation = *service[:-1], f"{service[-1]}:{operation}"
    plain = operation.removesuffix(CALLBACK)
    named = None if [*service, plain] == ["lambda", "invoke"] else ":".join((*service, plain))
    return Resource(text, "service", named, ":".join(service), operation)


def function_name(named: str) -> str:
    """The bare name of a function that is given by name or ARN, with or without a version or alias.

    >>> function_name("arn:aws:lambda:us-east-1:123456789012:function:charge:prod"), function_name("charge:3")
    ('charge', 'charge')
    """
    _, found, rest = named.partition(":function:")
    return (rest if found else named).split(":")[0]
