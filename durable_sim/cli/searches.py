"""crashes and deploys: what a fault at every place, or new code at every index of every history, does."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from durable_sim.checks.oracles import ORACLES
from durable_sim.cli.common import (
    OK,
    UNEXPECTED,
    given,
    model_of,
    on_scenarios,
    repeat,
    seed_of,
    whole,
    with_model,
    with_seed,
)
from durable_sim.errors import UserError
from durable_sim.files.scenario_file import load
from durable_sim.library.workloads import find_workload
from durable_sim.search.deploys import PATHS, deploy_sweep
from durable_sim.search.families import FAMILIES, Settings, families_of
from durable_sim.search.lineage import LineageSearch, lineage_search
from durable_sim.search.places import Place
from durable_sim.search.result import Sweep
from durable_sim.search.sweep import fault_sweep
from durable_sim.search.witness import Witness, witness
from durable_sim.simulation.scenario import Scenario


def add(commands: Any) -> None:
    """Add the commands of this file."""
    help = "let a crash (or another fault) strike at every place of a run; exit status 1 if anything goes wrong"
    crashes = on_scenarios(commands, "crashes", help, _crashes)
    crashes.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    with_model(crashes)
    with_seed(crashes)
    crashes.add_argument("--depth", metavar="N", type=whole, default=1, help="how many faults in one run (default: 1)")
    crashes.add_argument(
        "--faults",
        metavar="F,...",
        default="crash",
        help=f"families of faults: {', '.join(FAMILIES)}, process, call, all (default: crash)",
    )
    crashes.add_argument(
        "--at",
        metavar="WORD,...",
        default=None,
        help="only at these kinds of record, phases, operations or activities, as in effect_applied or compensation",
    )
    crashes.add_argument(
        "--executions",
        metavar="N",
        type=_number_or_id,
        default=1,
        help="how many of the executions run together, or the id of one (default: 1)",
    )
    crashes.add_argument(
        "--restart-after", metavar="TIME", default="2s", help="how long a worker is away (default: 2s)"
    )
    crashes.add_argument(
        "--oracles", metavar="O,...", default=None, help=f"further checks of every run: {', '.join(ORACLES)}"
    )
    crashes.add_argument(
        "--guided",
        action="store_true",
        help="only the sets of up to --depth faults that the lineage of the runs tells of, not all there are",
    )
    help = "may new code be shipped while workflows run? at every index of every history; exit status 1 if not"
    deploys = on_scenarios(commands, "deploys", help, _deploys)
    deploys.add_argument("scenario", metavar="SCENARIO", help="a scenario file")
    deploys.add_argument(
        "--to", metavar="V", default=None, help="the new code: one of the file's versions, or module:name"
    )
    with_model(deploys)
    with_seed(deploys)
    deploys.add_argument(
        "--faults",
        metavar="F,...",
        default=",".join(PATHS),
        help=f"families of faults that make the histories (default: {','.join(PATHS)}; signal moves signals)",
    )
    deploys.add_argument("--depth", metavar="N", type=whole, default=1, help="how many faults in one run (default: 1)")
    deploys.add_argument(
        "--rolling", action="store_true", help="replace the workers one after the other, not all together"
    )


def _number_or_id(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _crashes(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    seed, model = seed_of(options, loaded), model_of(options.model, loaded)
    began = time.perf_counter()
    sweep = (_guided if options.guided else _sweep)(options, loaded.scenario(seed), model, seed)
    elapsed_s = time.perf_counter() - began
    shown = _witness(sweep, loaded.source, tuple(options.changes))
    if options.json:
        told = {} if shown is None else {"story": shown.story().splitlines(), "replay": shown.token}
        print(json.dumps({**sweep.to_json(), **told, "elapsed_s": round(elapsed_s, 3)}))
    else:
        print(f"{loaded.file.question}\n\n{sweep}\n")
        if shown is not None:
            print(f"the smallest story:\n{shown}\n\nas a test:\n{shown.as_test()}")
        speed = len(sweep.cases) / elapsed_s
        print(f"{len(sweep.cases):,} runs in {elapsed_s:.1f} s ({speed:,.0f} runs/s)")
        more = given(options, "depth", "faults", "at", "executions", "restart_after", "oracles", "guided")
        print(f"repeat: {repeat('crashes', loaded, seed, options.changes, model, more)}")
    return OK if sweep.ok else UNEXPECTED


def _sweep(options: argparse.Namespace, scenario: Scenario, model: str, seed: int) -> Sweep:
    at = options.at and options.at.split(",")
    return fault_sweep(scenario, model, depth=options.depth, at=at, seed=seed, progress=_bar, **_what(options))


def _guided(options: argparse.Namespace, scenario: Scenario, model: str, seed: int) -> LineageSearch:
    if options.at is not None:
        raise UserError("crashes: --at chooses places, and --guided finds them itself: give one of the two")
    return lineage_search(scenario, model, faults_max=options.depth, seed=seed, **_what(options))


def _what(options: argparse.Namespace) -> dict[str, Any]:
    """What every search is told."""
    return {
        "faults": families_of(options.faults.split(",")),
        "executions": options.executions,
        "settings": Settings(restart_after=options.restart_after),
        "oracles": options.oracles.split(",") if options.oracles else (),
    }


def _deploys(options: argparse.Namespace) -> int:
    loaded = load(options.scenario, options.changes)
    seed, model = seed_of(options, loaded), model_of(options.model, loaded)
    to = find_workload(options.to).workflow() if ":" in (options.to or "") else options.to
    asked: dict[str, Any] = {"faults": families_of(options.faults.split(",")), "rolling": options.rolling}
    began = time.perf_counter()
    sweep = deploy_sweep(loaded.scenario(seed), to, model, depth=options.depth, seed=seed, **asked)
    elapsed_s = round(time.perf_counter() - began, 3)
    if options.json:
        print(json.dumps({**sweep.to_json(), "elapsed_s": elapsed_s}))
    else:
        print(f"{loaded.file.question}\n\n{sweep}\n\n{len(sweep.shipped):,} deploys in {elapsed_s:.1f} s")
        more = given(options, "to", "faults", "depth")
        print(f"repeat: {repeat('deploys', loaded, seed, options.changes, model, more)}")
    return OK if sweep.ok else UNEXPECTED


def _witness(sweep: Sweep | LineageSearch, source: str, changes: tuple[str, ...]) -> Witness | None:
    if not sweep.smallest:
        return None
    return witness(sweep.trial, sweep.smallest[0].faults, source, changes)


def _bar(places: Iterable[Place]) -> Iterable[Place]:
    bar: Iterable[Place] = tqdm(places, delay=1, leave=False, unit="place", disable=None)
    return bar
