"""What a sweep found: its cases, the guarantee or the smallest sets of faults that break it, and what was covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from durable_sim.api import Run
from durable_sim.checks.violations import VERDICTS, Verdict, Violation
from durable_sim.search.coverage import Coverage, Struck
from durable_sim.search.families import CALL_FAMILIES
from durable_sim.search.places import Place
from durable_sim.search.trial import Trial
from durable_sim.views import html, text
from durable_sim.world.faults import Fault, Script


class Placed(NamedTuple):
    """A fault of a family, and the place at which it strikes."""

    family: str
    place: Place
    fault: Fault

    def __str__(self) -> str:
        if self.family in CALL_FAMILIES:
            which = "" if self.place.nth == 1 else f" no. {self.place.nth}"
            return f"{self.family.replace('_', ' ')} at call{which} of {self.place.subject}"
        return f"{self.family.replace('_', ' ')} {self.place}"


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a sweep: its faults, in the order in which they strike, and what came of it.

    `fired` counts the faults that struck anything at all, `hit` those that hit something in flight.
    """

    placed: tuple[Placed, ...]
    verdicts: tuple[Verdict, ...]
    violations: tuple[Violation, ...]
    fired: int
    hit: int

    @classmethod
    def of(cls, run: Run, placed: tuple[Placed, ...]) -> Case:
        """The case of a run."""
        scripts = sum(isinstance(one.fault, Script) for one in placed)
        strikes = run.recording.strikes
        return cls(
            placed,
            tuple(one.verdict for one in run.executions),
            run.violations,
            scripts + sum(strike.fired_us is not None for strike in strikes),
            scripts + sum(bool(strike.hit) for strike in strikes),
        )

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults, as `durable_sim.run` takes them."""
        return tuple(one.fault for one in self.placed)

    def to_json(self) -> dict[str, Any]:
        """The faults, and what is wrong, as plain data."""
        return {"faults": list(map(str, self.placed)), "violations": list(map(str, self.violations))}

    def __str__(self) -> str:
        return ", then ".join(map(str, self.placed)) or "no fault at all"


def count_verdicts(cases: Iterable[Case]) -> dict[str, int]:
    """How many executions, over all cases, got each verdict."""
    counts = Counter(verdict for case in cases for verdict in case.verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


@dataclass(frozen=True)
class Sweep:
    """All the cases of a sweep.

    `ok` means a bounded guarantee, which `guarantee` puts into words: no check has anything against any of the runs.
    A sweep in which no fault hit anything in flight is `vacuous`, and guarantees nothing; nor does one that never
    reached what the user's checks say it must reach (`sometimes`).
    """

    trial: Trial
    families: tuple[str, ...]
    depth: int
    everywhere: bool
    cases: tuple[Case, ...]
    never_reached: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The execution model."""
        return self.trial.model

    @property
    def seed(self) -> int:
        """The seed."""
        return self.trial.seed

    @cached_property
    def points(self) -> int:
        """At how many places a first fault was tried (for each family that can strike there)."""
        return self.runs_by_depth.get(1, 0)

    @cached_property
    def runs_by_depth(self) -> dict[int, int]:
        """How many runs had so many faults."""
        return dict(sorted(Counter(len(case.placed) for case in self.cases).items()))

    @cached_property
    def hits_by_depth(self) -> dict[int, int]:
        """In how many of them every fault hit something in flight."""
        hit = Counter(len(case.placed) for case in self.cases if case.hit == len(case.placed))
        return {depth: hit[depth] for depth in self.runs_by_depth}

    @cached_property
    def found(self) -> tuple[Case, ...]:
        """The cases with violations."""
        return tuple(case for case in self.cases if case.violations)

    @property
    def ok(self) -> bool:
        """Whether faults struck, all marks were reached, and nothing went wrong."""
        return not (self.found or self.vacuous or self.never_reached)

    @property
    def vacuous(self) -> bool:
        """Whether no fault hit anything in flight."""
        return not any(case.hit for case in self.cases)

    @cached_property
    def verdicts(self) -> dict[str, int]:
        """How many executions, over all runs, got each verdict."""
        return count_verdicts(self.cases)

    @cached_property
    def smallest(self) -> tuple[Case, ...]:
        """The cases with violations from which no fault can be left out: the minimal fault sets."""
        minimal: list[Case] = []
        known: list[frozenset[Fault]] = []
        for case in sorted(self.found, key=lambda case: len(case.placed)):
            faults = frozenset(case.faults)
            if not any(smaller <= faults for smaller in known):
                minimal.append(case)
                known.append(faults)
        return tuple(minimal)

    @cached_property
    def coverage(self) -> Coverage:
        """What the faults that hit something had hit."""
        return Coverage.of(_struck(self.cases))

    def run(self, case: Case) -> Run:
        """Make the run of a case once more, with all there is to see of it."""
        return self.trial.run(case.faults)

    @property
    def guarantee(self) -> str:
        """What has been shown, in words, with its bounds."""
        if self.vacuous:
            return f"{self.model}: shows nothing: no fault hit anything in flight"
        if self.found:
            return f"{self.model}: {len(self.found):,} of {len(self.cases):,} runs go wrong"
        if self.never_reached:
            return f"{self.model}: shows too little: never reached: {', '.join(self.never_reached)}"
        return f"{self.model}: nothing lost, doubled, stranded or undone out of order {self._tried}"

    @property
    def _tried(self) -> str:
        what = "crashes" if self.families == ("crash",) else "faults"
        groups = [_group(depth, count, what) for depth, count in self.runs_by_depth.items() if depth]
        hits = " and ".join(f"{count:,}" for depth, count in self.hits_by_depth.items() if depth)
        where = "" if self.everywhere else " at the chosen places"
        return f"after {' and '.join(groups)}{where} ({len(self.cases):,} runs; {hits} hit work in flight)"

    @property
    def bounds(self) -> str:
        """What the guarantee is limited to."""
        return bounds_of(self.trial, self.families)

    def to_json(self) -> dict[str, Any]:
        """The sweep as plain data."""
        return {
            "model": self.model,
            "depth": self.depth,
            "faults": list(self.families),
            "seed": self.seed,
            "crash_points": self.points,
            "runs": len(self.cases),
            "verdicts": self.verdicts,
            "violations": len(self.found),
            "vacuous": self.vacuous,
            "never_reached": list(self.never_reached),
            "guarantee": self.guarantee,
            "bounds": self.bounds,
            "smallest": [case.to_json() for case in self.smallest],
            "coverage": self.coverage.to_json(),
        }

    def __str__(self) -> str:
        lines = [self.guarantee, f"  {self.bounds}", f"  verdicts: {text.counts(self.verdicts)}"]
        lines += [f"  {line}" for line in str(self.coverage).splitlines()]
        if self.found:
            shown = self.smallest[:5]
            lines += ["", f"{len(self.smallest)} smallest set(s) of faults, {len(shown)} of them shown:"]
            lines += [f"  {case}: {case.violations[0]}" for case in shown]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        found = [(str(case), str(case.violations[0])) for case in self.smallest]
        return html.sweep_card(
            self.guarantee, self.ok, self.verdicts, found, bounds=self.bounds, coverage=str(self.coverage)
        )


def bounds_of(trial: Trial, families: tuple[str, ...]) -> str:
    """What every search for faults is limited to."""
    scenario = trial.base.scenario
    left_out = f"; left out: {', '.join(trial.base.left_out)}" if trial.base.left_out else ""
    return (
        f"faults: {', '.join(families)}; executions: {', '.join(scenario.execution_ids())}; seed {trial.seed}, "
        f"{scenario.workers} worker(s){left_out}"
    )


def _struck(cases: tuple[Case, ...]) -> Iterator[Struck]:
    """Each case adds its last fault: those before it are cases of their own."""
    for case in cases:
        if case.placed and case.hit == len(case.placed):
            yield Struck.at(case.placed[-1].family, case.placed[-1].place)


def _group(depth: int, count: int, what: str) -> str:
    names = {1: what, 2: "pairs", 3: "triples"}
    return f"each of {count:,} {names.get(depth, f'sets of {depth} {what}')}"
