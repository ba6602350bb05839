"""The comparison of histories: it must be able to see a difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from durable_sim.models.replay.events import Event
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.retry import RetryPolicy
from tests.conformance.temporal.comparison import (
    ATTRIBUTES,
    differences,
    gap_differences,
    outcome_difference,
    outcome_of,
    same_but_for_measured,
)
from tests.conformance.temporal.goldens import manifest, recorded


def spoilt(value: Any) -> Any:
    """Another value in the place of one."""
    match value:
        case Failure():
            return value._replace(message="another message", type="AnotherType", kind="application")
        case RetryPolicy():
            return RetryPolicy(initial_interval="7m")
        case int():
            return value + 7
        case str():
            return f"another {value}"
        case dict():
            return {**value, "workflow_id": "another", "another": ["x"]}
        case list():
            return [*value, "another"]
    return "another"


def spoilt_histories(history: tuple[Event, ...]) -> Iterator[tuple[str, list[Event]]]:
    """The same history with one attribute of one event changed, for each that is compared and is there."""
    for place, event in enumerate(history):
        told = event.attributes
        for name in ATTRIBUTES[event.type]:
            tried_again = event.type == "WorkflowTaskScheduled" and told["attempt"] > 1
            if told.get(name) and not (tried_again and name == "start_to_close_us"):
                spoilt_event = event._replace(attributes=told | {name: spoilt(told[name])})
                yield f"{event.type}.{name}", [*history[:place], spoilt_event, *history[place + 1 :]]


@pytest.mark.parametrize("name", list(manifest()))
def test_a_change_of_any_compared_attribute_is_seen(name: str) -> None:
    """A history agrees with itself, and with none in which one compared attribute is another."""
    history = recorded(name)
    assert list(differences(history, history)) == []
    unseen = [what for what, other in spoilt_histories(history) if not list(differences(history, other))]
    assert unseen == []


def test_a_missing_and_a_strange_event_are_seen() -> None:
    """The words say what was recorded and what was simulated."""
    history = recorded("h_timer")
    (missing,) = differences(history, history[:-1])
    assert missing == "event 10: recorded WorkflowExecutionCompleted, simulated nothing more"
    (strange,) = differences(history, [*history[:5], history[5]._replace(type="TimerCanceled"), *history[6:]])
    assert strange == "event 6: recorded TimerFired, simulated TimerCanceled"


def test_a_gap_that_is_too_long_is_seen() -> None:
    """Times may differ by a fifth of a second and no more."""
    history = recorded("h_timer")
    late = [event._replace(time_us=event.time_us + 250_000 * (event.id >= 6)) for event in history]
    assert list(gap_differences(history, history, [(5, 6)])) == []
    assert len(list(gap_differences(history, late, [(5, 6)]))) == 1


@pytest.mark.parametrize("name", list(manifest()))
def test_the_manifest_tells_the_outcome_of_its_history(name: str) -> None:
    """The outcome read off a recorded history is the one that the manifest has."""
    found = outcome_of(recorded(name))
    assert outcome_difference(manifest()[name]["outcome"], found, same_but_for_measured) is None


def test_another_outcome_is_seen() -> None:
    """A status, a result or a failure that is another one is a difference; a measured time is not."""
    done = {"status": "COMPLETED", "result": "slept 1.150"}
    assert outcome_difference(done, {"status": "COMPLETED", "result": "slept 1.000"}, same_but_for_measured) is None
    assert outcome_difference(done, {"status": "COMPLETED", "result": "woke 1.150"}, same_but_for_measured)
    assert outcome_difference(done, {"status": "RUNNING"}, same_but_for_measured)
    failed = manifest()["c_saga"]["outcome"]
    other = {**failed, "failure": {**failed["failure"], "message": "another"}}
    assert outcome_difference(failed, other, same_but_for_measured)
