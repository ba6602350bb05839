"""Which functions there are: those of each version of the code, and those that code has named since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durable_sim.models.executions import Home
from durable_sim.models.steps.function import StepFunction, as_function, functions_of
from durable_sim.models.steps.protocol import Event


class Directory:
    """The functions of a simulation, by version and id. A version's own code comes first."""

    def __init__(self, home: Home, more: tuple[StepFunction, ...] = ()) -> None:
        self._home = home
        self._by_version: dict[str | None, dict[str, StepFunction]] = {}
        self._learnt: dict[str, StepFunction] = {}
        for function in more:
            self.learn(function)

    def find(self, version: str | None, function_id: str) -> StepFunction | None:
        """A function as a worker of that version has it; None where it has none of that id."""
        return self._of(version).get(function_id) or self._learnt.get(function_id)

    def deployed(self, function_id: str) -> StepFunction | None:
        """A function as the code that was deployed last has it."""
        return self.find(self._home.fleet.version, function_id)

    def concerned(self, event: Event) -> list[StepFunction]:
        """The functions of the code deployed last that an event may start, or whose flow control must hear of it."""
        known = {**self._learnt, **self._of(self._home.fleet.version)}
        return [one for one in known.values() if one.flow is not None or one.starts_on(event)]

    def learn(self, given: StepFunction | Callable[..., Any]) -> None:
        """Code has named a function by itself: it is known under its id from now on."""
        function = as_function(given)
        handler = function.failure_handler()
        for one in (function, handler) if handler else (function,):
            self._learnt.setdefault(one.id, one)

    def _of(self, version: str | None) -> dict[str, StepFunction]:
        if version not in self._by_version:
            functions = functions_of(self._home.definition(version))
            self._by_version[version] = {function.id: function for function in functions}
        return self._by_version[version]
