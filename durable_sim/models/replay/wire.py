"""Messages between workers and the server.

Always holds: a message that was sent arrives, whatever becomes of its sender, and messages arrive in the order in
which they were sent. Without a latency they arrive at the same instant, one after the other, never inside one another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import simpy


class Wire:
    """Carries messages, each taking `latency_us`."""

    __slots__ = ("_env", "_latency_us", "_queue", "_running")

    def __init__(self, env: simpy.Environment, latency_us: int) -> None:
        self._env = env
        self._latency_us = latency_us
        self._queue: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._running = False

    def send(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call `callback(*arguments)` on arrival."""
        if self._latency_us:
            timeout = self._env.timeout(self._latency_us)
            timeout.callbacks.append(partial(_arrived, callback, arguments))
            return
        self._queue.append((callback, arguments))
        if not self._running:
            self._run()

    def _run(self) -> None:
        self._running = True
        queue = self._queue
        while queue:
            callback, arguments = queue.popleft()
            callback(*arguments)
        self._running = False


def _arrived(callback: Callable[..., None], arguments: tuple[Any, ...], _: simpy.Event) -> None:
    callback(*arguments)
