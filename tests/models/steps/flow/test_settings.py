"""Settings refuse what is out of bounds, by name, and take what is just within."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.errors import DurationError, UserError
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

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: Throttle(0, "1s"), "Throttle: limit is 0, expected a whole number of 1 or more"),
    (lambda: Throttle(1, "999ms"), "Throttle: period is '999ms', expected a time span of 1s or more"),
    (lambda: Throttle(1, "1s", 0), "Throttle: burst is 0, expected a whole number of 1 or more"),
    (lambda: Throttle(1, "1s", key="customer"), "Throttle: key is 'customer', expected it to begin with data, id"),
    (lambda: RateLimit(True, "1s"), "RateLimit: limit is True, expected a whole number of 1 or more"),
    (lambda: RateLimit(1, "0s"), "RateLimit: period is '0s', expected a time span from 1s to 1d"),
    (lambda: RateLimit(1, "25h"), "RateLimit: period is '25h', expected a time span from 1s to 1d"),
    (lambda: RateLimit(1, "1s", "data.a + 1"), r"RateLimit: key is 'data.a \+ 1', expected a dotted field such as"),
    (lambda: Debounce("999ms"), "Debounce: period is '999ms', expected a time span from 1s to 7d"),
    (lambda: Debounce("169h"), "Debounce: period is '169h', expected a time span from 1s to 7d"),
    (lambda: Debounce("5s", "4s"), "Debounce: timeout is '4s', expected at least the period '5s'"),
    (lambda: Batch(101, "1s"), "Batch: max_size is 101, expected a whole number from 1 to 100"),
    (lambda: Batch(0, "1s"), "Batch: max_size is 0, expected a whole number from 1 to 100"),
    (lambda: Batch(5, "61s"), "Batch: timeout is '61s', expected a time span from 1s to 1m"),
    (lambda: Concurrency(0), "Concurrency: limit is 0, expected a whole number of 1 or more"),
    (lambda: Concurrency(1, scope="all"), "Concurrency: scope is 'all', expected one of 'fn', 'env', 'account'"),  # type: ignore[arg-type]
    (lambda: Idempotency(None), "Idempotency: key is None, expected a dotted field"),
    (lambda: Priority(None), "Priority: key is None, expected a dotted field"),
    (lambda: Singleton(mode="wait"), "Singleton: mode is 'wait', expected one of 'skip', 'cancel'"),  # type: ignore[arg-type]
    (lambda: CancelOn(""), "CancelOn: event is '', expected the name of an event"),
    (lambda: CancelOn("e", 5), "CancelOn: match is 5, expected a dotted field such as"),  # type: ignore[arg-type]
    (lambda: Timeouts(), "Timeouts: start and finish are None, expected a time span for one of them"),
    (lambda: Timeouts("0s"), "Timeouts: start is '0s', expected a time span of 1us or more"),
    (lambda: Trigger(), "Trigger: event is None and every is None, expected exactly one of them"),
    (lambda: Trigger("e", "1h"), "Trigger: event is 'e' and every is '1h', expected exactly one of them"),
    (lambda: Trigger(every="1h", match="data.a"), "Trigger: match is 'data.a', expected none beside every"),
    (lambda: FlowControl(throttle=RateLimit(1, "1s")), r"FlowControl: throttle is RateLimit\(.*, expected a Throttle"),  # type: ignore[arg-type]
    (lambda: FlowControl(cancel_on=("e",)), "FlowControl: cancel_on has 'e', expected a CancelOn"),  # type: ignore[arg-type]
    (lambda: FlowControl(triggers="e"), "FlowControl: triggers is 'e', expected a Trigger or a tuple of them"),  # type: ignore[arg-type]
    (
        lambda: FlowControl(batch=Batch(2, "1s"), debounce=Debounce("1s")),
        "FlowControl: found batch and debounce together, expected one of them",
    ),
    (
        lambda: FlowControl(rate_limit=RateLimit(1, "1s"), idempotency=Idempotency("data.order")),
        "FlowControl: found rate_limit and idempotency together, expected one of them",
    ),
    (
        lambda: FlowControl(batch=Batch(2, "1s"), priority=Priority("data.p")),
        "FlowControl: found batch and priority together, expected one of them",
    ),
    (
        lambda: FlowControl(concurrency=(Concurrency(1), Concurrency(2))),
        "FlowControl: found two entries of concurrency with scope 'fn' and key None, expected one",
    ),
    (lambda: FlowControl(triggers=(Trigger("e"),) * 11), "limit 'triggers of a function': found 11 triggers"),
    (lambda: FlowControl(cancel_on=(CancelOn("e"),) * 6), "limit 'cancelOn of a function': found 6 entries"),
    (
        lambda: FlowControl(concurrency=tuple(Concurrency(1, f"data.{key}") for key in "abc")),
        "limit 'concurrency entries of a function': found 3 entries, expected at most 2",
    ),
]


@pytest.mark.parametrize(("make", "text"), REFUSED)
def test_out_of_bounds_is_refused_by_name(make: Callable[[], Any], text: str) -> None:
    """The line says which setting, what was found and what was expected."""
    with pytest.raises(UserError, match=text):
        make()


def test_a_bare_number_is_no_time_span() -> None:
    """Nobody can tell its unit."""
    with pytest.raises(DurationError, match="has no unit"):
        Throttle(1, 5)  # type: ignore[arg-type]


def test_the_bounds_themselves_are_taken() -> None:
    """The smallest and the largest of each, and all rules but the exclusive ones together."""
    Debounce("1s"), Debounce("7d", "7d"), Batch(1, "1s"), Batch(100, "60s"), Throttle(1, "1s", 1)
    flow = FlowControl(
        triggers=(Trigger("e"),) * 10,
        throttle=Throttle(1, "1s"),
        debounce=Debounce("1s"),
        concurrency=(Concurrency(1), Concurrency(1, scope="account")),
        idempotency=Idempotency("data.order"),
        priority=Priority("data.urgency"),
        singleton=Singleton("data.order", "cancel"),
        cancel_on=(CancelOn("e", "data.order", "1h"),) * 5,
        timeouts=Timeouts("1m", "1h"),
    )
    assert len(flow.triggers) == 10


def test_one_entry_may_stand_alone() -> None:
    """A single trigger, concurrency or cancelOn is a list of one."""
    flow = FlowControl(triggers=Trigger("e"), concurrency=Concurrency(1), cancel_on=CancelOn("c"))  # type: ignore[arg-type]
    assert flow == FlowControl(triggers=(Trigger("e"),), concurrency=(Concurrency(1),), cancel_on=(CancelOn("c"),))
