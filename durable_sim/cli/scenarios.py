"""run, compare and check: scenario files under execution models."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from durable_sim.api import run_scenario
from durable_sim.checks.ledgers import name_of
from durable_sim.checks.owed import debts
from durable_sim.cli.common import (
    BAD_INPUT,
    OK,
    UNEXPECTED,
    complain,
    model_of,
    on_scenarios,
    repeat,
    seed_of,
    warn,
    with_model,
    with_seed,
)
from durable_sim.durations import seconds
from durable_sim.errors import ScenarioError, UserError
from durable_sim.files.expectations import unmet
from durable_sim.files.scenario_file import LoadedScenario, load
from durable_sim.files.token import read_token
from durable_sim.results.comparison import Comparison
from durable_sim.results.run import Run
from durable_sim.search.again import CHANGED, run_again
from durable_sim.search.narrowing import narrowed
from durable_sim.views.code import code_of


def add(commands: Any) -> None:
    """Add the commands of this file."""
    one = on_scenarios(commands, "run", "one scenario under one execution model: story, effect ledger, verdicts", _run)
    one.add_argument("scenario", metavar="SCENARIO", nargs="?", help="a scenario file")
    one.add_argument("--replay", metavar="TOKEN", default=None, help="the run that a token stands for (ds1-...)")
    with_model(one)
    one.add_argument("--execution", metavar="ID", default=None, help="whose story to tell (default: the worst)")
    one.add_argument(
        "--smallest",
        action="store_true",
        help="look for the smallest set of faults that still breaks the worst execution",
    )
    with_seed(one)
    several = on_scenarios(commands, "compare", "one scenario under each of its execution models, as a table", _compare)
    several.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    with_seed(several)
    check = on_scenarios(commands, "check", "hold scenarios against what their files expect", _check)
    check.add_argument("paths", metavar="PATH", nargs="+", help="scenario files, or folders of them")


# --- run --------------------------------------------------------------------------------------------------------------
def _run(options: argparse.Namespace) -> int:
    if options.replay is not None:
        return _replay(options)
    if options.scenario is None:
        raise UserError("run: give a scenario file, or a token with --replay")
    loaded = load(options.scenario, options.changes)
    seed = seed_of(options, loaded)
    model = model_of(options.model, loaded)
    scenario = loaded.scenario(seed)
    command = repeat("run", loaded, seed, options.changes, model)
    owed = debts(scenario, seed)
    done = run_scenario(scenario, model, seed, owed=owed, repeat=command)
    warn(loaded, owed, [done])
    if options.smallest:
        return _smallest(done, loaded, options)
    _tell(done, options, f"{loaded.file.question}\n\n{loaded.name} under {model} (--model takes another)")
    return OK


def _smallest(done: Run, loaded: LoadedScenario, options: argparse.Namespace) -> int:
    found = narrowed(done, loaded.source, tuple(options.changes))
    if options.json:
        told = {"story": found.story().splitlines(), "faults": list(map(code_of, found.faults)), "replay": found.token}
        print(json.dumps({"model": done.model, "seed": done.seed, "violation": str(found.violation), **told}))
    else:
        planned = len(done.recording.strikes) + sum(done.recording.call_faults.values())
        print(f"{loaded.name} under {done.model}: {len(found.faults)} of {planned} faults are enough\n\n{found}")
    return OK


def _replay(options: argparse.Namespace) -> int:
    token = read_token(options.replay)
    source = options.scenario or token.source
    if not source:
        raise UserError(
            "run --replay: the token names no scenario file; give the file, or replay it where it was found (pytest "
            "--durable-replay)"
        )
    loaded = load(source, [*token.changes, *options.changes])
    words = ["durable-sim", "run", *([options.scenario] if options.scenario else []), "--replay", str(token)]
    command = shlex.join([*words, *(word for change in options.changes for word in ("--set", change))])
    done, same = run_again(token, loaded.scenario(token.seed), repeat=command)
    _tell(done, options, f"{loaded.name} under {token.model}, with the faults of the token")
    if not same:
        print(f"durable-sim: warning: {CHANGED}", file=sys.stderr)
    return OK if done.ok else UNEXPECTED


def _tell(done: Run, options: argparse.Namespace, heading: str) -> None:
    if options.json:
        print(json.dumps({**done.to_json(), "story": done.story(options.execution)}))
        return
    print(f"{heading}\n\n{done.report(options.execution)}")
    print(f"\neffect ledger ({len(done.ledger)} entries):\n{_ledger(done)}")


def _ledger(done: Run, most: int = 40) -> str:
    shown = [
        f"  {entry.index:>5}  {seconds(entry.time_us):>12}  {entry.execution:<8} "
        f"{name_of(entry.kind, entry.subject, entry.whose)} {entry.quantity:+d}"
        f"{'' if entry.undoes is None else f'  undoes {entry.undoes}'}"
        for entry in done.ledger[:most]
    ]
    more = len(done.ledger) - most
    return "\n".join([*shown, *([f"  ... and {more} more (--json has all)"] if more > 0 else [])])


# --- compare ----------------------------------------------------------------------------------------------------------
def _compare(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    seed = seed_of(options, loaded)
    compared = _compared(loaded, loaded.file.models, seed, options.changes)
    if options.json:
        print(json.dumps(compared.to_json()))
    else:
        executions = len(next(iter(compared.runs.values())).executions)
        print(f"{loaded.file.question}\n")
        print(f"{loaded.name}, seed {seed}, {executions} execution(s) under each model\n")
        print(compared)
    return OK


def _compared(
    loaded: LoadedScenario, models: Sequence[str], seed: int, changes: Sequence[str], *, progress: bool = True
) -> Comparison:
    scenario = loaded.scenario(seed)
    owed = debts(scenario, seed)
    bar = tqdm(models, delay=1, leave=False, unit="model", disable=None if progress else True)
    runs = {model: run_scenario(scenario, model, seed, owed=owed) for model in bar}
    warn(loaded, owed, runs.values())
    return Comparison(runs, loaded.name, seed, repeat("compare", loaded, seed, changes))


# --- check ------------------------------------------------------------------------------------------------------------
def _check(options: argparse.Namespace) -> int:
    failures: dict[str, list[str]] = {}
    bad: dict[str, list[str]] = {}
    for path in tqdm(_files(options.paths), delay=1, leave=False, unit="scenario", disable=None):
        try:
            if Path(path).is_dir():
                raise ScenarioError(path, ["has no scenario files (*.toml); give another folder or a file"])
            loaded = load(path, options.changes)
            failures[loaded.source] = list(_failures(loaded, options.changes))
        except UserError as error:  # the other files are still worth a look
            complain(error)
            bad[path] = list(error.problems) if isinstance(error, ScenarioError) else [str(error)]
    failed = sum(map(bool, failures.values()))
    if not failures:
        return BAD_INPUT
    if options.json:
        print(json.dumps({"scenarios": len(failures), "failed": failed, "failures": failures, "bad_input": bad}))
    else:
        for source, problems in failures.items():
            print(f"{'FAILED' if problems else 'ok':<7} {source}")
            print("".join(f"        {problem}\n" for problem in problems), end="")
        print(f"{len(failures)} scenario(s), {failed} failed" + (f"; {len(bad)} with bad input" if bad else ""))
    return BAD_INPUT if bad else UNEXPECTED if failed else OK


def _failures(loaded: LoadedScenario, changes: Sequence[str]) -> Iterator[str]:
    """What is not as the file expects, each ending with the command that repeats it."""
    expectations = loaded.expectations()
    if not expectations:
        print(f"{loaded.source}: warning: it expects nothing; add [expect.MODEL]", file=sys.stderr)
        return
    compared = _compared(loaded, tuple(expectations), loaded.file.seed, changes, progress=False)
    for model, expectation in expectations.items():
        done = compared[model]
        counts = {**done.verdicts, "violations": len(done.violations), "repeats": done.repeats}
        problems = list(unmet(expectation, counts, len(done.executions)))
        problems += done.warnings
        for problem in problems:
            yield f"{model}: {problem}; repeat: {repeat('run', loaded, loaded.file.seed, changes, model)}"


def _files(paths: Sequence[str]) -> list[str]:
    """The files named, and those in the folders named, each once; a folder without any stands for itself."""
    found: list[str] = []
    for path in map(Path, paths):
        inside = sorted(path.rglob("*.toml")) if path.is_dir() else []
        found += map(str, inside or [path])
    return list(dict.fromkeys(found))
