"""A program: coroutines driven by hand, in the order in which what they wait for is settled."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_sim.errors import UserError
from durable_sim.workflows.combinators import gather
from durable_sim.workflows.commands import ScheduleLocalActivity, SetPatch, StartTimer
from durable_sim.workflows.program import Future, Note, Program, ReadOnlyError, Task, Turn


class Sketch:
    """A program under construction: a log, and timers that the test settles."""

    def __init__(self) -> None:
        self.program = Program()
        self.log: list[Any] = []

    def timer(self) -> Future[Any]:
        """Issue a command."""
        return self.program.issue(StartTimer(self.program.next_step(), 1))

    def all(self, *awaitables: Awaitable[Any], return_exceptions: bool = False) -> Future[list[Any]]:
        """Gather."""
        return gather(self.program, awaitables, return_exceptions)

    def start(self, function: Callable[[Sketch], Any]) -> Task[Any]:
        """Start a main coroutine and run it up to its first wait."""
        self.program.start(function(self))
        self.program.advance()
        assert self.program.main is not None
        return self.program.main

    def settle(self, *steps: int) -> None:
        """Settle commands with ten times their number, then let the code go on."""
        for step in steps:
            self.program.settle(step, 10 * step)
        self.program.advance()


@pytest.fixture
def sketch() -> Sketch:
    """A fresh one."""
    return Sketch()


def test_the_result_of_the_main_coroutine_is_the_programs(sketch: Sketch) -> None:
    """A coroutine waits for its command, gets the value, and its return value is the main task's."""

    async def main(s: Sketch) -> int:
        return 1 + int(await s.timer())

    task = sketch.start(main)
    assert not task.done
    sketch.settle(1)
    assert (task.done, task.result(), task.error) == (True, 11, None)


def test_nothing_runs_before_advance(sketch: Sketch) -> None:
    """Starting and settling only make a coroutine ready."""

    async def main(s: Sketch) -> None:
        s.log.append("begun")
        await s.timer()
        s.log.append("ended")

    sketch.program.start(main(sketch))
    assert sketch.log == []
    sketch.program.advance()
    assert sketch.log == ["begun"]
    sketch.program.settle(1)
    assert sketch.log == ["begun"]
    sketch.program.advance()
    assert sketch.log == ["begun", "ended"]


def test_commands_are_numbered_in_the_order_of_issue_and_taken_once(sketch: Sketch) -> None:
    """Steps count from 1; what was taken is not given again."""

    async def main(s: Sketch) -> None:
        held = s.timer(), s.timer()
        await held[1]
        await s.timer()

    sketch.start(main)
    assert [command.step for command in sketch.program.take_issued()] == [1, 2]
    assert sketch.program.take_issued() == []
    sketch.settle(2)
    assert [command.step for command in sketch.program.take_issued()] == [3]


def test_an_error_is_raised_where_it_is_awaited(sketch: Sketch) -> None:
    """User code catches the failure of a command like any exception."""

    async def main(s: Sketch) -> str:
        try:
            await s.timer()
        except ValueError as error:
            return f"caught {error}"
        return "nothing"

    task = sketch.start(main)
    sketch.program.settle(1, error=ValueError("bad"))
    sketch.program.advance()
    assert task.result() == "caught bad"


def test_an_error_that_nobody_catches_is_the_main_tasks(sketch: Sketch) -> None:
    """`advance` does not raise what failed inside the simulated code; `result` does."""

    async def main(s: Sketch) -> None:
        raise ValueError("bad")

    task = sketch.start(main)
    assert isinstance(task.error, ValueError)
    with pytest.raises(ValueError, match="bad"):
        task.result()


@given(st.permutations(range(1, 6)))
def test_coroutines_run_in_the_order_in_which_they_were_woken(order: list[int]) -> None:
    """Five coroutines wait each for a command; they go on in the order of settlement, whatever it is."""
    sketch = Sketch()

    async def waits(s: Sketch, number: int) -> int:
        value = await s.timer()
        s.log.append(number)
        return int(value)

    async def main(s: Sketch) -> list[int]:
        return await s.all(*[waits(s, number) for number in range(1, 6)])

    task = sketch.start(main)
    sketch.settle(*order)
    assert sketch.log == order
    assert task.result() == [10, 20, 30, 40, 50]


