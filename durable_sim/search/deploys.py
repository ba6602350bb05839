"""Deploy sweeps: may this change be shipped while workflows run?

Every history that the old code can have is made first: of the calm run and of the runs in which one fault strikes
(failure, retry, compensation, cancellation). At each index of each history the workers are then replaced by ones with
the new code, which has to go on. Always holds: a deploy is judged against what either code alone would have done; it
is safe if each effect is there as often as one of the two has it, and everything ends.

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

from durable_sim.api import Run
from durable_sim.checks.owed import Debt, debts
from durable_sim.checks.verdict import Judgement, judge
from durable_sim.checks.violations import BAD, Violation
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.models.executions import Execution, Model
from durable_sim.search.explorer import Explorer
from durable_sim.search.families import Settings, families_of
from durable_sim.search.places import Place, places
from durable_sim.search.result import Placed
from durable_sim.search.trial import Trial, trial_of
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.trace import Record
from durable_sim.views import html, text
from durable_sim.world.faults import Deploy, Fault

SAFE, REPEATED, FAILED, ERROR = "safe", "repeated", "failed", "error"
NEW = "next"
"""The name of new code that is given as a function."""
_FATES = (ERROR, *sorted(BAD, key="orphaned_effect".__eq__), FAILED, REPEATED, SAFE)
"""Where several apply, the first counts: what stands because an execution is stuck is no orphan yet."""
_AS_EVER = "as when the old code is restarted"
PATHS = ("refuse", "error_after_effect", "lose_reply", "crash", "cancel")
"""Faults that lead histories down other paths: failure, retry, compensation, cancellation."""


Owed = tuple[tuple[Debt, ...], tuple[Debt, ...]]
"""What is owed by the old code, and by the new one."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """One deploy: into the history made by these faults, when it had so many records, after this place.

    `violations` begin with the one that its fate is about.

    `fate`: "safe"; "repeated" if effects that are owed at least once (mails) are made again because of the new code;
    "failed" if an execution fails that would be completed by either code; "error" if the new code cannot take what the
    old code asked for; or the worst verdict.
    """

    faults: tuple[Placed, ...]
    index: int
    place: Place
    fate: str
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        history = ", then ".join(map(str, self.faults)) or "calm"
        return f"history of the {history} run, index {self.index} ({self.place}): {self.fate}"


@dataclass(frozen=True)
class DeploySweep:
    """What becomes of every history when the new code takes over at each of its indexes.

    `histories` counts the different histories; `skipped` the ones that go wrong with the old code alone.
    """

    model: str
    version: str
    shipped: tuple[Shipped, ...]
    histories: int
    skipped: int

    @property
    def ok(self) -> bool:
        """Whether the change may be shipped at any time."""
        return bool(self.shipped) and not self.unsafe

    @cached_property
    def unsafe(self) -> tuple[Shipped, ...]:
        """The deploys that went wrong."""
        return tuple(one for one in self.shipped if one.fate != SAFE)

    @property
    def fates(self) -> dict[str, int]:
        """How many deploys had which fate."""
        counts = Counter(one.fate for one in self.shipped)
        return {fate: counts[fate] for fate in _FATES if counts[fate]}

    @cached_property
    def by_history(self) -> dict[tuple[Placed, ...], list[Shipped]]:
        """The deploys into each history, by index."""
        found: dict[tuple[Placed, ...], list[Shipped]] = {}
        for one in self.shipped:
            found.setdefault(one.faults, []).append(one)
        return found

    def words(self, shipped: list[Shipped]) -> str:
        """When a deploy into one history is safe."""
        bad = [one.index for one in shipped if one.fate != SAFE]
        safe = [one.index for one in shipped if one.fate == SAFE]
        if not bad:
            return "safe at any time"
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
        if self.ok:
            return f"{self.model}: {self.version} may be shipped while workflows run: safe at each of {tried}"
        return f"{self.model}: {self.version} is not safe for running workflows: {text.counts(self.fates)} of {tried}"

    def to_json(self) -> dict[str, Any]:
        """The sweep as plain data."""
        return {
            "model": self.model,
            "version": self.version,
            "safe": self.ok,
            "histories": self.histories,
            "skipped": self.skipped,
            "deploys": len(self.shipped),
            "fates": self.fates,
            "guarantee": self.guarantee,
            "unsafe": [{"deploy": str(one), "violations": list(map(str, one.violations))} for one in self.unsafe],
        }

    def __str__(self) -> str:
        lines = [self.guarantee]
        if self.skipped:
            lines.append(f"  {self.skipped} histories left out: they go wrong with the old code alone")
        words = Counter(self.words(shipped) for shipped in self.by_history.values())
        lines += [f"  {count} histories: {said}" for said, count in words.most_common()]
        shown = {one.fate: one for one in reversed(self.unsafe)}
        lines += [f"  {one}\n    {one.violations[0]}" for one in shown.values()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        histories = Counter(self.words(shipped) for shipped in self.by_history.values())
        unsafe = [(str(one), str(one.violations[0])) for one in self.unsafe]
        return html.deploys_card(self.guarantee, self.ok, self.fates, dict(histories.most_common()), unsafe)


def deploy_sweep(
    scenario: Scenario,
    to: str | Callable[..., Any] | None = None,
    model: str = "replay",
    *,
    faults: str | Iterable[str] = PATHS,
    depth: int = 1,
    seed: int = 0,
    settings: Settings = Settings(),
) -> DeploySweep:
    """Replace the code by another version at every index of every history that the old code can have.

    Args:
        scenario: the old code, its input and its world; the first execution alone is run.
        to: the new code: a version of the scenario by its name, or a workflow function; by default the only version.
        faults: the families of faults that make the histories; see `durable_sim.search.families.FAMILIES`.
        depth: how many of them strike in one run.

    Raises:
        UnknownNameError: the scenario has no such version.
        UserError: no new code.
    """
    version, versions = _version(scenario, to)
    trial = trial_of(replace(scenario, versions=versions), model, seed)
    new = trial.base.scenario.versions[version]
    owed = (trial.owed, debts(replace(trial.base.scenario, workflow=new), seed))
    explorer = Explorer(trial, families_of(faults), None, settings)
    shipped: list[Shipped] = []
    known: dict[str, None] = {}
    histories = skipped = 0
    for run, placed in explorer.runs((), depth):
        if not run.ok:
            skipped += 1
            continue
        fresh = [point for point in _indexes(trial, run, placed) if point.key not in known]
        histories += bool(fresh)
        for point in fresh:
            known[point.key] = None
            deploy = Deploy(version=version, rolling=False, downtime=settings.downtime, **point.place.trigger)
            violations = tuple(_wrong(trial, [one.fault for one in placed], deploy, owed))
            found = {violation.kind for violation in violations}
            fate = next((kind for kind in _FATES if kind in found), SAFE)
            told = tuple(sorted(violations, key=lambda one: one.kind != fate))
            shipped.append(Shipped(placed, point.index, point.place, fate, told))
    return DeploySweep(model, version, tuple(shipped), histories, skipped)


@dataclass(frozen=True, slots=True)
class _Point:
    """A place at which a history has just grown to `index` records, and a digest of what they say."""

    index: int
    place: Place
    key: str


def _indexes(trial: Trial, run: Run, placed: tuple[Placed, ...]) -> Iterator[_Point]:
    """The indexes of the history that a run makes, from the last fault on: before it the history is another run's."""
    since = placed[-1].place.at if placed else 0
    grown = _grown(trial, [one.fault for one in placed])
    digest = hashlib.sha256()
    for place in places(run.recording):
        if place.at in grown:
            digest.update(f"{grown[place.at]} {_said(run.trace[place.at])}\n".encode())
            if place.at >= since:
                yield _Point(grown[place.at], place, digest.hexdigest())


