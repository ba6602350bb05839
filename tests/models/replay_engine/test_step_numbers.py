"""Steps in the trace and the ledger: each has a number of its own in its execution, whatever the number of its runs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.health.attempts import attempts_of
from durable_sim.library.shop import shop
from durable_sim.models.replay.step_numbers import StepNumbers
from durable_sim.world.services.storage import Storage
from tests.models.replay_engine.scenes import do, echo, nap

RETRY = {"retry_policy": ds.RetryPolicy(maximum_attempts=2)}
ORDER = {"order_id": "o-1", "customer": "ada", "total": 40}


@ds.activity
async def charge(ctx: ds.ActivityContext, order: dict[str, Any]) -> None:
    """First done, so last undone."""
    key = {"reference": order["order_id"], "idempotency_key": ctx.idempotency_key}
    await ctx.service("payments").charge(order["customer"], order["total"], **key)


@ds.activity
async def reserve(ctx: ds.ActivityContext, order: dict[str, Any]) -> None:
    """Last done, so first undone."""
    await ctx.service("inventory").reserve("book", 1, reference=order["order_id"], idempotency_key=ctx.idempotency_key)


@ds.activity
async def refund(ctx: ds.ActivityContext, order: dict[str, Any]) -> None:
    """Undoes a charge."""
    await ctx.service("payments").refund(reference=order["order_id"])


@ds.activity
async def release(ctx: ds.ActivityContext, order: dict[str, Any]) -> None:
    """Undoes a reservation."""
    await ctx.service("inventory").release(reference=order["order_id"])


@ds.activity
async def put(ctx: ds.ActivityContext, name: str) -> None:
    """Writes, with a token that grows with each attempt."""
    await ctx.service("storage").put(name, 1, fencing_token=ctx.fencing_token)


async def undo(ctx: ds.WorkflowContext, order: dict[str, Any], *, right: bool) -> None:
    """Undo both steps, and fail."""
    for activity in (release, refund) if right else (refund, release):
        await do(ctx, activity, order)
    raise ds.ApplicationError("off")


@ds.workflow
async def reserves(ctx: ds.WorkflowContext, order: dict[str, Any]) -> None:
    """A child with the second step."""
    await do(ctx, reserve, order)


@ds.workflow
async def by_a_child(ctx: ds.WorkflowContext, order: dict[str, Any]) -> None:
    """The second step is a child's."""
    await do(ctx, charge, order)
    await ctx.execute_child_workflow(reserves, order)
    await undo(ctx, order, right=order["right"])


@ds.workflow
async def continued(ctx: ds.WorkflowContext, order: dict[str, Any]) -> None:
    """The second step is in the second run."""
    if "charged" not in order:
        await do(ctx, charge, order)
        ctx.continue_as_new({**order, "charged": True})
    await do(ctx, reserve, order)
    await undo(ctx, order, right=order["right"])


def numbers_of(sim: ds.Simulation) -> dict[tuple[str | None, int], set[str | None]]:
    """By execution and number: what the trace calls the step."""
    found: dict[tuple[str | None, int], set[str | None]] = defaultdict(set)
    for record in sim.trace:
        if record.step is not None:
            found[record.execution, record.step].add(record.subject)
    return found


def test_one_run_is_shown_under_its_own_numbers() -> None:
    """As it counts its commands itself, those that the trace does not tell of included."""
    numbers = StepNumbers()
    assert [numbers.of("a", "r", step) for step in (1, 5, 2, 5)] == [1, 5, 2, 5]


def test_with_a_second_run_the_numbers_go_on_as_they_come() -> None:
    """A step keeps its number, and none is given twice; another execution has numbers of its own."""
    numbers = StepNumbers()
    asked = [("r", 2), ("r", 1), ("c", 1), ("r", 3), ("c", 2), ("r", 1), ("c", 1)]
    assert [numbers.of("a", *step) for step in asked] == [2, 1, 3, 4, 5, 1, 3]
    assert numbers.of("b", "r", 2) == 2
    assert (numbers.known("a", "c", 2), numbers.known("a", "c", 9), numbers.known("z", "c", 9)) == (5, None, None)


def test_what_is_handed_over_keeps_its_number() -> None:
    """A reset's pending children are those of the run that it was made from."""
    numbers = StepNumbers()
    assert numbers.of("a", "r", 3) == 3
    numbers.hand_over("a", "r", "r2", 3)
    assert (numbers.of("a", "r2", 3), numbers.of("a", "r2", 4)) == (3, 4)


@pytest.mark.parametrize("workflow", [by_a_child, continued])
def test_an_undo_in_the_wrong_order_is_seen_over_runs(workflow: Any) -> None:
    """The second step is the first one of its run, and is later all the same; in the right order nothing is said."""
    verdicts = [ds.run(workflow, ORDER | {"right": right}, services=shop()).verdicts for right in (True, False)]
    assert verdicts == [{"compensated": 1}, {"compensation_order": 1}]


