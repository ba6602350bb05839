"""Errors: which, found, expected; and they survive a round trip through pickle."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from durable_sim import errors
from durable_sim.errors import (
    DurableSimError,
    DurationError,
    InternalError,
    ScenarioError,
    UnknownNameError,
    UserError,
    did_you_mean,
)

SAMPLES: list[DurableSimError] = [
    DurableSimError("something"),
    UserError("execute_activity(charge): give a time-out"),
    InternalError("an activity issued None"),
    DurationError("5 parsecs", "unknown unit 'parsecs'"),
    UnknownNameError("service", "paymets", iter(["payments", "email"])),
    ScenarioError("a.toml", iter(["seed: not a number", "model: unknown"])),
]


def test_every_exception_of_the_file_has_a_sample_here() -> None:
    """The round trip below leaves no class out."""
    found = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert found == {type(sample) for sample in SAMPLES}


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: DurableSimError) -> None:
    """Class, fields and text are the same after a round trip."""
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_can_be_rebuilt_from_its_args(error: DurableSimError) -> None:
    """SimPy copies an exception as `type(error)(*error.args)`."""
    kind: Any = type(error)
    assert str(kind(*error.args)) == str(error)


def test_the_users_mistakes_and_our_bugs_are_told_apart() -> None:
    """An internal error is no UserError, and asks to be reported."""
    assert not issubclass(InternalError, UserError)
    assert str(InternalError("no heap")) == "internal error: no heap (a bug of durable_sim: please report it)"


def test_an_unknown_name_comes_with_the_nearest_one() -> None:
    """The kind of name, the name found and the nearest known one are told."""
    error = UnknownNameError("service", "paymets", ["email", "payments"])
    assert str(error) == "unknown service 'paymets': did you mean 'payments'?"
    assert (error.kind, error.name, error.known) == ("service", "paymets", ("email", "payments"))
    assert isinstance(error, LookupError)


def test_without_a_near_name_all_are_listed() -> None:
    """What resembles nothing is answered with what there is."""
    assert did_you_mean("zzz", ["payments", "email"]) == "known: payments, email"
    assert did_you_mean("zzz", []) == "none is known here"


def test_a_scenario_error_has_one_line_a_mistake() -> None:
    """Each line begins with the file."""
    assert str(ScenarioError("a.toml", ["seed: bad", "model: worse"])) == "a.toml: seed: bad\na.toml: model: worse"
