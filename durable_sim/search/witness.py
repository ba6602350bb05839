"""A violation told: the faults that are enough for it, a story in five lines, a test to paste, and a token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from durable_sim import trace as kinds
from durable_sim.checks.ledgers import name_of
from durable_sim.checks.oracles import oracle_name
from durable_sim.checks.violations import Violation
from durable_sim.durations import seconds
from durable_sim.errors import UserError
from durable_sim.files.token import Token
from durable_sim.results.run import Run
from durable_sim.search.again import line_of
from durable_sim.search.minimal import smallest
from durable_sim.search.trial import Trial
from durable_sim.simulation.fingerprint import DIGITS, fingerprint
from durable_sim.trace import Record
from durable_sim.views import html
from durable_sim.views.code import (
    Check,
    Checks,
    called,
    code_of,
    is_importable,
    pytest_of,
    pytest_of_file,
    pytest_of_trial,
)
from durable_sim.world.faults import Placeable, Signal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINES = 5
BLOWS: Mapping[str, str] = MappingProxyType(
    {
        kinds.WORKER_CRASHED: "the worker {worker} crashes",
        kinds.WORKER_STOPPED: "a deploy stops the worker {worker}",
        kinds.WORKER_PAUSED: "the worker {worker} freezes",
        kinds.SERVER_RESTARTED: "the server restarts",
        kinds.CANCEL_REQUESTED: "the execution is asked to stop",
    }
)
"""The records that faults of processes leave, in words."""


@dataclass(frozen=True)
class Witness:
    """One run that goes wrong, and the faults that are enough for it.

    `source` and `changes` name the scenario file that it is from, if it is from one; `repeated_by` says how to make the
    run again, where that is neither `durable-sim run --replay` nor Python.
    """

    trial: Trial
    faults: tuple[Placeable, ...]
    run: Run
    source: str = ""
    changes: tuple[str, ...] = ()
    repeated_by: str = ""

    @property
    def violation(self) -> Violation:
        """What is wrong, the first if it is several things."""
        return self.run.violations[0]

    def story(self) -> str:
        """What happened, in at most five lines: what led to it, each fault, and what is wrong."""
        return "\n".join(f"{number}. {line}" for number, line in enumerate(self._lines(), start=1))

    def timeline(self, **options: Any) -> Figure:
        """The run as a figure. Needs the extra `views`."""
        return self.run.timeline(self.violation.execution, **options)

    @property
    def token(self) -> str:
        """The run as one word."""
        return str(self._token())

    def _token(self) -> Token:
        named = (oracle_name(oracle) for oracle in self.trial.oracles)
        return Token(
            model=self.trial.model,
            seed=self.trial.seed,
            faults=self.faults,
            executions=self.trial.base.executions,
            scenario=fingerprint(self.trial.base.scenario),
            trace=self.run.trace.digest()[:DIGITS],
            source=self.source,
            changes=self.changes,
            oracles=tuple(name for name in named if name is not None),
        )

    @property
    def repeat(self) -> str:
        """The line that makes the run again: a command or, where nobody but Python knows all that it takes, Python."""
        return self.repeated_by or line_of(self._token(), self.trial.oracles, self.trial.invariants)

    @property
    def faults_as_code(self) -> str:
        """The faults as they are written in Python."""
        return f"[{', '.join(map(code_of, self.faults))}]"

    def as_test(self) -> str:
        """A pytest function that fails as long as the workflow does: where a check of one's own has found this that no
        other file can import, it fails until that is added."""
        trial, checks = self.trial, self._checks()
        if self.source:
            return pytest_of_file(
                self.source, self.changes, trial.model, trial.seed, trial.base.executions, self.faults, checks
            )
        if checks or any(isinstance(fault, Signal) for fault in self.faults):  # what `run` does not ask, or cannot move
            return pytest_of_trial(trial.base.scenario, trial.model, trial.seed, self.faults, checks)
        return pytest_of(trial.scenario(self.faults), trial.model, trial.seed, checks)

    def _checks(self) -> Checks:
        """The further checks as a test can ask them."""
        trial = self.trial
        checks = Checks(
            tuple(one for one in trial.oracles if is_importable(one)),
            tuple(one for one in trial.invariants if is_importable(one)),
        )
        alone: list[tuple[Check, Trial]] = [
            *((one, replace(trial, oracles=(one,), invariants=())) for one in trial.oracles),
            *((one, replace(trial, oracles=(), invariants=(one,))) for one in trial.invariants),
        ]
        others = [(one, only) for one, only in alone if not is_importable(one)]
        asked = replace(trial, oracles=checks.oracles, invariants=checks.invariants)
        if not others or not asked.run(self.faults).ok:
            return checks
        finders = [one for one, only in others if not only.run(self.faults).ok]
        return replace(checks, missing=tuple(map(called, finders or (one for one, _ in others))))

    def _lines(self) -> list[str]:
        """At most five: faults go before effects, and the last before the first."""
        told = list(_told(self.run, self.violation))
        most = LINES - 1
        order = sorted(range(len(told)), key=lambda place: (not told[place].startswith("!!"), -place))
        kept = [told[place] for place in sorted(order[:most])]
        return [*kept, _verdict(self.violation)]

    def __str__(self) -> str:
        return f"{self.story()}\nfaults: {self.faults_as_code}\nrepeat: {self.repeat}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        told = {"faults": self.faults_as_code, "repeat": self.repeat}
        return html.card(self.violation.subject, False, html.text_block(self.story()), html.facts(told))


def _verdict(violation: Violation) -> str:
    found, expected = (words.partition("\n")[0] for words in (violation.found, violation.expected))
    return f"=> {violation.kind}: {violation.subject}: found {found}, expected {expected}"


def _told(run: Run, violation: Violation) -> Iterator[str]:
    """The instants that matter: faults that strike, and the effects that the violation is about."""
    before: Record | None = None
    for record in run.trace:
        if violation.execution is not None and violation.execution not in _whose(record):
            continue
        when = seconds(record.time_us)
        data = record.data or {}
        if record.kind in BLOWS:
            after = "" if before is None else f", right after {_what(before)}"
            yield f"!! {when}: {BLOWS[record.kind].format(worker=record.worker)}{after}"
        elif record.kind == kinds.REQUEST_SENT and "fault" in data:
            yield f"!! {when}: {record.subject}{_attempt(record)} meets {data['fault'].replace('_', ' ')}"
        elif record.kind == kinds.EFFECT_APPLIED and _about(violation, data):
            undoes = f", undoes ledger {data['undoes']}" if "undoes" in data else ""
            what, place = f"{data['kind']}{_for_whom(violation, data)}", f"ledger {data['effect']}{undoes}"
            yield f"{when}: {what} takes effect ({place}){_attempt(record)}"
        if record.execution is not None:
            before = record


def _whose(record: Record) -> Sequence[str | None]:
    """The executions that a record is about."""
    if record.execution is not None:
        return (record.execution,)
    return tuple((record.data or {}).get("in_flight", ()))


def _about(violation: Violation, data: dict[str, Any]) -> bool:
    """Whether an effect is of what the violation is about, or undoes such a one."""
    return violation.subject.startswith(data["kind"]) or violation.subject.endswith(f" {data['subject']}")


def _for_whom(violation: Violation, data: dict[str, Any]) -> str:
    """For whom an effect is, where the violation tells this of its own."""
    told = violation.subject.startswith(f"{name_of(data['kind'], data['subject'])} for ")
    return f" for {data['whose']}" if told and "whose" in data else ""


def _attempt(record: Record) -> str:
    return f", attempt {record.attempt}" if record.attempt and record.attempt > 1 else ""


def _what(record: Record) -> str:
    return f"{record.kind.replace('_', ' ')}{f' of {record.subject}' if record.subject else ''}{_attempt(record)}"


def witness(trial: Trial, faults: Sequence[Placeable], source: str = "", changes: tuple[str, ...] = ()) -> Witness:
    """The witness of the smallest set among some faults that still breaks a workflow in the same way.

    Raises:
        UserError: they do not break it.
    """
    found = trial.run(faults).violations
    if not found:
        raise UserError(f"witness: these {len(faults)} fault(s) break nothing, expected ones that do")
    wrong = found[0].kind, found[0].execution

    def still_wrong(kept: Sequence[Placeable]) -> bool:
        return any((violation.kind, violation.execution) == wrong for violation in trial.run(kept).violations)

    enough = smallest(tuple(faults), still_wrong)
    return Witness(trial, enough, trial.run(enough), source, changes)
