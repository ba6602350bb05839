"""How a call travels: request leg, effect, reply leg, each call a SimPy process of its own.

A request that was sent goes its way whatever becomes of the caller. The caller hears an answer or, after its own
time-out, nothing. Always holds: a lost request, a lost reply and a late effect are the same error after the same time
for the caller; and the fate and latency of a call depend only on (seed, operation, execution, which call of it this
is), so that every execution model meets the same flaky world.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import simpy

from durable_sim import trace as kinds
from durable_sim.durations import duration_us, format_us
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.randomness import Distribution
from durable_sim.workflow.commands import CallService
from durable_sim.workflow.failures import CallTimeout, ServerError, ServiceError, ServiceUnavailable
from durable_sim.world import faults
from durable_sim.world.alarms import Alarm, Alarms
from durable_sim.world.database import Transaction
from durable_sim.world.faults import Mixture
from durable_sim.world.ledger import Effect, Entry
from durable_sim.world.outages import OutageClock
from durable_sim.world.services.base import Answer, Service, ServiceSpec

if TYPE_CHECKING:
    from durable_sim.world.world import World


class Process(Protocol):
    """The caller's process: takes what is meant for it as long as it lives."""

    worker_id: str
    alive: bool

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call back, unless the process is dead; later, if it is paused."""


class Sender(NamedTuple):
    """On whose behalf a request is sent; services do not see it, the ledger and the trace do."""

    execution: str
    step: int | None
    attempt: int | None


class Link(NamedTuple):
    """Everything fixed about the way to one operation."""

    service: Service
    function: Callable[..., Any]
    signature: inspect.Signature
    subject: str
    latency: Distribution
    timeout_us: int
    faults: Mixture
    fault_share: float
    outage: OutageClock | None


class Request:
    """One request under way. Services use `now_us`, `apply` and the arguments; the rest belongs to the network."""

    __slots__ = ("_world", "arguments", "link", "number", "options", "sender", "sent_us", "transaction", "worker_id")

    def __init__(
        self,
        world: World,
        number: int,
        link: Link,
        sender: Sender,
        worker_id: str,
        command: CallService,
        transaction: Transaction | None,
    ) -> None:
        self._world = world
        self.number = number
        self.link = link
        self.sender = sender
        self.worker_id = worker_id
        self.arguments = command.arguments
        self.options = command.options
        self.transaction = transaction
        self.sent_us = world.now_us

    @property
    def now_us(self) -> int:
        """The service's clock."""
        return self._world.now_us

    def apply(self, kind: str, subject: str = "", quantity: int = 1, reference: str = "") -> Effect:
        """Say that an effect of this kind takes place (now, or at the commit of the transaction it belongs to)."""
        return self._apply(kind, subject, quantity, reference, None)

    def undo(self, effect: Effect, kind: str, reference: str = "") -> Effect:
        """Say that an effect of this kind takes place which undoes an earlier one."""
        return self._apply(kind, effect.entry.subject, -effect.entry.quantity, reference, effect)

    def _apply(self, kind: str, subject: str, quantity: int, reference: str, undoes: Effect | None) -> Effect:
        execution, step, _ = self.sender
        kind = f"{self.link.service.name}.{kind}"
        effect = Effect(
            Entry(-1, -1, kind, execution, step, subject, quantity, reference, None, self.number, self.sent_us)
        )
        if self.transaction is None:
            self.enter(effect, undoes)
        else:
            self.transaction.staged.append(partial(self.enter, effect, undoes))
        return effect

    def enter(self, effect: Effect, undoes: Effect | None) -> None:
        """Write an effect into the ledger and the trace."""
        ledger = self._world.ledger
        undone = None if undoes is None else undoes.entry.index
        entry = effect.entry = effect.entry._replace(index=len(ledger), time_us=self.now_us, undoes=undone)
        ledger.add(entry)
        detail = {"effect": entry.index, "kind": entry.kind, "subject": entry.subject, "quantity": entry.quantity}
        if entry.undoes is not None:
            detail["undoes"] = entry.undoes
        self.note(kinds.EFFECT_APPLIED, detail)

    def note(self, kind: str, data: dict[str, Any] | None = None) -> None:
        """Leave a record of this call in the trace."""
        execution, step, attempt = self.sender
        self._world.trace.add(kind, execution, self.worker_id, self.link.subject, step, attempt, self.number, data)


