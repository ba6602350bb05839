"""Faults spelled out: a run that was flaky by chance goes the same way in calm weather."""

from __future__ import annotations

from dataclasses import replace

import pytest

from durable_sim.api import run_scenario
from durable_sim.library.shop import shop
from durable_sim.search.explicit import explicit
from durable_sim.search.minimal import smallest
from durable_sim.search.trial import trial_of
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import CALL_FAULTS, Crash, Crashes, Mixture, Outage, Script
from tests.search.scenes import KEYLESS, ORDER, PAY, of_two

FLAKY = shop(
    payments={"faults": Mixture(**dict.fromkeys(CALL_FAULTS, 0.08))},
    shipping={"outage": Outage("1s", "10s")},
    email={"faults": Mixture(lose_reply=0.3)},
)
STORMY = replace(of_two(KEYLESS), services=FLAKY, faults=(Crashes(every="4s", until="20s"), Crash(at="20d")))


@pytest.mark.parametrize("model", ["replay", "steps", "status_columns"])
@pytest.mark.parametrize("seed", range(4))
def test_a_flaky_run_goes_the_same_way_with_its_faults_spelled_out(model: str, seed: int) -> None:
    """The trace is the same to the byte, and so is the ledger."""
    flaky = run_scenario(STORMY, model, seed)
    faults = explicit(flaky.recording)
    assert any(isinstance(fault, Script) for fault in faults) and any(isinstance(fault, Crash) for fault in faults)
    calm = trial_of(STORMY, model, seed, executions=None).run(faults)
    assert calm.trace.digest() == flaky.trace.digest() and calm.ledger == flaky.ledger


def test_the_faults_can_be_cut_down_to_those_that_matter() -> None:
    """What is left still doubles a charge, and far fewer faults are left."""
    flaky = run_scenario(STORMY, "replay", 0)
    trial = trial_of(STORMY, "replay", 0, executions=None)
    assert "duplicate_effect" in flaky.verdicts
    enough = smallest(explicit(flaky.recording), lambda kept: "duplicate_effect" in trial.run(kept).verdicts)
    assert len(enough) < len(explicit(flaky.recording)) and "duplicate_effect" in trial.run(enough).verdicts
    assert all("duplicate_effect" not in trial.run([f for f in enough if f != left]).verdicts for left in enough)


def test_only_faults_that_struck_are_spelled_out() -> None:
    """A crash that comes when all is over is there, one that never comes is not; scripts of the scenario stay there."""
    late, never = Crash(at="1h"), Crash(after="timer_fired")
    scripts = (Script("payments", "charge", 1, "refuse"), Script("shipping", "schedule", 1, "slow", execution="o-1"))
    recording = run_scenario(replace(ORDER, faults=(late, never, *scripts)), "replay", 0).recording
    assert explicit(recording) == (late,)


def test_a_call_is_spelled_out_by_its_number_within_its_execution() -> None:
    """Two executions, whose first calls both fail by chance, and no other."""
    always = {"payments": replace(PAY.services["payments"], faults=Mixture(refuse=1.0))}
    scenario = replace(of_two(PAY), services=always, calm_after="500ms")
    assert explicit(run_scenario(scenario, "replay", 0).recording) == (
        Script("payments", "charge", 1, "refuse", execution="o-1"),
        Script("payments", "charge", 1, "refuse", execution="o-2"),
    )


def test_a_scripted_call_is_left_out_however_it_was_counted() -> None:
    """The second call over the run is the first of the second execution; the others came by chance."""
    always = {"payments": replace(PAY.services["payments"], faults=Mixture(refuse=1.0))}
    scripts = (Script("payments", "charge", 2, "slow"), Script("payments", "charge", 2, "error", execution="o-1"))
    scenario = Scenario(PAY.workflow, of_two(PAY).inputs, always, scripts, calm_after="1500ms")
    faults = explicit(run_scenario(scenario, "replay", 0).recording)
    assert faults == (Script("payments", "charge", 1, "refuse", execution="o-1"),)


def test_calls_of_a_models_own_services_are_no_faults_of_the_scenario() -> None:
    """A status column's table is not among the services that a script can name; nothing of it is spelled out."""
    recording = run_scenario(replace(ORDER, services=FLAKY), "status_columns", 3).recording
    assert {fault.service for fault in explicit(recording) if isinstance(fault, Script)} <= set(FLAKY)
