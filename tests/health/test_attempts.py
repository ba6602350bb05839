"""Step executions: one for each attempt that was begun, and one end, whatever an engine writes of it."""

from __future__ import annotations

import pytest

from durable_sim import trace as kinds
from durable_sim.health.attempts import Attempt, attempts_of
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.models.registry import MODELS
from durable_sim.randomness import LogNormal
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.trace import Record
from durable_sim.world.faults import Crashes, Deploys, Mixture, Script

FAILURE = {"failure": {"type": "ServerError", "message": "500"}}


def record(time_us: int, kind: str, data: dict[str, object] | None = None, *, step: int = 1) -> Record:
    """A record of a step of one execution."""
    return Record(0, time_us, kind, "o-1", "w1", f"step {step}", step, 1, None, data)


@pytest.mark.parametrize(
    ("ends", "error"),
    [
        ([(kinds.RESULT_RECORDED, None), (kinds.TASK_COMPLETED, None)], None),
        ([(kinds.TASK_COMPLETED, None)], None),
        ([(kinds.RESULT_RECORDED, {"column": "charge"})], None),
        ([(kinds.BACKOFF_BEGUN, {"delay_us": 5, **FAILURE})], "ServerError: 500"),
        ([(kinds.RESULT_RECORDED, FAILURE), (kinds.BACKOFF_BEGUN, FAILURE)], "ServerError: 500"),
        ([(kinds.TASK_COMPLETED, FAILURE)], "ServerError: 500"),
        ([(kinds.BACKOFF_BEGUN, {"failure": {"name": "Error", "message": "no"}})], "Error: no"),
        ([(kinds.ATTEMPT_TIMED_OUT, {"timeout": "call"}), (kinds.BACKOFF_BEGUN, FAILURE)], "timed out (call)"),
    ],
)
def test_the_first_word_about_an_attempt_is_its_end(
    ends: list[tuple[str, dict[str, object] | None]], error: str | None
) -> None:
    """The dialects of the engines, and what follows changes nothing."""
    records = [record(3, kinds.TASK_STARTED), *(record(7, kind, data) for kind, data in ends)]
    assert list(attempts_of(records)) == [Attempt("o-1", "step 1", 1, 3, 7, error)]


def test_what_is_reported_is_not_yet_known() -> None:
    """An attempt whose code has come to its end ends when the engine takes note."""
    records = [record(1, kinds.TASK_STARTED), record(2, kinds.RESULT_REPORTED, FAILURE)]
    assert list(attempts_of(records)) == []


def test_a_step_that_was_called_off_has_neither_failed_nor_succeeded() -> None:
    """Somebody asked it to stop."""
    records = [record(1, kinds.TASK_STARTED), record(2, kinds.TASK_COMPLETED, {"cancelled": True})]
    assert list(attempts_of(records)) == []


def test_steps_side_by_side_are_told_apart() -> None:
    """Each end belongs to the attempt of its own step."""
    records = [
        record(1, kinds.TASK_STARTED, step=1),
        record(2, kinds.TASK_STARTED, step=2),
        record(3, kinds.BACKOFF_BEGUN, FAILURE, step=1),
        record(4, kinds.RESULT_RECORDED, step=2),
    ]
    assert [(one.step, one.error is None) for one in attempts_of(records)] == [("step 1", False), ("step 2", True)]


@pytest.mark.parametrize("model", [model for model in MODELS if model != "regular_rerun"])
def test_an_attempt_fails_as_often_as_its_calls_do(model: str) -> None:
    """Scripts refuse the first two charges: as many failed attempts, and none without an end (`regular_rerun` makes
    more, since it does the whole order again)."""
    scripts = (Script("payments", "charge", 1, "refuse"), Script("payments", "charge", 2, "refuse"))
    orders = tuple({"order_id": f"o-{number}"} for number in range(4))
    recording = simulate(Scenario(correct_order(), orders, shop(), faults=scripts), model, 0)
    attempts = list(attempts_of(recording.trace))
    started = sum(record.kind == kinds.TASK_STARTED for record in recording.trace)
    assert len(attempts) == started
    assert [one.error is not None for one in attempts].count(True) == 2
    assert all(one.started_us <= one.ended_us for one in attempts)


@pytest.mark.parametrize("model", ["replay", "steps", "state_machine"])
def test_a_durable_engine_learns_of_every_end(model: str) -> None:
    """Also of attempts that died with their worker; the local models never learn of those."""
    payments = {
        "faults": Mixture(error=0.1, lose_reply=0.1),
        "latency": LogNormal("5s", "50s"),
        "client_timeout": "60s",
    }
    orders = tuple({"order_id": f"o-{number}"} for number in range(30))
    faults = (Crashes(every="40s", until="400s"), Deploys(every="90s", until="400s"))
    services, arrivals = shop(payments=payments), Arrivals("10s")
    recording = simulate(Scenario(correct_order(), orders, services, faults, arrivals=arrivals), model, 3)
    started = sum(record.kind == kinds.TASK_STARTED for record in recording.trace)
    assert len(list(attempts_of(recording.trace))) == started
