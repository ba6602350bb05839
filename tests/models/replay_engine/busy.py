"""Workflows that use all that the engine offers, scripts of what is done to them, and stores that check themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import durable_sim as ds
from durable_sim.models.replay.server.run_json import VOLATILE, to_json
from durable_sim.models.replay.server.state import Run
from durable_sim.models.replay.server.store import MemoryStore
from durable_sim.workflows.handlers import QueryFailed

QUICK = ds.RetryPolicy(initial_interval="1s", maximum_interval="4s")
Action = tuple[Any, ...]


# --- activities -----------------------------------------------------------------------------------------------------
@ds.activity
async def charge(ctx: ds.ActivityContext, order: dict[str, Any]) -> dict[str, Any]:
    """Fails in its first two attempts."""
    await ctx.sleep("200ms")
    if ctx.attempt <= 2:
        raise ds.ApplicationError("declined", "Flaky", details=(ctx.attempt,))
    return {"charged": order["number"]}


@ds.activity
async def pack(ctx: ds.ActivityContext, number: int) -> str:
    """Heartbeats, and is too slow in its first attempt."""
    if ctx.attempt == 1:
        ctx.heartbeat("half", number)
        await ctx.sleep("20s")
    for beat in range(5):
        ctx.heartbeat(beat, {"attempt": ctx.attempt})
        await ctx.sleep("1s")
    return f"packed {number}"


@ds.activity
async def ship(ctx: ds.ActivityContext, number: int) -> str:
    """Cannot be done for every third order."""
    await ctx.sleep("1s")
    if number % 3 == 0:
        raise ds.ApplicationError("no such address", "Fatal", non_retryable=True, details=({"number": number},))
    return f"shipped {number}"


@ds.activity
async def undo(ctx: ds.ActivityContext, what: str) -> str:
    await ctx.sleep("100ms")
    return f"undone {what}"


@ds.activity
async def stalls(ctx: ds.ActivityContext) -> None:
    """Runs into its time-out."""
    await ctx.sleep("1h")


@ds.activity
async def looks(ctx: ds.ActivityContext, number: int) -> int:
    if ctx.attempt < 3:
        raise ds.ApplicationError("not yet")
    return number


ACTIVITIES = (charge, pack, ship, undo, stalls, looks)


# --- workflows ------------------------------------------------------------------------------------------------------
async def parcel(ctx: ds.WorkflowContext, number: int) -> str:
    """A child."""
    await ctx.sleep("3s")
    return await ctx.execute_activity(ship, number, start_to_close_timeout="10s", retry_policy=QUICK)


async def lingers(ctx: ds.WorkflowContext) -> str:
    """Waits for ever, unless it is told to go."""
    gone: list[Any] = []
    ctx.set_signal_handler("go", gone.append)
    await ctx.wait_condition(lambda: bool(gone))
    return f"gone {gone}"


async def order(ctx: ds.WorkflowContext, number: int, again: int = 1) -> Any:
    """Retries, heartbeats, waits for a signal or two minutes, ships by a child, compensates, and goes on as new."""
    approvals: list[Any] = []
    options: dict[str, Any] = {"start_to_close_timeout": "10s", "retry_policy": QUICK}

    async def change(amount: int) -> dict[str, Any]:
        approvals.append(amount)
        return {"changed": await ctx.execute_activity(looks, amount, **options)}

    def positive(amount: int) -> None:
        if amount <= 0:
            raise ds.ApplicationError(f"{amount} is not positive", type="Invalid")

    ctx.set_signal_handler("approve", lambda *args: approvals.append(list(args)))
    ctx.set_query_handler("approvals", lambda: len(approvals))
    ctx.set_update_handler("change", change, positive)
    ctx.upsert_memo({"number": number, "failure": {"kind": "none"}})
    ctx.upsert_search_attributes({"Stage": ["begun"]})
    helper = await ctx.start_child_workflow(
        lingers, id=f"{ctx.workflow_id}-helper-{again}", parent_close_policy="TERMINATE" if number % 2 else "ABANDON"
    )
    charged = await ctx.execute_activity(charge, {"number": number}, **options)
    token = ctx.side_effect(lambda: [number, "token"])
    drawn = ctx.random.randint(1, 6) and number
    await ctx.execute_local_activity(looks, number, start_to_close_timeout="5s", retry_policy=QUICK)
    packed = await ctx.execute_activity(
        pack, number, start_to_close_timeout="1m", heartbeat_timeout="3s", retry_policy=QUICK
    )
    if ctx.patched("waits"):
        try:
            await ctx.wait_condition(lambda: bool(approvals), timeout="2m")
        except TimeoutError:
            approvals.append("nobody")
    try:
        await ctx.execute_activity(
            stalls, schedule_to_close_timeout="5s", start_to_close_timeout="2s", retry_policy=QUICK
        )
    except ds.ActivityError as error:
        stalled = error.retry_state
    shipped = await _ship(ctx, number, again)
    if number % 2 == 0:
        await helper.signal("go", token)
        await helper.result
    if again:
        ctx.continue_as_new(number, again - 1)
    return {"charged": charged, "packed": packed, "shipped": shipped, "stalled": stalled, "drawn": drawn}


async def _ship(ctx: ds.WorkflowContext, number: int, again: int) -> str:
    options: dict[str, Any] = {"start_to_close_timeout": "10s", "retry_policy": QUICK}
    try:
        return await ctx.execute_child_workflow(parcel, number, id=f"{ctx.workflow_id}-parcel-{again}")
    except ds.ChildWorkflowError:
        return await ctx.execute_activity(undo, f"charge {number}", **options)


async def changed_order(ctx: ds.WorkflowContext, number: int, again: int = 1) -> Any:
    """Other code under the same name: an activity more, behind a patch."""
    if ctx.patched("first"):
        await ctx.execute_activity(undo, "nothing", start_to_close_timeout="10s")
    return await order(ctx, number, again)


async def fails(ctx: ds.WorkflowContext, times: int) -> str:
    """Fails, run after run."""
    await ctx.sleep("1s")
    if ctx.info.attempt <= times:
        raise ds.ApplicationError(f"run {ctx.info.attempt} failed", type="Flaky")
    return "at last"


async def stubborn(ctx: ds.WorkflowContext) -> str:
    """Cancels a timer, an activity and another workflow, and answers its own cancellation with an activity."""
    nap, work = ctx.sleep("1h"), ctx.execute_activity(
        pack, 1, start_to_close_timeout="1m", heartbeat_timeout="3s", retry_policy=QUICK,
        cancellation_type="WAIT_CANCELLATION_COMPLETED",
    )  # fmt: skip
    late = ctx.execute_activity(looks, 9, start_to_close_timeout="10s", task_queue="nobody")
    await ctx.sleep("2s")
    nap.cancel()
    work.cancel()
    late.cancel()
    ended = [type(one).__name__ for one in await ctx.gather(nap, work, late, return_exceptions=True)]
    try:
        await ctx.external_workflow("nobody-there").signal("go")
    except Exception as error:
        ended.append(type(error).__name__)
    try:
        await ctx.sleep("1 day")
    except ds.CancelledError:
        ended.append(await ctx.execute_activity(undo, "all", start_to_close_timeout="10s"))
    return " ".join(ended)


WORKFLOWS = [order, parcel, lingers, fails, stubborn]


# --- scripts --------------------------------------------------------------------------------------------------------
def simulation(seed: int = 0, **options: Any) -> ds.Simulation:
    """Two workers that know everything here."""

    @ds.workflow(name="order")
    async def other(ctx: ds.WorkflowContext, number: int, again: int = 1) -> Any:
        return await changed_order(ctx, number, again)

    return ds.Simulation(WORKFLOWS, activities=ACTIVITIES, seed=seed, versions={"v2": [other]}, **options)


def begin(sim: ds.Simulation) -> None:
    """Start one workflow of each kind, two orders."""
    sim.start(order, 2, id="order-2", memo={"who": "ada"}, search_attributes={"Stage": ["new"]})
    sim.start(order, 3, id="order-3", signal=("approve", 1, {"by": "bob"}))
    sim.start(fails, 2, id="fails", retry_policy=QUICK, execution_timeout="1h")
    sim.start(stubborn, id="stubborn")


EXPECTED = {
    "order-2": {
        "charged": {"charged": 2},
        "packed": "packed 2",
        "shipped": "shipped 2",
        "stalled": "TIMEOUT",
        "drawn": 2,
    },
    "order-3": {
        "charged": {"charged": 3},
        "packed": "packed 3",
        "shipped": "undone charge 3",
        "stalled": "TIMEOUT",
        "drawn": 3,
    },
    "fails": "at last",
}
"""What comes of those that nothing is done to."""


def perform(sim: ds.Simulation, action: Action) -> Any:
    """Do something to a simulation; gives what was said of it."""
    name, *arguments = action
    try:
        return _ACTIONS[name](sim, *arguments)
    except (ds.UserError, ds.UpdateFailed, QueryFailed) as refusal:
        return f"{type(refusal).__name__}: {refusal}".splitlines()[0]


def _reset(sim: ds.Simulation, workflow: str, which: int) -> Any:
    handle = sim.handle(workflow)
    points = [event.id for event in handle.history() if event.type == "WorkflowTaskCompleted"] or [0]
    return handle.reset(points[which % len(points)], "again")


_ACTIONS: dict[str, Callable[..., Any]] = {
    "advance": lambda sim, seconds: sim.advance(f"{seconds}s"),
    "signal": lambda sim, workflow, value: sim.handle(workflow).signal("approve", value, {"more": [value]}),
    "update": lambda sim, workflow, value: sim.handle(workflow).start_update("change", value) and None,
    "wait_for_update": lambda sim, workflow, value: sim.handle(workflow).update("change", value),
    "query": lambda sim, workflow: sim.handle(workflow).query("approvals"),
    "cancel": lambda sim, workflow: sim.handle(workflow).cancel(),
    "terminate": lambda sim, workflow: sim.handle(workflow).terminate("enough", {"of": "it"}),
    "reset": _reset,
    "start": lambda sim, number: sim.start(order, number, id=f"order-{number}", id_conflict_policy="USE_EXISTING").runs,
    "crash": lambda sim, worker, seconds: sim.crash(worker, f"{seconds}s"),
    "pause": lambda sim, worker, seconds: sim.pause(worker, f"{seconds}s"),
    "stop": lambda sim, worker, seconds: sim.stop(worker, f"{seconds}s"),
    "deploy": lambda sim, version: sim.deploy(version, grace="3s"),
    "restart_server": lambda sim, seconds: sim.restart_server(f"{seconds}s"),
}
IDS = ("order-2", "order-3", "stubborn", "fails", "order-2-helper-1", "order-3-parcel-1")


def some_actions(draw: random.Random, count: int) -> list[Action]:
    """A script, with time passing between what is done."""
    actions: list[Action] = []
    for _ in range(count):
        actions += [_some_action(draw), ("advance", draw.choice((0.05, 0.3, 1, 2, 5, 30)))]
    return actions


def _some_action(draw: random.Random) -> Action:
    workflow, worker, number = draw.choice(IDS), draw.choice(("w1", "w2")), draw.randint(-1, 5)
    seconds = draw.choice((0, 0.5, 2, 15))
    return draw.choice(
        (
            ("signal", workflow, number),
            ("update", workflow, number),
            ("update", workflow, -1),
            ("wait_for_update", workflow, number),
            ("query", workflow),
            ("cancel", workflow),
            ("terminate", workflow),
            ("reset", workflow, number),
            ("start", number + 2),
            ("crash", worker, seconds),
            ("pause", worker, seconds + 1),
            ("stop", worker, seconds),
            ("deploy", draw.choice(("v2", "base"))),
            ("restart_server", seconds),
            ("restart_server", seconds),
        )
    )


def play(sim: ds.Simulation, actions: Iterable[Action]) -> list[Any]:
    """Begin, do everything, and let a week pass; gives what was said."""
    begin(sim)
    said = [perform(sim, action) for action in actions]
    sim.run("7 days")
    return said


def written(sim: ds.Simulation) -> dict[str, str]:
    """All histories in the exchange form, as text."""
    return {run_id: json.dumps(history.to_json()) for run_id, history in sim.histories().items()}


# --- looking into stores --------------------------------------------------------------------------------------------
class ProvenSimulation(ds.Simulation):
    """A simulation whose runs are compared, after each operation of its server, with what was saved of them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.store = NotingStore()
        self.operations = 0
        super().__init__(*arguments, store=self.store, **options)
        self._server.wire.between = self._save_and_look

    def _save_and_look(self) -> None:
        self._server._save()
        self.operations += 1
        noted, runs = self.store.noted, self._server.runs.values()
        forgotten = [f"{run.run_id} ({run.history[-1].type})" for run in runs if noted.get(run.run_id) != summary(run)]
        assert not forgotten, f"changed and not saved: {forgotten}"


class NotingStore(MemoryStore):
    """Remembers how each run was when it was saved."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[str, Any] = {}

    def save(self, runs: Iterable[Run], now_us: int) -> None:
        """Keep the runs, and note how they are."""
        runs = list(runs)
        self.noted.update({run.run_id: summary(run) for run in runs})
        super().save(runs, now_us)


def summary(run: Run) -> tuple[str, int]:
    """All of a run that is to be kept; its events only grow in number."""
    return json.dumps(to_json(run)), len(run.history)


def kept(value: Any) -> Any:
    """Data without its volatile fields; sequences that may be lists or tuples are tuples."""
    if is_dataclass(value) and not isinstance(value, type):
        names = [one.name for one in fields(value) if one.name not in VOLATILE]
        return type(value).__name__, {name: kept(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {name: kept(one) for name, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value).__name__, [kept(one) for one in value]
    if isinstance(value, (list, tuple)):
        return [kept(one) for one in value]
    return type(value), value
