"""Scenario files: TOML in and out, checked in one go.

A file is data: nothing in it is evaluated, and the only code that it can name is the workload (and its versions), from
the library or as "module:name" of the user's own. Always holds: `load_text(dump(file)) == file`, and a file with
mistakes gives one `ScenarioError` that names them all.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

import tomli_w
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from durable_sim.durations import duration_us
from durable_sim.errors import ScenarioError, UnknownNameError, UserError
from durable_sim.files.expectations import Expectation, check_expectation
from durable_sim.files.problems import problems_of, problems_of_dates, shown, unreadable
from durable_sim.files.references import problems_of_names
from durable_sim.library.workloads import Workload, find_workload
from durable_sim.models.registry import COMMON_MODELS
from durable_sim.randomness import Distribution, Randomness
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.world.faults import Downtime, Fault, Mixture, Outage, Stimulus
from durable_sim.world.ledger import Owed
from durable_sim.world.services.base import OperationSpec, ServiceSpec


def _span(text: Any) -> Any:
    if problem := unreadable(text):
        raise UserError(problem)
    return text


def _not_zero(text: str) -> str:
    if duration_us(text) == 0:
        raise UserError(f"found {shown(text)}, expected more than 0s")
    return text


Span = Annotated[str, BeforeValidator(_span)]
PositiveSpan = Annotated[Span, AfterValidator(_not_zero)]
FaultEntry = Annotated[Fault, Field(discriminator="kind")]
StimulusEntry = Annotated[Stimulus, Field(discriminator="kind")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, ser_json_inf_nan="constants")


class ArrivalSettings(_Strict):
    """`count` executions, the first at 0, then one `every` so often, evenly or at random."""

    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    every: Span = "0s"
    random: bool = False


class OperationSettings(_Strict):
    """Settings of one operation of a service."""

    latency: Distribution | None = None
    client_timeout: PositiveSpan | None = None
    faults: Mixture | None = None


class ServiceSettings(_Strict):
    """Settings of one service, over those of the workload's own. An outage comes at random, a downtime at its time."""

    latency: Distribution | None = None
    client_timeout: PositiveSpan | None = None
    faults: Mixture | None = None
    outage: Outage | None = None
    downtime: Downtime | None = None
    operations: dict[str, OperationSettings] = {}
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_trouble(self) -> Self:
        if self.outage is not None and self.downtime is not None:
            raise UserError("downtime: there is an outage too, expected one of them")
        return self

    def over(self, spec: ServiceSpec) -> ServiceSpec:
        """The service with these settings."""
        own = {name: OperationSpec(**dict(settings)) for name, settings in self.operations.items()}
        settings = {
            "latency": self.latency,
            "client_timeout": self.client_timeout,
            "faults": self.faults,
            "outage": self.downtime or self.outage,
        }
        given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
        return replace(spec, operations={**spec.operations, **own}, options={**spec.options, **self.options}, **given)


class ScenarioFile(_Strict):
    """A scenario file as it is written."""

    question: str
    workload: str
    parameters: dict[str, Any] = {}
    versions: dict[str, str] = {}
    models: Annotated[tuple[str, ...], Field(min_length=1)] = COMMON_MODELS
    seed: int = 0
    workers: Annotated[int, Field(ge=1, le=1_000)] = 2
    horizon: PositiveSpan = "30d"
    arrivals: ArrivalSettings = ArrivalSettings()
    inputs: tuple[dict[str, Any], ...] = ()
    services: dict[str, ServiceSettings] = {}
    faults: tuple[FaultEntry, ...] = ()
    stimuli: tuple[StimulusEntry, ...] = ()
    calm_after: Span | None = None
    owed: dict[str, Owed] = {}
    instead: dict[str, str] = {}
    model_options: dict[str, dict[str, Any]] = {}
    expect: dict[str, Annotated[dict[str, Any], AfterValidator(check_expectation)]] = {}

    def scenario(self, seed: int, name: str = "") -> Scenario:
        """The scenario for a seed (which decides the inputs that a workload makes).

        Raises:
            UserError: a name that does not exist, or settings that do not go together.
        """
        workload = find_workload(self.workload)
        return Scenario(
            workflow=workload.workflow(**self.parameters),
            inputs=self.inputs or self._made_inputs(workload, seed),
            services=self._services(workload.services()),
            faults=self.faults,
            stimuli=self.stimuli,
            calm_after=self.calm_after,
            arrivals=Arrivals(self.arrivals.every, self.arrivals.random),
            workers=self.workers,
            horizon=self.horizon,
            versions={name: find_workload(code).workflow() for name, code in self.versions.items()},
            owed=self.owed,
            instead=self.instead,
            model_options=self.model_options,
            name=name,
        )

    def _made_inputs(self, workload: Workload, seed: int) -> tuple[Any, ...]:
        randomness = Randomness(seed)
        return tuple(workload.inputs(number, randomness) for number in range(self.arrivals.count))

    def _services(self, specs: dict[str, ServiceSpec]) -> dict[str, ServiceSpec]:
        for name, settings in self.services.items():
            if name not in specs:
                raise UnknownNameError("service", name, specs)
            specs[name] = settings.over(specs[name])
        return specs


