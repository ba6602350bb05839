"""What workflow and activity functions are given: the only way from user code to the world.

A workflow's context turns calls into commands; an activity's context does the same for services. Neither does anything
itself. Always holds: whatever a workflow context returns depends only on the run's identity and on what was settled
before, so that a replay sees the same.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.workflows.commands import ActivityOptions, CallService, ScheduleActivity, Sleep, StartTimer
from durable_sim.workflows.definitions import name_of
from durable_sim.workflows.payloads import copied, copied_arguments, copied_options
from durable_sim.workflows.program import Future, Program, gather
from durable_sim.workflows.retry import DEFAULT_RETRY_POLICY, RetryPolicy

T = TypeVar("T")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment at which every simulation starts."""


@dataclass(frozen=True, slots=True)
class WorkflowInfo:
    """Which execution this is. `run_id` names one run of the code; a rerun from the top is another run."""

    workflow_id: str
    run_id: str
    workflow_name: str
    random_stream: Callable[[], random.Random]


class WorkflowContext:
    """A workflow's view of the world. Everything here is safe to replay."""

    __slots__ = ("_info", "_program", "_random")

    def __init__(self, program: Program, info: WorkflowInfo) -> None:
        self._program = program
        self._info = info
        self._random: random.Random | None = None

    @property
    def workflow_id(self) -> str:
        """The id of the execution: stays the same over crashes and reruns."""
        return self._info.workflow_id

    @property
    def run_id(self) -> str:
        """The id of this run: stays the same over crashes that the model survives, changes with a rerun from the
        top."""
        return self._info.run_id

    @property
    def random(self) -> random.Random:
        """A random generator that gives the same numbers when the run is replayed."""
        if self._random is None:
            self._random = self._info.random_stream()
        return self._random

    def uuid4(self) -> uuid.UUID:
        """A UUID that is the same when the run is replayed."""
        return uuid.UUID(int=self.random.getrandbits(128), version=4)

    def now(self) -> datetime:
        """The simulated time at which the code was last given something to do; the same when the run is replayed."""
        return EPOCH + timedelta(microseconds=self._program.now_us)

    def execute_activity(
        self,
        activity: Callable[..., Coroutine[Any, Any, T]],
        *arguments: Any,
        start_to_close_timeout: Duration | None = None,
        schedule_to_close_timeout: Duration | None = None,
        heartbeat_timeout: Duration | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> Future[T]:
        """Have an activity run; await the result, or hold it and await it later (the activity starts at once).

        Args:
            activity: an `async def f(ctx, *arguments)`.
            arguments: JSON-like data; each attempt gets its own copy.
            start_to_close_timeout: the longest that one attempt may take.
            schedule_to_close_timeout: the longest that all attempts and waits together may take.
            heartbeat_timeout: the longest pause between two heartbeats of an attempt.
            retry_policy: without one, retries go on without limit (1 s, doubling, at most 100 s apart).

        Raises, when awaited:
            ActivityError: it failed for good; `.cause` says why.

        Raises at once:
            UserError: neither start_to_close_timeout nor schedule_to_close_timeout is given.
        """
        name = name_of(activity, "activity")
        if start_to_close_timeout is None and schedule_to_close_timeout is None:
            raise UserError(f"execute_activity({name}): give start_to_close_timeout or schedule_to_close_timeout")
        options = ActivityOptions(
            _us(start_to_close_timeout),
            _us(schedule_to_close_timeout),
            _us(heartbeat_timeout),
            retry_policy or DEFAULT_RETRY_POLICY,
        )
        program = self._program
        copies = copied_arguments(arguments, f"argument of {name}")
        return program.issue(ScheduleActivity(program.next_step(), name, activity, copies, options))

    def sleep(self, duration: Duration) -> Future[None]:
        """Wait; under a durable model the timer survives the process."""
        return self._program.issue(StartTimer(self._program.next_step(), duration_us(duration)))

    def gather(self, *awaitables: Awaitable[Any], return_exceptions: bool = False) -> Future[list[Any]]:
        """Wait for several at once; results in the order given. The first failure is raised, the others go on."""
        return gather(self._program, awaitables, return_exceptions)

    def note(self, kind: str, subject: str | None = None) -> None:
        """Leave a remark in the trace (once: a replay does not repeat it). It has no other effect."""
        self._program.note(kind, subject)


class ActivityInfo(NamedTuple):
    """Which attempt of which step of which execution this is."""

    workflow_id: str
    run_id: str
    name: str
    step: int
    attempt: int
    heartbeat_details: tuple[Any, ...]


class ActivityContext:
    """An activity's view of the world: services, time, heartbeats. One for each attempt."""

    __slots__ = ("_heartbeat", "_program", "info")

    def __init__(self, program: Program, info: ActivityInfo, heartbeat: Callable[[tuple[Any, ...]], None]) -> None:
        self._program = program
        self.info = info
        self._heartbeat = heartbeat

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.info.attempt

    @property
    def run_id(self) -> str:
        """The id of the workflow run that asked for this activity."""
        return self.info.run_id

    @property
    def workflow_id(self) -> str:
        """The id of the execution that asked for this activity."""
        return self.info.workflow_id

    @property
    def idempotency_key(self) -> str:
        """A key that is the same for all attempts of this step, and different between steps and runs."""
        return f"{self.info.run_id}/{self.info.step}"

    @property
    def heartbeat_details(self) -> tuple[Any, ...]:
        """What the previous attempt last told with `heartbeat`, if anything."""
        return self.info.heartbeat_details

    def heartbeat(self, *details: Any) -> None:
        """Tell the engine that the attempt lives, and how far it is."""
        if not self._program.dead:
            self._heartbeat(tuple(copied(detail, "heartbeat detail") for detail in details))

    def now(self) -> datetime:
        """The simulated wall clock."""
        return EPOCH + timedelta(microseconds=self._program.now_us)

    def service(self, name: str) -> ServiceClient:
        """A client of a service: `await ctx.service("payments").charge(...)`."""
        return ServiceClient(self._program, name)

    def sleep(self, duration: Duration) -> Future[None]:
        """Let simulated time pass."""
        return self._program.issue(Sleep(self._program.next_step(), duration_us(duration)))

    def gather(self, *awaitables: Awaitable[Any], return_exceptions: bool = False) -> Future[list[Any]]:
        """Wait for several at once, as a workflow's `gather` does."""
        return gather(self._program, awaitables, return_exceptions)


class ServiceClient:
    """Turns attribute access into requests to one service."""

    __slots__ = ("_program", "_service")

    def __init__(self, program: Program, service: str) -> None:
        self._program = program
        self._service = service

    def __getattr__(self, operation: str) -> Callable[..., Future[Any]]:
        return partial(self._call, operation)

    def _call(self, operation: str, *arguments: Any, **options: Any) -> Future[Any]:
        subject = f"argument of {self._service}.{operation}"
        copies, named = copied_arguments(arguments, subject), copied_options(options, subject)
        command = CallService(self._program.next_step(), self._service, operation, copies, named)
        return self._program.issue(command)


def _us(value: Duration | None) -> int | None:
    return None if value is None else duration_us(value)
