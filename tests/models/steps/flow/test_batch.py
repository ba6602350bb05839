"""Batching: never too many, never too late, each event once and in order."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import find, given, settings
from hypothesis import strategies as st

from durable_sim.durations import SECOND
from durable_sim.models.steps.flow.batch import Batch, Batcher
from durable_sim.models.steps.protocol import Event

QUICK = settings(derandomize=True, max_examples=2000)


class Case(NamedTuple):
    """A batcher's size, and when events come."""

    max_size: int
    gaps_us: list[int]

    def arrivals(self) -> list[int]:
        """When events come."""
        return [sum(self.gaps_us[: n + 1]) for n in range(len(self.gaps_us))]


gaps = st.lists(st.sampled_from([0, SECOND, 2 * SECOND]) | st.integers(0, 3 * SECOND), max_size=25)
cases = st.builds(Case, st.integers(1, 6), gaps)


def batches(batcher: Batcher, case: Case) -> list[tuple[int, list[int]]]:
    """The batches that come of a stream, each with its time and the numbers of its events."""
    out: list[tuple[int, tuple[Event, ...]]] = []

    def ask(until_us: int | None) -> None:
        while (due_us := batcher.next_due_us) is not None and (until_us is None or due_us <= until_us):
            out.extend((due_us, events) for events in batcher.due(due_us))

    for number, now_us in enumerate(case.arrivals()):
        ask(now_us)
        full = batcher.add("", Event("e", number), now_us)
        out += [(now_us, full)] if full else []
    ask(None)
    return [(at_us, [event.data for event in events]) for at_us, events in out]


def is_right(case: Case, out: list[tuple[int, list[int]]]) -> bool:
    """Each event once and in order; a batch is full, or its first event is two seconds old."""
    arrivals = case.arrivals()
    if [number for _, numbers in out for number in numbers] != list(range(len(arrivals))):
        return False
    for at_us, numbers in out:
        age_us = at_us - arrivals[numbers[0]]
        full = len(numbers) == case.max_size and at_us == arrivals[numbers[-1]]
        if len(numbers) > case.max_size or age_us > 2 * SECOND or not (full or age_us == 2 * SECOND):
            return False
    return True


@given(cases)
def test_a_batch_is_neither_too_large_nor_too_late(case: Case) -> None:
    """Full at once, or two seconds after its first event, with all that came in between."""
    assert is_right(case, batches(Batcher(Batch(case.max_size, "2s")), case))


def test_a_key_has_batches_of_its_own() -> None:
    """Events of two keys are never in one batch, and each has its own time."""
    batcher = Batcher(Batch(2, "2s"))
    assert batcher.add("a", Event("e", 1), 0) == ()
    assert batcher.add("b", Event("e", 2), SECOND) == ()
    assert [event.data for event in batcher.add("a", Event("e", 3), SECOND)] == [1, 3]
    assert batcher.due_us("a") is None
    assert batcher.due_us("b") == 3 * SECOND
    assert [event.data for (event,) in batcher.due(3 * SECOND)] == [2]
    assert batcher.next_due_us is None


class OneTooMany(Batcher):
    """Planted: is full one event late."""

    def __init__(self, settings: Batch) -> None:
        super().__init__(settings)
        self._max_size += 1


class FromTheLast(Batcher):
    """Planted: the time runs from the last event."""

    def add(self, key: str, event: Event, now_us: int) -> tuple[Event, ...]:
        """As it should be, but for the time."""
        full = super().add(key, event, now_us)
        if not full:
            self._dues.set(key, now_us + self._timeout_us)
        return full


def test_planted_bugs_are_found() -> None:
    """A batch with one event too many, and one whose time begins anew with each event."""
    for planted in (OneTooMany, FromTheLast):

        def wrong(case: Case, planted: type[Batcher] = planted) -> bool:
            return not is_right(case, batches(planted(Batch(case.max_size, "2s")), case))

        assert find(cases, wrong, settings=QUICK).gaps_us
