"""What the strategies of faults have in common: the instants at which something strikes, and how plans are drawn.

Shrinks towards the beginning of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from durable_sim import trace
from durable_sim.library.shop import shop
from durable_sim.world.services.base import ServiceSpec

F = TypeVar("F")
LATEST_MS = 20_000
"""Faults are drawn from the first 20 simulated seconds, in which a short workflow does most of its work."""
CALL_RECORDS = (
    trace.REQUEST_SENT,
    trace.REQUEST_RECEIVED,
    trace.EFFECT_APPLIED,
    trace.REPLY_SENT,
    trace.REPLY_RECEIVED,
)
ENGINE_RECORDS = (
    trace.TASK_SCHEDULED,
    trace.TASK_STARTED,
    trace.RESULT_REPORTED,
    trace.RESULT_RECORDED,
    trace.BACKOFF_BEGUN,
    trace.TIMER_STARTED,
    trace.COMPENSATION_BEGUN,
    trace.REPLAYED,
)
"""After these records, and those of calls, faults are placed."""


@st.composite
def tuples(draw: st.DrawFn, /, elements: st.SearchStrategy[F], **settings: Any) -> tuple[F, ...]:
    """As `st.lists`, but a tuple, which prints as one."""
    return tuple(draw(st.lists(elements, **settings)))


def one_or_none(names: Iterable[str]) -> st.SearchStrategy[str | None]:
    """One of the names; None where there are none."""
    return st.sampled_from((*names,) or (None,))


def times(latest_ms: int = LATEST_MS) -> st.SearchStrategy[str]:
    """A time since the start, in whole milliseconds."""
    return st.integers(0, latest_ms).map(lambda ms: f"{ms}ms")


def operations_of(services: Mapping[str, ServiceSpec] | None) -> dict[str, list[str]]:
    """The operations of each service, by default of the shop's; services without any are left out."""
    specs = shop() if services is None else services
    operations = {name: list(spec.service.operations()) for name, spec in specs.items()}
    return {name: known for name, known in operations.items() if known}


def placed(
    make: Callable[..., F],
    services: Mapping[str, ServiceSpec] | None = None,
    latest_ms: int = LATEST_MS,
    executions: Sequence[str] = (),
    **settings: st.SearchStrategy[Any],
) -> st.SearchStrategy[F]:
    """A fault or stimulus that strikes at a time, after a record of the engine, or after one of a call."""
    whose = {"execution": st.sampled_from([None, *executions])} if executions else {}
    nth = st.integers(1, 3)
    subjects = [f"{name}.{one}" for name, operations in operations_of(services).items() for one in operations]
    ways = [
        st.builds(make, at=times(latest_ms), **settings),
        st.builds(make, after=st.sampled_from(ENGINE_RECORDS), nth=nth, **whose, **settings),
    ]
    if subjects:
        of = {"after": st.sampled_from(CALL_RECORDS), "of": st.sampled_from(subjects)}
        ways.append(st.builds(make, **of, nth=nth, **whose, **settings))
    return st.one_of(ways)
