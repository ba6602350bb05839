"""What a sweep found: its cases, the guarantee or the smallest sets of faults that break it, and what was covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from durable_sim.checks.shown import unharmed
from durable_sim.checks.violations import VERDICTS, Verdict, Violation
from durable_sim.results.run import Run
from durable_sim.search.coverage import Coverage, Struck, struck_after
from durable_sim.search.families import CALL_FAMILIES
from durable_sim.search.places import Place
from durable_sim.search.trial import Trial
from durable_sim.search.words import bounds_of, guarantee, uncommon, why_nothing
from durable_sim.simulation.injector import Strike
from durable_sim.views import html, text
from durable_sim.world.faults import Placeable, Script, Signal


class Placed(NamedTuple):
    """A fault of a family, and the place at which it strikes."""

    family: str
    place: Place
    fault: Placeable

    def __str__(self) -> str:
        if self.family in CALL_FAMILIES:
            which = "" if self.place.nth == 1 else f" no. {self.place.nth}"
            return f"{self.family.replace('_', ' ')} at call{which} of {self.place.subject}"
        what = f" {self.fault.name}" if isinstance(self.fault, Signal) else ""
        return f"{self.family.replace('_', ' ')}{what} {self.place}"


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a sweep: its faults, in the order in which they strike, and what came of it.

    `fired` counts the faults that struck anything at all, `hit` those that hit something in flight; `struck` is what
    the last of them hit. `undone`: some effect was undone.
    """

    placed: tuple[Placed, ...]
    verdicts: tuple[Verdict, ...]
    violations: tuple[Violation, ...]
    fired: int
    hit: int
    struck: tuple[Struck, ...] = ()
    undone: bool = False

    @classmethod
    def of(cls, run: Run, placed: tuple[Placed, ...]) -> Case:
        """The case of a run."""
        scripts = sum(isinstance(one.fault, Script) for one in placed)
        strikes = _strikes(run, placed)
        return cls(
            placed,
            tuple(one.verdict for one in run.executions),
            run.violations,
            scripts + sum(strike.fired_us is not None for strike in strikes),
            scripts + sum(bool(strike.hit) for strike in strikes),
            tuple(_last_struck(run, placed)),
            any(entry.undoes is not None for entry in run.ledger),
        )

    @property
    def faults(self) -> tuple[Placeable, ...]:
        """The faults, as `durable_sim.run` takes them; a signal that was moved is none, and goes into the stimuli."""
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
    A sweep in which no fault hit anything in flight is `vacuous`, and guarantees nothing, and so is one of a workflow
    that does nothing, or fails, without any fault; nor does one that never reached what the user's checks say it must
    reach (`sometimes`).
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
    def fired_by_depth(self) -> dict[int, int]:
        """In how many of them every fault struck: a server that a model has not got cannot be restarted."""
        fired = Counter(len(case.placed) for case in self.cases if case.fired == len(case.placed))
        return {depth: fired[depth] for depth in self.runs_by_depth}

    @cached_property
    def never_struck(self) -> tuple[str, ...]:
        """The families of which no fault struck by itself: there is nothing that it could strike, or no such place."""
        struck = {case.placed[0].family for case in self.cases if len(case.placed) == 1 and case.fired}
        return tuple(family for family in self.families if family not in struck)

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
        """Whether the sweep shows nothing, whatever its runs are like."""
        return bool(self._why_nothing)

    @cached_property
    def _why_nothing(self) -> str:
        return why_nothing(self.trial, sum(case.hit for case in self.cases))

    @cached_property
    def verdicts(self) -> dict[str, int]:
        """How many executions, over all runs, got each verdict."""
        return count_verdicts(self.cases)

    @cached_property
    def smallest(self) -> tuple[Case, ...]:
        """The cases with violations from which no fault can be left out: the minimal fault sets."""
        minimal: list[Case] = []
        known: list[frozenset[Placeable]] = []
        for case in sorted(self.found, key=lambda case: len(case.placed)):
            faults = frozenset(case.faults)
            if not any(smaller <= faults for smaller in known):
                minimal.append(case)
                known.append(faults)
        return tuple(minimal)

    @cached_property
    def coverage(self) -> Coverage:
        """What the faults that hit something had hit."""
        return Coverage.of(struck for case in self.cases if case.hit == len(case.placed) for struck in case.struck)

    def run(self, case: Case) -> Run:
        """Make the run of a case once more, with all there is to see of it."""
        return self.trial.run(case.faults)

    @property
    def guarantee(self) -> str:
        """What has been shown, in words, with its bounds."""
        return guarantee(
            self.model,
            wrong=f"{len(self.found):,} of {len(self.cases):,} runs go wrong" if self.found else "",
            nothing=self._why_nothing,
            never_reached=self.never_reached,
            holds=f"{unharmed(undone=any(case.undone for case in self.cases))} {self._tried}",
        )

    @property
    def _tried(self) -> str:
        what = "crashes" if self.families == ("crash",) else "faults"
        groups = [_group(depth, count, what) for depth, count in self.fired_by_depth.items() if depth]
        hits = " and ".join(f"{count:,}" for depth, count in self.hits_by_depth.items() if depth)
        where = "" if self.everywhere else " at the chosen places"
        runs = f"{len(self.cases):,} runs; {hits} hit work in flight{uncommon(self.verdicts)}"
        return f"after {' and '.join(groups)}{where} ({runs})"

    @property
    def bounds(self) -> str:
        """What the guarantee is limited to."""
        return bounds_of(self.trial, self.families, self.never_struck)

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


def _last_struck(run: Run, placed: tuple[Placed, ...]) -> Iterator[Struck]:
    """What the last fault hit: those before it are cases of their own."""
    if not placed:
        return
    family, place, fault = placed[-1]
    if isinstance(fault, Script):
        yield Struck.at(family, place)
        return
    strike = next(one for one in reversed(_strikes(run, placed)) if one.fault == fault)
    if strike.hit == [place.execution]:  # as nearly always
        yield Struck.at(family, place)
    elif strike.after is not None:
        yield from struck_after(run.recording, strike.after, family, strike.hit)


def _strikes(run: Run, placed: tuple[Placed, ...]) -> list[Strike]:
    """What became of the faults of processes, and of the signals that were moved."""
    moved = [one.fault for one in placed if isinstance(one.fault, Signal)]
    return [*run.recording.strikes, *(strike for strike in run.recording.stimuli if strike.fault in moved)]


def _group(depth: int, count: int, what: str) -> str:
    names = {1: what, 2: "pairs", 3: "triples"}
    return f"each of {count:,} {names.get(depth, f'sets of {depth} {what}')}"
