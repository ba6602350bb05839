"""Concurrency: never more than the limit, in order, and nobody waits who could begin."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import find, given, settings
from hypothesis import strategies as st

from durable_sim.models.steps.flow.concurrency import Concurrency, Lines, Need, Slot
from durable_sim.models.steps.protocol import Event

QUICK = settings(derandomize=True, max_examples=2000)


class Act(NamedTuple):
    """A step of a customer comes with a rank, or one that has come is over (the number wraps around)."""

    begin: bool
    customer: str
    rank_us: int
    number: int


acts = st.builds(Act, st.booleans(), st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 30))
streams = st.lists(acts, max_size=40)
ONE_LINE = (Concurrency(2),)
TWO_LINES = (Concurrency(3, scope="account"), Concurrency(1, "data.customer"))


def needs_of(rules: tuple[Concurrency, ...], customer: str) -> tuple[Need, ...]:
    """The places that a step of a customer needs."""
    return tuple(rule.need("f", Event("e", {"customer": customer})) for rule in rules)


class Model:
    """The rule, worked out anew at every change from all who have come."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, int, Slot, tuple[Need, ...]]] = []
        self.executing: dict[Slot, tuple[Need, ...]] = {}

    def come(self, slot: Slot, needs: tuple[Need, ...], rank_us: int, number: int) -> list[Slot]:
        """One comes; gives who begins."""
        self.waiting.append((rank_us, number, slot, needs))
        return self._settle()

    def end(self, slot: Slot) -> list[Slot]:
        """One is over or leaves; gives who begins."""
        self.executing.pop(slot, None)
        self.waiting = [one for one in self.waiting if one[2] != slot]
        return self._settle()

    def _settle(self) -> list[Slot]:
        began: list[Slot] = []
        for one in sorted(self.waiting, key=lambda one: one[:2]):
            if all(self._count(need) < need.limit for need in one[3]):
                self.waiting.remove(one)
                self.executing[one[2]] = one[3]
                began.append(one[2])
        return began

    def _count(self, need: Need) -> int:
        return sum(need.line in [other.line for other in needs] for needs in self.executing.values())


def agrees(lines: Lines, rules: tuple[Concurrency, ...], stream: list[Act]) -> bool:
    """Whether those who begin, and when, are those of the model; and no line is ever too full."""
    model, open_slots = Model(), list[Slot]()
    for number, act in enumerate(stream):
        if act.begin:
            slot, needs = Slot("f", f"r{number}"), needs_of(rules, act.customer)
            open_slots.append(slot)
            began = [slot] if lines.try_begin(slot, needs, act.rank_us) else []
            same = began == model.come(slot, needs, act.rank_us, number)
        elif open_slots:
            slot = open_slots.pop(act.number % len(open_slots))
            same = lines.end(slot) == model.end(slot)
        else:
            continue
        if not same or any(lines.executing(n.line) > n.limit for c in "ab" for n in needs_of(rules, c)):
            return False
    return True


@given(streams)
def test_one_line_serves_in_order(stream: list[Act]) -> None:
    """Two at a time; the lowest rank first, then who came first."""
    assert agrees(Lines(), ONE_LINE, stream)


@given(streams)
def test_two_lines_are_both_kept(stream: list[Act]) -> None:
    """One a customer and three in all: nobody begins without both, and nobody waits who could have both."""
    assert agrees(Lines(), TWO_LINES, stream)


def test_who_waits_for_another_line_holds_up_nobody() -> None:
    """A second step of customer a waits; a later one of b passes it."""
    lines = Lines()
    first, second, third = (Slot("f", run_id) for run_id in ("r1", "r2", "r3"))
    assert lines.try_begin(first, needs_of(TWO_LINES, "a"))
    assert not lines.try_begin(second, needs_of(TWO_LINES, "a"))
    assert lines.try_begin(third, needs_of(TWO_LINES, "b"))
    assert lines.end(third) == []
    assert lines.end(first) == [second]


def test_scopes_say_what_is_counted_together() -> None:
    """Two functions share "env" and "account" lines of the same key, but not each other's, nor "fn"."""
    event = Event("e", {"customer": "a"})
    for scope, shared in (("fn", False), ("env", True), ("account", True)):
        rule = Concurrency(1, "data.customer", scope)  # type: ignore[arg-type]
        assert (rule.need("f", event).line == rule.need("g", event).line) == shared
    assert Concurrency(1, scope="env").need("f", event).line != Concurrency(1, scope="account").need("f", event).line
    assert Concurrency(1, "data.customer").need("f", event).line != Concurrency(1, "data.x").need("f", event).line


def test_asking_again_changes_nothing() -> None:
    """One that executes may, one that waits keeps its place, and withdrawing it lets the next one in its stead."""
    lines, needs = Lines(), needs_of((Concurrency(1),), "a")
    one, two, three = (Slot("f", run_id) for run_id in ("r1", "r2", "r3"))
    assert [lines.try_begin(slot, needs) for slot in (one, two, three, two, one)] == [True, False, False, False, True]
    assert lines.waiting(needs[0].line) == [two, three]
    assert lines.withdraw(two)
    assert not lines.withdraw(two)
    assert lines.end(one) == [three]
    assert lines.executing(needs[0].line) == 1


class LastFirst(Lines):
    """Planted: who came last is served first."""

    def _wait(self, slot: Slot, needs: tuple[Need, ...], rank_us: int) -> None:
        super()._wait(slot, needs, rank_us - self._arrivals * 10)


class FirstLineOnly(Lines):
    """Planted: looks at the first of two lines."""

    def _room(self, needs: tuple[Need, ...]) -> bool:
        return super()._room(needs[:1])


class Forgets(Lines):
    """Planted: nobody is let in when a step is over."""

    def _let_in(self, freed: list[object]) -> list[Slot]:  # type: ignore[override]
        return []


def test_planted_bugs_are_found() -> None:
    """A wrong order, a line that is not looked at, and waiting that never ends."""
    for planted, rules in ((LastFirst, ONE_LINE), (FirstLineOnly, TWO_LINES), (Forgets, ONE_LINE)):

        def wrong(stream: list[Act], planted: type[Lines] = planted, rules: tuple[Concurrency, ...] = rules) -> bool:
            return not agrees(planted(), rules, stream)

        assert len(find(streams, wrong, settings=QUICK)) >= 2
