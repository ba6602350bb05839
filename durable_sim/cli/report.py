"""report: one HTML file that shows a scenario under its execution models."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from durable_sim.api import run_scenario
from durable_sim.checks.owed import debts
from durable_sim.cli.common import OK, given, model_of, on_scenarios, repeat, seed_of, warn, with_seed
from durable_sim.errors import UserError
from durable_sim.files.scenario_file import LoadedScenario, load
from durable_sim.health.health import Health
from durable_sim.models.registry import MODELS
from durable_sim.results.comparison import Comparison
from durable_sim.results.run import Run
from durable_sim.search.narrowing import narrowed
from durable_sim.search.result import Sweep
from durable_sim.search.sweep import crash_sweep
from durable_sim.search.witness import Witness


def add(commands: Any) -> None:
    """Add the command of this file."""
    help = "one HTML file: outcomes, the worst stories, the faults that are enough, health, tables, how to repeat it"
    report = on_scenarios(commands, "report", help, _report)
    report.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    report.add_argument("--html", metavar="FILE", type=Path, required=True, help="where to write it")
    report.add_argument(
        "--model",
        metavar="M",
        dest="models",
        action="append",
        default=None,
        help=f"an execution model: {', '.join(MODELS)} (may be given several times; default: those of the file)",
    )
    with_seed(report)
    report.add_argument(
        "--crashes", action="store_true", help="also let a crash strike at every place of the first execution"
    )


def _report(options: argparse.Namespace) -> int:
    report_html = _maker()
    loaded = load(options.scenario, options.changes)
    compared = _compared(loaded, options)
    sweeps = _sweeps(loaded, compared, seed_of(options, loaded)) if options.crashes else {}
    smallest = _smallest(compared, loaded, options.changes)
    least = {} if smallest is None else {"the smallest": f"durable-sim run --replay {smallest.token}"}
    text = report_html(
        compared.runs,
        question=loaded.file.question,
        repeat={"this report": compared.repeat, **least},
        smallest=smallest,
        sweeps=sweeps,
        health=_health(compared.worst),
    )
    _write(text, options.html)
    _tell(compared, options.html, sweeps, options.json)
    return OK


def _maker() -> Any:
    try:
        from durable_sim.views.report import report_html  # pandas and matplotlib only where a report is wanted
    except ModuleNotFoundError:
        raise UserError("report needs pandas and matplotlib: pip install 'durable_sim[views]'") from None
    return report_html


def _compared(loaded: LoadedScenario, options: argparse.Namespace) -> Comparison:
    """The runs, each with the command that makes it alone; the comparison with the one that makes the report."""
    seed = seed_of(options, loaded)
    scenario = loaded.scenario(seed)
    owed = debts(scenario, seed)
    models = list(dict.fromkeys(model_of(name, loaded) for name in options.models or loaded.file.models))
    bar = tqdm(models, delay=1, leave=False, unit="model", disable=None)
    commands = {model: repeat("run", loaded, seed, options.changes, model) for model in models}
    runs = {model: run_scenario(scenario, model, seed, owed=owed, repeat=commands[model]) for model in bar}
    warn(loaded, owed, runs.values())
    chosen = [word for model in models for word in ("--model", model)] if options.models else []
    more = [*chosen, *given(options, "crashes"), "--html", f"{loaded.name}.html"]  # the same whatever file is written
    return Comparison(runs, loaded.name, seed, repeat("report", loaded, seed, options.changes, more=more))


def _smallest(compared: Comparison, loaded: LoadedScenario, changes: Sequence[str]) -> Witness | None:
    """What is enough to break the worst run; None where nothing is wrong, or no execution is to blame."""
    if not compared.worst.worst.violations:
        return None
    try:
        return narrowed(compared.worst, loaded.source, tuple(changes))
    except UserError as error:
        print(f"durable-sim: warning: {error}", file=sys.stderr)
        return None


def _sweeps(loaded: LoadedScenario, compared: Comparison, seed: int) -> dict[str, Sweep]:
    bar = tqdm(compared.runs, delay=1, leave=False, unit="model", disable=None)
    return {model: crash_sweep(loaded.scenario(seed), model, seed=seed) for model in bar}


def _health(run: Run) -> Health | None:
    """What a monitoring system would have seen of a run; None where there is too little for any rule to judge."""
    try:
        health = run.health()
    except UserError:  # on an ordinary day none ends either
        return None
    return health if any(signal.judged for signal in health.signals) else None


def _write(text: str, path: Path) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(f"--html {path}: cannot be written ({error.strerror}); give another file") from None


def _tell(compared: Comparison, path: Path, sweeps: Mapping[str, Sweep], as_json: bool) -> None:
    if as_json:
        guarantees = {"guarantees": {model: sweep.guarantee for model, sweep in sweeps.items()}} if sweeps else {}
        print(json.dumps({**compared.to_json(), **guarantees, "html": str(path)}))
        return
    print(compared.summary())
    for sweep in sweeps.values():
        print(sweep.guarantee)
    print(f"written: {path}")
