"""Compute: machines that train models epoch by epoch. An epoch that is trained again costs again, and harms nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.world.ledger import EffectKind
from durable_sim.world.services.base import Service, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request


class Compute(Service):
    """Hours on expensive machines. Epochs are owed at least once; those trained again are repeats."""

    effects: ClassVar[tuple[EffectKind, ...]] = (EffectKind("train", "at_least_once", "epochs"),)
    processing_share: ClassVar[float] = 1.0

    def __init__(self, name: str, database: Database | None = None) -> None:
        super().__init__(name, database)
        self._epochs: dict[str, int] = {}

    @operation
    def train(self, request: Request, job: str, epoch: int) -> dict[str, Any]:
        """Train one epoch from the weights of the one before. Gives {"checkpoint"}."""
        subject = f"epoch {epoch}"
        self._epochs[subject] = self._epochs.get(subject, 0) + 1
        request.apply("train", subject, reference=f"{job}/{epoch}", whose=job)
        return {"checkpoint": f"{job}/{epoch}"}

    def balance(self) -> dict[str, dict[str, int]]:
        return {"train": dict(self._epochs)}
