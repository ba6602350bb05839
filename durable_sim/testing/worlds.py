"""Hypothesis strategies for the world around a workflow: flaky and slow services, arrivals, workers.

They shrink towards calm: no flakiness, services as they are, all executions at once, one worker, a warm cache. What
they draw is what `durable_sim.run` takes, and prints as code that can be pasted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.shop import shop
from durable_sim.models.registry import MODELS
from durable_sim.randomness import Constant, Exponential, LogNormal, Uniform
from durable_sim.simulation.scenario import Arrivals
from durable_sim.testing.plans import swarms
from durable_sim.world.faults import CALL_FAULTS, Mixture, Outage
from durable_sim.world.services.base import ServiceSpec

Changes = Mapping[str, Mapping[str, Any]]
"""Settings of services by name, as `durable_sim.library.shop(**changes)` takes them."""
LATENCIES = (Constant("1ms"), LogNormal("300ms", "3s"), Exponential("2s"), Uniform("0s", "20s"), LogNormal("3s", "45s"))
CLIENT_TIMEOUTS = ("500ms", "2s", "1m")
OPTIONS: Mapping[str, Mapping[str, Sequence[Any]]] = MappingProxyType(
    {
        "replay": {
            "cache": ("cold", "evicted", 1),
            "rpc_latency": ("5ms", "80ms"),
            "max_concurrent_activities": (1,),
        },
        "steps": {"overhead": ("0s", "3s"), "lose_answer": (0.1,)},
        "state_machine": {"transition_latency": ("0s", "200ms")},
    }
)
"""Settings of the models that are worth a try, beside the default."""


def mixtures(
    most: float = 0.1, *, kinds: Sequence[str] = CALL_FAULTS, swarm: bool = False
) -> st.SearchStrategy[Mixture]:
    """How flaky a service is: each kind of fault with a probability from 0 to `most`, in hundredths.

    With `swarm`, only a random subset of the kinds, of up to three.

    Raises:
        UserError: the probabilities could add up to more than 1.
    """
    together = 3 if swarm else len(kinds)
    if most * together > 1:
        raise UserError(f"mixtures: {together} kinds of at most {most:g} can add up to more than 1; give less")
    share = st.integers(0, round(most * 100)).map(lambda hundredths: hundredths / 100)
    if swarm:
        return swarms(kinds, together).flatmap(lambda on: st.builds(Mixture, **dict.fromkeys(on, share)))
    return st.builds(Mixture, **dict.fromkeys(kinds, share))


def outages(faults: st.SearchStrategy[Mixture] | None = None) -> st.SearchStrategy[Outage]:
    """Trouble that comes in bursts; `faults` says which, if not what an outage usually brings."""
    up, down = st.sampled_from(["1h", "1m", "5s"]), st.sampled_from(["1s", "10s", "5m"])
    which = {} if faults is None else {"faults": faults}
    return st.builds(Outage, mean_up=up, mean_down=down, **which)


def service_behaviours(
    services: Mapping[str, ServiceSpec] | None = None,
    most: float = 0.1,
    *,
    kinds: Sequence[str] = CALL_FAULTS,
    max_size: int = 2,
) -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    """How up to `max_size` services (by default of the shop) behave unlike what they are declared to: flaky, fast or
    slow, with callers that lose patience, with outages. Settings by service, as `shop(**changes)` takes them.

    >>> from hypothesis import find
    >>> find(service_behaviours(), lambda changes: "latency" in changes.get("email", {}))
    {'email': {'latency': Constant(value='1ms')}}
    """
    flaky = mixtures(most, kinds=kinds, swarm=True)
    settings = _some(
        {
            "faults": flaky,
            "latency": st.sampled_from(LATENCIES),
            "client_timeout": st.sampled_from(CLIENT_TIMEOUTS),
            "outage": outages(mixtures(0.3, kinds=kinds, swarm=True)),
        }
    )
    names = list(shop() if services is None else services)
    behaviours = st.dictionaries(st.sampled_from(names), settings, max_size=max_size if names else 0)
    return behaviours.map(lambda drawn: {name: changes for name, changes in drawn.items() if changes})


def with_behaviours(services: Mapping[str, ServiceSpec], changes: Changes) -> dict[str, ServiceSpec]:
    """The services with the settings that `service_behaviours` drew.

    Raises:
        UnknownNameError: settings of a service that is not there.
    """
    for name in changes:
        if name not in services:
            raise UnknownNameError("service", name, services)
    return {name: replace(spec, **changes.get(name, {})) for name, spec in services.items()}


def arrival_patterns() -> st.SearchStrategy[Arrivals]:
    """When executions start: all at once, or one after the other, evenly or at random.

    >>> from hypothesis import find
    >>> find(arrival_patterns(), lambda arrivals: arrivals.random)
    Arrivals(every='0s', random=True)
    """
    return st.builds(Arrivals, every=st.sampled_from(["0s", "50ms", "1s", "1m"]), random=st.booleans())


def worker_setups(
    model: str = "replay",
    workers_max: int = 3,
    options: Mapping[str, Sequence[Any]] | None = None,
    *,
    workers_min: int = 1,
) -> st.SearchStrategy[dict[str, Any]]:
    """How many workers there are, and settings of a model: its caches, its latencies, its slots.

    Keyword arguments for `durable_sim.run`. `options` gives the values that a setting may take beside its default.

    Raises:
        UnknownNameError: there is no such model, or it has no such setting.

    >>> from hypothesis import find
    >>> find(worker_setups(), lambda setup: setup["workers"] == 2)
    {'workers': 2, 'model_options': {}}
    """
    if model not in MODELS:
        raise UnknownNameError("execution model", model, MODELS)
    tried = OPTIONS.get(model, {}) if options is None else options
    for option in tried:
        if option not in MODELS[model].options():
            raise UnknownNameError(f"option of model {model}", option, MODELS[model].options())
    settings = _some({name: st.sampled_from(values) for name, values in tried.items()})
    return _setups(st.integers(workers_min, max(workers_min, workers_max)), model, settings)


def _some(settings: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the settings, each switched on by a choice of its own, so that each shrinks away by itself.

    The optional keys of `st.fixed_dictionaries` are drawn in an order of their own: taking one away moves the others,
    and the shrinker is often left with one that does not matter.
    """
    each = {name: st.none() | strategy for name, strategy in settings.items()}
    return st.fixed_dictionaries(each).map(lambda drawn: {name: v for name, v in drawn.items() if v is not None})


@st.composite
def _setups(
    draw: st.DrawFn, /, numbers: st.SearchStrategy[int], model: str, settings: st.SearchStrategy[dict[str, Any]]
) -> dict[str, Any]:
    workers, drawn = draw(numbers), draw(settings)
    return {"workers": workers, "model_options": {model: drawn} if drawn else {}}
