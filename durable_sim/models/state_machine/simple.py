"""The states that call nobody: Pass, Choice, Wait, Succeed and Fail."""

from __future__ import annotations

from typing import Any

from durable_sim.durations import SECOND
from durable_sim.models.state_machine import flow
from durable_sim.models.state_machine.core import Core
from durable_sim.models.state_machine.language.choice import choose
from durable_sim.models.state_machine.language.errors import NO_CHOICE_MATCHED, RUNTIME, StatesError
from durable_sim.models.state_machine.language.values import timestamp_us
from durable_sim.models.state_machine.strands import Failure, Stay
from durable_sim.workflows.clock import EPOCH

_EPOCH_US = round(EPOCH.timestamp()) * SECOND


class AtOnce:
    """A state that is done as soon as it is entered."""

    __slots__ = ("core", "stay")

    def __init__(self, core: Core, stay: Stay) -> None:
        self.core = core
        self.stay = stay

    def begin(self) -> None:
        """Do it."""
        raise NotImplementedError

    def abort(self) -> None:
        """Nothing is under way."""

    def redrive(self) -> None:
        """Do it again."""
        self.begin()

    def close(self, failure: Failure) -> None:
        """Nobody was asked for anything."""


class Pass(AtOnce):
    """The input, or a Result, goes on."""

    def begin(self) -> None:
        state, view = self.stay.state, self.core.view(self.stay)
        literal = "Result" in state and not view.jsonata
        self.core.complete(self.stay, state["Result"] if literal else flow.arguments(state, view), view)


class Choice(AtOnce):
    """The first rule that matches says where to go."""

    def begin(self) -> None:
        state, view = self.stay.state, self.core.view(self.stay)
        data = flow.effective_input(state, view)
        chosen, rule = choose(state, data, view.context, view.variables, view.randomness)
        if chosen is None:
            raise StatesError(NO_CHOICE_MATCHED, f"No rule of state '{self.stay.name}' matched, and it has no Default.")
        holder = rule if rule is not None else state
        variables = flow.assigned(holder, data, view)
        if view.jsonata:
            output = view.evaluate(holder["Output"]) if "Output" in holder else view.input
        else:
            output = flow.through_output_path(state, data, view)
        self.core.leave(self.stay, output, variables, chosen)


class Succeed(AtOnce):
    """The end of a strand."""

    def begin(self) -> None:
        state, view = self.stay.state, self.core.view(self.stay)
        self.core.complete(self.stay, flow.effective_input(state, view), view)


class Fail(AtOnce):
    """The failure of a strand, which no Retry or Catch of this state can change."""

    def begin(self) -> None:
        stay, view = self.stay, self.core.view(self.stay)
        error, cause = (flow.text_of(stay.state, name, view) for name in ("Error", "Cause"))
        stay.strand.owner.strand_failed(stay.strand, Failure(error or "", cause))


class Wait(AtOnce):
    """Time passes. A moment that has passed is no wait."""

    __slots__ = ("_timer",)

    def __init__(self, core: Core, stay: Stay) -> None:
        super().__init__(core, stay)
        self._timer: str | None = None

    def begin(self) -> None:
        core, stay = self.core, self.stay
        view = core.view(stay)
        due_us = self._due_us(view)
        self._timer = core.set_timer("wait", due_us, stay.step, lambda: self._over(view), stay.name)

    def abort(self) -> None:
        self.core.cancel_timer(self._timer)

    def _over(self, view: flow.View) -> None:
        self.core.complete(self.stay, flow.effective_input(self.stay.state, view), view)

    def _due_us(self, view: flow.View) -> int:
        state = self.stay.state
        span_us = flow.span_us(state, "Seconds", view)
        if span_us is not None:
            return self.core.now_us + span_us
        return _instant_us(flow.value_of(state, "Timestamp", view))


def _instant_us(text: Any) -> int:
    """A timestamp on the simulation's clock."""
    found = timestamp_us(text)
    if found is None:
        raise StatesError(RUNTIME, f"Timestamp is {text!r}, expected a moment such as 2026-01-31T12:00:00Z")
    return found - _EPOCH_US
