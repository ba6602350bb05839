"""The Hypothesis strategy for whole scenarios: inputs, faults, services, arrivals and workers are drawn together.

There is no second source of chance: what is drawn decides the run (the simulation's seed is fixed, or drawn with
`seeds`), so that Hypothesis can shrink all of it. Shrinks towards calm: no faults, services as they are declared, one
execution, one worker. An example prints as `replace(scenario, ...)` with what was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial, wraps
from typing import Any

from hypothesis import strategies as st

from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.shop import shop
from durable_sim.search.families import SIGNAL, families_of
from durable_sim.simulation.scenario import Scenario, own_id
from durable_sim.testing.drawing import LATEST_MS, tuples
from durable_sim.testing.plans import fault_plans
from durable_sim.testing.worlds import arrival_patterns, service_behaviours, with_behaviours, worker_setups
from durable_sim.world.faults import CALL_FAULTS, Crash, Pause, Placeable, Script
from durable_sim.world.services.base import ServiceSpec

Options = Mapping[str, Mapping[str, Any]]


def seeds() -> st.SearchStrategy[int]:
    """Seeds for a simulation; they shrink to 0."""
    return st.integers(0, 1000)


def scenarios(
    base: Scenario | Callable[..., Any],
    inputs: st.SearchStrategy[Any] | None = None,
    *,
    executions: int = 1,
    services: Mapping[str, ServiceSpec] | None = None,
    model: str = "replay",
    kinds: str | Iterable[str] = "all",
    max_faults: int = 4,
    latest_ms: int = LATEST_MS,
    flaky: float = 0.1,
    swarm: bool = True,
    **settings: Any,
) -> st.SearchStrategy[Scenario]:
    """Scenarios of a workflow, or variations of a scenario.

    Raises:
        UnknownNameError: there is no such kind of fault, model, or field of a scenario.

    Args:
        base: a workflow function, or a scenario, whose own faults and settings are kept.
        inputs: what an execution is given; if left out, the inputs are those of the scenario, or None for a workflow.
        executions: the most executions of a scenario, where `inputs` is given.
        services: the world of a workflow, by default the shop. Fewer runs are needed where these are only the services
            that the workflow calls: any of them may be hit.
        model: the execution model, whose options are drawn.
        kinds: the kinds of fault that plans and flaky services are drawn from, as for `fault_plans`.
        max_faults: the most faults of a plan.
        latest_ms: the last time at which a fault strikes that is placed by time.
        flaky: the highest probability of each kind of fault of a call; 0: services behave as they are declared to.
        swarm: whether each example draws from a random subset of the kinds only.
        settings: other fields of the scenario: values, or strategies of them, such as
            stimuli=signal_timings("approve") or faults=code_versions(["v2"]), to which the plan is added.

    >>> from hypothesis import find
    >>> from durable_sim.library.orders import correct_order
    >>> orders = st.fixed_dictionaries({"order_id": st.just("o-1"), "total": st.integers(1, 100)})
    >>> calmest = find(scenarios(correct_order(), orders), lambda scenario: True)
    >>> calmest.inputs, calmest.faults, calmest.workers
    (({'order_id': 'o-1', 'total': 1},), (), 1)
    """
    given = base if isinstance(base, Scenario) else Scenario(base, (None,), shop() if services is None else services)
    fields = {name: one if isinstance(one, st.SearchStrategy) else st.just(one) for name, one in settings.items()}
    for name in fields:
        if name not in Scenario.__dataclass_fields__:
            raise UnknownNameError("field of a scenario", name, Scenario.__dataclass_fields__)
    several = executions > 1 if inputs is not None else len(given.inputs) > 1
    if inputs is not None:
        fields["inputs"] = tuples(inputs, min_size=1, max_size=executions, unique_by=_whose)
    if several:
        fields.setdefault("arrivals", arrival_patterns())
    known = families_of(kinds)
    if SIGNAL in known:
        raise UserError(f"kinds: {SIGNAL!r} moves no signals here; draw them, as in stimuli=signal_timings('approve')")
    of_calls = [kind for kind in CALL_FAULTS if kind in known]
    flakiness = service_behaviours(given.services, flaky, kinds=of_calls) if flaky and of_calls else st.just({})
    plan = partial(
        fault_plans,
        services=given.services,
        max_size=max_faults,
        latest_ms=latest_ms,
        kinds=known,
        executions=given.execution_ids() if several and inputs is None else (),
        versions=tuple(given.versions),
        swarm=swarm,
    )
    return _scenarios(given, fields, flakiness, worker_setups(model, workers_min=_least_workers(given)), cache(plan))


@st.composite
def _scenarios(
    draw: st.DrawFn,
    /,
    given: Scenario,
    fields: Mapping[str, st.SearchStrategy[Any]],
    flakiness: st.SearchStrategy[dict[str, dict[str, Any]]],
    setups: st.SearchStrategy[dict[str, Any]],
    plans: Callable[[int], st.SearchStrategy[tuple[Placeable, ...]]],
) -> Scenario:
    changes = {"faults": given.faults, **draw(setups), **{name: draw(field) for name, field in fields.items()}}
    changes["faults"] = together(changes["faults"], draw(plans(changes["workers"])))
    changes["model_options"] = _over(given.model_options, changes["model_options"])
    behaviours = draw(flakiness)
    if behaviours:
        services = _Named("scenario.services", given.services)
        changes["services"] = draw(st.builds(_of_named(with_behaviours), st.just(services), st.just(behaviours)))
    shown = {name: st.just(value) for name, value in changes.items() if value != getattr(given, name)}
    drawn: Scenario = draw(st.builds(_of_named(replace), st.just(_Named("scenario", given)), **shown))
    return drawn


def _whose(one: Any) -> object:
    """What no two executions have in common: the id that an input carries."""
    return own_id(one) or object()


def _least_workers(given: Scenario) -> int:
    """How many workers there must be for the scenario's own faults to have something to hit."""
    named = [one.worker for one in given.faults if isinstance(one, (Crash, Pause)) and one.worker is not None]
    return max((int(worker.removeprefix("w")) for worker in named), default=1)


def together(own: tuple[Placeable, ...], plan: tuple[Placeable, ...]) -> tuple[Placeable, ...]:
    """A scenario's own faults and a plan, without a second script for a call: what is scripted stays."""
    taken = [fault.target for fault in own if isinstance(fault, Script)]
    return (*own, *(fault for fault in plan if not (isinstance(fault, Script) and fault.target in taken)))


def _over(options: Options, drawn: Options) -> dict[str, dict[str, Any]]:
    """Options by model, with those drawn over them."""
    return {model: {**options.get(model, {}), **drawn.get(model, {})} for model in (*options, *drawn)}


class _Named:
    """A value that prints as the name by which a reader knows it."""

    def __init__(self, name: str, value: Any) -> None:
        self._name = name
        self.value = value

    def __repr__(self) -> str:
        return self._name


def _of_named(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, given a named value first; Hypothesis prints the call as one of the function with that name."""

    @wraps(function)
    def called(named: _Named, /, *arguments: Any, **keywords: Any) -> Any:
        return function(named.value, *arguments, **keywords)

    return called
