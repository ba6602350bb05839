"""A base for state machines of one's own: anything, in any order, done to workflows in a simulation.

Owns the rules that need no knowledge of a workflow: workers crash and stand still, code is deployed, the server
restarts, time passes. Always holds: nothing happens between two steps, and the same steps give the same histories; a
machine passes as a test only if workflows were started and something struck them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, ClassVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from durable_sim import trace as kinds
from durable_sim.durations import Duration
from durable_sim.errors import UserError
from durable_sim.search.coverage import BLOWS
from durable_sim.simulation.live import Simulation
from durable_sim.trace import Trace
from durable_sim.world.faults import Fault
from durable_sim.world.services.base import ServiceSpec

Function = Callable[..., Any]
PATIENCE = "3m"
"""Longer than anything that the rules do to workers lasts."""


@dataclass(slots=True)
class Tally:
    """What the examples of one test came to: how many ended well, in how many of them a workflow was started, and in
    how many one was hit."""

    examples: int = 0
    started: int = 0
    hit: int = 0

    def add(self, started: bool, hit: bool) -> None:
        """Count an example."""
        self.examples += 1
        self.started += started
        self.hit += hit

    @property
    def nothing(self) -> str:
        """Why a machine that has passed shows nothing; empty if it shows something."""
        if not self.started:
            return f"no workflow was started in {self.examples} examples; add a rule that calls `self.sim.start(...)`"
        if not self.hit:
            return (
                f"nothing that struck hit a workflow in flight in {self.examples} examples; keep the rules that "
                "strike, or give a strategy for `faults`"
            )
        return ""


_tally: ContextVar[Tally | None] = ContextVar("durable_sim_machine", default=None)


@contextmanager
def _tallied() -> Iterator[Tally]:
    """Count the examples that are run within."""
    tally = Tally()
    token = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(token)


def _quick(chosen: settings) -> settings:
    """The same settings without the phase `explain`: once an example has failed, it follows every line of every further
    one, which makes shrinking seven times as slow (minutes, for dozens of workflows), to say little of steps."""
    return settings(chosen, phases=[phase for phase in chosen.phases if phase is not Phase.explain])


class _Tested:
    """Gives each machine its class of `unittest`, as Hypothesis does, with `run_as_test` in it."""

    def __get__(self, machine: object, kind: type[DurableMachine]) -> Any:
        return _test_case(kind)


@cache
def _test_case(kind: type[DurableMachine]) -> Any:
    by_hypothesis: Any = super(DurableMachine, kind).TestCase

    class Case(by_hypothesis):  # type: ignore[misc]  # a class that Hypothesis makes
        @wraps(by_hypothesis.runTest)  # its marks tell Hypothesis' own plugin what this is
        def runTest(self) -> None:
            kind.run_as_test(self.settings)

    Case.__name__, Case.__qualname__ = by_hypothesis.__name__, by_hypothesis.__qualname__
    return Case


WORKER = st.runner().flatmap(lambda machine: machine.worker_names())
VERSION = st.runner().flatmap(lambda machine: machine.version_names())


class DurableMachine(RuleBasedStateMachine):
    """A simulation under Hypothesis' stateful tests. Say what there is, add rules that start and signal workflows, and
    invariants; crashes, pauses, deploys, server restarts and time come along.

    Judged by itself are two things. Whenever time has passed, every history must replay. In the end faults stop,
    `finish` gives workflows what they wait for, and all must end; a workflow that does not is shown, with what it waits
    for. What the world holds then (`self.sim.ledger`) and how workflows ended is for invariants and `at_end` to judge.

    `TestCase` and `run_as_test` fail if no example started a workflow, or nothing hit one: that would show nothing.

    Class attributes:
        workflows, activities, services, versions, options: as for `durable_sim.Simulation`.
        worker_count: how many workers there are.
        seed: decides latencies, and what flaky services do.
        faults: a strategy for the plan of faults of the whole run, such as
            `durable_sim.testing.strategies.fault_plans(kinds="call")`.
        limit: how long everything may take to end, once faults have stopped.

    >>> from hypothesis import settings
    >>> from hypothesis.stateful import rule
    >>> from durable_sim.library.orders import correct_order
    >>> class Orders(DurableMachine):
    ...     workflows = (correct_order(),)
    ...     count = 0
    ...     @rule()
    ...     def order(self):
    ...         self.count += 1
    ...         self.sim.start("fulfill_order", {"order_id": f"o-{self.count}"})
    ...     def at_end(self):
    ...         charges = [entry for entry in self.sim.ledger if entry.kind == "payments.charge"]
    ...         assert len(charges) == self.count
    >>> Orders.run_as_test(settings(max_examples=5, derandomize=True, deadline=None))
    """

    TestCase = _Tested()
    workflows: ClassVar[Sequence[Function]] = ()
    activities: ClassVar[Sequence[Function]] = ()
    services: ClassVar[Mapping[str, ServiceSpec] | None] = None
    versions: ClassVar[Mapping[str, Function | Iterable[Function]]] = {}
    options: ClassVar[Mapping[str, Any]] = {}
    worker_count: ClassVar[int] = 2
    seed: ClassVar[int] = 0
    faults: ClassVar[st.SearchStrategy[tuple[Fault, ...]]] = st.just(())
    limit: ClassVar[Duration] = "30 days"
    sim: Simulation

    @classmethod
    def run_as_test(cls, settings: settings | None = None) -> None:
        """Run the machine as a test, as `TestCase` does; by default with the settings of that.

        Raises:
            AssertionError: it fails, or it has shown nothing.
        """
        with _tallied() as tally:
            run_state_machine_as_test(cls, settings=_quick(settings or cls.TestCase.settings))
        if tally.nothing:
            raise AssertionError(f"{cls.__name__} shows nothing: {tally.nothing}")

    # --- what to override -------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Give open workflows what they wait for: called when faults have stopped."""

    def at_end(self) -> None:
        """Check what must hold when all has ended."""

    # --- steps ------------------------------------------------------------------------------------------------------
    @initialize(faults=st.runner().flatmap(lambda machine: machine.faults))
    def begin(self, faults: tuple[Fault, ...]) -> None:
        """Build the world."""
        if callable(self.workflows):
            raise UserError(f"{type(self).__name__}.workflows is a function, expected a tuple of functions")
        self.sim = Simulation(
            self.workflows,
            activities=self.activities,
            services=self.services,
            faults=faults,
            workers=self.worker_count,
            seed=self.seed,
            versions=self.versions,
            **self.options,
        )
        self._lengths: dict[str, int] = {}

    @rule(ms=st.integers(1, 10_000))
    def advance(self, ms: int) -> None:
        """Let milliseconds pass."""
        self._pass(f"{ms}ms")

    @rule(span=st.sampled_from(["1m", "1h", "1 day"]))
    def advance_far(self, span: str) -> None:
        """Let up to a day pass."""
        self._pass(span)

    @rule(worker=WORKER, restart_after=st.sampled_from(["100ms", "2s", "1m"]))
    def crash(self, worker: str, restart_after: str) -> None:
        """Kill a worker; another takes its place."""
        self.sim.crash(worker, restart_after)

    @rule(worker=WORKER, lasts=st.sampled_from(["1s", "15s", "2m"]))
    def pause(self, worker: str, lasts: str) -> None:
        """Let a worker stand still: a zombie, when it wakes up."""
        self.sim.pause(worker, lasts)

    @rule(version=VERSION, rolling=st.booleans())
    def deploy(self, version: str | None, rolling: bool) -> None:
        """Restart the workers, on other code where there are versions of it; also back."""
        self.sim.deploy(version, rolling=rolling)

    @rule(downtime=st.sampled_from(["0s", "3s", "1m"]))
    def restart_server(self, downtime: str) -> None:
        """Let the server lose its memory; when this step is over, it answers again."""
        self.sim.restart_server(downtime)
        self._pass(downtime)
        self._pass("1us")

    def _pass(self, span: Duration) -> None:
        self.sim.advance(span)
        self._check_replays()

    def _check_replays(self) -> None:
        """The code last used on a history does over again what it says, from every prefix of it; only those are looked
        at that have grown since, for a run may have dozens of them and hundreds of steps."""
        lengths = {run_id: len(history) for run_id, history in self.sim.histories().items()}
        grown = [run_id for run_id, length in lengths.items() if length != self._lengths.get(run_id)]
        self._lengths = lengths
        self.sim.check_replays(runs=grown)

    def worker_names(self) -> st.SearchStrategy[str]:
        """The workers."""
        return st.sampled_from([f"w{number + 1}" for number in range(self.worker_count)])

    def version_names(self) -> st.SearchStrategy[str | None]:
        """The versions that a deploy may switch to: None stays."""
        return st.sampled_from([None, *self.versions, *(["base"] if self.versions else [])])

    # --- the end ----------------------------------------------------------------------------------------------------
    def teardown(self) -> None:
        """Faults stop, and everything must end."""
        if sys.exc_info()[0] is not None or not hasattr(self, "sim"):
            return  # it has failed already
        self._end()
        tally = _tally.get()
        if tally is not None:
            tally.add(bool(self.sim.histories()), _struck(self.sim.trace))

    def _end(self) -> None:
        self.sim.advance(PATIENCE)
        self.finish()
        self.sim.run(self.limit)
        self.sim.check_replays()
        handles = [self.sim.handle(workflow_id) for workflow_id in self._workflow_ids()]
        never = "\n".join(str(handle) for handle in handles if handle.status == "RUNNING")
        assert not never, f"faults have stopped, and yet it does not end:\n{never}"
        self.at_end()

    def _workflow_ids(self) -> list[str]:
        started = (history[0].attributes["workflow_id"] for history in self.sim.histories().values())
        return list(dict.fromkeys(started))


def _struck(trace: Trace) -> bool:
    """Whether anything hit a workflow: a blow to a worker or to the server, or a fault of a call."""
    return any(
        "fault" in (record.data or {})
        if record.kind == kinds.REQUEST_SENT
        else bool((record.data or {}).get("in_flight"))
        for record in trace
        if record.kind in BLOWS or record.kind == kinds.REQUEST_SENT
    )
