"""Tuned workflows: other retries and time-outs, the same code."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.library.orders import article_order, correct_order
from durable_sim.models.registry import COMMON_MODELS, MODELS
from durable_sim.widgets.tuning import HEED_RETRIES, HEED_TIMEOUTS, NOT_TUNED, Tuning, tuned
from durable_sim.workflows.definitions import definition_of
from durable_sim.workflows.retry import DEFAULT_RETRY_POLICY

ORDER = {"order_id": "o-1"}
IMPATIENT = Tuning(timeout="3s")
REFUSED = [ds.Script("payments", "charge", call, "refuse") for call in range(1, 9)]


def charges(code: Any, model: str = "replay") -> list[int]:
    """The instants at which the card was to be charged, all refused."""
    run = ds.run(code, ORDER, model=model, faults=REFUSED)
    return [one.time_us for one in run.trace if one.kind == "request_sent" and one.subject == "payments.charge"]


@pytest.mark.parametrize("attempts", [1, 3, 6])
@pytest.mark.parametrize("model", COMMON_MODELS)
def test_attempts_are_as_many_as_set(model: str, attempts: int) -> None:
    """Whatever the code says, under the models that heed its options; under the others nothing changes."""
    found = len(charges(tuned(article_order, Tuning(attempts=attempts)), model))
    assert found == (attempts if model in HEED_RETRIES else len(charges(article_order, model)))


@pytest.mark.parametrize("model", COMMON_MODELS)
def test_the_timeout_is_the_one_set(model: str) -> None:
    """A lost reply is given up after the time set (and what the model itself needs), or as if nothing was set."""
    lost = [ds.Script("payments", "charge", 1, "lose_reply")]
    runs = [ds.run(code, ORDER, model=model, faults=lost) for code in (article_order, tuned(article_order, IMPATIENT))]
    given_up = [[one.time_us for one in run.trace if one.kind == "attempt_timed_out"] for run in runs]
    assert [len(times) for times in given_up] == ([0, 1] if model in HEED_TIMEOUTS else [0, 0])
    assert all(3_000_000 <= time_us < 3_100_000 for time_us in given_up[1])


@pytest.mark.parametrize("model", MODELS)
def test_only_what_a_model_heeds_is_tuned(model: str) -> None:
    """What would change nothing is as if it was not set."""
    heeded = Tuning(2, "3s", "30s").heeded(model)
    assert (heeded.attempts is not None, heeded.timeout is not None) == (model in HEED_RETRIES, model in HEED_TIMEOUTS)
    assert (heeded.attempts is None) == (heeded.first_delay is None)


def test_the_first_delay_is_the_one_set() -> None:
    """The second attempt comes so much later than the first has failed."""
    early, late = (charges(tuned(article_order, Tuning(first_delay=delay))) for delay in ("1s", "7s"))
    assert (late[1] - late[0]) - (early[1] - early[0]) == 6_000_000


def test_a_long_first_delay_moves_the_longest() -> None:
    """A policy whose longest delay is shorter than the first one set can be tuned all the same."""
    policy = Tuning(first_delay="2m").policy(ds.RetryPolicy(initial_interval="1s", maximum_interval="30s"))
    assert (policy.initial_interval, policy.maximum_interval) == ("2m", "2m")


def test_without_a_policy_the_default_is_tuned() -> None:
    """An activity that is called without a policy has the default one, changed."""
    assert Tuning(attempts=2).options({}) == {"retry_policy": ds.RetryPolicy(maximum_attempts=2)}
    assert NOT_TUNED.policy(None) == DEFAULT_RETRY_POLICY


def test_tuned_by_nothing_it_is_the_same_function() -> None:
    """So that everything about it stays as it is."""
    code = correct_order()
    assert tuned(code, NOT_TUNED) is code


def test_a_tuned_workflow_keeps_its_name_and_what_fails_it() -> None:
    """It takes the place of the workflow it was made of."""

    @ds.workflow(name="shaky", failure_exception_types=[KeyError])
    async def code(ctx: ds.WorkflowContext, input: Any) -> None:
        raise KeyError(ctx.workflow_id)

    made = tuned(code, Tuning(attempts=2))
    assert definition_of(made).name == "shaky"
    assert ds.run(made, ORDER).executions[0].execution.status == "failed"


def test_sagas_run_when_tuned() -> None:
    """Compensation, which holds on to the context, goes through the tuned one too."""
    made = tuned(correct_order(), Tuning(attempts=2))
    assert ds.run(made, ORDER, faults=REFUSED[:2]).verdicts == {"compensated": 1}
