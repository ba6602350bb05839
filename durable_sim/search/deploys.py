"""Deploy sweeps: may this change be shipped while workflows run?

Histories that the old code can have are made first: of the calm run and of the runs in which one fault (or `depth`
faults) of some families strikes: failure, retry, compensation, cancellation; signals at other instants if asked for. At
each index of each history the workers are then replaced by ones with the new code, which has to go on. Always holds: no
history is left out; one that goes wrong with the old code alone is deployed into like any other, and what the old code,
restarted at the same place, does not do wrong counts.

What a killed worker leaves half done at an index is not the question here; a crash sweep asks that.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from durable_sim.checks.violations import Violation
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.models.executions import Execution, Model
from durable_sim.results.run import Run
from durable_sim.search.explorer import Explorer
from durable_sim.search.families import SIGNAL, Settings, families_for
from durable_sim.search.fates import FATES, NO_WORSE, SAFE, Codes, fate_of
from durable_sim.search.places import Place, places
from durable_sim.search.result import Placed
from durable_sim.search.signals import signals_of
from durable_sim.search.trial import Trial, trial_of
from durable_sim.search.words import bounds_of
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import EFFECT_APPLIED, Record
from durable_sim.views import html, text
from durable_sim.world.faults import Deploy, Placeable

NEW = "next"
"""The name of new code that is given as a function."""
PATHS = ("refuse", "error_after_effect", "lose_reply", "crash", "cancel")
"""Faults that lead histories down other paths: failure, retry, compensation, cancellation."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """One deploy: into the history made by these faults, when it had so many records, after this place.

    `violations` begin with the one that its fate is about.

    `fate`: "safe"; "no_worse" if only that goes wrong which does with the old code restarted there; "repeated" if
    effects that are owed at least once (mails) are made again because of the new code; "failed" if an execution fails
    that would be completed by either code; "mixed" if something is wrong by what either code owes, but not the same
    (one charges before the wait, the other after it, at another provider); "imbalance" if amounts are wrong; "error" if
    the new code cannot take what the old code asked for; or the worst verdict.
    """

    faults: tuple[Placed, ...]
    index: int
    place: Place
    fate: str
    violations: tuple[Violation, ...]

    @property
    def unsafe(self) -> bool:
        """Whether something goes wrong because of the new code."""
        return self.fate not in (SAFE, NO_WORSE)

    def __str__(self) -> str:
        return f"{_history(self.faults)}, index {self.index} ({self.place}): {self.fate}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A history that goes wrong with the old code alone, made by these faults, and the first thing that is wrong."""

    faults: tuple[Placed, ...]
    violation: Violation

    def __str__(self) -> str:
        return f"{_history(self.faults)}: {self.violation.kind} {self.violation.subject}"


def _history(faults: tuple[Placed, ...]) -> str:
    return f"history of the {', then '.join(map(str, faults)) or 'calm'} run"


