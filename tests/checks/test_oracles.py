"""The table of oracles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import durable_sim as ds
from durable_sim.checks.conservation import conservation
from durable_sim.checks.oracles import ORACLES, oracles_of
from durable_sim.checks.saga_shape import saga_shape
from durable_sim.checks.violations import Violation
from durable_sim.errors import UnknownNameError
from durable_sim.library.orders import correct_order
from durable_sim.simulation.run import Recording


def mine(recording: Recording) -> Iterator[Violation]:
    """An oracle of a user."""
    yield Violation("mine", None, "run", recording.model, "another")


def test_oracles_are_meant_by_name_or_are_functions() -> None:
    """In the order in which they are given; one alone needs no list."""
    assert oracles_of(["saga_shape", mine, "conservation"]) == (saga_shape, mine, conservation)
    assert oracles_of("saga_shape") == (saga_shape,)
    assert oracles_of(mine) == (mine,)
    assert oracles_of(()) == ()


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    """Before anything is run."""
    with pytest.raises(UnknownNameError, match="unknown oracle 'saga_shap': did you mean 'saga_shape'"):
        oracles_of(["saga_shap"])


def test_the_table_names_every_oracle() -> None:
    """As commands and reports do."""
    names = ("saga_shape", "conservation", "no_zombie_commits", "same_outcome", "liveness", "replays")
    assert tuple(ORACLES) == names


def test_the_table_cannot_be_changed() -> None:
    """It is shared by all runs of a process."""
    with pytest.raises(TypeError):
        ORACLES["mine"] = mine  # type: ignore[index]


@pytest.mark.parametrize("model", ["replay", "steps", "state_machine"])
@pytest.mark.parametrize("fails", [False, True])
def test_every_oracle_is_silent_on_a_correct_order_that_crashes(model: str, fails: bool) -> None:
    """Completed, and compensated because the courier never answers."""
    faults = [ds.Script("shipping", "schedule", call, "error") for call in range(1, 5)] if fails else []
    crash = ds.Crash(after="effect_applied", of="inventory.reserve")
    run = ds.run(correct_order(), {"order_id": "o-1"}, model=model, faults=[*faults, crash])
    assert run.faults["hit"] == 1 + len(faults)
    assert {name: list(oracle(run.recording)) for name, oracle in ORACLES.items()} == {name: [] for name in ORACLES}
