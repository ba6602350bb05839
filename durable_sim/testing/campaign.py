"""Carries out a decorated test: a sweep, a search, or one run again; fails with a story, passes with a guarantee."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from durable_sim.files.token import read_token
from durable_sim.results.run import Run
from durable_sim.search.again import CHANGED, another_scenario, run_again
from durable_sim.search.sweep import fault_sweep
from durable_sim.search.witness import Witness, witness
from durable_sim.testing.every import Plan, Searching, Sweeping
from durable_sim.testing.targets import Target, target_of

Body = Callable[[Run], object]
PASTE = "no token says what was drawn besides faults; paste the test"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    depth: int | None = None
    seed: int | None = None
    report: Path | None = None
    replay: str | None = None


class Campaign:
    """One decorated test under one execution model; `show` is told what it has shown if it passes."""

    def __init__(self, name: str, options: Options, show: Callable[[str], None]) -> None:
        self._name = name
        self._options = options
        self._show = show

    def carry_out(self, plan: Plan, model: str, body: Body) -> None:
        """Do what a test asks for."""
        if self._options.replay is not None:
            self._replay(plan, model, self._options.replay, body)
            return
        seed = next((seed for seed in (self._options.seed, plan.seed) if seed is not None), 0)
        target = target_of(plan.subject, plan.input, seed, dict(plan.settings))
        if isinstance(plan, Sweeping):
            self._sweep(plan, target, model, seed, body)
        elif isinstance(plan, Searching):
            self._search(plan, target, model, seed, body)

    def _sweep(self, plan: Sweeping, target: Target, model: str, seed: int, body: Body) -> None:
        depth = next((depth for depth in (self._options.depth, plan.depth) if depth is not None), 1)
        sweep = fault_sweep(
            target.scenario,
            model,
            faults=plan.faults,
            depth=depth,
            at=plan.at,
            seed=seed,
            executions=plan.executions,
            settings=plan.faults_are,
            oracles=plan.oracles,
            invariants=(body,),
        )
        if sweep.smallest:
            found = witness(sweep.trial, sweep.smallest[0].faults, target.source, target.changes)
            self._fail(f"{sweep.guarantee}\n{sweep.bounds}", found, target)
        if not sweep.ok:
            pytest.fail(f"{sweep.guarantee}\n{sweep.bounds}\n{sweep.coverage}", pytrace=False)
        never = f"; no fault in: {', '.join(sweep.coverage.never)}" if sweep.coverage.never else ""
        self._show(sweep.guarantee)
        self._show(f"{sweep.bounds}{never}")

    def _search(self, plan: Searching, target: Target, model: str, seed: int, body: Body) -> None:
        from durable_sim.testing.searching import search  # Hypothesis only where it is asked for

        found = search(plan, target, model, seed, (body,), self._name)
        if found.witness is not None:
            self._fail(f"{found.words}\n{found.bounds}", found.witness, target)
        if not found.ok:
            pytest.fail(f"{found.words}\n{found.bounds}\n{found.coverage}", pytrace=False)
        self._show(found.words)
        self._show(found.bounds)

    def _replay(self, plan: Plan, model: str, text: str, body: Body) -> None:
        """Make the run of a token, if it is one of this test under this model: no other test has anything to say."""
        token = read_token(text)
        if token.model != model:
            pytest.skip(f"token: it was made under {token.model}")
        target = target_of(plan.subject, plan.input, token.seed, dict(plan.settings))
        other = another_scenario(token, target.scenario)
        if other:
            pytest.skip(other)
        repeat = f"{self._command} {token}"
        run, same = run_again(token, target.scenario, oracles=plan.oracles, invariants=(body,), repeat=repeat)
        changed = [] if same else [CHANGED]
        if not run.ok:
            pytest.fail("\n".join([run.report(), *changed]), pytrace=False)
        for words in [f"{model}: the run of the token goes right", *changed]:
            self._show(words)

    @property
    def _command(self) -> str:
        """What a token has to follow to make its run again in this test alone."""
        return f"pytest {shlex.quote(self._name)} --durable-replay"

    def _fail(self, heading: str, found: Witness, target: Target) -> None:
        found = self._repeatable(found, target)
        lines = [
            heading,
            "",
            "The smallest story that breaks it:",
            found.story(),
            "",
            f"faults: {found.faults_as_code}",
        ]
        lines.append(f"repeat: {found.repeat}")
        if found.repeat == PASTE:
            lines += ["", found.as_test()]
        if self._options.report is not None:
            lines.append(self._written(found, self._options.report))
        pytest.fail("\n".join(lines), pytrace=False)

    def _repeatable(self, found: Witness, target: Target) -> Witness:
        """What was found, with how to make it again; what was drawn besides faults is in no token and no file."""
        if another_scenario(read_token(found.token), target.scenario):
            return replace(found, source="", changes=(), repeated_by=PASTE)
        return replace(found, repeated_by=f"{self._command} {found.token}")

    def _written(self, found: Witness, folder: Path) -> str:
        """What was written, or why nothing was: what was found is worth more than a folder."""
        try:
            return f"written: {', '.join(map(str, write(found, folder, self._name)))}"
        except OSError as error:
            return f"not written: --durable-report {folder} ({error.strerror}); give another folder"


def write(found: Witness, folder: Path, name: str) -> list[Path]:
    """Write a violation into a folder: story and test as text; where the extra `views` is installed, its timeline and a
    report.

    Raises:
        OSError: nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")
    text = folder / f"{stem}.txt"
    text.write_text(f"{found}\n\n{found.run.report()}\n\n{found.as_test()}", encoding="utf-8")
    try:
        from durable_sim.views.report import report_html  # pandas and matplotlib only where something is written
    except ModuleNotFoundError:  # without the extra `views`
        return [text]
    picture, page = folder / f"{stem}.svg", folder / f"{stem}.html"
    found.timeline().savefig(picture)
    repeat = {"this test": found.repeat}
    whole = report_html({found.run.model: found.run}, question=f"What breaks {name}?", repeat=repeat, smallest=found)
    page.write_text(whole, encoding="utf-8", newline="\n")
    return [text, picture, page]
