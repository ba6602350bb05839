"""What cancels runs, what starts functions, and how far ahead a run goes."""

from __future__ import annotations

import pytest

from durable_sim.durations import HOUR, MINUTE, SECOND
from durable_sim.errors import UserError
from durable_sim.models.steps.flow.cancelling import CancelOn, Timeouts
from durable_sim.models.steps.flow.priority import Priority
from durable_sim.models.steps.flow.singleton import Singletons
from durable_sim.models.steps.flow.triggers import Trigger, fan_out
from durable_sim.models.steps.protocol import Event

CREATED, GONE = Event("created", {"order": "o-1"}), Event("gone", {"order": "o-1"})


def test_an_event_cancels_by_name_match_and_time() -> None:
    """Another name, another order, or after the time-out: nothing is cancelled."""
    rule = CancelOn("gone", "data.order", "10s")
    assert rule.cancels(CREATED, 0, GONE, 10 * SECOND - 1)
    assert not rule.cancels(CREATED, 0, GONE, 10 * SECOND)
    assert not rule.cancels(CREATED, 0, Event("lost", {"order": "o-1"}), 1)
    assert not rule.cancels(CREATED, 0, Event("gone", {"order": "o-2"}), 1)
    assert CancelOn("gone").cancels(CREATED, 0, Event("gone"), HOUR)


def test_timeouts_are_counted_from_the_decision_and_from_the_first_step() -> None:
    """Before the first step only `start` counts, after it only `finish`."""
    both = Timeouts("1m", "1h")
    assert both.deadline_us(5, None) == 5 + MINUTE
    assert both.deadline_us(5, 7) == 7 + HOUR
    assert Timeouts(start="1m").deadline_us(5, 7) is None
    assert Timeouts(finish="1h").deadline_us(5, None) is None


def test_an_event_starts_functions_once_each() -> None:
    """Those with a trigger of its name that it matches, in their order."""
    functions = {
        "ship": (Trigger("paid"), Trigger("paid", match="data.express")),
        "mail": (Trigger("paid", match="data.express"),),
        "audit": (Trigger("created"), Trigger("paid", match=lambda event: event.data["total"] > 100)),
        "tick": (Trigger(every="1h"),),
    }
    assert fan_out(Event("paid", {"total": 5}), functions) == ["ship"]
    assert fan_out(Event("paid", {"total": 500, "express": True}), functions) == ["ship", "mail", "audit"]
    assert fan_out(Event("other", {}), functions) == []


def test_a_clock_strikes_at_multiples_of_its_interval() -> None:
    """The next time lies after now, never at it; a trigger by event has none."""
    assert [Trigger(every="1h").next_us(now_us) for now_us in (0, 1, HOUR - 1, HOUR)] == [HOUR, HOUR, HOUR, 2 * HOUR]
    assert Trigger("paid").next_us(0) is None


def test_priority_is_whole_seconds_within_bounds() -> None:
    """Cut to 600 s either way; 0 where there is none; anything else is refused."""
    rule = Priority("data.urgency")
    shifts = [rule.shift_us(Event("e", {"urgency": value})) // SECOND for value in (5, -5, 601, -10_000, None)]
    assert shifts == [5, -5, 600, -600, 0]
    assert Priority(lambda event: 7).shift_us(Event("e")) == 7 * SECOND
    for value in ("high", 1.5, True):
        with pytest.raises(UserError, match="expected whole seconds from -600 to 600"):
            rule.shift_us(Event("e", {"urgency": value}))


def test_a_singleton_is_released_by_its_holder_only() -> None:
    """A run that was replaced does not free the key of the one that replaced it."""
    singletons = Singletons()
    singletons.take("k", "r1")
    singletons.take("k", "r2")
    singletons.release("k", "r1")
    assert singletons.holder("k") == "r2"
    singletons.release("k", "r2")
    assert singletons.holder("k") is None
