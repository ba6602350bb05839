"""Workflows with branches as data, and the order in which their branches wake.

A plan is a tuple of operations, done one after the other; `perform` does them in the function style, and
sdk_branches.py has its twin for the real SDK. What a plan shows is the order in which it schedules activities after
several things have ended before one and the same workflow task: `ORDERS` has the orders that the real Replayer takes.

    ("do", name)                  an activity: a, b, c, d take 1, 2, 3, 4 seconds, the others none
    ("sleep", seconds)            a timer
    ("child", id, seconds)        another workflow
    ("all", plans)                several branches, waited for together
    ("together", operations)      the same, of what is waited for as such
    ("first" | "race", plans)     the first of several; then the activity "won-0", "won-1" ...
    ("within", seconds, plan, late)  a limit, and what is done when it is run into
    ("wait", flag, seconds, late) ("set", flag)  a condition with a limit, and what makes it true
    ("shield", plan) ("spawn", plan) ("cancel", number) ("join", number)  tasks, by the order of their making
    ("finally", plan, plan)       a block that cleans up
    ("caught", plan, failed, cancelled)  a block that is left with an ActivityError, or a CancelledError
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import durable_sim as ds

Operation = tuple[Any, ...]
Plan = tuple[Operation, ...]
SECONDS = {"a": 1, "b": 2, "c": 3, "d": 4}
QUICK = ("ahead", "behind", "late", "undo", "tidy-a", "tidy-b", "joined", "won-0", "won-1", "won-2", "told")


def _activity(name: str) -> Callable[..., Any]:
    @ds.activity(name=name)
    async def takes_its_time(ctx: ds.ActivityContext) -> None:
        await ctx.sleep(f"{SECONDS.get(name, 0)}s")

    return takes_its_time


ACTIVITIES = tuple(map(_activity, (*SECONDS, *QUICK)))


@ds.workflow(name="Nap")
async def nap(ctx: ds.WorkflowContext, seconds: float) -> None:
    """A child."""
    await ctx.sleep(f"{seconds}s")


# --- a plan in the function style -----------------------------------------------------------------------------------
class _Branches:
    """One run of a plan."""

    def __init__(self, ctx: ds.WorkflowContext) -> None:
        self._ctx = ctx
        self._flags: dict[str, bool] = {}
        self._tasks: list[Any] = []

    def awaitable(self, operation: Operation) -> Any:
        """What an operation gives to await, as the context gives it."""
        match operation:
            case ("do", name):
                return self._ctx.execute_activity(name, start_to_close_timeout="100s")
            case ("sleep", seconds):
                return self._ctx.sleep(f"{seconds}s")
            case ("child", id, seconds):
                return self._ctx.execute_child_workflow("Nap", seconds, id=id)
        raise AssertionError(operation)

    async def perform(self, plan: Plan) -> None:
        """Do it."""
        for operation in plan:
            await self._do(operation)

    async def _do(self, operation: Operation) -> None:
        ctx = self._ctx
        match operation:
            case ("all", plans):
                await ctx.gather(*map(self.perform, plans))
            case ("together", operations):
                await ctx.gather(*map(self.awaitable, operations))
            case ("first" | "race" as kind, plans):
                wait = ctx.race if kind == "race" else ctx.first_of
                place, _ = await wait(*map(self.perform, plans))
                await self.awaitable(("do", f"won-{place}"))
            case ("within", seconds, plan, late):
                try:
                    async with ctx.timeout(f"{seconds}s"):
                        await self.perform(plan)
                except TimeoutError:
                    await self.perform(late)
            case ("wait", flag, seconds, late):
                try:
                    await ctx.wait_condition(lambda: flag in self._flags, timeout=f"{seconds}s")
                except TimeoutError:
                    await self.perform(late)
            case ("set", flag):
                self._flags[flag] = True
            case ("shield", plan):
                await ctx.shield(self.perform(plan))
            case ("spawn", plan):
                self._tasks.append(ctx.spawn(self.perform(plan)))
            case ("cancel", number) if number < len(self._tasks):
                self._tasks[number].cancel()
            case ("join", number) if number < len(self._tasks):
                try:
                    await self._tasks[number]
                except (ds.CancelledError, ds.ActivityError):
                    await self.awaitable(("do", "joined"))
            case ("finally", plan, clean_up):
                try:
                    await self.perform(plan)
                finally:
                    await self.perform(clean_up)
            case ("caught", plan, failed, cancelled):
                try:
                    await self.perform(plan)
                except ds.ActivityError:
                    await self.perform(failed)
                except ds.CancelledError:
                    await self.perform(cancelled)
            case ("cancel" | "join", _):
                pass  # no such task yet
            case _:
                await self.awaitable(operation)


def workflow_of(plan: Plan) -> Callable[..., Any]:
    """The workflow that does a plan, and that handles the signal "tell" by an activity."""

    @ds.workflow(name="Branches")
    async def branches(ctx: ds.WorkflowContext) -> None:
        async def tell() -> None:
            await ctx.execute_activity("told", start_to_close_timeout="100s")

        ctx.set_signal_handler("tell", tell)
        await _Branches(ctx).perform(plan)

    return branches


# --- what happens to it meanwhile -----------------------------------------------------------------------------------
Drive = Callable[[ds.Simulation, ds.WorkflowHandle], None]


def crash(sim: ds.Simulation, handle: ds.WorkflowHandle) -> None:
    """Half a second later the worker dies that has the run in its cache, for good.

    What ends in the ten seconds for which the server holds on to it comes with one workflow task.
    """
    sim.advance("0.5s")
    tasks = [event for event in handle.history() if event.type == "WorkflowTaskCompleted"]
    sim.crash(tasks[-1].attributes["identity"].split("@")[0], restart_after=None)


def calm(sim: ds.Simulation, handle: ds.WorkflowHandle) -> None:
    """Nothing."""


def cancel_at(when: str, *, crashed: bool = False) -> Drive:
    """Somebody cancels it."""

    def drive(sim: ds.Simulation, handle: ds.WorkflowHandle) -> None:
        if crashed:
            crash(sim, handle)
        sim.advance(when)
        handle.cancel()

    return drive


def tell_after_a_crash(sim: ds.Simulation, handle: ds.WorkflowHandle) -> None:
    """A signal, in the same task as all that has ended."""
    crash(sim, handle)
    sim.advance("5s")
    handle.signal("tell")


def tell_before_the_first_task(sim: ds.Simulation, handle: ds.WorkflowHandle) -> None:
    """A signal that comes with the start."""
    handle.signal("tell")


def cancel_before_the_first_task(sim: ds.Simulation, handle: ds.WorkflowHandle) -> None:
    """A cancellation that comes with the start."""
    handle.cancel()


def played(plan: Plan, drive: Drive) -> ds.WorkflowHandle:
    """A run of a plan, to its end; what happens at its very start happens before there is a worker."""
    workflows = [workflow_of(plan), nap]
    sim = ds.Simulation(workflows, activities=ACTIVITIES, workers=3, guard=False)
    early = drive in (tell_before_the_first_task, cancel_before_the_first_task)
    for worker in ("w1", "w2", "w3") if early else ():
        sim.crash(worker, restart_after="1s")
    handle = sim.start("Branches", id="w")
    drive(sim, handle)
    sim.run("1d")
    return handle


# --- the orders -----------------------------------------------------------------------------------------------------
AHEAD, BEHIND, LATE = ("do", "ahead"), ("do", "behind"), ("do", "late")


def side_by_side(one: Plan, other: Plan) -> Plan:
    """Two branches, each of which then schedules an activity: "ahead" that of the first, "behind" that of the other."""
    return (("all", ((*one, AHEAD), (*other, BEHIND))),)


class Order(NamedTuple):
    """A plan, what happens to it, and the activities in the order in which they are scheduled."""

    plan: Plan
    drive: Drive
    scheduled: tuple[str, ...]


C, D, SLEEP_3, SLEEP_4 = ("do", "c"), ("do", "d"), ("sleep", 3), ("sleep", 4)
CLEAN_UP: Plan = (
    ("all", ((("finally", (D,), (("do", "tidy-a"),)),), (("finally", (("sleep", 60),), (("do", "tidy-b"),)),))),
)
UNDO: Plan = (("caught", (C,), (("do", "undo"),), ()),)
TASK_AND_SLEEP: Plan = (("spawn", (("finally", (D,), (("do", "tidy-a"),)),)), ("sleep", 2), ("cancel", 0))
IN_TIME: Plan = (("spawn", (C, ("set", "done"))), ("wait", "done", 4, (LATE,)), BEHIND)
NEVER: Operation = ("wait", "never", 3, ())
IN_VAIN = ("behind", "ahead")

ORDERS: Mapping[str, Order] = {
    "an activity and a timer": Order(side_by_side((C,), (SLEEP_4,)), crash, ("c", "behind", "ahead")),
    "a timer and an activity": Order(side_by_side((SLEEP_3,), (D,)), crash, ("d", "ahead", "behind")),
    "two timers": Order(side_by_side((SLEEP_4,), (SLEEP_3,)), crash, ("behind", "ahead")),
    "two activities": Order(side_by_side((D,), (C,)), crash, ("d", "c", "behind", "ahead")),
    "timers together, and one": Order(
        side_by_side((("together", (SLEEP_3, ("sleep", 2))),), (SLEEP_4,)), crash, ("behind", "ahead")
    ),
    "activities together, and one": Order(
        side_by_side((("together", (C, C)),), (D,)), crash, ("d", "c", "c", "behind", "ahead")
    ),
    "branches together, and a timer": Order(
        side_by_side((("all", ((SLEEP_3,), (C,))),), (SLEEP_4,)), crash, ("c", "behind", "ahead")
    ),
    "a shielded timer, and one": Order(side_by_side((("shield", (SLEEP_3,)),), (SLEEP_4,)), crash, ("behind", "ahead")),
    "a limit, and a timer": Order(
        side_by_side((("within", 3, (("sleep", 60),), ()),), (SLEEP_4,)), crash, ("ahead", "behind")
    ),
    "a condition in vain, and a timer": Order(side_by_side((NEVER,), (SLEEP_4,)), crash, IN_VAIN),
    "a condition in vain, and an activity": Order(side_by_side((NEVER,), (D,)), crash, ("d", *IN_VAIN)),
    "a condition in time, as its limit ends": Order(IN_TIME, crash, ("c", "late", "behind")),
    "a child and a timer": Order(side_by_side((("child", "k", 3),), (SLEEP_4,)), crash, ("behind", "ahead")),
    "an activity and a child": Order(side_by_side((C,), (("child", "k", 3),)), crash, ("c", "ahead", "behind")),
    "the first, of two that have ended": Order((("first", ((SLEEP_4,), (C,))),), crash, ("c", "won-0")),
    "a race, of two that have ended": Order((("race", ((SLEEP_4,), (C,))),), crash, ("c", "won-0")),
    "a race that calls a timer off": Order((("race", ((SLEEP_4,), (C,))), BEHIND), calm, ("c", "won-1", "behind")),
    "activities started in a branch": Order(
        side_by_side((("together", (C, C)),), (D, SLEEP_3)), calm, ("d", "c", "c", "ahead", "behind")
    ),
    "timers started in a branch": Order(
        side_by_side((("together", (SLEEP_3, SLEEP_3)),), (D,)), calm, ("d", "ahead", "behind")
    ),
    "clean-ups after a cancellation": Order(CLEAN_UP, cancel_at("2s"), ("d", "tidy-b", "tidy-a")),
    "clean-ups after a cancellation, in one task": Order(
        CLEAN_UP, cancel_at("6s", crashed=True), ("d", "tidy-b", "tidy-a")
    ),
    "an activity cancelled while it runs": Order(UNDO, cancel_at("1s"), ("c", "undo")),
    "an activity cancelled as it ends": Order(UNDO, cancel_at("1s", crashed=True), ("c",)),
    "the end, and a branch that is ready": Order((("spawn", (C, BEHIND)), SLEEP_4), crash, ("c", "behind")),
    "the end, and a clean-up": Order(TASK_AND_SLEEP, calm, ("d",)),
    "a task that cancels itself": Order(
        (("spawn", (SLEEP_3, ("cancel", 0), C, AHEAD)), ("join", 0)), calm, ("joined",)
    ),
    "a signal that comes with the start": Order(
        side_by_side((C,), (D,)), tell_before_the_first_task, ("told", "c", "d", "ahead", "behind")
    ),
    "a cancellation that comes with the start": Order(CLEAN_UP, cancel_before_the_first_task, ()),
    "a signal comes before all else": Order(
        side_by_side((C,), (SLEEP_4,)), tell_after_a_crash, ("c", "told", "behind", "ahead")
    ),
}


# --- any plan -------------------------------------------------------------------------------------------------------
KINDS = ("do", "sleep", "all", "together", "first", "race", "within", "wait", "set", "shield")
KINDS_OF_TASKS = ("spawn", "cancel", "join", "finally", "caught", "child")


class AnyPlan:
    """Plans and what happens to them, by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._children = 0

    def plan(self, depth: int = 2, longest: int = 4) -> Plan:
        """Some operations."""
        return tuple(self._operation(depth) for _ in range(self._random.randint(1, longest)))

    def _plans(self, depth: int) -> tuple[Plan, ...]:
        return tuple(self.plan(depth, 2) for _ in range(self._random.randint(2, 3)))

    def _operation(self, depth: int) -> Operation:
        choose, seconds = self._random.choice, self._random.randint(1, 4)
        kind = choose((*KINDS, *KINDS_OF_TASKS)) if depth else choose(("do", "sleep"))
        match kind:
            case "do":
                return "do", choose(tuple(SECONDS))
            case "sleep":
                return "sleep", seconds
            case "child":
                self._children += 1
                return "child", f"k{self._children}", seconds
            case "all" | "first" | "race":
                return kind, self._plans(depth - 1)
            case "together":
                return "together", tuple(self._operation(0) for _ in range(self._random.randint(2, 3)))
            case "within":
                return "within", seconds, self.plan(depth - 1, 2), (LATE,)
            case "wait":
                return "wait", choose("xy"), seconds, (LATE,)
            case "set":
                return "set", choose("xy")
            case "cancel" | "join":
                return kind, seconds - 1
            case "shield" | "spawn":
                return kind, self.plan(depth - 1, 2)
            case "finally":
                return "finally", self.plan(depth - 1, 2), (BEHIND,)
        return "caught", self.plan(depth - 1, 2), (AHEAD,), (BEHIND,)

    def drive(self, sim: ds.Simulation, handle: ds.WorkflowHandle) -> None:
        """Crashes, signals and a cancellation now and then."""
        for _ in range(self._random.randint(0, 3)):
            sim.advance(self._random.choice(("0.5s", "1s", "1.5s", "2s", "3s")))
            if handle.status != "RUNNING":
                return
            match self._random.choice(("crash", "crash", "crash", "signal", "cancel")):
                case "crash":
                    crash(sim, handle)
                case "signal":
                    handle.signal("tell")
                case _:
                    handle.cancel()
