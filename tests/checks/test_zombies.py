"""Zombie commits: writes of an attempt whose place another has taken, on a service that promises to refuse them."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim import trace as kinds
from durable_sim.checks.zombies import no_zombie_commits
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.services.storage import Storage
from tests.checks.ledgers import nothing, recording, told, traced

FENCED = {
    "disk": ds.ServiceSpec(Storage, options={"fenced": True}),
    "tape": ds.ServiceSpec(Storage, options={"fenced": True}),
    "free": ds.ServiceSpec(Storage),
    "loose": ds.ServiceSpec(Storage, options={"fenced": False}),
}
REFUSAL = "a refusal: its token is stale"


def wrote(at: int, attempt: int | None, service: str = "disk", **fields: Any) -> tuple[int, str, dict[str, Any]]:
    """A record of a write by an attempt."""
    given = {"execution": "o-1", "subject": f"{service}.append", "step": 1, "attempt": attempt, **fields}
    return at, kinds.EFFECT_APPLIED, given


def zombies(*records: tuple[int, str, dict[str, Any]]) -> list[object]:
    """The zombie commits of a trace."""
    scenario = Scenario(nothing, ({"order_id": "o-1"},), FENCED)
    return told("zombie_commit", no_zombie_commits(recording(scenario=scenario, trace=traced(*records))))


def test_writes_in_the_order_of_their_attempts_are_fine() -> None:
    """An attempt may write several times, and the next one after it."""
    assert zombies(wrote(1, 1), wrote(2, 1), wrote(3, 2), wrote(4, 2), wrote(5, 4)) == []


def test_a_write_after_one_of_a_later_attempt_is_a_zombies() -> None:
    """Each of its writes is found, with both attempts and both times, and it takes nobody's place."""
    found = "an effect of attempt 1, after one of attempt 3 at 0.002s"
    second = "an effect of attempt 2, after one of attempt 3 at 0.002s"
    assert zombies(wrote(1000, 1), wrote(2000, 3), wrote(3000, 1), wrote(4000, 2), wrote(5000, 3)) == [
        ("o-1", "disk.append by step 1", found, REFUSAL, 3000),
        ("o-1", "disk.append by step 1", second, REFUSAL, 4000),
    ]


def test_the_last_write_of_the_later_attempt_is_the_one_that_is_named() -> None:
    """Its time is where the zombie should have been stopped at the latest."""
    (found,) = zombies(wrote(1000, 2), wrote(2000, 2), wrote(3000, 1))
    assert found[2] == "an effect of attempt 1, after one of attempt 2 at 0.002s"  # type: ignore[index]


@pytest.mark.parametrize(
    "other", [{"step": 2}, {"execution": "o-2"}, {"service": "tape"}], ids=["step", "execution", "service"]
)
def test_steps_executions_and_services_are_fenced_apart(other: dict[str, Any]) -> None:
    """A later attempt of something else has taken nobody's place."""
    assert zombies(wrote(1, 2, **other), wrote(2, 1)) == []


@pytest.mark.parametrize("service", ["free", "loose", "elsewhere"])
def test_services_that_are_not_fenced_promise_nothing(service: str) -> None:
    """Nor does one that the scenario does not know."""
    assert zombies(wrote(1, 2, service), wrote(2, 1, service)) == []


def test_only_effects_count_and_only_those_of_attempts() -> None:
    """A request that arrives late and does nothing is what a fence is for; a write without an attempt has no order."""
    arrived = kinds.REQUEST_RECEIVED
    assert zombies(wrote(1, 2), (2, arrived, wrote(2, 1)[2])) == []
    assert zombies((1, arrived, wrote(1, 2)[2]), wrote(2, 1)) == []
    assert zombies(wrote(1, 2), wrote(2, None), wrote(3, 2)) == []
    assert zombies(wrote(1, None), wrote(2, 1), wrote(3, 2)) == []


# --- whole runs -----------------------------------------------------------------------------------------------------
def exporting(token_of: Any) -> Any:
    """A workflow that exports in two writes, with a token that this function makes."""

    @ds.activity
    async def export(ctx: ds.ActivityContext) -> None:
        storage = ctx.service("storage")
        await storage.append("report", "page 1", fencing_token=token_of(ctx))
        await storage.append("report", "page 2", fencing_token=token_of(ctx))

    async def exports(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.execute_activity(export, start_to_close_timeout="10s")

    return exports


def of_the_clock(ctx: ds.ActivityContext) -> Any:
    """Planted bug: a zombie's clock is ahead of everybody's token."""
    return [ctx.idempotency_key, round(ctx.now().timestamp() * 1000)]


def of_the_engine(ctx: ds.ActivityContext) -> Any:
    """Correct: the engine numbers the attempts."""
    return ctx.fencing_token


def of_nobody(ctx: ds.ActivityContext) -> Any:
    """Planted bug: none."""
    return None


PAUSED = ds.Pause(after="reply_received", of="storage.append", lasts="1m")


def bucket(fenced: bool) -> dict[str, ds.ServiceSpec]:
    """A bucket that needs tokens, or takes what comes."""
    return {"storage": ds.ServiceSpec(Storage, latency=ds.Constant("100ms"), options={"fenced": fenced})}


@pytest.mark.parametrize(("token_of", "count"), [(of_the_engine, 0), (of_the_clock, 1)])
def test_a_worker_that_was_paused_too_long_is_stopped_by_the_engines_token_only(token_of: Any, count: int) -> None:
    """It wakes up between its two writes, when the next attempt has made both."""
    run = ds.run(exporting(token_of), {"order_id": "o-1"}, services=bucket(fenced=True), faults=[PAUSED])
    assert run.faults["hit"] == 1
    found = list(no_zombie_commits(run.recording))
    assert [(one.kind, one.execution, one.subject) for one in found] == [
        ("zombie_commit", "o-1", "storage.append by step 1")
    ] * count
    assert len(run.ledger) == 3 + count
    assert [one.time_us for one in found] == [run.ledger[-1].time_us] * count


def test_without_a_fence_nothing_is_promised_and_the_zombie_writes() -> None:
    """The oracle is silent where no token is asked for; the effects are doubled all the same."""
    run = ds.run(exporting(of_nobody), {"order_id": "o-1"}, services=bucket(fenced=False), faults=[PAUSED])
    assert list(no_zombie_commits(run.recording)) == []
    assert len(run.ledger) == 4
