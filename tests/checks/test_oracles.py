"""The table of oracles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.checks.conservation import conservation
from durable_sim.checks.oracles import ORACLES, findings, oracle_name, oracles_of
from durable_sim.checks.saga_shape import saga_shape
from durable_sim.checks.violations import Violation
from durable_sim.errors import UnknownNameError, UserError
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


def test_an_oracle_of_the_package_has_a_name() -> None:
    """By which a token and a test to paste say what was asked; a user's own has none."""
    assert [oracle_name(oracle) for oracle in ORACLES.values()] == [*ORACLES]
    assert oracle_name(mine) is None


def test_what_an_oracle_gives_is_what_it_finds() -> None:
    """As an iterator or as a list; an empty one finds nothing."""
    run: Any = ds.run(correct_order(), {"order_id": "o-1"}).recording
    assert [one.kind for one in findings(mine, run)] == ["mine"]
    assert list(findings(lambda recording: list(mine(recording)), run)) == list(mine(run))
    assert list(findings(lambda recording: [], run)) == []


@pytest.mark.parametrize(("answer", "shown"), [(None, "None (NoneType)"), (["late"], "'late' (str)"), (1, "1 (int)")])
def test_an_oracle_that_gives_no_violations_is_the_users_error(answer: Any, shown: str) -> None:
    """None too: it may stand for a `return` that was forgotten."""

    def vague(recording: Recording) -> Any:
        return answer

    with pytest.raises(UserError) as caught:
        list(findings(vague, None))  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"oracle vague gave {shown}, expected violations: `yield Violation(...)` for each, `return []` for none"
    )


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
