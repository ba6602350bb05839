"""Subscriptions: trials that begin, are paid for or not, and end. Customers pay when they like, at any instant.

`paid` says who pays when, since the start of the simulation; nobody is told, whoever wants to know must ask. To end
the trial of somebody who has paid in the meantime locks out a paying customer, which nobody can have wanted: it has a
name of its own in the ledger. `end_trial(unless_paid=True)` looks and acts in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.durations import Duration, duration_us
from durable_sim.world.ledger import EffectKind
from durable_sim.world.services.base import Service, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request


class Subscriptions(Service):
    """Who has a trial, and who pays. Everything here is idempotent, being about the state of one customer."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("start_trial", "exactly_once", "trials"),
        EffectKind("end_trial", "best_effort", "trials"),
        EffectKind("lock_out", "exactly_once", "customers"),
    )

    def __init__(self, name: str, database: Database | None = None, paid: Mapping[str, Duration] | None = None) -> None:
        super().__init__(name, database)
        self._paid_us = {customer: duration_us(when) for customer, when in (paid or {}).items()}
        self._began: set[str] = set()
        self._ended: set[str] = set()
        self._locked_out = 0

    @operation
    def start_trial(self, request: Request, customer: str) -> dict[str, Any]:
        """Begin a trial, unless it has begun before."""
        if customer not in self._began:
            self._began.add(customer)
            request.apply("start_trial", reference=customer, whose=customer)
        return {"customer": customer}

    @operation
    def standing(self, request: Request, customer: str) -> dict[str, Any]:
        """Gives {"paid": whether the customer has paid by now}."""
        return {"paid": self._has_paid(customer, request.now_us)}

    @operation
    def end_trial(self, request: Request, customer: str, *, unless_paid: bool = False) -> dict[str, Any]:
        """End a trial. Gives {"ended"}; with `unless_paid` it is left alone where it has been paid for."""
        paid = self._has_paid(customer, request.now_us)
        if paid and unless_paid:
            return {"ended": False}
        if customer not in self._ended:
            self._ended.add(customer)
            self._locked_out += paid
            request.apply("lock_out" if paid else "end_trial", reference=customer, whose=customer)
        return {"ended": True}

    def balance(self) -> dict[str, dict[str, int]]:
        ended = len(self._ended) - self._locked_out
        return {
            "start_trial": {"": len(self._began)},
            "end_trial": {"": ended},
            "lock_out": {"": self._locked_out},
        }

    def _has_paid(self, customer: str, now_us: int) -> bool:
        return customer in self._paid_us and self._paid_us[customer] <= now_us
