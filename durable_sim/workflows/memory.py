"""What code keeps in its module's or its closure's memory, where a simulated crash does not reach it.

A real process forgets such things when it dies; here all workers are one Python process, which does not. Engines make
workflow code forget, for they run it anew; what its activities leave in a dictionary beside them stays.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from durable_sim.workflows.definitions import names_in, near

_DEPTH: Final = 4
_MUTABLE: Final = (dict, list, set, deque, bytearray)
SIZE_MAX: Final = 10_000
"""Larger collections are tables of data rather than memory, and are not looked at."""


def memory_of(function: Callable[..., Any]) -> Mapping[str, str]:
    """What the collections hold that a function's code names, or that of functions near it: by name, as text.

    >>> SEEN = []
    >>> async def charge(ctx, order): SEEN.append(order)
    >>> before = memory_of(charge)
    >>> SEEN.append("o-1")
    >>> changed(before, memory_of(charge))
    ('SEEN of charge',)
    """
    return dict(_kept(function, _DEPTH, set()))


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The names whose content is another than before."""
    return tuple(name for name, told in after.items() if before.get(name, told) != told)


def _kept(function: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, str]]:
    code = getattr(function, "__code__", None)
    if code is None or depth == 0 or id(function) in seen:
        return
    seen.add(id(function))
    for name, value in names_in(function):
        if isinstance(value, _MUTABLE) and len(value) <= SIZE_MAX:
            yield f"{name} of {function.__name__}", repr(value)
    for other in near(function):
        if inspect.isfunction(other):
            yield from _kept(other, depth - 1, seen)