def test_attempts_of_several_runs_are_no_attempts_of_one_step() -> None:
    """A page that is written in the first attempt, after one that needed two, is no late write of the first."""

    @ds.workflow
    async def pages(ctx: ds.WorkflowContext, order: dict[str, Any]) -> None:
        await do(ctx, put, f"page {order['page']}", **RETRY)
        if order["page"] < 2:
            ctx.continue_as_new({**order, "page": order["page"] + 1})

    services = {"storage": ds.ServiceSpec(Storage, options={"fenced": True})}
    scenario = ds.Scenario(pages, ({"order_id": "o-1", "page": 1},), services)
    swept = ds.fault_sweep(scenario, "replay", faults=["lose_request"], oracles=["no_zombie_commits"])
    assert swept.ok, swept


def test_children_at_once_have_attempts_of_their_own() -> None:
    """Six children with one activity each, of which three fail once: nine attempts, not as many as one step has."""

    @ds.activity
    async def flaky(ctx: ds.ActivityContext, fails: bool) -> None:
        await ctx.sleep("1s")
        if fails and ctx.attempt == 1:
            raise ds.ApplicationError("no")

    async def child(ctx: ds.WorkflowContext, fails: bool) -> None:
        await do(ctx, flaky, fails)

    async def parent(ctx: ds.WorkflowContext) -> None:
        await ctx.gather(*(ctx.execute_child_workflow(child, number % 2 == 0) for number in range(6)))

    sim = ds.Simulation([parent, child])
    sim.start(parent).result()
    attempts = list(attempts_of(sim.trace))
    assert (len(attempts), sum(one.error is not None for one in attempts)) == (9, 3)
    assert len({record.step for record in sim.trace if record.subject == "flaky"}) == 6


def test_a_retried_run_and_a_reset_go_on_with_other_numbers() -> None:
    """Also local activities, which only the worker knows of."""

    async def works(ctx: ds.WorkflowContext) -> None:
        await do(ctx, echo)
        await ctx.execute_local_activity(nap, "1s", start_to_close_timeout="5s")
        if ctx.info.attempt == 1:
            raise ds.ApplicationError("again")

    sim = ds.Simulation([works])
    handle = sim.start(works, retry_policy=ds.RetryPolicy(maximum_attempts=2))
    handle.result()
    handle.reset(handle.history().of("WorkflowTaskCompleted")[0].id)
    handle.result()
    assert len(handle.runs) == 3
    subjects = [next(iter(subjects)) for subjects in numbers_of(sim).values()]
    assert subjects == ["echo", "nap"] * 3
    assert all(len(subjects) == 1 for subjects in numbers_of(sim).values())


def test_what_a_reset_has_pending_begins_in_the_new_run() -> None:
    """The trace says that nobody waits for the old run's activity and timer any more, and of the new one's."""

    async def waits(ctx: ds.WorkflowContext) -> None:
        await ctx.gather(do(ctx, nap, "50s"), ctx.sleep("50s"), do(ctx, nap, "5s"))

    sim = ds.Simulation([waits])
    handle = sim.start(waits)
    sim.advance("10s")
    handle.reset(handle.history().of("WorkflowTaskCompleted")[1].id)
    handle.result()
    by_step: dict[int, list[str]] = defaultdict(list)
    for record in sim.trace:
        if record.step is not None and record.kind.startswith(("task_scheduled", "task_completed", "timer")):
            by_step[record.step].append(f"{record.time_us / 1e6:g} {record.kind}")
    assert list(by_step.values()) == [
        ["0 task_scheduled", "10 task_completed"],
        ["0 timer_started", "10 timer_cancelled"],
        ["0 task_scheduled", "5 task_completed"],
        ["10 task_scheduled", "60 task_completed"],
        ["10 timer_started", "50 timer_fired"],
    ]


def test_nobody_waits_for_what_a_terminated_child_had_begun() -> None:
    """Its execution goes on, and the trace says so."""

    async def child(ctx: ds.WorkflowContext) -> None:
        await ctx.gather(do(ctx, nap, "50s"), ctx.sleep("1h"))

    async def parent(ctx: ds.WorkflowContext) -> None:
        try:
            await ctx.execute_child_workflow(child, id="c")
        except ds.ChildWorkflowError:
            await ctx.sleep("1m")

    sim = ds.Simulation([parent, child])
    handle = sim.start(parent)
    sim.advance("10s")
    sim.handle("c").terminate()
    handle.result()
    ended = [record.kind for record in sim.trace if record.time_us == 10_000_000 and record.step in (2, 3)]
    assert ended == ["task_completed", "timer_cancelled"]
