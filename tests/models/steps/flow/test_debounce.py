"""Debouncing: the last event, once it is quiet, and not later than the time-out."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import find, given, settings
from hypothesis import strategies as st

from durable_sim.durations import SECOND
from durable_sim.models.steps.flow.debounce import Debounce, Debouncer
from durable_sim.models.steps.protocol import Event

PERIOD_US = 2 * SECOND
Told = list[tuple[int, str]]


class Case(NamedTuple):
    """Gaps between events, and the time-out in seconds, if there is one."""

    gaps_us: list[int]
    timeout_s: int | None

    def arrivals(self) -> list[int]:
        """When events come."""
        return [sum(self.gaps_us[: n + 1]) for n in range(len(self.gaps_us))]


gaps = st.lists(st.sampled_from([0, PERIOD_US - 1, PERIOD_US]) | st.integers(0, 3 * SECOND), min_size=1, max_size=20)
cases = st.builds(Case, gaps, st.none() | st.integers(2, 7))


def told(debouncer: Debouncer, case: Case) -> Told:
    """What a debouncer emits, and when, if it is asked at every moment that it names."""
    out: Told = []

    def ask(until_us: int | None) -> None:
        while (due_us := debouncer.next_due_us) is not None and (until_us is None or due_us <= until_us):
            out.extend((due_us, event.id) for event in debouncer.due(due_us))

    for number, now_us in enumerate(case.arrivals()):
        ask(now_us)
        debouncer.seen("", Event("e", id=str(number)), now_us)
    ask(None)
    return out


def expected(case: Case) -> Told:
    """By hand: events are one series until it is quiet for the period, or the first is too old."""
    out: Told = []
    arrivals = case.arrivals()
    first_us = arrivals[0]
    for number, now_us in enumerate(arrivals):
        due_us = now_us + PERIOD_US
        if case.timeout_s is not None:
            due_us = min(due_us, first_us + case.timeout_s * SECOND)
        later = arrivals[number + 1 :]
        if not later or later[0] >= due_us:
            out.append((due_us, str(number)))
            first_us = later[0] if later else 0
    return out


def debouncer_of(case: Case) -> Debouncer:
    """The real one."""
    return Debouncer(Debounce("2s", None if case.timeout_s is None else f"{case.timeout_s}s"))


@given(cases)
def test_the_last_event_is_told_once_it_is_quiet(case: Case) -> None:
    """The same events at the same times as worked out from the whole stream."""
    assert told(debouncer_of(case), case) == expected(case)


@given(cases)
def test_nothing_comes_late_or_twice(case: Case) -> None:
    """Each event is told at most once, the very last one always, and after the time-out at the latest."""
    out = told(debouncer_of(case), case)
    assert len(dict(out)) == len(out)
    assert out[-1][1] == str(len(case.gaps_us) - 1)
    if case.timeout_s is not None:
        arrivals = case.arrivals()
        for due_us, number in out:
            assert due_us - arrivals[int(number)] <= case.timeout_s * SECOND


def test_a_key_is_debounced_by_itself() -> None:
    """Events of one key neither replace nor put off those of another."""
    debouncer = Debouncer(Debounce("2s"))
    assert debouncer.seen("a", Event("e", id="1"), 0) == 2 * SECOND
    assert debouncer.seen("b", Event("e", id="2"), SECOND) == 3 * SECOND
    assert debouncer.take("b", 2 * SECOND) is None
    assert debouncer.next_due_us == 2 * SECOND
    taken = debouncer.take("a", 2 * SECOND)
    assert taken is not None and taken.id == "1"
    assert debouncer.take("a", 3 * SECOND) is None
    assert [event.id for event in debouncer.due(3 * SECOND)] == ["2"]
    assert debouncer.next_due_us is None


class FirstWins(Debouncer):
    """Planted: keeps the first event of a series."""

    def seen(self, key: str, event: Event, now_us: int) -> int:
        """As it should be, but for the event."""
        held = self._held.get(key)
        return super().seen(key, event if held is None else held.event, now_us)


class NeverPutOff(Debouncer):
    """Planted: later events do not begin the quiet period anew."""

    def seen(self, key: str, event: Event, now_us: int) -> int:
        """As it should be, but for the time."""
        held = self._held.get(key)
        return super().seen(key, event, now_us if held is None else held.first_us)


def test_planted_bugs_are_found() -> None:
    """The first event instead of the last, and a period that does not begin anew."""
    for planted in (FirstWins, NeverPutOff):

        def wrong(case: Case, planted: type[Debouncer] = planted) -> bool:
            return told(planted(Debounce("2s")), case) != expected(case)

        found = find(cases, lambda case, wrong=wrong: case.timeout_s is None and wrong(case), settings=QUICK)
        assert len(found.gaps_us) == 2


QUICK = settings(derandomize=True, max_examples=2000)
