"""Places: what they are named by, what they can be asked for by, and how they are told."""

from __future__ import annotations

import pytest

from durable_sim.search.places import Place, places
from durable_sim.simulation.run import simulate
from tests.search.scenes import PAY, of_two

EVERY = tuple(places(simulate(PAY, "replay", 0)))


def test_each_place_of_a_run_in_which_nothing_goes_wrong() -> None:
    """After each record, with the phase that the execution is in."""
    assert [(place.kind, place.phase) for place in EVERY] == [
        ("worker_started", "between"),
        ("worker_started", "between"),
        ("execution_started", "start"),
        ("task_scheduled", "before the request"),
        ("task_started", "before the request"),
        ("request_sent", "request out"),
        ("request_received", "request in"),
        ("effect_applied", "effect"),
        ("reply_sent", "reply"),
        ("reply_received", "reply"),
        ("result_reported", "record"),
        ("result_recorded", "record"),
        ("task_completed", "record"),
        ("execution_ended", "end"),
    ]


@pytest.mark.parametrize(
    ("place", "trigger"),
    [
        (EVERY[0], {"after": "worker_started"}),
        (EVERY[1], {"after": "worker_started", "nth": 2}),
        (EVERY[2], {"after": "execution_started", "execution": "o-1"}),
        (EVERY[7], {"after": "effect_applied", "of": "payments.charge", "execution": "o-1"}),
        (
            EVERY[7]._replace(nth=3),
            {"after": "effect_applied", "of": "payments.charge", "execution": "o-1", "nth": 3},
        ),
    ],
)
def test_a_trigger_names_what_tells_a_place_from_others(place: Place, trigger: dict[str, object]) -> None:
    """The first of its kind needs no number; what there is not is not named."""
    assert place.trigger == trigger


def test_the_calls_of_each_execution_are_counted_on_their_own() -> None:
    """Two executions at a time: each has a first call; what is nobody's is counted over the run."""
    found = tuple(places(simulate(of_two(PAY), "replay", 0)))
    assert [(place.execution, place.nth) for place in found if place.kind == "request_sent"] == [("o-1", 1), ("o-2", 1)]
    assert [(place.execution, place.nth) for place in found if place.kind == "worker_started"] == [(None, 1), (None, 2)]
