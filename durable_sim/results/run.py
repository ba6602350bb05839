"""One run: a recording, what is to be said of it, and how to look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from durable_sim.checks.replays import replays
from durable_sim.checks.shown import idle_in, unheard, unstruck, warning
from durable_sim.checks.verdict import Judged, Judgement
from durable_sim.checks.violations import BAD, GOOD, Verdict, Violation
from durable_sim.durations import SECOND
from durable_sim.errors import UnknownNameError
from durable_sim.simulation.run import Recording, simulate
from durable_sim.trace import Trace
from durable_sim.views import html, text
from durable_sim.views.story import story, story_lengths
from durable_sim.world.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from durable_sim.health.baseline import Baseline
    from durable_sim.health.health import Health


@dataclass(frozen=True)
class Run:
    """One scenario under one execution model with one seed: what happened, and what is to be said of it.

    `findings` are violations found by checks that were asked for beyond the verdicts: oracles, the user's invariants.
    """

    recording: Recording
    judgement: Judgement
    findings: tuple[Violation, ...] = ()
    repeat: str = ""

    @property
    def model(self) -> str:
        """The execution model."""
        return self.recording.model

    @property
    def seed(self) -> int:
        """The seed."""
        return self.recording.seed

    @property
    def verdicts(self) -> dict[str, int]:
        """How many executions got each verdict."""
        return self.judgement.counts()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Everything that is not as it should be."""
        return (*self.judgement.violations, *self.findings)

    @property
    def ok(self) -> bool:
        """Whether every execution is completed or compensated, the books balance, and no further check objects."""
        return not self.violations

    @property
    def trace(self) -> Trace:
        """What the simulator watched."""
        return self.recording.trace

    @property
    def ledger(self) -> tuple[Entry, ...]:
        """What the world really did."""
        return self.recording.ledger

    @property
    def executions(self) -> tuple[Judged, ...]:
        """Each execution with its verdict."""
        return self.judgement.executions

    @property
    def repeats(self) -> int:
        """Effects that are owed at least once and were made more often (mails sent twice): counted, no violation."""
        return sum(one.repeats for one in self.judgement.executions)

    @property
    def faults(self) -> dict[str, int]:
        """How many faults of the plan there were, fired, and hit something in flight (scripted calls always do)."""
        strikes, recording = self.recording.strikes, self.recording
        scripts = recording.scripts_fired
        return {
            "planned": len(strikes) + len(recording.scenario.scripts),
            "fired": sum(strike.fired_us is not None for strike in strikes) + scripts,
            "hit": sum(bool(strike.hit) for strike in strikes) + scripts,
        }

    @property
    def vacuous(self) -> bool:
        """Whether faults were asked for (planned, random, or of the services) and none struck: then nothing was
        tested."""
        return bool(self._unstruck)

    @cached_property
    def _unstruck(self) -> str:
        return unstruck(self.recording.scenario, self.faults, self.recording.call_faults)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the run shows nothing: the workflow fails or does nothing without any fault, or no fault struck."""
        idle = "" if self.violations else idle_in(self.recording.scenario, self.judgement.owed)
        return tuple(filter(None, (idle, self._unstruck)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What else should be known, where no warning says it: signals that the workflow has no handler for."""
        return tuple(words for words in unheard(self.judgement.owed) if words not in "".join(self.warnings))

    def execution(self, name: str) -> Judged:
        """One execution by its id.

        Raises:
            UnknownNameError: there is none of that id.
        """
        for one in self.executions:
            if one.execution.id == name:
                return one
        raise UnknownNameError("execution", name, [one.execution.id for one in self.executions])

    @cached_property
    def worst(self) -> Judged:
        """The execution with the worst verdict; among several, the one with the shortest story."""
        order: Sequence[Verdict] = (*BAD, *reversed(GOOD))
        rank = min(order.index(one.verdict) for one in self.executions)
        candidates = [one for one in self.executions if order.index(one.verdict) == rank]
        lengths = story_lengths(self.recording)
        return min(candidates, key=lambda one: lengths[one.execution.id])

    def check_replays(self, *, strict: bool = True) -> tuple[Violation, ...]:
        """Replay every prefix of every history with its own code: a violation for each history that does not fit.

        Only under `replay`; other models keep no histories. With `strict`, arguments and time-outs must fit too.
        """
        return tuple(replays(self.recording, strict=strict))

    def story(self, execution: str | None = None) -> str:
        """The timeline of one execution (by default the worst) as text."""
        return story(self.recording, self.worst if execution is None else self.execution(execution))

    def timeline(self, execution: str | None = None, **options: Any) -> Figure:
        """The timeline of one execution (by default the worst) as a figure. Needs the extra `views`."""
        from durable_sim.views.timeline import timeline  # matplotlib only where a figure is wanted

        shown = self.worst if execution is None else self.execution(execution)
        verdict = shown.verdict.replace("_", " ")
        finding = [one.subject for one in shown.violations[:1] if one.subject != "execution"]
        options.setdefault("title", f"{shown.execution.id}: {', '.join([verdict, *finding])}")
        options.setdefault("violations", shown.violations)
        return timeline(self.recording, shown.execution.id, **options)

    def frame(self, table: str = "executions") -> DataFrame:
        """One of the tables of `durable_sim.views.tables.TABLES`: executions, attempts, calls, effects, events, faults,
        trace, violations, workers. Needs the extra `views`.

        Raises:
            UnknownNameError: there is no such table.
        """
        from durable_sim.views.tables import TABLES  # pandas only where a table is wanted

        if table not in TABLES:
            raise UnknownNameError("table", table, TABLES)
        return TABLES[table](self)

    def health(self, baseline: Baseline | None = None) -> Health:
        """The four metrics of a running system over this run, and the alerts that they raise.

        What is normal is measured in `baseline`, by default in a calm run of the same scenario.
        """
        from durable_sim.health.baseline import baseline_of, ordinary  # few runs are looked at like this
        from durable_sim.health.health import health_of

        if baseline is None:
            baseline = baseline_of(simulate(ordinary(self.recording.scenario), self.model, self.seed))
        return health_of(self.recording, baseline)

    def to_json(self) -> dict[str, Any]:
        """The run as plain data."""
        return {
            "scenario": self.recording.scenario.name,
            "model": self.model,
            "seed": self.seed,
            "executions": len(self.executions),
            "verdicts": dict(self.verdicts),
            "violations": [_violation_json(violation) for violation in self.violations],
            "repeats": self.repeats,
            "faults": self.faults,
            "call_faults": dict(self.recording.call_faults),
            "ledger": [entry.to_json() for entry in self.ledger],
            "trace_digest": self.trace.digest(),
            "repeat": self.repeat,
        }

    def report(self, execution: str | None = None) -> str:
        """Counts, the story of one execution (by default the worst) and the violations, as text.

        Raises:
            UnknownNameError: there is no execution of that id.
        """
        faults = self.faults
        lines = [
            f"{self.model}, seed {self.seed}: {len(self.executions)} execution(s): {text.counts(self.verdicts)}",
            f"faults planned {faults['planned']}, fired {faults['fired']}, hit something in flight {faults['hit']}; "
            f"calls that went wrong: {text.counts(self.recording.call_faults)}",
        ]
        lines += map(warning, self.warnings)
        lines += [f"note: {words}" for words in self.notes]
        lines += ["", self.story(execution), ""]
        lines += [str(violation) for violation in self.violations[:10]]
        if len(self.violations) > 10:
            lines.append(f"... and {len(self.violations) - 10} more violations")
        if not self.violations:
            lines.append("no violations")
        return "\n".join([*lines, *([f"repeat: {self.repeat}"] if self.repeat else [])])

    def __str__(self) -> str:
        return self.report()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        told = {"faults": text.counts(self.faults), "calls that went wrong": text.counts(self.recording.call_faults)}
        rows = [
            (one.execution.id, one.verdict, one.execution.status, _seconds(one.execution.ended_us))
            for one in self.executions
        ]
        return html.run_card(
            f"{self.model}, seed {self.seed}: {len(self.executions)} execution(s)",
            self.verdicts,
            self.violations,
            self.story(),
            told=told,
            warning="; ".join(self.warnings),
            executions=rows,
            repeat=self.repeat,
        )


def _seconds(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / SECOND


def _violation_json(violation: Violation) -> dict[str, Any]:
    names = ("kind", "execution", "subject", "found", "expected", "time_us")
    return {name: getattr(violation, name) for name in names}
