"""The service that holders of task tokens call: `await ctx.service("states").send_task_success(token, output)`.

Always holds: of each token the first answer counts; what comes after it, or after the task was given up, is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from durable_sim.errors import InternalError
from durable_sim.randomness import LogNormal
from durable_sim.workflows.failures import Rejected
from durable_sim.world.services.base import Service, ServiceSpec, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request

STATES_SERVICE = "states"


class TaskDoesNotExist(Rejected):
    """400: no task was ever given this token."""


class TaskTimedOut(Rejected):
    """400: the task has timed out, was ended, or was answered before."""


class Desk(Protocol):
    """Who knows the tokens. Each method gives False for a token that nobody waits for, None for an unknown one."""

    def answer(self, token: str, output: Any) -> bool | None:
        """The task succeeded."""

    def fail(self, token: str, error: str, cause: str) -> bool | None:
        """The task failed."""

    def beat(self, token: str) -> bool | None:
        """The task is alive."""


class States(Service):
    """The calls of the state-machine service that code in tasks uses."""

    def __init__(self, name: str, database: Database | None = None) -> None:
        super().__init__(name, database)
        self.desk: Desk | None = None

    @operation
    def send_task_success(self, request: Request, token: str, output: Any = None) -> None:
        """The task of this token succeeded with an output."""
        _accepted(request, token, self._at_desk().answer(token, output))

    @operation
    def send_task_failure(self, request: Request, token: str, error: str = "", cause: str = "") -> None:
        """The task of this token failed."""
        _accepted(request, token, self._at_desk().fail(token, error, cause))

    @operation
    def send_task_heartbeat(self, request: Request, token: str) -> None:
        """The task of this token goes on."""
        _accepted(request, token, self._at_desk().beat(token))

    def _at_desk(self) -> Desk:
        if self.desk is None:
            raise InternalError(f"service {self.name} belongs to no execution model")
        return self.desk


def _accepted(request: Request, token: str, accepted: bool | None) -> None:
    if accepted is None:
        raise TaskDoesNotExist(request.subject, f"400 there is no task with the token {token}")
    if not accepted:
        raise TaskTimedOut(request.subject, f"400 nobody waits for the task with the token {token} any more")


STATES_SPEC = ServiceSpec(States, latency=LogNormal("12ms", "80ms"))
"""Plausible, not measured."""
