"""Flow control in simulated time: which runs start, when, and how many calls are under way."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UserError
from durable_sim.models.steps.flow.batch import Batch
from durable_sim.models.steps.flow.cancelling import CancelOn, Timeouts
from durable_sim.models.steps.flow.concurrency import Concurrency
from durable_sim.models.steps.flow.control import FlowControl
from durable_sim.models.steps.flow.debounce import Debounce
from durable_sim.models.steps.flow.idempotency import Idempotency
from durable_sim.models.steps.flow.priority import Priority
from durable_sim.models.steps.flow.rate_limit import RateLimit
from durable_sim.models.steps.flow.singleton import Singleton
from durable_sim.models.steps.flow.throttle import Throttle
from durable_sim.models.steps.flow.triggers import Trigger
from durable_sim.models.steps.function import create_function
from durable_sim.models.steps.protocol import Event
from tests.models.steps.scenes import Played, idiom


class Busy:
    """A function of two steps of ten seconds each, and when they ran."""

    def __init__(self) -> None:
        self.under_way: list[str] = []
        self.most = 0
        self.began: list[str] = []
        self.batches: list[list[str]] = []

    async def act(self, actx: ds.ActivityContext, name: str) -> None:
        """A step: ten seconds."""
        self.began.append(name)
        self.under_way.append(name)
        self.most = max(self.most, len(self.under_way))
        await actx.sleep("10s")
        self.under_way.remove(name)

    def function(self, **flow: Any) -> Any:
        """The function, under flow control."""

        @create_function(event="order/created", flow=FlowControl(**flow) if flow else None)
        async def fulfil(ctx: Any, step: Any) -> str:
            name = str(ctx.event.data["order_id"])
            await step.run("one", self.act, name)
            await step.sleep("nap", "1m")
            await step.run("two", self.act, name)
            if not self.batches or self.batches[-1] != [one.data["order_id"] for one in ctx.events]:
                self.batches.append([one.data["order_id"] for one in ctx.events])
            return name

        return idiom(fulfil)


def orders(count: int, **more: Any) -> list[dict[str, Any]]:
    """Orders that all come at once."""
    return [{"order_id": f"o-{number + 1}", **more} for number in range(count)]


def statuses(played: Played) -> list[str]:
    """How the executions have ended, with the reason of those that failed."""
    return [
        one.status if one.failure is None else f"{one.failure.type}: {one.failure.message}" for one in played.executions
    ]


def test_without_flow_control_all_run_at_once() -> None:
    """Six runs, six steps at a time."""
    busy = Busy()
    played = Played(busy.function(), orders(6), workers=1).run()
    assert statuses(played) == ["completed"] * 6 and busy.most == 6


@pytest.mark.parametrize("crash", [False, True])
def test_concurrency_counts_steps_that_execute(crash: bool) -> None:
    """With a limit of two at most two steps execute; runs that sleep hold no place, and crashes leak none."""
    busy = Busy()
    faults = [ds.Crash(at="12s", worker=worker) for worker in ("w1", "w2")] if crash else []
    played = Played(busy.function(concurrency=Concurrency(2)), orders(6), faults=faults).run()
    assert statuses(played) == ["completed"] * 6
    assert busy.most == 2 if not crash else len(busy.began) > 12
    if not crash:
        assert (played.one.ended_us or 0) > 70_000_000
        assert sorted(busy.began[:6]) == [f"o-{number}" for number in range(1, 7)]  # those that sleep are overtaken


def test_a_priority_goes_first_among_those_that_wait() -> None:
    """The last to come is the second to run."""
    busy = Busy()
    inputs = [*orders(3, urgency=0), {"order_id": "o-4", "urgency": 100}]
    Played(busy.function(concurrency=Concurrency(1), priority=Priority("data.urgency")), inputs).run()
    assert busy.began[:4] == ["o-1", "o-4", "o-2", "o-3"]


def test_a_throttle_delays_starts() -> None:
    """Three runs a minute, with a burst: the first four start at once, the fifth 20 s later, the sixth 40 s."""
    busy = Busy()
    played = Played(busy.function(throttle=Throttle(limit=3, period="1m")), orders(6))
    assert played.until("1s").model.pending(played.executions[5]) == "held back by flow control"
    played.run()
    starts = [record.time_us for record in played.of_kind("execution_started")]
    assert starts == [0] * 4 + [20_000_000, 40_000_000] and statuses(played) == ["completed"] * 6


def test_a_rate_limit_drops() -> None:
    """What comes too soon never starts; its execution has failed."""
    busy = Busy()
    played = Played(busy.function(rate_limit=RateLimit(limit=1, period="1m")), orders(2)).run()
    assert statuses(played) == ["completed", "NotStarted: rate limit"]


def test_a_debounce_starts_with_the_last() -> None:
    """Three at once make one run, with the last one's data."""
    busy = Busy()
    played = Played(busy.function(debounce=Debounce("30s")), orders(3)).run()
    assert statuses(played) == ["NotStarted: debounced", "NotStarted: debounced", "completed"]
    assert played.executions[2].result == "o-3" and busy.began == ["o-3", "o-3"]
    assert played.of_kind("execution_started")[0].time_us == 30_000_000


