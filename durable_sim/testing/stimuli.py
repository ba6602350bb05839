"""Hypothesis strategies for what people do to executions: when signals and cancellations come.

They shrink towards the beginning of a run, and to fewer of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from durable_sim.testing.drawing import LATEST_MS, one_or_none, times, tuples
from durable_sim.world.faults import Cancel, Signal

F = TypeVar("F")


def signal_timings(
    name: str,
    arguments: tuple[Any, ...] | st.SearchStrategy[tuple[Any, ...]] = (),
    *,
    after: Iterable[tuple[str, str | None]] = (),
    targets: Sequence[str] = (),
    min_size: int = 1,
    max_size: int = 1,
    latest_ms: int = LATEST_MS,
) -> st.SearchStrategy[tuple[Signal, ...]]:
    """When signals come: at a time, or right after a trace record, for the `stimuli` of a scenario.

    Args:
        name: the signal's.
        arguments: what it brings along, or a strategy for it.
        after: the records after which it may come, as (kind, subject), such as ("reply_received", "payments.charge").
            One that never happens brings no signal.
        targets: ids of executions, one of which is signalled; by default the only one.
        min_size, max_size: how many signals there are.
        latest_ms: the last time at which one comes.

    >>> from hypothesis import find
    >>> find(signal_timings("approve"), lambda signals: signals[0].at is not None)  # doctest: +ELLIPSIS
    (Signal(at='0ms', ..., name='approve', arguments=(), target=None),)
    """
    given = arguments if isinstance(arguments, st.SearchStrategy) else st.just(arguments)
    what = {"name": st.just(name), "arguments": given, "target": one_or_none(targets)}
    one = _timings(Signal, latest_ms, after, what)
    return tuples(one, min_size=min_size, max_size=max_size)


def cancel_timings(
    *, after: Iterable[tuple[str, str | None]] = (), targets: Sequence[str] = (), latest_ms: int = LATEST_MS
) -> st.SearchStrategy[tuple[Cancel, ...]]:
    """When somebody asks an execution to stop, if at all; arguments as for `signal_timings`."""
    target = {"target": one_or_none(targets)}
    return tuples(_timings(Cancel, latest_ms, after, target), max_size=1)


def _timings(
    make: Callable[..., F],
    latest_ms: int,
    after: Iterable[tuple[str, str | None]],
    what: Mapping[str, st.SearchStrategy[Any]],
) -> st.SearchStrategy[F]:
    places: list[dict[str, st.SearchStrategy[Any]]] = [{"at": times(latest_ms)}]
    places += [{"after": st.just(kind), "of": st.just(subject)} for kind, subject in after]
    return st.one_of([st.builds(make, **place, **what) for place in places])
