"""What the state machine runs, and what must hold of it: a service with keys, workflows, and checks of histories.

The workflows are small and between them use everything that the engine offers; those of `V2` do the same and one step
more, behind `ctx.patched`. The checks take histories as the simulation gives them, and nothing of its insides.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import durable_sim as ds
from durable_sim.models.replay.events import CLOSING_EVENTS, Event
from durable_sim.models.replay.lives import LIVES
from durable_sim.workflows.failures import is_cancellation
from durable_sim.world.services.base import Service

PATIENT = ds.RetryPolicy(initial_interval="1s", maximum_interval="8s")
THREE = ds.RetryPolicy(initial_interval="1s", maximum_attempts=3)
AGAIN = ds.RetryPolicy(initial_interval="2s", maximum_attempts=4)
LOCAL = ds.RetryPolicy(initial_interval="5s", maximum_interval="5s")
TRY: dict[str, Any] = {"start_to_close_timeout": "20s", "retry_policy": PATIENT}
CANCELLATIONS = ("TRY_CANCEL", "WAIT_CANCELLATION_COMPLETED", "ABANDON")
STATUS_OF = {
    "WorkflowExecutionCompleted": "COMPLETED",
    "WorkflowExecutionFailed": "FAILED",
    "WorkflowExecutionTimedOut": "TIMED_OUT",
    "WorkflowExecutionCanceled": "CANCELED",
    "WorkflowExecutionTerminated": "TERMINATED",
    "WorkflowExecutionContinuedAsNew": "CONTINUED_AS_NEW",
}
Histories = Mapping[str, ds.History]


# --- the world ------------------------------------------------------------------------------------------------------
class Books(Service):
    """Keeps entries by subject. One idempotency key makes one entry at most; an erased subject stays erased."""

    effects: ClassVar[tuple[ds.EffectKind, ...]] = (
        ds.EffectKind("write", "exactly_once", "entries"),
        ds.EffectKind("erase", "exactly_once", "entries", undoes="write"),
    )
    processing_share: ClassVar[float] = 0.5

    def __init__(self, name: str, database: Any = None) -> None:
        super().__init__(name, database)
        self._keys: dict[str, str] = {}
        self._standing: dict[str, list[Any]] = {}
        self._erased: set[str] = set()

    @ds.operation
    def write(self, request: Any, subject: str, *, idempotency_key: str) -> str:
        """Write an entry, unless that was done under this key before, or the subject was erased."""
        before = self._keys.get(idempotency_key)
        assert before in (None, subject), f"key {idempotency_key} was used for {before} and for {subject}"
        self._keys[idempotency_key] = subject
        if before is None and subject not in self._erased:
            self._standing.setdefault(subject, []).append(request.apply("write", subject, reference=idempotency_key))
        return subject

    @ds.operation
    def erase(self, request: Any, subject: str) -> str:
        """Take back what was written on a subject, and refuse what arrives for it later."""
        self._erased.add(subject)
        for effect in self._standing.pop(subject, ()):
            request.undo(effect, "erase")
        return subject


def books(faults: ds.Mixture) -> dict[str, ds.ServiceSpec]:
    """The world: books that are so flaky."""
    return {"books": ds.ServiceSpec(Books, latency=ds.LogNormal("200ms", "2s"), client_timeout="5s", faults=faults)}


# --- activities -----------------------------------------------------------------------------------------------------
async def write(ctx: ds.ActivityContext, subject: str) -> str:
    """Write an entry, under the key of this step."""
    return await ctx.service("books").write(subject, idempotency_key=ctx.idempotency_key)


async def erase(ctx: ds.ActivityContext, subject: str) -> str:
    """Take an entry back."""
    return await ctx.service("books").erase(subject)


async def refuse(ctx: ds.ActivityContext) -> None:
    """Fail for good."""
    raise ds.ApplicationError("no", type="No", non_retryable=True)


async def fails(ctx: ds.ActivityContext) -> None:
    """Fail, again and again."""
    raise ds.ApplicationError(f"failure {ctx.attempt}", type="Flaky")


async def second_time(ctx: ds.ActivityContext, subject: str) -> str:
    """Fail once."""
    if ctx.attempt == 1:
        raise ds.ApplicationError("not yet", type="NotYet")
    return await write(ctx, subject)


async def beat(ctx: ds.ActivityContext, steps: int) -> int:
    """Tell every second how far it is, and go on from there after a crash."""
    for step in range(ctx.heartbeat_details[0] if ctx.heartbeat_details else 0, steps):
        ctx.heartbeat(step)
        await ctx.sleep("1s")
    return steps


ACTIVITIES = (write, erase, refuse, fails, second_time, beat)


# --- workflows ------------------------------------------------------------------------------------------------------
async def _sequence(ctx: ds.WorkflowContext, tag: str, n: int) -> int:
    try:
        for place in range(n):
            await ctx.execute_activity(write, f"{tag}#{place}", **TRY)
            if place == 0:
                await ctx.sleep("30s")
    except (CancelledError, ds.ActivityError) as error:
        assert is_cancellation(error)
        await ctx.execute_activity(write, f"{tag}#cleanup", **TRY)
        raise
    return n


@ds.workflow(name="sequence")
async def sequence(ctx: ds.WorkflowContext, tag: str, n: int) -> int:
    """Keyed entries one after the other, and a timer; cleans up when cancelled."""
    return await _sequence(ctx, tag, n)


@ds.workflow(name="sequence")
async def sequence_2(ctx: ds.WorkflowContext, tag: str, n: int) -> int:
    """The same with another entry first."""
    if ctx.patched("audit"):
        await ctx.execute_activity(write, f"{tag}#audit", **TRY)
    return await _sequence(ctx, tag, n)


class _Collected:
    """What a workflow has been told."""

    def __init__(self, ctx: ds.WorkflowContext, tag: str, adds: list[Any]) -> None:
        self.ctx = ctx
        self.tag = tag
        self.adds = adds
        self.puts: list[int] = []
        self.finished = False
        ctx.set_signal_handler("add", self.adds.append)
        ctx.set_signal_handler("finish", self._finish)
        ctx.set_query_handler("adds", lambda: list(self.adds))

    def _finish(self) -> None:
        self.finished = True

    def result(self) -> dict[str, Any]:
        """All of it."""
        return {"adds": self.adds, "puts": sorted(self.puts)}

    @staticmethod
    def check(value: int) -> None:
        """Refuse what is negative."""
        if value < 0:
            raise ValueError("negative")

    async def put(self, value: int) -> int:
        """Take a value by an update that acts."""
        await self.ctx.execute_activity(write, f"{self.tag}#put{value}", **TRY)
        self.puts.append(value)
        return value


async def _collect(ctx: ds.WorkflowContext, tag: str) -> _Collected:
    told = _Collected(ctx, tag, [])
    ctx.set_update_handler("put", told.put, told.check)
    await ctx.wait_condition(lambda: told.finished and ctx.all_handlers_finished())
    return told


@ds.workflow(name="collector")
async def collector(ctx: ds.WorkflowContext, tag: str) -> dict[str, Any]:
    """Signals, updates with a validator, and a query."""
    return (await _collect(ctx, tag)).result()


@ds.workflow(name="collector")
async def collector_2(ctx: ds.WorkflowContext, tag: str) -> dict[str, Any]:
    """The same with an entry at the end."""
    told = await _collect(ctx, tag)
    if ctx.patched("farewell"):
        await ctx.execute_activity(write, f"{tag}#farewell", **TRY)
        await ctx.wait_condition(ctx.all_handlers_finished)
    return told.result()


async def _count(ctx: ds.WorkflowContext, told: _Collected, carried: list[Any], runs: int) -> dict[str, Any]:
    enough = len(carried) + 2
    try:
        await ctx.wait_condition(
            lambda: told.finished or (runs > 0 and len(told.adds) >= enough), timeout="45s" if runs else None
        )
    except TimeoutError:
        pass
    if told.finished:
        return {"adds": told.adds}
    ctx.continue_as_new(told.tag, told.adds, runs - 1)


@ds.workflow(name="counter")
async def counter(ctx: ds.WorkflowContext, tag: str, carried: list[Any], runs: int) -> dict[str, Any]:
    """Continues as new after two signals or 45 s, several times."""
    return await _count(ctx, _Collected(ctx, tag, list(carried)), carried, runs)


@ds.workflow(name="counter")
async def counter_2(ctx: ds.WorkflowContext, tag: str, carried: list[Any], runs: int) -> dict[str, Any]:
    """The same with a short wait first."""
    told = _Collected(ctx, tag, list(carried))
    if ctx.patched("wait first"):
        await ctx.sleep("1s")
    return await _count(ctx, told, carried, runs)


@ds.workflow(name="leaf")
async def leaf(ctx: ds.WorkflowContext, tag: str) -> str:
    """A child: waits to be nudged, and writes."""
    nudges: list[int] = []
    ctx.set_signal_handler("nudge", lambda: nudges.append(1))
    try:
        await ctx.wait_condition(lambda: bool(nudges), timeout="40s")
    except TimeoutError:
        pass
    return await ctx.execute_activity(write, f"{tag}#leaf", **TRY)


@ds.workflow(name="parent")
async def parent(ctx: ds.WorkflowContext, tag: str, policies: list[Any]) -> list[str]:
    """Children, the first of which is nudged; gives how each ended."""
    ended = []
    children = [
        ctx.start_child_workflow(leaf, f"{tag}-c{place}", id=f"{tag}-c{place}", parent_close_policy=policy)
        for place, policy in enumerate(policies)
    ]
    for place, starting in enumerate(children):
        try:
            child = await starting
            if place == 0:
                await child.signal("nudge")
            ended.append(await child.result)
        except (ds.ChildWorkflowError, ds.ApplicationError) as error:
            ended.append(type(error.__cause__ or error).__name__)
    return ended


@ds.workflow(name="mix")
async def mix(ctx: ds.WorkflowContext, tag: str, cancellation: Any) -> list[int]:
    """Activities and timers side by side, and races between them."""
    writes = [ctx.execute_activity(write, f"{tag}#{name}", **TRY) for name in "ab"]
    await ctx.gather(*writes, ctx.sleep("2s"))
    places = []
    for steps, limit in ((6, "4s"), (2, "10s")):
        beating = ctx.execute_activity(
            beat, steps, heartbeat_timeout="3s", cancellation_type=cancellation, **TRY | {"retry_policy": PATIENT}
        )
        place, _ = await ctx.race(beating, ctx.sleep(limit))
        places.append(place)
    async with ctx.timeout("30s"):
        await ctx.sleep("3s")
    return places


@ds.workflow(name="saga")
async def saga(ctx: ds.WorkflowContext, tag: str, n: int) -> None:
    """Writes, fails, and takes all of it back, also when cancelled meanwhile."""
    undo: list[str] = []
    try:
        for place in range(n):
            undo.append(f"{tag}#{place}")
            await ctx.execute_activity(write, undo[-1], **TRY)
        await ctx.execute_activity(refuse, **TRY)
    except (CancelledError, ds.ActivityError):
        undoing = ctx.spawn(_undo(ctx, undo))
        while not undoing.done:
            try:
                await ctx.shield(undoing)
            except CancelledError:
                continue
        raise


async def _undo(ctx: ds.WorkflowContext, subjects: list[str]) -> None:
    for subject in reversed(subjects):
        await ctx.execute_activity(erase, subject, **TRY)


@ds.workflow(name="beating")
async def beating(ctx: ds.WorkflowContext, tag: str, cancellation: Any) -> int:
    """A long activity that heartbeats."""
    return await ctx.execute_activity(
        beat,
        12,
        start_to_close_timeout="60s",
        heartbeat_timeout="4s",
        retry_policy=PATIENT,
        cancellation_type=cancellation,
    )


async def _near(ctx: ds.WorkflowContext, tag: str) -> list[Any]:
    first = await ctx.execute_local_activity(write, f"{tag}#l0", **TRY)
    value = ctx.side_effect(lambda: 7)
    later = await ctx.execute_local_activity(
        second_time,
        f"{tag}#l1",
        start_to_close_timeout="20s",
        retry_policy=LOCAL,
        local_retry_threshold="1s" if len(tag) % 2 else "10s",
    )
    await ctx.sleep("5s")
    both = await ctx.gather(*(ctx.execute_local_activity(write, f"{tag}#l{n}", **TRY) for n in (2, 3)))
    return [first, value, later, *both]


@ds.workflow(name="near")
async def near(ctx: ds.WorkflowContext, tag: str) -> list[Any]:
    """Local activities: one after the other, retried in and out of its task, and two at once."""
    return await _near(ctx, tag)


@ds.workflow(name="near")
async def near_2(ctx: ds.WorkflowContext, tag: str) -> list[Any]:
    """The same with another one last."""
    result = await _near(ctx, tag)
    if ctx.patched("one more"):
        await ctx.execute_local_activity(write, f"{tag}#l4", **TRY)
    return result


@ds.workflow(name="sleeper")
async def sleeper(ctx: ds.WorkflowContext, tag: str, days: int) -> int:
    """Sleeps for days."""
    await ctx.sleep(f"{days} days")
    return days


@ds.workflow(name="giving_up")
async def giving_up(ctx: ds.WorkflowContext, tag: str) -> str:
    """An activity that has three attempts and needs more."""
    try:
        await ctx.execute_activity(fails, start_to_close_timeout="5s", retry_policy=THREE)
    except ds.ActivityError as error:
        if is_cancellation(error):
            raise
        return error.retry_state
    return "completed"


@ds.workflow(name="retried")
async def retried(ctx: ds.WorkflowContext, tag: str) -> int:
    """A workflow that fails twice."""
    attempt = ctx.info.attempt
    await ctx.execute_activity(write, f"{tag}#t{attempt}", **TRY)
    if attempt < 3:
        raise ds.ApplicationError("again", type="Again")
    return attempt


@ds.workflow(name="messenger")
async def messenger(ctx: ds.WorkflowContext, tag: str, targets: list[str]) -> int:
    """Signals other workflows; gives how many of them were open."""
    sent = 0
    for place, target in enumerate(targets):
        try:
            await ctx.external_workflow(target).signal("add", f"{tag}:{place}")
            sent += 1
        except ds.ApplicationError:
            pass
        await ctx.sleep("1s")
    return sent


BASE = (
    sequence, collector, counter, parent, leaf, mix, saga, beating, near, sleeper, giving_up, retried, messenger,
)  # fmt: skip
V2 = (sequence_2, collector_2, counter_2, near_2)
NEWEST = (*V2, parent, leaf, mix, saga, beating, sleeper, giving_up, retried, messenger)
LISTENING = ("collector", "counter")
"""Kinds that take the signals "add" and "finish", and end only when told to."""
MAY_OUTRUN_CANCELLATION = ("collector", "counter", "parent", "beating")
"""Kinds that may complete although they were asked to cancel: told to finish in the same task, or waiting for an
activity or a child that itself decides."""


# --- reading histories ----------------------------------------------------------------------------------------------
def is_closed(history: ds.History) -> bool:
    """Whether a run has ended."""
    return history[-1].type in CLOSING_EVENTS


def status_of(history: ds.History) -> str:
    """A run's status, from its history alone."""
    return STATUS_OF.get(history[-1].type, "RUNNING")


