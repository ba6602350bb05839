"""The SDK's side of one call, in a worker's process: enter the function, run what is new, answer.

Nothing outlives the call. The JS SDK just drops the code at its end. The Python SDK throws a `BaseException` that
carries the answer into the code, so that users' `finally` blocks run on every entry; what comes out of the function is
what is answered. A step in a `finally`, a bare `except` or an `__aexit__` is therefore run at once, and what the step
before it gave is lost: that one is run again at the next entry. Code that swallows the exception and returns ends the
run with what it returns. A process that dies answers nothing, and runs nothing more.

An error that says what is to become of retries (`NonRetriableError`, `RetryAfterError`) is raised by the Python SDK
where the code awaits the step, and nothing of it is remembered: code that catches it goes on, and comes to the step
again, as if it had never run, at its next entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol

from durable_sim import trace as kinds
from durable_sim.models.attempts import ActivityTask, Attempt
from durable_sim.models.executions import Home, Outcome
from durable_sim.models.steps.answers import (
    Sdk,
    bubbles,
    function_raised,
    function_returned,
    next_move,
    refused,
    step_done,
    step_missing,
    step_raised,
)
from durable_sim.models.steps.chronicle import Chronicle
from durable_sim.models.steps.common import no_such_thing
from durable_sim.models.steps.entry import Body, CallEnds, Entry, Found, Run, Send, Sleep
from durable_sim.models.steps.protocol import (
    ERROR,
    SLEEP,
    STEP_ERROR,
    STEP_FAILED,
    STEP_RUN,
    STEPS,
    Answer,
    Call,
    Event,
    Memo,
    Op,
)
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import ContinueRun

TURNS_MAX = 100
"""So often may code go on although its call is to end; after that it is taken to do so for ever, and never answers."""
FINISHED = (STEP_RUN, STEP_FAILED, STEP_ERROR)
"""Ops that tell how an attempt of a step has ended."""


class Ended(NamedTuple):
    """An attempt of a step that has ended in this call, and of which nobody has been told yet."""

    step: str
    name: str
    failure: Failure | None


class Line(Protocol):
    """The way back to the platform."""

    def answer(self, answer: Answer) -> None:
        """Answer the call."""

    def checkpoint(self, ops: tuple[Op, ...], then: Callable[[], None]) -> None:
        """Report finished steps within the call."""

    def send(self, event: Event, then: Callable[[list[str]], None]) -> None:
        """Send an event; `then` gets its id in a list."""


class Serving:
    """One call that is being served. `under_way` is the step that runs now, or whose error is on its way out."""

    __slots__ = (
        "_attempt",
        "_body",
        "_buffer",
        "_call",
        "_chronicle",
        "_ended_here",
        "_entry",
        "_home",
        "_line",
        "_notes",
        "_process",
        "_sdk",
        "_turns",
        "under_way",
    )

    def __init__(
        self, home: Home, process: WorkerProcess, sdk: Sdk, line: Line, call: Call, body: Body, chronicle: Chronicle
    ) -> None:
        self.under_way: Found | None = None
        self._home = home
        self._process = process
        self._sdk = sdk
        self._line = line
        self._call = call
        self._body = body
        self._chronicle = chronicle
        self._entry = Entry(call, body)
        self._buffer: list[Op] = []
        self._ended_here: list[Ended] = []
        self._turns = 0
        self._attempt = call.attempt
        self._notes = 0

    def begin(self) -> None:
        """Enter the function from its top."""
        self._process.begin(self._body.program, self._chronicle.execution)
        if self._call.memo:
            data = {"steps": len(self._call.memo)}
            self._chronicle.note(kinds.REPLAYED, self._call.run_id, data=data, worker_id=self._process.worker_id)
        self._process.deliver(self._enter)

    def hang_up(self) -> None:
        """The platform no longer listens: code that waits for nothing of this process will never go on."""
        if self.under_way is None and self._process.alive:
            self._leave()

    def _enter(self) -> None:
        self._body.start()
        self._go_on()

    def _go_on(self) -> None:
        program, process = self._body.program, self._process
        if not process.alive or program.dead:
            return
        program.now_us = self._home.world.now_us
        new = self._entry.advance()
        self._tell_remarks()
        process.deliver(self._decide, new)  # a crash or a pause may have struck at a remark

    def _tell_remarks(self) -> None:
        for remark in self._body.program.take_notes():
            self._chronicle.remark(self._call.run_id, self._notes, remark, self._process.worker_id)
            self._notes += 1

    def _decide(self, new: list[Found]) -> None:
        main = self._body.program.main
        assert main is not None
        if main.done:
            self._reply(self._ended())
            return
        if self._turns > TURNS_MAX:
            self.under_way = None
            return
        move = next_move(self._call, self._sdk, new)
        if isinstance(move, Found):
            self._run(move)
        elif move is not None:
            self._end(Answer(STEPS, tuple(map(self._timed, move))))
        elif self._call.target is not None and new:
            self._home.world.alarms.after(
                self._sdk.missing_after_us, self._process.deliver, self._end, step_missing(self._call, self._sdk, new)
            )

    def _timed(self, op: Op) -> Op:
        """A sleep that ends at an instant."""
        if op.op != SLEEP:
            return op
        assert isinstance(op.detail, Sleep)
        now_us, span_us = self._home.world.now_us, op.detail.duration_us
        return op._replace(detail=op.detail.until_us if span_us is None else now_us + span_us)

    # --- steps ------------------------------------------------------------------------------------------------------
    def _run(self, found: Found) -> None:
        self.under_way = found
        self._chronicle.scheduled(self._call.run_id, found.id, found.asked.name)
        self._process.deliver(self._attempt_step, found)

    def _attempt_step(self, found: Found) -> None:
        want = found.asked.want
        if isinstance(want, Send):
            event = Event(want.event, want.data, want.event_id)
            self._line.send(event, lambda ids: self._process.deliver(self._step_done, found, {"ids": ids}))
            return
        assert isinstance(want, Run)
        call, chronicle = self._call, self._chronicle
        name = found.asked.name
        task = ActivityTask(
            chronicle.execution,
            call.run_id,
            chronicle.number_of(call.run_id, found.id),
            name,
            want.function or self._home.build(self._process.version).activity(name),
            want.arguments,
            self._attempt + 1,
        )
        Attempt(self._home.world, self._process, task, partial(self._step_ended, found)).begin()

    def _step_ended(self, found: Found, attempt: Attempt, outcome: Outcome) -> None:
        if outcome.failure is None:
            self._process.deliver(self._step_done, found, outcome.value)
        else:
            self._process.deliver(self._step_raised, found, outcome.failure, attempt.error)

    def _step_done(self, found: Found, data: Any) -> None:
        self._ended_here.append(Ended(found.id, found.asked.name, None))
        self._in_place(found, step_done(found, data), Memo(data))

    def _step_raised(self, found: Found, failure: Failure, error: BaseException) -> None:
        self._ended_here.append(Ended(found.id, found.asked.name, failure))
        last = self._call.is_last(self._attempt)
        if self._body.common and failure.non_retryable:
            data = refused(failure)
            self._in_place(found, step_done(found, data), Memo(data))
            return
        if self._sdk.kind == "python" and bubbles(failure) and not self._body.common:
            self._raise(found, error)
            return
        if self._sdk.kind == "python" and bubbles(failure) and not last:
            self._end(function_raised(error))  # what stands between carries it past the code, as a BaseException
            return
        answer = step_raised(found, failure, self._sdk, last=last)
        if answer.ops and answer.ops[0].op == STEP_FAILED and self._checkpoints:
            self._in_place(found, answer.ops[0], Memo(error=answer.ops[0].error))
        else:
            self._end(answer)

    def _raise(self, found: Found, error: BaseException) -> None:
        """The SDK raises it where the code awaits the step."""
        self._turns += 1
        self._entry.fail(found, error)
        self._home.world.alarms.after(0, self._process.deliver, self._go_on)

    @property
    def _checkpoints(self) -> bool:
        return self._sdk.checkpoint_batch is not None and self._call.target is None

    def _in_place(self, found: Found, op: Op, memo: Memo) -> None:
        """A step is finished: answer, or go on in the same call."""
        if not self._checkpoints:
            self._end(Answer(STEPS, (op,)))
            return
        self.under_way, self._attempt = None, 0
        self._buffer.append(op)
        self._entry.settle(found, memo)
        go_on = partial(self._process.deliver, self._go_on)
        if len(self._buffer) >= (self._sdk.checkpoint_batch or 1):
            ops, self._buffer = tuple(self._buffer), []
            self._line.checkpoint(ops, go_on)
            self._reported(ops)
        else:
            self._home.world.alarms.after(0, go_on)

    # --- the end of the call ----------------------------------------------------------------------------------------
    def _end(self, answer: Answer) -> None:
        """The call is over although the function is not."""
        program = self._body.program
        if program.dead:
            return
        if self._sdk.kind == "js":
            self._reply(answer)
            return
        self._turns += 1
        new = self._entry.interrupt(answer)
        self._tell_remarks()
        self._process.deliver(self._unwound, answer, new)

    def _unwound(self, answer: Answer, new: list[Found]) -> None:
        """The code has ended, or has nothing to say, or goes on: then the SDK does what it asks for instead."""
        main = self._body.program.main
        assert main is not None
        if main.done:
            self._reply(self._ended())
        elif not new:
            self._reply(answer)
        else:
            self.under_way = None
            self._home.world.alarms.after(0, self._process.deliver, self._decide, new)

    def _ended(self) -> Answer:
        """The answer to how the function has ended."""
        main = self._body.program.main
        assert main is not None
        if isinstance(main.error, CallEnds):
            return main.error.answer
        if main.error is None:
            return function_returned(copied(main.result(), "result of the function"))
        if isinstance(main.error, ContinueRun):
            raise no_such_thing(main.error.command)
        return function_raised(main.error)

    def _reply(self, answer: Answer) -> None:
        ops, self._buffer = (*self._buffer, *answer.ops), []
        self._line.answer(replace(answer, ops=ops))
        self._reported(ops)
        self._rest_reported(answer)
        self._leave()

    def _reported(self, ops: tuple[Op, ...]) -> None:
        """Results have left the process; it may die now."""
        for op in ops:
            if op.op in FINISHED:
                self._ended_here = [one for one in self._ended_here if one.step != op.id]
                self._note(kinds.RESULT_REPORTED, op.id, op.name)

    def _rest_reported(self, answer: Answer) -> None:
        """An error of a step has left as the function's; whatever else is not in the answer is lost."""
        rest, self._ended_here = self._ended_here, []
        out = self.under_way.id if answer.status == ERROR and self.under_way is not None else None
        for one in rest:
            if not self._process.alive:
                return
            data = None if one.failure is None else {"failure": one.failure.to_json()}
            if one.step == out and data is not None:
                self._note(kinds.RESULT_REPORTED, one.step, one.name, data)
            else:
                self._note(kinds.RESULT_REFUSED, one.step, one.name, {**(data or {}), "lost": True})

    def _note(self, kind: str, step: str, name: str, data: dict[str, Any] | None = None) -> None:
        self._chronicle.note(kind, self._call.run_id, step, name, data, worker_id=self._process.worker_id)

    def _leave(self) -> None:
        program = self._body.program
        self._home.fleet.bury(program)
        program.discard_unstarted()
        self._process.end(program)
