"""Search guided by lineage: from how a run went well back to what could have been lost, and only that is tried.

After Alvaro, Rosen and Hellerstein, "Lineage-driven fault injection" (SIGMOD 2015), for workflows that recover. What a
run owes is that each of its steps comes to its end with its effect, and it itself to its own. What a step came about
through, its support, is everything that happened from the end of the step before to the beginning of the step after:
requests, effects, replies, records, retries, recoveries. What failed on the way belongs to it as well: here, doing a
thing twice is as bad as not doing it. A fault also belongs to the support of a step that goes another way with the
fault than without it, wherever it strikes. A set of faults is worth a run only if, for some step, it hits the supports
of that step in every run with some of these faults. The supports of a run with faults are known for sets that contain
these faults only: the retry that saved it would not be there without them. A step that a run does not have (a
compensation) is supported there by the steps to which the faults belong that brought it about elsewhere.

What the lineage cannot see:

- Single faults are all tried: nothing is missed there, and nothing is saved. Larger sets are pruned by taking it that a
  step depends on earlier ones through their outcome only: two faults in two steps, neither of which changes how any
  other step goes, are never tried together.
- How a step went is what the trace tells of it, without times, workers and results. Missed are faults of different
  steps that meet only there: two pauses that add up to more than a deadline; a first fault that decides which worker
  a second one hits; a result, or a worker's memory, that is harmless until a later step fails, too.

A sweep of the same depth is exhaustive; this is for where a sweep takes too long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from durable_sim.checks.oracles import Oracle
from durable_sim.errors import UserError
from durable_sim.results.run import Run
from durable_sim.search.baseline import Executions
from durable_sim.search.families import CALL_FAMILIES, SIGNAL, Settings, families_of, faults_at
from durable_sim.search.hitting import Support, hitting_sets
from durable_sim.search.minimal import smallest
from durable_sim.search.passages import Passage, Step, Way, passages_of, reach_of
from durable_sim.search.places import Place, places
from durable_sim.search.result import Case, Placed, count_verdicts
from durable_sim.search.sometimes import campaign
from durable_sim.search.trial import Invariant, Trial, trial_of
from durable_sim.search.words import bounds_of, guarantee, uncommon, why_nothing
from durable_sim.simulation.scenario import Scenario
from durable_sim.views import html


class Goal(NamedTuple):
    """That a step comes about as it should; `because` of faults in these steps, if a calm run does not have it."""

    step: Step
    because: tuple[Step, ...]


Numbers = tuple[int, ...]
"""Faults, by their numbers in `_Search.placed`, in ascending order."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a run with some faults came about through: by step, the further faults that could strike in it."""

    faults: Numbers
    ways: Mapping[Step, Way]
    within: Mapping[Step, dict[int, None]]
    anywhere: dict[int, None]


@dataclass(frozen=True)
class LineageSearch:
    """What a search guided by lineage has found.

    `cases` are its runs; `smallest` the minimal sets of faults that break the workflow. `complete`: it ended because
    no set of at most `faults_max` faults was left to try. `faults_seen`: how many faults could have struck in one of
    the runs.
    """

    trial: Trial
    families: tuple[str, ...]
    faults_max: int
    cases: tuple[Case, ...]
    smallest: tuple[Case, ...]
    faults_seen: int
    complete: bool
    never_reached: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """How many runs were made."""
        return len(self.cases)

    @cached_property
    def verdicts(self) -> dict[str, int]:
        """How many executions, over all runs, got each verdict."""
        return count_verdicts(self.cases)

    @cached_property
    def vacuous(self) -> bool:
        """Whether the search shows nothing, whatever its runs are like."""
        return bool(self._why_nothing)

    @cached_property
    def _why_nothing(self) -> str:
        return why_nothing(self.trial, sum(case.hit for case in self.cases))

    @property
    def ok(self) -> bool:
        """Whether faults struck, nothing is left to try, all marks were reached, and nothing went wrong."""
        return self.complete and not (self.smallest or self.vacuous or self.never_reached)

    @property
    def guarantee(self) -> str:
        """What has been shown, in words, with its bounds."""
        left = f"nothing went wrong so far, but sets of faults are left ({self._tried})"
        return guarantee(
            self.trial.model,
            wrong=f"{len(self.smallest):,} smallest set(s) of faults break it ({self._tried})" if self.smallest else "",
            nothing=self._why_nothing,
            little="" if self.complete else left,
            never_reached=self.never_reached,
            holds=f"no set of up to {self.faults_max} faults can break it, by lineage "
            f"({self._tried}{uncommon(self.verdicts)})",
        )

    @property
    def _tried(self) -> str:
        return f"{self.runs:,} runs; {self.faults_seen:,} faults could strike"

    @property
    def bounds(self) -> str:
        """What the guarantee is limited to."""
        bounds = bounds_of(self.trial, self.families)
        return f"{bounds}; takes it that a step depends on the steps before through their outcome only"

    def to_json(self) -> dict[str, Any]:
        """The search as plain data, under the names that a sweep has for the same."""
        return {
            "model": self.trial.model,
            "depth": self.faults_max,
            "faults": list(self.families),
            "seed": self.trial.seed,
            "crash_points": self.faults_seen,
            "complete": self.complete,
            "runs": self.runs,
            "verdicts": self.verdicts,
            "violations": sum(bool(case.violations) for case in self.cases),
            "vacuous": self.vacuous,
            "never_reached": list(self.never_reached),
            "guarantee": self.guarantee,
            "bounds": self.bounds,
            "smallest": [case.to_json() for case in self.smallest],
        }

    def __str__(self) -> str:
        shown = [f"  {case}: {case.violations[0]}" for case in self.smallest[:5]]
        more = [f"  ... and {len(self.smallest) - 5:,} more"] if len(self.smallest) > 5 else []
        return "\n".join([self.guarantee, f"  {self.bounds}", *shown, *more])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        found = [(str(case), str(case.violations[0])) for case in self.smallest]
        return html.sweep_card(self.guarantee, self.ok, self.verdicts, found, bounds=self.bounds)


