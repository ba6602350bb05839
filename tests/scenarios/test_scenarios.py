"""Every file in scenarios/ is a test: it holds what it expects, and gives the same trace twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from durable_sim.api import compare_scenario
from durable_sim.checks.violations import BAD
from durable_sim.files.expectations import unmet
from durable_sim.files.scenario_file import LoadedScenario, load
from durable_sim.models.registry import MODELS
from durable_sim.results.comparison import Comparison
from durable_sim.simulation.run import simulate

ENGINES = ("replay", "steps", "state_machine")
FOLDER = Path(__file__).parents[2] / "scenarios"
FILES = sorted(FOLDER.glob("*.toml"))
ONCE_MORE = (11, 12, 13)
"""Seeds that no file uses."""


def compared(loaded: LoadedScenario, seed: int) -> Comparison:
    """The models of a file in its world."""
    return compare_scenario(loaded.scenario(seed), loaded.file.models, seed)


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def shipped(request: pytest.FixtureRequest) -> tuple[LoadedScenario, Comparison]:
    """A file with its runs."""
    loaded = load(request.param)
    return loaded, compared(loaded, loaded.file.seed)


def test_a_scenario_is_a_question_with_an_answer_for_each_model(shipped: tuple[LoadedScenario, Comparison]) -> None:
    """It asks, and expects something of every model that it lists."""
    loaded, _ = shipped
    assert "?" in loaded.file.question
    assert set(loaded.expectations()) == set(loaded.file.models)


def test_a_scenario_holds_what_it_expects(shipped: tuple[LoadedScenario, Comparison]) -> None:
    """Every condition of its [expect] is met, and its faults hit something."""
    loaded, comparison = shipped
    for model, expectation in loaded.expectations().items():
        run = comparison[model]
        counts = {**run.verdicts, "violations": len(run.violations), "repeats": run.repeats}
        assert list(unmet(expectation, counts, len(run.executions))) == [], model
        assert not run.vacuous, model


def test_a_scenario_gives_the_same_trace_twice(shipped: tuple[LoadedScenario, Comparison]) -> None:
    """To the byte, under each of its models, also when the file is read anew."""
    loaded, comparison = shipped
    again = load(loaded.source).scenario()
    for model in loaded.file.models:
        assert simulate(again, model, loaded.file.seed).trace.digest() == comparison[model].trace.digest(), model


@pytest.mark.parametrize("seed", ONCE_MORE)
def test_only_engines_with_keys_get_every_order_right(seed: int) -> None:
    """Over at least 300 orders and 100 fired crashes and deploys; the others all leave something bad behind."""
    loaded = load(FOLDER / "order_fulfillment.toml")
    comparison = compared(loaded, seed)
    assert set(comparison.runs) == set(MODELS)
    for model, run in comparison.runs.items():
        assert len(run.executions) >= 300
        assert run.faults["fired"] >= 100
        bad = {verdict for verdict in run.verdicts if verdict in BAD}
        assert bool(bad) == (model not in ENGINES), (model, run.verdicts)
    for model in ENGINES:
        assert not comparison[model].violations
        assert comparison[model].verdicts["compensated"] >= 1


@pytest.mark.parametrize("seed", ONCE_MORE[:2])
def test_without_keys_replay_makes_duplicates_too(seed: int) -> None:
    """In the same world, with the same workflow but for its idempotency keys."""
    loaded = load(FOLDER / "order_fulfillment.toml", ["parameters.keys=false", 'models=["replay"]', "expect={}"])
    run = compared(loaded, seed)["replay"]
    assert run.faults["fired"] >= 100
    assert run.verdicts["duplicate_effect"] >= 5
