"""Messages between workers and the server, and the operations of the server.

Always holds: a message that was sent arrives, whatever becomes of its sender, and messages arrive in the order in
which they were sent; operations come one after the other, never inside one another; what an operation has changed is
stored before its messages leave.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import simpy


class Clock(Protocol):
    """What is told the time when operations begin, and when there are no more at this instant."""

    now_us: int
    unwatched: list[Any]

    def idle(self) -> None:
        """There are no more."""


class Wire:
    """Carries messages, each taking `latency_us`."""

    __slots__ = ("_env", "_held", "_latency_us", "_queue", "_running", "between", "clock")

    def __init__(self, env: simpy.Environment, latency_us: int) -> None:
        self._env = env
        self._latency_us = latency_us
        self._queue: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._running = False
        self._held = False
        self.clock: Clock | None = None
        self.between: Callable[[], None] | None = None

    def send(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call `callback(*arguments)` on arrival."""
        if self._latency_us:
            timeout = self._env.timeout(self._latency_us)
            timeout.callbacks.append(partial(self._arrived, callback, arguments))
            return
        self._queue.append((callback, arguments))
        if not self._running and not self._held:
            self._run()

    def enter(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call `callback(*arguments)` now, or as soon as what is going on is done."""
        self._queue.append((callback, arguments))
        if not self._running and not self._held:
            self._run()

    def slip_in(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call `callback(*arguments)` between two operations: before the next one, and at this instant in any case.

        Unlike `enter`, this may be said in the middle of what a worker or the network does.
        """
        self._queue.append((callback, arguments))
        self._env.timeout(0).callbacks.append(self._wake)

    def _wake(self, _: simpy.Event) -> None:
        if not self._running and not self._held:
            self._run()

    @property
    def held(self) -> bool:
        """Whether the server is down."""
        return self._held

    def hold(self) -> None:
        """The server is down: whatever is meant for it or comes from it waits, as clients try again and again."""
        self._held = True

    def release(self) -> None:
        """The server is up again."""
        self._held = False
        if not self._running:
            self._run()

    def _run(self) -> None:
        self._running = True
        queue, between = self._queue, self.between
        if self.clock is not None:
            self.clock.now_us = int(self._env.now)
        try:
            while queue and not self._held:
                callback, arguments = queue.popleft()
                callback(*arguments)
                if between is not None:
                    between()
        finally:
            self._running = False
        if self.clock is not None and self.clock.unwatched:
            self.clock.idle()

    def _arrived(self, callback: Callable[..., None], arguments: tuple[Any, ...], _: simpy.Event) -> None:
        self.enter(callback, *arguments)