def started(history: ds.History) -> dict[str, Any]:
    """How a run was started."""
    return history[0].attributes


def path_of(run_id: str, histories: Histories) -> list[str]:
    """The runs that led to this one, it included: by continue-as-new and retry. A reset takes its base's place."""
    path = [run_id]
    while (before := started(histories[path[0]]).get("continued_run_id")) is not None:
        path.insert(0, before)
    return path


def signals(name: str, path: Iterable[str], histories: Histories) -> list[Any]:
    """The values of the signals of a name in the histories of some runs, in order."""
    return [
        event.attributes["input"][0] if event.attributes["input"] else None
        for run_id in path
        for event in histories[run_id].of("WorkflowExecutionSignaled")
        if event.attributes["signal_name"] == name
    ]


def still_open(history: ds.History, opens: str) -> dict[int, Event]:
    """What one type of event has opened and nothing has closed yet, by the id of the opening event."""
    life = next(life for life in LIVES if life.opens == opens)
    found = {event.id: event for event in history if event.type == opens}
    for event in history:
        if event.type in life.closes:
            del found[event.attributes[life.by]]
    return found


# --- what must hold of histories ------------------------------------------------------------------------------------
def check_pending(history: ds.History, seen: Any) -> None:
    """What `describe` says is pending is what the history has opened and not closed, and due when it says.

    While a worker has the workflow task, ends wait in the buffer: then less may be pending.
    """
    activities = {one.attributes["activity_id"] for one in still_open(history, "ActivityTaskScheduled").values()}
    timers = {
        (one.attributes["timer_id"], one.time_us + one.attributes["start_to_fire_us"])
        for one in still_open(history, "TimerStarted").values()
    }
    children = {
        one.attributes["workflow_id"] for one in still_open(history, "StartChildWorkflowExecutionInitiated").values()
    }
    expected = [activities, {timer_id for timer_id, _ in timers}, children]
    found = [
        {one.activity_id for one in seen.activities},
        {one.timer_id for one in seen.timers},
        {one.workflow_id for one in seen.children},
    ]
    if seen.status != "RUNNING":
        assert found == [set(), set(), set()], f"pending after the end: {seen}"
    elif seen.task is not None and seen.task.state == "STARTED":
        assert all(some <= whole for some, whole in zip(found, expected, strict=True)), f"{found} not in {expected}"
    else:
        assert found == expected, f"pending {found}, in the history {expected}"
    reset = any(event.attributes.get("cause") == "RESET_WORKFLOW" for event in history.of("WorkflowTaskFailed"))
    for one in seen.timers:
        assert reset or (one.timer_id, one.due_us) in timers, f"{one}, in the history {timers}"
    for one in seen.activities:
        assert not one.maximum_attempts or one.attempt <= one.maximum_attempts, str(one)