class LoadedScenario:
    """A scenario file with where it came from."""

    def __init__(self, file: ScenarioFile, source: str) -> None:
        self.file = file
        self.source = source

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return Path(self.source).stem

    def scenario(self, seed: int | None = None) -> Scenario:
        """The scenario for a seed, the file's own by default."""
        return self.file.scenario(self.file.seed if seed is None else seed, self.name)

    def expectations(self) -> Mapping[str, Expectation]:
        """What the file expects of each model."""
        return self.file.expect


def load(path: str | Path, changes: Sequence[str] = ()) -> LoadedScenario:
    """Read a scenario file; `changes` are settings over it, as "parameters.keys=false".

    Raises:
        ScenarioError: all that is wrong with it.
    """
    source = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ScenarioError(source, [f"cannot be read ({error.strerror}); give the path of a scenario file"]) from None
    except UnicodeDecodeError:
        raise ScenarioError(source, ["is not UTF-8 text; give the path of a scenario file"]) from None
    except ValueError as error:  # a name that no file can have
        raise ScenarioError(source, [f"cannot be read ({error}); give the path of a scenario file"]) from None
    return LoadedScenario(load_text(text, source, changes), source)


def load_text(text: str, source: str = "scenario", changes: Sequence[str] = ()) -> ScenarioFile:
    """Check the text of a scenario file.

    Raises:
        ScenarioError: all that is wrong with it.
        UserError: a change that cannot be made.
    """
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ScenarioError(source, ["is not a scenario: its lists or tables are nested too deeply"]) from None
    except ValueError as error:
        raise ScenarioError(source, [f"is not TOML: {error}"]) from None
    for change in changes:
        _change(data, change)
    problems = [*problems_of_dates(data), *problems_of_names(data)]
    try:
        file = ScenarioFile.model_validate_json(json.dumps(data, default=str))
        if not problems:
            file.scenario(file.seed)
    except ValidationError as error:
        problems = [*problems_of(error, ScenarioFile, data), *problems]
    except UserError as error:
        problems = str(error).split("\n")
    if problems:
        raise ScenarioError(source, dict.fromkeys(problems))
    return file


def dump(file: ScenarioFile) -> str:
    """Write a scenario file, every setting spelled out."""
    return tomli_w.dumps(file.model_dump(mode="json", exclude_none=True))


def _change(data: dict[str, Any], change: str) -> None:
    """Put "key=value" over the data; both are read as TOML, a value that is none as text."""
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {change}: expected KEY=VALUE, as in parameters.keys=false")
    *path, last = _keys(key, change)
    for place, part in enumerate(path):
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UserError(
                f"--set {change}: {'.'.join(path[: place + 1])} is not a table; set it as a whole, as in "
                f"{'.'.join(path[: place + 1])}=..."
            )
        data = inner
    data[last] = _value(value)


def _keys(key: str, change: str) -> list[str]:
    try:
        table: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        raise UserError(f"--set {change}: {key!r} is no key of a scenario file; write for example seed=3") from None
    keys = []
    while isinstance(table, dict):
        [(part, table)] = table.items()
        keys.append(part)
    return keys


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text
