"""Alarms ring in order, once, unless called off."""

from __future__ import annotations

from typing import Any

import simpy
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.world.alarms import Alarms


def make() -> tuple[simpy.Environment, Alarms, list[Any]]:
    """A clock, its alarms and a log."""
    env = simpy.Environment()
    return env, Alarms(env), []


@given(st.lists(st.integers(0, 20), max_size=20))
def test_alarms_ring_at_their_time_in_the_order_of_time_and_setting(delays_us: list[int]) -> None:
    """Two alarms for the same instant ring in the order in which they were set."""
    env, alarms, log = make()
    for number, delay_us in enumerate(delays_us):
        alarms.after(delay_us, lambda number: log.append((env.now, number)), number)
    env.run()
    assert log == sorted((delay_us, number) for number, delay_us in enumerate(delays_us))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=12), st.data())
def test_cancelled_alarms_are_silent_and_disturb_no_other(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    """Alarms are set and cancelled at any instants; those ring that were not cancelled by their time."""
    env, alarms, log = make()
    cancels = data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))

    def life(number: int, set_us: int, delay_us: int, cancelled: bool) -> Any:
        yield env.timeout(set_us)
        alarm = alarms.after(delay_us, lambda: log.append((env.now, number)))
        if cancelled:
            yield env.timeout(delay_us // 2)
            alarm.cancel()

    for number, ((set_us, delay_us), cancelled) in enumerate(zip(pairs, cancels, strict=True)):
        env.process(life(number, set_us, delay_us, cancelled))
    env.run()
    expected = {
        (set_us + delay_us, number)
        for number, ((set_us, delay_us), cancelled) in enumerate(zip(pairs, cancels, strict=True))
        if not cancelled
    }
    assert {(at, n) for at, n in log if not cancels[n]} == expected
    assert all(pairs[n][1] <= 1 for _, n in log if cancels[n]), "it rang after its cancellation"
    assert [at for at, _ in log] == sorted(at for at, _ in log)
    assert len(log) == len(set(log))


def test_an_alarm_may_set_another_also_for_the_same_instant() -> None:
    """It rings after those that were set for this instant before."""
    env, alarms, log = make()

    def first() -> None:
        log.append("first")
        alarms.after(0, log.append, "same instant")
        alarms.after(3, log.append, "later")

    alarms.after(5, first)
    alarms.after(5, log.append, "second")
    env.run()
    assert (log, env.now) == (["first", "second", "same instant", "later"], 8)


def test_an_earlier_alarm_set_later_does_not_stop_the_other() -> None:
    """Both ring at their times."""
    env, alarms, log = make()
    alarms.after(100, lambda: log.append(env.now))
    alarms.after(50, lambda: log.append(env.now))
    env.run()
    assert log == [50, 100]


def test_one_alarm_may_cancel_another_of_the_same_instant() -> None:
    """What was cancelled before its turn does not ring."""
    env, alarms, log = make()
    victims: list[Any] = []
    alarms.after(5, lambda: victims[0].cancel())
    victims.append(alarms.after(5, log.append, "rang"))
    env.run()
    assert log == []


def test_an_alarm_knows_whether_it_is_set() -> None:
    """Until it has rung or was cancelled; cancelling twice or too late does nothing."""
    env, alarms, log = make()
    rings, silent = alarms.after(5, log.append, "rang"), alarms.after(5, log.append, "never")
    assert (rings.set, silent.set, rings.due_us) == (True, True, 5)
    silent.cancel()
    silent.cancel()
    assert not silent.set
    env.run()
    rings.cancel()
    assert (rings.set, log) == (False, ["rang"])


def test_cancelled_alarms_do_not_keep_a_simulation_going() -> None:
    """Thousands of cancelled deadlines behind an alarm that rings cost no step and no simulated time."""
    env, alarms, log = make()
    alarms.after(1, log.append, "rang")
    for number in range(1_000):
        alarms.after(10 + number, log.append, "never").cancel()
    steps = 0
    while env.peek() != float("inf"):
        env.step()
        steps += 1
    assert (log, env.now, steps) == (["rang"], 1, 1)
