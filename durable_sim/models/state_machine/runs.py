"""Runs: an interpreter with alarms, calls and a place in the trace.

A run does what its interpreter asks, and tells it what happens. Always holds: actions are carried out in the order in
which they were asked for; once the run is over or dropped, nothing of it acts any more but the calls under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from durable_sim import trace as kinds
from durable_sim.durations import seconds
from durable_sim.models.executions import Home, Outcome
from durable_sim.models.state_machine.actions import (
    Action,
    CancelTimer,
    Ended,
    ForgetTask,
    InvokeTask,
    SetTimer,
    StartChild,
    StopChild,
    TaskClosed,
)
from durable_sim.models.state_machine.core import Identity, Limits
from durable_sim.models.state_machine.invocations import Call, Invocations
from durable_sim.models.state_machine.language.definition import StateMachine
from durable_sim.models.state_machine.machine import Machine
from durable_sim.models.state_machine.strands import Failure as StateFailure
from durable_sim.models.state_machine.tasks import cause_of
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.payloads import as_json
from durable_sim.world.alarms import Alarm

_DUE: dict[str, str] = {
    "wait": "state {subject} waits until {due}",
    "retry": "next attempt of {subject} at {due}",
    "transition": "next state at {due}",
    "timeout": "{subject} is given up at {due}",
    "heartbeat": "{subject} is given up at {due}, unless it is heard of",
    "execution": "times out as a whole at {due}",
}


class Run:
    """One run of a state machine.

    `on_token` is told of each token that is handed out. Once its history has `dies_after` events, its host dies.
    """

    def __init__(
        self,
        home: Home,
        invocations: Invocations,
        execution: str,
        machine: StateMachine,
        whole_input: Any,
        identity: Identity,
        limits: Limits,
        on_end: Callable[[Run, Ended], None],
        on_token: Callable[[str, Run], None],
    ) -> None:
        self.execution = execution
        self.machine = Machine(machine, as_json(whole_input), identity, home.world.randomness, limits)
        self.identity = identity
        self.dropped = False
        self.number = 1
        self.children: dict[str, Run] = {}
        self._home = home
        self._world = home.world
        self._invocations = invocations
        self._limits = limits
        self._on_end = on_end
        self._on_token = on_token
        self._alarms: dict[str, tuple[Alarm, SetTimer]] = {}
        self._calls: dict[str, Call] = {}
        self._functions: dict[int, str] = {}
        self._child_tokens: dict[str, str] = {}
        self._todo: deque[Action] = deque()
        self._acting = False
        self.dies_after: int | None = None
        self.on_death: Callable[[Run], None] = Run.drop

    # --- what happens to it ---
    def start(self) -> None:
        """Begin."""
        self._do(self.machine.start(self._world.now_us))

    def stop(self, error: str | None = None, cause: str | None = None) -> None:
        """End it as aborted."""
        self._do(self.machine.stop(self._world.now_us, error, cause))

    def redrive(self) -> None:
        """Take it up again."""
        self._do(self.machine.redrive(self._world.now_us))

    def drop(self) -> None:
        """Its host has died: it is forgotten, with its children. Calls under way go on."""
        self.dropped = True
        for alarm, _ in self._alarms.values():
            alarm.cancel()
        for child in self.children.values():
            child.drop()
        self._alarms.clear()
        self._todo.clear()

    def answer(self, token: str, output: Any) -> bool:
        """Who has the token says that the task succeeded; gives whether that counts."""
        return self._from_holder(token, partial(self.machine.task_answered, token, as_json(output)))

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Who has the token says that the task failed; gives whether that counts."""
        return self._from_holder(token, partial(self.machine.task_failed, token, error, cause))

    def beat(self, token: str) -> bool:
        """Who has the token says that the task goes on; gives whether that counts."""
        counts = not self.dropped and self.machine.waits_for_answer(token)
        if counts:
            self._do(self.machine.task_heartbeat(token, self._world.now_us))
        return counts

    def _from_holder(self, token: str, tell: Callable[[int], list[Action]]) -> bool:
        counts = not self.dropped and self.machine.waits_for_answer(token)
        if counts:
            self._note_task(kinds.RESULT_RECORDED, self._calls[token].task)
            self._do(tell(self._world.now_us))
        return counts

    # --- what it waits for ---
    def pending(self) -> str | None:
        """What will make it go on, in words; None when nothing ever will."""
        if self.dropped:
            return None
        for token, call in self._calls.items():
            where = self._invocations.told(token)
            if where is not None and self.machine.waits_for(token):
                return f"{call.task.function}, attempt {call.task.attempt}, {where}"
        if self._alarms:
            alarm, timer = min(self._alarms.values(), key=lambda one: one[0].due_us)
            return _DUE[timer.kind].format(subject=timer.subject, due=seconds(alarm.due_us))
        return next((text for text in (child.pending() for child in self.children.values()) if text), None)

    # --- what it does ---
    def _do(self, actions: list[Action]) -> None:
        """Carry out actions, and those that come of them, one after the other."""
        self._todo.extend(actions)
        if self._acting:
            return
        self._acting = True
        while self._todo:
            self._act(self._todo.popleft())
        self._acting = False
        if self.dies_after is not None and not self.dropped and len(self.machine.history) >= self.dies_after:
            if self.machine.status == "RUNNING":
                self.on_death(self)

    def _act(self, action: Action) -> None:
        match action:
            case InvokeTask():
                self._invoke(action)
            case ForgetTask():
                self._forget(action)
            case TaskClosed():
                self._closed(action)
            case SetTimer():
                self._set_timer(action)
            case CancelTimer():
                self._cancel_timer(action)
            case StartChild():
                self._start_child(action)
            case StopChild():
                self._stop_child(action.token)
            case Ended():
                self._on_end(self, action)

    def _invoke(self, task: InvokeTask) -> None:
        self._functions[task.step] = task.function
        self._note_task(kinds.TASK_SCHEDULED, task)
        call = self._calls[task.token] = Call(
            task,
            self.execution,
            self.identity.name,
            lambda: self._wants(task.token),
            partial(self._call_started, task.token),
            partial(self._call_ended, task),
            partial(self._call_beat, task),
        )
        if task.waits_for_callback:
            self._on_token(task.token, self)
        self._invocations.make(call)

    def _wants(self, token: str) -> bool:
        return not self.dropped and self.machine.waits_for(token)

    def _call_started(self, token: str, worker_id: str) -> None:
        if self._wants(token):
            self._do(self.machine.task_started(token, self._world.now_us, worker_id))

    def _call_beat(self, task: InvokeTask) -> None:
        if task.kind == "activity" and self._wants(task.token):
            self._do(self.machine.task_heartbeat(task.token, self._world.now_us))

    def _call_ended(self, task: InvokeTask, worker_id: str, outcome: Outcome) -> None:
        if not self._wants(task.token):
            self._note_task(kinds.RESULT_REFUSED, task, worker_id)
            return
        failure = outcome.failure
        told = {"failure": failure.to_json()} if failure is not None else None
        self._note_task(kinds.RESULT_RECORDED, task, worker_id, told)
        now_us = self._world.now_us
        if failure is None:
            self._do(self.machine.task_ended(task.token, as_json(outcome.value), now_us))
        else:
            error, cause = _as_error(task, failure)
            self._do(self.machine.task_failed(task.token, error, cause, now_us))

    def _forget(self, action: ForgetTask) -> None:
        if action.timeout is not None:
            call = self._calls[action.token]
            self._note_task(kinds.ATTEMPT_TIMED_OUT, call.task, call.worker_id, {"timeout": action.timeout})

    def _closed(self, action: TaskClosed) -> None:
        told = None
        if action.error is not None:
            told = {"failure": Failure(action.error, action.cause or "").to_json()}
        self._world.trace.add(kinds.TASK_COMPLETED, self.execution, None, action.function, action.step, data=told)

    # --- timers ---
    def _set_timer(self, timer: SetTimer) -> None:
        delay_us = max(timer.due_us - self._world.now_us, 0)
        alarm = self._world.alarms.after(delay_us, self._fired, timer)
        self._alarms[timer.token] = (alarm, timer)
        if timer.kind == "wait":
            self._note_timer(kinds.TIMER_STARTED, timer.step, {"duration_us": delay_us})
        elif timer.kind == "retry":
            failure = Failure(timer.error or "", timer.cause or "").to_json()
            self._note_timer(kinds.BACKOFF_BEGUN, timer.step, {"delay_us": delay_us, "failure": failure}, timer.subject)

    def _fired(self, timer: SetTimer) -> None:
        self._alarms.pop(timer.token, None)
        if timer.kind == "wait":
            self._note_timer(kinds.TIMER_FIRED, timer.step)
        elif timer.kind == "retry":
            self._note_timer(kinds.BACKOFF_ENDED, timer.step, None, timer.subject)
        self._do(self.machine.timer_fired(timer.token, self._world.now_us))

    def _cancel_timer(self, action: CancelTimer) -> None:
        found = self._alarms.pop(action.token, None)
        if found is not None:
            found[0].cancel()
            if action.kind == "wait":
                self._note_timer(kinds.TIMER_CANCELLED, action.step)

    # --- children ---
    def _start_child(self, action: StartChild) -> None:
        self._world.trace.add(kinds.CHILD_STARTED, self.execution, data={"child": action.name})
        self._child_tokens[action.token] = action.name
        before = self.children.get(action.name)  # of a Map that is retried: same name, same keys, other tokens
        if before is not None and action.goes_on and before.machine.can_be_redriven:
            before.redrive()
            return
        number = 1 if before is None else before.number + 1
        run_id = action.name if before is None else f"{action.name}#{number}"
        child = self.children[action.name] = Run(
            self._home,
            self._invocations,
            self.execution,
            action.definition,
            action.input,
            Identity(action.name, run_id, self.identity.machine),
            self._limits,
            self._child_ended,
            self._on_token,
        )
        child.number = number
        child.start()

    def _child_ended(self, child: Run, ended: Ended) -> None:
        told = {"child": child.identity.name, "status": ended.status}
        self._world.trace.add(kinds.CHILD_ENDED, self.execution, data=told)
        token = next(token for token, name in self._child_tokens.items() if name == child.identity.name)
        del self._child_tokens[token]
        failure = None if ended.status == "SUCCEEDED" else StateFailure(ended.error or ended.status, ended.cause)
        self._do(self.machine.child_ended(token, ended.output, failure, self._world.now_us))

    def _stop_child(self, token: str) -> None:
        name = self._child_tokens.get(token)
        if name is not None:
            self.children[name].stop()

    # --- the trace ---
    def _note_task(
        self, kind: str, task: InvokeTask, worker_id: str | None = None, data: dict[str, Any] | None = None
    ) -> None:
        self._world.trace.add(kind, self.execution, worker_id, task.function, task.step, task.attempt, None, data)

    def _note_timer(self, kind: str, step: int, data: dict[str, Any] | None = None, subject: str | None = None) -> None:
        subject = self._functions.get(step, subject)
        self._world.trace.add(kind, self.execution, None, subject, step, data=data)


def _as_error(task: InvokeTask, failure: Failure) -> tuple[str, str]:
    """How the service tells of a function's failure: Lambda wraps what the function raised."""
    if task.is_lambda and not failure.type.startswith("Lambda."):
        return failure.type, cause_of(failure.type, failure.message)
    return failure.type, failure.message
