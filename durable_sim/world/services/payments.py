"""Payments: charges and refunds, with idempotency keys as real payment APIs have them.

The first result of a key, errors included, is saved and replayed until the key expires; the same key with other
parameters, or while the first request is still running, is refused. A refund of a refunded charge is an error. A
refund by `reference` is the undo for who lost the charge's id: it refunds whatever was charged under it, and stops
what arrives later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.durations import Duration, duration_us
from durable_sim.workflows.failures import Rejected
from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Answer, Service, Tombstones, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request

DECLINED_CARD = "card_declined"


class CardDeclined(Rejected):
    """402: the bank says no."""


class InvalidAmount(Rejected):
    """400: nothing, or less, is to be charged."""


class IdempotencyError(Rejected):
    """400: the same key was used with other parameters."""


class IdempotencyKeyInUse(Rejected):
    """409: a request with the same key is still running."""


class ChargeAlreadyRefunded(Rejected):
    """400: there is nothing left to refund."""


class NoSuchCharge(Rejected):
    """404: the charge does not exist."""


@dataclass(slots=True)
class _Saved:
    parameters: tuple[Any, ...]
    expires_us: int
    answer: Answer | None = None


@dataclass(slots=True)
class _Charge:
    id: str
    cents: int
    reference: str | None
    effect: Effect
    refunded: bool = False


@dataclass(slots=True)
class _Books:
    charges: dict[str, _Charge] = field(default_factory=dict)
    taken_cents: int = 0
    refunded_cents: int = 0


class Payments(Service):
    """A payment provider. Amounts are in whole currency units or fractions of them; the ledger counts cents."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("charge", "exactly_once", "cents"),
        EffectKind("refund", "exactly_once", "cents", undoes="charge"),
    )
    processing_share: ClassVar[float] = 0.6

    def __init__(self, name: str, database: Database | None = None, key_lifetime: Duration = "24h") -> None:
        super().__init__(name, database)
        self._key_lifetime_us = duration_us(key_lifetime)
        self._saved: dict[str, _Saved] = {}
        self._books = _Books()
        self._cancelled = Tombstones()

    @operation
    def charge(
        self,
        request: Request,
        customer: str,
        amount: float,
        *,
        idempotency_key: str | None = None,
        reference: str | None = None,
        card: str = "card_ok",
    ) -> dict[str, Any]:
        """Take money. Gives {"id", "amount", "status"}."""
        self._cancelled.check(request.subject, reference)
        if card == DECLINED_CARD:
            raise CardDeclined(request.subject, f"402 the card of {customer} was declined")
        cents = round(amount * 100)
        if cents <= 0:
            raise InvalidAmount(request.subject, f"400 the amount is {amount}, expected more than 0")
        number = f"ch_{len(self._books.charges) + 1}"
        effect = request.apply("charge", quantity=cents, reference=number, whose=customer)
        self._books.charges[number] = _Charge(number, cents, reference, effect)
        self._books.taken_cents += cents
        return {"id": number, "amount": amount, "status": "succeeded"}

    @operation
    def refund(
        self,
        request: Request,
        charge_id: str | None = None,
        *,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Give money back, for one charge by its id, or for all there is under a reference (and may yet arrive)."""
        if charge_id is not None:
            return {"refunded": [self._refund(request, self._known(request, charge_id))]}
        if reference is None:
            raise Rejected(request.subject, "400 give charge_id or reference")
        self._cancelled.bury(reference, request.now_us)
        due = [c for c in self._books.charges.values() if c.reference == reference and not c.refunded]
        return {"refunded": [self._refund(request, charge) for charge in reversed(due)]}

    def admit(self, request: Request) -> Answer | None:
        key = request.options.get("idempotency_key")
        if key is None:
            return None
        saved = self._saved.get(key)
        if saved is not None and saved.expires_us > request.now_us:
            return self._replay(request, saved)
        expires_us = request.now_us + self._key_lifetime_us
        self._saved[key] = _Saved(_parameters(request), expires_us)
        return None

    def finished(self, request: Request, answer: Answer) -> None:
        key = request.options.get("idempotency_key")
        if key is not None:
            self._saved[key].answer = answer

    def balance(self) -> dict[str, dict[str, int]]:
        return {"charge": {"": self._books.taken_cents - self._books.refunded_cents}}

    def _replay(self, request: Request, saved: _Saved) -> Answer:
        subject = request.subject
        if saved.parameters != _parameters(request):
            return Answer(error=IdempotencyError(subject, "400 idempotency key reused with other parameters"))
        if saved.answer is None:
            return Answer(
                error=IdempotencyKeyInUse(subject, "409 a request with this idempotency key is still running")
            )
        return saved.answer

    def _known(self, request: Request, charge_id: str) -> _Charge:
        charge = self._books.charges.get(charge_id)
        if charge is None:
            raise NoSuchCharge(request.subject, f"404 no charge {charge_id}")
        if charge.refunded:
            raise ChargeAlreadyRefunded(request.subject, f"400 charge {charge_id} has already been refunded")
        return charge

    def _refund(self, request: Request, charge: _Charge) -> str:
        charge.refunded = True
        self._books.refunded_cents += charge.cents
        request.undo(charge.effect, "refund", charge.id)
        return charge.id


def _parameters(request: Request) -> tuple[Any, ...]:
    bound = request.signature.bind(*request.arguments, **request.options)
    return (request.subject, sorted(bound.arguments.items()))
