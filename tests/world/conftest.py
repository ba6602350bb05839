"""A bench for the world: a caller that lives and dies, and calls of services one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.trace import Record
from durable_sim.workflows.commands import CallService
from durable_sim.world.database import Transaction
from durable_sim.world.faults import CallFault, Script
from durable_sim.world.ledger import Entry
from durable_sim.world.request import Sender
from durable_sim.world.services.base import Answer, ServiceSpec
from durable_sim.world.world import World


class Caller:
    """A process that calls services: hears answers as long as it lives."""

    def __init__(self, worker_id: str = "w1") -> None:
        self.worker_id = worker_id
        self.alive = True

    def deliver(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call back, unless dead."""
        if self.alive:
            callback(*arguments)


class Asked:
    """A call that was sent, and what the caller has heard of it."""

    def __init__(self, bench: Bench, number: int) -> None:
        self.bench = bench
        self.number = number
        self.heard: list[tuple[int, Answer]] = []

    def hear(self, answer: Answer) -> None:
        """Take the answer down, with its time."""
        self.heard.append((self.bench.world.now_us, answer))

    @property
    def answer(self) -> Answer:
        """The one answer."""
        ((_, answer),) = self.heard
        return answer

    @property
    def value(self) -> Any:
        """What the call gave; raises its error."""
        if self.answer.error is not None:
            raise self.answer.error
        return self.answer.value

    @property
    def error(self) -> Exception | None:
        """What the call raised."""
        return self.answer.error

    @property
    def at_us(self) -> int:
        """When the caller heard."""
        ((at_us, _),) = self.heard
        return at_us

    @property
    def told(self) -> tuple[int, str, str]:
        """All that the caller learnt of a failure: when, which class, which text."""
        return self.at_us, type(self.error).__name__, str(self.error)

    @property
    def records(self) -> list[Record]:
        """The call's records in the trace."""
        return [record for record in self.bench.world.trace if record.call == self.number]

    @property
    def kinds(self) -> list[str]:
        """The kinds of its records."""
        return [record.kind for record in self.records]

    @property
    def effects(self) -> list[Entry]:
        """What the world really did for it."""
        return [entry for entry in self.bench.ledger if entry.call == self.number]


class Bench:
    """A small world; `specs` are its services by name, `script` gives faults to the first, second, ... call."""

    def __init__(
        self,
        specs: dict[str, ServiceSpec],
        *,
        seed: int = 1,
        scripts: tuple[Script, ...] = (),
        calm_after_us: int | None = None,
    ) -> None:
        self.world = World(seed, specs, scripts, calm_after_us=calm_after_us)
        self.caller = Caller()
        self._sent = 0

    @staticmethod
    def script(subject: str, *faults: CallFault | None) -> tuple[Script, ...]:
        """Scripts for the calls of an operation in turn; None leaves one alone."""
        service, operation = subject.split(".")
        return tuple(
            Script(service, operation, place, fault) for place, fault in enumerate(faults, start=1) if fault is not None
        )

    @property
    def ledger(self) -> tuple[Entry, ...]:
        """What the world really did."""
        return self.world.ledger.entries()

    def undone_or(self, kind: str) -> int:
        """The sum of a kind's effects and of their undos, by the ledger."""
        indices = {entry.index for entry in self.ledger if entry.kind == kind}
        return sum(entry.quantity for entry in self.ledger if entry.index in indices or entry.undoes in indices)

    def send(
        self,
        subject: str,
        *arguments: Any,
        execution: str = "o-1",
        caller: Caller | None = None,
        transaction: Transaction | None = None,
        **options: Any,
    ) -> Asked:
        """Put a request on its way now."""
        service, operation = subject.split(".")
        self._sent += 1
        asked = Asked(self, self._sent)
        command = CallService(self._sent, service, operation, arguments, options)
        sender = Sender(execution, self._sent, 1)
        self.world.network.send(command, sender, caller or self.caller, asked.hear, transaction)
        return asked

    def later(self, delay_us: int, callback: Callable[..., Any], *arguments: Any) -> None:
        """Do something in a while."""
        self.world.alarms.after(delay_us, callback, *arguments)

    def run(self, for_us: int | None = None) -> None:
        """Let time pass: so much, or until nothing is left to happen."""
        self.world.env.run(None if for_us is None else self.world.now_us + for_us)

    def ask(self, subject: str, *arguments: Any, **options: Any) -> Asked:
        """Send a request and run until it is answered or given up."""
        asked = self.send(subject, *arguments, **options)
        while not asked.heard:
            self.world.env.step()
        return asked


@pytest.fixture(scope="session")
def bench() -> type[Bench]:
    """The class; make one for each world."""
    return Bench


@pytest.fixture(scope="session")
def caller() -> type[Caller]:
    """The class; make one for each process."""
    return Caller
