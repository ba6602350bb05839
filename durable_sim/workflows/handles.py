"""What stands for an activity or a sleep until it is over, and begins it as the real SDK would.

There, both are coroutines: awaited directly they begin at once; waited for together with others each begins in a task
of its own, in its turn, behind whoever is ready by then. Always holds: what is asked for and held begins before the
next command of the code that holds it (an activity), or in its turn (a sleep, as in a task made of it).
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Generator
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from durable_sim.workflows.combinators import result_or_request
from durable_sim.workflows.commands import (
    CancelTimer,
    RequestCancelActivity,
    ScheduleActivity,
    ScheduleLocalActivity,
    StartTimer,
)
from durable_sim.workflows.failures import activity_error, cancelled_failure
from durable_sim.workflows.program import Future, LateTask, Program
from durable_sim.workflows.retry import CANCEL_REQUESTED

T = TypeVar("T")


class _Begins(Future[T]):
    """Something that is asked for by a command, and begins when it is clear how it is awaited (`begin`)."""

    __slots__ = ()

    _begun: bool
    _program: Program

    def _begin_later(self, program: Program, kind: type) -> None:
        self.inline = True
        program.check_may_issue(kind)
        if program.turn.task is None:
            self.begin()
        else:
            program.turn.held.append(self)

    def leave_to_task(self) -> None:
        """Begin with the task that waits for it, unless it has begun."""
        if self in self._turn.held:
            self._turn.held.remove(self)

    def __await__(self) -> Generator[Future[T], None, T]:
        if not self._begun:
            self._turn.begin_held()
            self.begin()
        return super().__await__()

    def cancel(self) -> bool:
        """Ask that it be given up; False if it is done already."""
        if not self._begun:
            self._turn.begin_held()
            self.begin()
        return super().cancel()


class CommandTask(_Begins[T], LateTask[T]):
    """What a task waits for that asks by a command."""

    __slots__ = ("_begun", "_program")

    def __init__(self, program: Program, kind: type) -> None:
        super().__init__(program)
        self._program = program
        self._begun = False
        self._begin_later(program, kind)

    def issue(self) -> None:
        """Issue the command."""
        raise NotImplementedError

    def begin(self) -> None:
        """Issue the command, once."""
        if not self._begun:
            self._begun = True
            self.issue()
            self.run_in_turn()


class _ActivityTask(Future[T]):
    """The SDK's task of an activity without its coroutine: the same turns, at a fraction of the cost.

    1. The task runs for the first time: from then on it waits for the result.
    2. The result is told: a turn later its waiter is done (`_wakes`), and another turn later the task ends with it.
    3. Cancelled before 1, it requests the activity's end at once and ends in its turn without ever having run.
       Cancelled while it waits, it comes a turn later to find the result there, and ends as cancelled; or not, and
       requests the activity's end and waits on. Cancelled after its waiter is done, it ends as cancelled.
    """

    __slots__ = ("_runs", "_stopping", "_told", "_wakes")

    def _wait(self) -> None:
        self._runs = self._stopping = self._wakes = False
        self._told: tuple[Any, BaseException | None] | None = None
        self._turn.ready.append((self._first, self))

    def _first(self, _: Future[Any]) -> None:
        self._runs = True
        if self._stopping:
            super().settle(error=CancelledError())

    def settle(self, value: Any = None, error: BaseException | None = None) -> None:
        """Tell the result; a second one is ignored."""
        if self._told is None:
            self._told = value, error
            self._turn.ready.append((self._wake, self))

    def _wake(self, _: Future[Any]) -> None:
        if not self._stopping:
            self._wakes = True
            self._turn.ready.append((self._end, self))

    def _end(self, _: Future[Any]) -> None:
        assert self._told is not None
        if self._stopping:
            super().settle(error=CancelledError())
        else:
            super().settle(*self._told)

    def cancel(self) -> bool:
        """Ask that it be given up; False if it is done already."""
        if self.done:
            return False
        if not self._runs:
            self._request_cancel()
        elif not self._wakes and not self._stopping:
            self._turn.ready.append((self._interrupted, self))
        self._stopping = True
        return True

    def _interrupted(self, _: Future[Any]) -> None:
        if self._told is not None:
            super().settle(error=CancelledError())
        else:
            self._stopping = False
            self._request_cancel()

    def _request_cancel(self) -> None:
        raise NotImplementedError


class ActivityHandle(_Begins[T], _ActivityTask[T]):
    """An activity. Cancelled, it requests the activity's end."""

    __slots__ = ("_begun", "_command", "_program", "_schedule")

    def __init__(self, program: Program, schedule: Callable[[], ScheduleActivity]) -> None:
        super().__init__(program.turn)
        self._program = program
        self._begun = False
        self._schedule = schedule
        self._begin_later(program, ScheduleActivity)

    def begin(self) -> None:
        """Schedule it, once."""
        if not self._begun:
            self._begun = True
            self._command = self._schedule()
            self._program.issue(self._command, self)
            self._wait()

    def _request_cancel(self) -> None:
        """Once. What has ended by now stays ended: the code is about to be told (`closing`)."""
        program, command, kind = self._program, self._command, self._command.options.cancellation
        if self.told or command.step in program.closing:
            return
        self.told = True
        if not program.retract(command.step):
            if kind != "ABANDON":
                program.tell(RequestCancelActivity(program.next_step(), command.step))
            if kind == "WAIT_CANCELLATION_COMPLETED":
                return
        info = {"activity_type": command.name, "activity_id": command.id, "retry_state": CANCEL_REQUESTED}
        error = activity_error(command.name, CANCEL_REQUESTED, cancelled_failure(), info)
        program.answer_at_rest(self, error)


