"""What a function in this engine's idiom is given: `async def fulfil(ctx, step)`.

`ctx` says what the run is about; `step` is the only way to anything that is to be remembered. Code outside steps runs
again on every entry.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.errors import UserError
from durable_sim.models.steps.entry import Asked, CallEnds, Invoke, Run, Send, Sleep, Wait, Want, merged
from durable_sim.models.steps.errors import NestedStepError, StepError
from durable_sim.models.steps.flow.limits import SLEEP_MAX_US
from durable_sim.models.steps.flow.matching import check_path
from durable_sim.models.steps.function import Code, StepFunction
from durable_sim.models.steps.protocol import Event, Match, Memo, Mode
from durable_sim.workflows.clock import EPOCH
from durable_sim.workflows.combinators import as_future
from durable_sim.workflows.payloads import copied, copied_arguments
from durable_sim.workflows.program import Future, Program


class StepContext(NamedTuple):
    """What a run is about. `attempt` is that of the call, from 0; `events` are all of a batch."""

    event: Event
    run_id: str
    attempt: int
    events: tuple[Event, ...] = ()


class StepTools:
    """The steps of a function. Every method gives something to await; a name used again is numbered."""

    __slots__ = ("_asked", "_groups", "_program")

    def __init__(self, program: Program) -> None:
        self._program = program
        self._asked: list[Asked] = []
        self._groups: list[Mode] = []

    def run(self, name: str, activity: Code, *arguments: Any) -> Future[Any]:
        """Run `async def activity(actx, *arguments)`; its result is remembered.

        Raises, when awaited:
            StepError: its last attempt has failed.
        """
        return self._ask(name, Run(activity, copied_arguments(arguments, f"argument of step {name}")))

    def sleep(self, name: str, duration: Duration) -> Future[None]:
        """Come back after a time span."""
        return self._ask(name, Sleep(_within_limit(name, duration_us(duration))))

    def sleep_until(self, name: str, instant: datetime) -> Future[None]:
        """Come back at an instant (at once if it is over)."""
        until_us = (instant - EPOCH) // timedelta(microseconds=1)
        return self._ask(name, Sleep(None, until_us))

    def wait_for_event(self, name: str, *, event: str, timeout: Duration, match: Match = None) -> Future[Event | None]:
        """Wait for an event; None when the time is over.

        `match` is a field that must be the same in the event that started the run and in the new one, such as
        "data.order_id", or a function of the two events.
        """
        check_path(f"step {name}", "match", match)
        return self._ask(name, Wait(event, _within_limit(name, duration_us(timeout)), match))

    def invoke(self, name: str, function: StepFunction | Code | str, data: Any = None) -> Future[Any]:
        """Call another function, by itself or by its id, and come back with its result.

        Raises, when awaited:
            StepError: its run has failed.
        """
        return self._ask(name, Invoke(function, copied(data, f"data of step {name}")))

    def send_event(self, name: str, event: Event | str, data: Any = None) -> Future[list[str]]:
        """Send an event, given whole or by its name and data; gives its id in a list."""
        whole = event if isinstance(event, Event) else Event(event, data)
        return self._ask(name, Send(whole.name, copied(whole.data, f"data of step {name}"), whole.id))

    def parallel(self, *awaitables: Awaitable[Any], mode: Mode = "wait") -> Future[list[Any]]:
        """Wait for several at once: steps, or coroutines that have steps. Results in the order given.

        With "wait" the function is entered again when all the steps are done that were planned together, with "race"
        after each.
        """
        place = len(self._groups)
        self._groups.append(mode)
        gathered = _group(self._program, awaitables)
        gathered.when_done(partial(self._group_done, place))
        return gathered

    def note(self, kind: str, subject: str | None = None) -> None:
        """Leave a remark in the trace, once: later entries do not repeat it. It has no other effect."""
        self._program.note(kind, subject)

    def _group_done(self, place: int, _: Future[Any]) -> None:
        del self._groups[place:]

    def _ask(self, name: str, want: Want) -> Future[Any]:
        program = self._program
        if program.turn.task is None and not program.dead:
            raise NestedStepError  # the function's own code is not running: this is code of a step
        number = program.next_step()
        self._asked.append(Asked(number, name, want))
        return program.expect(number)

    def take(self) -> list[Asked]:
        """The steps asked for since the last time; those asked for while a group is open belong to it."""
        asked, self._asked = self._asked, []
        if not self._groups:
            return asked
        return [one._replace(planned=True, mode=self._groups[-1]) for one in asked]


class IdiomBody:
    """The code of a function in this engine's idiom."""

    common = False

    def __init__(self, function: StepFunction, ctx: StepContext) -> None:
        self.program = Program()
        self._function = function
        self._ctx = ctx
        self._tools = StepTools(self.program)

    def start(self) -> None:
        """Enter the code."""
        self.program.start(self._function.code(self._ctx, self._tools))

    def take(self) -> list[Asked]:
        """The steps that the code has asked for since the last time."""
        return self._tools.take()

    def settle(self, asked: Asked, memo: Memo) -> None:
        """Tell the code what became of a step."""
        error = None if memo.error is None else StepError(memo.error.name, memo.error.message)
        self.program.settle(asked.number, _value(asked.want, memo.data), error)


def _group(program: Program, awaitables: tuple[Awaitable[Any], ...]) -> Future[list[Any]]:
    """Wait for all; a failure is raised at once. What ends the call ends it once all are over, for all of them."""
    futures = [as_future(program, one) for one in awaitables]
    group: Future[list[Any]] = Future(program.turn)

    def one_done(future: Future[Any]) -> None:
        if future.error is not None and not isinstance(future.error, CallEnds):
            group.settle(error=future.error)
        elif all(one.done for one in futures) and not group.done:
            ends = [one.error for one in futures if isinstance(one.error, CallEnds)]
            if ends:
                group.settle(error=merged(ends))
            else:
                group.settle([one.result() for one in futures])

    for future in futures:
        future.when_done(one_done)
    if not futures:
        group.settle([])
    return group


def _value(want: Want, data: Any) -> Any:
    """What the code is given for what is remembered."""
    if isinstance(want, Wait):
        return None if data is None else Event.from_json(copied(data))
    return data["ids"] if isinstance(want, Send) and data is not None else copied(data)


def _within_limit(name: str, us: int) -> int:
    if us > SLEEP_MAX_US:
        raise UserError(f"step {name}: {format_us(us)} is too long, expected at most {format_us(SLEEP_MAX_US)}")
    return us
