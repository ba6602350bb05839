"""Runs as JSON data: all that is kept comes back, in every state that a simulation reaches."""

from __future__ import annotations

import inspect
import json
import random
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server import state
from durable_sim.models.replay.server.run_json import (
    VOLATILE,
    attributes_from_json,
    attributes_to_json,
    from_json,
    to_json,
)
from durable_sim.models.replay.server.state import PendingActivity, Run, StartOptions, WorkflowTask
from durable_sim.workflows.commands import ActivityOptions
from durable_sim.workflows.failures import Failure
from tests.models.replay_engine.busy import begin as begin_all
from tests.models.replay_engine.busy import kept, perform, simulation, some_actions

NESTED = Failure(
    "ActivityError",
    "Activity task failed",
    cause=Failure("Flaky", "boom", next_retry_delay_us=7, details=(1, {"a": [None]}), cause=Failure("Deep", "")),
    kind="activity",
    info={"activity_type": "charge", "scheduled_event_id": 5, "identity": None},
)
POLICY = ds.RetryPolicy(initial_interval="1s", maximum_attempts=3, non_retryable_error_types=("Fatal",))


def through_json(run: Run) -> Run:
    """The run as it comes back from text."""
    return from_json(json.loads(json.dumps(to_json(run))), run.history)


def full_run() -> Run:
    """A run with something in every field."""
    options = StartOptions("w", "order", [1, {"a": [2.5, None]}], retry_policy=POLICY, root={"workflow_id": "r"})
    run = Run("w/2", "w", 2, options, 0, 5, execution=None)  # type: ignore[arg-type]
    event = Event(3, 9, "WorkflowTaskScheduled", {"attempt": 2})
    run.task = WorkflowTask(2, False, 3, 9, transient=(event,))
    run.buffered = [("ActivityTaskFailed", 4, {"failure": NESTED, "started_event_id": -1})]
    limits = ActivityOptions(1, None, None, POLICY)
    run.activities[5] = PendingActivity(1, "1", "charge", "main", ["x"], limits, 5, 0, 0, last_failure=NESTED)
    run.activities[5].heartbeat_details = (1, {"b": 2})
    run.updates, run.update_outcomes = {"u": 4}, {"u": (None, NESTED), "v": ([1], None)}
    run.failure, run.memo = NESTED, {"failure": "a word of the user's", "retry_policy": None}
    return run


def test_everything_comes_back() -> None:
    """Failures with causes, policies, buffered and transient events, pending work: all equal after a round trip."""
    run = full_run()
    assert kept(through_json(run)) == kept(run)


def test_attributes_come_back() -> None:
    """Failures and retry policies within attributes come back as such, and users' values of those names as values."""
    attributes: dict[str, Any] = {
        "failure": NESTED,
        "last_failure": None,
        "retry_policy": POLICY,
        "input": [{"failure": {"type": "mine"}}],
        "memo": {"retry_policy": "mine"},
    }
    assert attributes_from_json(json.loads(json.dumps(attributes_to_json(attributes)))) == attributes


def test_dataclasses_come_back_as_dicts() -> None:
    """A dataclass among the values is kept as the dict of its fields."""

    @dataclass
    class Money:
        cents: int

    assert attributes_from_json(attributes_to_json({"result": [Money(3)]})) == {"result": [{"cents": 3}]}


def test_spans_come_back_as_text() -> None:
    """A policy whose spans were given as timedelta comes back with the same spans as text."""
    policy = ds.RetryPolicy(initial_interval=timedelta(seconds=90))
    (back,) = attributes_from_json(attributes_to_json({"retry_policy": policy})).values()
    assert back == ds.RetryPolicy(initial_interval="1m30s")


def test_the_volatile_fields_are_those_that_state_marks() -> None:
    """What is left out is what carries the remark `# volatile` in state.py."""
    marked = re.findall(r"^    (\w+): .*# volatile", inspect.getsource(state), re.MULTILINE)
    assert set(marked) == VOLATILE


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"attempt": "1"}, "found '1', expected int"),
        ({"status": 7}, "found 7, expected str"),
        ({"timers": []}, "expected an object"),
        ({"buffered": {}}, "expected a list"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_what_is_no_run_is_refused(change: dict[str, Any], told: str) -> None:
    """A field of another type, and one too many, are refused by what was found."""
    with pytest.raises(ValueError, match=re.escape(told)):
        from_json(to_json(full_run()) | change, [])


@pytest.mark.parametrize("seed", range(6))
def test_runs_come_back_at_every_moment(seed: int) -> None:
    """After each step of a simulation with crashes, deploys and messages, every run is the same after a round trip."""
    sim = simulation(seed, rpc_latency="20ms" if seed % 2 else "0s")
    begin_all(sim)
    looked_at = 0
    for action in some_actions(random.Random(seed), 12):
        perform(sim, action)
        for run in sim._server.runs.values():
            assert kept(through_json(run)) == kept(run)
            looked_at += 1
    assert looked_at > 50
