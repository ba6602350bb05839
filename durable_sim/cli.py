"""The command line: run, compare and check scenario files, and measure the execution models.

Exit status 0: done, and as expected; 1: `check` found that an expectation failed; 2: bad input, a clear line for each
mistake on stderr. Always holds: with --json there is one JSON object on stdout or nothing; a mistake of the user
never shows a traceback.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from durable_sim.api import Comparison, Run, run_scenario
from durable_sim.checks.owed import Debt, debts
from durable_sim.durations import seconds
from durable_sim.errors import ScenarioError, UnknownNameError, UserError
from durable_sim.files.expectations import unmet
from durable_sim.files.scenario_file import LoadedScenario, load
from durable_sim.models.registry import MODELS
from durable_sim.studies.choice import as_text as choice_text
from durable_sim.studies.choice import choice_table
from durable_sim.studies.deploys import as_text as deploy_text
from durable_sim.studies.deploys import deploy_table
from durable_sim.studies.plans import CALL
from durable_sim.version import __version__

_MODELS = "the execution models side by side: latency, crash, deploy, what is kept, who can be talked to"
OK, UNEXPECTED, BAD_INPUT = 0, 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141
"""As shells count: 128 and the number of the signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit status."""
    if "" not in sys.path:
        sys.path.insert(0, "")  # workloads that a scenario names are found where the command is given
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no reason to stop
    try:
        options = _parser().parse_args(arguments)
        status = int(options.act(options))
        sys.stdout.flush()
        return status
    except SystemExit as done:  # argparse has said what there is to say
        return int(done.code or OK)
    except UserError as error:
        _complain(error)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("durable-sim: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # who reads us has enough, as in `durable-sim compare ... | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout once more at its end
        return PIPE_CLOSED


def _complain(error: UserError) -> None:
    print(error if isinstance(error, ScenarioError) else f"durable-sim: {error}", file=sys.stderr)


# --- arguments --------------------------------------------------------------------------------------------------------
class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="durable-sim",
        description="Runs durable workflows under crashes, deploys and time-outs, and judges what came of them.",
        epilog="Exit status: 0 done, and as expected; 1 an expectation failed; 2 bad input.",
    )
    parser.add_argument("--version", action="version", version=f"durable-sim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = _command(commands, "run", "one scenario under one execution model: story, effect ledger, verdicts", _run)
    one.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    one.add_argument(
        "--model",
        metavar="M",
        default=None,
        help=f"the execution model: {', '.join(MODELS)} (default: replay if the file lists it, else its first)",
    )
    one.add_argument("--execution", metavar="ID", default=None, help="whose story to tell (default: the worst)")
    several = _command(commands, "compare", "one scenario under each of its execution models, as a table", _compare)
    several.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    for command in (one, several):
        command.add_argument(
            "--seed", metavar="N", type=_whole, default=None, help="decides what is random (default: the file's)"
        )
    check = _command(commands, "check", "hold scenarios against what their files expect", _check)
    check.add_argument("paths", metavar="PATH", nargs="+", help="scenario files, or folders of them")
    models = commands.add_parser("models", help=_MODELS, description=f"models: {_MODELS}.")
    models.add_argument("--json", action="store_true", help="print one JSON object")
    models.add_argument("--seed", metavar="N", type=_whole, default=0, help="decides what is random (default: 0)")
    models.set_defaults(act=_models)
    return parser


def _command(commands: Any, name: str, help: str, act: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help, description=f"{name}: {help}.")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="changes",
        action="append",
        default=[],
        help="a setting over the file's, as in parameters.keys=false or arrivals.count=50 (may be given several times)",
    )
    command.set_defaults(act=act)
    return command


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number") from None


# --- run --------------------------------------------------------------------------------------------------------------
def _run(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    seed = loaded.file.seed if options.seed is None else options.seed
    model = _model(options.model, loaded)
    scenario = loaded.scenario(seed)
    command = _repeat("run", loaded, seed, options.changes, model)
    owed = debts(scenario, seed)
    done = run_scenario(scenario, model, seed, owed=owed, repeat=command)
    _warn(loaded, owed, [done])
    if options.json:
        print(json.dumps({**done.to_json(), "story": done.story(options.execution)}))
        return OK
    report = done.report(options.execution)
    print(f"{loaded.file.question}\n\n{loaded.name} under {model} (--model takes another)\n\n{report}")
    print(f"\neffect ledger ({len(done.ledger)} entries):\n{_ledger(done)}")
    return OK


def _model(name: str | None, loaded: LoadedScenario) -> str:
    listed = loaded.file.models
    if name is None:
        return "replay" if "replay" in listed else listed[0]
    if name not in MODELS:
        raise UserError(f"--model: {UnknownNameError('execution model', name, MODELS)}")
    return name


def _ledger(done: Run, most: int = 40) -> str:
    shown = [
        f"  {entry.index:>5}  {seconds(entry.time_us):>12}  {entry.execution:<8} {entry.kind} "
        f"{entry.subject} {entry.quantity:+d}{'' if entry.undoes is None else f'  undoes {entry.undoes}'}"
        for entry in done.ledger[:most]
    ]
    more = len(done.ledger) - most
    return "\n".join([*shown, *([f"  ... and {more} more (--json has all)"] if more > 0 else [])])


# --- compare ----------------------------------------------------------------------------------------------------------
def _compare(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    seed = loaded.file.seed if options.seed is None else options.seed
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
    _warn(loaded, owed, runs.values())
    return Comparison(runs, loaded.name, seed, _repeat("compare", loaded, seed, changes))


def _warn(loaded: LoadedScenario, owed: Sequence[Debt], runs: Iterable[Run]) -> None:
    """A workflow that fails by itself owes nothing, and would look well under every model."""
    if any(debt.completes for debt in owed):
        return
    failures = [one.execution.failure for run in runs for one in run.executions if one.execution.failure]
    because = f" ({failures[0].told})" if failures else ""
    print(
        f"{loaded.source}: warning: no execution completes even where nothing goes wrong{because}; look at the "
        "workflow and its inputs",
        file=sys.stderr,
    )


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
            _complain(error)
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
        if done.vacuous:
            problems.append("no planned fault hit anything in flight")
        for problem in problems:
            yield f"{model}: {problem}; repeat: {_repeat('run', loaded, loaded.file.seed, changes, model)}"


# --- models -----------------------------------------------------------------------------------------------------------
def _models(options: argparse.Namespace) -> int:
    measured = choice_table(seed=options.seed)
    deploys = deploy_table(seed=options.seed)
    if options.json:
        fates = {change: {model: fate._asdict() for model, fate in row.items()} for change, row in deploys.items()}
        print(json.dumps({"models": [one.to_json() for one in measured], "deploys": fates}))
        return OK
    print(f"What a run of named steps costs, each measured; a step's own call takes {CALL}\n\n{choice_text(measured)}")
    print(f"\nA deploy while an execution sleeps between its steps: what becomes of it\n\n{deploy_text(deploys)}")
    return OK


def _files(paths: Sequence[str]) -> list[str]:
    """The files named, and those in the folders named, each once; a folder without any stands for itself."""
    found: list[str] = []
    for path in map(Path, paths):
        inside = sorted(path.rglob("*.toml")) if path.is_dir() else []
        found += map(str, inside or [path])
    return list(dict.fromkeys(found))


def _repeat(command: str, loaded: LoadedScenario, seed: int, changes: Sequence[str], model: str | None = None) -> str:
    words = ["durable-sim", command, loaded.source, *(("--model", model) if model else ()), "--seed", str(seed)]
    return shlex.join([*words, *(word for change in changes for word in ("--set", change))])
