"""The queue: calls that are to be made, the workers that they are given to, and what becomes of those under way.

A call goes to the next living process, whatever code that has. Its request and its answer travel for half of the
overhead each. Where no process lives, a call over HTTP ("serve") comes back broken after the overhead, which costs an
attempt; where workers hold a connection open ("connect") it waits for one. While the executor itself is down all calls
wait. Always holds: a call that was made ends in exactly one of these ways for the platform: answered, broken (nobody
listened, the process died, the answer was lost), timed out, or forgotten by an executor that was restarted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from durable_sim import trace as kinds
from durable_sim.durations import SECOND
from durable_sim.models.executions import Home
from durable_sim.models.steps.answers import Sdk
from durable_sim.models.steps.common import CommonBody
from durable_sim.models.steps.directory import Directory
from durable_sim.models.steps.entry import Body
from durable_sim.models.steps.function import StepFunction
from durable_sim.models.steps.handler import Serving
from durable_sim.models.steps.protocol import ERROR, STEP_FAILED, STEP_RUN, Answer, Call, Event, Op, StepFailure
from durable_sim.models.steps.runs import Item
from durable_sim.models.steps.tools import IdiomBody, StepContext
from durable_sim.models.workers import WorkerProcess
from durable_sim.randomness import Distribution
from durable_sim.world.alarms import Alarm

LEASE_US = 30 * SECOND
CALL_TIMEOUT = "CALL"
UNREACHABLE = "nobody listens at the app's URL"
Transport = Literal["serve", "connect"]
"""How calls come to workers: over HTTP at the app's URL, or through a connection that a worker holds open."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How calls get from the platform to workers, how long that takes, and how often an answer is lost."""

    overhead: Distribution
    call_timeout_us: int
    api_us: int
    lose_answer: float = 0.0
    transport: Transport = "serve"


class Desk(Protocol):
    """What the queue tells the platform."""

    def may_call(self, item: Item) -> bool:
        """Whether a call may be made now; if not, the platform gives it back to the queue later."""

    def answered(self, item: Item, answer: Answer) -> None:
        """A call was answered."""

    def broken(self, item: Item, why: str) -> None:
        """A call will not be answered any more."""

    def checkpointed(self, item: Item, ops: tuple[Op, ...]) -> None:
        """A call that goes on has reported finished steps."""

    def received(self, item: Item, event: Event) -> list[str]:
        """A step has sent an event."""

    def open_executions(self) -> list[str]:
        """The executions that have an open run."""


class Flight:
    """A call under way, and the worker's way back to the platform."""

    __slots__ = ("_queue", "alarm", "answered", "call", "item", "number", "over", "process", "serving")

    def __init__(self, queue: Queue, item: Item, call: Call, process: WorkerProcess | None) -> None:
        self._queue = queue
        self.item = item
        self.call = call
        self.number = item.run.calls
        self.process = process
        self.over = False
        self.answered = False
        self.serving: Serving | None = None
        self.alarm: Alarm | None = None

    @property
    def under_way(self) -> tuple[str, str] | None:
        """The step that it was last seen at: its hashed id and its name."""
        found = None if self.serving is None else self.serving.under_way
        return None if found is None else (found.id, found.asked.name)

    def answer(self, answer: Answer) -> None:
        """Send the answer off."""
        self._queue.answer_sent(self, answer)

    def checkpoint(self, ops: tuple[Op, ...], then: Callable[[], None]) -> None:
        """Report finished steps."""
        self._queue.checkpoint_sent(self, ops, then)

    def send(self, event: Event, then: Callable[[list[str]], None]) -> None:
        """Send an event."""
        self._queue.event_sent(self, event, then)


