"""Waiting for several things, or for one with a limit: the same as in asyncio where asyncio has it, else by hand."""

from __future__ import annotations

import asyncio
import heapq
import selectors
import sys
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest

from durable_sim.errors import UserError
from durable_sim.workflows.combinators import TimeoutScope, first_of, gather, shield, wait_for
from durable_sim.workflows.commands import CancelTimer, StartTimer
from durable_sim.workflows.handles import SleepHandle, start_timer
from durable_sim.workflows.program import Future, Program
from tests.workflows.driving import Driven

TIMES = 1_000_000


# --- two machines with one interface --------------------------------------------------------------------------------
class Ours:
    """This package's programs, with a clock that jumps from timer to timer."""

    CancelledError = CancelledError

    def __init__(self) -> None:
        self.program = Program()
        self.log: list[Any] = []
        self._due: list[tuple[int, int]] = []

    def now(self) -> float:
        """The time in seconds."""
        return self.program.now_us / TIMES

    def note(self, what: Any) -> None:
        """Write down what happens, and when."""
        self.log.append((self.now(), what))

    def sleep(self, seconds: float) -> Future[None]:
        """A timer."""
        return SleepHandle(self.program, lambda: self._timer(seconds))

    def _timer(self, seconds: float) -> Future[None]:
        command = StartTimer(self.program.next_step(), int(seconds * TIMES))
        heapq.heappush(self._due, (self.program.now_us + command.duration_us, command.step))
        return start_timer(self.program, command)

    def wait_for(self, future: Any, seconds: float) -> Any:
        """Wait with a limit."""
        return wait_for(self.program, future, lambda: self._timer(seconds))

    def future(self) -> Future[Any]:
        """To be settled by hand."""
        return Future(self.program.turn)

    def settle(self, future: Any) -> None:
        """By hand."""
        future.settle()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """A task."""
        return self.program.spawn(coroutine)

    def gather(self, *awaitables: Awaitable[Any], return_exceptions: bool = False) -> Any:
        """All of them."""
        return gather(self.program, awaitables, return_exceptions)

    def shield(self, awaitable: Awaitable[Any]) -> Any:
        """Not cancelled with us."""
        return shield(self.program, awaitable)

    def timeout(self, seconds: float) -> TimeoutScope:
        """A limit."""
        return TimeoutScope(self.program, lambda: self._timer(seconds))

    def expired(self, scope: Any) -> bool:
        """Whether a limit was run into."""
        return bool(scope.expired)

    def run(self, main: Callable[[Any], Coroutine[Any, Any, Any]]) -> list[Any]:
        """Play it to the end."""
        self.program.start(main(self))
        self.program.advance()
        assert self.program.main is not None
        while self._due and not self.program.main.done:
            self.program.now_us, step = heapq.heappop(self._due)
            self.program.settle(step)
            self.program.advance()
        assert self.program.main.done
        self.note(_outcome(self.program.main.error))
        return self.log


