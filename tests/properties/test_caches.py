"""What a worker keeps in memory decides nothing: with a cache, with one that loses everything, and without one.

A lost cache (`evicted`, or room for one instance) only makes code run more often, at the same times, so everything is
the same to the last effect, whatever strikes. Without a cache (`cold`) there are no sticky queues either: a crash then
costs no ten seconds of waiting for a dead worker, so that later calls meet other moments, and crashes hit others. That
is why, where crashes come at random, only the kinds of verdicts are compared for it, and elsewhere all that happened.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from durable_sim import trace
from durable_sim.api import run_scenario
from durable_sim.files.scenario_file import load
from durable_sim.results.run import Run
from durable_sim.world.faults import Crash, Crashes, Deploy, Deploys, Pause

FOLDER = Path(__file__).parents[2] / "scenarios"
NAMES = [path.stem for path in sorted(FOLDER.glob("*.toml")) if "replay" in load(path).file.models]
PROCESS_FAULTS = (Crash, Crashes, Deploy, Deploys, Pause)
LOSING = ("evicted", 1)
EXECUTIONS_MAX = 150
"""Of more, the first so many: what is said here is said of each execution."""


class Told(NamedTuple):
    """What is compared of a run; runs themselves, hundreds of them, would fill the memory."""

    ledger: str
    verdicts: dict[str, int]
    violations: int
    replays: int
    executions: int
    effects: Counter[tuple[str, str, str]]


@cache
def run(name: str, kept: Any, without_process_faults: bool = False) -> Told:
    """A scenario under replay with a kind of cache; of its ledger a digest."""
    path = FOLDER / f"{name}.toml"
    count = load(path).file.arrivals.count
    loaded = load(path, [f"arrivals.count={EXECUTIONS_MAX}"] if count > EXECUTIONS_MAX else [])
    scenario = loaded.scenario()
    faults = tuple(fault for fault in scenario.faults if not isinstance(fault, PROCESS_FAULTS))
    options = {**scenario.model_options, "replay": {**scenario.model_options.get("replay", {}), "cache": kept}}
    changed = replace(scenario, model_options=options, faults=faults if without_process_faults else scenario.faults)
    done = run_scenario(changed, "replay", loaded.file.seed)
    ledger = sha256(repr(done.ledger).encode()).hexdigest()
    return Told(ledger, done.verdicts, len(done.violations), replays(done), len(done.executions), effects(done))


def effects(run: Run) -> Counter[tuple[str, str, str]]:
    """How often each execution had each effect."""
    return Counter((entry.execution, entry.kind, entry.subject) for entry in run.ledger)


def replays(run: Run) -> int:
    """How often code was run again from the beginning."""
    return sum(record.kind == trace.REPLAYED for record in run.trace)


def strikes_at_random(name: str) -> bool:
    """Whether a scenario's process faults come at times of their own."""
    return any(isinstance(fault, (Crashes, Deploys)) for fault in load(FOLDER / f"{name}.toml").scenario().faults)


@pytest.mark.parametrize("kept", LOSING)
@pytest.mark.parametrize("name", NAMES)
def test_a_lost_cache_changes_nothing(name: str, kept: Any) -> None:
    """The ledger is the same, entry by entry and to the microsecond, and so are the verdicts."""
    warm, lossy = run(name, "warm"), run(name, kept)
    assert lossy.ledger == warm.ledger
    assert lossy.verdicts == warm.verdicts
    assert lossy.violations == warm.violations
    assert lossy.replays >= warm.replays


@pytest.mark.parametrize("name", NAMES)
def test_without_a_cache_the_verdicts_are_the_same(name: str) -> None:
    """Their numbers, where faults strike at given moments of an execution; their kinds, where they come at random."""
    warm, cold = run(name, "warm"), run(name, "cold")
    if strikes_at_random(name):
        assert set(cold.verdicts) == set(warm.verdicts)
        assert bool(cold.violations) == bool(warm.violations)
    else:
        assert cold.verdicts == warm.verdicts
        assert cold.effects == warm.effects


@pytest.mark.parametrize("kept", ["cold", *LOSING])
@pytest.mark.parametrize("name", NAMES)
def test_where_no_process_dies_the_effects_are_the_same(name: str, kept: Any) -> None:
    """One by one, at the same times, with a cache and without."""
    warm, other = run(name, "warm", True), run(name, kept, True)
    assert other.ledger == warm.ledger
    assert other.verdicts == warm.verdicts
    assert warm.replays == 0 and (kept == 1 or other.replays >= other.executions)
