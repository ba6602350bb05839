"""Which errors an ErrorEquals means."""

from __future__ import annotations

import copy
import pickle

import pytest

from durable_sim.models.state_machine.language.errors import StatesError, matches

FACTS = [
    (["Card.Declined"], "Card.Declined", True),
    (["Card.Declined"], "Card.declined", False),
    (["A", "B"], "B", True),
    (["States.ALL"], "Card.Declined", True),
    (["States.ALL"], "States.Timeout", True),
    (["States.ALL"], "States.DataLimitExceeded", True),
    (["States.TaskFailed"], "Card.Declined", True),
    (["States.TaskFailed"], "States.Timeout", False),
    (["States.TaskFailed"], "States.HeartbeatTimeout", False),
    (["States.Timeout"], "States.Timeout", True),
    (["States.HeartbeatTimeout"], "States.Timeout", False),
    (["States.HeartbeatTimeout"], "States.HeartbeatTimeout", True),
    (["States.Timeout"], "States.HeartbeatTimeout", True),
    (["States.ALL"], "States.Runtime", False),
    (["States.Runtime"], "States.Runtime", False),
    (["States.TaskFailed"], "States.Runtime", False),
]


@pytest.mark.parametrize(("names", "error", "meant"), FACTS)
def test_an_error_is_meant_or_not(names: list[str], error: str, meant: bool) -> None:
    """States.Runtime never is; a missed heartbeat is a time-out too; TaskFailed is all but time-outs."""
    assert matches(names, error) is meant


def test_an_error_survives_copies_and_pickles() -> None:
    """Its fields are its args."""
    error = StatesError("States.Runtime", "no path")
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (other.error, other.cause, str(other)) == ("States.Runtime", "no path", "States.Runtime: no path")
