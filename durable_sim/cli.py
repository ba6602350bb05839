"""The command line: run, compare and check scenario files.

Exit status 0: as expected; 1: an expectation failed; 2: bad input, told in one clear line each.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from durable_sim.api import Comparison, Run, run_scenario
from durable_sim.checks.owed import debts
from durable_sim.durations import seconds
from durable_sim.errors import ScenarioError, UnknownNameError, UserError
from durable_sim.files.expectations import unmet
from durable_sim.files.scenario_file import LoadedScenario, load

OK, UNEXPECTED, BAD_INPUT = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit status."""
    options = _parser().parse_args(arguments)
    sys.path.insert(0, "")  # workloads that a scenario names are found where the command is given
    try:
        return int(options.act(options))
    except ScenarioError as error:
        print(error, file=sys.stderr)
    except UserError as error:
        print(f"durable-sim: {error}", file=sys.stderr)
    return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="durable-sim", description="Durable workflows under crashes, deploys and time-outs."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = _command(commands, "run", "one scenario under one model: story, ledger, verdicts", _run)
    one.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    one.add_argument("--model", metavar="M", default=None, help="the execution model (default: the last of the file)")
    one.add_argument("--execution", metavar="ID", default=None, help="whose story to tell (default: the worst)")
    several = _command(commands, "compare", "one scenario under each of its models", _compare)
    several.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    for command in (one, several):
        command.add_argument("--seed", type=int, default=None, help="instead of the file's own")
    check = _command(commands, "check", "hold scenarios against what they expect", _check)
    check.add_argument("paths", metavar="PATH", nargs="+", help="scenario files, or folders of them")
    return parser


def _command(commands: Any, name: str, help: str, act: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--set", metavar="KEY=VALUE", dest="changes", action="append", default=[], help="a setting over the file's"
    )
    command.set_defaults(act=act)
    return command


def _run(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    seed = loaded.file.seed if options.seed is None else options.seed
    model = options.model or loaded.file.models[-1]
    command = _repeat("run", loaded, seed, options.changes, f" --model {model}")
    done = run_scenario(loaded.scenario(seed), model, seed, repeat=command)
    if options.json:
        print(json.dumps(done.to_json()))
        return OK
    print(f"{loaded.file.question}\n\n{done}")
    if options.execution is not None:
        print(f"\n{done.story(options.execution)}")
    print(f"\neffect ledger ({len(done.ledger)} entries):\n{_ledger(done)}")
    return OK


def _ledger(done: Run, most: int = 40) -> str:
    shown = [
        f"  {entry.index:>5}  {seconds(entry.time_us):>12}  {entry.execution:<8} {entry.kind} "
        f"{entry.subject} {entry.quantity:+d}{'' if entry.undoes is None else f'  undoes {entry.undoes}'}"
        for entry in done.ledger[:most]
    ]
    more = len(done.ledger) - most
    return "\n".join([*shown, *([f"  ... and {more} more (--json has all)"] if more > 0 else [])])


def _compare(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    compared = _compared(loaded, options)
    if options.json:
        print(json.dumps(compared.to_json()))
    else:
        executions = len(next(iter(compared.runs.values())).executions)
        print(f"{loaded.file.question}\n")
        print(f"{loaded.name}, seed {compared.seed}, {executions} execution(s) under each model\n")
        print(compared)
    return OK


def _compared(loaded: LoadedScenario, options: argparse.Namespace, *, progress: bool = True) -> Comparison:
    seed = loaded.file.seed if getattr(options, "seed", None) is None else options.seed
    scenario = loaded.scenario(seed)
    owed = debts(scenario, seed)
    models = tqdm(loaded.file.models, delay=1, leave=False, unit="model", disable=None if progress else True)
    runs = {model: run_scenario(scenario, model, seed, owed=owed) for model in models}
    return Comparison(runs, loaded.name, seed, _repeat("compare", loaded, seed, options.changes))


def _check(options: argparse.Namespace) -> int:
    results = []
    for path in tqdm(list(_files(options.paths)), delay=1, leave=False, unit="scenario", disable=None):
        loaded = load(path, options.changes)
        results.append((loaded, list(_failures(loaded, options))))
    failed = sum(bool(failures) for _, failures in results)
    if options.json:
        scenarios = {loaded.source: failures for loaded, failures in results}
        print(json.dumps({"scenarios": len(results), "failed": failed, "failures": scenarios}))
    else:
        for loaded, failures in results:
            print(f"{'FAILED' if failures else 'ok':<7} {loaded.source}")
            print("".join(f"        {failure}\n" for failure in failures), end="")
        print(f"{len(results)} scenario(s), {failed} failed")
    return UNEXPECTED if failed else OK


def _failures(loaded: LoadedScenario, options: argparse.Namespace) -> Iterator[str]:
    compared = _compared(loaded, options, progress=False)
    for model, expectation in loaded.expectations().items():
        done = compared[model]
        counts = {**done.verdicts, "violations": len(done.violations), "repeats": done.repeats}
        problems = list(unmet(expectation, counts, len(done.executions)))
        if done.vacuous:
            problems.append("no planned fault hit anything in flight")
        repeat = _repeat("run", loaded, compared.seed, options.changes, f" --model {model}")
        for problem in problems:
            yield f"{model}: {problem} (repeat: {repeat})"


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.rglob("*.toml"))
        if not found:
            raise UnknownNameError("scenario file in folder", str(path), [])
        yield from found


def _repeat(command: str, loaded: LoadedScenario, seed: int, changes: Sequence[str], more: str = "") -> str:
    settings = "".join(f" --set {change}" for change in changes)
    return f"durable-sim {command} {loaded.source}{more} --seed {seed}{settings}"
