"""What workflow functions are given: the only way from workflow code to the world.

A workflow's context turns calls into commands; it does nothing itself. Always holds: whatever it returns depends only
on the run's identity and on what was settled before, so that a replay sees the same.
"""

from __future__ import annotations

import logging
import random
import uuid
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn, TypeVar

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.workflows.children import ChildExecution, ChildHandle, ExternalHandle, start_child
from durable_sim.workflows.clock import EPOCH
from durable_sim.workflows.combinators import TimeoutScope, first_of, gather, shield, wait_for
from durable_sim.workflows.commands import (
    ActivityOptions,
    CancellationType,
    ChildCancellationType,
    ContinueAsNew,
    IdReusePolicy,
    ParentClosePolicy,
    ScheduleActivity,
    ScheduleLocalActivity,
    StartChild,
    StartTimer,
    UpsertMemo,
    UpsertSearchAttributes,
    known_choice,
)
from durable_sim.workflows.definitions import name_of
from durable_sim.workflows.failures import WorkflowFailure
from durable_sim.workflows.handlers import Handler, Handlers
from durable_sim.workflows.handles import ActivityHandle, LocalActivityHandle, SleepHandle, start_timer
from durable_sim.workflows.markers import Markers
from durable_sim.workflows.payloads import copied, copied_arguments
from durable_sim.workflows.program import ContinueRun, Future, Program, Task
from durable_sim.workflows.retry import DEFAULT_RETRY_POLICY, RetryPolicy

T = TypeVar("T")
Activity = Callable[..., Coroutine[Any, Any, T]]


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """Which execution this is. `run_id` names one run of the code; a rerun from the top is another run."""

    workflow_id: str
    run_id: str
    workflow_name: str
    random_stream: Callable[[], random.Random]
    attempt: int = 1
    task_queue: str = "main"
    continued_run_id: str | None = None
    parent: Mapping[str, Any] | None = None
    memo: Mapping[str, Any] = field(default_factory=dict)
    search_attributes: Mapping[str, Any] = field(default_factory=dict)


