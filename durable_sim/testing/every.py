"""Tests as decorators: `every_crash` sweeps, `any_faults` searches; the pytest plugin runs what they describe.

Here is only what a test asks for, as data; nothing of pytest or Hypothesis is imported. Always holds: a decorated test
passes only if faults hit something in flight, nothing went wrong in any run, and all its marks were reached.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from durable_sim.checks.oracles import Oracle
from durable_sim.errors import UserError
from durable_sim.search.baseline import Executions
from durable_sim.search.explorer import At
from durable_sim.search.families import Settings, families_of
from durable_sim.testing.targets import Subject

Test = TypeVar("Test", bound=Callable[..., Any])
PLAN = "durable_sim_plan"
"""The attribute by which the plugin knows a decorated test: its plan, or None if it was decorated wrongly."""
RUN = "run"
"""The argument by which a test is given each run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a decorated test asks for. None stands for the command line's choice."""

    subject: Subject
    input: Any
    models: tuple[str, ...]
    faults: tuple[str, ...]
    seed: int | None
    oracles: tuple[str | Oracle, ...]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sweeping(Plan):
    """Every fault of some families at every place."""

    depth: int | None = None
    at: At | None = None
    executions: Executions = 1
    faults_are: Settings = Settings()


@dataclass(frozen=True, slots=True)
class Searching(Plan):
    """Any set of faults, drawn by Hypothesis."""

    max_faults: int = 4
    max_examples: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


def every_crash(
    subject: Subject,
    input: Any = None,
    *,
    models: Iterable[str] | str = ("replay",),
    depth: int | None = None,
    faults: str | Iterable[str] = ("crash",),
    at: At | None = None,
    seed: int | None = None,
    executions: Executions = 1,
    oracles: str | Oracle | Iterable[str | Oracle] = (),
    faults_are: Settings = Settings(),
    **settings: Any,
) -> Callable[[Test], Test]:
    """A test that lets a worker crash at every place of a run, once for each execution model.

    The test function is called with each run if it has an argument `run`, and may assert what it likes; every verdict
    that is neither completed nor compensated fails it anyway. Other arguments are fixtures. With pytest and the plugin
    that comes along nothing has to be imported but this.

    Args:
        subject: a workflow function (in the shop, unless `services` are given), a `Scenario`, or the path of a scenario
            file (with `changes=["parameters.keys=false"]` over it).
        input: what the execution is given, in place of the scenario's own inputs.
        models: execution models, each a test of its own.
        depth: how many crashes in one run; by default `--durable-depth`, or 1.
        faults: other families than crashes: see `durable_sim.search.families.FAMILIES`.
        at: only at places with these words: kinds of record, phases, operations, activities.
        seed: decides the latencies; by default `--durable-seed`, or 0.
        executions: how many of the scenario's executions run together, or the id of the one that runs alone.
        oracles: further checks, by name or as functions.
        faults_are: how long the faults last.
        settings: further settings of the scenario: services, workers, horizon, versions, ...

    >>> from durable_sim.library.orders import correct_order
    >>> @every_crash(correct_order(), {"order_id": "o-1"}, models=["replay", "steps"], depth=2)
    ... def test_order(run):
    ...     assert len(run.ledger) >= 5
    """
    asked = Sweeping(
        subject,
        input,
        _names(models),
        families_of(faults),
        seed,
        _several(oracles),
        settings,
        depth,
        at,
        executions,
        faults_are,
    )
    return _decorator("every_crash", asked)


def any_faults(
    subject: Subject,
    input: Any = None,
    *,
    models: Iterable[str] | str = ("replay",),
    faults: str | Iterable[str] = "all",
    max_faults: int = 4,
    max_examples: int | None = None,
    seed: int | None = None,
    oracles: str | Oracle | Iterable[str | Oracle] = (),
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Callable[[Test], Test]:
    """A test that lets Hypothesis look for faults that break a workflow, once for each execution model.

    Arguments as for `every_crash`, and:

    Args:
        faults: the families that it may draw from; each example draws from some of them only (swarm testing).
        max_faults: at most so many faults in one run.
        max_examples: how many runs; by default what Hypothesis' profile says.
        options: further arguments of `durable_sim.testing.strategies.scenarios`, such as strategies for inputs.
    """
    asked = Searching(
        subject,
        input,
        _names(models),
        families_of(faults),
        seed,
        _several(oracles),
        settings,
        max_faults,
        max_examples,
        options or {},
    )
    return _decorator("any_faults", asked)


def _names(models: Iterable[str] | str) -> tuple[str, ...]:
    names = (models,) if isinstance(models, str) else tuple(models)
    if not names:
        raise UserError("models: there is none, expected at least one, as in models=['replay']")
    return names


def _several(oracles: str | Oracle | Iterable[str | Oracle]) -> tuple[str | Oracle, ...]:
    return (oracles,) if isinstance(oracles, str) or callable(oracles) else tuple(oracles)


def _decorator(name: str, plan: Plan) -> Callable[[Test], Test]:
    """What makes a test of a function. Where a test is decorated without parentheses, pytest takes this for the test:
    called without a function, it says so."""

    def decorate(*functions: Any) -> Any:
        if not functions or not callable(functions[0]):
            raise UserError(f"@{name} stands without parentheses, expected @{name}(workflow, input)")
        return _planned(functions[0], plan)

    decorate.__signature__ = inspect.Signature()  # type: ignore[attr-defined]  # of a test without fixtures
    setattr(decorate, PLAN, None)
    return decorate


def _planned(function: Test, plan: Plan) -> Test:
    """The test as pytest sees it: without `run`, which the plugin gives it, with the plugin's own fixtures."""
    own = inspect.signature(function)

    @wraps(function)
    def test(*arguments: Any, durable: Any, durable_model: str, **fixtures: Any) -> None:
        @wraps(function)  # so that what goes wrong in it is told with its own line, and in its own words
        def body(run: Any) -> object:
            given = {RUN: run, **fixtures} if RUN in own.parameters else fixtures
            return function(*arguments, **given)

        durable.carry_out(plan, durable_model, body)

    kept = [parameter for name, parameter in own.parameters.items() if name != RUN]
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("durable", "durable_model")]
    test.__signature__ = own.replace(parameters=[*kept, *added], return_annotation=None)  # type: ignore[attr-defined]
    setattr(test, PLAN, plan)
    return test  # type: ignore[return-value]
