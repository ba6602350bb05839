"""Places: what they are named by, what they can be asked for by, and how they are told."""

from __future__ import annotations

import pytest

from durable_sim.errors import UnknownNameError
from durable_sim.search.places import Place, places
from durable_sim.search.sweep import crash_sweep
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


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("charge", [3, 4, 10, 11, 12], id="an activity"),
        pytest.param("payments.charge", [5, 6, 7, 8, 9], id="an operation"),
        pytest.param("payments.refund", [], id="an operation that no run calls"),
        pytest.param("back-off", [], id="a phase that no run has"),
        pytest.param("timer_fired", [], id="a kind of record that no run has"),
    ],
)
def test_words_that_places_can_be_asked_for_by(word: str, expected: list[int]) -> None:
    """What a place of this run has, and what it could have had."""
    assert [case.placed[0].place.at for case in crash_sweep(PAY, at=word).cases[1:]] == expected


def test_a_word_that_is_none_of_these_is_refused_with_the_nearest_one() -> None:
    """Beside words that are known, too."""
    with pytest.raises(UnknownNameError) as refused:
        crash_sweep(PAY, at=["charge", "payments.charg"])
    assert str(refused.value) == (
        "unknown place (kind of record, phase, operation or activity) 'payments.charg': did you mean 'payments.charge'?"
    )
