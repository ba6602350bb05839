"""Drives the pure interpreter with a clock of its own: functions by name, answers at once or after a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from durable_sim.durations import SECOND
from durable_sim.models.state_machine.actions import (
    Action,
    CancelTimer,
    Ended,
    ForgetTask,
    InvokeTask,
    SetTimer,
    StartChild,
    StopChild,
    TaskClosed,
)
from durable_sim.models.state_machine.core import Identity, Limits
from durable_sim.models.state_machine.history import Event
from durable_sim.models.state_machine.language.definition import parse
from durable_sim.models.state_machine.machine import Machine
from durable_sim.models.state_machine.strands import Failure
from durable_sim.randomness import Randomness


@dataclass(frozen=True)
class Fails:
    """A function that raises."""

    error: str
    cause: str = ""


@dataclass(frozen=True)
class After:
    """A function that takes a while."""

    seconds: float
    answer: Any


Function = Callable[[Any], Any]


class Driver:
    """One execution and its children, played until nothing is left to happen.

    A function is given as `callable(payload)`, as a list of answers (the last one repeats) or as one answer.
    """

    def __init__(
        self,
        definition: Mapping[str, Any],
        whole_input: Any = None,
        functions: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.functions = {name: _function(told) for name, told in (functions or {}).items()}
        self.limits = limits or Limits()
        self.now_us = 0
        self.calls: list[InvokeTask] = []
        self.actions: list[Action] = []
        self.machines: dict[str, Machine] = {}
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._cancelled: set[str] = set()
        self._parents: dict[str, tuple[str, str]] = {}
        self._set = 0
        self._add("x", "x", parse(dict(definition)), {} if whole_input is None else whole_input)

    @property
    def machine(self) -> Machine:
        """The execution itself."""
        return self.machines["x"]

    @property
    def ended(self) -> Ended:
        """How it ended."""
        return self.machine.ended

    @property
    def events(self) -> list[Event]:
        """Its history."""
        return list(self.machine.history)

    @property
    def types(self) -> list[str]:
        """The types of the events."""
        return [event.type for event in self.events]

    def run(self, until_s: float = 1e9) -> Driver:
        """Start it, and let happen what is to happen until then."""
        if not self.events:
            self.tell("x", self.machine.start(self.now_us))
        while self._agenda and self._agenda[0][0] <= until_s * SECOND:
            self.now_us, _, act = heappop(self._agenda)
            act()
        return self

    def tell(self, name: str, actions: list[Action]) -> None:
        """Do what a machine asks for."""
        for action in actions:
            self.actions.append(action)
            self._do(name, action)

    # --- inside ---
    def _add(self, name: str, run_id: str, definition: Any, data: Any) -> Machine:
        machine = self.machines[name] = Machine(definition, data, Identity(name, run_id), Randomness(1), self.limits)
        return machine

    def _later(self, delay_us: int, act: Callable[[], None]) -> None:
        self._set += 1
        heappush(self._agenda, (self.now_us + delay_us, self._set, act))

    def _do(self, name: str, action: Action) -> None:
        machine = self.machines[name]
        match action:
            case InvokeTask():
                self.calls.append(action)
                self._later(0, lambda: self._invoke(name, action))
            case SetTimer(token=token, due_us=due_us):
                self._later(due_us - self.now_us, lambda: self._fire(name, token))
            case CancelTimer(token=token):
                self._cancelled.add(token)
            case StartChild():
                self._parents[action.name] = (name, action.token)
                if action.goes_on and self.machines[action.name].can_be_redriven:
                    self.tell(action.name, self.machines[action.name].redrive(self.now_us))
                else:
                    child = self._add(action.name, action.name, action.definition, action.input)
                    self.tell(action.name, child.start(self.now_us))
            case StopChild(token=token):
                child_name = next(child for child, (_, own) in self._parents.items() if own == token)
                self.tell(child_name, self.machines[child_name].stop(self.now_us))
            case Ended() if name in self._parents:
                parent, token = self._parents[name]
                failure = None if action.status == "SUCCEEDED" else Failure(action.error or "", action.cause)
                told = self.machines[parent].child_ended
                self._later(0, lambda: self.tell(parent, told(token, action.output, failure, self.now_us)))
            case ForgetTask() | TaskClosed() | Ended():
                assert machine is not None

    def _fire(self, name: str, token: str) -> None:
        if token not in self._cancelled:
            self.tell(name, self.machines[name].timer_fired(token, self.now_us))

    def _invoke(self, name: str, task: InvokeTask) -> None:
        self.tell(name, self.machines[name].task_started(task.token, self.now_us, "w1"))
        answer = self.functions[task.function](task.payload)
        if isinstance(answer, After):
            self._later(round(answer.seconds * SECOND), lambda: self._answered(name, task, answer.answer))
        else:
            self._answered(name, task, answer)

    def _answered(self, name: str, task: InvokeTask, answer: Any) -> None:
        machine = self.machines[name]
        if isinstance(answer, Fails):
            self.tell(name, machine.task_failed(task.token, answer.error, answer.cause, self.now_us))
        else:
            self.tell(name, machine.task_ended(task.token, answer, self.now_us))


def _function(told: Any) -> Function:
    if callable(told):
        return told  # type: ignore[no-any-return]
    answers = list(told) if isinstance(told, list) else [told]
    return lambda payload: answers.pop(0) if len(answers) > 1 else answers[0]


def machine_of(**states: Mapping[str, Any]) -> dict[str, Any]:
    """A definition of these states, which begins with the first."""
    return {"StartAt": next(iter(states)), "States": dict(states)}


def task(function: str = "f", **fields: Any) -> dict[str, Any]:
    """A Task state that calls a function, and is the end unless it says otherwise."""
    following = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": f"arn:aws:lambda:us-east-1:1:function:{function}", **following, **fields}


def run(
    definition: Mapping[str, Any], whole_input: Any = None, limits: Limits | None = None, **functions: Any
) -> Driver:
    """Play a definition to its end."""
    return Driver(definition, whole_input, functions, limits).run()