class LocalBackoff:
    """A local activity's next attempt is too far off for one workflow task: the workflow waits for it by a timer."""

    __slots__ = ("attempt", "delay_us", "scheduled_us")

    def __init__(self, attempt: int, delay_us: int, scheduled_us: int) -> None:
        self.attempt = attempt
        self.delay_us = delay_us
        self.scheduled_us = scheduled_us


class LocalActivityHandle(CommandTask[T]):
    """A local activity, in as many rounds as it takes. Cancelled, it is given up."""

    __slots__ = ("_command", "_result", "_schedule", "_sleep", "_step")

    def __init__(
        self,
        program: Program,
        schedule: Callable[[int, int, int | None], ScheduleLocalActivity],
        sleep: Callable[[timedelta], Future[None]],
    ) -> None:
        self._schedule = schedule
        self._sleep = sleep
        super().__init__(program, ScheduleLocalActivity)

    def issue(self) -> None:
        """Ask for its first round."""
        self._step = self._program.next_step()  # one for all rounds: the idempotency key goes with it
        self._ask(1, None)

    def _ask(self, attempt: int, scheduled_us: int | None) -> None:
        self._command = self._schedule(self._step, attempt, scheduled_us)
        self._result: Future[Any] = self._program.issue_local(self._command)

    async def make(self) -> T:
        """Wait for its result, and for the time of its next round where that is far off."""
        while True:
            outcome = await result_or_request(self._turn, self._result, self._give_up, gives_way=True)
            if not isinstance(outcome, LocalBackoff):
                return outcome  # type: ignore[no-any-return]
            await self._sleep(timedelta(microseconds=outcome.delay_us))
            self._ask(outcome.attempt, outcome.scheduled_us)

    def cancel(self) -> bool:
        """Ask that it be given up; False if it is done already."""
        self._turn.begin_held()
        self.begin()
        if not self.runs and not self.done:
            self._give_up()
        return super().cancel()

    def _give_up(self) -> None:
        """Once for each round."""
        program, command, result = self._program, self._command, self._result
        if result.told:
            return
        result.told = True
        program.give_up_local(command)
        info = {"activity_type": command.name, "activity_id": str(command.seq), "retry_state": CANCEL_REQUESTED}
        program.answer_at_rest(result, activity_error(command.name, CANCEL_REQUESTED, cancelled_failure(), info))


class SleepHandle(Future[None]):
    """A sleep: over one turn later than its timer fires. Cancelled, it calls the timer off."""

    __slots__ = ("_left_to_task", "_start")

    def __init__(self, program: Program, start: Callable[[], Future[None]]) -> None:
        super().__init__(program.turn)
        self.inline = True
        self._start: Callable[[], Future[None]] | None = start
        self._left_to_task = False
        program.check_may_issue(StartTimer)
        if program.turn.task is None:
            self.begin()
        else:
            program.turn.ready.append((_begin_in_turn, self))

    @property
    def waits_for_turn(self) -> bool:
        """Whether nobody else will begin it."""
        return not self._left_to_task and not self.done

    def begin(self) -> None:
        """Start the timer."""
        if self._start is None:
            return
        start, self._start = self._start, None
        timer = start()
        timer.when_done(self.follow)
        self.when_done(partial(_call_off, timer))

    def leave_to_task(self) -> None:
        """Begin with the task that waits for it."""
        self._left_to_task = True

    def __await__(self) -> Generator[Future[None], None, None]:
        if not self.done:
            self.begin()
        return super().__await__()


def _begin_in_turn(slept: Future[None]) -> None:
    assert isinstance(slept, SleepHandle)
    if slept.waits_for_turn:
        slept.begin()


def _call_off(timer: Future[None], slept: Future[None]) -> None:
    if isinstance(slept.error, CancelledError):
        timer.cancel()


def start_timer(program: Program, command: StartTimer) -> Future[None]:
    """Issue the command; the future is settled when the timer fires, and cancelling it calls the timer off."""
    timer = program.issue(command)
    timer.on_cancel = partial(_cancel_timer, program, command.step, timer)
    return timer


def _cancel_timer(program: Program, step: int, timer: Future[None]) -> None:
    if not program.retract(step):
        program.tell(CancelTimer(program.next_step(), step))
    timer.settle(error=CancelledError())