class Call:
    """The caller's end of a request: waits for one answer or a time-out, whichever comes first."""

    __slots__ = ("_deadline", "_on_answer", "_open", "_process", "request")

    def __init__(self, request: Request, process: Process, on_answer: Callable[[Answer], None]) -> None:
        self.request = request
        self._process = process
        self._on_answer = on_answer
        self._deadline: Alarm | None = None
        self._open = True

    def set_deadline(self, alarms: Alarms) -> None:
        """Set the alarm at which the caller gives up; needed only where the answer may not be there by then."""
        if self._deadline is None and self._open:
            request = self.request
            left_us = max(0, request.sent_us + request.link.timeout_us - request.now_us)
            self._deadline = alarms.after(left_us, self.give_up)

    def answer(self, answer: Answer) -> None:
        """A reply has reached the caller's machine."""
        self._process.deliver(self._close, kinds.REPLY_RECEIVED, answer)

    def give_up(self) -> None:
        """The caller's time-out has come."""
        link = self.request.link
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
    """Carries the calls of one run."""

    def __init__(self, world: World, specs: dict[str, ServiceSpec], scripts: tuple[faults.Script, ...]) -> None:
        self._world = world
        self._specs = specs
        self._scripts = {script.target: script for script in scripts}
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
        world = self._world
        link = self.link(command.service, command.operation)
        self._check_arguments(link, command)
        if not link.service.on_database:
            transaction = None
        self._sent += 1
        request = Request(world, self._sent, link, sender, process.worker_id, command, transaction)
        call = Call(request, process, on_answer)
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
        service = self._world.services[name]
        signature = spec.service.signature(name, operation)
        own = spec.operations.get(operation)
        mixture = (own and own.faults) or spec.faults
        outage = None
        if spec.outage is not None:
            outage = self._outages.setdefault(
                name, OutageClock(spec.outage, self._world.randomness.stream("outage", name))
            )
        return Link(
            service,
            getattr(service, operation),
            signature,
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
        chances = self._world.randomness.uniforms("call", link.subject, execution, nth)
        script = self._scripts.get((link.subject, execution, nth)) or self._scripts.get((link.subject, None, overall))
        if script is not None:
            self.scripts_fired += 1
            return script.fault, link.faults, chances
        mixture = link.faults
        if link.outage is not None and link.outage.down(self._world.now_us):
            mixture = link.outage.faults
        elif chances[0] >= link.fault_share:
            return faults.OK, mixture, chances
        fate = mixture.draw(chances[0])
        if fate != faults.OK:
            self.faults_drawn[fate] = self.faults_drawn.get(fate, 0) + 1
        return fate, mixture, chances

    def _carry(self, call: Call, fate: str, mixture: Mixture, chances: tuple[float, ...]) -> None:
        link = call.request.link
        latency_us = link.latency.sample_us(chances[1])
        if fate == faults.SLOW:
            latency_us = int(latency_us * mixture.slow_factor)
        if fate in _UNANSWERED or latency_us >= link.timeout_us:
            call.set_deadline(self._world.alarms)
        if fate == faults.LOSE_REQUEST:
            return
        processing_us = int(latency_us * link.service.processing_share)
        request_us = (latency_us - processing_us) // 2
        reply_us = latency_us - processing_us - request_us
        if fate == faults.LATE_EFFECT:
            request_us = link.timeout_us + mixture.late_by.sample_us(chances[2]) + 1
        env = self._world.env
        env.process(self._deliver(call, fate, request_us, processing_us, reply_us))
        if fate == faults.DUPLICATE:
            again_us = request_us + 1 + mixture.duplicate_after.sample_us(chances[3])
            env.process(self._deliver(call, faults.LOSE_REPLY, again_us, processing_us, reply_us))

    def _deliver(
        self, call: Call, fate: str, request_us: int, processing_us: int, reply_us: int
    ) -> Generator[simpy.Event, Any, None]:
        """One delivery of a request, from the wire to the reply."""
        request, env = call.request, self._world.env
        self._deliveries += 1
        delivery = self._deliveries
        self.in_flight[delivery] = request.sender.execution
        yield env.timeout(request_us)
        request.note(kinds.REQUEST_RECEIVED)
        answer = _refusal(request.link, fate)
        if answer is None:
            service = request.link.service
            answer = service.admit(request)
            if answer is None:
                if processing_us:
                    yield env.timeout(processing_us)
                if service.database is not None and service.database.blocked(request.transaction):
                    call.set_deadline(self._world.alarms)
                    yield from service.database.turn(request.transaction)
                answer = _execute(request, fate)
                service.finished(request, answer)
        del self.in_flight[delivery]
        request.note(kinds.REPLY_SENT)
        if fate != faults.LOSE_REPLY:
            yield env.timeout(reply_us)
            call.answer(answer)


_UNANSWERED = (faults.LOSE_REQUEST, faults.LOSE_REPLY, faults.LATE_EFFECT)


def _refusal(link: Link, fate: str) -> Answer | None:
    if fate == faults.REFUSE:
        return Answer(error=ServiceUnavailable(link.subject, "503 service unavailable; nothing was done"))
    return None


def _execute(request: Request, fate: str) -> Answer:
    link, transaction = request.link, request.transaction
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
