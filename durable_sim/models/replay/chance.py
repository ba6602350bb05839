"""The random numbers of a run: the same whenever its history is replayed, and new ones from a reset on."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Stream = Callable[[], Random]
"""Makes a generator that begins at the beginning."""


class Chance:
    """The generator that a run's code draws from, made when it is first wanted."""

    __slots__ = ("_generator", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._generator: Random | None = None

    def generator(self) -> Random:
        """The one that there is for this run."""
        if self._generator is None:
            self._generator = self._stream()
        return self._generator

    def renew(self, stream: Stream) -> None:
        """Other numbers from here on, also for code that has kept the generator."""
        self._stream = stream
        if self._generator is not None:
            self._generator.setstate(stream().getstate())
