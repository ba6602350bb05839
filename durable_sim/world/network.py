"""How a call travels: request leg, effect, reply leg, each call a SimPy process of its own.

A request that was sent goes its way whatever becomes of the caller. The caller hears an answer or, after its own
time-out, nothing. Always holds: a lost request, a lost reply and a late effect are the same error after the same time
for the caller; and the fate and latency of a call depend only on (seed, operation, execution, which call of it this
is), so that every execution model meets the same flaky world.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import simpy

from durable_sim import trace as kinds
from durable_sim.durations import duration_us, format_us
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.randomness import Constant, Distribution
from durable_sim.workflows.commands import CallService
from durable_sim.workflows.failures import CallTimeout, ServerError, ServiceError, ServiceUnavailable
from durable_sim.world import faults
from durable_sim.world.alarms import Alarm, Alarms
from durable_sim.world.database import Transaction
from durable_sim.world.faults import Mixture
from durable_sim.world.ground import Ground
from durable_sim.world.outages import OutageClock
from durable_sim.world.request import Request, Sender
from durable_sim.world.services.base import Answer, Service, ServiceSpec


class Process(Protocol):
    """The caller's process: takes what is meant for it as long as it lives."""

    worker_id: str
    alive: bool

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call back, unless the process is dead; later, if it is paused."""


class Link(NamedTuple):
    """Everything fixed about the way to one operation."""

    service: Service
    function: Callable[..., Any]
    signature: inspect.Signature
    kinds: frozenset[str]
    subject: str
    latency: Distribution
    timeout_us: int
    faults: Mixture
    fault_share: float
    outage: OutageClock | None


class Call:
    """The caller's end of a request: waits for one answer or a time-out, whichever comes first."""

    __slots__ = ("_deadline", "_on_answer", "_open", "_process", "link", "request")

    def __init__(self, request: Request, link: Link, process: Process, on_answer: Callable[[Answer], None]) -> None:
        self.request = request
        self.link = link
        self._process = process
        self._on_answer = on_answer
        self._deadline: Alarm | None = None
        self._open = True

    def set_deadline(self, alarms: Alarms) -> None:
        """Set the alarm at which the caller gives up; needed only where the answer may not be there by then."""
        if self._deadline is None and self._open:
            request = self.request
            left_us = max(0, request.sent_us + self.link.timeout_us - request.now_us)
            self._deadline = alarms.after(left_us, self.give_up)

    def answer(self, answer: Answer) -> None:
        """A reply has reached the caller's machine."""
        self._process.deliver(self._close, kinds.REPLY_RECEIVED, answer)

    def give_up(self) -> None:
        """The caller's time-out has come."""
        link = self.link
        error = CallTimeout(
            link.subject, f"no answer within {format_us(link.timeout_us)}; it may or may not have happened"
        )
        self._process.deliver(self._close, kinds.CALL_GIVEN_UP, Answer(error=error))

    def _close(self, kind: str, answer: Answer) -> None:
        if not self._open:
            return
        self._open = False
        if self._deadline is not None:
            self._deadline.cancel()
        self.request.note(kind, None if answer.error is None else {"error": type(answer.error).__name__})
        self._process.deliver(self._on_answer, answer)  # a crash or a pause may have struck right at the record


