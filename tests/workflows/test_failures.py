"""Failures: exceptions as user code meets them, and their plain-data form."""

from __future__ import annotations

import json
import pickle
from asyncio import CancelledError
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
    CancelledFailure,
    ChildWorkflowError,
    Failure,
    NonDeterminismError,
    Rejected,
    ServerError,
    ServiceError,
    ServiceUnavailable,
    TerminatedFailure,
    WorkflowFailure,
    activity_error,
    child_error,
    failure_of,
    is_cancellation,
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
    ChildWorkflowError("child-1", "RETRY_POLICY_NOT_SET"),
    CancelledFailure("Cancelled", "half", 2),
    TerminatedFailure("enough"),
    NonDeterminismError(5, "activity a", "activity b"),
    child_error("child-1", "TIMEOUT", Failure("X", "why"), {"workflow_id": "child-1", "run_id": "child-1"}),
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
    assert str(back) == "activity Heartbeat timeout"


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


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ActivityError("a", "TIMEOUT"), "activity", "Activity task failed"),
        (ChildWorkflowError("c", "TIMEOUT"), "child", "Child Workflow execution failed"),
        (ActivityTimeout(HEARTBEAT), "timeout", "activity Heartbeat timeout"),
        (CancelledFailure(), "canceled", "Cancelled"),
        (CancelledError(), "canceled", "Cancelled"),
        (TerminatedFailure("enough"), "terminated", "enough"),
        (ApplicationError("no"), "application", "no"),
    ],
)
def test_the_data_form_tells_the_kinds_apart_and_words_them_as_the_real_engine(
    error: BaseException, kind: str, message: str
) -> None:
    """A history knows an activity's failure, a child's, a time-out, a cancellation and a termination."""
    failure = failure_of(error)
    assert (failure.kind, failure.message) == (kind, message)


def test_details_survive_out_and_in() -> None:
    """What an error or a cancellation carries is there after a round trip, as JSON too."""
    for error in (ApplicationError("no", details=("sku", 3)), CancelledFailure("Cancelled", "sku", 3)):
        failure = Failure.from_json(json.loads(json.dumps(failure_of(error).to_json())))
        back: Any = failure.to_exception()
        assert type(back) is type(error) and back.details == ("sku", 3)


def test_a_child_error_says_which_child_and_why() -> None:
    """Its id, its retry state and the failure of its code."""
    info = {"workflow_id": "child-1", "run_id": "child-1", "retry_state": "RETRY_POLICY_NOT_SET"}
    back = failure_of(child_error("child-1", "RETRY_POLICY_NOT_SET", Failure("X", "why"), info)).to_exception()
    assert isinstance(back, ChildWorkflowError) and isinstance(back.cause, ApplicationError)
    assert (back.workflow_id, back.retry_state, back.info) == ("child-1", "RETRY_POLICY_NOT_SET", info)
    assert str(back) == "child workflow child-1 failed (RETRY_POLICY_NOT_SET): X: why"


def test_what_counts_as_a_cancellation() -> None:
    """The error itself, and an activity or child that ended so; no other failure of an activity."""
    cancelled = activity_error("a", "CANCEL_REQUESTED", failures.cancelled_failure())
    failed = activity_error("a", "TIMEOUT", Failure("X", "why"))
    assert all(map(is_cancellation, (CancelledError(), CancelledFailure(), cancelled)))
    assert not any(map(is_cancellation, (failed, ApplicationError("no"), None)))


def test_a_chain_of_causes_that_comes_back_to_itself_ends_there() -> None:
    """Two errors that are each other's cause have a data form all the same."""
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    assert failure_of(one) == Failure("ValueError", "one", cause=Failure("KeyError", "'other'"))


def test_a_non_determinism_error_says_event_both_sides_and_what_to_do() -> None:
    """It names the event, what is recorded and what was asked, under the number of the real one."""
    text = str(NonDeterminismError(5, "activity a", "activity b"))
    assert text.startswith("[TMPRL1100] ")
    assert "event 5: the history has activity a, the code asked for activity b" in text
    assert "roll the code back" in text
