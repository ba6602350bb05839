"""The gate: streams of events and steps worked out by hand, and what holds of any stream."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.durations import HOUR, MINUTE, SECOND
from durable_sim.errors import InternalError
from durable_sim.models.steps.flow.batch import Batch
from durable_sim.models.steps.flow.cancelling import CancelOn, Timeouts
from durable_sim.models.steps.flow.concurrency import Concurrency, Lines, Slot
from durable_sim.models.steps.flow.control import FlowControl
from durable_sim.models.steps.flow.debounce import Debounce
from durable_sim.models.steps.flow.decisions import Cancel, Decision, Drop, Hold, Start
from durable_sim.models.steps.flow.gate import Gate
from durable_sim.models.steps.flow.idempotency import Idempotency
from durable_sim.models.steps.flow.priority import Priority
from durable_sim.models.steps.flow.rate_limit import RateLimit
from durable_sim.models.steps.flow.singleton import Singleton
from durable_sim.models.steps.flow.throttle import Throttle
from durable_sim.models.steps.flow.triggers import Trigger
from durable_sim.models.steps.protocol import Event


def paid(id: str, customer: str, order: str, urgency: int | None = None) -> Event:
    """An order of a customer is paid."""
    return Event("paid", {"customer": customer, "order": order, "urgency": urgency}, id)


def told(decisions: list[Decision]) -> str:
    """Decisions in short, with times in seconds."""
    return "; ".join(_told(decision) for decision in decisions)


def _told(decision: Decision) -> str:
    match decision:
        case Start(run_id, events, at_us):
            return f"start {run_id} by {','.join(event.id for event in events)} at {at_us / SECOND:g}"
        case Drop(reason, events):
            return f"drop {','.join(event.id for event in events)}: {reason}"
        case Hold(until_us, event):
            return f"hold {event.id} until {until_us / SECOND:g}"
        case Cancel(run_id, reason):
            return f"cancel {run_id}: {reason}"


def test_a_stream_by_hand() -> None:
    """Each rule where it is asked: two start as they come and then one each 10 s; three a minute for a customer.

    o-3 is refunded while it waits for its start. e4 was dropped, so it may come again; when it does, at 63 s, the first
    three of customer a have left the window. o-3's start is not given to another.
    """
    flow = FlowControl(
        triggers=(Trigger("paid"), Trigger("replaced", match="data.urgent")),
        rate_limit=RateLimit(3, "1m", "data.customer"),
        throttle=Throttle(1, "10s"),
        cancel_on=(CancelOn("refunded", "data.order"),),
    )
    gate = Gate("ship", flow)
    stream = [
        (0, paid("e1", "a", "o-1"), "start ship-1 by e1 at 0"),
        (1, paid("e2", "a", "o-2"), "start ship-2 by e2 at 1"),
        (2, paid("e3", "a", "o-3"), "start ship-3 by e3 at 10"),
        (3, paid("e4", "a", "o-4"), "drop e4: rate limit"),
        (4, paid("e1", "a", "o-1"), "drop e1: duplicate event"),
        (5, paid("e5", "b", "o-5"), "start ship-4 by e5 at 20"),
        (6, Event("refunded", {"order": "o-3"}, "e6"), "cancel ship-3: cancelOn; drop e6: not triggered"),
        (7, Event("refunded", {"order": "o-3"}, "e7"), "drop e7: not triggered"),
        (8, Event("replaced", {"urgent": False}, "e8"), "drop e8: not triggered"),
        (63, paid("e4", "a", "o-4"), "start ship-5 by e4 at 63"),
        (63, paid("e9", "a", "o-9"), "start ship-6 by e9 at 63"),
        (63, paid("e10", "a", "o-10"), "start ship-7 by e10 at 73"),
        (64, paid("e11", "a", "o-11"), "drop e11: rate limit"),
        (65, Event("replaced", {"urgent": True, "order": "o-12"}, "e12"), "start ship-8 by e12 at 83"),
        (86_400, paid("e1", "a", "o-1"), "start ship-9 by e1 at 86400"),
    ]
    assert [told(gate.arrive(event, at_s * SECOND)) for at_s, event, _ in stream] == [line for *_, line in stream]
    assert gate.next_due_us is None


def test_an_order_by_its_key_once_a_day() -> None:
    """The first event of an order counts for 24 hours, also where it was debounced or the singleton dropped it."""
    flow = FlowControl(idempotency=Idempotency("data.order"), debounce=Debounce("5s", key="data.customer"))
    gate, day_s = Gate("ship", flow), 86_400
    arrive = [(0, "e1", "o-1"), (1, "e2", "o-1"), (2, "e3", "o-2"), (day_s - 1, "e4", "o-1"), (day_s, "e5", "o-1")]
    assert [told(gate.arrive(paid(id, "a", order), at_s * SECOND)) for at_s, id, order in arrive] == [
        "hold e1 until 5",
        "drop e2: idempotency",
        "hold e3 until 7",
        "start ship-1 by e3 at 86399; drop e4: idempotency",
        "hold e5 until 86405",
    ]
    gate = Gate("ship", FlowControl(idempotency=Idempotency("data.order"), singleton=Singleton()))
    assert told(gate.arrive(paid("e1", "a", "o-1"), 0)) == "start ship-1 by e1 at 0"
    assert told(gate.arrive(paid("e2", "a", "o-2"), 0)) == "drop e2: singleton"
    gate.ended("ship-1")
    assert told(gate.arrive(paid("e2", "a", "o-2"), 1)) == "drop e2: idempotency"


def test_steps_by_hand() -> None:
    """One step at a time: the urgent run goes first, then by age; a run that sleeps holds nothing."""
    gate = Gate("ship", FlowControl(concurrency=(Concurrency(1),), priority=Priority("data.urgency")))
    for at_s, urgency in ((0, None), (1, None), (2, 5), (3, -60)):
        gate.arrive(paid(f"e{at_s}", "a", "o", urgency), at_s * SECOND)
    now_us = 10 * SECOND
    assert [gate.may_run(f"ship-{n}", now_us) for n in (1, 4, 2, 3)] == [True, False, False, False]
    assert gate.done("ship-1") == [Slot("ship", "ship-3")]
    assert gate.may_run("ship-3", now_us)
    assert not gate.may_run("ship-1", now_us)  # its next step is in line, before that of ship-2: it is older
    assert gate.done("ship-3") == [Slot("ship", "ship-1")]
    assert gate.ended("ship-1") == [Slot("ship", "ship-2")]
    assert gate.ended("ship-2") == [Slot("ship", "ship-4")]
    assert gate.ended("ship-4") == gate.ended("ship-3") == gate.ended("ship-4") == []


def test_a_run_may_not_begin_before_its_time() -> None:
    """A throttled run has no step before its start, and one that nobody knows has none at all."""
    gate = Gate("ship", FlowControl(throttle=Throttle(1, "10s")))
    for number in range(3):
        gate.arrive(paid(f"e{number}", "a", "o"), 0)
    assert [gate.may_run("ship-3", now_us) for now_us in (10 * SECOND - 1, 10 * SECOND)] == [False, True]
    assert not gate.may_run("ship-4", HOUR)


def test_parallel_steps_of_a_run_are_counted_one_by_one() -> None:
    """Two places, three branches; all places are free when the run is over."""
    gate = Gate("ship", FlowControl(concurrency=(Concurrency(2),)))
    gate.arrive(paid("e1", "a", "o-1"), 0)
    gate.arrive(paid("e2", "a", "o-2"), 0)
    assert [gate.may_run("ship-1", 0, step) for step in "abc"] == [True, True, False]
    assert not gate.may_run("ship-2", 0, "a")
    assert gate.done("ship-1", "a") == [Slot("ship", "ship-1", "c")]
    assert not gate.may_run("ship-1", 0, "d")
    assert gate.ended("ship-1") == [Slot("ship", "ship-2", "a")]


def test_functions_share_the_lines_of_the_account() -> None:
    """A step of one function waits for that of another, and is named when it is over."""
    lines = Lines()
    rule = Concurrency(1, "data.customer", "account")
    ship, mail = (Gate(name, FlowControl(concurrency=(rule,)), lines=lines) for name in ("ship", "mail"))
    ship.arrive(paid("e1", "a", "o-1"), 0)
    mail.arrive(paid("e1", "a", "o-1"), 0)
    mail.arrive(paid("e2", "b", "o-2"), 0)
    assert ship.may_run("ship-1", 0)
    assert [mail.may_run(run_id, 0) for run_id in ("mail-1", "mail-2")] == [False, True]
    assert ship.done("ship-1") == [Slot("mail", "mail-1")]
    assert mail.may_run("mail-1", 0)


def test_a_debounced_stream_by_hand() -> None:
    """Two series of customer a, cut by quiet and by the time-out; one of b. What is due comes before what arrives."""
    gate = Gate("sync", FlowControl(debounce=Debounce("5s", "8s", "data.customer")))
    arrive = [(0, "e1", "a"), (3, "e2", "b"), (4, "e3", "a"), (7, "e4", "a"), (8, "e5", "a")]
    lines = [told(gate.arrive(paid(id, customer, "o"), at_s * SECOND)) for at_s, id, customer in arrive]
    assert lines[:4] == ["hold e1 until 5", "hold e2 until 8", "hold e3 until 8", "hold e4 until 8"]
    assert lines[4] == "start sync-1 by e4 at 8; start sync-2 by e2 at 8; hold e5 until 13"
    assert gate.next_due_us == 13 * SECOND
    assert gate.due(13 * SECOND - 1) == []
    assert told(gate.due(13 * SECOND)) == "start sync-3 by e5 at 13"
    assert gate.next_due_us is None


def test_a_batched_stream_by_hand() -> None:
    """Three make a batch, two wait out the time; the same event twice is in it once."""
    gate = Gate("log", FlowControl(batch=Batch(3, "4s"), throttle=Throttle(1, "1h")))
    arrive = [(0, "e1"), (1, "e2"), (1, "e1"), (2, "e3"), (3, "e4"), (6, "e5"), (7, "e6")]
    assert [told(gate.arrive(paid(id, "a", "o"), at_s * SECOND)) for at_s, id in arrive] == [
        "hold e1 until 4",
        "hold e2 until 4",
        "drop e1: duplicate event",
        "start log-1 by e1,e2,e3 at 2",
        "hold e4 until 7",
        "hold e5 until 7",
        "start log-2 by e4,e5 at 7; hold e6 until 11",
    ]
    assert told(gate.due(11 * SECOND)) == "start log-3 by e6 at 3602"


@pytest.mark.parametrize(
    ("mode", "second", "later"),
    [
        ("skip", "drop e2: singleton", "start sync-3 by e2 at 9"),
        (
            "cancel",
            "cancel sync-1: singleton; start sync-3 by e2 at 1",
            "cancel sync-3: singleton; start sync-4 by e4 at 9",
        ),
    ],
)
def test_a_singleton_by_hand(mode: str, second: str, later: str) -> None:
    """While a run of a customer is open another one is dropped, and may come again; or takes its place."""
    gate = Gate("sync", FlowControl(singleton=Singleton("data.customer", mode)))  # type: ignore[arg-type]
    assert told(gate.arrive(paid("e1", "a", "o-1"), 0)) == "start sync-1 by e1 at 0"
    assert told(gate.arrive(paid("e3", "b", "o-3"), 0)) == "start sync-2 by e3 at 0"
    assert told(gate.arrive(paid("e2", "a", "o-2"), SECOND)) == second
    gate.ended("sync-1")
    again = "e2" if mode == "skip" else "e4"
    assert told(gate.arrive(paid(again, "a", "o-2"), 9 * SECOND)) == later


def test_timeouts_by_hand() -> None:
    """A run that waits longer than `start`, and one that takes longer than `finish`, are cancelled once each."""
    gate = Gate("ship", FlowControl(concurrency=(Concurrency(1),), timeouts=Timeouts("10s", "1m")))
    for number, at_s in enumerate((0, 1, 2)):
        gate.arrive(paid(f"e{number}", "a", "o"), at_s * SECOND)
    assert gate.may_run("ship-1", 3 * SECOND)
    assert not gate.may_run("ship-2", 3 * SECOND)
    assert gate.next_due_us == 11 * SECOND
    assert told(gate.due(11 * SECOND)) == "cancel ship-2: start timeout"
    assert not gate.may_run("ship-2", 11 * SECOND)
    assert not gate.may_run("ship-3", 11 * SECOND)
    assert gate.done("ship-1") == [Slot("ship", "ship-3")]
    assert gate.may_run("ship-3", 11 * SECOND)
    assert told(gate.due(MINUTE + 11 * SECOND)) == "cancel ship-1: finish timeout; cancel ship-3: finish timeout"
    assert gate.due(HOUR) == []
    assert gate.next_due_us is None


def test_a_cancelled_run_lets_its_step_finish() -> None:
    """It keeps its place until the step is over, waits for no other, and begins none."""
    gate = Gate("ship", FlowControl(concurrency=(Concurrency(1),), cancel_on=(CancelOn("stop", "data.order"),)))
    for number in (1, 2, 3):
        gate.arrive(paid(f"e{number}", "a", f"o-{number}"), 0)
    assert [gate.may_run(f"ship-{n}", 0) for n in (1, 2, 3)] == [True, False, False]
    for number in (1, 2):
        assert f"cancel ship-{number}" in told(gate.arrive(Event("stop", {"order": f"o-{number}"}, f"s{number}"), 1))
    assert not gate.may_run("ship-1", 1)
    assert not gate.may_run("ship-1", 1, "next")
    assert gate.done("ship-1") == [Slot("ship", "ship-3")]


def test_a_run_that_did_not_ask_is_counted() -> None:
    """An adopted run takes places and may be cancelled; to adopt it twice is our own mistake."""
    gate = Gate("ship", FlowControl(concurrency=(Concurrency(1),), cancel_on=(CancelOn("stop"),)))
    gate.adopt("child", paid("", "a", "o-1"), 0)
    gate.arrive(paid("e1", "a", "o-1"), 0)
    assert [gate.may_run(run_id, 0) for run_id in ("child", "ship-1")] == [True, False]
    assert gate.done("child") == [Slot("ship", "ship-1")]
    with pytest.raises(InternalError, match="child"):
        gate.adopt("child", paid("", "a", "o-1"), 0)
    assert told(gate.arrive(Event("stop", None, "s"), 1)).startswith("cancel child: cancelOn; cancel ship-1: cancelOn")


def test_ids_of_runs_may_be_minted_elsewhere() -> None:
    """The platform's own ids are used."""
    ids = iter(["x", "y"])
    gate = Gate("ship", FlowControl(), new_id=lambda: next(ids))
    assert [told(gate.arrive(paid("", "a", "o"), 0)) for _ in "12"] == ["start x by  at 0", "start y by  at 0"]


