"""Attempts, calls and lives: each is there once, and ends as the trace says."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim import trace as kinds
from durable_sim.library.orders import article_order, correct_order
from durable_sim.library.shop import shop
from durable_sim.models.registry import MODELS
from durable_sim.simulation.run import Recording, simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.views.events import events
from durable_sim.views.work import attempts, calls, lives, open_over_time
from durable_sim.world.faults import Crash, Deploy, Fault, Pause, Script

CRASH = Crash(after="request_sent", of="inventory.reserve")
STORM: tuple[Fault, ...] = (
    Script("payments", "charge", 1, "refuse"),
    Script("payments", "charge", 2, "lose_reply"),
    *(Script("shipping", "schedule", call, "error") for call in range(1, 4)),
    CRASH,
    Deploy(at="16s", version="v2", grace="5s"),
)


def played(model: str, *faults: Fault, code: object = None, orders: int = 1) -> Recording:
    """Some orders under a model."""
    inputs = tuple({"order_id": f"o-{number}"} for number in range(1, orders + 1))
    workflow = code or correct_order()
    scenario = Scenario(workflow, inputs, shop(), faults=faults, versions={"v2": workflow})  # type: ignore[arg-type]
    return simulate(scenario, model, 4)


@pytest.fixture(scope="module", params=MODELS)
def stormy(request: pytest.FixtureRequest) -> Recording:
    """An order that meets refusals, a time-out, a crash and a deploy, under each model."""
    return played(request.param, *STORM)


def of_kind(recording: Recording, *wanted: str) -> int:
    """How many records there are of these kinds."""
    return sum(record.kind in wanted for record in recording.trace)


# --- attempts
def test_each_attempt_that_was_begun_is_there_once(stormy: Recording) -> None:
    """Under every model there are as many begun attempts as records that say so, with the same workers."""
    begun = [one for one in attempts(stormy) if one.started_us is not None]
    said = [record for record in stormy.trace if record.kind == kinds.TASK_STARTED]
    assert Counter((one.activity, one.started_us, one.worker) for one in begun) == Counter(
        (one.subject, one.time_us, one.worker) for one in said
    )


def test_attempts_of_a_step_are_numbered_from_one(stormy: Recording) -> None:
    """Within a step the numbers are 1, 2, 3, ... under a model that carries on; code begun again counts anew."""
    numbers: dict[tuple[str | None, int | None], list[int]] = {}
    for one in attempts(stormy):
        if one.started_us is not None:
            numbers.setdefault((one.activity, one.step), []).append(one.attempt)
    for found in numbers.values():
        assert found[0] == 1
        assert all(later in (1, earlier + 1) for earlier, later in pairwise(found))


def test_an_attempt_has_its_times_in_order(stormy: Recording) -> None:
    """Scheduled, started and ended follow each other, and nothing is closed before it was begun."""
    for one in attempts(stormy):
        times = [us for us in (one.scheduled_us, one.started_us, one.ended_us) if us is not None]
        assert times == sorted(times)
        assert one.closed_us is None or one.started_us is None or one.started_us <= one.closed_us


@pytest.mark.parametrize("model", ["replay", "steps", "state_machine"])
def test_an_attempt_ends_when_its_worker_dies_and_is_closed_when_the_engine_learns_of_it(model: str) -> None:
    """The code of the attempt is over at the crash; the engine notices later, or at once if a connection breaks."""
    recording = played(model, CRASH)
    (crash,) = [record for record in recording.trace if record.kind == kinds.WORKER_CRASHED]
    died = [one for one in attempts(recording) if one.outcome == "worker_died"]
    assert [(one.activity, one.ended_us) for one in died] == [("reserve_inventory", crash.time_us)]
    assert died[0].closed_us is not None and died[0].closed_us >= crash.time_us
    assert died[0].error is not None and died[0].backoff_us is not None


def test_a_step_that_is_remembered_is_no_attempt() -> None:
    """After a crash, status columns skip what is done: one attempt of the charge, not two."""
    recording = played("status_columns", CRASH)
    assert [one.outcome for one in attempts(recording) if one.activity == "charge_card"] == ["completed"]


def test_what_the_engine_gave_up_has_timed_out() -> None:
    """A paused worker's attempt is closed by the time-out, runs on, and ends when the worker does go on."""
    recording = played("replay", Pause(after="request_sent", of="inventory.reserve", lasts="2m"))
    late = next(one for one in attempts(recording) if one.outcome == "timed_out")
    assert late.error == "START_TO_CLOSE time-out"
    assert late.closed_us is not None and late.ended_us is not None and late.ended_us > late.closed_us


def test_the_back_off_of_an_attempt_is_the_time_to_the_next() -> None:
    """What an attempt says of its back-off is when the next one is scheduled."""
    found = [one for one in attempts(played("replay", *STORM)) if one.activity == "charge_card"]
    assert [one.outcome for one in found] == ["failed", "failed", "completed"]
    for one, after in pairwise(found):
        assert one.closed_us is not None and one.backoff_us is not None
        assert after.scheduled_us == one.closed_us + one.backoff_us


