"""The front: run a workflow under one execution model, or compare them all.

`run` and `compare` make a `Scenario` of their arguments; a scenario file is the same as data. From there on there is
one path: `run_scenario` simulates and judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from durable_sim.checks.owed import Debt, debts
from durable_sim.checks.replays import replays
from durable_sim.checks.shown import idle_in, unheard, unstruck, warned, warning
from durable_sim.checks.verdict import Judged, Judgement, judge
from durable_sim.checks.violations import BAD, GOOD, VERDICTS, Verdict, Violation
from durable_sim.durations import SECOND, Duration
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.shop import shop
from durable_sim.models.registry import models_for
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.trace import Trace
from durable_sim.views import html, text
from durable_sim.views.story import story, story_lengths
from durable_sim.world.faults import Fault, Stimulus
from durable_sim.world.ledger import Entry, Owed
from durable_sim.world.services.base import ServiceSpec

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


@dataclass(frozen=True)
class Comparison:
    """One scenario with one seed under several execution models, in the same flaky world."""

    runs: Mapping[str, Run]
    name: str = ""
    seed: int = 0
    repeat: str = field(default="", repr=False)

    def __getitem__(self, model: str) -> Run:
        if model not in self.runs:
            raise UnknownNameError("execution model of this comparison", model, self.runs)
        return self.runs[model]

    @property
    def verdicts(self) -> dict[str, dict[str, int]]:
        """The counts of verdicts by model."""
        return {model: run.verdicts for model, run in self.runs.items()}

    @property
    def worst(self) -> Run:
        """The run with the most executions that are neither completed nor compensated; among several, the one with the
        most violations."""
        return max(self.runs.values(), key=lambda run: (_gone_wrong(run), len(run.violations)))

    @property
    def faults(self) -> dict[str, int]:
        """Planned, fired and hit, each the least over the models."""
        return {name: min(run.faults[name] for run in self.runs.values()) for name in ("planned", "fired", "hit")}

    def table(self) -> DataFrame:
        """Models by verdicts. Needs the extra `views`."""
        from durable_sim.views.tables import verdicts_table  # pandas only where a table is wanted

        return verdicts_table(self.verdicts)

    def matrix(self, **options: Any) -> Figure:
        """Models by verdicts as a figure. Needs the extra `views`."""
        from durable_sim.views.charts import outcome_matrix  # matplotlib only where a figure is wanted

        return outcome_matrix(self.verdicts, **options)

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain data."""
        models = {
            model: {
                "executions": len(run.executions),
                "verdicts": dict(run.verdicts),
                "violations": len(run.violations),
                "repeats": run.repeats,
                "faults": run.faults,
            }
            for model, run in self.runs.items()
        }
        return {
            "scenario": self.name,
            "seed": self.seed,
            "models": models,
            "faults": self.faults,
            "repeat": self.repeat,
        }

    def summary(self) -> str:
        """The table as text."""
        shown = [verdict for verdict in VERDICTS if any(verdict in run.verdicts for run in self.runs.values())]
        headings = ["model", *shown, "violations", "repeats", "faults fired", "hit"]
        rows = [
            [
                model,
                *(run.verdicts.get(verdict, 0) for verdict in shown),
                len(run.violations),
                run.repeats,
                f"{run.faults['fired']}/{run.faults['planned']}",
                run.faults["hit"],
            ]
            for model, run in self.runs.items()
        ]
        return text.table(headings, rows)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why runs show nothing, each with the models of which that is so."""
        return warned(self.runs)

    def __str__(self) -> str:
        lines = [self.summary(), *(f"WARNING: {words}" for words in self.warnings)]
        lines += dict.fromkeys(f"note: {words}" for run in self.runs.values() for words in run.notes)
        heading, told = self._told()
        lines += ["", f"{heading[:1].upper()}{heading[1:]}:\n{told}" if told else heading]
        return "\n".join([*lines, *([f"repeat: {self.repeat}"] if self.repeat else [])])

    def _told(self) -> tuple[str, str]:
        """What went wrong, under a heading: the shortest story of it, or what no execution's story shows."""
        worst = self.worst
        if _gone_wrong(worst):
            return f"the shortest story of the worst verdict under {worst.model}", worst.story()
        if not worst.ok:
            return f"the run under {worst.model} went wrong", "\n".join(map(str, worst.violations))
        return "no execution went wrong", ""

    __repr__ = __str__

    def _repr_html_(self) -> str:
        told = {model: (len(run.violations), run.repeats, run.faults["hit"]) for model, run in self.runs.items()}
        heading, story = self._told()
        return html.comparison_card(
            f"{self.name or 'comparison'}, seed {self.seed}",
            self.verdicts,
            told=told,
            headings=("violations", "repeats", "faults that hit"),
            ok=self.worst.ok,
            heading=heading,
            story=story,
            warning="; ".join(self.warnings),
            repeat=self.repeat,
        )


def _gone_wrong(run: Run) -> int:
    """How many executions are neither completed nor compensated."""
    return sum(count for verdict, count in run.verdicts.items() if verdict in BAD)


def run_scenario(
    scenario: Scenario, model: str = "replay", seed: int = 0, *, owed: Sequence[Debt] | None = None, repeat: str = ""
) -> Run:
    """Simulate a scenario under one execution model, and judge it.

    Raises:
        UnknownNameError: there is no such model.
    """
    recording = simulate(scenario, model, seed)
    return Run(recording, judge(recording, owed), repeat=repeat)


