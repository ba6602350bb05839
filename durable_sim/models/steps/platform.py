"""The platform: starts runs, remembers what steps did, decides which call comes next, and when a run is over.

Durable: nothing here is lost when a worker or the executor dies. It knows user code by function ids only. Always holds:
of a step the first result counts, and what comes later is refused; a run that is over is never called again.
"""

from __future__ import annotations

from typing import Any

from durable_sim import trace as kinds
from durable_sim.models.executions import Execution, Home, Outcome
from durable_sim.models.steps.answers import Sdk
from durable_sim.models.steps.chronicle import Chronicle
from durable_sim.models.steps.directory import Directory
from durable_sim.models.steps.flow.limits import STEPS_MAX
from durable_sim.models.steps.function import CANCELLED_EVENT, FAILED_EVENT, INVOKED_EVENT, StepFunction
from durable_sim.models.steps.gates import Gates, Order
from durable_sim.models.steps.protocol import (
    ERROR,
    INVOKE_FUNCTION,
    OK,
    SLEEP,
    STEP_ERROR,
    STEP_FAILED,
    STEP_PLANNED,
    STEP_RUN,
    STEPS,
    WAIT_FOR_EVENT,
    Answer,
    Event,
    Invocation,
    Memo,
    Mode,
    Op,
    Refusal,
    StepFailure,
)
from durable_sim.models.steps.queue import Queue, Wire
from durable_sim.models.steps.retries import delay_us
from durable_sim.models.steps.runs import Item, Parent, Run, TooLarge
from durable_sim.models.steps.waits import Waits
from durable_sim.workflows.failures import Failure

BROKEN_CALL = "CallBroken"
WANTED = (STEP_PLANNED, SLEEP, WAIT_FOR_EVENT, INVOKE_FUNCTION)
"""Ops that ask for something, where the others tell how a step has ended."""


