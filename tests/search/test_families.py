"""What the faults of a search are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from durable_sim.search.families import Settings
from durable_sim.search.lineage import lineage_search
from durable_sim.search.sweep import fault_sweep
from tests.search.scenes import PAY, PAY_TWICE


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