class WorkflowContext:
    """A workflow's view of the world. Everything here is safe to replay."""

    __slots__ = (
        "_activities",
        "_handlers",
        "_info",
        "_markers",
        "_memo",
        "_program",
        "_random",
        "_search_attributes",
        "_timers",
    )  # fmt: skip

    def __init__(
        self, program: Program, info: WorkflowInfo, handlers: Handlers | None = None, markers: Markers | None = None
    ) -> None:
        self._program = program
        self._info = info
        self._handlers = handlers or Handlers(program)
        self._markers = markers or Markers(program)
        self._random: random.Random | None = None
        self._activities = self._timers = 0
        self._memo = dict(info.memo)
        self._search_attributes = dict(info.search_attributes)

    # --- identity ---------------------------------------------------------------------------------------------------
    @property
    def workflow_id(self) -> str:
        """The id of the execution: stays the same over crashes and reruns."""
        return self._info.workflow_id

    @property
    def run_id(self) -> str:
        """The id of this run: stays the same over crashes that the model survives, changes with a rerun from the
        top, a retry of the workflow, and when it continues as new."""
        return self._info.run_id

    @property
    def info(self) -> WorkflowInfo:
        """All that is known of this run from its start."""
        return self._info

    @property
    def failure_types(self) -> tuple[type[BaseException], ...]:
        """What ends the workflow when it is let out; anything else is a mistake in its code. These are the failures of
        activities, children and the workflow itself, time-outs, being told to stop, and the `failure_exception_types`
        that it was defined with. `except ctx.failure_types:` is where to put right what was done."""
        return (WorkflowFailure, TimeoutError, CancelledError, *self._handlers.fails_on)

    @property
    def is_replaying(self) -> bool:
        """Whether the code is being run again over what is already recorded. For logs and metrics, never for logic."""
        return self._program.replaying

    @property
    def history_length(self) -> int:
        """The number of events that the code has been given so far."""
        return self._program.history_length

    @property
    def continue_as_new_suggested(self) -> bool:
        """Whether the server thinks that the history has grown long enough."""
        return self._program.continue_as_new_suggested

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that is silent while the run is replayed."""
        return _QuietLogger(logging.getLogger("durable_sim.workflow"), self._program, self._info)

    # --- time and chance --------------------------------------------------------------------------------------------
    def now(self) -> datetime:
        """The simulated time at which the code was last given something to do; the same when the run is replayed."""
        return EPOCH + timedelta(microseconds=self._program.now_us)

    @property
    def random(self) -> random.Random:
        """A random generator that gives the same numbers when the run is replayed."""
        if self._random is None:
            self._random = self._info.random_stream()
        return self._random

    def uuid4(self) -> uuid.UUID:
        """A UUID that is the same when the run is replayed."""
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    # --- steps ------------------------------------------------------------------------------------------------------
    def execute_activity(
        self,
        activity: Activity[T] | str,
        *arguments: Any,
        start_to_close_timeout: Duration | None = None,
        schedule_to_close_timeout: Duration | None = None,
        schedule_to_start_timeout: Duration | None = None,
        heartbeat_timeout: Duration | None = None,
        retry_policy: RetryPolicy | None = None,
        task_queue: str | None = None,
        cancellation_type: CancellationType = "TRY_CANCEL",
        activity_id: str | None = None,
    ) -> Future[T]:
        """Have an activity run; await the result, or hold it and await it later (the activity starts at once).

        Branches of code wake in the order in which the real SDK wakes them. Awaited directly, this stands for its
        `workflow.execute_activity`; held, for `workflow.start_activity`; given to `gather` and its likes, for the first
        in a task of its own.

        Args:
            activity: an `async def f(ctx, *arguments)`, or its name.
            arguments: JSON-like data; each attempt gets its own copy.
            start_to_close_timeout: the longest that one attempt may take.
            schedule_to_close_timeout: the longest that all attempts and waits together may take.
            schedule_to_start_timeout: the longest that an attempt may wait for a worker; running into it is final.
            heartbeat_timeout: the longest pause between two heartbeats of an attempt.
            retry_policy: without one, retries go on without limit (1 s, doubling, at most 100 s apart).
            task_queue: whose workers run it; by default the workflow's own.
            cancellation_type: what becomes of it when it is cancelled: "TRY_CANCEL" tells it and does not wait,
                "WAIT_CANCELLATION_COMPLETED" waits for how it ends, "ABANDON" does not even tell it.
            activity_id: by default a number, counted by the workflow.

        Raises, when awaited:
            ActivityError: it failed for good; `.cause` says why.

        Raises at once:
            UserError: neither start_to_close_timeout nor schedule_to_close_timeout is given, or there is no such
                cancellation type.
        """
        name = activity if isinstance(activity, str) else name_of(activity, "activity")
        _need_a_limit("execute_activity", name, start_to_close_timeout, schedule_to_close_timeout)
        known_choice("cancellation_type of an activity", cancellation_type, CancellationType)
        options = ActivityOptions(
            None if start_to_close_timeout is None else duration_us(start_to_close_timeout),
            None if schedule_to_close_timeout is None else duration_us(schedule_to_close_timeout),
            None if heartbeat_timeout is None else duration_us(heartbeat_timeout),
            retry_policy or DEFAULT_RETRY_POLICY,
            None if schedule_to_start_timeout is None else duration_us(schedule_to_start_timeout),
            task_queue,
            cancellation_type,
        )
        copies = copied_arguments(arguments, f"argument of {name}")
        function = None if isinstance(activity, str) else activity
        return ActivityHandle(self._program, partial(self._schedule, name, function, copies, options, activity_id))

    def _schedule(
        self, name: str, function: Any, arguments: tuple[Any, ...], options: ActivityOptions, id: str | None
    ) -> ScheduleActivity:
        step = self._program.next_step()
        self._activities += 1
        return ScheduleActivity(step, name, function, arguments, options, id or str(self._activities))

    def execute_local_activity(
        self,
        activity: Activity[T] | str,
        *arguments: Any,
        start_to_close_timeout: Duration | None = None,
        schedule_to_close_timeout: Duration | None = None,
        retry_policy: RetryPolicy | None = None,
        local_retry_threshold: Duration | None = None,
    ) -> Task[T]:
        """Have an activity run in the workflow's own worker, within the workflow task: cheap, and for short work only.

        Its outcome is recorded with the task; a crash before that runs it again. A retry further off than
        `local_retry_threshold` (by default the workflow task's time-out) is waited for by a timer of the workflow.
        """
        name = activity if isinstance(activity, str) else name_of(activity, "activity")
        _need_a_limit("execute_local_activity", name, start_to_close_timeout, schedule_to_close_timeout)
        limits = _us(start_to_close_timeout), _us(schedule_to_close_timeout), None
        options = ActivityOptions(*limits, retry_policy or DEFAULT_RETRY_POLICY)
        copies = copied_arguments(arguments, f"argument of {name}")
        function = None if isinstance(activity, str) else activity
        schedule = partial(self._schedule_local, name, function, copies, options, _us(local_retry_threshold))
        return LocalActivityHandle(self._program, schedule, self.sleep)

    def _schedule_local(
        self,
        name: str,
        function: Any,
        arguments: tuple[Any, ...],
        options: ActivityOptions,
        threshold_us: int | None,
        step: int,
        attempt: int,
        scheduled_us: int | None,
    ) -> ScheduleLocalActivity:
        self._activities += 1
        seq = self._activities
        return ScheduleLocalActivity(step, name, function, arguments, options, seq, attempt, threshold_us, scheduled_us)

    def start_child_workflow(
        self,
        workflow: Activity[Any] | str,
        *arguments: Any,
        id: str | None = None,
        task_queue: str | None = None,
        parent_close_policy: ParentClosePolicy = "TERMINATE",
        id_reuse_policy: IdReusePolicy = "ALLOW_DUPLICATE",
        cancellation_type: ChildCancellationType = "WAIT_CANCELLATION_COMPLETED",
        retry_policy: RetryPolicy | None = None,
        execution_timeout: Duration | None = None,
        run_timeout: Duration | None = None,
        task_timeout: Duration | None = None,
    ) -> Future[ChildHandle]:
        """Start another workflow; await its handle (it has started), and then `handle.result` (it has ended).

        `parent_close_policy` says what becomes of the child when this workflow ends first, `cancellation_type` what if
        the wait for it is cancelled: as for an activity. "WAIT_CANCELLATION_REQUESTED" is known too, and waits for the
        child's end, as it does in the real SDK.

        Raises, when awaited:
            ChildWorkflowError: it could not be started (another one of that id is open), or did not complete.

        Raises at once:
            UnknownNameError: there is no such policy or cancellation type.
        """
        known_choice("cancellation_type of a child workflow", cancellation_type, ChildCancellationType)
        options: dict[str, Any] = {
            "id": id,
            "task_queue": task_queue,
            "parent_close_policy": parent_close_policy,
            "id_reuse_policy": id_reuse_policy,
            "retry_policy": retry_policy,
            "execution_timeout": execution_timeout,
            "run_timeout": run_timeout,
            "task_timeout": task_timeout,
        }
        return start_child(self._program, self._child(workflow, arguments, **options)(), cancellation_type)

    def execute_child_workflow(
        self,
        workflow: Activity[T] | str,
        *arguments: Any,
        cancellation_type: ChildCancellationType = "WAIT_CANCELLATION_COMPLETED",
        **options: Any,
    ) -> Task[T]:
        """Start another workflow and wait for its result; options as for `start_child_workflow`."""
        known_choice("cancellation_type of a child workflow", cancellation_type, ChildCancellationType)
        return ChildExecution(self._program, self._child(workflow, arguments, **options), cancellation_type)

    def _child(
        self,
        workflow: Activity[Any] | str,
        arguments: tuple[Any, ...],
        *,
        id: str | None = None,
        task_queue: str | None = None,
        parent_close_policy: ParentClosePolicy = "TERMINATE",
        id_reuse_policy: IdReusePolicy = "ALLOW_DUPLICATE",
        retry_policy: RetryPolicy | None = None,
        execution_timeout: Duration | None = None,
        run_timeout: Duration | None = None,
        task_timeout: Duration | None = None,
    ) -> Callable[[], StartChild]:
        name = workflow if isinstance(workflow, str) else name_of(workflow, "workflow")
        known_choice("parent_close_policy", parent_close_policy, ParentClosePolicy)
        known_choice("id_reuse_policy", id_reuse_policy, IdReusePolicy)
        command = StartChild(
            0,
            id or str(self.uuid4()),
            name,
            None if isinstance(workflow, str) else workflow,
            copied_arguments(arguments, f"argument of {name}"),
            task_queue,
            _us(execution_timeout),
            _us(run_timeout),
            _us(task_timeout),
            retry_policy,
            parent_close_policy,
            id_reuse_policy,
        )
        return lambda: command._replace(step=self._program.next_step())

    def external_workflow(self, workflow_id: str, run_id: str | None = None) -> ExternalHandle:
        """A handle to signal or to cancel another workflow."""
        return ExternalHandle(self._program, workflow_id, run_id)

    # --- waiting ----------------------------------------------------------------------------------------------------
    def sleep(self, duration: Duration) -> Future[None]:
        """Wait; under a durable model the timer survives the process. Held, it starts as a task of its own would."""
        return SleepHandle(self._program, partial(self._timer, duration_us(duration)))

    def _timer(self, us: int) -> Future[None]:
        step = self._program.next_step()
        self._timers += 1
        return start_timer(self._program, StartTimer(step, us, str(self._timers)))

    def wait_condition(self, holds: Callable[[], bool], *, timeout: Duration | None = None) -> Awaitable[None]:
        """Wait until `holds()` is true; it is asked whenever the code has run.

        Raises, when awaited:
            TimeoutError: it did not become true in time.
        """
        return self._wait_condition(holds, timeout)

    async def _wait_condition(self, holds: Callable[[], bool], timeout: Duration | None) -> None:
        condition = self._program.wait_until(holds)
        if timeout is None:
            await condition
        else:
            await wait_for(self._program, condition, partial(self._timer, duration_us(timeout)))

    def timeout(self, duration: Duration) -> TimeoutScope:
        """`async with ctx.timeout("5s"):` cancels what is awaited inside when the time is over, and raises
        TimeoutError."""
        return TimeoutScope(self._program, partial(self._timer, duration_us(duration)))

    def gather(self, *awaitables: Awaitable[Any], return_exceptions: bool = False) -> Future[list[Any]]:
        """Wait for several at once; results in the order given. The first failure is raised, the others go on."""
        return gather(self._program, awaitables, return_exceptions)

    def first_of(self, *awaitables: Awaitable[Any]) -> Future[tuple[int, Any]]:
        """Wait for the first of several: its place and its value. The others go on.

        Of those that have ended by the time the code goes on, it is the first in the order given. Cancelled, it cancels
        them all (which `asyncio.wait` would not).
        """
        return first_of(self._program, awaitables, cancel_others=False)

    def race(self, *awaitables: Awaitable[Any]) -> Future[tuple[int, Any]]:
        """Wait for the first of several, and cancel the others: its place and its value."""
        return first_of(self._program, awaitables, cancel_others=True)

    def shield(self, awaitable: Awaitable[T]) -> Future[T]:
        """Wait for something that goes on even if this wait is cancelled."""
        return shield(self._program, awaitable)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Run a coroutine beside the others; await it, or `cancel` it."""
        return self._program.spawn(coroutine)

    # --- signals, queries, updates ----------------------------------------------------------------------------------
    def set_signal_handler(self, name: str, handler: Handler) -> None:
        """Handle signals of this name, those that have come before included; `handler` may be async."""
        self._handlers.on_signal(name, handler)

    def set_query_handler(self, name: str, handler: Handler) -> None:
        """Answer queries of this name; `handler` must only look."""
        self._handlers.on_query(name, handler)

    def set_update_handler(self, name: str, handler: Handler, validator: Handler | None = None) -> None:
        """Take updates of this name; `handler` may be async and act, `validator` raises to refuse one without a
        trace."""
        self._handlers.on_update(name, handler, validator)

    def all_handlers_finished(self) -> bool:
        """Whether no handler of a signal or an update is under way: wait for it before you return."""
        return self._handlers.running == 0

    # --- versions, markers, attributes ------------------------------------------------------------------------------
    def patched(self, id: str) -> bool:
        """Whether to take the new path of a change: true where it is recorded or for new runs, false where a history
        from before the change is replayed."""
        return self._markers.patched(id)

    def deprecate_patch(self, id: str) -> None:
        """Keep recording a change whose old path is gone, for as long as histories of both kinds may be replayed."""
        self._markers.patched(id, deprecated=True)

    def side_effect(self, make: Callable[[], T]) -> T:
        """A value made once and then recorded: for what may differ from run to run, and has no effect elsewhere."""
        return self._markers.side_effect(make)  # type: ignore[no-any-return]

    @property
    def memo(self) -> Mapping[str, Any]:
        """The execution's memo, as set at its start and since."""
        return self._memo

    @property
    def search_attributes(self) -> Mapping[str, Any]:
        """The execution's search attributes, as set at its start and since."""
        return self._search_attributes

    def upsert_memo(self, entries: Mapping[str, Any]) -> None:
        """Set entries of the memo."""
        changes = copied(dict(entries), "memo")
        self._memo.update(changes)
        self._program.tell(UpsertMemo(changes))

    def upsert_search_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set search attributes."""
        changes = copied(dict(attributes), "search attributes")
        self._search_attributes.update(changes)
        self._program.tell(UpsertSearchAttributes(changes))

    # --- the end of a run, and remarks ------------------------------------------------------------------------------
    def continue_as_new(
        self,
        *arguments: Any,
        workflow: Activity[Any] | str | None = None,
        task_queue: str | None = None,
        run_timeout: Duration | None = None,
        task_timeout: Duration | None = None,
    ) -> NoReturn:
        """End this run and start the next, with an empty history and these arguments. Never returns."""
        name = workflow if isinstance(workflow, str) or workflow is None else name_of(workflow, "workflow")
        copies = copied_arguments(arguments, "argument of continue_as_new")
        raise ContinueRun(ContinueAsNew(name, copies, task_queue, _us(run_timeout), _us(task_timeout)))

    def block_for(self, duration: Duration) -> None:
        """Stand for code that holds its thread for so long, as heavy computing does: simulated time passes within the
        workflow task, and nothing else of this run goes on. More than the worker's deadlock limit fails the task."""
        self._program.blocked_us += duration_us(duration)

    def note(self, kind: str, subject: str | None = None) -> None:
        """Leave a remark in the trace (once: a replay does not repeat it). It has no other effect."""
        self._program.note(kind, subject)


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """Says nothing while a run is replayed; knows which run it speaks of."""

    def __init__(self, logger: logging.Logger, program: Program, info: WorkflowInfo) -> None:
        super().__init__(logger, {"workflow_id": info.workflow_id, "run_id": info.run_id})
        self._program = program

    def isEnabledFor(self, level: int) -> bool:
        return not self._program.replaying and super().isEnabledFor(level)


def _need_a_limit(call: str, name: str, one: Duration | None, whole: Duration | None) -> None:
    if one is None and whole is None:
        raise UserError(f"{call}({name}): give start_to_close_timeout or schedule_to_close_timeout")


def _us(value: Duration | None) -> int | None:
    return None if value is None else duration_us(value)