class Platform:
    """All runs of a simulation."""

    def __init__(self, home: Home, directory: Directory, sdk: Sdk, wire: Wire, retries: int) -> None:
        self._home = home
        self._directory = directory
        self.gates = Gates(home.world, self)
        self._retries = retries
        self.queue = Queue(home, directory, sdk, wire, self)
        self._waits = Waits(home.world, self._resume)
        self._chronicles: dict[str, Chronicle] = {}
        self._runs: dict[str, list[Run]] = {}
        self._events = self._strangers = 0

    def open_executions(self) -> list[str]:
        """The executions that have an open run, in the order in which they began."""
        return [name for name, runs in self._runs.items() if any(run.open for run in runs)]

    def runs_of(self, execution: Execution) -> list[Run]:
        """The runs that belong to an execution, in the order in which they began."""
        return self._runs.setdefault(execution.id, [])

    # --- runs begin -------------------------------------------------------------------------------------------------
    def submit(self, execution: Execution, function: StepFunction) -> None:
        """An execution's own function is started by its event, and so are others that this event triggers."""
        event = self._stamped(Event(function.event_name, execution.input))
        self._waits.event(event)
        self.gates.offer(event, Order(function, execution, main=True))
        self._trigger(event, execution, but=function.id)

    def send(self, event: Event, execution: Execution | None = None) -> str:
        """An event has come: those who wait for it go on, and the functions that it triggers start. Gives its id."""
        stamped = self._stamped(event)
        self._waits.event(stamped)
        self._trigger(stamped, execution)
        return stamped.id

    def expect(self, event: Event) -> list[str]:
        """The executions in which a step waits for such an event."""
        return list(dict.fromkeys(one.run.execution.id for one in self._waits.waiting_for(event)))

    def _stamped(self, event: Event) -> Event:
        self._events += 1
        return event._replace(id=event.id or f"event-{self._events}", time_us=self._home.world.now_us)

    def _trigger(self, event: Event, execution: Execution | None, but: str | None = None) -> None:
        for function in self._directory.concerned(event):
            if function.id != but:
                self.gates.offer(event, Order(function, execution, main=False))

    def start(self, orders: list[Order], events: tuple[Event, ...]) -> Run:
        """Start a run; it belongs to the first execution that has asked for it."""
        function, ends = orders[0].function, tuple(one.execution for one in orders if one.main and one.execution)
        owners = [*ends, *(one.execution for one in orders if one.execution is not None)]
        for execution in ends:
            self._home.began(execution)
        return self._start(function, events, owners[0] if owners else self._stranger(function), ends)

    def not_started(self, order: Order, reason: str) -> None:
        """An order comes to nothing; an execution that waits for it has failed."""
        if order.main and order.execution is not None:
            self._home.ended(order.execution, Outcome(failure=Failure("NotStarted", reason)))

    def cancel(self, run: Run, reason: str) -> None:
        """Cancel a run: no call of it is made any more, and what a call under way answers is refused."""
        run.failure = StepFailure("Cancelled", reason)
        self._close(run, Memo(error=run.failure), Outcome(failure=Failure("Cancelled", reason), cancelled=True))
        self._home.world.alarms.after(
            0, self._tell_of, run, CANCELLED_EVENT, StepFailure("Error", "function cancelled")
        )

    def let_in(self, item: Item) -> None:
        """A call that had to wait may be made."""
        if item.state == "waiting":
            self.queue.due(item)

    def _start(
        self,
        function: StepFunction,
        events: tuple[Event, ...],
        owner: Execution,
        ends: tuple[Execution, ...] = (),
        parent: Parent | None = None,
    ) -> Run:
        chronicle = self._chronicles.setdefault(owner.id, Chronicle(self._home.world.trace, owner.id))
        runs = self.runs_of(owner)
        attempts = 1 + (self._retries if function.retries is None else function.retries)
        run_id = f"{owner.id}#{len(runs) + 1}"
        run = Run(run_id, function.id, owner, events[0], attempts, chronicle, events, ends, parent)
        for execution in dict.fromkeys((owner.id, *(one.id for one in ends))):
            self._runs.setdefault(execution, []).append(run)
        self.queue.enqueue(run.new_item())
        return run

    def _stranger(self, function: StepFunction) -> Execution:
        """The execution of a run that nobody submitted: an event from outside has started it."""
        self._strangers += 1
        return Execution(f"{function.id}-event-{self._strangers}", None, -1, self._home.world.now_us)

    # --- calls end --------------------------------------------------------------------------------------------------
    def may_call(self, item: Item) -> bool:
        """Whether flow control lets a call be made now; what it holds back it gives to the queue when it may."""
        return self.gates.may_call(item)

    def answered(self, item: Item, answer: Answer) -> None:
        """A call was answered."""
        run = item.run
        self.gates.call_ended(item)
        if not run.open:
            return
        modes = self._record(run, answer)
        if not run.open:
            return  # a fault that struck at one of these records has ended it
        if answer.status == OK:
            self._end(run, answer.result)
        elif answer.status == STEPS:
            self._after_steps(item, answer, modes)
        else:
            self._call_failed(item, answer, item.attempt)

    def broken(self, item: Item, why: str) -> None:
        """A call was not answered: it is made again as if it had failed."""
        self.gates.call_ended(item)
        if item.run.open:
            self._call_failed(item, Answer(0, error=StepFailure(BROKEN_CALL, why)), item.attempt)

    def checkpointed(self, item: Item, ops: tuple[Op, ...]) -> None:
        """Steps are finished within a call that goes on; what comes next in it is another step's first attempt."""
        if item.run.open:
            self._record(item.run, Answer(STEPS, ops))
            item.attempt = 0

    def received(self, item: Item, event: Event) -> list[str]:
        """A step has sent an event; what it starts belongs to the same execution."""
        return [self.send(event, item.run.execution)]

    # --- what is remembered -----------------------------------------------------------------------------------------
    def _record(self, run: Run, answer: Answer) -> list[Mode]:
        """Remember the steps that an answer says are finished; gives how each was planned."""
        modes = [self._remember(run, op) for op in answer.ops if op.op in (STEP_RUN, STEP_FAILED)]
        return [mode for mode in modes if mode is not None]

    def _remember(self, run: Run, op: Op) -> Mode | None:
        if op.id in run.memo or not run.open or not self._keep(run, op.id, Memo(op.data, op.error)):
            run.chronicle.note(kinds.RESULT_REFUSED, run.id, op.id, op.name)
            return None
        told = op.data if isinstance(op.data, Refusal) else op.error
        data = None if told is None else {"failure": told.to_json()}
        run.chronicle.note(kinds.RESULT_RECORDED, run.id, op.id, op.name, data)
        run.chronicle.note(kinds.TASK_COMPLETED, run.id, op.id, op.name, data)
        planned = run.pending.pop(op.id, None)
        return "race" if planned is None else planned.mode

    def _resume(self, run: Run, step: str, memo: Memo) -> None:
        """What a step has waited for has come."""
        op = run.pending.pop(step)
        if self._keep(run, step, memo):
            self._enter_again(run, [op.mode])

    def _keep(self, run: Run, step: str, memo: Memo) -> bool:
        """Whether there is room for what a step has given; a run that has too much data fails."""
        try:
            run.remember(step, memo)
        except TooLarge as error:
            self._fail(run, error.failure)
            return False
        return True

    # --- what comes next --------------------------------------------------------------------------------------------
    def _after_steps(self, item: Item, answer: Answer, modes: list[Mode]) -> None:
        run = item.run
        failed = next((op for op in answer.ops if op.op == STEP_ERROR), None)
        if failed is not None:
            attempt = 0 if modes else item.attempt
            if not answer.no_retry and attempt + 1 < run.max_attempts:
                item.under_way = failed.id, failed.name
                assert failed.error is not None
                self._retry(item, attempt, answer.retry_after_us, failed.error)
                return
            mode = self._remember(run, failed)
            modes += [] if mode is None else [mode]
            if not run.open:
                return
        run.close(item)
        wanted = [op for op in answer.ops if op.op in WANTED]
        for op in wanted:
            self._plan(run, op)
        self._enter_again(run, [] if wanted else modes)  # code that wants more has seen its finished steps already

    def _plan(self, run: Run, op: Op) -> None:
        """See to a step that the code has told of, unless it is seen to already."""
        if op.id in run.memo or op.id in run.pending:
            return
        run.pending[op.id] = op
        match op.op:
            case "StepPlanned":
                run.chronicle.scheduled(run.id, op.id, op.name)
                self.queue.enqueue(run.new_item(op))
            case "Sleep":
                self._waits.sleep(run, op)
            case "WaitForEvent":
                self._waits.wait(run, op)
            case "InvokeFunction":
                self._invoke(run, op)

    def _enter_again(self, run: Run, modes: list[Mode]) -> None:
        """Have the function entered again if something is news to it: after each step of a race, or after the last."""
        if len(run.memo) > STEPS_MAX:
            self._fail(run, StepFailure("StepLimit", f"more than {STEPS_MAX} steps"))
            return
        idle = not run.pending and not run.items
        if idle or (modes and ("race" in modes or not run.pending)):
            if not any(item.target is None and item.state in ("due", "waiting") for item in run.items):
                self.queue.enqueue(run.new_item())

    def _call_failed(self, item: Item, answer: Answer, attempt: int) -> None:
        assert answer.error is not None
        if not answer.no_retry and attempt + 1 < item.run.max_attempts:
            self._retry(item, attempt, answer.retry_after_us, answer.error)
            return
        if answer.status == ERROR and item.under_way is not None:
            data = {"failure": answer.error.to_json()}
            item.run.chronicle.note(kinds.TASK_COMPLETED, item.run.id, *item.under_way, data)
        self._fail(item.run, answer.error)

    def _retry(self, item: Item, attempt: int, retry_after_us: int | None, failure: StepFailure) -> None:
        run = item.run
        u = self._home.world.randomness.uniforms("steps.backoff", run.id, item.number, attempt)[0]
        item.attempt = attempt + 1
        self.queue.retry(item, delay_us(attempt, retry_after_us, u), failure)

    # --- functions that call functions ------------------------------------------------------------------------------
    def _invoke(self, run: Run, op: Op) -> None:
        detail = op.detail
        assert isinstance(detail, Invocation)
        if detail.function is not None:
            self._directory.learn(detail.function)
        function = self._directory.deployed(detail.function_id)
        if function is None:
            told = StepFailure("Error", f"could not find function with ID: {detail.function_id}")
            self._resume(run, op.id, Memo(error=told))
            return
        event = self._stamped(Event(INVOKED_EVENT, detail.data))
        child = self._start(function, (event,), run.execution, parent=Parent(run, op.id))
        self.gates.adopt(child, function)
        run.chronicle.note(kinds.CHILD_STARTED, run.id, op.id, data={"child": child.id})

    # --- runs end ---------------------------------------------------------------------------------------------------
    def _end(self, run: Run, result: Any) -> None:
        run.result = result
        self._close(run, Memo(result), Outcome(result))

    def _fail(self, run: Run, failure: StepFailure) -> None:
        if not run.open:
            return
        run.failure = failure
        self._close(run, Memo(error=failure), Outcome(failure=Failure(failure.name, failure.message)))
        self._tell_of(run, FAILED_EVENT, failure)

    def _tell_of(self, run: Run, name: str, failure: StepFailure) -> None:
        """Send the event that says how a run has ended; a run that the failure of another has started sends none."""
        if run.event.name != FAILED_EVENT:
            told = {"function_id": run.function_id, "run_id": run.id, "error": failure.to_json()}
            self.send(Event(name, {**told, "event": run.event.to_json()}, run.id), run.execution)

    def _close(self, run: Run, memo: Memo, outcome: Outcome) -> None:
        run.open = False
        run.items, run.pending = [], {}
        self.gates.ended(run)
        for execution in run.ends:
            self._home.ended(execution, outcome)
        parent = run.parent
        if parent is not None and parent.run.open:
            status = "completed" if memo.error is None else "failed"
            detail = {"child": run.id, "status": status}
            run.chronicle.note(kinds.CHILD_ENDED, parent.run.id, parent.step, data=detail)
            self._resume(parent.run, parent.step, memo)