def test_a_batch_starts_one_run_for_several() -> None:
    """Five events with batches of two: two full ones at once, the last alone when its time is over."""
    busy = Busy()
    played = Played(busy.function(batch=Batch(2, "30s")), orders(5)).run()
    assert statuses(played) == ["completed"] * 5
    assert sorted(busy.batches) == [["o-1", "o-2"], ["o-3", "o-4"], ["o-5"]]
    assert [one.result for one in played.executions] == ["o-1", "o-1", "o-3", "o-3", "o-5"]


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("skip", ["completed", "NotStarted: singleton", "NotStarted: singleton"]),
        ("cancel", ["Cancelled: singleton", "Cancelled: singleton", "completed"]),
    ],
)
def test_a_singleton_runs_alone(mode: str, found: list[str]) -> None:
    """A second run of the same key is skipped, or takes the place of the first."""
    busy = Busy()
    played = Played(busy.function(singleton=Singleton(mode=mode)), orders(3)).run()  # type: ignore[arg-type]
    assert statuses(played) == found


def test_an_event_cancels_the_run_that_it_matches() -> None:
    """It takes effect between steps: the step under way finishes, and no other begins; no failure handler runs."""
    busy = Busy()
    flow = {"cancel_on": CancelOn("order/cancelled", match="data.order_id"), "concurrency": Concurrency(1)}
    played = Played(busy.function(**flow), orders(2))
    cancelled = Event("order/cancelled", {"order_id": "o-1"})
    played.world.alarms.after(5_000_000, played.model.send, cancelled)
    played.run()
    assert statuses(played) == ["Cancelled: cancelOn", "completed"]
    assert played.one.ended_us == 5_000_000
    assert busy.began == ["o-1", "o-2", "o-2"] and busy.most == 1  # the running step keeps its place to its end
    assert len(played.of_kind("result_refused")) == 1


def test_runs_that_take_too_long_are_cancelled() -> None:
    """One waits too long for its turn, the other does not finish in time."""
    busy = Busy()
    flow = {"timeouts": Timeouts(start="5s", finish="30s"), "concurrency": Concurrency(1)}
    played = Played(busy.function(**flow), orders(2)).run()
    assert statuses(played) == ["Cancelled: finish timeout", "Cancelled: start timeout"]
    assert [one.ended_us for one in played.executions] == [30_000_000, 5_000_000]


def test_the_same_key_starts_one_run_a_day() -> None:
    """An idempotency key keeps a second run of the same order out."""
    busy = Busy()
    inputs = [{"order_id": "a", "cart": 1}, {"order_id": "b", "cart": 1}, {"order_id": "c", "cart": 2}]
    played = Played(busy.function(idempotency=Idempotency("data.cart")), inputs).run()
    assert statuses(played) == ["completed", "NotStarted: idempotency", "completed"]


@pytest.mark.parametrize("flow", [None, FlowControl(triggers=(Trigger("mail/wanted"),))])
def test_the_same_event_id_starts_one_run_a_day(flow: FlowControl | None) -> None:
    """A step that is run again sends its event again; with an id of its own it starts a function once."""
    mails: list[str] = []

    @create_function(id="mail/wanted", flow=flow)
    async def mail(ctx: Any, step: Any) -> None:
        mails.append(ctx.event.id)

    async def code(ctx: Any, step: Any) -> None:
        await step.send_event("tell", Event("mail/wanted", None, "mail-1"))
        await step.send_event("tell again", Event("mail/wanted", None, "mail-1"))

    assert Played(idiom([code, mail])).run().one.status == "completed"
    assert mails == ["mail-1"]


def test_invoked_runs_are_counted_with_the_others() -> None:
    """A function that allows one step at a time runs its invoked runs one after the other."""
    busy = Busy()

    @create_function(id="child", flow=FlowControl(concurrency=Concurrency(1)))
    async def child(ctx: Any, step: Any) -> None:
        await step.run("one", busy.act, str(ctx.event.data))
        await step.run("two", busy.act, str(ctx.event.data))

    async def code(ctx: Any, step: Any) -> None:
        await step.parallel(*(step.invoke(f"call {n}", child, n) for n in range(3)))

    played = Played(idiom([code, child])).run()
    assert played.one.status == "completed" and len(busy.began) == 6 and busy.most == 1


def test_flow_control_and_a_trigger_are_not_given_twice() -> None:
    """The event is named in one place."""

    async def code(ctx: Any, step: Any) -> None: ...

    with pytest.raises(UserError, match=r"found event and flow\.triggers, expected one of them"):
        create_function(event="a", flow=FlowControl(triggers=(Trigger("b"),)))(code)


def test_a_trigger_by_the_clock_is_refused() -> None:
    """No clock starts runs here: a function that waited for one would never be called, and nobody would know why."""
    with pytest.raises(ds.UserError, match="function tick: found a trigger by the clock, expected events"):

        @create_function(flow=FlowControl(triggers=(Trigger(every="1h"),)))
        async def tick(ctx: Any, step: Any) -> None: ...