def compare_scenario(
    scenario: Scenario, models: Iterable[str] | None = None, seed: int = 0, *, repeat: str = ""
) -> Comparison:
    """Simulate a scenario under several execution models, by default all that can run its workflow and take its
    stimuli; all meet the same arrivals, faults and latencies."""
    if isinstance(models, str):
        models = (models,)
    if models is None:
        models = models_for(scenario.workflow, {stimulus.kind for stimulus in scenario.stimuli})
    owed = debts(scenario, seed)
    runs = {model: run_scenario(scenario, model, seed, owed=owed) for model in models}
    if not runs:
        raise UserError("compare: there is no model, expected at least one")
    return Comparison(runs, scenario.name, seed, repeat)


def run(
    workflow: Callable[..., Any],
    input: Any = None,
    *,
    model: str = "replay",
    services: Mapping[str, ServiceSpec] | None = None,
    faults: Iterable[Fault] = (),
    stimuli: Iterable[Stimulus] = (),
    seed: int = 0,
    inputs: Iterable[Any] | None = None,
    arrivals: Arrivals = Arrivals(),
    workers: int = 2,
    horizon: Duration = "30d",
    calm_after: Duration | None = None,
    versions: Mapping[str, Callable[..., Any]] | None = None,
    owed: Mapping[str, Owed] | None = None,
    instead: Mapping[str, str] | None = None,
    model_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Run:
    """Run a workflow function under one execution model.

    Args:
        workflow: an `async def f(ctx, input)`.
        input: what one execution is given; `inputs` gives several, which start as `arrivals` says.
        model: one of `durable_sim.MODELS`.
        services: the world, by default `durable_sim.library.shop()`.
        faults: what goes wrong, on top of the services' own flakiness.
        stimuli: what people do meanwhile: signals, requests to stop.
        seed: decides everything that is random; the same seed gives the same run, to the byte.
        workers: how many processes there are.
        horizon: the simulated time at which the run is cut off, if it has not come to its end by itself.
        calm_after: from then on nothing goes wrong by chance.
        versions: other code of the workflow, for deploys to switch to.
        owed: what is owed of a kind of effect, where it differs from what the service declares.
        instead: which effect counts as which other one, where either will do: {"wallet.charge": "payments.charge"}.
        model_options: settings by model, such as {"regular_rerun": {"reruns_max": 1}}.

    Raises:
        UserError: arguments that make no scenario; the message says which, what was found, and what was expected.
    """
    scenario = scenario_of(
        workflow,
        input,
        inputs=inputs,
        services=services,
        faults=faults,
        stimuli=stimuli,
        arrivals=arrivals,
        workers=workers,
        horizon=horizon,
        calm_after=calm_after,
        versions=versions,
        owed=owed,
        instead=instead,
        model_options=model_options,
    )
    return run_scenario(scenario, model, seed)


def compare(
    workflow: Callable[..., Any],
    input: Any = None,
    *,
    models: Iterable[str] | None = None,
    services: Mapping[str, ServiceSpec] | None = None,
    faults: Iterable[Fault] = (),
    stimuli: Iterable[Stimulus] = (),
    seed: int = 0,
    inputs: Iterable[Any] | None = None,
    arrivals: Arrivals = Arrivals(),
    workers: int = 2,
    horizon: Duration = "30d",
    calm_after: Duration | None = None,
    versions: Mapping[str, Callable[..., Any]] | None = None,
    owed: Mapping[str, Owed] | None = None,
    instead: Mapping[str, str] | None = None,
    model_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Comparison:
    """Run a workflow function under several execution models, by default all that can; arguments as for `run`."""
    scenario = scenario_of(
        workflow,
        input,
        inputs=inputs,
        services=services,
        faults=faults,
        stimuli=stimuli,
        arrivals=arrivals,
        workers=workers,
        horizon=horizon,
        calm_after=calm_after,
        versions=versions,
        owed=owed,
        instead=instead,
        model_options=model_options,
    )
    return compare_scenario(scenario, models, seed)


def scenario_of(
    workflow: Callable[..., Any],
    input: Any = None,
    *,
    services: Mapping[str, ServiceSpec] | None = None,
    faults: Iterable[Fault] = (),
    inputs: Iterable[Any] | None = None,
    **settings: Any,
) -> Scenario:
    """The scenario that `run` makes of a workflow function: in the shop, with one input or several.

    `settings` are further fields of `Scenario`, None where they are not given.
    """
    if input is not None and inputs is not None:
        raise UserError("give input (for one execution) or inputs (for several), not both")
    given = {name: value for name, value in settings.items() if value is not None}
    unknown = [name for name in given if name not in Scenario.__dataclass_fields__]
    if unknown:
        raise UnknownNameError("setting of a scenario", unknown[0], Scenario.__dataclass_fields__)
    return Scenario(
        workflow=workflow,
        inputs=(input,) if inputs is None else tuple(inputs),
        services=shop() if services is None else dict(services),
        faults=faults,  # type: ignore[arg-type]  # the scenario makes it a tuple
        **given,
    )


def _seconds(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / SECOND


def _violation_json(violation: Violation) -> dict[str, Any]:
    names = ("kind", "execution", "subject", "found", "expected", "time_us")
    return {name: getattr(violation, name) for name in names}