def _grown(trial: Trial, faults: list[Fault]) -> dict[int, int]:
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


def _wrong(trial: Trial, faults: list[Fault], deploy: Deploy, owed: Owed) -> Iterator[Violation]:
    """What is wrong by the measure of the old code and of the new one, too."""
    try:
        old, new = _judged(trial, [*faults, deploy], owed)
    except UserError as error:
        name = trial.base.scenario.execution_ids()[0]
        yield Violation(ERROR, name, "new code", str(error), "code that can take what the old code asked for")
        return
    also = {(violation.kind, violation.subject) for violation in new.violations}
    yield from (one for one in old.violations if (one.kind, one.subject) in also and one.execution is not None)
    repeats, execution = _repeats((old, new)), old.executions[0].execution
    failed = execution.status == "failed" and all(debt.completes for debts in owed for debt in debts)
    if not (repeats or failed):
        return
    restarted = _judged(trial, [*faults, replace(deploy, version=None)], owed)
    if failed and restarted[0].executions[0].execution.status == "completed":
        why = f"failed ({execution.failure.told})" if execution.failure else "failed"
        yield Violation(FAILED, execution.id, "execution", why, f"completed, {_AS_EVER}")
    as_ever = _repeats(restarted)
    if repeats > as_ever:
        expected = f"{as_ever}, {_AS_EVER}"
        yield Violation(REPEATED, execution.id, "effects owed at least once", f"{repeats} made again", expected)


def _judged(trial: Trial, faults: list[Fault], owed: Owed) -> tuple[Judgement, Judgement]:
    recording = simulate(trial.scenario(faults), trial.model, trial.seed)
    old, new = owed
    return judge(recording, old), judge(recording, new)


def _repeats(judged: tuple[Judgement, Judgement]) -> int:
    """How many effects were made more often than both codes would."""
    return min(sum(one.repeats for one in judgement.executions) for judgement in judged)


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
