"""What the faults of a search are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from durable_sim.search import coverage, witness
from durable_sim.search.families import (
    CALL_FAMILIES,
    FAMILIES,
    PROCESS_FAMILIES,
    SIGNAL,
    Settings,
    families_of,
    strikes_at,
)
from durable_sim.search.lineage import lineage_search
from durable_sim.search.places import places
from durable_sim.search.sweep import fault_sweep
from durable_sim.simulation.run import simulate
from durable_sim.testing.plans import faults_by_kind
from durable_sim.world.faults import Script
from tests.search.scenes import PAY, PAY_TWICE

MISHAPS = ("crash", "pause", "deploy", "restart_server")
CALLS = (
    "refuse",
    "error",
    "error_after_effect",
    "lose_request",
    "lose_reply",
    "duplicate",
    "slow",
    "late_effect",
    "very_late_effect",
)


@pytest.mark.parametrize(
    ("chosen", "versions", "expected"),
    [
        pytest.param(None, [], None, id="no other version"),
        pytest.param(None, ["next"], "next", id="the only other one"),
        pytest.param(None, ["next", "after"], None, id="one of several"),
        pytest.param("after", ["next", "after"], "after", id="chosen"),
        pytest.param("other", ["next"], "other", id="chosen against the only other one"),
    ],
)
def test_the_version_that_a_deploy_switches_to(chosen: str | None, versions: list[str], expected: str | None) -> None:
    """The chosen one, or the only other one, or the same code once more; nothing else changes."""
    settings = Settings(version=chosen, downtime="9s")
    scenario = replace(PAY, versions=dict.fromkeys(versions, PAY_TWICE.workflow))
    assert settings.for_scenario(scenario) == Settings(version=expected, downtime="9s")


@pytest.mark.parametrize("search", [fault_sweep, partial(lineage_search, faults_max=1)])
def test_both_searches_deploy_the_only_other_version(search: Callable[..., Any]) -> None:
    """Where none is chosen."""
    cases = search(replace(PAY, versions={"next": PAY.workflow}), faults="deploy").cases[1:]
    assert {fault.version for case in cases for fault in case.faults} == {"next"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param("crash", ("crash",), id="one"),
        pytest.param(["slow", "crash"], ("slow", "crash"), id="in this order"),
        pytest.param(["crash", "process", "crash"], MISHAPS, id="each once"),
        pytest.param("process", MISHAPS, id="of processes"),
        pytest.param("call", CALLS, id="of calls"),
        pytest.param("all", (*MISHAPS, *CALLS), id="all"),
        pytest.param(["all", "cancel", "signal"], (*MISHAPS, *CALLS, "cancel", "signal"), id="with stimuli"),
    ],
)
def test_families_that_are_asked_for(names: str | list[str], expected: tuple[str, ...]) -> None:
    """By name or by group; cancellations and signals are in no group."""
    assert families_of(names) == expected


def test_each_family_is_of_processes_or_of_calls() -> None:
    """None is both; a signal is no fault but is moved, and is of neither."""
    assert tuple(PROCESS_FAMILIES) == (*MISHAPS, "cancel")
    assert sorted(CALL_FAMILIES) == sorted(CALLS) and (*PROCESS_FAMILIES, SIGNAL, *CALL_FAMILIES) == FAMILIES


def test_a_call_whose_fate_is_settled_is_not_struck_again() -> None:
    """By the scenario's own script, or by a fault before: no other fate is placed there, by a sweep or by lineage."""
    scripted = replace(PAY, faults=(Script("payments", "charge", 1, "refuse"),))
    first, second = (one for one in places(simulate(scripted, "replay", 0)) if one.kind == "request_sent")
    assert first.settled and not second.settled
    assert [strikes_at("lose_reply", one, scripted) for one in (first, second)] == [False, True]
    assert strikes_at("crash", first, scripted)
    swept, guided = (
        fault_sweep(scripted, faults="lose_reply"),
        lineage_search(scripted, faults="lose_reply", faults_max=1),
    )
    assert [fault.call for case in swept.cases for fault in case.faults if isinstance(fault, Script)] == [2]
    calls = [fault.call for case in guided.cases for fault in case.faults if isinstance(fault, Script)]
    assert calls and 1 not in calls


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        pytest.param("crash", range(26), id="a process anywhere"),
        pytest.param("cancel", range(2, 26), id="a cancellation where there is an execution"),
        pytest.param("refuse", [9], id="a call where a service of the scenario is called"),
    ],
)
def test_where_a_family_can_strike(family: str, expected: list[int]) -> None:
    """The calls of a status column's own table are no calls of the scenario."""
    found = places(simulate(PAY, "status_columns", 0))
    assert [place.at for place in found if strikes_at(family, place, PAY)] == list(expected)


def test_each_family_of_processes_is_known_wherever_one_must_be() -> None:
    """As CONTRIBUTING tells: Hypothesis draws it, coverage counts it, and a witness has words for it."""
    assert set(PROCESS_FAMILIES) <= set(faults_by_kind())
    assert set(coverage.BLOWS.values()) == set(PROCESS_FAMILIES)
    assert set(witness.BLOWS) == set(coverage.BLOWS)