def check_timers(history: ds.History, on_time: bool) -> None:
    """A timer fires once and not early; and, where the server was always up, on time."""
    begun = {event.id: event for event in history.of("TimerStarted")}
    fired = Counter(event.attributes["started_event_id"] for event in history.of("TimerFired"))
    assert not fired or max(fired.values()) == 1
    for event in history.of("TimerFired"):
        start = begun[event.attributes["started_event_id"]]
        due_us = start.time_us + start.attributes["start_to_fire_us"]
        assert event.time_us >= due_us, f"{event} fired {due_us - event.time_us} us early"
        assert not on_time or event.time_us == due_us, f"{event} fired {event.time_us - due_us} us late"


def check_attempts(history: ds.History) -> None:
    """No activity has had more attempts than its policy allows."""
    for event in history.of("ActivityTaskStarted"):
        policy = history[event.attributes["scheduled_event_id"] - 1].attributes["retry_policy"]
        assert not policy.maximum_attempts or event.attributes["attempt"] <= policy.maximum_attempts, event


def check_updates(history: ds.History) -> None:
    """An update stands once in a history, with the value that was sent and a handler's own answer."""
    accepted = Counter(event.attributes["update_id"] for event in history.of("WorkflowExecutionUpdateAccepted"))
    assert not accepted or max(accepted.values()) == 1, accepted
    for event in history.of("WorkflowExecutionUpdateAccepted"):
        assert event.attributes["input"][0] >= 0, f"the validator refuses {event}"


