"""What is due when: one time a name, which may be changed or dropped, and the earliest is always at hand."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count


class Dues:
    """Names with times. Equal times come in the order in which the names were first set."""

    def __init__(self) -> None:
        self._times: dict[str, tuple[int, int]] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._numbers = count()

    def set(self, name: str, due_us: int) -> None:
        """Set or change a name's time."""
        known = self._times.get(name)
        number = next(self._numbers) if known is None else known[1]
        if known != (due_us, number):
            self._times[name] = (due_us, number)
            heappush(self._heap, (due_us, number, name))

    def drop(self, name: str) -> None:
        """A name is not due any more; nothing happens where it has no time."""
        self._times.pop(name, None)

    @property
    def next_us(self) -> int | None:
        """The earliest time; None where there is none."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][:2]:
            heappop(self._heap)  # changed or dropped since
        return self._heap[0][0] if self._heap else None

    def take(self, now_us: int) -> list[str]:
        """The names that are due by now, the earliest first; they are dropped."""
        names: list[str] = []
        while (next_us := self.next_us) is not None and next_us <= now_us:
            names.append(heappop(self._heap)[2])
            self.drop(names[-1])
        return names
