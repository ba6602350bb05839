"""Markers: patches and side effects, while a run is live and while it is replayed."""

from __future__ import annotations

import pytest

from durable_sim.errors import UserError
from durable_sim.workflows.commands import RecordMarker, SetPatch
from durable_sim.workflows.failures import NonDeterminismError
from tests.workflows.driving import Driven


@pytest.fixture
def live() -> Driven:
    """A run that is at the end of its history."""
    return Driven()


@pytest.fixture
def replayed() -> Driven:
    """A run over what is recorded already."""
    driven = Driven()
    driven.program.replaying = True
    return driven


def test_a_live_run_takes_the_new_path_and_records_it_once(live: Driven) -> None:
    """The patch is a command of its own, before what comes next; asking again adds none."""
    assert live.ctx.patched("p") and live.ctx.patched("p")
    live.ctx.sleep("1s")
    first, *rest = live.commands()
    assert first == SetPatch("p", False) and len(rest) == 1


def test_a_replay_without_the_marker_takes_the_old_path(replayed: Driven) -> None:
    """And goes on taking it once it is live again: a run does not change its mind."""
    assert not replayed.ctx.patched("p")
    replayed.program.replaying = False
    assert not replayed.ctx.patched("p")
    assert replayed.commands() == []
    assert replayed.ctx.patched("later")


def test_a_replay_with_the_marker_takes_the_new_path(replayed: Driven) -> None:
    """Its command matches the marker."""
    replayed.markers.recorded_patches.add("p")
    assert replayed.ctx.patched("p")
    assert replayed.commands() == [SetPatch("p", False)]


def test_patches_are_told_apart_by_their_ids(replayed: Driven) -> None:
    """One may be recorded and another not."""
    replayed.markers.recorded_patches.add("p")
    assert (replayed.ctx.patched("q"), replayed.ctx.patched("p")) == (False, True)


def test_a_deprecated_patch_is_recorded_as_such(live: Driven, replayed: Driven) -> None:
    """For a live run; a replay of a history without the marker leaves it out."""
    live.ctx.deprecate_patch("p")
    assert live.commands() == [SetPatch("p", True)]
    replayed.ctx.deprecate_patch("p")
    assert replayed.commands() == []


def test_a_side_effect_is_made_once_and_recorded(live: Driven) -> None:
    """The value is in the marker; what the workflow gets is a copy of it."""
    made: list[int] = []

    def make() -> list[int]:
        made.append(len(made))
        return made

    value = live.ctx.side_effect(make)
    value.append(99)
    assert live.ctx.side_effect(make) == [0, 1]
    assert live.commands() == [
        RecordMarker("SideEffect", {"side-effect-id": [1], "data": [[0]]}),
        RecordMarker("SideEffect", {"side-effect-id": [2], "data": [[0, 1]]}),
    ]


def test_a_replay_gives_the_recorded_values_in_their_order(replayed: Driven) -> None:
    """The function is not called."""
    replayed.markers.recorded_values.extend(["one", "two"])
    assert [replayed.ctx.side_effect(lambda: 1 / 0) for _ in range(2)] == ["one", "two"]
    assert len(replayed.commands()) == 2


def test_a_side_effect_that_is_not_recorded_is_non_determinism(replayed: Driven) -> None:
    """Replay can make no value that was not there the first time."""
    with pytest.raises(NonDeterminismError, match="a side effect"):
        replayed.ctx.side_effect(lambda: 1)


def test_a_value_that_no_history_could_keep_is_refused(live: Driven) -> None:
    """By name; nothing is recorded."""
    with pytest.raises(UserError, match=r"^value of a side effect is a object"):
        live.ctx.side_effect(object)
    assert live.commands() == []