def lineage_search(
    scenario: Scenario,
    model: str = "replay",
    *,
    faults: str | Iterable[str] = ("crash",),
    faults_max: int = 3,
    first: bool = False,
    seed: int = 0,
    executions: Executions = 1,
    settings: Settings = Settings(),
    oracles: Iterable[str | Oracle] = (),
    invariants: Iterable[Invariant] = (),
    runs_max: int = 10_000,
) -> LineageSearch:
    """Search for the smallest sets of faults that break a workflow, by what its runs came about through.

    Args:
        scenario: what is run; without its own process faults, flakiness and outages.
        faults: families of `durable_sim.search.families.FAMILIES`; "process", "call" and "all" stand for several.
        faults_max: how many faults strike in one run at most.
        first: stop at the first set that breaks it.
        seed: decides the latencies.
        executions: how many of the scenario's executions run at the same time, or the id of the one that runs alone;
            None: all.
        settings: how long what takes, and which version a deploy switches to: by default the scenario's only other
            one, or the same code once more.
        oracles: further checks, by name or as functions over the recording of a run.
        invariants: the user's own, functions over a `Run`: what they assert, or say, is a violation.
        runs_max: give up after so many runs; the result then says that it is not complete.

    >>> from durable_sim.library import shop
    >>> from durable_sim.library.orders import plain_order
    >>> search = lineage_search(Scenario(plain_order, ({"order_id": "o-1"},), shop()), faults="refuse")
    >>> print(search.guarantee)
    replay: 4 smallest set(s) of faults break it (20 runs; 15 faults could strike)

    Raises:
        UserError: arguments that make no search.
    """
    for name, number in (("faults_max", faults_max), ("runs_max", runs_max)):
        if number < 1:
            raise UserError(f"{name} is {number}, expected 1 or more")
    if SIGNAL in families_of(faults):
        raise UserError("lineage: signals are moved by sweeps only, expected other families; fault_sweep moves them")
    trial = trial_of(scenario, model, seed, executions, oracles, invariants)
    search = _Search(trial, families_of(faults), settings.for_scenario(scenario), runs_max)
    with campaign() as marks:
        complete = search.all_up_to(faults_max, first)
    smallest_sets = tuple(search.cases[numbers] for numbers in search.broken)
    cases, seen = tuple(search.cases.values()), len(search.placed)
    return LineageSearch(trial, search.families, faults_max, cases, smallest_sets, seen, complete, marks.never)


class _Enough(Exception):
    """No more runs may be made."""


