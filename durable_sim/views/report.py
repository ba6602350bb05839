"""A report: one page that says what happened under each execution model, shows the worst, and how to repeat it.

Takes finished runs, and what was searched and measured besides, as far as these protocols say; gives the text of an
HTML file. Always holds: the same runs give the same text; what is cut says how much there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import pandas as pd

from durable_sim.checks.shown import unharmed, warned
from durable_sim.checks.verdict import Judged
from durable_sim.checks.violations import BAD, GOOD, VERDICTS, Violation
from durable_sim.durations import format_us, seconds
from durable_sim.errors import UserError
from durable_sim.health.health import Health
from durable_sim.simulation.fingerprint import DIGITS, fingerprint
from durable_sim.version import __version__
from durable_sim.views.charts import crash_matrix, outcome_matrix
from durable_sim.views.crash_points import crash_rows
from durable_sim.views.health_panel import health_panel
from durable_sim.views.html import Html, badge, joined, tally
from durable_sim.views.report_page import (
    ROWS_MAX,
    Section,
    command_part,
    element,
    fold,
    page,
    pairs,
    paragraph,
    picture_part,
    table_part,
    text_part,
)
from durable_sim.views.story import story
from durable_sim.views.sweep_tables import SweptCase
from durable_sim.views.tables import TABLES, Judgeable
from durable_sim.views.text import counts
from durable_sim.views.timeline import timeline
from durable_sim.workflows.definitions import definition_of

STORIES_MAX: Final = 4
"""Of more models that go wrong only the worst are told in full."""
SETS_MAX: Final = 3
"""So many of the smallest sets of faults are shown of each sweep."""
_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "violations": ("kind", "execution", "subject", "found", "expected", "time"),
    "faults": ("kind", "worker", "version", "planned", "trigger", "fired", "hit", "executions"),
    "executions": ("execution", "verdict", "status", "arrived", "duration", "runs", "violations", "failure", "pending"),
    "effects": (
        *("effect", "time", "kind", "execution", "step", "subject", "whose"),
        *("quantity", "unit", "owed", "undoes"),
    ),
}
"""The tables of the worst run, and what they show of each row."""


class Reported(Judgeable, Protocol):
    """A run, as far as a report reads it."""

    @property
    def worst(self) -> Judged:
        """The execution with the worst verdict."""

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Everything that is not as it should be."""

    @property
    def faults(self) -> dict[str, int]:
        """How many faults were planned, fired, and hit something."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the run shows nothing."""

    @property
    def repeats(self) -> int:
        """Effects that may be made more often than owed, and were."""

    @property
    def repeat(self) -> str:
        """The command that makes it again."""


class Witnessed(Protocol):
    """A run that goes wrong by as few faults as are enough."""

    @property
    def run(self) -> Reported:
        """The run."""

    @property
    def violation(self) -> Violation:
        """What is wrong."""

    @property
    def faults_as_code(self) -> str:
        """The faults as they are written in Python."""

    def story(self) -> str:
        """What happened, in a few lines."""

    def as_test(self) -> str:
        """A test that fails as long as the workflow does."""


class Swept(Protocol):
    """A sweep over every place of a run."""

    @property
    def guarantee(self) -> str:
        """What has been shown, in words."""

    @property
    def bounds(self) -> str:
        """What that is limited to."""

    @property
    def verdicts(self) -> dict[str, int]:
        """How many executions, over all runs, got each verdict."""

    @property
    def cases(self) -> Sequence[SweptCase]:
        """All its runs."""

    @property
    def smallest(self) -> Sequence[SweptCase]:
        """Those that go wrong and from which no fault can be left out."""


