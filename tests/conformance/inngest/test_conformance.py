"""The recorded calls of the real platform and SDKs, call by call, against those of the simulator."""

from __future__ import annotations

from functools import cache

import pytest

from tests.conformance.inngest.comparison import reply_differences, sequence_differences
from tests.conformance.inngest.known_differences import KNOWN_DIFFERENCES, LEFT_OUT
from tests.conformance.inngest.playing import SINGLE, Sequence, golden, replies, sequences


@cache
def found(name: str) -> tuple[str, ...]:
    """Every difference between a recorded sequence and its simulated likeness, in words."""
    return tuple(sequence_differences(name))


@cache
def found_in_replies(name: str) -> dict[str, tuple[str, ...]]:
    """The differences of the SDK's answers to the recorded requests of a file, by case."""
    return {case: tuple(reply_differences(recorded, answer)) for case, recorded, answer in replies(name)}


def unlisted(name: str) -> list[str]:
    """The differences of a sequence that are not written down."""
    known = tuple(KNOWN_DIFFERENCES.get(name, ()))
    return [difference for difference in found(name) if not difference.startswith(known or ("\0",))]


@pytest.mark.parametrize("name", sequences())
def test_the_platform_makes_the_recorded_calls(name: str) -> None:
    """Steps, attempts, outcomes, memo, effects and the end of a run are those that were recorded."""
    assert unlisted(name) == []


@pytest.mark.parametrize("name", [*sequences(), *SINGLE])
def test_the_sdk_gives_the_recorded_answers(name: str) -> None:
    """Each recorded request, given to the simulator's SDK, is answered with the recorded status, ops and errors."""
    assert {case: told for case, told in found_in_replies(name).items() if told} == {}


@pytest.mark.parametrize("name", KNOWN_DIFFERENCES)
def test_every_known_difference_still_occurs(name: str) -> None:
    """A difference is listed only for as long as it is there."""
    gone = [start for start in KNOWN_DIFFERENCES[name] if not any(told.startswith(start) for told in found(name))]
    assert gone == []


@pytest.mark.parametrize("name", ["order_charge_fails_twice", "server_par", "sleep_wait_invoke"])
def test_a_sequence_played_twice_gives_the_same_trace(name: str) -> None:
    """The same function with the same seed leaves the same trace, to the byte."""
    assert Sequence(name).played.world.trace.digest() == Sequence(name).played.world.trace.digest()


def test_the_first_back_off_lies_where_the_real_ones_lie() -> None:
    """Ten first delays of the real server, and the simulated one, are between 15 and 45 seconds."""
    told = golden("server_default_backoff_first")
    begun = [one for one in Sequence(told["name"]).played.world.trace if one.kind == "backoff_begun"]
    assert begun[0].data is not None
    delays = [*told["first_retry_delays_of_ten_runs_s"], begun[0].data["delay_us"] / 1_000_000]
    assert len(delays) == 11 and all(15 <= delay <= 45 for delay in delays)


def table() -> list[str]:
    """One line for each recorded case: the same, or where it differs, or why it is left out."""
    lines = []
    for name in sequences():
        told = found(name)
        lines.append(f"{name:60} {'differs: ' + told[0] if told else 'same'}")
    for name in (*sequences(), *SINGLE):
        for case, differences in found_in_replies(name).items():
            what = f"{name}: answer to {case}"
            lines.append(f"{what:60} {'differs: ' + differences[0] if differences else 'same'}")
    return lines + [f"{name:60} left out because {why}" for name, why in LEFT_OUT.items()]


def test_nine_tenths_of_the_recorded_cases_are_the_same() -> None:
    """Of the 28 sequences 26 are met in every call, and of all cases nine tenths or more."""
    lines = table()
    print("\n".join(lines))
    assert len(sequences()) == 28
    same = [line for line in lines if line.endswith(" same")]
    assert len([line for line in same if ": answer to" not in line]) >= 26
    assert len(same) >= 0.9 * len(lines)
