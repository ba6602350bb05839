"""A request as a service meets it, and its way into the ledger.

A service learns from it what is asked and what time it is, and tells through it what takes effect. On whose behalf it
was sent, only the ledger and the trace are told.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, NamedTuple

from durable_sim import trace
from durable_sim.errors import UnknownNameError
from durable_sim.workflows.commands import CallService
from durable_sim.world.database import Transaction
from durable_sim.world.ground import Ground
from durable_sim.world.ledger import Effect, Entry


class Sender(NamedTuple):
    """On whose behalf a request is sent; services do not see it, the ledger and the trace do."""

    execution: str
    step: int | None
    attempt: int | None


class Request:
    """One request under way. Services use `now_us`, `apply` and the arguments; the rest belongs to the network."""

    __slots__ = (
        "_ground",
        "arguments",
        "kinds",
        "number",
        "options",
        "sender",
        "sent_us",
        "service",
        "signature",
        "subject",
        "transaction",
        "worker_id",
    )

    def __init__(
        self,
        ground: Ground,
        number: int,
        command: CallService,
        signature: inspect.Signature,
        kinds: frozenset[str],
        sender: Sender,
        worker_id: str,
        transaction: Transaction | None,
    ) -> None:
        self._ground = ground
        self.number = number
        self.service = command.service
        self.subject = f"{command.service}.{command.operation}"
        self.signature = signature
        self.kinds = kinds
        self.sender = sender
        self.worker_id = worker_id
        self.arguments = command.arguments
        self.options = command.options
        self.transaction = transaction
        self.sent_us = ground.now_us

    @property
    def now_us(self) -> int:
        """The service's clock."""
        return self._ground.now_us

    def apply(
        self, kind: str, subject: str = "", quantity: int = 1, reference: str = "", *, whose: object = ""
    ) -> Effect:
        """Say that an effect of this kind takes place (now, or at the commit of the transaction it belongs to).

        `subject` says of what, `whose` for whom: a customer, an address. Two for one customer and none for another are
        not what is owed.

        Raises:
            UnknownNameError: the service does not declare this kind of effect.
        """
        return self._apply(kind, subject, quantity, reference, str(whose), None)

    def undo(self, effect: Effect, kind: str, reference: str = "") -> Effect:
        """Say that an effect of this kind takes place which undoes an earlier one."""
        entry = effect.entry
        return self._apply(kind, entry.subject, -entry.quantity, reference, entry.whose, effect)

    def _apply(
        self, kind: str, subject: str, quantity: int, reference: str, whose: str, undoes: Effect | None
    ) -> Effect:
        if kind not in self.kinds:
            raise UnknownNameError(f"kind of effect of service {self.service}", kind, sorted(self.kinds))
        execution, step, _ = self.sender
        kind = f"{self.service}.{kind}"
        effect = Effect(
            Entry(-1, -1, kind, execution, step, subject, quantity, reference, None, self.number, self.sent_us, whose)
        )
        if self.transaction is None:
            self.enter(effect, undoes)
        else:
            self.transaction.staged.append(partial(self.enter, effect, undoes))
        return effect

    def enter(self, effect: Effect, undoes: Effect | None) -> None:
        """Write an effect into the ledger and the trace."""
        ledger = self._ground.ledger
        undone = None if undoes is None else undoes.entry.index
        entry = effect.entry = effect.entry._replace(index=len(ledger), time_us=self.now_us, undoes=undone)
        ledger.add(entry)
        detail = {"effect": entry.index, "kind": entry.kind, "subject": entry.subject, "quantity": entry.quantity}
        if entry.whose:
            detail["whose"] = entry.whose
        if entry.undoes is not None:
            detail["undoes"] = entry.undoes
        self.note(trace.EFFECT_APPLIED, detail)

    def note(self, kind: str, data: dict[str, Any] | None = None) -> None:
        """Leave a record of this call in the trace."""
        execution, step, attempt = self.sender
        self._ground.trace.add(kind, execution, self.worker_id, self.subject, step, attempt, self.number, data)
