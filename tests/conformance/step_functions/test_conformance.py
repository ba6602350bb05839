"""The recorded executions of state machines against those of the simulator."""

from __future__ import annotations

from functools import cache

import pytest

from tests.conformance.step_functions.comparison import differences
from tests.conformance.step_functions.goldens import goldens
from tests.conformance.step_functions.known_differences import KNOWN_DIFFERENCES, LEFT_OUT
from tests.conformance.step_functions.playing import play, played

PLAYED = [name for name in goldens() if name not in LEFT_OUT]


@cache
def found(name: str) -> tuple[str, ...]:
    """Every difference between a recorded execution and its simulated likeness, in words."""
    return tuple(differences(goldens()[name], played(name)))


@pytest.mark.parametrize("name", PLAYED)
def test_the_simulator_does_what_was_recorded(name: str) -> None:
    """A definition leads to the recorded status, output, error, calls, retry delays and events."""
    known = tuple(KNOWN_DIFFERENCES.get(name, ()))
    assert [difference for difference in found(name) if not difference.startswith(known or ("\0",))] == []


@pytest.mark.parametrize("name", PLAYED)
def test_an_execution_played_twice_is_the_same(name: str) -> None:
    """The same definition, input and seed give the same events, times included."""
    assert list(play(goldens()[name]).events) == list(played(name).events)


@pytest.mark.parametrize("name", KNOWN_DIFFERENCES)
def test_every_known_difference_still_occurs(name: str) -> None:
    """A difference is listed only for as long as it is there."""
    gone = [start for start in KNOWN_DIFFERENCES[name] if not any(told.startswith(start) for told in found(name))]
    assert gone == []


def table() -> list[str]:
    """One line for each recorded execution: the same, or where it differs, or why it is left out."""
    lines = []
    for name in goldens():
        if name in LEFT_OUT:
            lines.append(f"{name:45} left out because {LEFT_OUT[name]}")
        else:
            told = found(name)
            lines.append(f"{name:45} {'differs: ' + told[0] if told else 'same'}")
    return lines


def test_nine_of_ten_executions_are_the_same() -> None:
    """Of the 34 recorded executions, 90 % or more are met in everything that is compared."""
    lines = table()
    print("\n".join(lines))
    assert len(lines) == 34
    assert sum(line.endswith(" same") for line in lines) >= 0.9 * len(lines)
