"""A scenario: everything that decides how a run goes, apart from the execution model and the seed. Pure data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from durable_sim import trace
from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.fields import check_fields
from durable_sim.models.registry import MODELS
from durable_sim.models.workers import BASE
from durable_sim.randomness import Randomness
from durable_sim.workflows.definitions import definition_of, is_activity
from durable_sim.workflows.payloads import copied
from durable_sim.world.faults import (
    Cancel,
    Crash,
    Crashes,
    Deploy,
    Deploys,
    Fault,
    ProcessFault,
    Redrive,
    Script,
    Stimulus,
)
from durable_sim.world.ledger import OWED, Owed
from durable_sim.world.services.base import ServiceSpec

RECORD_KINDS: tuple[str, ...] = tuple(value for name, value in vars(trace).items() if name.isupper())
"""After these a fault can strike."""
_OF_CALLS = frozenset(
    (
        trace.REQUEST_SENT,
        trace.REQUEST_RECEIVED,
        trace.EFFECT_APPLIED,
        trace.REPLY_SENT,
        trace.REPLY_RECEIVED,
        trace.CALL_GIVEN_UP,
    )
)


STIMULI = ("signal", "cancel")
NO_TARGET = "there are several executions, expected target='<id of one of them>'"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When executions start: the first at 0, then `every` so often, evenly or (`random`) with exponential gaps."""

    every: Duration = "0s"
    random: bool = False

    def times_us(self, count: int, randomness: Randomness) -> list[int]:
        """The instants of `count` arrivals."""
        gap_us = duration_us(self.every)
        if not self.random:
            return [number * gap_us for number in range(count)]
        stream, times, now_us = randomness.stream("arrivals"), [], 0
        for _ in range(count):
            times.append(now_us)
            now_us += round(stream.expovariate(1.0) * gap_us)
        return times


