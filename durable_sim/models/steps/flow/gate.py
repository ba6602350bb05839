"""The gate of one function: asks its rules in order, and remembers the runs that it has let begin.

An event passes: cancelOn (of earlier runs), triggers, event id, rate limit or idempotency key, batch or debounce,
singleton, throttle. Who is refused on the way leaves no mark on the rules that come later, and its event id stays free.
Always holds: a run is told of once, cancelled at most once, and never after its end; what is due by now is decided
before an event that comes now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from durable_sim.errors import InternalError
from durable_sim.models.steps.flow.batch import Batcher
from durable_sim.models.steps.flow.concurrency import Lines, Need, Slot
from durable_sim.models.steps.flow.control import FlowControl
from durable_sim.models.steps.flow.debounce import Debouncer
from durable_sim.models.steps.flow.decisions import Cancel, CancelReason, Decision, Drop, Hold, Start
from durable_sim.models.steps.flow.dues import Dues
from durable_sim.models.steps.flow.idempotency import SeenKeys
from durable_sim.models.steps.flow.matching import key_of
from durable_sim.models.steps.flow.rate_limit import RateLimiter
from durable_sim.models.steps.flow.singleton import Singletons
from durable_sim.models.steps.flow.throttle import Throttler
from durable_sim.models.steps.protocol import Event


@dataclass(slots=True)
class _Run:
    """A run that is decided and not over. `steps` are those that execute or wait for a place."""

    event: Event
    decided_us: int
    at_us: int
    rank_us: int
    needs: tuple[Need, ...]
    steps: dict[str, None] = field(default_factory=dict)
    began_us: int | None = None
    singleton: str | None = None
    cancelled: bool = False


class Gate:
    """Flow control of one function, for a platform that asks before it starts a run and before it makes a call.

    `lines` is shared by the gates of all functions, so that scopes "env" and "account" count them together. `new_id`
    mints the ids of runs; by default they are numbered.

    1. Give every event to `arrive`, and ask `due` at `next_due_us`. Carry out what they decide, in order.
    2. Before a step ask `may_run`. Where it says no, ask again once `done` or `ended`, of whatever function, names the
       step: it has its place then.
    3. Tell `done` when a step no longer executes, and `ended` when a run is over, also when it was cancelled.
    """

    def __init__(
        self,
        function_id: str,
        flow: FlowControl,
        *,
        lines: Lines | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        numbers = count(1)
        self._function_id = function_id
        self._flow = flow
        self._lines = Lines() if lines is None else lines
        self._new_id = new_id or (lambda: f"{function_id}-{next(numbers)}")
        self._runs: dict[str, _Run] = {}
        self._ids, self._keys = SeenKeys(), SeenKeys()
        self._singletons = Singletons()
        self._deadlines = Dues()
        self._rate = None if flow.rate_limit is None else RateLimiter(flow.rate_limit)
        self._throttler = None if flow.throttle is None else Throttler(flow.throttle)
        self._debouncer = None if flow.debounce is None else Debouncer(flow.debounce)
        self._batcher = None if flow.batch is None else Batcher(flow.batch)

    # --- events -----------------------------------------------------------------------------------------------------
    def arrive(self, event: Event, now_us: int) -> list[Decision]:
        """What an event leads to: what is due, the runs that it cancels, and what becomes of it itself."""
        return [*self.due(now_us), *self._cancel_by(event, now_us), *self._admit(event, now_us)]

    def due(self, now_us: int) -> list[Decision]:
        """What the time alone leads to: runs that are out of time, and events that have been held long enough."""
        decisions: list[Decision] = [*self._out_of_time(now_us)]
        if self._debouncer is not None:
            for event in self._debouncer.due(now_us):
                decisions += self._start((event,), now_us)
        if self._batcher is not None:
            for events in self._batcher.due(now_us):
                decisions += self._start(events, now_us)
        return decisions

    @property
    def next_due_us(self) -> int | None:
        """When `due` will have something to say, as things are; None for never."""
        times = [self._deadlines.next_us]
        times += [held.next_due_us for held in (self._debouncer, self._batcher) if held is not None]
        return min((time_us for time_us in times if time_us is not None), default=None)

    # --- steps ------------------------------------------------------------------------------------------------------
    def may_run(self, run_id: str, now_us: int, step: str = "") -> bool:
        """Whether a step of a run may execute now; if not it waits in line. Never for a run that is not open or due."""
        run = self._runs.get(run_id)
        if run is None or run.cancelled or now_us < run.at_us:
            return False
        run.steps[step] = None
        if not self._lines.try_begin(Slot(self._function_id, run_id, step), run.needs, run.rank_us):
            return False
        if run.began_us is None:
            run.began_us = now_us
            self._set_deadline(run_id, run)
        return True

    def done(self, run_id: str, step: str = "") -> list[Slot]:
        """A step executes no longer, nor waits for it; gives the steps, of any function, that have its place now."""
        run = self._runs.get(run_id)
        if run is not None:
            run.steps.pop(step, None)
        return self._lines.end(Slot(self._function_id, run_id, step))

    def ended(self, run_id: str) -> list[Slot]:
        """A run is over; gives the steps, of any function, that have its places now."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return []
        self._let_go(run_id, run)
        self._withdraw(run_id, run)
        return [slot for step in run.steps for slot in self._lines.end(Slot(self._function_id, run_id, step))]

    def adopt(self, run_id: str, event: Event, now_us: int) -> None:
        """A run began without asking (one function invoked another): its steps are counted like those of all runs."""
        if run_id in self._runs:
            raise InternalError(f"run {run_id} is known already")
        self._open(run_id, event, now_us, now_us)

    # --- the way of an event ----------------------------------------------------------------------------------------
    def _admit(self, event: Event, now_us: int) -> list[Decision]:
        flow = self._flow
        if flow.triggers and not any(trigger.starts(event) for trigger in flow.triggers):
            return [Drop("not triggered", (event,))]
        if event.id and self._ids.known(event.id, now_us):
            return [Drop("duplicate event", (event,))]
        if flow.idempotency is not None and not self._keys.fresh(key_of(flow.idempotency.key, event), now_us):
            return [Drop("idempotency", (event,))]
        if flow.rate_limit is not None and self._rate is not None:
            if not self._rate.admit(key_of(flow.rate_limit.key, event), now_us):
                return [Drop("rate limit", (event,))]
        return self._collect(event, now_us)

    def _collect(self, event: Event, now_us: int) -> list[Decision]:
        """Batch it, debounce it, or start a run with it."""
        flow = self._flow
        if flow.batch is not None and self._batcher is not None:
            self._remember(event, now_us)
            return self._add_to_batch(self._batcher, key_of(flow.batch.key, event), event, now_us)
        if flow.debounce is not None and self._debouncer is not None:
            self._remember(event, now_us)
            return [Hold(self._debouncer.seen(key_of(flow.debounce.key, event), event, now_us), event)]
        decisions = self._start((event,), now_us)
        if isinstance(decisions[-1], Start):
            self._remember(event, now_us)
        return decisions

    def _add_to_batch(self, batcher: Batcher, key: str, event: Event, now_us: int) -> list[Decision]:
        events = batcher.add(key, event, now_us)
        due_us = batcher.due_us(key)
        return self._start(events, now_us) if due_us is None else [Hold(due_us, event)]

    def _remember(self, event: Event, now_us: int) -> None:
        """From now on the same event starts nothing for a while."""
        if event.id:
            self._ids.fresh(event.id, now_us)

    def _start(self, events: tuple[Event, ...], now_us: int) -> list[Decision]:
        """Decide a run. What comes of several events goes by the first of them."""
        first = events[0]
        decisions: list[Decision] = []
        single = self._flow.singleton
        holder = None if single is None else self._singletons.holder(key_of(single.key, first))
        if single is not None and holder is not None:
            if single.mode == "skip":
                return [Drop("singleton", events)]
            decisions.append(self._cancel(holder, "singleton"))
        run_id = self._new_id()
        run = self._open(run_id, first, now_us, now_us + self._delay_us(first, now_us))
        if single is not None:
            run.singleton = key_of(single.key, first)
            self._singletons.take(run.singleton, run_id)
        return [*decisions, Start(run_id, events, run.at_us, run.rank_us)]

    def _delay_us(self, event: Event, now_us: int) -> int:
        throttle = self._flow.throttle
        if throttle is None or self._throttler is None:
            return 0
        return self._throttler.admit(key_of(throttle.key, event), now_us)

    def _open(self, run_id: str, event: Event, now_us: int, at_us: int) -> _Run:
        """A run is decided now, to start at a time."""
        priority = self._flow.priority
        rank_us = at_us - (0 if priority is None else priority.shift_us(event))
        needs = tuple(one.need(self._function_id, event) for one in self._flow.concurrency)
        run = self._runs[run_id] = _Run(event, now_us, at_us, rank_us, needs)
        self._set_deadline(run_id, run)
        return run

    # --- the end of runs --------------------------------------------------------------------------------------------
    def _cancel_by(self, event: Event, now_us: int) -> list[Cancel]:
        rules = [one for one in self._flow.cancel_on if one.event == event.name]
        hit = [
            run_id
            for run_id, run in (self._runs.items() if rules else ())
            if not run.cancelled and any(one.cancels(run.event, run.decided_us, event, now_us) for one in rules)
        ]
        return [self._cancel(run_id, "cancelOn") for run_id in hit]

    def _out_of_time(self, now_us: int) -> list[Cancel]:
        late = self._deadlines.take(now_us)
        return [self._cancel(run_id, _by_timeout(self._runs[run_id])) for run_id in late]

    def _set_deadline(self, run_id: str, run: _Run) -> None:
        """When a run will be out of time, as things are."""
        timeouts = self._flow.timeouts
        deadline_us = None if timeouts is None else timeouts.deadline_us(run.decided_us, run.began_us)
        if deadline_us is None:
            self._deadlines.drop(run_id)
        else:
            self._deadlines.set(run_id, deadline_us)

    def _cancel(self, run_id: str, reason: CancelReason) -> Cancel:
        """It begins no more steps, waits in no line and is no singleton; what executes keeps its place until `done`."""
        run = self._runs[run_id]
        run.cancelled = True
        self._let_go(run_id, run)
        self._withdraw(run_id, run)
        return Cancel(run_id, reason)

    def _withdraw(self, run_id: str, run: _Run) -> None:
        """None of its steps waits in line any longer."""
        for step in list(run.steps):
            if self._lines.withdraw(Slot(self._function_id, run_id, step)):
                del run.steps[step]

    def _let_go(self, run_id: str, run: _Run) -> None:
        self._deadlines.drop(run_id)
        if run.singleton is not None:
            self._singletons.release(run.singleton, run_id)


def _by_timeout(run: _Run) -> CancelReason:
    return "start timeout" if run.began_us is None else "finish timeout"
