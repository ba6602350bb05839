"""Stores: memory and file keep the same, all that changes is kept, and a restart at any moment loses nothing."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.replay.server.sqlite_store import VERSION, SqliteStore
from durable_sim.models.replay.server.store import MemoryStore, Store
from tests.conformance.temporal.goldens import manifest
from tests.conformance.temporal.scenarios import simulated
from tests.models.replay_engine.busy import (
    EXPECTED,
    Action,
    ProvenSimulation,
    begin,
    kept,
    order,
    play,
    simulation,
    some_actions,
    written,
)

MAKERS: tuple[Callable[[], Store], ...] = (MemoryStore, lambda: SqliteStore(":memory:"))


# --- what changes is saved ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", manifest())
def test_no_change_is_forgotten_in_a_recorded_scenario(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the scenarios of the recorded histories, each operation saves every run that it has changed."""
    monkeypatch.setattr(ds, "Simulation", ProvenSimulation)
    simulated(name)


@pytest.mark.parametrize("seed", range(24))
def test_no_change_is_forgotten_whatever_happens(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under crashes, deploys, restarts, resets and messages, each operation saves every run that it has changed."""
    monkeypatch.setattr(ds, "Simulation", ProvenSimulation)
    sim = simulation(seed, cache=("warm", "cold", "evicted", 1)[seed % 4], rpc_latency=("0s", "30ms")[seed % 3 == 1])
    play(sim, some_actions(random.Random(seed), 12))
    assert isinstance(sim, ProvenSimulation)
    assert sim.operations > 100


def test_no_change_is_forgotten_where_commands_exceed_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow task that is refused again and again, for asking for too much, is saved each time."""
    monkeypatch.setattr(ds, "Simulation", ProvenSimulation)

    @ds.activity
    async def never(ctx: ds.ActivityContext) -> None: ...

    async def greedy(ctx: ds.WorkflowContext) -> None:
        await ctx.gather(*[ctx.execute_activity(never, start_to_close_timeout="1s") for _ in range(2001)])

    sim = ds.Simulation([greedy])
    run = sim.start(greedy, id="greedy")
    sim.advance("1m")
    assert run.describe().status == "RUNNING"
    assert sim._server.current("greedy").task_failures > 2


# --- the two stores -------------------------------------------------------------------------------------------------
def outcome(store: Store, seed: int, actions: list[Action]) -> tuple[list[Any], dict[str, str]]:
    """What was said, and all histories."""
    sim = simulation(seed, store=store, cache=("warm", "cold", "evicted", 1)[seed % 4])
    return play(sim, actions), written(sim)


@pytest.mark.parametrize("seed", range(16))
def test_memory_and_file_give_the_same_histories(seed: int) -> None:
    """The same seed and script of actions, restarts of the server among them, give the same bytes with each store, and
    with one that is told of changes only before the server goes down."""
    actions = some_actions(random.Random(seed), 12)
    first = outcome(MemoryStore(), seed, actions)
    assert outcome(SqliteStore(":memory:"), seed, actions) == first
    assert outcome(MemoryStore(lasting=False), seed, actions) == first


def test_a_loaded_run_is_the_run_that_was_saved(tmp_path: Path) -> None:
    """What a file gives back are the runs that the server works on, in the order in which they began."""
    with SqliteStore(tmp_path / "runs") as store:
        sim = simulation(store=store)
        begin(sim)
        for _ in range(40):
            sim.advance("5s")
            stored = store.load()
            assert [kept(run) for run in stored.runs] == [kept(run) for run in sim._server.runs.values()]
            assert [run.saved_events for run in stored.runs] == [len(run.history) for run in stored.runs]
        assert stored.now_us <= sim.now_us


# --- restarts at every moment ---------------------------------------------------------------------------------------
def steps(sim: ds.Simulation, act: Callable[[ds.Simulation, int], ds.Simulation]) -> ds.Simulation:
    """Let everything happen, and call `act` after each step; it gives the simulation to go on with."""
    count = 0
    while sim._world.env.peek() != inf:
        sim._world.env.step()
        count += 1
        assert count < 5000, "this never ends"
        sim = act(sim, count)
    return sim


def steps_in_all() -> int:
    """How many steps there are when nothing is restarted."""
    counted = [0]

    def count(sim: ds.Simulation, step: int) -> ds.Simulation:
        counted[0] = step
        return sim

    sim = simulation()
    begin(sim)
    steps(sim, count)
    return counted[0]


def check(sim: ds.Simulation) -> None:
    """Everything ended as it should, and the histories are in order."""
    assert {name: sim.handle(name).result() for name in EXPECTED} == EXPECTED
    for history in sim.histories().values():
        history.check()
        assert [event.id for event in history] == list(range(1, len(history) + 1))


def restarted(store: Store, moments: frozenset[int], downtime: str) -> dict[str, str]:
    """All histories of a simulation whose server restarts at some moments."""

    def act(sim: ds.Simulation, step: int) -> ds.Simulation:
        if step in moments:
            before = sim.histories()
            sim.restart_server(downtime)
            grown(before, sim.histories())
        return sim

    sim = simulation(store=store)
    begin(sim)
    sim = steps(sim, act)
    check(sim)
    return written(sim)


def grown(before: dict[str, ds.History], after: dict[str, ds.History]) -> None:
    """Each history of before is the beginning of the one of the same run afterwards."""
    for run_id, history in before.items():
        assert tuple(after[run_id])[: len(history)] == tuple(history)


@pytest.mark.parametrize("downtime", ["0s", "3s"])
def test_a_restart_of_the_server_at_any_moment_loses_nothing(downtime: str) -> None:
    """Wherever the server restarts once, every workflow ends as it should, the same with both stores."""
    for step in range(1, steps_in_all() + 1, 3):
        one, other = (restarted(make(), frozenset([step]), downtime) for make in MAKERS)
        assert one == other


@pytest.mark.parametrize("every", [7, 12, 25])
def test_many_restarts_of_the_server_lose_nothing(every: int) -> None:
    """With a restart after every n-th step, every workflow ends as it should, the same with both stores."""
    one, other = (restarted(make(), frozenset(range(0, 5000, every)), "0s") for make in MAKERS)
    assert one == other


@pytest.mark.parametrize("make", MAKERS)
def test_another_process_goes_on_at_any_moment(make: Callable[[], Store]) -> None:
    """Wherever a simulation is left for another on its store, that one has all its events, and ends as it should."""
    for step in range(1, steps_in_all() + 1, 3):
        store, left = make(), [step, step + 20, step + 60]

        def act(sim: ds.Simulation, count: int, store: Store = store, left: list[int] = left) -> ds.Simulation:
            if count not in left:
                return sim
            before = sim.histories()
            successor = simulation(store=store)
            grown(before, successor.histories())
            return successor

        sim = simulation(store=store)
        begin(sim)
        check(steps(sim, act))


# --- what else a restart must not change ------------------------------------------------------------------------------
async def counts(ctx: ds.WorkflowContext) -> int:
    """Adds up three numbers."""
    seen: list[int] = []
    ctx.set_signal_handler("add", seen.append)
    ctx.set_query_handler("echo", lambda value: value)
    ctx.set_update_handler("add", lambda value: seen.append(value) or len(seen))
    await ctx.wait_condition(lambda: len(seen) == 3)
    return sum(seen)


def test_clients_go_on_waiting_over_a_restart() -> None:
    """What is asked for while the server is down is done once it is up, and an answer answers its own question."""
    sim = ds.Simulation([counts], rpc_latency="1s", store=SqliteStore(":memory:"))
    handle = sim.start(counts)
    sim.advance("5s")
    answers: list[Any] = []

    def ask(value: str) -> None:
        sim._server.query(handle.workflow_id, "echo", (value,), lambda *answer: answers.append(answer))

    ask("first")
    sim.advance("5s")
    ask("second")
    sim.restart_server("3s")
    sim.advance("2s")
    ask("third")
    handle.signal("add", 1)
    update = handle.start_update("add", 2)
    sim.advance("10s")
    assert update.result() == 2
    assert [answer for answer, _ in answers] == ["first", "second", "third"]
    handle.signal("add", 4)
    assert handle.result() == 7


def test_what_reaches_a_run_that_has_closed_meanwhile_changes_nothing() -> None:
    """A signal and an update that are sent while the server is down, to a run that closes before they get there, leave
    no event; the update is refused."""
    sim = ds.Simulation([counts], rpc_latency="1s")
    handle = sim.start(counts)
    sim.advance("5s")
    for value in (1, 2, 3):
        handle.signal("add", value)
    sim.advance("3500ms")
    sim.restart_server("5s")  # the result is on its way
    sim.advance("2s")
    handle.signal("add", 4)
    update = handle.start_update("add", 5)
    sim.run()
    assert handle.result() == 6
    assert handle.history().types[-1] == "WorkflowExecutionCompleted"
    assert update.done
    with pytest.raises(ds.UpdateFailed, match="rejected"):
        update.result()


def test_a_child_that_started_while_its_parents_task_ran_is_named_by_its_start() -> None:
    """The end of a child names the event of its start, also where that was buffered and is long written down."""

    async def child(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("1m")

    async def parent(ctx: ds.WorkflowContext) -> None:
        ctx.set_signal_handler("hello", lambda: None)
        await ctx.execute_child_workflow(child)

    sim = ds.Simulation([parent, child], rpc_latency="1s", store=SqliteStore(":memory:"))
    handle = sim.start(parent)
    sim.advance("1500ms")
    handle.signal("hello")
    sim.run()
    (started,), (ended,) = (handle.history().of(f"ChildWorkflowExecution{what}") for what in ("Started", "Completed"))
    assert ended.attributes["started_event_id"] == started.id


def test_a_worker_that_died_while_the_server_was_down_gets_no_task() -> None:
    """A worker that came and went while the server was down is not given anything when it is up."""

    async def naps(ctx: ds.WorkflowContext) -> str:
        await ctx.sleep("1m")
        return "rested"

    sim = ds.Simulation([naps], workers=1)
    handle = sim.start(naps)
    sim.crash("w1", restart_after=None)
    sim.restart_server("10s")
    sim.advance("1s")
    sim.start_worker("w1")
    sim.crash("w1", restart_after=None)
    sim.advance("2m")
    assert handle.history().types[-1] == "WorkflowTaskScheduled"
    sim.start_worker("w1")
    assert handle.result() == "rested"


def test_a_wait_before_the_first_task_outlives_a_restart_that_takes_longer() -> None:
    """A run whose first task was due while the server was down has it as soon as the server is up."""

    async def twice(ctx: ds.WorkflowContext) -> str:
        if ctx.info.attempt == 1:
            raise ds.ApplicationError("again")
        return "done"

    sim = ds.Simulation([twice])
    handle = sim.start(twice, retry_policy=ds.RetryPolicy(initial_interval="5s"))
    sim.restart_server("1m")
    assert handle.result() == "done"
    assert sim.now_us == 60_000_000


def test_children_are_ended_even_if_the_server_dies_before_it_comes_to_that() -> None:
    """A run has closed and is saved; who takes up the store then still ends its children."""

    async def child(ctx: ds.WorkflowContext) -> None:
        await ctx.sleep("1 day")

    async def parent(ctx: ds.WorkflowContext) -> None:
        await ctx.start_child_workflow(child, id="child")

    class Killed(Exception):
        """Stands for the end of the process."""

    class Dies(MemoryStore):
        """Dies once the parent has closed, right after that is saved."""

        def save(self, runs: Any, now_us: int) -> None:
            runs = list(runs)
            super().save(runs, now_us)
            if any(run.run_id == "parent" and not run.open for run in runs):
                raise Killed

    store = Dies()
    sim = ds.Simulation([parent, child], store=store)
    with pytest.raises(Killed):
        sim.start(parent, id="parent")
    alive = MemoryStore()
    alive.save(*store.load())
    successor = ds.Simulation([parent, child], store=alive)
    successor.run()
    assert successor.handle("child").status == "TERMINATED"


def test_a_reset_is_refused_while_the_server_is_down() -> None:
    """A reset says which run it makes, which no server that is down can."""
    sim = simulation()
    begin(sim)
    sim.restart_server("5s")
    with pytest.raises(ds.UserError, match="the server is down"):
        sim.handle("stubborn").reset(4)


# --- files ----------------------------------------------------------------------------------------------------------
def one_run(path: Path) -> None:
    """A store with one workflow in it."""
    with SqliteStore(path) as store:
        simulation(store=store).start(order, 1, id="order-1")


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    """A workflow that was begun in one simulation ends in another one, at its simulated time."""
    with SqliteStore(tmp_path / "runs") as store:
        first = simulation(store=store)
        begin(first)
        first.advance("1m")
    with SqliteStore(tmp_path / "runs") as store:
        second = simulation(store=store)
        assert 0 < second.now_us <= first.now_us
        grown(first.histories(), second.histories())
        check(second)


def refused(path: Path, *told: str) -> None:
    """The file is refused in one line that says all this."""
    with pytest.raises(ds.UserError) as refusal:
        SqliteStore(path).load()
    message = str(refusal.value)
    assert "\n" not in message
    for part in (str(path), "expected", *told):
        assert part in message


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    """Text, another database, a folder and a path that leads nowhere are refused, and left as they are."""
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("no database, but long enough to be taken for one" * 20)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE customers (name)")
    before = other.read_bytes()
    refused(text, "not a database")
    refused(other, "customers", "a store of runs")
    refused(tmp_path, "unable to open")
    refused(tmp_path / "no" / "where", "unable to open")
    assert other.read_bytes() == before


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A file of another version of the format is refused with both versions."""
    one_run(tmp_path / "runs")
    with sqlite3.connect(tmp_path / "runs") as db:
        db.execute("UPDATE meta SET version = 99")
    refused(tmp_path / "runs", "version 99", f"expected {VERSION}")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM events WHERE id = 2", "events of run 'order-1'"),
        ("DELETE FROM runs", "is no run"),
        ("DELETE FROM meta", "no row in meta"),
        ("UPDATE runs SET state = '{'", "Expecting"),
        ("UPDATE runs SET state = replace(state, 'task_attempt', 'attempts')", "attempts"),
        ("UPDATE events SET attributes = '[]'", "an object"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str, told: str) -> None:
    """Rows that are missing or cannot be read are refused."""
    one_run(tmp_path / "runs")
    with sqlite3.connect(tmp_path / "runs") as db:
        db.execute(damage)
    refused(tmp_path / "runs", told)


def test_a_file_with_scrambled_pages_is_refused(tmp_path: Path) -> None:
    """A file that SQLite finds malformed is refused."""
    one_run(tmp_path / "runs")
    whole = bytearray((tmp_path / "runs").read_bytes())
    whole[4096:] = b"\xff" * (len(whole) - 4096)
    (tmp_path / "runs").write_bytes(whole)
    refused(tmp_path / "runs")


def test_two_simulations_cannot_write_to_one_file_in_turns(tmp_path: Path) -> None:
    """Once another one has saved to the file, a simulation that does not know of it is refused, and changes nothing."""
    with SqliteStore(tmp_path / "runs") as one, SqliteStore(tmp_path / "runs") as other:
        late, early = simulation(store=one), simulation(store=other)
        early.start(order, 1, id="order-1")
        with pytest.raises(ds.UserError, match="one simulation to a file"):
            late.start(order, 2, id="order-2")
        assert [run.run_id for run in other.load().runs] == ["order-1", "order-1-helper-1"]


def test_a_value_that_is_no_json_is_refused() -> None:
    """What no file could keep is refused with the run that it belongs to; nothing of that save is kept."""
    store = SqliteStore(":memory:")
    sim = simulation(store=store)
    with pytest.raises(ds.UserError, match="run odd: a value"):
        sim.start(order, 1, id="odd", memo={"when": {1, 2}})
    assert store.load().runs == ()


def test_a_closed_store_is_refused() -> None:
    """After `close`, saving and loading say so."""
    store = SqliteStore(":memory:")
    store.close()
    for action in (lambda: store.save([], 0), store.load):
        with pytest.raises(ds.UserError, match="closed"):
            action()
