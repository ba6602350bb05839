"""Failures: exceptions as user code meets them, and their plain-data form."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.workflows import failures
from durable_sim.workflows.failures import (
    HEARTBEAT,
    START_TO_CLOSE,
    ActivityError,
    ActivityTimeout,
    ApplicationError,
    CallTimeout,
    Failure,
    Rejected,
    ServerError,
    ServiceError,
    ServiceUnavailable,
    WorkflowFailure,
    activity_error,
    failure_of,
)
from durable_sim.world.services.inventory import OutOfStock
from durable_sim.world.services.payments import CardDeclined

SAMPLES: list[Exception] = [
    ServiceError("payments.charge", "went wrong"),
    CallTimeout("payments.charge", "no answer within 10s"),
    ServerError("payments.charge", "500 internal server error"),
    ServiceUnavailable("payments.charge", "503"),
    Rejected("payments.charge", "400"),
    WorkflowFailure("bad"),
    ApplicationError("no such order", "NoSuchOrder", True, "5s"),
    ApplicationError("plain"),
    ActivityError("charge_card", "MAXIMUM_ATTEMPTS_REACHED"),
    ActivityTimeout(START_TO_CLOSE),
    activity_error("charge_card", "TIMEOUT", Failure("X", "why", cause=Failure("Y", "deeper"))),
]
delays_us = st.none() | st.integers(0, 10**15)
innermost = st.builds(
    lambda type, message, non_retryable, delay_us: Failure(type, message, non_retryable, None, delay_us),
    st.text(min_size=1),
    st.text(),
    st.booleans(),
    delays_us,
)
plain_failures: st.SearchStrategy[Failure] = st.recursive(
    innermost,
    lambda cause: st.builds(lambda failure, cause: failure._replace(cause=cause), innermost, cause),
    max_leaves=4,
)


def chain(error: BaseException | None) -> list[tuple[type, str]]:
    """An exception and its causes."""
    return [] if error is None else [(type(error), str(error)), *chain(error.__cause__)]


def test_every_exception_of_the_file_has_a_sample_here() -> None:
    """The round trip below leaves no class out."""
    found = {kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert found == {type(sample) for sample in SAMPLES}


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_a_failure_survives_pickling(error: Exception) -> None:
    """Class, fields, text and causes are the same after a round trip."""
    back = pickle.loads(pickle.dumps(error))
    assert vars(back) == vars(error)
    assert chain(back) == chain(error)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_a_failure_can_be_rebuilt_from_its_args(error: Exception) -> None:
    """SimPy copies an exception as `type(error)(*error.args)`; the fields come along."""
    kind: Any = type(error)
    assert vars(kind(*error.args)) == vars(error)


def test_a_service_error_tells_which_call() -> None:
    """The operation stands before the message."""
    assert str(CardDeclined("payments.charge", "402 declined")) == "payments.charge: 402 declined"


def test_an_application_error_tells_its_type_where_it_has_one() -> None:
    """The default type says nothing and is left out."""
    assert str(ApplicationError("no such order")) == "no such order"
    assert str(ApplicationError("no such order", "NoSuchOrder")) == "NoSuchOrder: no such order"


def test_what_a_workflow_may_catch_as_its_own_failure() -> None:
    """Activity and application errors fail a workflow; errors of services are seen by activities only."""
    assert issubclass(ActivityError, WorkflowFailure) and issubclass(ApplicationError, WorkflowFailure)
    assert not issubclass(ServiceError, WorkflowFailure)
    assert issubclass(OutOfStock, Rejected) and issubclass(Rejected, ServiceError)


def test_any_exception_has_a_data_form() -> None:
    """The type's name, the text and the causes are kept."""
    error = KeyError("sku")
    error.__cause__ = OutOfStock("inventory.reserve", "none left")
    assert failure_of(error) == Failure(
        "KeyError", "'sku'", cause=Failure("OutOfStock", "inventory.reserve: none left")
    )


def test_an_application_error_keeps_its_fields_as_data() -> None:
    """Its own type, whether it may be retried, and its delay in microseconds."""
    error = ApplicationError("later", "RateLimited", non_retryable=True, next_retry_delay="5s")
    assert failure_of(error) == Failure("RateLimited", "later", True, None, 5_000_000, None)


def test_a_timeout_keeps_its_kind() -> None:
    """Out and in gives the same kind of time-out."""
    back = failure_of(ActivityTimeout(HEARTBEAT)).to_exception()
    assert isinstance(back, ActivityTimeout)
    assert back.timeout_type == HEARTBEAT
    assert str(back) == "activity HEARTBEAT timeout"


@given(plain_failures)
def test_data_to_exception_and_back_is_the_identity(failure: Failure) -> None:
    """Type, message, retryability, delay and causes survive, however deep."""
    assert failure_of(failure.to_exception()) == failure


def test_the_exception_does_not_depend_on_where_it_was_raised() -> None:
    """The workflow sees the same class and text for an error that came over the wire and for its data form."""
    wire = failure_of(CardDeclined("payments.charge", "402 declined")).to_exception()
    stored = Failure("CardDeclined", "payments.charge: 402 declined").to_exception()
    assert chain(wire) == chain(stored) == [(ApplicationError, "CardDeclined: payments.charge: 402 declined")]


def test_an_activity_error_says_which_why_and_what_was_behind() -> None:
    """The cause is an exception of its own, and part of the text."""
    error = activity_error("charge_card", "NON_RETRYABLE_FAILURE", Failure("CardDeclined", "402"))
    assert isinstance(error.cause, ApplicationError)
    assert (error.activity, error.retry_state, error.cause.type) == (
        "charge_card",
        "NON_RETRYABLE_FAILURE",
        "CardDeclined",
    )
    assert str(error) == "activity charge_card failed (NON_RETRYABLE_FAILURE): CardDeclined: 402"


def test_the_json_of_a_failure_leaves_out_what_is_empty() -> None:
    """And nothing else: a delay of zero is there."""
    assert Failure("X", "why").to_json() == {"type": "X", "message": "why"}
    full = Failure("X", "", True, START_TO_CLOSE, 0, Failure("Y", "deeper"))
    assert full.to_json() == {
        "type": "X",
        "message": "",
        "non_retryable": True,
        "timeout_type": "START_TO_CLOSE",
        "next_retry_delay_us": 0,
        "cause": {"type": "Y", "message": "deeper"},
    }


@given(plain_failures)
def test_the_json_of_a_failure_is_json(failure: Failure) -> None:
    """It goes through `json` unchanged."""
    assert json.loads(json.dumps(failure.to_json())) == failure.to_json()