def check_children(histories: Histories, history: ds.History) -> None:
    """What a parent is told of a child's end is how its run ended."""
    for event in history:
        told = event.attributes
        if event.type.startswith("ChildWorkflowExecution") and event.type != "ChildWorkflowExecutionStarted":
            ended = histories[told["run_id"]][-1]
            assert ended.type == event.type.removeprefix("Child"), f"{event}, but {ended}"
            assert ended.attributes.get("result") == told.get("result"), f"{event}, but {ended}"


def check_messages(histories: Histories, history: ds.History) -> None:
    """A signal that a workflow is told was delivered stands in a history of its target."""
    for event in history.of("ExternalWorkflowExecutionSignaled"):
        asked = history[event.attributes["initiated_event_id"] - 1].attributes
        if asked["signal_name"] == "add":
            target = [run for run, other in histories.items() if started(other)["workflow_id"] == asked["workflow_id"]]
            assert asked["input"][0] in signals("add", target, histories), event


def check_effects(ledger: Iterable[Any], histories: Histories) -> None:
    """One key, one entry; and no more entries on a subject than runs whose history asks for it.

    A local activity is asked for only in memory; its run counts, and so does each run that a reset made of it.
    """
    entries = [entry for entry in ledger if entry.kind == "books.write"]
    keys = Counter(entry.reference for entry in entries)
    assert not keys or max(keys.values()) == 1, keys
    asked: Counter[str] = Counter()
    for history in histories.values():
        for event in history.of("ActivityTaskScheduled"):
            if event.attributes["activity_type"] == "write":
                asked[event.attributes["input"][0]] += 1
        if started(history)["workflow_type"] == "near":
            asked.update(f"{started(history)['input'][0]}#l{place}" for place in range(5))
    for subject, count in Counter(entry.subject for entry in entries).items():
        assert count <= asked[subject], f"{subject}: {count} entries, asked for in {asked[subject]} runs"
    undone = Counter(entry.undoes for entry in ledger if entry.undoes is not None)
    assert not undone or max(undone.values()) == 1, undone


