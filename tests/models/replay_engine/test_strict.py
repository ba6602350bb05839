"""Strict replay compares what the real engine lets pass: arguments, time-outs, timer lengths, targets, results."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.replay.native import replay_history
from tests.models.replay_engine.scenes import checked, do, echo

POLICY = ds.RetryPolicy(maximum_attempts=3)


async def leaf(ctx: ds.WorkflowContext, value: Any) -> Any:
    """A child."""
    return value


def made(
    argument: Any = 1,
    limit: str = "1m",
    whole: str | None = None,
    beat: str | None = None,
    policy: ds.RetryPolicy | None = None,
    nap: str = "1m",
    child: Any = 7,
    result: str = "done",
    signal: tuple[str, str, int] = ("nobody", "hello", 1),
    cancels: str = "nobody",
) -> Callable[..., Any]:
    """The same commands each time, with other details."""

    async def detailed(ctx: ds.WorkflowContext) -> str:
        await do(
            ctx,
            echo,
            argument,
            start_to_close_timeout=limit,
            schedule_to_close_timeout=whole,
            heartbeat_timeout=beat,
            retry_policy=policy,
        )
        await ctx.sleep(nap)
        await ctx.execute_child_workflow(leaf, child, id="c-1")
        whom, name, with_it = signal
        for request in (ctx.external_workflow(whom).signal(name, with_it), ctx.external_workflow(cancels).cancel()):
            with suppress(ds.ApplicationError):
                await request
        return result

    return detailed


@pytest.fixture(scope="module")
def recorded() -> ds.History:
    """What the code without changes left."""
    code = made()
    sim = ds.Simulation([code])
    handle = sim.start(code)
    handle.result()
    return handle.history()


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "argument": ({"argument": 2}, r"activity echo .* with arguments \[1\].*arguments \[2\]"),
    "start_to_close": ({"limit": "2m"}, "start_to_close"),
    "schedule_to_close": ({"whole": "1h"}, "schedule_to_close"),
    "heartbeat": ({"beat": "5s"}, "heartbeat"),
    "retry policy": ({"policy": POLICY}, "retry policy"),
    "timer": ({"nap": "2m"}, r"a timer of 1m .* with length '1m'.*length '2m'"),
    "child argument": ({"child": 8}, r"child workflow leaf .* with arguments \[7\]"),
    "result": ({"result": "other"}, "result 'done'.*result 'other'"),
    "signal's target": ({"signal": ("somebody", "hello", 1)}, "target 'nobody'.*target 'somebody'"),
    "signal's name": ({"signal": ("nobody", "bye", 1)}, "name 'hello'.*name 'bye'"),
    "signal's argument": ({"signal": ("nobody", "hello", 2)}, r"arguments \[1\].*arguments \[2\]"),
    "cancel's target": ({"cancels": "somebody"}, "target 'nobody'.*target 'somebody'"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_strict_replay_says_what_has_changed(recorded: ds.History, change: str) -> None:
    """Which event, what is recorded, what was asked, and that the real engine would have let it pass."""
    changes, text = CHANGES[change]
    with pytest.raises(ds.NonDeterminismError, match=text) as caught:
        replay_history(made(**changes), recorded, strict=True)
    assert "the real engine lets it pass" in str(caught.value)


@pytest.mark.parametrize("change", CHANGES)
def test_by_default_it_passes_as_it_does_in_the_real_engine(recorded: ds.History, change: str) -> None:
    """The history stands, and the code goes on with it."""
    replay_history(made(**CHANGES[change][0]), recorded)


def test_the_same_code_passes_a_strict_replay(recorded: ds.History) -> None:
    """Also where the server filled in what was not given."""
    replay_history(made(), recorded, strict=True)
    only_whole = made(limit="1h", whole="5s")
    sim = ds.Simulation([only_whole])
    sim.start(only_whole).result()
    checked(sim, only_whole, leaf, strict=True)


def test_a_strict_simulation_fails_the_task_of_code_that_has_changed() -> None:
    """The option of the model: a deploy that changes an argument is stopped at the next task."""

    @ds.workflow(name="w")
    async def before(ctx: ds.WorkflowContext) -> str:
        await do(ctx, echo, 1)
        await ctx.sleep("1m")
        return "before"

    @ds.workflow(name="w")
    async def after(ctx: ds.WorkflowContext) -> str:
        await do(ctx, echo, 2)
        await ctx.sleep("1m")
        return "after"

    for strict in (True, False):
        sim = ds.Simulation([before], versions={"after": after}, strict=strict)
        handle = sim.start("w")
        sim.advance("10s")
        sim.deploy("after", grace="1s")
        sim.advance("5m")
        assert handle.status == ("RUNNING" if strict else "COMPLETED")
        if strict:
            assert "arguments [1]" in str(handle.describe())
            sim.deploy("base")
        assert handle.result() == ("before" if strict else "after")