@dataclass(frozen=True)
class DeploySweep:
    """What becomes of every history when the new code takes over at each of its indexes.

    `histories` counts the different histories; `broken` are those of them that go wrong with the old code alone: there
    a deploy is judged by what the old code does when it is restarted. `bounds` says what the answer is limited to.
    """

    model: str
    version: str
    shipped: tuple[Shipped, ...]
    histories: int
    broken: tuple[Broken, ...] = ()
    bounds: str = ""

    @property
    def ok(self) -> bool:
        """Whether the change may be shipped at any time: nothing new goes wrong, and the calm history goes well."""
        return bool(self.shipped) and not (self.unsafe or self._calm_broken)

    @property
    def _calm_broken(self) -> Broken | None:
        return next((one for one in self.broken if not one.faults), None)

    @cached_property
    def unsafe(self) -> tuple[Shipped, ...]:
        """The deploys that went wrong."""
        return tuple(one for one in self.shipped if one.unsafe)

    @property
    def fates(self) -> dict[str, int]:
        """How many deploys had which fate."""
        counts = Counter(one.fate for one in self.shipped)
        return {fate: counts[fate] for fate in dict.fromkeys((*FATES, *counts)) if counts[fate]}

    @cached_property
    def by_history(self) -> dict[tuple[Placed, ...], list[Shipped]]:
        """The deploys into each history, by index."""
        found: dict[tuple[Placed, ...], list[Shipped]] = {}
        for one in self.shipped:
            found.setdefault(one.faults, []).append(one)
        return found

    def words(self, shipped: list[Shipped]) -> str:
        """When a deploy into one history is safe."""
        bad = [one.index for one in shipped if one.unsafe]
        safe = [one.index for one in shipped if not one.unsafe]
        if not bad:
            return "safe at any time" if {one.fate for one in shipped} == {SAFE} else "no worse than the old code"
        if not safe:
            return "never safe"
        if max(safe) < min(bad):
            return f"safe only up to index {max(safe)}"
        if min(safe) > max(bad):
            return f"safe only from index {min(safe)} on"
        return f"not safe at index {bad[0]}" if len(bad) == 1 else f"not safe from index {min(bad)} to {max(bad)}"

    @property
    def guarantee(self) -> str:
        """The answer, in words."""
        tried = f"{len(self.shipped):,} indexes of {self.histories:,} histories"
        if not self.shipped:
            return f"{self.model}: shows nothing: there is no history to deploy into"
        if self.unsafe:
            said = f"{self.version} is not safe for running workflows: {text.counts(self.fates)} of {tried}"
        elif self._calm_broken:
            said = f"shows too little: the calm run goes wrong with the old code alone; nothing new at any of {tried}"
        elif NO_WORSE in self.fates:
            worse = f"nothing new goes wrong at any of {tried}"
            said = f"{self.version} may be shipped while workflows run: {worse}, but {text.counts(self.fates)}"
        else:
            said = f"{self.version} may be shipped while workflows run: safe at each of {tried}"
        return f"{self.model}: {said}{self._alone}"

    @property
    def _alone(self) -> str:
        """Which histories go wrong with the old code alone."""
        if not self.broken:
            return ""
        count = f"{len(self.broken):,} of {self.histories:,} histories"
        return f"; {count} go wrong with the old code alone (first: {self.broken[0]})"

    def to_json(self) -> dict[str, Any]:
        """The sweep as plain data."""
        return {
            "model": self.model,
            "version": self.version,
            "safe": self.ok,
            "histories": self.histories,
            "broken": [{"history": str(one), "violation": str(one.violation)} for one in self.broken],
            "bounds": self.bounds,
            "deploys": len(self.shipped),
            "fates": self.fates,
            "guarantee": self.guarantee,
            "unsafe": [{"deploy": str(one), "violations": list(map(str, one.violations))} for one in self.unsafe],
        }

    def __str__(self) -> str:
        lines = [self.guarantee, f"  {self.bounds}"]
        words = Counter(self.words(shipped) for shipped in self.by_history.values())
        lines += [f"  {count} histories: {said}" for said, count in words.most_common()]
        shown = {one.fate: one for one in reversed(self.unsafe)}
        lines += [f"  {one}\n    {one.violations[0]}" for one in shown.values()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        histories = Counter(self.words(shipped) for shipped in self.by_history.values())
        unsafe = [(str(one), str(one.violations[0])) for one in self.unsafe]
        when = dict(histories.most_common())
        return html.deploys_card(self.guarantee, self.ok, self.fates, when, unsafe, bounds=self.bounds)


def deploy_sweep(
    scenario: Scenario,
    to: str | Callable[..., Any] | None = None,
    model: str = "replay",
    *,
    faults: str | Iterable[str] = PATHS,
    depth: int = 1,
    rolling: bool = False,
    seed: int = 0,
    settings: Settings = Settings(),
) -> DeploySweep:
    """Replace the code by another version at every index of the histories that the old code has with some faults.

    Args:
        scenario: the old code, its input and its world; the first execution alone is run.
        to: the new code: a version of the scenario by its name, or a workflow function; by default the only version.
        faults: the families of faults that make the histories; see `durable_sim.search.families.FAMILIES`.
            A "signal" that comes at another instant makes other histories, too.
        depth: how many of them strike in one run.
        rolling: the workers are replaced one after the other, each after the `downtime` of the one before: meanwhile
            others run the old code, from the third on beside the new code. By default all stop together.

    Raises:
        UnknownNameError: the scenario has no such version.
        UserError: no new code; or signals are to be moved, and the scenario sends none.
    """
    version, versions = _version(scenario, to)
    trial = trial_of(replace(scenario, versions=versions), model, seed)
    codes = Codes.of(trial, version)
    explorer = Explorer(trial, families_for(faults, trial.base.scenario), None, settings)
    shipped: list[Shipped] = []
    broken: list[Broken] = []
    known: dict[str, None] = {}
    histories = 0
    for run, placed in explorer.runs((), depth):
        fresh = [point for point in _indexes(trial, run, placed) if point.key not in known]
        if placed and not fresh:
            continue
        histories += 1
        broken += [Broken(placed, violation) for violation in run.violations[:1]]
        for point in fresh:
            known[point.key] = None
            deploy = Deploy(version=version, rolling=rolling, downtime=settings.downtime, **point.place.trigger)
            fate, violations = fate_of(codes, [one.fault for one in placed], deploy)
            shipped.append(Shipped(placed, point.index, point.place, fate, violations))
    bounds = f"{bounds_of(trial, explorer.families)}; {_how(trial, explorer.families, rolling)}"
    return DeploySweep(model, version, tuple(shipped), histories, tuple(broken), bounds)


def _how(trial: Trial, families: tuple[str, ...], rolling: bool) -> str:
    """How the new code comes in, and what has not been tried."""
    how = "workers are replaced one after the other" if rolling else "all workers are replaced together"
    still = SIGNAL not in families and bool(signals_of(trial.base.scenario))
    return f"{how}; signals only when the scenario sends them" if still else how


@dataclass(frozen=True, slots=True)
class _Point:
    """A place at which a history has just grown to `index` records, and a digest of them and of what took effect."""

    index: int
    place: Place
    key: str


def _indexes(trial: Trial, run: Run, placed: tuple[Placed, ...]) -> Iterator[_Point]:
    """The indexes of the history that a run makes, from the last fault on: before it the history is another run's (but
    for a signal that comes later than it was to: until then it is missing)."""
    since = placed[-1].place.at if placed and placed[-1].family != SIGNAL else 0
    grown = _grown(trial, [one.fault for one in placed])
    digest = hashlib.sha256()
    for place in places(run.recording):
        if place.kind == EFFECT_APPLIED:  # an error with and one without effect make the same history
            digest.update(f"{run.trace[place.at].subject}\n".encode())
        if place.at in grown:
            digest.update(f"{grown[place.at]} {_said(run.trace[place.at])}\n".encode())
            if place.at >= since:
                yield _Point(grown[place.at], place, digest.hexdigest())


def _grown(trial: Trial, faults: list[Placeable]) -> dict[int, int]:
    """The length of the history after each trace record at which it has grown."""
    grown: dict[int, int] = {}

    def watch(engine: Model, executions: tuple[Execution, ...], record: Record) -> None:
        length = sum(map(engine.stored, executions))
        if length > max(grown.values(), default=0):
            grown[record.index] = length

    simulate(trial.scenario(faults), trial.model, trial.seed, observe=watch)
    return grown


def _said(record: Record) -> str:
    """What a record says, without the time, and without who did it."""
    data = {key: value for key, value in (record.data or {}).items() if not key.endswith("_us")}
    return json.dumps([record.kind, record.subject, record.step, record.attempt, data], sort_keys=True, default=str)


def _version(scenario: Scenario, to: str | Callable[..., Any] | None) -> tuple[str, Mapping[str, Callable[..., Any]]]:
    """The name of the new code, and all versions with it."""
    versions = scenario.versions
    if callable(to):
        return NEW, {**versions, NEW: to}
    if to is None and len(versions) != 1:
        known = f"versions {', '.join(versions)}" if versions else "no versions"
        raise UserError(f"deploy: the scenario has {known}; say which one is to be deployed")
    name = next(iter(versions)) if to is None else to
    if name not in versions:
        raise UnknownNameError("code version", name, versions)
    return name, versions