class Came(NamedTuple):
    """An event and how long after the one before it comes; or the end of the run that is numbered so."""

    gap_us: int
    customer: str
    number: int
    ends: int | None


stream = st.lists(
    st.builds(
        Came,
        st.sampled_from([0, SECOND]) | st.integers(0, 6 * SECOND),
        st.sampled_from("ab"),
        st.integers(0, 12),
        st.none() | st.integers(1, 9),
    ),
    max_size=30,
)
FLOWS = {
    "plain": FlowControl(throttle=Throttle(1, "3s"), singleton=Singleton("data.customer", "cancel")),
    "limits": FlowControl(rate_limit=RateLimit(2, "7s", "data.customer"), timeouts=Timeouts("5s")),
    "debounce": FlowControl(debounce=Debounce("2s", "4s", "data.customer"), singleton=Singleton()),
    "batch": FlowControl(batch=Batch(3, "2s", "data.customer"), singleton=Singleton("data.customer")),
    "keys": FlowControl(idempotency=Idempotency("data.customer"), cancel_on=(CancelOn("paid", "data.customer"),)),
}


def played(flow: FlowControl, came: list[Came]) -> list[Decision]:
    """All that is decided about a stream, asked in time as well as at each event, and at last long after it."""
    gate, now_us = Gate("f", flow), 0
    decisions: list[Decision] = []
    for one in [*came, None]:
        now_us += HOUR if one is None else one.gap_us
        while (due_us := gate.next_due_us) is not None and due_us <= now_us:
            decisions += gate.due(due_us)
        if one is not None and one.ends is not None:
            gate.ended(f"f-{one.ends}")
        if one is not None:
            decisions += gate.arrive(paid(f"e{one.number}", one.customer, "o"), now_us)
    return decisions


@pytest.mark.parametrize("name", FLOWS)
@given(came=stream)
def test_nothing_is_lost_and_nothing_is_told_twice(name: str, came: list[Came]) -> None:
    """Every event starts a run, is dropped or is held; what was held starts, is dropped, or gave way to a later one."""
    decisions = played(FLOWS[name], came)
    started = [one for one in decisions if isinstance(one, Start)]
    cancelled = [one.run_id for one in decisions if isinstance(one, Cancel)]
    assert [one.run_id for one in started] == [f"f-{n + 1}" for n in range(len(started))]
    assert len(set(cancelled)) == len(cancelled) <= len(started)
    ended = Counter(event.id for one in decisions if isinstance(one, Start | Drop) for event in one.events)
    came_ids = Counter(f"e{one.number}" for one in came)
    if name == "debounce":
        assert ended <= came_ids
        assert not came or ended
    else:
        assert ended == came_ids


@pytest.mark.parametrize("name", FLOWS)
@given(came=stream)
def test_the_same_stream_decides_the_same(name: str, came: list[Came]) -> None:
    """Twice the same list, in the same order."""
    assert played(FLOWS[name], came) == played(FLOWS[name], came)
