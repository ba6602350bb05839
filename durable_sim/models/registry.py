"""The execution models by name. To add one, write its class and give it a line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from inspect import signature
from types import MappingProxyType
from typing import Any, NamedTuple

from durable_sim.errors import UserError
from durable_sim.models.executions import Model
from durable_sim.models.regular import Regular, RegularRerun
from durable_sim.models.replay.model import Replay
from durable_sim.models.state_machine.callbacks import STATES_SERVICE, STATES_SPEC
from durable_sim.models.state_machine.model import StateMachines
from durable_sim.models.status_columns import STATUS_SERVICE, STATUS_SPEC, StatusColumns
from durable_sim.models.steps.model import Steps
from durable_sim.workflows.definitions import definition_of
from durable_sim.world.services.base import ServiceSpec


class ModelKind(NamedTuple):
    """How to make a model (from a `Home` and the model's options), and the services that it brings along.

    Options that are objects, `in_code`, cannot be given in a file. `talks` says in words how a running execution can be
    talked to, `takes` which kinds of stimuli reach it, `takes_in_idiom` which further ones reach code in its own idiom
    (`workflow(idioms={model: ...})`). A model that `needs_idiom` runs only workflows that are written in it too.
    """

    build: Callable[..., Model]
    services: Mapping[str, ServiceSpec] = MappingProxyType({})
    in_code: tuple[str, ...] = ()
    talks: str = "no"
    takes: tuple[str, ...] = ()
    takes_in_idiom: tuple[str, ...] = ()
    needs_idiom: bool = False

    def options(self) -> tuple[str, ...]:
        """The names of the options that the model takes."""
        fixed = getattr(self.build, "keywords", {})
        return tuple(name for name in list(signature(self.build).parameters)[1:] if name not in fixed)

    def plain_options(self) -> tuple[str, ...]:
        """The names of those that are plain data."""
        return tuple(name for name in self.options() if name not in self.in_code)


_STATUS = MappingProxyType({STATUS_SERVICE: STATUS_SPEC})
_STATES = MappingProxyType({STATES_SERVICE: STATES_SPEC})
MODELS: Mapping[str, ModelKind] = MappingProxyType(
    {
        "regular": ModelKind(Regular),
        "regular_rerun": ModelKind(RegularRerun),
        "status_columns": ModelKind(partial(StatusColumns, transactional=False), _STATUS),
        "status_columns_transactional": ModelKind(partial(StatusColumns, transactional=True), _STATUS),
        "replay": ModelKind(
            Replay, in_code=("store", "runner"), talks="signals, queries, updates", takes=("signal", "cancel")
        ),
        "steps": ModelKind(
            Steps, in_code=("functions",), talks="events", takes=("cancel",), takes_in_idiom=("signal",)
        ),
        "state_machine": ModelKind(
            StateMachines, _STATES, talks="task tokens", takes=("cancel", "redrive"), needs_idiom=True
        ),
    }
)
COMMON_MODELS = tuple(name for name, kind in MODELS.items() if not kind.needs_idiom)
"""Those that run any workflow function."""


def not_taken(model: str, stimulus: str, workflow: Callable[..., Any]) -> UserError | None:
    """What is wrong with a stimulus of this kind for a workflow under a model; None where nothing is."""
    idioms = definition_of(workflow).idioms

    def takes(name: str) -> bool:
        kind = MODELS[name]
        return stimulus in kind.takes or (stimulus in kind.takes_in_idiom and name in idioms)

    if takes(model):
        return None
    found = f"model {model} takes no stimulus of kind {stimulus!r}"
    if stimulus in MODELS[model].takes_in_idiom:
        found += f" to a workflow that is not in its own idiom (workflow(idioms={{{model!r}: ...}}))"
    return UserError(f"{found}; choose from {', '.join(filter(takes, MODELS))}")


def models_for(workflow: Callable[..., Any], stimuli: Collection[str] = ()) -> tuple[str, ...]:
    """The models that can run a workflow and take stimuli of these kinds."""
    idioms = definition_of(workflow).idioms
    able = (name for name, kind in MODELS.items() if not kind.needs_idiom or name in idioms)
    return tuple(name for name in able if not any(not_taken(name, kind, workflow) for kind in stimuli))
