"""What is set in an explorer, as data, and the run that comes of it.

Pure: a setting and a subject give the same run, picture and words every time. Always holds: the words name all that is
set otherwise than the scenario has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from durable_sim.api import run_scenario
from durable_sim.durations import Duration
from durable_sim.results.run import Run
from durable_sim.search.baseline import baseline
from durable_sim.search.families import Settings, faults_at, strikes_at
from durable_sim.search.places import Place, places
from durable_sim.search.signals import with_faults
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.widgets.subject import Subject
from durable_sim.widgets.tuning import NOT_TUNED, Tuning, tuned
from durable_sim.world.faults import CALL_FAULTS, Mixture, Script
from durable_sim.world.services.base import ServiceSpec

AS_WRITTEN: Final = "as written"
NOWHERE: Final = "nowhere"
ALL_KINDS: Final = "all kinds"
RATES: tuple[str, ...] = (AS_WRITTEN, "none", ALL_KINDS, *CALL_FAULTS)
"""Which faults of calls come by chance: those of the scenario, none, all in equal parts, or one kind."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is set.

    `where` is the place at which the one fault of `family` strikes, in words; "nowhere" for none, "as written" for the
    scenario's own. `calls` is one of RATES, `rate` how many calls go wrong; `client_timeout` is how long callers wait.
    """

    model: str = "replay"
    seed: int = 0
    family: str = "crash"
    where: str = AS_WRITTEN
    calls: str = AS_WRITTEN
    rate: float = 0.1
    client_timeout: Duration | None = None
    tuning: Tuning = NOT_TUNED
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def mixture(self) -> Mixture | None:
        """The faults of calls that come by chance; None: the scenario's own."""
        if self.calls == AS_WRITTEN:
            return None
        kinds = CALL_FAULTS if self.calls == ALL_KINDS else [kind for kind in CALL_FAULTS if kind == self.calls]
        shares: dict[str, Any] = {kind: self.rate / len(kinds) for kind in kinds}
        return Mixture(**shares)

    def words(self) -> str:
        """All that is set, as "name=value; ..."."""
        return "; ".join(f"{name}={value}" for name, value in self._named())

    def _named(self) -> Iterator[tuple[str, Any]]:
        yield from (("model", self.model), ("seed", self.seed), (self.family, self.where))
        if self.calls != AS_WRITTEN:
            yield "calls", self.calls if self.calls == "none" else f"{self.calls} {self.rate:.0%}"
        heeded = self.tuning.heeded(self.model)
        for name in ("attempts", "first_delay", "timeout"):
            if getattr(heeded, name) is not None:
                yield name, getattr(heeded, name)
        if self.client_timeout is not None:
            yield "client_timeout", self.client_timeout
        yield from self.parameters.items()


@dataclass(frozen=True)
class Experiment:
    """A subject under a setting."""

    subject: Subject
    setting: Setting

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario as set, but for the one fault."""
        setting = self.setting
        scenario = self.subject.scenario(setting.seed, setting.parameters)
        services = {name: _as_set(spec, setting) for name, spec in scenario.services.items()}
        code = tuned(scenario.workflow, setting.tuning.heeded(setting.model))
        return replace(scenario, workflow=code, services=services)

    @property
    def has_own_faults(self) -> bool:
        """Whether the scenario itself plans faults of processes."""
        return any(not isinstance(fault, Script) for fault in self.scenario.faults)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where the fault can strike in the calm run, by its words."""
        calm = baseline(self.scenario)
        recording = simulate(calm.scenario, self.setting.model, self.setting.seed)
        known = [one for one in places(recording) if strikes_at(self.setting.family, one, calm.scenario)]
        return {str(one): one for one in reversed(known)}

    @cached_property
    def wheres(self) -> list[str]:
        """What can be set for `where`, in the order of time."""
        own = [AS_WRITTEN] if self.has_own_faults else []
        return [*own, NOWHERE, *reversed(self.places)]

    @cached_property
    def where(self) -> str:
        """Where the fault strikes: as set, or, where there is no such place, as the scenario has it."""
        return self.setting.where if self.setting.where in self.wheres else self.wheres[0]

    @cached_property
    def run(self) -> Run:
        """The run."""
        scenario = self.scenario
        if self.where != AS_WRITTEN:
            placed = () if self.where == NOWHERE else (self._fault,)
            scenario = with_faults(replace(scenario, faults=scenario.scripts), placed)
        return run_scenario(scenario, self.setting.model, self.setting.seed)

    @property
    def _fault(self) -> Any:
        settings = Settings().for_scenario(self.scenario)
        return next(faults_at(self.setting.family, self.places[self.where], self.scenario, settings))

    @property
    def words(self) -> str:
        """What is set, and the verdict."""
        verdict = self.run.executions[0].verdict
        return f"{replace(self.setting, where=self.where).words()}; verdict={verdict}"


def _as_set(spec: ServiceSpec, setting: Setting) -> ServiceSpec:
    """A service with the time-out and the faults that are set."""
    mixture, timeout = setting.mixture, setting.client_timeout
    operations = dict(spec.operations)
    if mixture is not None:
        operations = {name: replace(own, faults=None) for name, own in operations.items()}
        spec = replace(spec, faults=mixture, outage=None)
    if timeout is not None:
        operations = {name: replace(own, client_timeout=None) for name, own in operations.items()}
        spec = replace(spec, client_timeout=timeout)
    return replace(spec, operations=operations)