class Theirs:
    """asyncio itself, with a clock that jumps too."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self._now = 0.0

    def now(self) -> float:
        """The time in seconds."""
        return round(self._now, 6)

    def note(self, what: Any) -> None:
        """Write down what happens, and when."""
        self.log.append((self.now(), what))

    def sleep(self, seconds: float) -> Awaitable[None]:
        """A timer."""
        return asyncio.sleep(seconds)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """A task."""
        return asyncio.ensure_future(coroutine)

    def gather(self, *awaitables: Awaitable[Any], return_exceptions: bool = False) -> Any:
        """All of them."""
        return asyncio.gather(*awaitables, return_exceptions=return_exceptions)

    def shield(self, awaitable: Awaitable[Any]) -> Any:
        """Not cancelled with us."""
        return asyncio.shield(awaitable)

    def wait_for(self, future: Any, seconds: float) -> Any:
        """Wait with a limit."""
        return asyncio.wait_for(future, seconds)

    def future(self) -> Any:
        """To be settled by hand."""
        return asyncio.get_running_loop().create_future()

    def settle(self, future: Any) -> None:
        """By hand."""
        future.set_result(None)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        """A limit."""
        return asyncio.timeout(seconds)

    def expired(self, scope: Any) -> bool:
        """Whether a limit was run into."""
        return bool(scope.expired())

    def run(self, main: Callable[[Any], Coroutine[Any, Any, Any]]) -> list[Any]:
        """Play it to the end."""
        machine = self

        class Jumping(selectors.DefaultSelector):
            """Does not wait: the time is said to have passed."""

            def select(self, timeout: float | None = None) -> Any:
                machine._now += timeout or 0.0
                return super().select(0)

        loop = asyncio.SelectorEventLoop(Jumping())
        loop.time = lambda: machine._now  # type: ignore[method-assign]
        error: BaseException | None = None
        try:
            loop.run_until_complete(main(self))
        except (Exception, CancelledError) as raised:
            error = raised
        finally:
            loop.close()
        self.note(_outcome(error))
        return self.log


def _outcome(error: BaseException | None) -> str:
    return "returned" if error is None else type(error).__name__


async def naps(m: Any, name: str, seconds: float, cleanup: float | None = None, swallow: bool = False) -> str:
    """Sleep; when cancelled, clean up for a while, and give the cancellation on or swallow it."""
    try:
        await m.sleep(seconds)
    except CancelledError:
        m.note(f"{name} cancelled")
        if cleanup is not None:
            await m.sleep(cleanup)
            m.note(f"{name} cleaned up")
        if not swallow:
            raise
        return f"{name} anyway"
    m.note(f"{name} done")
    return name


async def fails(m: Any, name: str, seconds: float) -> None:
    """Sleep, and fail."""
    await m.sleep(seconds)
    raise ValueError(name)


# --- scenarios ------------------------------------------------------------------------------------------------------
async def cancel_a_waiting_task(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10))
    await m.sleep(1)
    m.note(task.cancel())
    try:
        await task
    except CancelledError:
        m.note("gone")
    m.note(task.cancel())


async def cancel_a_task_that_cleans_up(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10, cleanup=3))
    await m.sleep(1)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")


async def cancel_a_task_again_while_it_cleans_up(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10, cleanup=3))
    await m.sleep(1)
    task.cancel()
    await m.sleep(1)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")


async def cancel_a_task_that_does_not_want_to(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10, swallow=True))
    await m.sleep(1)
    task.cancel()
    m.note(await task)


async def cancel_a_task_before_it_has_run(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10))
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")


async def cancel_a_task_that_waits_for_a_task(m: Any) -> None:
    async def outer() -> None:
        try:
            await inner
        finally:
            m.note("outer ends")

    inner = m.spawn(naps(m, "inner", 10, cleanup=2))
    task = m.spawn(outer())
    await m.sleep(1)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")
    await m.sleep(5)


async def a_task_cancelled_under_its_waiter(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10))

    async def kills() -> None:
        await m.sleep(1)
        task.cancel()

    m.spawn(kills())
    await task


async def cancel_a_gather(m: Any) -> None:
    async def outer() -> None:
        await m.gather(naps(m, "a", 10, cleanup=2), naps(m, "b", 0.5), naps(m, "c", 10, cleanup=1))

    task = m.spawn(outer())
    await m.sleep(1)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")
    await m.sleep(5)


async def cancel_a_gather_that_returns_exceptions(m: Any) -> None:
    async def outer() -> None:
        m.note(await m.gather(naps(m, "a", 10), naps(m, "b", 0.5), return_exceptions=True))

    task = m.spawn(outer())
    await m.sleep(1)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")


async def cancel_a_gather_whose_parts_do_not_want_to(m: Any) -> None:
    async def outer() -> None:
        m.note(await m.gather(naps(m, "a", 10, swallow=True), naps(m, "b", 10, cleanup=2, swallow=True)))

    task = m.spawn(outer())
    await m.sleep(1)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")


async def gather_with_a_failure(m: Any) -> None:
    try:
        await m.gather(naps(m, "a", 3), fails(m, "b", 1), fails(m, "c", 2))
    except ValueError as error:
        m.note(f"caught {error}")
    await m.sleep(5)


async def gather_of_one_that_is_cancelled(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10))
    both = m.gather(task, naps(m, "b", 2))
    await m.sleep(1)
    task.cancel()
    try:
        await both
    except CancelledError:
        m.note("gone")
    await m.sleep(5)


async def cancel_what_waits_for_a_shield(m: Any) -> None:
    async def outer() -> None:
        try:
            await m.shield(inner)
        finally:
            m.note("outer ends")

    inner = m.spawn(naps(m, "inner", 3))
    task = m.spawn(outer())
    await m.sleep(1)
    task.cancel()
    with suppress(CancelledError):
        await task
    m.note(await inner)


async def a_shield_over_what_is_cancelled(m: Any) -> None:
    inner = m.spawn(naps(m, "inner", 3))
    shielded = m.shield(inner)
    await m.sleep(1)
    inner.cancel()
    try:
        await shielded
    except CancelledError:
        m.note("gone")


async def a_shield_over_a_failure(m: Any) -> None:
    try:
        await m.shield(fails(m, "a", 1))
    except ValueError as error:
        m.note(f"caught {error}")


async def a_limit_that_is_run_into(m: Any) -> None:
    scope = m.timeout(2)
    try:
        async with scope:
            await naps(m, "a", 10)
    except TimeoutError:
        m.note("timed out")
    m.note(m.expired(scope))


async def a_limit_that_is_not(m: Any) -> None:
    scope = m.timeout(2)
    async with scope:
        m.note(await naps(m, "a", 1))
    await m.sleep(5)
    m.note(m.expired(scope))


async def a_limit_left_with_an_error(m: Any) -> None:
    try:
        async with m.timeout(2):
            await fails(m, "a", 1)
    except ValueError:
        m.note("caught")
    await m.sleep(5)


async def the_inner_of_two_limits(m: Any) -> None:
    async with m.timeout(5) as outer:
        try:
            async with m.timeout(2):
                await naps(m, "a", 10)
        except TimeoutError:
            m.note("inner")
        await naps(m, "b", 1)
    m.note(m.expired(outer))


async def the_outer_of_two_limits(m: Any) -> None:
    inner = m.timeout(5)
    try:
        async with m.timeout(2):
            try:
                async with inner:
                    await naps(m, "a", 10)
            except TimeoutError:
                m.note("inner")
    except TimeoutError:
        m.note("outer")
    m.note(m.expired(inner))


async def a_limit_whose_block_cleans_up(m: Any) -> None:
    try:
        async with m.timeout(2):
            await naps(m, "a", 10, cleanup=3)
    except TimeoutError:
        m.note("timed out")


async def a_limit_whose_block_goes_on(m: Any) -> None:
    scope = m.timeout(2)
    async with scope:
        m.note(await naps(m, "a", 10, swallow=True))
    m.note(m.expired(scope))


async def cancelled_within_a_limit(m: Any) -> None:
    async def limited() -> None:
        try:
            async with m.timeout(5):
                await naps(m, "a", 10)
        except TimeoutError:
            m.note("timed out")

    task = m.spawn(limited())
    await m.sleep(1)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")


async def cancelled_while_a_limit_cleans_up(m: Any) -> None:
    async def limited() -> None:
        try:
            async with m.timeout(2):
                await naps(m, "a", 10, cleanup=5)
        except TimeoutError:
            m.note("timed out")

    task = m.spawn(limited())
    await m.sleep(3)
    task.cancel()
    try:
        await task
    except CancelledError:
        m.note("gone")


async def a_limit_in_a_task_beside(m: Any) -> None:
    async def limited() -> None:
        try:
            async with m.timeout(1):
                await naps(m, "a", 10)
        except TimeoutError:
            m.note("timed out")

    await m.gather(limited(), naps(m, "b", 2))


async def the_main_one_lets_a_cancellation_out(m: Any) -> None:
    task = m.spawn(naps(m, "a", 10))
    await m.sleep(1)
    task.cancel()
    await task


# What is waited for ends at one and the same instant: what is compared is the order in which those who wait go on.
async def orders_of_waiting(m: Any) -> None:
    ends: list[Any] = []

    async def end(future: Any) -> None:
        await future

    def ending() -> Any:
        future = m.future()
        ends.append(future)
        return future

    async def note(what: str, awaitable: Awaitable[Any]) -> None:
        await awaitable
        m.note(what)

    waiting = m.gather(
        note("gather of two", m.gather(ending(), ending())),
        note("gather of tasks", m.gather(m.spawn(end(ending())), m.spawn(end(ending())))),
        note("within a limit", m.wait_for(ending(), 10)),
        note("shield", m.shield(ending())),
        note("shielded coroutine", m.shield(end(ending()))),
        note("task", m.spawn(end(ending()))),
        note("as such", ending()),
        note("gather of none and one", m.gather(m.gather(), ending())),
    )
    await m.sleep(1)
    for future in ends:
        m.settle(future)
    await waiting


async def orders_of_giving_up(m: Any) -> None:
    async def limited(what: str, future: Any) -> None:
        try:
            await m.wait_for(future, 10)
        except CancelledError:
            m.note(what)
            raise

    future = m.future()
    tasks = [m.spawn(limited("a", m.future())), m.spawn(naps(m, "b", 10)), m.spawn(limited("c", future))]
    await m.sleep(1)
    m.settle(future)
    for task in tasks:
        task.cancel()
    await m.gather(*tasks, return_exceptions=True)


async def a_task_that_cancels_itself(m: Any) -> None:
    async def stops() -> None:
        await m.sleep(1)
        task.cancel()
        m.note("goes on to its next wait")
        try:
            await m.sleep(10)
        except CancelledError:
            m.note("stopped")
            raise

    task = m.spawn(stops())
    await m.gather(task, return_exceptions=True)


async def a_sleep_that_is_held_begins_in_its_turn(m: Any) -> None:
    held = m.spawn(naps(m, "a", 2))
    await m.gather(m.sleep(1), naps(m, "b", 2))
    await held


AS_BEFORE = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="what Python 3.12 has written anew goes on a turn earlier there"
)
SCENARIOS = [
    pytest.param(orders_of_waiting, marks=AS_BEFORE),
    pytest.param(orders_of_giving_up, marks=AS_BEFORE),
    a_task_that_cancels_itself,
    a_sleep_that_is_held_begins_in_its_turn,
    cancel_a_waiting_task,
    cancel_a_task_that_cleans_up,
    cancel_a_task_again_while_it_cleans_up,
    cancel_a_task_that_does_not_want_to,
    cancel_a_task_before_it_has_run,
    cancel_a_task_that_waits_for_a_task,
    a_task_cancelled_under_its_waiter,
    cancel_a_gather,
    cancel_a_gather_that_returns_exceptions,
    cancel_a_gather_whose_parts_do_not_want_to,
    gather_with_a_failure,
    gather_of_one_that_is_cancelled,
    cancel_what_waits_for_a_shield,
    a_shield_over_what_is_cancelled,
    a_shield_over_a_failure,
    a_limit_that_is_run_into,
    a_limit_that_is_not,
    a_limit_left_with_an_error,
    the_inner_of_two_limits,
    the_outer_of_two_limits,
    a_limit_whose_block_cleans_up,
    a_limit_whose_block_goes_on,
    cancelled_within_a_limit,
    cancelled_while_a_limit_cleans_up,
    a_limit_in_a_task_beside,
    the_main_one_lets_a_cancellation_out,
]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_the_same_happens_at_the_same_times_as_in_asyncio(scenario: Callable[[Any], Any]) -> None:
    """Tasks, gather, shield and timeout under cancellation: what the code sees, and when, is what asyncio gives it."""
    theirs = Theirs().run(scenario)
    assert Ours().run(scenario) == theirs
    assert len(theirs) >= 2


# --- what asyncio has not -------------------------------------------------------------------------------------------
def test_first_of_gives_place_and_value_and_leaves_the_others_running() -> None:
    """The second of three timers fires: its place is 1, and no timer is called off."""
    driven = Driven()
    ctx = driven.ctx

    async def main() -> Any:
        return await ctx.first_of(ctx.sleep("1s"), ctx.sleep("2s"), ctx.sleep("3s"))

    driven.program.start(main())
    driven.program.advance()
    assert [type(command) for command in driven.commands()] == [StartTimer] * 3
    driven.settle(2, "value")
    assert driven.main.result() == (1, "value")
    assert driven.commands() == []


def test_race_cancels_the_others() -> None:
    """The second timer fires: the first and the third are called off, in their order."""
    driven = Driven()
    ctx = driven.ctx

    async def main() -> Any:
        return await ctx.race(ctx.sleep("1s"), ctx.sleep("2s"), ctx.sleep("3s"))

    driven.program.start(main())
    driven.program.advance()
    driven.commands()
    driven.settle(2, "value")
    assert driven.main.result() == (1, "value")
    assert driven.commands() == [CancelTimer(4, 1), CancelTimer(5, 3)]


def test_the_losers_of_a_race_may_clean_up() -> None:
    """A coroutine that loses is given the cancellation, and runs its `finally` to the end."""
    log: list[str] = []
    machine = Ours()

    async def loses() -> None:
        try:
            await machine.sleep(10)
        finally:
            await machine.sleep(1)
            log.append("cleaned up")

    async def main(m: Any) -> None:
        assert await first_of(m.program, (loses(), m.sleep(2)), cancel_others=True) == (1, None)
        log.append("won")
        await m.sleep(5)

    machine.run(main)
    assert log == ["won", "cleaned up"]


def test_a_failure_that_comes_first_is_raised() -> None:
    """The first to be done may be done with an error."""
    machine = Ours()

    async def main(m: Any) -> None:
        await first_of(m.program, (fails(m, "a", 1), m.sleep(2)), cancel_others=False)

    assert machine.run(main) == [(1.0, "ValueError")]


def test_of_two_that_are_done_already_the_first_named_wins() -> None:
    """No chance decides."""
    machine = Ours()

    async def main(m: Any) -> None:
        one, other = m.sleep(2), m.sleep(1)
        await m.gather(one, other)
        m.note(await first_of(m.program, (one, other), cancel_others=True))

    assert machine.run(main) == [(2.0, (0, None)), (2.0, "returned")]


@pytest.mark.parametrize("cancel_others", [True, False])
def test_cancelling_a_wait_for_the_first_cancels_all(cancel_others: bool) -> None:
    """Nobody waits for any of them any more."""
    machine = Ours()

    async def waits(m: Any) -> None:
        await first_of(m.program, (naps(m, "a", 10), naps(m, "b", 11)), cancel_others=cancel_others)

    async def main(m: Any) -> None:
        task = m.spawn(waits(m))
        await m.sleep(1)
        task.cancel()
        with suppress(CancelledError):
            await task
        m.note("gone")

    found = machine.run(main)
    assert found[:2] == [(1.0, "a cancelled"), (1.0, "b cancelled")] and (1.0, "gone") in found


@pytest.mark.parametrize("cancel_others", [True, False])
def test_a_wait_for_the_first_of_none_is_refused(cancel_others: bool) -> None:
    """It would never end."""
    with pytest.raises(UserError, match="nothing to wait for, expected one awaitable or more"):
        first_of(Program(), (), cancel_others)


@pytest.mark.parametrize(
    "wait",
    [
        lambda program: gather(program, (3,), False),  # type: ignore[arg-type]
        lambda program: first_of(program, (3,), True),  # type: ignore[arg-type]
        lambda program: shield(program, 3),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_awaited_is_refused(wait: Callable[[Program], Any]) -> None:
    """The message says what was found."""
    with pytest.raises(UserError, match="got a int, expected what ctx gives to await, or a coroutine"):
        wait(Program())
