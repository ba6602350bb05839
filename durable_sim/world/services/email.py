"""Email: accepted means queued, and nothing is deduplicated.

A time-out after acceptance is ambiguous, so a retry may send twice. A sent mail cannot be taken back; the
cancellation mail is the only, imperfect, undo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Service, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request


class Email(Service):
    """A mail provider without idempotency keys, as the common ones are."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("send", "at_least_once", "mails"),
        EffectKind("send_cancellation", "best_effort", "mails", undoes="send"),
    )

    def __init__(self, name: str, database: Database | None = None) -> None:
        super().__init__(name, database)
        self._confirmed: dict[str, list[Effect]] = {}
        self._sent = {"send": 0, "send_cancellation": 0}

    @operation
    def send(self, request: Request, to: str, template: str, *, reference: str | None = None) -> dict[str, Any]:
        """Send a mail. Gives {"message"}, the provider's id."""
        message = self._number("send")
        effect = request.apply("send", template, reference=message, whose=to)
        self._confirmed.setdefault(reference or to, []).append(effect)
        return {"message": message}

    @operation
    def send_cancellation(self, request: Request, to: str, *, reference: str | None = None) -> dict[str, Any]:
        """Send a mail that takes an earlier one back, as far as a mail can."""
        message = self._number("send_cancellation")
        earlier = self._confirmed.get(reference or to)
        if earlier:
            request.undo(earlier.pop(), "send_cancellation", message)
        else:
            request.apply("send_cancellation", "cancellation", reference=message, whose=to)
        return {"message": message}

    def _number(self, kind: str) -> str:
        self._sent[kind] += 1
        return f"{'msg' if kind == 'send' else 'bye'}_{self._sent[kind]}"
