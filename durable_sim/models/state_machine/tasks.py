"""A Task state: a function is called, or somebody who was given a token answers.

The time-out counts from when the task was started; a heartbeat begins its own clock again. Always holds: of each
attempt the first end counts, and whatever comes later finds nobody.
"""

from __future__ import annotations

from typing import Any, Literal

from durable_sim.durations import SECOND
from durable_sim.models.state_machine import flow
from durable_sim.models.state_machine.actions import ForgetTask, InvokeTask, TaskClosed
from durable_sim.models.state_machine.core import Core
from durable_sim.models.state_machine.history import size_of
from durable_sim.models.state_machine.language.errors import (
    DATA_LIMIT_EXCEEDED,
    HEARTBEAT_TIMEOUT,
    TIMEOUT,
    StatesError,
)
from durable_sim.models.state_machine.language.values import compact
from durable_sim.models.state_machine.resources import EVENTS, Resource, resource_of
from durable_sim.models.state_machine.strands import Failure, Stay


class TaskWork:
    """The attempts of one Task state, one after the other."""

    __slots__ = (
        "_call",
        "_core",
        "_events",
        "_heartbeat_timer",
        "_resource",
        "_stay",
        "_timeout_timer",
        "_view",
    )

    def __init__(self, core: Core, stay: Stay) -> None:
        self._core = core
        self._stay = stay
        self._resource: Resource = resource_of(stay.state["Resource"])
        self._events = EVENTS[self._resource.kind]
        self._call: InvokeTask | None = None
        self._view: flow.View | None = None
        self._timeout_timer: str | None = None
        self._heartbeat_timer: str | None = None

    # --- work of a state ---
    def begin(self) -> None:
        """Make the next attempt."""
        core, stay, state = self._core, self._stay, self._stay.state
        token = core.token()
        view = self._view = core.view(stay, token)
        arguments = flow.arguments(state, view)
        function, payload = self._resource.call(arguments)
        self._check_size(payload)
        timeout_us = flow.span_us(state, "TimeoutSeconds", view, 1)
        heartbeat_us = flow.span_us(state, "HeartbeatSeconds", view, 1)
        self._call = InvokeTask(
            token,
            self._resource.kind,
            function,
            payload,
            stay.name,
            stay.step,
            core.attempt_number(stay.step),
            timeout_us,
            heartbeat_us,
            self._resource.waits_for_callback,
            self._resource.kind == "lambda" or self._resource.invokes_lambda,
        )
        core.waiting[token] = self
        self._write_scheduled(arguments)
        core.actions.append(self._call)

    def abort(self) -> None:
        """Forget the attempt that is under way; the function goes on."""
        if self._call is not None:
            self._forget(None)
            self.close(Failure("aborted"))

    def redrive(self) -> None:
        """Another attempt."""
        self.begin()

    def close(self, failure: Failure) -> None:
        """No attempt will follow."""
        self._tell_closed(failure)

    # --- what is told of the task ---
    def started(self, worker: str | None) -> None:
        """The function is being called; time-outs count from here."""
        call, core = self._call, self._core
        assert call is not None
        named = {"workerName": worker} if self._resource.kind == "activity" and worker else {}
        core.write(self._stay.strand, self._events.started, **self._resource.told(), **named)
        if call.timeout_us is not None:
            due_us = core.now_us + call.timeout_us
            self._timeout_timer = core.set_timer("timeout", due_us, call.step, self._timed_out, call.function)
        self._begin_heartbeat_clock()

    def ended(self, value: Any) -> None:
        """The function returned; that is the end of the task unless a callback is to come."""
        call, core = self._call, self._core
        assert call is not None
        result = self._resource.result(value)
        if size_of(result) > core.limits.payload_bytes:
            text = self._resource.text
            cause = f"The state/task '{text}' returned a result larger than the payload limit of the service."
            self.failed(DATA_LIMIT_EXCEEDED, cause)
        elif call.waits_for_callback:
            core.write(self._stay.strand, "TaskSubmitted", **self._resource.told(), output=result)
        else:
            self._succeeded(result)

    def answered(self, output: Any) -> None:
        """Who has the token says that the task succeeded."""
        if size_of(output) > self._core.limits.payload_bytes:
            self.failed(DATA_LIMIT_EXCEEDED, "The output that was sent for the task is larger than the payload limit.")
        else:
            self._succeeded(output)

    def failed(self, error: str, cause: str | None) -> None:
        """The function raised, could not be called, or who has the token says that the task failed."""
        self._over()
        event = self._events.failed
        self._core.write(self._stay.strand, event, **self._resource.told(), error=error, cause=cause)
        self._core.failed(self._stay, Failure(error, cause))

    def heartbeat(self) -> None:
        """The task is alive: its heartbeat's clock begins again."""
        self._core.cancel_timer(self._heartbeat_timer)
        self._begin_heartbeat_clock()

    @property
    def waits_for_answer(self) -> bool:
        """Whether a callback may end the attempt that is under way."""
        return self._call is not None and (self._call.waits_for_callback or self._call.kind == "activity")

    # --- inside ---
    def _check_size(self, payload: Any) -> None:
        if size_of(payload) > self._core.limits.payload_bytes:
            raise StatesError(
                DATA_LIMIT_EXCEEDED, f"The payload of state '{self._stay.name}' is larger than the payload limit."
            )

    def _write_scheduled(self, arguments: Any) -> None:
        call, resource = self._call, self._resource
        assert call is not None
        told: dict[str, Any] = {"timeoutInSeconds": _in_seconds(call.timeout_us)}
        told["heartbeatInSeconds"] = _in_seconds(call.heartbeat_us)
        if resource.kind == "service":
            told = {**resource.told(), "region": "us-east-1", "parameters": arguments, **told}
        else:
            told = {"resource": resource.text, "input": arguments, **told}
        self._core.write(self._stay.strand, self._events.scheduled, **told)

    def _begin_heartbeat_clock(self) -> None:
        call, core = self._call, self._core
        assert call is not None
        if call.heartbeat_us is not None and self.waits_for_answer:
            due_us = core.now_us + call.heartbeat_us
            silent = self._fell_silent
            self._heartbeat_timer = core.set_timer("heartbeat", due_us, call.step, silent, call.function)

    def _timed_out(self) -> None:
        self._stop_waiting("START_TO_CLOSE", Failure(TIMEOUT))

    def _fell_silent(self) -> None:
        self._stop_waiting("HEARTBEAT", Failure(TIMEOUT, matched=HEARTBEAT_TIMEOUT))

    def _stop_waiting(self, timeout: Literal["START_TO_CLOSE", "HEARTBEAT"], failure: Failure) -> None:
        self._forget(timeout)
        self._core.write(self._stay.strand, self._events.timed_out, **self._resource.told(), error=failure.error)
        self._core.failed(self._stay, failure)

    def _succeeded(self, result: Any) -> None:
        view = self._view
        assert view is not None
        self._over()
        self._core.write(self._stay.strand, self._events.succeeded, **self._resource.told(), output=result)
        self._tell_closed(None)
        self._core.complete(self._stay, result, view)

    def _forget(self, timeout: Literal["START_TO_CLOSE", "HEARTBEAT"] | None) -> None:
        call = self._call
        assert call is not None
        self._over()
        self._core.actions.append(ForgetTask(call.token, call.step, call.function, timeout))

    def _over(self) -> None:
        """The attempt under way is no longer waited for."""
        call, core = self._call, self._core
        assert call is not None
        core.waiting.pop(call.token, None)
        core.cancel_timer(self._timeout_timer)
        core.cancel_timer(self._heartbeat_timer)

    def _tell_closed(self, failure: Failure | None) -> None:
        call, self._call = self._call, None
        if call is not None:
            error, cause = (failure.error, failure.cause) if failure else (None, None)
            self._core.actions.append(TaskClosed(call.step, call.function, error, cause))


def _in_seconds(us: int | None) -> int | float | None:
    if us is None:
        return None
    return us // SECOND if us % SECOND == 0 else us / SECOND


def cause_of(error_type: str, message: str) -> str:
    """The cause of a function that raised, as Lambda tells it."""
    return compact({"errorMessage": message, "errorType": error_type, "trace": []})
