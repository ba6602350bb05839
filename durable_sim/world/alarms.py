"""Alarms: callbacks at an instant that can be called off.

SimPy's time-outs cannot be cancelled, and nearly every deadline of a workflow engine is. Kept here, a cancelled
deadline costs next to nothing, and does nothing. Always holds: alarms ring in the order of (time, when set).
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import simpy


class Alarm:
    """One set alarm."""

    __slots__ = ("_arguments", "_callback", "due_us")

    def __init__(self, due_us: int, callback: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.due_us = due_us
        self._callback: Callable[..., None] | None = callback
        self._arguments = arguments

    @property
    def set(self) -> bool:
        """Whether it will still ring."""
        return self._callback is not None

    def cancel(self) -> None:
        """Call it off; harmless once it has rung. What it was set for is no longer held."""
        self._callback, self._arguments = None, ()

    def ring(self) -> None:
        """Do what it was set for."""
        callback, arguments = self._callback, self._arguments
        self.cancel()
        if callback is not None:
            callback(*arguments)


class Alarms:
    """All alarms of a simulation, behind one SimPy time-out at a time."""

    __slots__ = ("_armed_us", "_count", "_env", "_heap")

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._heap: list[tuple[int, int, Alarm]] = []
        self._count = count()
        self._armed_us: int | None = None

    def after(self, delay_us: int, callback: Callable[..., None], *arguments: Any) -> Alarm:
        """Call `callback(*arguments)` in `delay_us`, unless cancelled by then."""
        due_us = int(self._env.now) + delay_us
        alarm = Alarm(due_us, callback, arguments)
        heappush(self._heap, (due_us, next(self._count), alarm))
        if self._armed_us is None or due_us < self._armed_us:
            self._arm(due_us)
        return alarm

    def _arm(self, due_us: int) -> None:
        self._armed_us = due_us
        timeout = self._env.timeout(due_us - self._env.now)
        timeout.callbacks.append(self._ring)

    def _ring(self, _: simpy.Event) -> None:
        now = self._env.now
        if self._armed_us != now:
            return  # an earlier alarm was set after this one, and has re-armed
        self._armed_us = None
        heap = self._heap
        while heap and (heap[0][0] <= now or not heap[0][2].set):
            heappop(heap)[2].ring()
        if heap and (self._armed_us is None or heap[0][0] < self._armed_us):
            self._arm(heap[0][0])
