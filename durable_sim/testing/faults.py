"""Hypothesis strategies for single faults, by kind.

They shrink towards calm: earlier, on the first worker, over sooner. What they draw is what `durable_sim.run` takes, and
prints as code that can be pasted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from durable_sim.testing.drawing import LATEST_MS, one_or_none, operations_of, placed, tuples
from durable_sim.world.faults import (
    CALL_FAULTS,
    LATE_EFFECT,
    Cancel,
    Crash,
    Deploy,
    Pause,
    Script,
    ServerRestart,
)
from durable_sim.world.services.base import ServiceSpec

LATE: Mapping[str, Sequence[str | None]] = MappingProxyType({"late_effect": (None, "1s"), "very_late_effect": ("1h",)})
"""How late effects land after their callers gave up; None: as the service's mixture says."""


def _workers(workers: int) -> st.SearchStrategy[str | None]:
    return st.sampled_from([*(f"w{number + 1}" for number in range(workers)), None])


def crashes(workers: int = 2, latest_ms: int = LATEST_MS, **where: Any) -> st.SearchStrategy[Crash]:
    """A crash of a worker, with a short or a long way back; `where` as for `placed`."""
    away = st.sampled_from(["100ms", "2s", "1m"])
    return placed(Crash, latest_ms=latest_ms, worker=_workers(workers), restart_after=away, **where)


def pauses(workers: int = 2, latest_ms: int = LATEST_MS, **where: Any) -> st.SearchStrategy[Pause]:
    """A worker that stands still for a while, and may wake up as a zombie; `where` as for `placed`."""
    lasts = st.sampled_from(["1s", "15s", "2m"])
    return placed(Pause, latest_ms=latest_ms, worker=_workers(workers), lasts=lasts, **where)


def deploys(latest_ms: int = LATEST_MS, versions: Sequence[str] = (), **where: Any) -> st.SearchStrategy[Deploy]:
    """A deploy, hard or with grace, one worker after the other or all at once; of the same code, or of a version that
    is given; `where` as for `placed`."""
    code: dict[str, Any] = {"version": st.sampled_from([None, *versions])} if versions else {}
    grace, rolling = st.sampled_from([None, "5s"]), st.booleans()
    return placed(Deploy, latest_ms=latest_ms, **code, grace=grace, rolling=rolling, **where)


def server_restarts(latest_ms: int = LATEST_MS, **where: Any) -> st.SearchStrategy[ServerRestart]:
    """The engine's server loses its memory, and goes on from its store; `where` as for `placed`."""
    return placed(ServerRestart, latest_ms=latest_ms, downtime=st.sampled_from(["0s", "3s", "1m"]), **where)


def cancels(latest_ms: int = LATEST_MS, *, executions: Sequence[str] = (), **where: Any) -> st.SearchStrategy[Cancel]:
    """Somebody asks one of the executions (by default the only one) to stop; `where` as for `placed`."""
    return placed(Cancel, latest_ms=latest_ms, target=one_or_none(executions), **where)


def code_versions(
    versions: Iterable[str], max_size: int = 3, latest_ms: int = LATEST_MS, **where: Any
) -> st.SearchStrategy[tuple[Deploy, ...]]:
    """Which version of the code runs when: deploys among those given, forward and back. Where they shall also roll back
    to the code of the beginning, that must have a version too, as in versions={"v1": old, "v2": new}.

    >>> from hypothesis import find
    >>> one, other = find(code_versions(["v1", "v2"]), lambda plan: [one.version for one in plan] == ["v2", "v1"])
    >>> one.at, other.at
    ('0ms', '0ms')
    """
    one = placed(Deploy, latest_ms=latest_ms, version=st.sampled_from([*versions]), rolling=st.booleans(), **where)
    return tuples(one, max_size=max_size)


def scripts(
    services: Mapping[str, ServiceSpec] | None = None,
    calls_max: int = 3,
    *,
    kinds: Sequence[str] = CALL_FAULTS,
    executions: Sequence[str] = (),
) -> st.SearchStrategy[Script]:
    """A fault for one of the first calls of any operation of the services (by default the shop's)."""
    places = [(kind, *one) for kind in kinds for one in operations_of(services).items()]
    return st.one_of([_script(*place, calls_max, executions) for place in places])


def _script(
    kind: str, service: str, operations: Sequence[str], calls_max: int, executions: Sequence[str]
) -> st.SearchStrategy[Script]:
    how: dict[str, Any] = {"fault": st.just(kind)}
    if kind in LATE:
        how = {"fault": st.just(LATE_EFFECT), "late_by": st.sampled_from(LATE[kind])}
    if executions:
        how["execution"] = st.sampled_from([None, *executions])
    which = {"operation": st.sampled_from(operations), "call": st.integers(1, calls_max)}
    return st.builds(Script, service=st.just(service), **which, **how)
