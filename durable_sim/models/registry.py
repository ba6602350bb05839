"""The execution models by name. To add one, write its class and give it a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    talked to, `takes` which kinds of stimuli reach it. A model that `needs_idiom` runs only workflows that are written
    in its own idiom too (`workflow(idioms={model: ...})`).
    """

    build: Callable[..., Model]
    services: Mapping[str, ServiceSpec] = MappingProxyType({})
    in_code: tuple[str, ...] = ()
    talks: str = "no"
    takes: tuple[str, ...] = ()
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
        "steps": ModelKind(Steps, in_code=("functions",), talks="events", takes=("signal", "cancel")),
        "state_machine": ModelKind(StateMachines, _STATES, talks="task tokens", takes=("cancel",), needs_idiom=True),
    }
)
COMMON_MODELS = tuple(name for name, kind in MODELS.items() if not kind.needs_idiom)
"""Those that run any workflow function."""


def not_taken(model: str, stimulus: str) -> UserError | None:
    """What is wrong with a stimulus of this kind under a model; None where nothing is."""
    if stimulus in MODELS[model].takes:
        return None
    takers = ", ".join(name for name, kind in MODELS.items() if stimulus in kind.takes)
    return UserError(f"model {model} takes no stimulus of kind {stimulus!r}; choose from {takers}")


def models_for(workflow: Callable[..., Any]) -> tuple[str, ...]:
    """The models that can run a workflow."""
    idioms = definition_of(workflow).idioms
    return tuple(name for name, kind in MODELS.items() if not kind.needs_idiom or name in idioms)
