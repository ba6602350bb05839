"""Acquirer: card payments in two steps, and payouts to merchants, with the idempotency keys of `Payments`.

An authorisation holds money, a capture turns the hold into a charge, a payout passes it on. A hold that is captured is
over: the ledger has the end of the hold just before the charge. The undo of each is by reference: it undoes what there
is, and stops what arrives later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.durations import Duration
from durable_sim.workflows.failures import Rejected
from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Tombstones, operation
from durable_sim.world.services.payments import DECLINED_CARD, CardDeclined, Payments

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request


class NoSuchAuthorisation(Rejected):
    """404: there is no such hold, or it is over."""


@dataclass(slots=True)
class _Held:
    id: str
    customer: str
    cents: int
    reference: str | None
    effect: Effect
    over: bool = False


class Acquirer(Payments):
    """A payment provider that also authorises, captures and pays out."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        *Payments.effects,
        EffectKind("authorise", "exactly_once", "cents"),
        EffectKind("release", "exactly_once", "cents", undoes="authorise"),
        EffectKind("payout", "exactly_once", "cents"),
        EffectKind("recall", "exactly_once", "cents", undoes="payout"),
    )

    def __init__(self, name: str, database: Database | None = None, key_lifetime: Duration = "24h") -> None:
        super().__init__(name, database, key_lifetime)
        self._holds: list[_Held] = []
        self._payouts: list[_Held] = []
        self._voided = Tombstones()
        self._recalled = Tombstones()

    @operation
    def authorise(
        self,
        request: Request,
        customer: str,
        amount: float,
        *,
        reference: str,
        idempotency_key: str | None = None,
        card: str = "card_ok",
    ) -> dict[str, Any]:
        """Hold money. Gives {"id"}."""
        self._voided.check(request.subject, reference)
        if card == DECLINED_CARD:
            raise CardDeclined(request.subject, f"402 the card of {customer} was declined")
        return {"id": self._enter(request, "authorise", self._holds, customer, amount, reference)}

    @operation
    def capture(
        self, request: Request, authorisation: str, *, reference: str, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Turn a hold into a charge. Gives {"id", "amount", "status"} of the charge."""
        for held in self._holds:
            if held.id == authorisation and not held.over:
                self._cancelled.check(request.subject, reference)
                self._end(request, held, "release")
                return self.charge(request, held.customer, held.cents / 100, reference=reference)
        raise NoSuchAuthorisation(request.subject, f"404 no open authorisation {authorisation}")

    @operation
    def void(self, request: Request, *, reference: str) -> dict[str, Any]:
        """Let go of whatever is held under a reference, and refuse what arrives for it later."""
        self._voided.bury(reference, request.now_us)
        return {"voided": self._end_all(request, self._holds, "release", reference)}

    @operation
    def payout(
        self, request: Request, merchant: str, amount: float, *, reference: str, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Pay a merchant. Gives {"id"}."""
        self._recalled.check(request.subject, reference)
        return {"id": self._enter(request, "payout", self._payouts, merchant, amount, reference)}

    @operation
    def recall(self, request: Request, *, reference: str) -> dict[str, Any]:
        """Take back whatever was paid out under a reference, and refuse what arrives for it later."""
        self._recalled.bury(reference, request.now_us)
        return {"recalled": self._end_all(request, self._payouts, "recall", reference)}

    def balance(self) -> dict[str, dict[str, int]]:
        return {
            **super().balance(),
            "authorise": {"": _standing(self._holds)},
            "payout": {"": _standing(self._payouts)},
        }

    def _enter(self, request: Request, kind: str, book: list[_Held], who: str, amount: float, reference: str) -> str:
        number, cents = f"{kind}_{len(book) + 1}", round(amount * 100)
        effect = request.apply(kind, quantity=cents, reference=number, whose=who)
        book.append(_Held(number, who, cents, reference, effect))
        return number

    def _end(self, request: Request, held: _Held, kind: str) -> str:
        held.over = True
        request.undo(held.effect, kind, held.id)
        return held.id

    def _end_all(self, request: Request, book: list[_Held], kind: str, reference: str) -> list[str]:
        due = [held for held in book if held.reference == reference and not held.over]
        return [self._end(request, held, kind) for held in reversed(due)]


def _standing(book: list[_Held]) -> int:
    return sum(held.cents for held in book if not held.over)
