"""Fencing: the highest token of each name wins, and lower ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.randomness import Constant
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.fencing import BadToken, Fence, StaleToken
from durable_sim.world.services.storage import Storage

Bench = Any  # the class that the fixture gives


def test_tokens_may_grow_and_stay_and_not_fall() -> None:
    """What is refused changes nothing."""
    fence = Fence(fenced=True)
    for number in (1, 1, 3, 3):
        fence.check("storage.put", ["o-1/1", number])
    with pytest.raises(StaleToken) as caught:
        fence.check("storage.put", ["o-1/1", 2])
    assert str(caught.value) == "storage.put: 412 token 2 of o-1/1 is stale: 3 was here before"
    fence.check("storage.put", ["o-1/1", 3])


def test_names_are_fenced_apart() -> None:
    """A first attempt of one step may follow the second of another."""
    fence = Fence(fenced=True)
    fence.check("storage.put", ["o-1/1", 2])
    fence.check("storage.put", ("o-1/2", 1))
    fence.check("storage.put", ["o-2/1", 0])


@pytest.mark.parametrize("token", [[], ["o-1/1"], ["o-1/1", "2"], [1, 2], "o-1/1", 7, ["o-1/1", 1, 2]])
@pytest.mark.parametrize("fenced", [True, False])
def test_what_is_no_token_is_refused(token: Any, fenced: bool) -> None:
    """Also where none is needed."""
    with pytest.raises(BadToken) as caught:
        Fence(fenced).check("storage.put", token)
    assert str(caught.value) == f"storage.put: 400 the fencing token is {token!r}, expected [name, number]"


def test_only_a_fenced_service_needs_tokens() -> None:
    """Elsewhere those that come are checked all the same."""
    with pytest.raises(BadToken, match="the fencing token is None"):
        Fence(fenced=True).check("storage.put", None)
    fence = Fence(fenced=False)
    fence.check("storage.put", ["o-1/1", 2])
    fence.check("storage.put", None)
    with pytest.raises(StaleToken):
        fence.check("storage.put", ["o-1/1", 1])


@pytest.mark.parametrize("operation", [("put", "a", 1), ("append", "a", 1), ("delete", "a")])
def test_every_write_of_a_fenced_bucket_goes_through_one_fence(bench: Bench, operation: tuple[Any, ...]) -> None:
    """Reading needs no token; a refused write leaves no effect."""
    b = bench({"storage": ServiceSpec(Storage, latency=Constant("80ms"), options={"fenced": True})})
    b.ask("storage.put", "a", 0, fencing_token=["o-1/1", 2])
    name, *arguments = operation
    before = b.ledger
    assert isinstance(b.ask(f"storage.{name}", *arguments).error, BadToken)
    assert isinstance(b.ask(f"storage.{name}", *arguments, fencing_token=["o-1/1", 1]).error, StaleToken)
    assert b.ledger == before
    assert b.ask("storage.get", "a").value == {"name": "a", "parts": [0]}
    assert b.ask(f"storage.{name}", *arguments, fencing_token=["o-1/1", 2]).error is None


def test_the_token_of_an_attempt_is_higher_than_those_of_the_attempts_before() -> None:
    """One name for all attempts of a step, and another for each step."""
    tokens = []

    @ds.activity
    async def fails_once(ctx: ds.ActivityContext) -> None:
        tokens.append(ctx.fencing_token)
        if ctx.attempt == 1:
            raise ds.ApplicationError("once more")

    async def twice(ctx: ds.WorkflowContext, order: Any) -> None:
        for _ in range(2):
            await ctx.execute_activity(fails_once, start_to_close_timeout="10s")

    ds.run(twice, {"order_id": "o-1"}, services={})
    assert len(tokens) >= 4
    first, second, third, fourth = tokens[-4:]
    assert (first[1], second[1], third[1], fourth[1]) == (1, 2, 1, 2)
    assert first[0] == second[0] != third[0] == fourth[0]
