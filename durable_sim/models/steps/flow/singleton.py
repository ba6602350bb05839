"""Singletons: one run at a time, for each value of a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from durable_sim.models.steps.flow.checks import one_of
from durable_sim.models.steps.flow.matching import Key, check_path


@dataclass(frozen=True, slots=True)
class Singleton:
    """Keep one run at a time, from the moment it is decided to its end, sleeping included.

    When another is to start, `mode` "skip" drops the new one and "cancel" cancels the old one. Without a `key` there is
    one run of the function.
    """

    key: Key = None
    mode: Literal["skip", "cancel"] = "skip"

    def __post_init__(self) -> None:
        check_path("Singleton", "key", self.key)
        one_of("Singleton", "mode", self.mode, ("skip", "cancel"))


class Singletons:
    """Which run holds which key."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def holder(self, key: str) -> str | None:
        """The run that holds a key, if there is one."""
        return self._holders.get(key)

    def take(self, key: str, run_id: str) -> None:
        """A run holds a key from now on."""
        self._holders[key] = run_id

    def release(self, key: str, run_id: str) -> None:
        """A run is over; nothing happens where another holds the key by now."""
        if self._holders.get(key) == run_id:
            del self._holders[key]