def report_html(
    runs: Mapping[str, Reported],
    *,
    question: str = "",
    repeat: Mapping[str, str] = {},
    smallest: Witnessed | None = None,
    sweeps: Mapping[str, Swept] = {},
    health: Health | None = None,
) -> str:
    """The text of a file that shows runs of one scenario, by model: it needs no other file, no network and no script.

    Args:
        runs: of one scenario and seed, by model; a `Comparison` has them as `runs`.
        question: what the scenario is to answer.
        repeat: commands by what they make, besides those that the runs bring themselves.
        smallest: what is enough to break the worst run; a `search.witness.Witness`.
        sweeps: what faults at every place did, by model; of `crash_sweep` or `fault_sweep`.
        health: what a monitoring system would have seen of one of the runs.

    Raises:
        UserError: there is no run.
    """
    if not runs:
        raise UserError("report: there is no run, expected at least one")
    ranked = sorted(runs.values(), key=lambda run: (-_wrong_share(run), -len(run.violations)))
    wrong = [run for run in ranked if run.violations]
    scenario = ranked[0].recording.scenario
    sections = [
        Section("outcomes", "What became of the executions", _outcomes(runs)),
        Section("repeat", "How to repeat it", _repeat(runs, repeat)),
        Section("stories", "What went wrong" if wrong else "What happened", _stories(wrong, ranked[0])),
        *([Section("smallest", "The faults that are enough", _smallest(smallest, runs))] if smallest else []),
        *([Section("sweep", "A fault at every place", _sweeps(sweeps))] if sweeps else []),
        *([Section("health", "Health", _health(health))] if health else []),
        Section("tables", f"The run under {ranked[0].recording.model} in tables", _tables(ranked[0])),
    ]
    title = scenario.name or definition_of(scenario.workflow).name
    asked = [paragraph(question, class_="question")] if question else []
    kind = f"durable_sim report, seed {ranked[0].recording.seed}"
    foot = f"Made by durable_sim {__version__}. The same scenario, seed and version make the same file, to the byte."
    return page(title.replace("_", " "), kind, [*asked, *_findings(runs)], sections, foot)


# --- what was found -------------------------------------------------------------------------------------------------
def _wrong_share(run: Reported) -> float:
    """How many of a run's executions went wrong, as a share."""
    return _wrong(run) / len(run.judgement.executions)


def _wrong(run: Reported) -> int:
    return sum(one.verdict in BAD for one in run.judgement.executions)


def _findings(runs: Mapping[str, Reported]) -> Iterator[Html]:
    """The answer in two sentences, and what must be known before it is believed."""
    bad = [f"{model} ({_in_words(run)})" for model, run in runs.items() if run.violations]
    good = {model: run for model, run in runs.items() if not (run.violations or run.warnings)}
    holds = {model: run for model, run in good.items() if _struck(run)}
    if bad:
        yield paragraph(element("strong", "Goes wrong: "), ", ".join(bad), ".")
    if holds:
        undone = any(entry.undoes is not None for run in holds.values() for entry in run.recording.ledger)
        yield paragraph(element("strong", "Holds: "), ", ".join(holds), f": {unharmed(undone=undone)}.")
    if calm := [model for model in good if model not in holds]:
        words = f"{', '.join(calm)}: no fault struck; this shows nothing about faults."
        yield paragraph(element("strong", "Calm run: "), words)
    for words in warned(runs):
        yield paragraph(element("strong", "Warning: "), f"{words}.", class_="warning")


def _struck(run: Reported) -> bool:
    """Whether any fault, planned or by chance, struck."""
    return bool(run.faults["hit"] or sum(run.recording.call_faults.values()))


def _in_words(run: Reported) -> str:
    """How much of a run went wrong."""
    wrong, whole = _wrong(run), len(run.judgement.executions)
    return f"{wrong:,} of {whole:,}" if wrong else _counted(len(run.violations), "violation")


def _outcomes(runs: Mapping[str, Reported]) -> Html:
    """The matrix, and the same as a table with what it has no room for."""
    by_model = {model: run.judgement.counts() for model, run in runs.items()}
    met = [verdict for verdict in VERDICTS if any(verdict in found for found in by_model.values())]
    headings = ("model", *map(_worded, met), "correct", "violations", "repeats", "faults planned", "fired", "hit")
    rows = [(model, *_model_row(run, met)) for model, run in runs.items()]
    figure = picture_part(outcome_matrix(by_model, title="Verdicts by execution model"), "matrix")
    return joined([figure, table_part("Executions by model and verdict", headings, rows)])


def _model_row(run: Reported, met: Sequence[str]) -> Iterator[object]:
    found = run.judgement.counts()
    yield from (found.get(verdict, 0) for verdict in met)
    yield f"{sum(found.get(verdict, 0) for verdict in GOOD):,}/{len(run.judgement.executions):,}"
    yield from (len(run.violations), run.repeats)
    yield from (run.faults[name] for name in ("planned", "fired", "hit"))