@given(st.permutations(range(1, 5)), st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_same_settlements_give_the_same_run(order: list[int], together: list[bool]) -> None:
    """Two programs that are told the same in the same order issue the same commands in the same order."""

    async def loops(s: Sketch, name: str) -> None:
        for turn in range(2):
            await s.timer()
            s.log.append((name, turn))

    async def main(s: Sketch) -> None:
        await s.all(*[loops(s, name) for name in "abcd"])

    def run() -> tuple[list[Any], list[Any]]:
        sketch = Sketch()
        sketch.start(main)
        issued = [*sketch.program.take_issued()]
        for step, at_once in zip(order, together, strict=True):
            sketch.program.settle(step)
            if at_once:
                sketch.program.advance()
        sketch.program.advance()
        return sketch.log, issued + sketch.program.take_issued()

    log, commands = run()
    assert (log, commands) == run()
    assert [name for name, _ in log] == ["abcd"[step - 1] for step in order]


def test_gather_gives_results_in_the_order_of_its_arguments(sketch: Sketch) -> None:
    """Not in the order in which they came in."""

    async def main(s: Sketch) -> list[int]:
        return await s.all(s.timer(), s.timer(), s.timer())

    task = sketch.start(main)
    sketch.settle(3, 1)
    assert not task.done
    sketch.settle(2)
    assert task.result() == [10, 20, 30]


def test_gather_of_nothing_is_an_empty_list_at_once(sketch: Sketch) -> None:
    """It does not wait."""

    async def main(s: Sketch) -> list[int]:
        return await s.all()

    assert sketch.start(main).result() == []


def test_gather_raises_the_first_failure_while_the_others_go_on(sketch: Sketch) -> None:
    """The failure comes through at once; the other coroutines keep running and take their results."""

    async def part(s: Sketch, name: str) -> None:
        await s.timer()
        s.log.append(name)
        await s.timer()
        s.log.append(name + " again")

    async def fails(s: Sketch) -> None:
        await s.timer()
        raise ValueError("first")

    async def main(s: Sketch) -> None:
        try:
            await s.all(part(s, "a"), fails(s), s.timer())
        except ValueError as error:
            s.log.append(f"caught {error}")
        await s.timer()

    task = sketch.start(main)
    assert [command.step for command in sketch.program.take_issued()] == [1, 2, 3]
    sketch.settle(3)
    assert sketch.log == ["caught first"]
    sketch.settle(2)
    assert sketch.log == ["caught first", "a"]
    sketch.settle(5)
    assert sketch.log == ["caught first", "a", "a again"]
    sketch.program.settle(1, error=KeyError("a later failure is nobody's any more"))
    sketch.settle(4)
    assert task.done and task.error is None


def test_gather_can_return_exceptions_instead(sketch: Sketch) -> None:
    """With `return_exceptions` it waits for all, and failures stand among the results."""

    async def main(s: Sketch) -> list[Any]:
        return await s.all(s.timer(), s.timer(), return_exceptions=True)

    task = sketch.start(main)
    failure = ValueError("bad")
    sketch.program.settle(1, error=failure)
    sketch.program.advance()
    assert not task.done
    sketch.settle(2)
    assert task.result() == [failure, 20]


def test_gather_takes_what_is_already_there(sketch: Sketch) -> None:
    """A future that was settled before is as good as one that is settled later; one may stand there twice."""

    async def main(s: Sketch) -> list[Any]:
        first = s.timer()
        await first
        return await s.all(first, first)

    task = sketch.start(main)
    sketch.settle(1)
    assert task.result() == [10, 10]


def test_gather_refuses_what_is_not_awaitable_here(sketch: Sketch) -> None:
    """The message says what was found and what was expected."""
    with pytest.raises(UserError) as caught:
        sketch.all("soon")  # type: ignore[arg-type]
    assert str(caught.value) == "got a str, expected what ctx gives to await, or a coroutine"


class Foreign:
    """An awaitable of some other machinery."""

    def __await__(self) -> Generator[object, None, None]:
        yield object()


async def _foreign() -> None:
    await Foreign()


@pytest.mark.parametrize(
    ("foreign", "found"),
    [
        (lambda: asyncio.sleep(0), "asyncio.sleep(0) or another bare yield"),
        (_foreign, "a object"),
    ],
)
def test_a_foreign_awaitable_is_refused(sketch: Sketch, foreign: Callable[[], Awaitable[None]], found: str) -> None:
    """The UserError says what was awaited, in which line, and what to await instead."""

    async def main(s: Sketch) -> None:
        await foreign()

    line = main.__code__.co_firstlineno + 1
    with pytest.raises(UserError) as caught:
        sketch.start(main)
    assert str(caught.value) == (
        f"user code awaited {found} at {__file__}:{line}, which simulated time cannot settle; "
        "await what the context gives (ctx.sleep, ctx.execute_activity, ctx.gather, ctx.service(...))"
    )


@pytest.mark.parametrize("seconds", [0, 1])
def test_asyncio_sleep_is_refused_within_a_running_loop(sketch: Sketch, seconds: float) -> None:
    """In a notebook, whose kernel runs an event loop, asyncio's own awaitables are refused too."""

    async def main(s: Sketch) -> None:
        await asyncio.sleep(seconds)

    async def notebook_cell() -> None:
        sketch.start(main)

    with pytest.raises(UserError, match=r"user code awaited .* which simulated time cannot settle"):
        asyncio.run(notebook_cell())


def test_asyncio_sleep_is_refused_without_a_running_loop(sketch: Sketch) -> None:
    """In a script asyncio complains first; that is a mistake of usage too, not a failure of the simulated workflow."""

    async def main(s: Sketch) -> None:
        await asyncio.sleep(1)

    with pytest.raises(UserError, match=r"asyncio.*ctx\.sleep"):
        sketch.start(main)


def test_a_users_own_runtime_error_stays_a_failure_of_the_workflow(sketch: Sketch) -> None:
    """Only asyncio's complaint about the missing loop is taken for a mistake of usage."""

    async def main(s: Sketch) -> None:
        raise RuntimeError("out of luck")

    assert isinstance(sketch.start(main).error, RuntimeError)


def test_a_user_error_ends_the_simulation_not_the_workflow(sketch: Sketch) -> None:
    """It comes out of `advance`, also from a coroutine beside the main one, and no task is settled with it."""

    async def aside(s: Sketch) -> None:
        raise UserError("misused")

    async def main(s: Sketch) -> None:
        await s.all(aside(s), s.timer())

    with pytest.raises(UserError, match="misused"):
        sketch.start(main)
    assert sketch.program.main is not None
    assert not sketch.program.main.done


def test_a_keyboard_interrupt_is_not_a_result(sketch: Sketch) -> None:
    """What is not an `Exception` goes through."""

    async def main(s: Sketch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sketch.start(main)


def test_a_dead_program_runs_nothing(sketch: Sketch) -> None:
    """A crash forgets: neither the body nor its `except` and `finally` go on, and nothing is issued any more."""

    async def main(s: Sketch) -> None:
        try:
            await s.timer()
            s.log.append("went on")
        except BaseException:
            s.log.append("except")
            raise
        finally:
            s.log.append("finally")

    task = sketch.start(main)
    sketch.program.take_issued()
    sketch.program.dead = True
    sketch.settle(1)
    late = sketch.timer()
    assert (sketch.log, task.done, late.done, sketch.program.take_issued()) == ([], False, False, [])
    sketch.log = []  # what the garbage collector makes of the coroutine after the test is not the test's business


def test_what_is_ready_when_the_main_coroutine_ends_still_runs(sketch: Sketch) -> None:
    """The real SDK runs its loop until nothing is ready, and sends the closing command last."""

    async def aside(s: Sketch) -> None:
        await s.timer()
        s.log.append("ready")
        await s.timer()
        s.log.append("waited on")

    async def main(s: Sketch) -> str:
        s.program.spawn(aside(s))
        await s.timer()
        return "done"

    task = sketch.start(main)
    sketch.settle(1, 2)
    assert task.result() == "done"
    assert sketch.log == ["ready"]
    assert [command.step for command in sketch.program.take_issued()] == [1, 2, 3]


def test_whoever_stands_behind_one_task_more_comes_a_turn_later(sketch: Sketch) -> None:
    """Settled first, but behind a task of its own: the other is woken first, as in asyncio."""

    async def waits(s: Sketch, name: str, awaitable: Awaitable[Any]) -> None:
        await awaitable
        s.log.append(name)

    async def main(s: Sketch) -> None:
        through_a_task = s.program.spawn(waits(s, "the task", s.timer()))
        await s.all(waits(s, "behind the task", through_a_task), waits(s, "behind the timer", s.timer()))

    sketch.start(main)
    sketch.settle(1, 2)
    assert sketch.log == ["the task", "behind the timer", "behind the task"]


def test_what_is_answered_at_rest_waits_until_nothing_is_ready(sketch: Sketch) -> None:
    """An engine that is asked to give something up answers when the code has come to rest, and has nothing more to
    tell."""

    async def main(s: Sketch) -> None:
        given_up = s.timer()
        s.program.answer_at_rest(given_up, ValueError("given up"))
        s.program.spawn(aside(s))
        try:
            await given_up
        except ValueError as error:
            s.log.append(str(error))

    async def aside(s: Sketch) -> None:
        await s.program.wait_until(lambda: True)
        s.log.append("all that is ready")

    sketch.program.start(main(sketch))
    sketch.program.advance(more=True)
    assert sketch.log == ["all that is ready"]
    sketch.program.advance()
    assert sketch.log == ["all that is ready", "given up"]


def test_the_main_coroutine_is_asked_to_stop_in_its_turn(sketch: Sketch) -> None:
    """What was settled before is there when the request comes; the request is raised all the same."""

    async def main(s: Sketch) -> None:
        timer = s.timer()
        try:
            await timer
        except CancelledError:
            s.log.append(timer.done)
            raise

    task = sketch.start(main)
    sketch.program.cancel()
    sketch.program.settle(1)
    sketch.program.advance()
    assert sketch.log == [True]
    assert isinstance(task.error, CancelledError)


def test_a_second_settlement_is_ignored() -> None:
    """A future keeps its first result, and calls back once, in its turn; also who asks when it is done."""
    program = Program()
    future: Future[int] = Future(program.turn)
    seen: list[int] = []
    future.when_done(lambda done: seen.append(done.result()))
    future.settle(1)
    future.settle(2)
    future.settle(error=ValueError())
    assert (future.result(), seen) == (1, [])
    future.when_done(lambda done: seen.append(done.result()))
    assert seen == []
    program.advance()
    assert seen == [1, 1]


def test_notes_are_taken_once_and_in_order(sketch: Sketch) -> None:
    """A remark for the trace is handed over exactly once."""
    sketch.program.note("compensation_begun", "refund")
    sketch.program.note("compensation_ended", None)
    assert sketch.program.take_notes() == [Note("compensation_begun", "refund"), Note("compensation_ended", None)]
    assert sketch.program.take_notes() == []


# --- cancellation ---------------------------------------------------------------------------------------------------
def test_cancelling_reaches_the_code_where_it_waits(sketch: Sketch) -> None:
    """The error is raised at the await, not before the next `advance`, and let out it is the task's result."""

    async def main(s: Sketch) -> None:
        try:
            await s.timer()
        finally:
            s.log.append("finally")

    task = sketch.start(main)
    assert task.cancel()
    assert (sketch.log, task.done) == ([], False)
    sketch.program.advance()
    assert sketch.log == ["finally"] and isinstance(task.error, CancelledError)
    assert not task.cancel()


def test_a_task_that_is_cancelled_before_it_runs_never_begins(sketch: Sketch) -> None:
    """As in asyncio."""

    async def main(s: Sketch) -> None:
        s.log.append("begun")

    sketch.program.start(main(sketch))
    assert sketch.program.main is not None
    sketch.program.main.cancel()
    sketch.program.advance()
    assert sketch.log == [] and isinstance(sketch.program.main.error, CancelledError)


def test_a_future_that_says_how_it_is_given_up_is_asked_once_for_each_cancel() -> None:
    """`on_cancel` decides; without it the future is settled with a CancelledError."""
    future: Future[int] = Future(Turn())
    asked: list[int] = []
    future.on_cancel = lambda: asked.append(1)
    assert future.cancel() and future.cancel()
    assert (asked, future.done) == ([1, 1], False)
    future.settle(5)
    assert not future.cancel() and future.result() == 5
    plain: Future[int] = Future(Turn())
    plain.cancel()
    assert isinstance(plain.error, CancelledError)


def test_what_will_not_be_given_up_keeps_the_task_waiting(sketch: Sketch) -> None:
    """Where the awaited thing decides to go on, its result is what the cancelled task gets."""

    async def main(s: Sketch) -> Any:
        future = s.timer()
        future.on_cancel = lambda: s.log.append("asked")
        return await future

    task = sketch.start(main)
    task.cancel()
    sketch.program.advance()
    assert (sketch.log, task.done) == (["asked"], False)
    sketch.settle(1)
    assert task.result() == 10


def test_advance_within_the_running_code_changes_nothing(sketch: Sketch) -> None:
    """Code that is running may cause a call of `advance`; it is not run a second time, and can await afterwards."""

    async def aside(s: Sketch) -> None:
        s.log.append("aside")

    async def main(s: Sketch) -> Any:
        s.program.spawn(aside(s))
        s.program.advance()
        s.log.append("main")
        return await s.timer()

    task = sketch.start(main)
    assert sketch.log == ["main", "aside"]
    sketch.settle(1)
    assert task.result() == 10


# --- conditions -----------------------------------------------------------------------------------------------------
def test_conditions_are_asked_whenever_code_has_run(sketch: Sketch) -> None:
    """What one coroutine changes lets others go on, in the order in which they began to wait, without any command."""
    counted: list[int] = []

    async def waits(s: Sketch, number: int) -> None:
        await s.program.wait_until(lambda: len(counted) >= number)
        s.log.append(number)
        counted.append(0)

    async def main(s: Sketch) -> None:
        await s.all(waits(s, 3), waits(s, 1), waits(s, 2), waits(s, 0))

    assert sketch.start(main).done
    assert sketch.log == [0, 1, 2, 3]
    assert sketch.program.take_issued() == []


def test_a_condition_that_raises_fails_its_wait_and_no_other(sketch: Sketch) -> None:
    """The error comes out at the await of the one who asked."""
    state: dict[str, int] = {}

    async def asks(s: Sketch) -> str:
        try:
            await s.program.wait_until(lambda: state["ready"] > 0)
        except KeyError as error:
            return f"caught {error}"
        return "nothing"

    async def main(s: Sketch) -> Any:
        return await s.all(asks(s), s.timer())

    task = sketch.start(main)
    assert not task.done
    sketch.settle(1)
    assert task.result() == ["caught 'ready'", 10]


def test_a_condition_is_asked_no_more_once_its_wait_is_over(sketch: Sketch) -> None:
    """Neither after it has held nor after it was cancelled."""
    asked: list[str] = []

    def holds(name: str, answer: bool) -> bool:
        asked.append(name)
        return answer

    async def main(s: Sketch) -> None:
        await s.program.wait_until(lambda: holds("a", True))
        waiting = s.program.wait_until(lambda: holds("b", False))
        waiting.cancel()
        await s.timer()

    sketch.start(main)
    sketch.settle(1)
    assert asked == ["a"]


# --- commands that are taken back, or refused -----------------------------------------------------------------------
def test_a_command_can_be_taken_back_until_it_is_handed_over(sketch: Sketch) -> None:
    """Of two, one is retracted and leaves nothing; after they were taken it is too late."""
    sketch.timer(), sketch.timer()
    assert sketch.program.retract(1)
    assert [command.step for command in sketch.program.take_issued()] == [2]
    assert not sketch.program.retract(2)
    assert not sketch.program.retract(1)


@pytest.mark.parametrize(
    "act",
    [
        lambda program: program.tell(SetPatch("p", False)),
        lambda program: program.issue(StartTimer(1, 1)),
        lambda program: program.issue_local(ScheduleLocalActivity(1, "a", None, (), None, 1, 1, None, None)),
    ],
    ids=["tell", "issue", "issue_local"],
)
def test_a_read_only_program_issues_nothing(act: Callable[[Program], Any]) -> None:
    """The error says who wanted to act, and what."""
    program = Program()
    program.read_only = "the handler of query state"
    with pytest.raises(ReadOnlyError, match=r"the handler of query state issued .*: it may read"):
        act(program)
    assert program.take_issued() == [] and program.take_local() == []


def test_code_that_python_closes_does_not_wait_in_its_finally(sketch: Sketch) -> None:
    """Where nobody runs the code any more, an await ends it quietly; nothing is issued by what is left."""

    async def main(s: Sketch) -> None:
        try:
            await s.timer()
        finally:
            s.log.append("finally")
            await s.timer()
            s.log.append("too far")

    task = sketch.start(main)
    sketch.program.take_issued()
    sketch.program.dead = True
    task.coroutine.close()
    assert sketch.log == ["finally"]
    assert sketch.program.take_issued() == []
