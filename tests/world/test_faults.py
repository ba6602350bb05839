"""Faults as data: mixtures are drawn by inversion, and nonsense is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.errors import DurationError, UserError
from durable_sim.world.faults import (
    CALL_FAULTS,
    CALM,
    OK,
    Cancel,
    Crash,
    Crashes,
    Deploy,
    Deploys,
    Mixture,
    Pause,
    Script,
    ServerRestart,
    Signal,
)

GRID = 10_000
shares: st.SearchStrategy[dict[str, float]] = st.lists(
    st.integers(0, 1_000), min_size=len(CALL_FAULTS), max_size=len(CALL_FAULTS)
).map(lambda parts: {kind: part / 10_000 for kind, part in zip(CALL_FAULTS, parts, strict=True)})


def certain(kind: str) -> Mixture:
    """A mixture in which this always happens."""
    return Mixture(**{kind: 1.0})  # type: ignore[arg-type]


@given(shares)
def test_each_fate_is_drawn_as_often_as_its_probability(probabilities: dict[str, float]) -> None:
    """Over an even grid of chances every share is met, to one or two grid points."""
    mixture = Mixture(**probabilities)  # type: ignore[arg-type]
    drawn = Counter(mixture.draw((place + 0.5) / GRID) for place in range(GRID))
    for kind in CALL_FAULTS:
        assert drawn[kind] / GRID == pytest.approx(probabilities[kind], abs=2 / GRID)
    assert drawn[OK] / GRID == pytest.approx(1 - mixture.total, abs=2 / GRID)


@given(st.floats(0, 1, exclude_max=True))
def test_a_calm_mixture_never_faults(u: float) -> None:
    """And a certain fault always does."""
    assert CALM.draw(u) == OK
    for kind in CALL_FAULTS:
        assert certain(kind).draw(u) == kind


@given(shares, st.floats(0, 1, exclude_max=True))
def test_a_fault_of_probability_zero_is_never_drawn(probabilities: dict[str, float], u: float) -> None:
    """Not even at the seams between the others."""
    fate = Mixture(**probabilities).draw(u)  # type: ignore[arg-type]
    assert fate == OK or probabilities[fate] > 0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"error": 1.5}, "faults: error is 1.5, expected a probability from 0 to 1"),
        ({"slow": -0.1}, "faults: slow is -0.1, expected a probability from 0 to 1"),
        ({"error": 0.6, "refuse": 0.6}, "faults: the probabilities add up to 1.2, expected at most 1"),
        ({"slow_factor": 0.5}, "faults: slow_factor is 0.5, expected 1 or more"),
        ({"lose_reply": float("nan")}, "faults: lose_reply is nan, expected a probability from 0 to 1"),
    ],
)
def test_a_mixture_that_is_none_is_refused(options: dict[str, float], text: str) -> None:
    """The error names the field, what was found and what was expected."""
    with pytest.raises(UserError) as caught:
        Mixture(**options)  # type: ignore[arg-type]
    assert str(caught.value) == text


def test_probabilities_may_add_up_to_one() -> None:
    """Rounding errors of ten times 0.1 are forgiven."""
    assert Mixture(refuse=0.1, error=0.2, lose_reply=0.7).total == pytest.approx(1)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Crash(), "Crash: give exactly one of at, after_record and after"),
        (lambda: Pause(at="1s", after_record=3), "Pause: give exactly one of at, after_record and after"),
        (lambda: Deploy(at="1s", of="payments.charge"), "Deploy: of='payments.charge' goes with after="),
        (lambda: Crash(at="1s", execution="o-1"), "Crash: execution='o-1' goes with after="),
        (lambda: ServerRestart(after_record=1, execution="o-1"), "ServerRestart: execution='o-1' goes with after="),
        (lambda: Cancel(target="o-1"), "Cancel: give exactly one of at, after_record and after"),
        (lambda: Signal(name="x"), "Signal: give exactly one of at, after_record and after"),
        (lambda: Signal(at="1s", name=""), "Signal: name is empty, expected the signal's name"),
        (lambda: Signal(at="1s", name="x", arguments="yes"), "Signal: arguments are 'yes', expected a tuple of JSON-"),  # type: ignore[arg-type]
        (lambda: Signal(at="1s", name="x", arguments=({1},)), "argument of signal x"),
        (lambda: Crash(after="reply_sent", nth=0), "Crash: nth counts from 1 and after_record from 0"),
        (lambda: Crash(after_record=-1), "Crash: nth counts from 1 and after_record from 0"),
        (lambda: Crashes(every="0s", until="1h"), "Crashes: every is 0s, expected more"),
        (lambda: Deploys(every="1m", start="2h", until="1h"), "Deploys: until '1h' is before start '2h'"),
        (lambda: Script("email", "send", 0, "error"), "Script: call is 0, expected 1 or more"),
        (lambda: Script("email", "send", 1, "eror"), "Script: fault is 'eror', expected one of refuse, error, "),  # type: ignore[arg-type]
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(make: Callable[[], Any], text: str) -> None:
    """The error names the fault and what was expected."""
    with pytest.raises(UserError) as caught:
        make()
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Crash(at="noon"),
        lambda: Crash(at="1s", restart_after="soon"),
        lambda: Pause(at="1s", lasts="long"),
        lambda: Deploy(at="1s", grace="some"),
        lambda: Deploy(at="1s", downtime="some"),
        lambda: ServerRestart(at="1s", downtime="some"),
        lambda: Signal(at="noon", name="x"),
        lambda: Crashes(every="often", until="1h"),
        lambda: Crashes(every="1m", until="1h", restart_after="soon"),
        lambda: Deploys(every="1m", until="1h", downtime="some"),
        lambda: Deploys(every="1m", until="1h", grace="some"),
    ],
)
def test_times_are_read_when_the_fault_is_made(make: Callable[[], Any]) -> None:
    """A duration that cannot be read is refused where it is written."""
    with pytest.raises(DurationError):
        make()


def test_a_signal_keeps_a_copy_of_its_arguments() -> None:
    """What its maker changes later is not sent."""
    order = {"items": ["book"]}
    signal = Signal(at="1s", name="add", arguments=(order, "now"))
    order["items"].append("lamp")
    assert signal.arguments == ({"items": ["book"]}, "now")
