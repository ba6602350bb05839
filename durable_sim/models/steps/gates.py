"""Flow control where the platform asks for it: before a run starts, before a call is made, and when either is over.

Carries out, in simulated time, what the deciders of `flow` decide. Functions without settings of flow control pass at
once; an event whose id was seen in the last 24 hours starts no run of them either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

from durable_sim.models.executions import Execution
from durable_sim.models.steps.flow.concurrency import Lines, Slot
from durable_sim.models.steps.flow.control import FlowControl
from durable_sim.models.steps.flow.decisions import Cancel, Decision, Drop, Hold, Start
from durable_sim.models.steps.flow.gate import Gate
from durable_sim.models.steps.flow.idempotency import SeenKeys
from durable_sim.models.steps.flow.matching import key_of
from durable_sim.models.steps.flow.triggers import Trigger
from durable_sim.models.steps.function import StepFunction
from durable_sim.models.steps.protocol import Event
from durable_sim.models.steps.runs import Item, Run
from durable_sim.world.alarms import Alarm
from durable_sim.world.world import World


class Order(NamedTuple):
    """A run that is asked for: of which function, for whom, and whether the execution ends with it."""

    function: StepFunction
    execution: Execution | None
    main: bool


class Host(Protocol):
    """What flow control asks of the platform."""

    def start(self, orders: list[Order], events: tuple[Event, ...]) -> Run:
        """Start one run for these orders."""

    def not_started(self, order: Order, reason: str) -> None:
        """An order comes to nothing."""

    def cancel(self, run: Run, reason: str) -> None:
        """Cancel a run between its steps."""

    def let_in(self, item: Item) -> None:
        """A call that had to wait may be made."""


class Decided(NamedTuple):
    """A run that was decided and has not started yet."""

    orders: list[Order]
    events: tuple[Event, ...]


class _Door:
    """The gate of one function, and what it has let through or holds back."""

    __slots__ = ("alarm", "decided", "function", "gate", "held", "orders", "runs")

    def __init__(self, function: StepFunction, gate: Gate) -> None:
        self.function = function
        self.gate = gate
        self.alarm: Alarm | None = None
        self.orders: dict[str, Order] = {}
        self.held: dict[str, Event] = {}
        self.decided: dict[str, Decided] = {}
        self.runs: dict[str, Run] = {}


class Gates:
    """The gates of all functions."""

    def __init__(self, world: World, host: Host) -> None:
        self._world = world
        self._host = host
        self._lines = Lines()
        self._doors: dict[str, _Door] = {}
        self._seen: dict[str, SeenKeys] = {}
        self._waiting: dict[Slot, Item] = {}
        self._ids: dict[Run, str] = {}
        self._calls: dict[Run, int] = {}

    # --- runs -------------------------------------------------------------------------------------------------------
    def offer(self, event: Event, order: Order) -> None:
        """An event has come that a function may be started by, or whose runs it may cancel."""
        function = order.function
        if function.flow is None:
            self._pass(event, order)
            return
        door = self._door(function, function.flow)
        door.orders[event.id] = order
        for decision in door.gate.arrive(event, self._world.now_us):
            self._carry_out(door, decision, event)
        self._set_alarm(door)

    def adopt(self, run: Run, function: StepFunction) -> None:
        """A run was started without asking: its calls are counted with the others."""
        if function.flow is not None:
            door = self._door(function, function.flow)
            door.gate.adopt(run.id, run.event, self._world.now_us)
            self._enter(door, run.id, run)

    def ended(self, run: Run) -> None:
        """A run is over; its places are free once its last call is."""
        if run in self._ids and not self._calls.get(run):
            self._leave(run)

    def _pass(self, event: Event, order: Order) -> None:
        if not order.function.starts_on(event):
            if order.main:
                self._host.not_started(order, "not triggered")
        elif self._seen.setdefault(order.function.id, SeenKeys()).fresh(event.id, self._world.now_us):
            self._host.start([order], (event,))
        else:
            self._host.not_started(order, "duplicate event")

    def _carry_out(self, door: _Door, decision: Decision, event: Event | None) -> None:
        match decision:
            case Start():
                orders = [door.orders.pop(one.id) for one in decision.events]
                door.decided[decision.run_id] = Decided(orders, decision.events)
                wait_us = decision.at_us - self._world.now_us
                if wait_us > 0:
                    self._world.alarms.after(wait_us, self._start, door, decision.run_id)
                else:
                    self._start(door, decision.run_id)
            case Cancel():
                self._cancel(door, decision)
            case Drop() if event is not None:
                order = door.orders.pop(event.id)
                if order.main or decision.reason != "not triggered":
                    self._host.not_started(order, decision.reason)
            case Hold() if event is not None:
                self._held(door, event)

    def _held(self, door: _Door, event: Event) -> None:
        """A debounced event takes the place of the one before, unless that has started its run."""
        flow = door.function.flow
        if flow is None or flow.debounce is None:
            return
        key = key_of(flow.debounce.key, event)
        before = door.held.get(key)
        door.held[key] = event
        order = None if before is None else door.orders.pop(before.id, None)
        if order is not None:
            self._host.not_started(order, "debounced")

    def _start(self, door: _Door, gate_id: str) -> None:
        decided = door.decided.pop(gate_id, None)
        if decided is not None:
            self._enter(door, gate_id, self._host.start(decided.orders, decided.events))

    def _cancel(self, door: _Door, decision: Cancel) -> None:
        decided, run = door.decided.pop(decision.run_id, None), door.runs.get(decision.run_id)
        if decided is not None:
            for order in decided.orders:
                self._host.not_started(order, decision.reason)
            self._let_in(door.gate.ended(decision.run_id))
        elif run is not None:
            self._host.cancel(run, decision.reason)

    def _enter(self, door: _Door, gate_id: str, run: Run) -> None:
        door.runs[gate_id] = run
        self._ids[run] = gate_id
        for item in run.items:
            self._host.let_in(item)  # it was due before the gate knew the run

    def _leave(self, run: Run) -> None:
        door, gate_id = self._doors[run.function_id], self._ids.pop(run)
        del door.runs[gate_id]
        self._calls.pop(run, None)
        self._let_in(door.gate.ended(gate_id))

    def holds(self, execution: Execution) -> bool:
        """Whether flow control holds back what an execution is to start with."""
        orders = [order for door in self._doors.values() for order in door.orders.values()]
        orders += [order for door in self._doors.values() for one in door.decided.values() for order in one.orders]
        return any(order.execution is execution and order.main for order in orders)

    # --- calls ------------------------------------------------------------------------------------------------------
    def may_call(self, item: Item) -> bool:
        """Whether a call may be made now; if not it is let in later."""
        run = item.run
        door = self._doors.get(run.function_id)
        if door is None:
            return True
        gate_id = self._ids.get(run)
        if gate_id is None:
            return False
        slot = Slot(run.function_id, gate_id, str(item.number))
        if not door.gate.may_run(gate_id, self._world.now_us, slot.step):
            self._waiting[slot] = item
            return False
        if not item.counted:
            item.counted = True
            self._calls[run] = self._calls.get(run, 0) + 1
        self._set_alarm(door)  # with its first call a run gets another deadline
        return True

    def call_ended(self, item: Item) -> None:
        """A call is over."""
        run = item.run
        if run not in self._ids or not item.counted:
            return
        item.counted = False
        self._calls[run] -= 1
        self._let_in(self._doors[run.function_id].gate.done(self._ids[run], str(item.number)))
        if not run.open and not self._calls[run]:
            self._leave(run)

    def _let_in(self, slots: list[Slot]) -> None:
        for slot in slots:
            item = self._waiting.pop(slot, None)
            if item is not None:
                self._host.let_in(item)

    # --- time -------------------------------------------------------------------------------------------------------
    def _set_alarm(self, door: _Door) -> None:
        due_us = door.gate.next_due_us
        if door.alarm is not None:
            door.alarm.cancel()
        door.alarm = None
        if due_us is not None:
            wait_us = max(0, due_us - self._world.now_us)
            door.alarm = self._world.alarms.after(wait_us, self._due, door)

    def _due(self, door: _Door) -> None:
        for decision in door.gate.due(self._world.now_us):
            self._carry_out(door, decision, None)
        self._set_alarm(door)

    def _door(self, function: StepFunction, flow: FlowControl) -> _Door:
        if function.id not in self._doors:
            triggers = flow.triggers or (Trigger(function.event_name, match=function.matches),)
            gate = Gate(function.id, replace(flow, triggers=triggers), lines=self._lines)
            self._doors[function.id] = _Door(function, gate)
        return self._doors[function.id]