# --- calls
def test_each_request_is_a_call(stormy: Recording) -> None:
    """As many calls as requests, as many effects as entries in the ledger, and no open end but by death."""
    found = calls(stormy)
    assert [one.call for one in found] == [r.call for r in stormy.trace if r.kind == kinds.REQUEST_SENT]
    assert sum(one.effects for one in found) == of_kind(stormy, kinds.EFFECT_APPLIED)
    assert all((one.answered_us is None) == (one.outcome in ("caller_died", "under_way")) for one in found)


def test_a_call_tells_what_the_caller_saw_and_what_the_world_did() -> None:
    """A lost reply is a time-out for the caller, though the effect is there."""
    lost = next(one for one in calls(played("replay", *STORM)) if one.fault == "lose_reply")
    assert (lost.outcome, lost.effects, lost.error) == ("timed_out", 1, "CallTimeout")


def test_a_call_whose_caller_dies_has_no_answer() -> None:
    """The crash in the middle of a call cuts that one off, and no other."""
    found = calls(played("replay", CRASH))
    assert [one.operation for one in found if one.outcome == "caller_died"] == ["reserve"]
    assert "under_way" not in {one.outcome for one in found}


# --- lives
def test_each_start_of_a_worker_is_a_life(stormy: Recording) -> None:
    """As many lives as starts, as many ends as deaths, as many attempts as were begun."""
    found = lives(stormy)
    assert len(found) == of_kind(stormy, kinds.WORKER_STARTED)
    assert sum(one.ended_how == "crash" for one in found) == of_kind(stormy, kinds.WORKER_CRASHED)
    assert sum(one.ended_how == "deploy" for one in found) == of_kind(stormy, kinds.WORKER_STOPPED)
    assert sum(one.attempts for one in found) == of_kind(stormy, kinds.TASK_STARTED)


def test_a_life_knows_what_died_with_it_and_how_long_it_stood_still() -> None:
    """The crash of a worker that has an order in memory names it; a pause is counted with its length."""
    crashed = next(one for one in lives(played("replay", CRASH)) if one.ended_how == "crash")
    assert crashed.in_flight == ("o-1",)
    paused = next(one for one in lives(played("replay", Pause(at="100ms", worker="w1", lasts="3s"))) if one.pauses)
    assert (paused.worker, paused.pauses, paused.paused_us) == ("w1", 1, 3_000_000)


# --- events
def test_events_are_numbered_by_the_engine(stormy: Recording) -> None:
    """Event numbers of a run grow, and times never go back."""
    runs: dict[tuple[str | None, str | None], list[tuple[int, int]]] = {}
    for event in events(stormy):
        runs.setdefault((event.execution, event.run), []).append((event.event, event.time_us))
    assert runs
    for found in runs.values():
        assert [number for number, _ in found] == sorted({number for number, _ in found})
        assert [time_us for _, time_us in found] == sorted(time_us for _, time_us in found)


def test_histories_are_told_where_there_are_some() -> None:
    """Under `replay` and `state_machine` types are those of their histories, elsewhere kinds of trace records."""
    first = {model: next(iter(events(played(model)))).type for model in ("replay", "state_machine", "regular")}
    assert first == {
        "replay": "WorkflowExecutionStarted",
        "state_machine": "ExecutionStarted",
        "regular": "execution_started",
    }


@pytest.mark.parametrize("model", ["replay", "state_machine"])
def test_events_say_what_they_are_about(model: str) -> None:
    """The event that closes an activity has the name that the one which opened it gave."""
    about = {event.type: event.subject for event in events(played(model, code=correct_order()))}
    closed = {"replay": "ActivityTaskCompleted", "state_machine": "LambdaFunctionSucceeded"}[model]
    assert about[closed] == "mark_order_complete"


def test_the_world_s_books_are_not_among_the_events() -> None:
    """No event of an engine without histories tells of a request or an effect."""
    types = {event.type for event in events(played("regular", code=article_order))}
    assert "task_started" in types
    assert not types & {kinds.REQUEST_SENT, kinds.EFFECT_APPLIED, kinds.REPLY_RECEIVED}


# --- spans
@given(st.lists(st.tuples(st.integers(0, 50), st.none() | st.integers(1, 50)), max_size=20))
def test_open_spans_are_counted(pairs: list[tuple[int, int | None]]) -> None:
    """At every instant the count is that of the spans which have begun and not ended."""
    spans = [(start, None if length is None else start + length) for start, length in pairs]
    steps = open_over_time(iter(spans))
    for time_us, count in steps:
        assert count == sum(start <= time_us and (end is None or end > time_us) for start, end in spans)
    assert [time_us for time_us, _ in steps] == sorted({time_us for time_us, _ in steps})
