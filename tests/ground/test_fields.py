"""Fields against their annotations: each kind of field takes what it says, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest

import durable_sim as ds
from durable_sim.durations import Duration
from durable_sim.errors import DurationError, ScenarioError
from durable_sim.fields import check_fields
from durable_sim.world.faults import CALL_FAULTS


@dataclass
class Settings:
    """One field of each kind."""

    number: int = 1
    share: float = 0.5
    name: str = "a"
    on: bool = True
    colour: Literal["red", "blue"] = "red"
    wait: Duration = "1s"
    limit: int | None = None
    until: Duration | None = None
    choice: Literal["yes", "no"] | None = None
    anything: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"number": "1"}, "number is '1', expected a whole number"),
        ({"number": True}, "number is True, expected a whole number"),
        ({"number": 1.0}, "number is 1.0, expected a whole number"),
        ({"number": None}, "number is None, expected a whole number"),
        ({"share": "0.5"}, "share is '0.5', expected a number"),
        ({"share": False}, "share is False, expected a number"),
        ({"name": 3}, "name is 3, expected a text"),
        ({"on": 1}, "on is 1, expected True or False"),
        ({"colour": "green"}, "colour is 'green', expected one of red, blue"),
        ({"colour": None}, "colour is None, expected one of red, blue"),
        ({"limit": "7"}, "limit is '7', expected a whole number"),
        ({"choice": "maybe"}, "choice is 'maybe', expected one of yes, no"),
    ],
)
def test_what_does_not_fit_is_told(settings: dict[str, Any], line: str) -> None:
    """Which field, what was found, what was expected."""
    with pytest.raises(ScenarioError) as caught:
        check_fields(Settings(**settings), "Settings")
    assert str(caught.value) == f"Settings: {line}"


def test_all_that_does_not_fit_is_told_at_once() -> None:
    """A line each."""
    with pytest.raises(ScenarioError) as caught:
        check_fields(Settings(number="1", name=2), "Settings")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("field", ["wait", "until"])
def test_a_time_span_must_be_readable(field: str) -> None:
    """Here, not in the middle of a run."""
    with pytest.raises(DurationError):
        check_fields(Settings(**{field: "two seconds"}), "Settings")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"share": 1, "limit": 3, "until": "2s", "choice": "no", "colour": "blue"},
        {"wait": timedelta(seconds=1), "anything": "whatever"},
    ],
)
def test_what_fits_passes(settings: dict[str, Any]) -> None:
    """A whole number is a number; kinds that are not read are passed over."""
    check_fields(Settings(**settings), "Settings")


def test_each_fault_of_calls_is_a_probability_of_a_mixture() -> None:
    """And the other way round: a fault that one of the two does not know would never be drawn, or never checked."""
    shares = {name for name, field in ds.Mixture.__dataclass_fields__.items() if field.type == "float"}
    assert shares - {"slow_factor"} == set(CALL_FAULTS)
