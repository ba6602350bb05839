"""What activity functions are given: services, time, heartbeats. One context for each attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from durable_sim.durations import Duration, duration_us
from durable_sim.workflows.clock import EPOCH
from durable_sim.workflows.combinators import gather
from durable_sim.workflows.commands import CallService, Sleep
from durable_sim.workflows.payloads import copied, copied_arguments, copied_options
from durable_sim.workflows.program import Future, Program


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
    def fencing_token(self) -> tuple[str, int]:
        """A name that is the same for all attempts of this step, and a number that is higher in each later one.

        A service that remembers the highest number refuses an attempt whose place another has taken.
        """
        return self.idempotency_key, self.attempt

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
