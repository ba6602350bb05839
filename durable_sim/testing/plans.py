"""The Hypothesis strategy for fault plans: several faults of any kind.

Shrinks towards calm: fewer faults, of the first kinds, each as calm as it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from durable_sim.errors import UserError
from durable_sim.search.families import CALL_FAMILIES, SIGNAL, families_of
from durable_sim.testing.drawing import LATEST_MS, operations_of, tuples
from durable_sim.testing.faults import cancels, crashes, deploys, pauses, scripts, server_restarts
from durable_sim.world.faults import Placeable, Script, Signal
from durable_sim.world.services.base import ServiceSpec


def swarms(kinds: Sequence[str], size: int) -> st.SearchStrategy[tuple[str, ...]]:
    """The kinds that are switched on in an example of `size` faults: a random subset, of at most as many kinds.

    Swarm testing (Groce, Zhang, Eide, Chen, Regehr: "Swarm Testing", ISSTA 2012): with all kinds on in each example,
    hardly any has many faults of one kind, and kinds that hide each other's bugs are never apart.
    """
    return tuples(st.sampled_from(kinds), min_size=1, max_size=min(size, len(kinds)), unique=True)


def faults_by_kind(
    workers: int = 2,
    services: Mapping[str, ServiceSpec] | None = None,
    latest_ms: int = LATEST_MS,
    executions: Sequence[str] = (),
    versions: Sequence[str] = (),
    signals: Sequence[Signal] = (),
) -> dict[str, st.SearchStrategy[Placeable]]:
    """A strategy for each kind of fault; none for those of calls where no service can be called, nor for signals where
    there are none to be moved."""
    called = operations_of(services)
    where: dict[str, Any] = {"services": services, "latest_ms": latest_ms, "executions": executions}
    return {
        "crash": crashes(workers, **where),
        "pause": pauses(workers, **where),
        "deploy": deploys(versions=versions, **where),
        "restart_server": server_restarts(**where),
        "cancel": cancels(**where),
        **({SIGNAL: st.sampled_from(signals)} if signals else {}),
        **{kind: scripts(services, kinds=[kind], executions=executions) for kind in CALL_FAMILIES if called},
    }


def fault_plans(
    workers: int = 2,
    services: Mapping[str, ServiceSpec] | None = None,
    max_size: int = 4,
    latest_ms: int = LATEST_MS,
    *,
    kinds: str | Iterable[str] = "all",
    executions: Sequence[str] = (),
    versions: Sequence[str] = (),
    signals: Sequence[Signal] = (),
    swarm: bool = True,
) -> st.SearchStrategy[tuple[Placeable, ...]]:
    """Up to `max_size` faults; no call is scripted twice.

    Args:
        workers: how many workers there are to be hit.
        services: whose calls faults are placed at, by default the shop's.
        latest_ms: the last time at which a fault strikes that is placed by time.
        kinds: the kinds of fault: families of `durable_sim.search.families`, or "process", "call" or "all". "cancel" is
            in none of these groups: it changes what a workflow is to do; nor is "signal", which moves `signals`.
        executions: ids of executions, one of which a fault may wait for.
        versions: the versions of the code that deploys may switch to.
        signals: the signals of a scenario as they may come, each instead of the one that is like it; only
            `durable_sim.search.trial.Trial` takes a plan of these.
        swarm: whether each example first switches off a random subset of the kinds (`swarms`).

    >>> from hypothesis import find
    >>> from durable_sim import Crash
    >>> find(fault_plans(), lambda plan: any(isinstance(fault, Crash) for fault in plan))  # doctest: +ELLIPSIS
    (Crash(at='0ms', ..., worker='w1', restart_after='100ms'),)
    """
    each = faults_by_kind(workers, services, latest_ms, executions, versions, signals)
    if SIGNAL in families_of(kinds) and not signals:
        raise UserError(f"kinds: {SIGNAL!r} moves signals, and there are none; give signals=[Signal(...)]")
    known = tuple(kind for kind in families_of(kinds) if kind in each)
    if not known:
        return st.just(())
    on = [swarms(known, size) if swarm else st.just(known) for size in range(1, max_size + 1)]
    return _plans(each, on)


@st.composite
def _plans(
    draw: st.DrawFn,
    /,
    each: Mapping[str, st.SearchStrategy[Placeable]],
    on: Sequence[st.SearchStrategy[tuple[str, ...]]],
) -> tuple[Placeable, ...]:
    """A plan of up to as many faults as there are strategies `on`: the kinds that a plan of that size is drawn from."""
    size = draw(st.integers(0, len(on)))
    kinds = draw(on[size - 1]) if size else ()
    plan = [draw(each[kinds[draw(st.integers(0, len(kinds) - 1))]]) for _ in range(size)]
    return tuple({_place(fault): fault for fault in plan}.values())


def _place(fault: Placeable) -> object:
    """What no two faults of a plan may have in common: the call that they are scripted for, the signal that moves."""
    if isinstance(fault, Signal):
        return SIGNAL, fault.name, repr(fault.arguments), fault.target
    return fault.target if isinstance(fault, Script) else fault