def _repeat(runs: Mapping[str, Reported], commands: Mapping[str, str]) -> Html:
    """Commands, and what tells whether it is the same again."""
    first = next(iter(runs.values())).recording
    facts = {
        **{name: command_part(words) for name, words in commands.items()},
        "seed": element("code", str(first.seed)),
        "version": element("code", f"durable_sim {__version__}"),
        "scenario": element("code", fingerprint(first.scenario)),
    }
    rows = [
        (model, element("code", digest), len(run.recording.trace), command_part(run.repeat))
        for model, run in runs.items()
        for digest in [run.recording.trace.digest()[:DIGITS]]
    ]
    headings = ("model", "digest of the trace", "records", "command")
    places = len(headings) if any(run.repeat for run in runs.values()) else len(headings) - 1
    return joined([pairs(facts), table_part("The runs", headings[:places], [row[:places] for row in rows])])


# --- stories --------------------------------------------------------------------------------------------------------
def _stories(wrong: Sequence[Reported], first: Reported) -> Html:
    """The worst execution of each model that goes wrong; one that went well where none does."""
    told = wrong[:STORIES_MAX] or [first]
    parts = [part for place, run in enumerate(told) for part in _story(run, f"story-{place}")]
    left = [run.recording.model for run in wrong[STORIES_MAX:]]
    more = [paragraph(f"Goes wrong too, not shown: {', '.join(left)}.", class_="quiet")] if left else []
    nothing = [] if wrong else [paragraph("Nothing went wrong. This is one of the executions.")]
    return joined([*nothing, *parts, *more])


def _story(run: Reported, id: str) -> Iterator[Html]:
    """One execution: heading, timeline, what is wrong with it and with the whole run, the story."""
    one = _shown(run)
    wrong = _wrong_with(run, one)
    subject = [f": {wrong[0].subject}"] if wrong else []
    yield element("h3", f"{run.recording.model}, {one.execution.id} ", badge(one.verdict), *subject)
    yield _timeline(run, one, id)
    if wrong:
        yield table_part("What is wrong", ("what", "execution", "found", "expected", "when"), list(map(_row, wrong)))
    yield fold(f"The story of {one.execution.id}", text_part(story(run.recording, one)))


def _timeline(run: Reported, one: Judged, id: str) -> Html:
    subjects = [violation.subject for violation in _wrong_with(run, one)]
    title = ", ".join([f"{one.execution.id}: {_worded(one.verdict)}", *subjects[:1]])
    return picture_part(timeline(run.recording, one.execution.id, title=title), id)


def _wrong_with(run: Reported, one: Judged) -> list[Violation]:
    """What is wrong with an execution, then what is wrong with the run as a whole."""
    by_name = {name: [each for each in run.violations if each.execution == name] for name in (one.execution.id, None)}
    return [violation for violations in by_name.values() for violation in violations]


def _shown(run: Reported) -> Judged:
    """The execution to tell of: the worst; if its verdict is good, one that a further check objects to."""
    named = {violation.execution for violation in run.violations}
    if run.worst.violations:
        return run.worst
    return next((one for one in run.judgement.executions if one.execution.id in named), run.worst)


def _row(one: Violation) -> tuple[object, ...]:
    what = joined([badge(one.kind), " ", one.subject])
    return what, one.execution or "the whole run", one.found, one.expected, _when(one.time_us)


def _when(time_us: int | None) -> str:
    return "at the end" if time_us is None else seconds(time_us)


def _smallest(found: Witnessed, runs: Mapping[str, Reported]) -> Html:
    """The few faults, what they do, and a test."""
    run = found.run
    same = [one for one in runs.values() if one.recording.trace.digest() == run.recording.trace.digest()]
    known = "The run is the one that is shown above." if same else ""
    words = f"Under {run.recording.model} these faults still break it, and none of them can be left out. {known}"
    figures = [] if same else [_timeline(run, _shown(run), "smallest-timeline")]
    test = fold("As a test", text_part(found.as_test()))
    return joined([paragraph(words), text_part(found.faults_as_code), text_part(found.story()), *figures, test])