class _Search:
    """The runs so far, what each that went well came about through, and what broke.

    Always holds: nothing can be left out of a set in `broken`.
    """

    def __init__(self, trial: Trial, families: tuple[str, ...], settings: Settings, runs_max: int) -> None:
        self._trial = trial
        self._settings = settings
        self._runs_max = runs_max
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._lineages: dict[Numbers, Lineage] = {}
        self._touched: dict[Step, dict[int, None]] = {}
        self._goals: dict[Goal, None] = {}
        self.families = families
        self.placed: list[Placed] = []
        self.cases: dict[Numbers, Case] = {}
        self.broken: list[Numbers] = []

    def all_up_to(self, faults_max: int, first: bool) -> bool:
        """Try every set that is worth it, the smaller first; whether that came to its end."""
        try:
            if self._fails(()):
                self.broken.append(())
            for size in range(1, faults_max + 1):
                while batch := self._worth_trying(size):  # a run may bring up steps that no run had before
                    for numbers in batch:
                        self._try(numbers)
                        if self.broken and first:
                            return False
        except _Enough:
            return False
        return True

    def _worth_trying(self, size: int) -> list[Numbers]:
        """The smallest sets that, for some goal, hit every support that is known for them.

        What runs with so many faults came about through is known for larger sets only, and is left aside.
        """
        sets: dict[Numbers, None] = {}
        known = [one for one in self._lineages.values() if len(one.faults) < size]
        for goal in self._goals:
            supports = [Support(self._support(goal, one), one.faults) for one in known]
            for hitting in hitting_sets(supports, size, closed=self.broken, exclusive=self._exclusive):
                sets[tuple(sorted(hitting))] = None
        return sorted((one for one in sets if one not in self.cases and not self._idle(one)), key=len)

    def _support(self, goal: Goal, lineage: Lineage) -> Numbers:
        """The faults that could have kept a goal from being reached in a run."""
        steps = (goal.step,) if goal.step in lineage.ways else goal.because
        found: dict[int, None] = {}
        for step in steps:
            found.update(lineage.within.get(step, {}))
            found.update((fault, None) for fault in self._touched.get(step, ()) if fault in lineage.anywhere)
        return tuple(found)

    def _exclusive(self, fault: int) -> tuple[Any, ...]:
        """A call has one fate, and one process fault strikes at a place."""
        family, place, _ = self.placed[fault]
        return family in CALL_FAMILIES, place.kind, place.subject, place.execution, place.nth

    def _try(self, numbers: Numbers) -> None:
        broken = any(set(one) <= set(numbers) for one in self.broken)
        if not broken and self._fails(numbers):
            self.broken.append(smallest(numbers, self._fails))

    def _idle(self, numbers: Numbers) -> bool:
        """Whether one of the faults waits for what never comes, in the run with the others, which went well."""
        return any(
            fault not in lineage.anywhere
            for fault in numbers
            if (lineage := self._lineages.get(_without(numbers, fault))) is not None
        )

    def _fails(self, numbers: Numbers) -> bool:
        """Make the run with these faults, unless it was made, and learn from it if it goes well."""
        if self._idle(numbers):
            return False
        if numbers not in self.cases:
            if len(self.cases) == self._runs_max:
                raise _Enough
            placed = tuple(self.placed[number] for number in numbers)
            run = self._trial.run([one.fault for one in placed])
            self.cases[numbers] = Case.of(run, placed)
            if run.ok:
                self._learn(numbers, run)
        return bool(self.cases[numbers].violations)

    def _learn(self, numbers: Numbers, run: Run) -> None:
        passages = passages_of(run.trace)
        lineage = self._lineage(numbers, run, passages)
        self._lineages[numbers] = lineage
        for fault in numbers:
            without = self._lineages.get(_without(numbers, fault))
            for step in () if without is None else _otherwise(lineage, without):
                self._touched.setdefault(step, {})[fault] = None
        self._goals.update((goal, None) for goal in self._goals_of(lineage))

    def _goals_of(self, lineage: Lineage) -> Iterator[Goal]:
        calm = self._lineages[()]
        struck = tuple(
            step
            for step in calm.ways
            if any(fault in calm.within[step] or fault in self._touched.get(step, ()) for fault in lineage.faults)
        )
        for step in lineage.ways:
            yield Goal(step, () if step in calm.ways else struck)

    def _lineage(self, numbers: Numbers, run: Run, passages: Mapping[Step, Passage]) -> Lineage:
        reach = reach_of(passages, len(run.trace))
        within: dict[Step, dict[int, None]] = {step: {} for step in passages}
        anywhere: dict[int, None] = {}
        for place in places(run.recording):
            faults = [fault for fault in self._faults_at(place) if fault not in numbers]
            anywhere.update(dict.fromkeys(faults))
            for step, (since, until) in reach.items():
                if since <= place.at <= until:
                    within[step].update(dict.fromkeys(faults))
        ways = {step: passage.way for step, passage in passages.items()}
        return Lineage(numbers, ways, within, anywhere)

    def _faults_at(self, place: Place) -> Iterator[int]:
        """The numbers of the faults that can strike at a place: the same place in another run has the same."""
        for family in self.families:
            for fault in faults_at(family, place, self._trial.base.scenario, self._settings):
                key = (family, place.kind, place.subject, place.execution, place.nth)
                if key not in self._numbers:
                    self._numbers[key] = len(self.placed)
                    self.placed.append(Placed(family, place, fault))
                yield self._numbers[key]


def _without(numbers: Numbers, fault: int) -> Numbers:
    return tuple(one for one in numbers if one != fault)


def _otherwise(lineage: Lineage, without: Lineage) -> Iterator[Step]:
    """The steps that went another way in one run than in the other, or that only one of them has."""
    for step in dict.fromkeys((*lineage.ways, *without.ways)):
        if lineage.ways.get(step) != without.ways.get(step):
            yield step