class Queue:
    """The queue and its executor, which may be `down`. `call_log`, if there is one, is told of every call and its
    answer."""

    def __init__(self, home: Home, directory: Directory, sdk: Sdk, wire: Wire, desk: Desk) -> None:
        self._home = home
        self._directory = directory
        self._sdk = sdk
        self._wire = wire
        self._desk = desk
        self._waiting: list[Item] = []
        self._flights: dict[Item, Flight] = {}
        self._turn = 0
        self.down = False
        self.call_log: Callable[[Call, Answer | None], None] | None = None

    # --- from the queue to a worker ---------------------------------------------------------------------------------
    def enqueue(self, item: Item, delay_us: int = 0) -> None:
        """Make a call after a while."""
        item.state, item.due_us = "due", self._home.world.now_us + delay_us
        if delay_us:
            self._home.world.alarms.after(delay_us, self.due, item)
        else:
            self.due(item)

    def retry(self, item: Item, delay_us: int, failure: StepFailure) -> None:
        """Make a call again after a back-off."""
        item.state, item.due_us = "due", self._home.world.now_us + delay_us
        detail = {"delay_us": delay_us, "failure": failure.to_json(), "attempt": item.attempt}
        self._note(item, kinds.BACKOFF_BEGUN, detail)
        self._home.world.alarms.after(delay_us, self._backed_off, item)

    def _backed_off(self, item: Item) -> None:
        if item.run.open and item.state == "due":
            self._note(item, kinds.BACKOFF_ENDED)
            self.due(item)

    def due(self, item: Item) -> None:
        """Make a call now, or as soon as the platform allows it and has somebody to call."""
        if not item.run.open or item.state == "done":
            return
        item.state = "waiting"
        if self._desk.may_call(item):
            self._give(item)

    def workers_came(self) -> None:
        """There is somebody to call again: give out what has waited."""
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            self.due(item)

    def _give(self, item: Item) -> None:
        process = None if self.down else self._home.fleet.pick(self._turn)
        if self.down or (process is None and self._wire.transport == "connect"):
            self._waiting.append(item)
            return
        self._turn += 1
        item.state, run, alarms = "calling", item.run, self._home.world.alarms
        flight = self._flights[item] = Flight(self, item, run.call(item), process)
        flight.alarm = alarms.after(self._wire.call_timeout_us, self._timed_out, flight)
        if process is None:
            alarms.after(self._overhead_us(flight), self._unreachable, flight)
        else:
            alarms.after(self._overhead_us(flight) // 2, process.deliver, self._arrive, flight, process)

    def _unreachable(self, flight: Flight) -> None:
        if not flight.over:
            self._break(flight, UNREACHABLE)

    def _arrive(self, flight: Flight, process: WorkerProcess) -> None:
        if flight.over:
            return
        call = flight.call
        function = self._directory.find(process.version, call.function_id)
        if function is None:
            told = StepFailure("Error", f"function {call.function_id} is not known here", "function_not_found")
            flight.answer(Answer(ERROR, error=told))
            return
        run = flight.item.run
        body = self._body(function, flight)
        flight.serving = Serving(self._home, process, self._sdk, flight, call, body, run.chronicle)
        flight.serving.begin()

    def _body(self, function: StepFunction, flight: Flight) -> Body:
        call, execution = flight.call, flight.item.run.execution
        if function.common:
            return CommonBody(function.code, self._home.info(execution, call.run_id), call.event.data)
        return IdiomBody(function, StepContext(call.event, call.run_id, call.attempt, call.events))

    # --- from a worker to the platform ------------------------------------------------------------------------------
    def answer_sent(self, flight: Flight, answer: Answer) -> None:
        """An answer is on its way; the process may die now."""
        flight.answered = True
        total_us = self._overhead_us(flight)
        self._home.world.alarms.after(total_us - total_us // 2, self._landed, flight, answer)

    def checkpoint_sent(self, flight: Flight, ops: tuple[Op, ...], then: Callable[[], None]) -> None:
        """Finished steps are reported within the call."""
        self._home.world.alarms.after(self._wire.api_us, self._checkpoint, flight, ops, then)

    def event_sent(self, flight: Flight, event: Event, then: Callable[[list[str]], None]) -> None:
        """An event is on its way."""
        self._home.world.alarms.after(self._wire.api_us, lambda: then(self._desk.received(flight.item, event)))

    def _checkpoint(self, flight: Flight, ops: tuple[Op, ...], then: Callable[[], None]) -> None:
        if not flight.over:
            self._desk.checkpointed(flight.item, ops)
        then()

    def _landed(self, flight: Flight, answer: Answer) -> None:
        run = flight.item.run
        if flight.over or not run.open:
            self._refuse(flight, answer)
        elif self._draw(flight)[1] < self._wire.lose_answer:
            self._break(flight, "the answer was lost")
            return
        else:
            self._log(flight, answer)
        if not flight.over:
            self._close(flight)
            flight.item.under_way = flight.under_way if answer.status == ERROR else None
            self._desk.answered(flight.item, answer)

    def _refuse(self, flight: Flight, answer: Answer) -> None:
        run = flight.item.run
        for op in answer.ops:
            if op.op in (STEP_RUN, STEP_FAILED):
                run.chronicle.note(kinds.RESULT_REFUSED, run.id, op.id, op.name, attempt=flight.call.attempt + 1)

    # --- what breaks ------------------------------------------------------------------------------------------------
    def worker_lost(self, process: WorkerProcess) -> None:
        """The connections to a process break, but for answers that are on their way."""
        for flight in [one for one in self._flights.values() if one.process is process and not one.answered]:
            self._break(flight, "the connection broke")

    def restart(self, downtime_us: int = 0) -> None:
        """The executor dies and comes back: it knows nothing of the calls under way, whose leases run out. Until it is
        back no call is made."""
        if self.down:
            return
        for flight in list(self._flights.values()):
            self._close(flight)
            self.enqueue(flight.item, LEASE_US)
        self.down = True
        self._home.world.alarms.after(downtime_us, self._back)

    def _back(self) -> None:
        self.down = False
        in_flight = self._desk.open_executions()
        self._home.world.trace.add(kinds.SERVER_RESTARTED, data={"in_flight": in_flight})
        self.workers_came()

    def _timed_out(self, flight: Flight) -> None:
        serving = flight.serving
        if serving is not None:
            self._note(flight.item, kinds.ATTEMPT_TIMED_OUT, {"timeout": CALL_TIMEOUT}, flight)
        self._break(flight, "no answer in time")
        if serving is not None and flight.process is not None:
            flight.process.deliver(serving.hang_up)

    def _break(self, flight: Flight, why: str) -> None:
        if flight.serving is not None:
            flight.item.under_way = flight.under_way
        self._close(flight)
        self._log(flight, None)
        self._desk.broken(flight.item, why)

    def _close(self, flight: Flight) -> None:
        flight.over = True
        if flight.alarm is not None:
            flight.alarm.cancel()
        self._flights.pop(flight.item, None)

    # --- chance and records -----------------------------------------------------------------------------------------
    def _draw(self, flight: Flight) -> tuple[float, ...]:
        run = flight.item.run
        return self._home.world.randomness.uniforms("steps.call", run.id, flight.number)

    def _overhead_us(self, flight: Flight) -> int:
        return self._wire.overhead.sample_us(self._draw(flight)[0])

    def _log(self, flight: Flight, answer: Answer | None) -> None:
        if self.call_log is not None:
            self.call_log(flight.call, answer)

    def _note(self, item: Item, kind: str, data: dict[str, object] | None = None, flight: Flight | None = None) -> None:
        run, step = item.run, item.under_way
        attempt = None
        if flight is not None:
            attempt, step = flight.call.attempt + 1, flight.under_way
        if step is None:
            run.chronicle.note(kind, run.id, None, run.function_id, data, attempt)
        else:
            run.chronicle.note(kind, run.id, *step, data, attempt)
