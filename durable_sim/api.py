"""The front: run a workflow under one execution model, or compare them all.

`run` and `compare` make a `Scenario` of their arguments; a scenario file is the same as data. From there on there is
one path: `run_scenario` simulates and judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from durable_sim.checks.owed import Debt, debts
from durable_sim.checks.verdict import judge
from durable_sim.durations import Duration
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.shop import shop
from durable_sim.models.registry import models_for
from durable_sim.results.comparison import Comparison
from durable_sim.results.run import Run
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.world.faults import Fault, Stimulus
from durable_sim.world.ledger import Owed
from durable_sim.world.services.base import ServiceSpec

if TYPE_CHECKING:
    pass


def run_scenario(
    scenario: Scenario, model: str = "replay", seed: int = 0, *, owed: Sequence[Debt] | None = None, repeat: str = ""
) -> Run:
    """Simulate a scenario under one execution model, and judge it.

    Raises:
        UnknownNameError: there is no such model.
    """
    recording = simulate(scenario, model, seed)
    return Run(recording, judge(recording, owed), repeat=repeat)


def compare_scenario(
    scenario: Scenario, models: Iterable[str] | None = None, seed: int = 0, *, repeat: str = ""
) -> Comparison:
    """Simulate a scenario under several execution models, by default all that can run its workflow and take its
    stimuli; all meet the same arrivals, faults and latencies."""
    if isinstance(models, str):
        models = (models,)
    if models is None:
        models = models_for(scenario.workflow, {stimulus.kind for stimulus in scenario.stimuli})
    owed = debts(scenario, seed)
    runs = {model: run_scenario(scenario, model, seed, owed=owed) for model in models}
    if not runs:
        raise UserError("compare: there is no model, expected at least one")
    return Comparison(runs, scenario.name, seed, repeat)


def run(
    workflow: Callable[..., Any],
    input: Any = None,
    *,
    model: str = "replay",
    services: Mapping[str, ServiceSpec] | None = None,
    faults: Iterable[Fault] = (),
    stimuli: Iterable[Stimulus] = (),
    seed: int = 0,
    inputs: Iterable[Any] | None = None,
    arrivals: Arrivals = Arrivals(),
    workers: int = 2,
    horizon: Duration = "30d",
    calm_after: Duration | None = None,
    versions: Mapping[str, Callable[..., Any]] | None = None,
    owed: Mapping[str, Owed] | None = None,
    instead: Mapping[str, str] | None = None,
    model_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Run:
    """Run a workflow function under one execution model.

    Args:
        workflow: an `async def f(ctx, input)`.
        input: what one execution is given; `inputs` gives several, which start as `arrivals` says.
        model: one of `durable_sim.MODELS`.
        services: the world, by default `durable_sim.library.shop()`.
        faults: what goes wrong, on top of the services' own flakiness.
        stimuli: what people do meanwhile: signals, requests to stop.
        seed: decides everything that is random; the same seed gives the same run, to the byte.
        workers: how many processes there are.
        horizon: the simulated time at which the run is cut off, if it has not come to its end by itself.
        calm_after: from then on nothing goes wrong by chance.
        versions: other code of the workflow, for deploys to switch to.
        owed: what is owed of a kind of effect, where it differs from what the service declares.
        instead: which effect counts as which other one, where either will do: {"wallet.charge": "payments.charge"}.
        model_options: settings by model, such as {"regular_rerun": {"reruns_max": 1}}.

    Raises:
        UserError: arguments that make no scenario; the message says which, what was found, and what was expected.
    """
    scenario = scenario_of(
        workflow,
        input,
        inputs=inputs,
        services=services,
        faults=faults,
        stimuli=stimuli,
        arrivals=arrivals,
        workers=workers,
        horizon=horizon,
        calm_after=calm_after,
        versions=versions,
        owed=owed,
        instead=instead,
        model_options=model_options,
    )
    return run_scenario(scenario, model, seed)


def compare(
    workflow: Callable[..., Any],
    input: Any = None,
    *,
    models: Iterable[str] | None = None,
    services: Mapping[str, ServiceSpec] | None = None,
    faults: Iterable[Fault] = (),
    stimuli: Iterable[Stimulus] = (),
    seed: int = 0,
    inputs: Iterable[Any] | None = None,
    arrivals: Arrivals = Arrivals(),
    workers: int = 2,
    horizon: Duration = "30d",
    calm_after: Duration | None = None,
    versions: Mapping[str, Callable[..., Any]] | None = None,
    owed: Mapping[str, Owed] | None = None,
    instead: Mapping[str, str] | None = None,
    model_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Comparison:
    """Run a workflow function under several execution models, by default all that can; arguments as for `run`."""
    scenario = scenario_of(
        workflow,
        input,
        inputs=inputs,
        services=services,
        faults=faults,
        stimuli=stimuli,
        arrivals=arrivals,
        workers=workers,
        horizon=horizon,
        calm_after=calm_after,
        versions=versions,
        owed=owed,
        instead=instead,
        model_options=model_options,
    )
    return compare_scenario(scenario, models, seed)


def scenario_of(
    workflow: Callable[..., Any],
    input: Any = None,
    *,
    services: Mapping[str, ServiceSpec] | None = None,
    faults: Iterable[Fault] = (),
    inputs: Iterable[Any] | None = None,
    **settings: Any,
) -> Scenario:
    """The scenario that `run` makes of a workflow function: in the shop, with one input or several.

    `settings` are further fields of `Scenario`, None where they are not given.
    """
    if input is not None and inputs is not None:
        raise UserError("give input (for one execution) or inputs (for several), not both")
    given = {name: value for name, value in settings.items() if value is not None}
    unknown = [name for name in given if name not in Scenario.__dataclass_fields__]
    if unknown:
        raise UnknownNameError("setting of a scenario", unknown[0], Scenario.__dataclass_fields__)
    return Scenario(
        workflow=workflow,
        inputs=(input,) if inputs is None else tuple(inputs),
        services=shop() if services is None else dict(services),
        faults=faults,  # type: ignore[arg-type]  # the scenario makes it a tuple
        **given,
    )