@dataclass(frozen=True, slots=True)
class Scenario:
    """One workflow, its inputs, the world it acts upon, what people do to it, and what goes wrong.

    `inputs` holds one input an execution; an input that is a dict with a key "id" or "..._id" gives the execution
    its id. `versions` are other codes of the workflow, for deploys to switch to. `owed` overrides what is owed of a
    kind of effect ("email.send": "exactly_once"). `instead` says which effect counts as which other one, where a
    workflow has two ways to do the same ("wallet.charge": "payments.charge"): then one of the two is owed, and both
    are too many. From `calm_after` on, nothing goes wrong by chance any more: no drawn fault of a call, no outage,
    no drawn fault of a process; what is planned or scripted still strikes. The simulation stops when nothing is
    left to happen, at the latest at the `horizon`.

    `stimuli` (signals, cancellations, redrives) are part of what is asked, not of what goes wrong: but for redrives,
    they belong to the calm run too that says what an execution owes. Each is for one execution: its `target`, the
    `execution` of its trigger, or the only one. A trigger by `at` or `after` means the same in both runs, one by
    `after_record` hardly ever.
    """

    workflow: Callable[..., Any]
    inputs: tuple[Any, ...]
    services: Mapping[str, ServiceSpec]
    faults: tuple[Fault, ...] = ()
    stimuli: tuple[Stimulus, ...] = ()
    calm_after: Duration | None = None
    arrivals: Arrivals = Arrivals()
    workers: int = 2
    horizon: Duration = "30d"
    versions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    owed: Mapping[str, Owed] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    model_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        check_workflow(self.workflow)
        self._check_kinds()
        for code in self.versions.values():
            check_workflow(code)
        if not self.inputs:
            raise UserError("scenario: there is no input, expected one for each execution")
        if self.workers < 1:
            raise UserError(f"scenario: workers is {self.workers}, expected 1 or more")
        if duration_us(self.horizon) == 0:
            raise UserError("scenario: horizon is 0s, expected more")
        object.__setattr__(self, "inputs", tuple(copied(one, "input") for one in self.inputs))
        self._check_faults()
        self._check_stimuli()
        self._check_names()

    @property
    def worker_ids(self) -> tuple[str, ...]:
        """w1, w2, ..."""
        return tuple(f"w{number + 1}" for number in range(self.workers))

    @property
    def scripts(self) -> tuple[Script, ...]:
        """The faults that are scripted for single calls."""
        return tuple(fault for fault in self.faults if isinstance(fault, Script))

    def execution_ids(self) -> list[str]:
        """One id an input: from the input where it has one, else the workflow's name and a number."""
        return execution_ids(self.inputs, definition_of(self.workflow).name)

    @property
    def calm_after_us(self) -> int | None:
        """When chance ends; None: never."""
        return None if self.calm_after is None else duration_us(self.calm_after)

    def alone(self, place: int) -> Scenario:
        """The scenario of one of its executions only, without faults, with the stimuli that are for it.

        An execution whose input has no id of its own may be called otherwise there.
        """
        inputs = (self.inputs[place],)
        stimuli = self._stimuli_of(place, inputs) if self.stimuli else ()
        return replace(self, inputs=inputs, stimuli=stimuli, faults=())

    def _stimuli_of(self, place: int, inputs: tuple[Any, ...]) -> tuple[Stimulus, ...]:
        name = self.execution_ids()[place]
        (alone,) = execution_ids(inputs, definition_of(self.workflow).name)
        mine = [one for one in self.stimuli if (one.target or one.execution or name) == name]
        own = [one for one in mine if not isinstance(one, Redrive)]  # without faults there is nothing to repair
        return tuple(replace(one, target=alone, execution=one.execution and alone) for one in own)

    def process_faults(self, randomness: Randomness) -> tuple[ProcessFault | Cancel, ...]:
        """The plan of faults of processes (and cancellations) with the random ones drawn, those with a time in the
        order of time."""
        plan: list[ProcessFault | Cancel] = []
        for place, fault in enumerate(self.faults):
            if isinstance(fault, (Crashes, Deploys)):
                plan.extend(self._drawn(fault, randomness, place))
            elif not isinstance(fault, Script):
                plan.append(fault)
        return tuple(sorted(plan, key=lambda fault: -1 if fault.at is None else duration_us(fault.at)))

    def _drawn(self, faults: Crashes | Deploys, randomness: Randomness, place: int) -> list[ProcessFault]:
        stream = randomness.stream("faults", place)
        every_us, until_us = duration_us(faults.every), duration_us(faults.until)
        until_us = until_us if self.calm_after_us is None else min(until_us, self.calm_after_us)
        drawn: list[ProcessFault] = []
        now_us = duration_us(faults.start)
        while True:
            now_us += round(stream.expovariate(1.0) * every_us)
            worker = self.worker_ids[int(stream.random() * self.workers)]
            if now_us >= until_us:
                return drawn
            at = f"{now_us}us"
            if isinstance(faults, Crashes):
                drawn.append(Crash(at=at, worker=worker, restart_after=faults.restart_after))
            else:
                drawn.append(Deploy(at=at, grace=faults.grace, rolling=faults.rolling, downtime=faults.downtime))

    def _check_kinds(self) -> None:
        """Refuse what is of the wrong kind; faults and stimuli may come from any iterable."""
        check_fields(self, "scenario")
        for name, kinds, words in (
            ("inputs", object, "any data"),
            ("faults", Fault, "Crash, Script or the like"),
            ("stimuli", Stimulus, "Signal, Cancel or Redrive"),
        ):
            given = getattr(self, name)
            if not isinstance(given, Iterable) or isinstance(given, (str, Mapping)):
                raise UserError(f"scenario: {name} is {given!r}, expected a list of them: [{given!r}]")
            object.__setattr__(self, name, tuple(given))
            for one in getattr(self, name):
                if not isinstance(one, kinds):
                    raise UserError(f"scenario: {name} have {one!r}, expected {words}")
        for name, spec in self.services.items():
            if not isinstance(spec, ServiceSpec):
                raise UserError(f"scenario: service {name} is {spec!r}, expected a ServiceSpec")

    def _check_faults(self) -> None:
        for fault in (*self.faults, *self.stimuli):
            settings = {name: getattr(fault, name, None) for name in _REFERRING}
            for _, error in problems_of_references(
                settings, self.worker_ids, (*self.versions, BASE), self.services, self.execution_ids()
            ):
                raise error
        targets = [script.target for script in self.scripts]
        for place, (subject, _, call) in enumerate(targets):
            if targets[place] in targets[:place]:
                raise UserError(f"scenario: two scripts for call {call} of {subject}, expected one")

    def _check_stimuli(self) -> None:
        for stimulus in self.stimuli:
            if len(self.inputs) > 1 and stimulus.target is None and stimulus.execution is None:
                raise UserError(f"scenario: {stimulus.kind}: {NO_TARGET}")

    def _check_names(self) -> None:
        kinds = [f"{name}.{kind.name}" for name, spec in self.services.items() for kind in spec.service.effects]
        for kind, owed in self.owed.items():
            if kind not in kinds:
                raise UnknownNameError("kind of effect", kind, kinds)
            if owed not in OWED:
                raise UserError(f"scenario: owed of {kind} is {owed!r}, expected one of {', '.join(OWED)}")
        for kind, error in problems_of_instead(self.instead, self.services):
            raise UserError(f"scenario: instead: {kind}: {error}")
        for model, options in self.model_options.items():
            if model not in MODELS:
                raise UnknownNameError("execution model", model, MODELS)
            for option in options:
                known = MODELS[model].options()
                if option not in known:
                    raise UnknownNameError(f"option of model {model}", option, known)