def check_done(ledger: Iterable[Any], history: ds.History) -> None:
    """What an activity reported as written is written."""
    written = {entry.subject for entry in ledger if entry.kind == "books.write"}
    erased = {
        event.attributes["input"][0]
        for event in history.of("ActivityTaskScheduled")
        if event.attributes["activity_type"] == "erase"
    }
    for event in history.of("ActivityTaskCompleted"):
        scheduled = history[event.attributes["scheduled_event_id"] - 1].attributes
        if scheduled["activity_type"] == "write" and scheduled["input"][0] not in erased:
            assert scheduled["input"][0] in written, f"{scheduled['input'][0]} was reported, and is not there"


def check_end(
    run_id: str, histories: Histories, ledger: Iterable[Any], *, may_time_out: bool, may_be_terminated: bool
) -> None:
    """A closed run ended as it may, with the result that the model predicts from its history."""
    history = histories[run_id]
    status, told = status_of(history), started(history)
    kind, tag = told["workflow_type"], told["input"][0]
    asked = bool(history.of("WorkflowExecutionCancelRequested"))
    where = f"{run_id} ({kind}) is {status}\n{history}"
    match status:
        case "TERMINATED":
            assert may_be_terminated, where
        case "TIMED_OUT":
            assert may_time_out, where
        case "CANCELED":
            assert asked, where
        case "CONTINUED_AS_NEW":
            assert kind == "counter", where  # signals in the same task come before the request to cancel
        case "FAILED":
            expected = kind == "saga" or (kind == "retried" and told.get("attempt", 1) < 3)
            expected = expected or (kind == "mix" and _told_at_once(history))
            assert expected or (asked and _cancelled_too_late(history)), where
        case _:
            assert not asked or kind in MAY_OUTRUN_CANCELLATION, where
            result = history[-1].attributes["result"]
            expected = _expected(run_id, histories)
            assert expected is None or result == expected, f"result {result}, expected {expected}: {where}"
    if kind == "saga" and status in ("FAILED", "CANCELED"):
        standing = Counter(entry.subject for entry in ledger if entry.kind == "books.write")
        standing.subtract(entry.subject for entry in ledger if entry.kind == "books.erase")
        left = [subject for subject, count in standing.items() if count and subject.startswith(f"{tag}#")]
        assert not left, f"{left} were not taken back: {where}"


