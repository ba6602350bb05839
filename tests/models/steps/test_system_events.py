"""What the platform itself tells: the events of runs that have failed or were cancelled, and whom they start."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.steps.flow.cancelling import CancelOn
from durable_sim.models.steps.flow.control import FlowControl
from durable_sim.models.steps.function import create_function
from durable_sim.models.steps.protocol import Event
from tests.models.steps.scenes import Played, idiom

FAILED, CANCELLED = "inngest/function.failed", "inngest/function.cancelled"


async def charge(actx: ds.ActivityContext) -> None:
    """Charges for an execution."""
    await actx.service("payments").charge("ada", 40, reference=actx.workflow_id)


async def refund(actx: ds.ActivityContext) -> None:
    """Refunds what was charged for it."""
    await actx.service("payments").refund(reference=actx.workflow_id)


def listener(told: list[Any], event: str, id: str = "listener") -> Any:
    """A function that notes the events of a name."""

    @create_function(id=id, event=event)
    async def listens(ctx: Any, step: Any) -> None:
        told.append(ctx.event.data)

    return listens


async def fails(ctx: Any, step: Any) -> None:
    """A function that fails at once."""
    raise RuntimeError("boom")


def test_a_failed_run_sends_an_event_that_any_function_may_be_started_by() -> None:
    """It says whose run it was, how it failed, and which event had started it; the handler hears it too."""
    told: list[Any] = []
    handled: list[Any] = []

    async def handler(ctx: Any, step: Any) -> None:
        handled.append(ctx.event.data)

    fulfil = create_function(id="fulfil", retries=0, on_failure=handler)(fails)
    Played(idiom([fulfil, listener(told, FAILED)])).run()
    assert (
        told
        == handled
        == [
            {
                "function_id": "fulfil",
                "run_id": "o-1#1",
                "error": {"name": "RuntimeError", "message": "boom", "code": "unknown"},
                "event": {"id": "event-1", "name": "fulfil", "data": {"order_id": "o-1"}, "ts": 0},
            }
        ]
    )


def test_a_failure_handler_hears_of_its_own_function_only() -> None:
    """The failure of another function does not start it."""
    handled: list[str] = []

    async def handler(ctx: Any, step: Any) -> None:
        handled.append(ctx.event.data["function_id"])

    other = create_function(id="other", event="fulfil", retries=0)(fails)
    fulfil = create_function(id="fulfil", retries=0, on_failure=handler)(fails)
    Played(idiom([fulfil, other])).run()
    assert handled == ["fulfil"]


def test_what_the_failure_of_a_run_has_started_sends_no_event_when_it_fails_itself() -> None:
    """Else a function that is started by every failure, and fails, would start itself for ever."""
    started: list[str] = []

    @create_function(event=FAILED, retries=0)
    async def on_any_failure(ctx: Any, step: Any) -> None:
        started.append(ctx.event.data["function_id"])
        raise RuntimeError("this fails too")

    fulfil = create_function(id="fulfil", retries=0)(fails)
    Played(idiom([fulfil, on_any_failure])).run()
    assert started == ["fulfil"]


@pytest.mark.parametrize("how", ["asked to stop", "an event of the function"])
def test_a_cancelled_run_undoes_nothing_and_a_function_that_its_event_starts_can(how: str) -> None:
    """The cancelled function never hears of it; a clean-up function, in the same execution, refunds the charge."""
    told: list[Any] = []
    flow = None if how == "asked to stop" else FlowControl(cancel_on=(CancelOn("order/withdrawn"),))

    @create_function(id="fulfil", flow=flow)
    async def fulfil(ctx: Any, step: Any) -> None:
        try:
            await step.run("charge", charge)
            await step.sleep("wait", "1h")
        except Exception:
            told.append("the function was told")
            raise

    @create_function(event=CANCELLED)
    async def clean_up(ctx: Any, step: Any) -> None:
        told.append(ctx.event.data)
        await step.run("refund", refund)

    cancel = [ds.Cancel(at="1m")] if flow is None else []
    played = Played(idiom([fulfil, clean_up]), faults=cancel)
    if flow is not None:
        played.world.alarms.after(60_000_000, played.model.send, Event("order/withdrawn"))
    played.run()
    assert played.one.status == "failed" and played.effects == ["payments.charge", "payments.refund"]
    first = told[0]
    assert "the function was told" not in told
    assert (first["function_id"], first["run_id"]) == ("fulfil", "o-1#1")
    assert first["error"] == {"name": "Error", "message": "function cancelled", "code": "unknown"}
    assert first["event"]["data"] == {"order_id": "o-1"}


def test_a_cancelled_run_is_no_failed_one() -> None:
    """Its failure handler is not called."""
    told: list[Any] = []

    async def handler(ctx: Any, step: Any) -> None:
        told.append("handled")

    @create_function(id="fulfil", on_failure=handler)
    async def fulfil(ctx: Any, step: Any) -> None:
        await step.sleep("wait", "1h")

    Played(idiom([fulfil, listener(told, FAILED)]), faults=[ds.Cancel(at="1m")]).run()
    assert told == []
