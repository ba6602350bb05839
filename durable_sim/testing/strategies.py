"""Hypothesis strategies for fault plans and flaky services.

They shrink towards calm: fewer faults, earlier, on the first worker, and lower probabilities. What they draw is the
same data that `durable_sim.run` takes, so a failing example prints as code that can be pasted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from durable_sim.library.shop import shop
from durable_sim.world.faults import CALL_FAULTS, Crash, Deploy, Fault, Mixture, Pause, Script
from durable_sim.world.services.base import ServiceSpec

LATEST_MS = 20_000
"""Faults are drawn from the first 20 simulated seconds, in which a short workflow does most of its work."""


def _times(latest_ms: int) -> st.SearchStrategy[str]:
    return st.integers(0, latest_ms).map(lambda ms: f"{ms}ms")


def _workers(workers: int) -> st.SearchStrategy[str]:
    return st.sampled_from([f"w{number + 1}" for number in range(workers)])


def crashes(workers: int = 2, latest_ms: int = LATEST_MS) -> st.SearchStrategy[Crash]:
    """A crash of any worker at any time, with a short or a long way back."""
    return st.builds(
        Crash, at=_times(latest_ms), worker=_workers(workers), restart_after=st.sampled_from(["100ms", "2s", "1m"])
    )


def deploys(latest_ms: int = LATEST_MS) -> st.SearchStrategy[Deploy]:
    """A deploy of the same code, hard or with grace, one worker after the other or all at once."""
    return st.builds(
        Deploy, at=_times(latest_ms), grace=st.sampled_from([None, "5s"]), rolling=st.booleans(), downtime=st.just("1s")
    )


def pauses(workers: int = 2, latest_ms: int = LATEST_MS) -> st.SearchStrategy[Pause]:
    """A worker that stands still for a while, and may wake up as a zombie."""
    return st.builds(Pause, at=_times(latest_ms), worker=_workers(workers), lasts=st.sampled_from(["1s", "15s", "2m"]))


def scripts(services: Mapping[str, ServiceSpec] | None = None, calls_max: int = 3) -> st.SearchStrategy[Script]:
    """A fault for one of the first calls of any operation of the services (by default the shop's)."""
    specs = shop() if services is None else services
    operations = [(name, operation) for name, spec in specs.items() for operation in spec.service.operations()]

    def script(target: tuple[str, str], call: int, fault: Any) -> Script:
        return Script(*target, call=call, fault=fault)

    return st.builds(script, st.sampled_from(operations), st.integers(1, calls_max), st.sampled_from(CALL_FAULTS))


def fault_plans(
    workers: int = 2,
    services: Mapping[str, ServiceSpec] | None = None,
    max_size: int = 4,
    latest_ms: int = LATEST_MS,
) -> st.SearchStrategy[tuple[Fault, ...]]:
    """Up to `max_size` faults of any kind; no call is scripted twice.

    >>> from hypothesis import find
    >>> find(fault_plans(), lambda plan: any(isinstance(fault, Crash) for fault in plan))
    (Crash(at='0ms', after_record=None, after=None, of=None, nth=1, worker='w1', restart_after='100ms'),)
    """
    one: st.SearchStrategy[Fault] = st.one_of(
        crashes(workers, latest_ms), scripts(services), deploys(latest_ms), pauses(workers, latest_ms)
    )
    plans = st.lists(one, max_size=max_size, unique_by=lambda fault: getattr(fault, "target", fault))
    return plans.map(tuple)


def mixtures(most: float = 0.1) -> st.SearchStrategy[Mixture]:
    """How flaky a service is: each kind of fault with a probability from 0 to `most`, in hundredths."""
    share = st.integers(0, round(most * 100)).map(lambda hundredths: hundredths / 100)
    return st.builds(Mixture, **dict.fromkeys(CALL_FAULTS, share))
