"""The ids under which steps are remembered: the SHA-1 of the name that the code gives a step.

Always holds: an id depends on the step's name and on how often the same name was used before it in the same entry of
the function, and on nothing else. A renamed step is another step.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple


class StepId(NamedTuple):
    """A step's hashed id, and which repeat of its name it is (from 1; None for the first use)."""

    hashed: str
    repeat: int | None


@lru_cache(maxsize=4096)
def hashed_id(name: str, repeat: int | None = None) -> str:
    """The hex SHA-1 of the name, or of `name:repeat` for a repeat.

    >>> hashed_id("reserve")
    '5bac43c0231290341c42a3cef48b789922d02b35'
    >>> hashed_id("same", 1)
    'c1023fa587daa4753ff5868c7e4bdbd03defda7d'
    """
    text = name if repeat is None else f"{name}:{repeat}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class StepIds:
    """Gives the steps of one entry their ids, in the order in which the code comes to them."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def next(self, name: str) -> StepId:
        """The id of the next step of this name."""
        count = self._used.get(name, 0)
        self._used[name] = count + 1
        repeat = count or None
        return StepId(hashed_id(name, repeat), repeat)
