"""Code that has changed, against the history that it left before: the real SDK's Replayer and ours say the same.

A workflow is a list of operations here, done by an interpreter in each world, so that any code can be tried on any
history. Skipped where there is no SDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.replay.native import replay_history

pytest.importorskip("temporalio")

from tests.conformance.temporal_sdk import programs
from tests.conformance.temporal_sdk.judge import verdict
from tests.conformance.temporal_sdk.programs import Operations


@ds.workflow(name="Programmed")
async def programmed(ctx: ds.WorkflowContext) -> None:
    """Does what it is told to."""
    await perform(ctx, programs.told())


@ds.workflow(name="kid")
async def kid(ctx: ds.WorkflowContext) -> None:
    """Ends at once."""


@ds.workflow(name="sleeper")
async def sleeper(ctx: ds.WorkflowContext) -> None:
    """Cleans up when it is cancelled, which takes a while."""
    try:
        await ctx.sleep("1h")
    finally:
        await ctx.sleep("1m")


@ds.workflow(name="other kid")
async def other_kid(ctx: ds.WorkflowContext) -> None:
    """Ends at once, too."""


def _named(name: str) -> Any:
    @ds.activity(name=name)
    async def step(ctx: ds.ActivityContext) -> None:
        await ctx.sleep("1s")

    return step


@ds.activity
async def slow(ctx: ds.ActivityContext) -> None:
    """Takes as long as it may."""
    await ctx.sleep("9s")


ACTIVITIES = [*(_named(name) for name in ("a", "b", "c")), slow]
LIMIT = {"start_to_close_timeout": "10s"}


async def perform(ctx: ds.WorkflowContext, operations: Operations) -> None:
    """The likeness of `programs.perform`."""
    running: dict[str, Any] = {}
    for what, *details in operations:
        match what:
            case "activity":
                await ctx.execute_activity(details[0], **LIMIT)
            case "begin":
                running[details[0]] = ctx.execute_activity(details[0], **LIMIT)
            case "cancel":
                running[details[0]].cancel()
            case "join":
                with suppress(ds.ActivityError, ds.ChildWorkflowError, ds.CancelledError):
                    await running[details[0]]
            case "local":
                await ctx.execute_local_activity(details[0], **LIMIT)
            case "begin local":
                running[details[0]] = ctx.execute_local_activity(details[0], **LIMIT)
            case "sleep":
                await ctx.sleep(f"{details[0]}s")
            case "patched":
                await perform(ctx, details[1 if ctx.patched(details[0]) else 2])
            case "deprecate":
                ctx.deprecate_patch(details[0])
            case "signal":
                with suppress(ds.ApplicationError):
                    await ctx.external_workflow(details[0]).signal(details[1])
            case "ask to cancel":
                with suppress(ds.ApplicationError):
                    await ctx.external_workflow(details[0]).cancel()
            case "attribute":
                ctx.upsert_search_attributes({details[0]: ["v"]})
            case "memo":
                ctx.upsert_memo({details[0]: "v"})
            case "child":
                await ctx.execute_child_workflow(details[0], id=details[1])
            case "begin child":
                kind, begun = details[2], details[:2]
                running[begun[1]] = (await _begun(ctx, *begun, kind)).result
            case "fail":
                raise ds.ApplicationError("no", non_retryable=True)


def _begun(ctx: ds.WorkflowContext, name: str, child_id: str, kind: Any) -> Any:
    return ctx.start_child_workflow(name, id=child_id, cancellation_type=kind)


def cancelled_child(kind: str) -> Operations:
    """A child that sleeps is cancelled and waited for, as the type says; then something else is done."""
    return [("begin child", "sleeper", "k", kind), ("sleep", 1), ("cancel", "k"), ("join", "k"), C]


A, B, C, NAP = ("activity", "a"), ("activity", "b"), ("activity", "c"), ("sleep", 5)
PATCHED = ("patched", "p", [B], [C])
LOCALS = [("local", "a"), ("local", "c"), NAP]
CASES: dict[str, tuple[Operations, list[Operations]]] = {
    "no patch": (
        [A, B, NAP],
        [
            [A, B, NAP],
            [A, B, ("sleep", 9)],
            [A, B],
            [A, B, NAP, C],
            [A, B, NAP, ("fail",)],
            [A, B, ("local", "a"), NAP],
            [A, B, ("attribute", "K"), NAP],
            [A, B, ("memo", "K"), NAP],
            [("patched", "p", [C], []), A, B, NAP],
            [("deprecate", "p"), A, B, NAP],
        ],
    ),
    "patch": (
        [A, PATCHED, NAP],
        [
            [A, PATCHED, NAP],
            [A, B, NAP],
            [A, ("deprecate", "p"), B, NAP],
            [("deprecate", "p"), A, B, NAP],
            [A, ("patched", "q", [C], []), PATCHED, NAP],
            [A, PATCHED, ("patched", "q", [C], []), NAP],
        ],
    ),
    "deprecated patch": (
        [A, ("deprecate", "p"), B, NAP],
        [
            [A, ("deprecate", "p"), B, NAP],
            [A, B, NAP],
            [A, PATCHED, NAP],
            [A, ("deprecate", "q"), B, NAP],
            [("deprecate", "p"), A, B, NAP],
            [A, B, ("deprecate", "p"), NAP],
        ],
    ),
    "two patches": (
        [("sleep", 1), ("patched", "q", [], []), ("patched", "p", [A], [])],
        [
            [("sleep", 1), ("patched", "q", [], []), ("patched", "p", [A], [])],
            [("sleep", 1), ("patched", "p", [], []), ("patched", "q", [A], [])],
            [("sleep", 1), ("patched", "p", [A], [])],
            [("sleep", 1), ("deprecate", "q"), ("patched", "p", [A], [])],
        ],
    ),
    "at once": (
        [("begin", "a"), ("begin", "b"), ("join", "a"), ("join", "b")],
        [
            [("begin", "a"), ("begin", "b"), ("join", "b"), ("join", "a")],
            [("begin", "b"), ("begin", "a"), ("join", "a"), ("join", "b")],
            [("begin", "a"), ("join", "a"), ("begin", "b"), ("join", "b")],
        ],
    ),
    "cancelled activity": (
        [("begin", "a"), ("sleep", 0.5), ("cancel", "a"), ("join", "a"), C],
        [
            [("begin", "a"), ("sleep", 0.5), ("cancel", "a"), ("join", "a"), C],
            [("begin", "a"), ("sleep", 0.5), C],
        ],
    ),
    "signal": (
        [("signal", "nobody", "s"), NAP],
        [
            [("signal", "nobody", "s"), NAP],
            [("signal", "nobody", "t"), NAP],
            [("signal", "somebody", "s"), NAP],
            [("ask to cancel", "nobody"), NAP],
            [NAP],
        ],
    ),
    "request to cancel": (
        [("ask to cancel", "nobody"), NAP],
        [
            [("ask to cancel", "nobody"), NAP],
            [("ask to cancel", "somebody"), NAP],
            [("signal", "nobody", "s"), NAP],
        ],
    ),
    "local activities": (
        LOCALS,
        [
            LOCALS,
            [("local", "c"), ("local", "a"), NAP],
            [("local", "a"), ("local", "b"), NAP],
            [("local", "a"), NAP],
            [*LOCALS[:2], ("local", "a"), NAP],
            [A, ("local", "c"), NAP],
        ],
    ),
    "cancelled local activity": (
        [("begin local", "slow"), ("local", "a"), ("cancel", "slow"), ("join", "slow"), A, NAP],
        [
            [("begin local", "slow"), ("local", "a"), ("cancel", "slow"), ("join", "slow"), A, NAP],
            [("begin local", "slow"), ("local", "a"), ("join", "slow"), A, NAP],
            [("begin local", "slow"), ("local", "c"), ("cancel", "slow"), ("join", "slow"), A, NAP],
            [("begin local", "slow"), ("cancel", "slow"), ("join", "slow"), A, NAP],
            [("local", "a"), A, NAP],
        ],
    ),
    "local activity cancelled at once": (
        [("begin local", "slow"), ("cancel", "slow"), ("join", "slow"), A, NAP],
        [
            [("begin local", "slow"), ("cancel", "slow"), ("join", "slow"), A, NAP],
            [("begin local", "slow"), ("join", "slow"), A, NAP],
            [A, NAP],
        ],
    ),
    "attributes": (
        [("attribute", "K"), ("memo", "M"), NAP],
        [
            [("attribute", "J"), ("memo", "N"), NAP],
            [("memo", "M"), ("attribute", "K"), NAP],
            [("attribute", "K"), NAP],
        ],
    ),
    "child": (
        [("child", "kid", "k"), NAP],
        [
            [("child", "kid", "k"), NAP],
            [("child", "other kid", "k"), NAP],
            [("child", "kid", "k2"), NAP],
            [A, NAP],
        ],
    ),
    "cancelled child, not waited for": (
        cancelled_child("TRY_CANCEL"),
        [cancelled_child(kind) for kind in ("TRY_CANCEL", "ABANDON", "WAIT_CANCELLATION_COMPLETED")],
    ),
    "cancelled child, left alone": (
        cancelled_child("ABANDON"),
        [cancelled_child(kind) for kind in ("ABANDON", "TRY_CANCEL", "WAIT_CANCELLATION_COMPLETED")],
    ),
    "cancelled child, waited for": (
        cancelled_child("WAIT_CANCELLATION_COMPLETED"),
        [cancelled_child(kind) for kind in ("WAIT_CANCELLATION_COMPLETED", "WAIT_CANCELLATION_REQUESTED", "ABANDON")],
    ),
    "cancelled child, waited for, as it is told": (
        cancelled_child("WAIT_CANCELLATION_REQUESTED"),
        [cancelled_child(kind) for kind in ("WAIT_CANCELLATION_REQUESTED", "WAIT_CANCELLATION_COMPLETED")],
    ),
}
"""What ran, and what is tried on the history of that."""


def cases() -> Iterator[tuple[str, Operations]]:
    """Each history with each code."""
    for name, (_, others) in CASES.items():
        for code in others:
            yield name, code


@cache
def left_by(name: str) -> ds.History:
    """The history of a case."""
    with programs.telling(CASES[name][0]):
        sim = ds.Simulation([programmed, kid, other_kid, sleeper], activities=ACTIVITIES)
        handle = sim.start("Programmed", id="w")
        sim.run()
    return handle.history()


@pytest.mark.parametrize(("name", "code"), list(cases()))
def test_the_replayer_and_ours_say_the_same(name: str, code: Operations) -> None:
    """Either both take the history for the code's own, or neither does."""
    history = left_by(name)
    refusal: Exception | None = None
    with programs.telling(code):
        real = verdict(programs.Programmed, "w", history.to_json())
        try:
            replay_history(programmed, history)
        except ds.NonDeterminismError as error:
            refusal = error
    assert (real is None) == (refusal is None), (real, refusal)


def test_a_command_that_comes_earlier_than_it_did_is_refused_here_only() -> None:
    """A known difference: the real engine keeps what the code asked for and the history does not have yet, and matches
    it to a later task's event. Here each task must have issued what is recorded behind it, no less and no more."""
    in_a_row, at_once = [A, B, NAP], [("begin", "a"), ("begin", "b"), ("join", "a"), ("join", "b"), NAP]
    with programs.telling(in_a_row):
        sim = ds.Simulation([programmed], activities=ACTIVITIES)
        handle = sim.start("Programmed", id="w")
        sim.run()
    history = handle.history()
    with programs.telling(at_once):
        assert verdict(programs.Programmed, "w", history.to_json()) is None
        with pytest.raises(ds.NonDeterminismError, match="no such command, the code asked for activity b"):
            replay_history(programmed, history)
