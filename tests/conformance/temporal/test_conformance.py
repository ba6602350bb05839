"""The recorded histories of a real server, event by event, against those of the simulator."""

from __future__ import annotations

from functools import cache

import pytest

from tests.conformance.temporal.comparison import differences, gap_differences, outcome_difference, outcome_of
from tests.conformance.temporal.goldens import manifest, recorded
from tests.conformance.temporal.known_differences import KNOWN_DIFFERENCES, NOT_PORTABLE
from tests.conformance.temporal.scenarios import scenario_of, simulated

PORTABLE = [name for name in manifest() if name not in NOT_PORTABLE]


@cache
def found(name: str) -> tuple[str, ...]:
    """Every difference between a recorded history and its simulated likeness, in words."""
    scenario, entry = scenario_of(name), manifest()[name]
    theirs, ours = recorded(name), tuple(simulated(name))
    told = list(differences(theirs, ours, scenario.ignoring))
    if len(ours) == len(theirs):
        told.extend(gap_differences(theirs, ours, scenario.gaps))
    outcome = outcome_difference(entry["outcome"], outcome_of(ours), scenario.same_result)
    return (*told, outcome) if outcome else tuple(told)


def unlisted(name: str) -> list[str]:
    """The differences of a history that are not written down."""
    known = tuple(KNOWN_DIFFERENCES.get(name, ()))
    return [difference for difference in found(name) if not difference.startswith(known or ("\0",))]


@pytest.mark.parametrize("name", PORTABLE)
def test_the_simulator_writes_the_recorded_history(name: str) -> None:
    """A scenario leaves the events, references, failures and outcome that the real engine left."""
    assert unlisted(name) == []


@pytest.mark.parametrize("name", PORTABLE)
def test_a_scenario_played_twice_gives_the_same_history(name: str) -> None:
    """The same calls with the same seed give the same events, times and run ids included."""
    assert tuple(simulated(name)) == tuple(simulated(name))


@pytest.mark.parametrize("name", KNOWN_DIFFERENCES)
def test_every_known_difference_still_occurs(name: str) -> None:
    """A difference is listed only for as long as it is there."""
    gone = [start for start in KNOWN_DIFFERENCES[name] if not any(told.startswith(start) for told in found(name))]
    assert gone == []


def table() -> list[str]:
    """One line for each recorded history: the same, or where it differs, or why it cannot be played."""
    lines = []
    for name in manifest():
        if name in NOT_PORTABLE:
            lines.append(f"{name:45} not portable because {NOT_PORTABLE[name]}")
        else:
            told = found(name)
            lines.append(f"{name:45} {'differs: ' + told[0] if told else 'same'}")
    return lines


def test_52_of_54_histories_are_the_same() -> None:
    """Of the 54 recorded histories, 52 or more are met in every event."""
    lines = table()
    print("\n".join(lines))
    assert len(lines) == 54
    assert sum(line.endswith(" same") for line in lines) >= 52