class Network:
    """Carries the calls of one run. From `calm_after_us` on, no call goes wrong but those that are scripted to."""

    def __init__(
        self,
        ground: Ground,
        services: Mapping[str, Service],
        specs: Mapping[str, ServiceSpec],
        scripts: tuple[faults.Script, ...],
        calm_after_us: int | None = None,
    ) -> None:
        self._ground = ground
        self._services = services
        self._specs = specs
        self._scripts = {script.target: script for script in scripts}
        self._calm_after_us = calm_after_us
        self._links: dict[tuple[str, str], Link] = {}
        self._outages: dict[str, OutageClock] = {}
        self._counts: dict[tuple[str, str | None], int] = {}
        self._sent = 0
        self._deliveries = 0
        self._shapes_checked: set[tuple[object, ...]] = set()
        self.in_flight: dict[int, str] = {}
        self.scripts_fired = 0
        self.faults_drawn: dict[str, int] = {}
        for script in scripts:
            self.link(script.service, script.operation)

    def send(
        self,
        command: CallService,
        sender: Sender,
        process: Process,
        on_answer: Callable[[Answer], None],
        transaction: Transaction | None = None,
    ) -> None:
        """Put a request on its way; `on_answer` is called in the caller's process with what becomes of it."""
        link = self.link(command.service, command.operation)
        self._check_arguments(link, command)
        if not link.service.on_database:
            transaction = None
        self._sent += 1
        ways = link.signature, link.kinds
        request = Request(self._ground, self._sent, command, *ways, sender, process.worker_id, transaction)
        call = Call(request, link, process, on_answer)
        fate, mixture, chances = self._fate(link, sender.execution)
        self._carry(call, fate, mixture, chances)
        request.note(kinds.REQUEST_SENT, None if fate == faults.OK else {"fault": fate})

    def link(self, service: str, operation: str) -> Link:
        """The way to an operation."""
        link = self._links.get((service, operation))
        if link is None:
            link = self._links[service, operation] = self._make_link(service, operation)
        return link

    def _make_link(self, name: str, operation: str) -> Link:
        spec = self._specs.get(name)
        if spec is None:
            raise UnknownNameError("service", name, self._specs)
        service = self._services[name]
        signature = spec.service.signature(name, operation)
        own = spec.operations.get(operation)
        mixture = (own and own.faults) or spec.faults
        outage = None
        if spec.outage is not None:
            outage = self._outages.setdefault(
                name, OutageClock(spec.outage, self._ground.randomness.stream("outage", name))
            )
        return Link(
            service,
            getattr(service, operation),
            signature,
            frozenset(kind.name for kind in service.effects),
            f"{name}.{operation}",
            (own and own.latency) or spec.latency,
            duration_us((own and own.client_timeout) or spec.client_timeout),
            mixture,
            mixture.total,
            outage,
        )

    def _check_arguments(self, link: Link, command: CallService) -> None:
        """Refuse arguments that the operation does not take, as the user's mistake that it is."""
        shape = (link.subject, len(command.arguments), *command.options)
        if shape in self._shapes_checked:
            return
        try:
            link.signature.bind(*command.arguments, **command.options)
        except TypeError as error:
            raise UserError(f"{link.subject}: {error}; it takes {link.signature}") from None
        self._shapes_checked.add(shape)

    def _fate(self, link: Link, execution: str) -> tuple[str, Mixture, tuple[float, ...]]:
        counts = self._counts
        nth = counts[link.subject, execution] = counts.get((link.subject, execution), 0) + 1
        overall = counts[link.subject, None] = counts.get((link.subject, None), 0) + 1
        chances = self._ground.randomness.uniforms("call", link.subject, execution, nth)
        script = self._scripts.get((link.subject, execution, nth)) or self._scripts.get((link.subject, None, overall))
        if script is not None:
            self.scripts_fired += 1
            return script.fault, _scripted(script, link.faults), chances
        mixture = link.faults
        if self._calm_after_us is not None and self._ground.now_us >= self._calm_after_us:
            return faults.OK, mixture, chances
        if link.outage is not None and link.outage.down(self._ground.now_us):
            mixture = link.outage.faults
        elif chances[0] >= link.fault_share:
            return faults.OK, mixture, chances
        fate = mixture.draw(chances[0])
        if fate != faults.OK:
            self.faults_drawn[fate] = self.faults_drawn.get(fate, 0) + 1
        return fate, mixture, chances

    def _carry(self, call: Call, fate: str, mixture: Mixture, chances: tuple[float, ...]) -> None:
        link = call.link
        latency_us = link.latency.sample_us(chances[1])
        if fate == faults.SLOW:
            latency_us = int(latency_us * mixture.slow_factor)
        if fate in _UNANSWERED or latency_us >= link.timeout_us:
            call.set_deadline(self._ground.alarms)
        if fate == faults.LOSE_REQUEST:
            return
        processing_us = int(latency_us * link.service.processing_share)
        request_us = (latency_us - processing_us) // 2
        reply_us = latency_us - processing_us - request_us
        if fate == faults.LATE_EFFECT:
            request_us = link.timeout_us + mixture.late_by.sample_us(chances[2]) + 1
        env = self._ground.env
        env.process(self._deliver(call, fate, request_us, processing_us, reply_us))
        if fate == faults.DUPLICATE:
            again_us = request_us + 1 + mixture.duplicate_after.sample_us(chances[3])
            env.process(self._deliver(call, faults.LOSE_REPLY, again_us, processing_us, reply_us))

    def _deliver(
        self, call: Call, fate: str, request_us: int, processing_us: int, reply_us: int
    ) -> Generator[simpy.Event, Any, None]:
        """One delivery of a request, from the wire to the reply."""
        request, link, env = call.request, call.link, self._ground.env
        self._deliveries += 1
        delivery = self._deliveries
        self.in_flight[delivery] = request.sender.execution
        yield env.timeout(request_us)
        request.note(kinds.REQUEST_RECEIVED)
        answer = _refusal(link, fate)
        if answer is None:
            service = link.service
            answer = service.admit(request)
            if answer is None:
                if processing_us:
                    yield env.timeout(processing_us)
                if service.database is not None and service.database.blocked(request.transaction):
                    call.set_deadline(self._ground.alarms)
                    yield from service.database.turn(request.transaction)
                answer = _execute(link, request, fate)
                service.finished(request, answer)
        del self.in_flight[delivery]
        request.note(kinds.REPLY_SENT)
        if fate != faults.LOSE_REPLY:
            yield env.timeout(reply_us)
            call.answer(answer)


def _scripted(script: faults.Script, mixture: Mixture) -> Mixture:
    """How a scripted fault is, as far as the script says."""
    return mixture if script.late_by is None else replace(mixture, late_by=Constant(script.late_by))


_UNANSWERED = (faults.LOSE_REQUEST, faults.LOSE_REPLY, faults.LATE_EFFECT)


def _refusal(link: Link, fate: str) -> Answer | None:
    if fate == faults.REFUSE:
        return Answer(error=ServiceUnavailable(link.subject, "503 service unavailable; nothing was done"))
    return None


def _execute(link: Link, request: Request, fate: str) -> Answer:
    transaction = request.transaction
    if fate == faults.ERROR:
        return _server_error(link)
    if transaction is not None:
        if not transaction.usable:
            return Answer(error=ServiceUnavailable(link.subject, "the transaction's connection is gone"))
        if link.service.database is not None:
            link.service.database.begin(transaction)
    try:
        value = link.function(request, *request.arguments, **request.options)
    except ServiceError as error:
        return Answer(error=error)
    except Exception as error:
        given = ", ".join(
            [*map(repr, request.arguments), *(f"{key}={value!r}" for key, value in request.options.items())]
        )
        raise UserError(
            f"{link.subject}({given}): the service cannot take this: {type(error).__name__}: {error}"
        ) from error
    return _server_error(link) if fate == faults.ERROR_AFTER_EFFECT else Answer(value)


def _server_error(link: Link) -> Answer:
    return Answer(error=ServerError(link.subject, "500 internal server error"))
