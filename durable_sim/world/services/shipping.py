"""Shipping: labels. Booking is idempotent only with a key; a label can be voided within a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.durations import Duration, duration_us, format_us
from durable_sim.workflows.failures import Rejected
from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Service, Tombstones, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request


class NoSuchLabel(Rejected):
    """404: the label does not exist."""


class LabelAlreadyVoided(Rejected):
    """400: the label has been voided before."""


class VoidWindowClosed(Rejected):
    """400: the label is too old to be voided."""


@dataclass(slots=True)
class _Label:
    id: str
    booked_us: int
    reference: str | None
    effect: Effect
    voided: bool = False


class Shipping(Service):
    """A carrier's label API."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("schedule", "exactly_once", "parcels"),
        EffectKind("void", "exactly_once", "parcels", undoes="schedule"),
    )
    processing_share: ClassVar[float] = 0.5

    def __init__(self, name: str, database: Database | None = None, void_window: Duration = "28d") -> None:
        super().__init__(name, database)
        self._void_window_us = duration_us(void_window)
        self._labels: dict[str, _Label] = {}
        self._by_key: dict[str, str] = {}
        self._cancelled = Tombstones()

    @operation
    def schedule(
        self,
        request: Request,
        order_id: str,
        *,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Book a parcel. Gives {"label"}."""
        self._cancelled.check(request.subject, reference)
        if idempotency_key is not None and idempotency_key in self._by_key:
            return {"label": self._by_key[idempotency_key]}
        number = f"lb_{len(self._labels) + 1}"
        effect = request.apply("schedule", reference=number, whose=order_id)
        self._labels[number] = _Label(number, request.now_us, reference, effect)
        if idempotency_key is not None:
            self._by_key[idempotency_key] = number
        return {"label": number}

    @operation
    def void(self, request: Request, label: str | None = None, *, reference: str | None = None) -> dict[str, Any]:
        """Void a label by its id, or all there are under a reference (and refuse what arrives for it later)."""
        if label is not None:
            known = self._known(request, label)
            self._check_window(request, known)
            return {"voided": [self._void(request, known)]}
        if reference is None:
            raise Rejected(request.subject, "400 give label or reference")
        self._cancelled.bury(reference, request.now_us)
        due = [found for found in self._labels.values() if found.reference == reference and not found.voided]
        for found in due:
            self._check_window(request, found)
        return {"voided": [self._void(request, found) for found in reversed(due)]}

    def balance(self) -> dict[str, dict[str, int]]:
        return {"schedule": {"": sum(not label.voided for label in self._labels.values())}}

    def _known(self, request: Request, number: str) -> _Label:
        label = self._labels.get(number)
        if label is None:
            raise NoSuchLabel(request.subject, f"404 no label {number}")
        if label.voided:
            raise LabelAlreadyVoided(request.subject, f"400 label {number} has already been voided")
        return label

    def _check_window(self, request: Request, label: _Label) -> None:
        if request.now_us - label.booked_us > self._void_window_us:
            age = format_us(request.now_us - label.booked_us)
            raise VoidWindowClosed(request.subject, f"400 label {label.id} is {age} old")

    def _void(self, request: Request, label: _Label) -> str:
        label.voided = True
        request.undo(label.effect, "void", label.id)
        return label.id
