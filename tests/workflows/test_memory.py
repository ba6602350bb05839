"""What code keeps in memory that no simulated crash forgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.workflows.memory import SIZE_MAX, changed, memory_of

KEYS: dict[str, str] = {}
PRICES = {"book": 40}
NUMBER = 3


def key_of(order: Any) -> str:
    """The same in every attempt, as long as the process lives."""
    return KEYS.setdefault(order["order_id"], f"key-{len(KEYS)}")


@ds.activity
async def charge(ctx: ds.ActivityContext, order: Any) -> None:
    """With a key that lives in memory."""
    await ctx.service("payments").charge("ada", PRICES["book"] * NUMBER, idempotency_key=key_of(order))


@ds.workflow
async def pay(ctx: ds.WorkflowContext, order: Any) -> None:
    """Charges."""
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")


def recording(diary: list[str]) -> Callable[..., Any]:
    """A workflow whose activity writes into a list in its closure."""

    @ds.activity
    async def note(ctx: ds.ActivityContext, order: Any) -> None:
        diary.append(order["order_id"])
        await ctx.service("email").send("ada", "hello")

    @ds.workflow
    async def noting(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.execute_activity(note, order, start_to_close_timeout="30s")

    return noting


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Each test begins with an empty memory."""
    KEYS.clear()


def test_collections_are_found_wherever_code_names_them() -> None:
    """In the module of an activity's helper, in a closure; numbers and functions are no memory."""
    assert memory_of(pay) == {"PRICES of charge": "{'book': 40}", "KEYS of key_of": "{}"}
    assert memory_of(recording(["a"])) == {"diary of note": "['a']"}
    assert memory_of(recording(["a"] * (SIZE_MAX + 1))) == {}


def test_only_what_is_another_than_before_is_told() -> None:
    """A table of prices that stays as it is is no memory."""
    before = memory_of(pay)
    KEYS["o-1"] = "key-0"
    assert changed(before, memory_of(pay)) == ("KEYS of key_of",)
    assert changed(before, before) == ()


@pytest.mark.parametrize(
    ("workflow", "names"),
    [(pay, "KEYS of key_of"), (recording([]), "diary of note")],
)
def test_a_sweep_names_it_in_its_bounds(workflow: Callable[..., Any], names: str) -> None:
    """A guarantee over crashes that forget nothing must say so."""
    sweep = ds.crash_sweep(ds.Scenario(workflow, ({"order_id": "o-1"},), ds.library.shop()))
    assert sweep.bounds.endswith(f"; in memory, which no crash here forgets: {names}")


def test_code_that_keeps_nothing_has_nothing_to_tell() -> None:
    """The correct order."""
    order = ds.library.find_workload("orders.correct").workflow()
    sweep = ds.crash_sweep(ds.Scenario(order, ({"order_id": "o-1"},), ds.library.shop()), at=["effect"])
    assert "memory" not in sweep.bounds
