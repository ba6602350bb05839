"""Run as a script: a process on a SQLite store is killed (SIGKILL) again and again, and another goes on where it was.

`killed_worker.py FOLDER SEED KILLS` forks each process from itself, kills half of them from outside after a random
time and lets the others kill themselves at a random SQL statement, looks into the store after each death, and prints a
report as JSON. A process does what an order service would: it starts orders, approves them, and lets time pass.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterable
from hashlib import blake2b
from math import inf
from pathlib import Path
from typing import Any

import durable_sim as ds
from durable_sim.models.replay.events import Event
from durable_sim.models.replay.server.run_json import attributes_to_json
from durable_sim.models.replay.server.sqlite_store import SqliteStore
from durable_sim.models.replay.server.state import Run
from durable_sim.models.replay.server.store import Stored

ORDERS = 20
PACE_S = 0.0005
LONGEST_S = 0.1
STATEMENTS_MAX = 300
OPTIONS: dict[str, Any] = {"start_to_close_timeout": "30s", "retry_policy": ds.RetryPolicy(maximum_interval="5s")}
Seen = dict[str, dict[int, str]]


def append(path: Path, line: str) -> None:
    """Add a line to a file that outlives this process."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode() + b"\n")
    os.close(file)


def lines(path: Path) -> list[str]:
    """The whole lines of such a file."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def digest(event: Event) -> str:
    """An event in a word."""
    text = json.dumps([event.time_us, event.type, attributes_to_json(event.attributes)])
    return blake2b(text.encode(), digest_size=8).hexdigest()


class WatchedStore(SqliteStore):
    """Writes the events that it has saved to a file as well, once they are saved."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "runs.db")
        self._seen = folder / "seen"

    def save(self, runs: Iterable[Run], now_us: int) -> None:
        """Save, and then tell."""
        runs = list(runs)
        new = [(run.run_id, event.id, digest(event)) for run in runs for event in run.history[run.saved_events :]]
        super().save(runs, now_us)
        if new:
            append(self._seen, "\n".join(" ".join(map(str, one)) for one in new))

    def die_at(self, count: int, told: Path) -> None:
        """Kill this process at the statement of that number from here on."""
        left = [count]

        def statement(text: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                append(told, text.split()[0])
                os.kill(os.getpid(), signal.SIGKILL)

        self._db.set_trace_callback(statement)


# --- what is killed -------------------------------------------------------------------------------------------------
def workflows(folder: Path) -> list[Any]:
    """Orders and their parcels; every effect is a line in a file, under its idempotency key."""

    def effect(ctx: ds.ActivityContext, name: str) -> None:
        append(folder / "effects", f"{ctx.idempotency_key} {name}")

    @ds.activity
    async def charge(ctx: ds.ActivityContext, number: int) -> int:
        await ctx.sleep("1s")
        if ctx.attempt % 3 != 0:
            raise ds.ApplicationError("busy")
        effect(ctx, "charge")
        return number

    @ds.activity
    async def label(ctx: ds.ActivityContext, number: int) -> str:
        if number % 3 == 0:
            raise ds.ApplicationError("no such address", non_retryable=True)
        effect(ctx, "label")
        await ctx.sleep("2s")
        return f"label {number}"

    @ds.activity
    async def refund(ctx: ds.ActivityContext, number: int) -> None:
        effect(ctx, "refund")

    @ds.activity
    async def mail(ctx: ds.ActivityContext, text: str) -> None:
        await ctx.sleep("500ms")
        effect(ctx, "mail")

    async def parcel(ctx: ds.WorkflowContext, number: int) -> str:
        await ctx.sleep("1h")
        return await ctx.execute_activity(label, number, **OPTIONS)

    async def order(ctx: ds.WorkflowContext, number: int) -> str:
        approvals: list[Any] = []
        ctx.set_signal_handler("approve", approvals.append)
        charged = await ctx.execute_activity(charge, number, **OPTIONS)
        await ctx.wait_condition(lambda: bool(approvals))
        await ctx.sleep("1 day")
        try:
            sent = await ctx.execute_child_workflow(parcel, charged, id=f"{ctx.workflow_id}-parcel")
        except ds.ChildWorkflowError:
            await ctx.execute_activity(refund, charged, **OPTIONS)
            sent = "refunded"
        await ctx.execute_activity(mail, sent, **OPTIONS)
        return f"{sent} for {approvals}"

    return [order, parcel]


EXPECTED = {f"order-{n}": f"{'refunded' if n % 3 == 0 else f'label {n}'} for [{n}]" for n in range(ORDERS)}


def expected_effects() -> list[str]:
    """What the orders owe: by run and name."""
    owed = []
    for n in range(ORDERS):
        owed += [f"order-{n} charge", f"order-{n} mail"]
        owed.append(f"order-{n} refund" if n % 3 == 0 else f"order-{n}-parcel label")
    return sorted(owed)


def live(folder: Path, die_at: int | None) -> None:
    """A process: go on with the store until every order is done, slowly enough to be killed in the middle."""
    store = WatchedStore(folder)
    if die_at is not None:
        store.die_at(die_at, folder / "died_at")
    code = workflows(folder)
    sim = ds.Simulation(code, store=store)
    known = sim.histories()
    for number in range(ORDERS):
        if f"order-{number}" not in known:
            sim.start(code[0], number, id=f"order-{number}")
    count = 0
    while any(sim.handle(name).status == "RUNNING" for name in EXPECTED):
        time.sleep(PACE_S)
        if sim._world.env.peek() < inf:  # else all wait to be approved
            sim._world.env.step()
        count += 1
        if count % 5 == 0:
            approve(sim, count // 5 % ORDERS)


def approve(sim: ds.Simulation, number: int) -> None:
    """Approve an order, unless that was done before."""
    handle = sim.handle(f"order-{number}")
    if handle.status == "RUNNING" and not handle.history().of("WorkflowExecutionSignaled"):
        handle.signal("approve", number)


# --- killing --------------------------------------------------------------------------------------------------------
def one_life(folder: Path, draw: random.Random, kill: bool) -> bool:
    """Let a process live until it is killed, or is done; True if it was killed."""
    from_outside, delay_s = draw.random() < 0.5, draw.uniform(0, LONGEST_S)
    die_at = draw.randint(1, STATEMENTS_MAX) if kill and not from_outside else None
    process = os.fork()
    if process == 0:
        try:
            live(folder, die_at)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    if kill and from_outside:
        time.sleep(delay_s)
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "a process failed by itself"
    return False


def look(folder: Path, before: Seen) -> tuple[Seen, Stored]:
    """What the store holds; nothing of what was there before, or was told to be saved, may be lost or changed."""
    with SqliteStore(folder / "runs.db") as store:
        stored = store.load()
    now = {run.run_id: {event.id: digest(event) for event in run.history} for run in stored.runs}
    told = [line.split() for line in lines(folder / "seen")]
    assert len({(run_id, number) for run_id, number, _ in told}) == len(told), "an event was saved twice"
    for run_id, number, word in told:
        assert now[run_id][int(number)] == word, f"event {number} of {run_id} was saved, and is lost"
    for run_id, events in before.items():
        assert events.items() <= now[run_id].items(), f"events of {run_id} are lost"
    for run in stored.runs:
        ds.History(run.history).check()
    return now, stored


def kill_and_go_on(folder: Path, seed: int, kills: int) -> dict[str, Any]:
    """Kill until a store's orders are all done, then take the next store; gives what was seen."""
    draw, killed, unfinished, stores = random.Random(seed), 0, 0, 0
    died_at: list[str] = []
    while killed < kills:
        stores += 1
        home = folder / f"store-{stores}"
        home.mkdir()
        seen: Seen = {}
        while True:
            dead = one_life(home, draw, kill=killed < kills)
            killed += dead
            seen, stored = look(home, seen)
            unfinished += dead and (len(stored.runs) < 2 * ORDERS or any(run.open for run in stored.runs))
            if not dead:
                break
        check_the_end(home, stored)
        died_at += lines(home / "died_at")
    return {"kills": killed, "unfinished": unfinished, "stores": stores, "died_at": died_at}


def check_the_end(folder: Path, stored: Stored) -> None:
    """Every order has ended as it should, and every effect is there, under one key each."""
    assert {run.run_id: run.result for run in stored.runs if run.run_id in EXPECTED} == EXPECTED
    assert not any(run.open for run in stored.runs)
    keys = set(lines(folder / "effects"))
    assert sorted(f"{key.rpartition('/')[0]} {key.split()[-1]}" for key in keys) == expected_effects()


if __name__ == "__main__":
    print(json.dumps(kill_and_go_on(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
