"""Concurrency: how many steps execute at a time, and who is next.

Counts executing steps; a run that sleeps or waits holds nothing. Always holds: no step begins in a line where as many
execute as its limit, and nobody waits who could begin. So whoever comes may begin at once if there is room in all the
lines that it needs: those who wait lack a place in another one.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from heapq import merge
from typing import Literal, NamedTuple

from durable_sim.errors import InternalError
from durable_sim.models.steps.flow.checks import one_of, whole
from durable_sim.models.steps.flow.matching import Key, check_path, key_of
from durable_sim.models.steps.protocol import Event

Scope = Literal["fn", "env", "account"]


class Line(NamedTuple):
    """What is counted together: the steps of a function, or of all, with one value of a key."""

    scope: Scope
    function_id: str
    key: Key
    value: str


class Need(NamedTuple):
    """A line in which a step needs a place, and how many may execute there for it to begin."""

    line: Line
    limit: int


class Slot(NamedTuple):
    """A step of a run that executes or wants to."""

    function_id: str
    run_id: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` (1 or more) steps execute at a time.

    `scope` "fn" counts the steps of the function, "env" and "account" those of all functions with the same scope and
    key. With a `key`, each of its values is counted by itself.
    """

    limit: int
    key: Key = None
    scope: Scope = "fn"

    def __post_init__(self) -> None:
        whole("Concurrency", "limit", self.limit, 1)
        check_path("Concurrency", "key", self.key)
        one_of("Concurrency", "scope", self.scope, ("fn", "env", "account"))

    def need(self, function_id: str, event: Event) -> Need:
        """The place that the steps of a run need, by the event that started it."""
        owner = function_id if self.scope == "fn" else ""
        return Need(Line(self.scope, owner, self.key, key_of(self.key, event)), self.limit)


class _Waiting(NamedTuple):
    """Sorted by rank, then by who came first."""

    rank_us: int
    number: int
    slot: Slot
    needs: tuple[Need, ...]


class Lines:
    """All lines of a platform: who executes and who waits. One is shared by all functions."""

    def __init__(self) -> None:
        self._counts: dict[Line, int] = {}
        self._executing: dict[Slot, tuple[Need, ...]] = {}
        self._waiting: dict[Slot, _Waiting] = {}
        self._queues: dict[Line, list[_Waiting]] = {}
        self._arrivals = 0

    def try_begin(self, slot: Slot, needs: tuple[Need, ...], rank_us: int = 0) -> bool:
        """Whether a step may begin now; if not it waits, the lowest rank first. Asking again changes nothing."""
        if slot in self._executing:
            return True
        if slot in self._waiting:
            return False
        if self._room(needs):
            self._begin(slot, needs)
            return True
        self._wait(slot, needs, rank_us)
        return False

    def end(self, slot: Slot) -> list[Slot]:
        """A step is over, or waits no longer; gives those who were waiting and execute from now on, in order."""
        if self.withdraw(slot):
            return []
        needs = self._executing.pop(slot, ())
        for need in needs:
            self._counts[need.line] -= 1
        return self._let_in([need.line for need in needs])

    def withdraw(self, slot: Slot) -> bool:
        """Whether a step was waiting; if so it waits no longer."""
        one = self._waiting.pop(slot, None)
        if one is not None:
            self._leave(one)
        return one is not None

    def executing(self, line: Line) -> int:
        """How many steps execute in a line."""
        return self._counts.get(line, 0)

    def waiting(self, line: Line) -> list[Slot]:
        """Who waits in a line, the next one first."""
        return [one.slot for one in self._queues.get(line, [])]

    def _let_in(self, freed: list[Line]) -> list[Slot]:
        """One place is free in each of these lines: those who wait for it, the first of all lines first."""
        let_in: list[Slot] = []
        while one := self._next(freed):
            self._leave(self._waiting.pop(one.slot))
            self._begin(one.slot, one.needs)
            let_in.append(one.slot)
        return let_in

    def _next(self, lines: list[Line]) -> _Waiting | None:
        """The first of those who wait in these lines and could begin."""
        if not any(self._queues.get(line) for line in lines):
            return None
        in_order = merge(*(self._queues.get(line, []) for line in lines), key=_order)
        return next((one for one in in_order if self._room(one.needs)), None)

    def _room(self, needs: tuple[Need, ...]) -> bool:
        return all(self.executing(need.line) < need.limit for need in needs)

    def _begin(self, slot: Slot, needs: tuple[Need, ...]) -> None:
        self._executing[slot] = needs
        for need in needs:
            self._counts[need.line] = self.executing(need.line) + 1

    def _wait(self, slot: Slot, needs: tuple[Need, ...], rank_us: int) -> None:
        self._arrivals += 1
        one = self._waiting[slot] = _Waiting(rank_us, self._arrivals, slot, needs)
        for need in needs:
            insort(self._queues.setdefault(need.line, []), one, key=_order)

    def _leave(self, one: _Waiting) -> None:
        for need in one.needs:
            queue = self._queues[need.line]
            if one not in queue:
                raise InternalError(f"{one.slot} waits in no line")
            queue.remove(one)


def _order(one: _Waiting) -> tuple[int, int]:
    return one.rank_us, one.number