# --- what was searched and measured ---------------------------------------------------------------------------------
def _sweeps(sweeps: Mapping[str, Swept]) -> Html:
    """What each sweep guarantees, the matrix of all, and the smallest sets of faults."""
    rows = crash_rows({model: sweep.cases for model, sweep in sweeps.items()}, merged=True)
    subtitle = "The worst verdict, where a place was struck several times."
    figure = crash_matrix(rows, list(sweeps), subtitle=subtitle, rows_are="stretches survived")
    shown = [
        (model, tally(sweep.verdicts), sweep.guarantee.removeprefix(f"{model}: ")) for model, sweep in sweeps.items()
    ]
    bounds = dict.fromkeys(sweep.bounds for sweep in sweeps.values())
    return joined(
        [
            *(paragraph(f"Bounds: {words}.", class_="quiet") for words in bounds),
            *([picture_part(figure, "crashes")] if rows else []),
            table_part("What was shown", ("model", "executions", "guarantee"), shown),
            _smallest_sets(sweeps),
        ]
    )


def _smallest_sets(sweeps: Mapping[str, Swept]) -> Html:
    """The first of the smallest sets of faults of each sweep; nothing where there are none."""
    sets = [
        (model, str(case), str(case.violations[0]))
        for model, sweep in sweeps.items()
        for case in sweep.smallest[:SETS_MAX]
    ]
    whole = sum(len(sweep.smallest) for sweep in sweeps.values())
    headings = ("model", "faults", "what goes wrong")
    return table_part("The smallest sets of faults", headings, sets, whole=whole) if sets else Html("")


def _health(health: Health) -> Html:
    """The four metrics; each rule in words is below the figure."""
    every = format_us(health.signals[0].series.points[0].time_us)
    words = f"What a monitoring system would have seen of the run under {health.model}, sampled every {every}."
    normal = paragraph(f"Normal: {health.baseline}.", class_="quiet")
    return joined([paragraph(words), normal, picture_part(health_panel(health), "health-panel")])


# --- tables ---------------------------------------------------------------------------------------------------------
def _tables(run: Reported) -> Html:
    """The tables of one run, those executions first that went wrong."""
    named = {violation.execution for violation in run.violations}
    wrong = {one.execution.id for one in run.judgement.executions if one.execution.id in named}
    fates = counts(run.recording.call_faults)
    return joined([paragraph(f"Calls that went wrong: {fates}."), *(_table(run, name, wrong) for name in _COLUMNS)])


def _table(run: Reported, name: str, wrong: set[str]) -> Html:
    """One of the tables, without the columns that say nothing."""
    frame = TABLES[name](run)
    if frame.empty:
        return paragraph(f"{name.capitalize()}: none.")
    shown = _wrong_first(frame, wrong).head(ROWS_MAX)
    if name == "effects":
        shown = shown.assign(effect=shown.index)
    if name == "faults":  # a time is told by the column before
        shown = shown.assign(trigger=shown["trigger"].where(shown["planned"].isna()))
    columns = [column for column in _COLUMNS[name] if not shown[column].isna().all()]
    rows = [[_cell(row, column) for column in columns] for row in shown.to_dict("records")]
    more = f"Run.frame({name!r}) has all"
    return table_part(name.capitalize(), list(map(_worded, columns)), rows, whole=len(frame), more=more)


def _wrong_first(frame: pd.DataFrame, wrong: set[str]) -> pd.DataFrame:
    """The rows of these executions, then the others, else in their order."""
    if "execution" not in frame or frame["execution"].isin(wrong).all():
        return frame
    return frame.iloc[(~frame["execution"].isin(wrong)).to_numpy().argsort(kind="stable")]


def _cell(row: Mapping[Any, Any], column: str) -> object:
    """A value as it is shown: a verdict as a badge, a time in seconds, nothing for what is not known."""
    value = row.get(f"{column}_us", row[column])
    if value is None or value is pd.NA or value != value:
        return ""
    if f"{column}_us" in row:
        return seconds(int(value))
    if column == "verdict" or (column == "kind" and value in VERDICTS):
        return badge(str(value))
    return int(value) if isinstance(value, int) else str(value)


# --- words ----------------------------------------------------------------------------------------------------------
def _worded(name: str) -> str:
    return name.replace("_", " ")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