_REFERRING = ("worker", "version", "service", "operation", "execution", "target", "after", "of")


def problems_of_references(
    fault: Mapping[str, Any],
    workers: Collection[str],
    versions: Collection[str],
    services: Mapping[str, ServiceSpec],
    executions: Collection[str],
) -> Iterator[tuple[str, UserError]]:
    """The settings of a fault that name something which does not exist, each with the error."""
    for key, kind, known in (
        ("worker", "worker", workers),
        ("version", "code version", versions),
        ("service", "service", services),
        ("execution", "execution", executions),
        ("target", "execution", executions),
        ("after", "kind of trace record", RECORD_KINDS),
    ):
        name = fault.get(key)
        if isinstance(name, str) and name not in known:
            yield key, UnknownNameError(kind, name, known)
    service, operation, of = fault.get("service"), fault.get("operation"), fault.get("of")
    if isinstance(service, str) and service in services and isinstance(operation, str):
        operations = services[service].service.operations()
        if operation not in operations:
            yield "operation", UnknownNameError(f"operation of {service}", operation, operations)
    after = fault.get("after")
    if isinstance(after, str) and after in _OF_CALLS and isinstance(of, str):
        every = [*services.items(), *(brought for kind in MODELS.values() for brought in kind.services.items())]
        subjects = [f"{name}.{one}" for name, spec in every for one in spec.service.operations()]
        if of not in subjects:
            yield "of", UnknownNameError("operation", of, subjects)


def problems_of_instead(
    instead: Mapping[str, Any], services: Mapping[str, ServiceSpec]
) -> Iterator[tuple[str, UserError]]:
    """The kinds that cannot count as what they are to count as, each with the error."""
    kinds = {f"{name}.{kind.name}": kind for name, spec in services.items() for kind in spec.service.effects}
    makes = [name for name, kind in kinds.items() if kind.undoes is None]
    for one, other in instead.items():
        unknown = [name for name in (one, other) if name not in makes]
        if unknown:
            yield one, UnknownNameError("kind of effect that undoes nothing", str(unknown[0]), makes)
        elif other in instead:
            yield one, UserError(f"counts as {other}, which counts as {instead[other]} itself: expected the last")
        elif kinds[one].unit != kinds[other].unit:
            units = f"{kinds[one].unit}, and {other} in {kinds[other].unit}"
            yield one, UserError(f"is counted in {units}: expected the same")


def check_workflow(workflow: Callable[..., Any]) -> None:
    """Refuse what no model could run.

    Raises:
        UserError: it is not an `async def`, is an activity, or cannot be called with a context and an input.
    """
    name = definition_of(workflow).name
    if is_activity(workflow):
        raise UserError(f"workflow: {name} is an activity; give the workflow that executes it")
    signature = inspect.signature(workflow)
    try:
        signature.bind(None, None)
    except TypeError:
        raise UserError(f"workflow {name} takes {signature}, expected (ctx, input)") from None


def execution_ids(inputs: tuple[Any, ...], workflow: str) -> list[str]:
    """The ids that the inputs have, or the workflow's name and a number where they have none or share one."""
    ids = [own_id(one) for one in inputs]
    if None in ids or len(set(ids)) != len(ids):
        return [f"{workflow}-{number + 1}" for number in range(len(ids))]
    return [str(one) for one in ids]


def own_id(one: Any) -> str | None:
    """The id that an input carries itself."""
    if isinstance(one, dict):
        for key, value in one.items():
            if (key == "id" or key.endswith("_id")) and isinstance(value, str):
                return value
    return None
