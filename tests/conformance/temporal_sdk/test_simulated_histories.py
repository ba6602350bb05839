"""The real SDK's Replayer judges histories that the simulated engine made: twins of real workflows, calm and over
crashes. Skipped where there is no SDK."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.replay.exchange.histories import from_json
from durable_sim.models.replay.order import check_order
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.payloads import as_json

pytest.importorskip("temporalio")

from tests.conformance.temporal_sdk import native_workflows, sdk_workflows
from tests.conformance.temporal_sdk.judge import verdict

Stimulus = Callable[[ds.Simulation, Any], None]


def signals(sim: ds.Simulation, handle: Any) -> None:
    """Three of them, the third within the limit."""
    for word, after in (("one", "1s"), ("two", "1s"), ("three", "5s")):
        sim.advance(after)
        handle.signal("put", word)


def two_signals(sim: ds.Simulation, handle: Any) -> None:
    """The third never comes."""
    handle.signal("put", "one")
    sim.advance("1s")
    handle.signal("put", "two")


def updates(sim: ds.Simulation, handle: Any) -> None:
    """One that is refused, two at once, and one more."""
    with pytest.raises(ds.UpdateFailed):
        handle.update("add", -1)
    handle.start_update("add", 3)
    handle.start_update("add", 4)
    sim.advance("2s")
    handle.start_update("add", 5)


def cancel(sim: ds.Simulation, handle: Any) -> None:
    """While it sleeps."""
    sim.advance("10s")
    handle.cancel()


SCENARIOS: dict[str, tuple[str, tuple[Any, ...], Stimulus | None]] = {
    "order": ("Order", ("o-1",), None),
    "saga": ("Trip", ("rome",), None),
    "retry": ("Stubborn", (), None),
    "timers": ("Nap", (), None),
    "signals": ("Inbox", (60,), signals),
    "signal that never comes": ("Inbox", (60,), two_signals),
    "children": ("Family", ("w",), None),
    "continue as new": ("Countdown", (2,), None),
    "updates": ("Counter", (), updates),
    "patch": ("Fashion", (), None),
    "deprecated patch": ("Settled", (), None),
    "cancel and clean up": ("Careful", (), cancel),
    "cancel an activity": ("Impatient", (), None),
    "local activities": ("Homework", (), None),
}
CRASH_POINTS = 8
BY_TYPE: dict[str, type] = {code.__name__: code for code in sdk_workflows.CLASSES}


def played(scenario: str, *faults: Any) -> ds.Simulation:
    """A scenario from its start to the point where nothing is left to happen."""
    name, arguments, stimulus = SCENARIOS[scenario]
    sim = ds.Simulation(native_workflows.WORKFLOWS, activities=native_workflows.ACTIVITIES, faults=faults)
    handle = sim.start(name, *arguments, id="w")
    if stimulus is not None:
        stimulus(sim, handle)
    sim.run()
    return sim


def check_round_trip(history: Any) -> None:
    """Every attribute that is not internal is there again after writing and reading."""
    for event, read in zip(history, from_json(history.to_json()), strict=True):
        assert read[:3] == event[:3]
        for name, value in event.attributes.items():
            if value is not None and name != "step":
                expected = value if isinstance(value, (Failure, ds.RetryPolicy)) else as_json(value)
                assert read.attributes.get(name) == expected, (event, name)


def judge(sim: ds.Simulation) -> int:
    """Have every history judged by our own rules and by the Replayer; how many there were."""
    judged = 0
    for history in sim.histories().values():
        workflow_id = history[0].attributes["workflow_id"]
        check_order(history)
        check_round_trip(history)
        code = BY_TYPE[history[0].attributes["workflow_type"]]
        assert verdict(code, workflow_id, history.to_json()) is None, (workflow_id, [event.type for event in history])
        judged += 1
    return judged


@cache
def length(scenario: str) -> int:
    """The number of trace records of a scenario without faults."""
    return len(played(scenario).trace)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_sdk_takes_what_the_engine_wrote(scenario: str) -> None:
    """A history of a calm run is one that the real workflow could have made."""
    assert judge(played(scenario)) == {"children": 3, "continue as new": 3}.get(scenario, 1)


@pytest.mark.parametrize("point", range(CRASH_POINTS))
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_sdk_takes_what_the_engine_wrote_over_crashes(scenario: str, point: int) -> None:
    """Also when a worker dies in the middle: failed and repeated tasks leave a history that replays."""
    sim = played(scenario, ds.Crash(after_record=length(scenario) * point // CRASH_POINTS))
    assert sim.handle("w").status != "RUNNING"
    assert judge(sim) >= 1


def test_the_sdk_refuses_what_other_code_wrote() -> None:
    """The judge can say no: a history with the patch is not one of the code before the change."""
    history = played("patch").handle("w").history()
    assert verdict(sdk_workflows.FashionBefore, "w", history.to_json()) is not None
    assert verdict(sdk_workflows.Order, "w", history.to_json()) is not None


def test_code_from_before_a_patch_leaves_a_history_for_the_code_after_it() -> None:
    """No marker: the new code takes the old path, in the SDK as in the simulation."""
    sim = ds.Simulation([native_workflows.fashion_before], activities=native_workflows.ACTIVITIES)
    handle = sim.start("Fashion", id="w")
    assert handle.result() == "old"
    assert verdict(sdk_workflows.Fashion, "w", handle.history().to_json()) is None


def test_the_readme_says_how_many_are_judged() -> None:
    """As many workflows and crash points as there are here."""
    readme = " ".join((Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8").split())
    assert f"{len(SCENARIOS)} workflows, calm and crashed at {CRASH_POINTS} points each" in readme