def _cancelled_too_late(history: ds.History) -> bool:
    """Whether an activity that was asked to stop died before it could say that it did: that is a failure, no
    cancellation, and fails the workflow."""
    return any(event.attributes["retry_state"] == "CANCEL_REQUESTED" for event in history.of("ActivityTaskTimedOut"))


def _told_at_once(history: ds.History) -> bool:
    """Whether one task has told the code of two timers: a limit then strikes even if what it limits was over before."""
    fired = 0
    for event in history:
        fired += event.type == "TimerFired"
        if event.type == "WorkflowTaskStarted":
            if fired > 1:
                return True
            fired = 0
    return False


def _expected(run_id: str, histories: Histories) -> Any:
    """What a completed run must have returned, as far as its history says; None where anything may be."""
    history = histories[run_id]
    told = started(history)
    tag, rest = told["input"][0], told["input"][1:]
    match told["workflow_type"]:
        case "sequence" | "sleeper":
            return rest[0]
        case "collector":
            return {"adds": signals("add", [run_id], histories), "puts": _puts(history)}
        case "counter":
            return {"adds": signals("add", path_of(run_id, histories), histories)}
        case "leaf":
            return f"{tag}#leaf"
        case "beating":
            return 12
        case "near":
            return [f"{tag}#l0", 7, *(f"{tag}#l{place}" for place in (1, 2, 3))]
        case "giving_up":
            return "MAXIMUM_ATTEMPTS_REACHED"
        case "retried":  # a run that runs out of time is retried too
            return max(3, told.get("attempt", 1))
        case "messenger":
            return len(history.of("ExternalWorkflowExecutionSignaled"))
    return None


def _puts(history: ds.History) -> list[int]:
    return sorted(event.attributes["input"][0] for event in history.of("WorkflowExecutionUpdateAccepted"))
