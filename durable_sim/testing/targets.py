"""What a test is about: a workflow function, a scenario, or a scenario file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from durable_sim.api import scenario_of
from durable_sim.errors import UserError
from durable_sim.simulation.scenario import Scenario

Subject = Scenario | Callable[..., Any] | str


@dataclass(frozen=True, slots=True)
class Target:
    """A scenario, and the file and the changes that it is from, if these say all of it."""

    scenario: Scenario
    source: str = ""
    changes: tuple[str, ...] = ()


def target_of(subject: Subject, input: Any, seed: int, settings: dict[str, Any]) -> Target:
    """The target that a test names.

    Raises:
        UserError: neither a scenario, nor the path of a scenario file, nor a workflow function.
    """
    if isinstance(subject, str):
        from durable_sim.files.scenario_file import load  # pydantic only where a file is read

        changes = tuple(settings.pop("changes", ()))
        scenario = load(subject, changes).scenario(seed)
        target = Target(_changed(scenario, input, settings), subject, changes)
        return target if target.scenario is scenario else Target(target.scenario)
    if isinstance(subject, Scenario):
        return Target(_changed(subject, input, settings))
    if not callable(subject):
        raise UserError(
            f"found {subject!r:.40}, expected a workflow function, a Scenario or the path of a scenario file"
        )
    return Target(scenario_of(subject, input, **settings))


def _changed(scenario: Scenario, input: Any, settings: dict[str, Any]) -> Scenario:
    if input is not None:
        settings = {"inputs": (input,), **settings}
    return replace(scenario, **settings) if settings else scenario
