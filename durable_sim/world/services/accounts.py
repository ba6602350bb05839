"""Accounts: what a new user gets. An account is opened under the user's own id; what is set up for it has none.

To open an account twice is to open it once. Each request to provision something makes another one, unless a key says
that it is the same request. Closing works by reference, is idempotent, and refuses what arrives for it later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Service, Tombstones, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request


@dataclass(slots=True)
class _Holding:
    kind: str
    subject: str
    reference: str | None
    effect: Effect
    gone: bool = False


class Accounts(Service):
    """Accounts and what belongs to them (workspaces, seats)."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("open", "exactly_once", "accounts"),
        EffectKind("close", "exactly_once", "accounts", undoes="open"),
        EffectKind("provision", "exactly_once", "things"),
        EffectKind("take_down", "exactly_once", "things", undoes="provision"),
    )
    processing_share: ClassVar[float] = 0.5

    def __init__(self, name: str, database: Database | None = None) -> None:
        super().__init__(name, database)
        self._holdings: list[_Holding] = []
        self._open: dict[str, _Holding] = {}
        self._keys: set[str] = set()
        self._closed = Tombstones()

    @operation
    def open(self, request: Request, user: str, *, reference: str | None = None) -> dict[str, Any]:
        """Open an account, unless the user has one. Gives {"user"}."""
        self._closed.check(request.subject, reference)
        known = self._open.get(user)
        if known is None or known.gone:
            self._open[user] = self._hold(request, "open", "", user, reference)
        return {"user": user}

    @operation
    def provision(
        self,
        request: Request,
        user: str,
        what: str,
        *,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Set something up for a user. Gives {"user", "what"}."""
        self._closed.check(request.subject, reference)
        if idempotency_key is None or idempotency_key not in self._keys:
            if idempotency_key is not None:
                self._keys.add(idempotency_key)
            self._hold(request, "provision", what, user, reference)
        return {"user": user, "what": what}

    @operation
    def close(self, request: Request, *, reference: str) -> dict[str, Any]:
        """Take down whatever was opened and set up under a reference, and refuse what arrives for it later."""
        self._closed.bury(reference, request.now_us)
        due = [held for held in self._holdings if held.reference == reference and not held.gone]
        for held in reversed(due):
            held.gone = True
            request.undo(held.effect, "close" if held.kind == "open" else "take_down")
        return {"closed": len(due)}

    def balance(self) -> dict[str, dict[str, int]]:
        books: dict[str, dict[str, int]] = {"open": {}, "provision": {}}
        for held in self._holdings:
            if not held.gone:
                books[held.kind][held.subject] = books[held.kind].get(held.subject, 0) + 1
        return books

    def _hold(self, request: Request, kind: str, subject: str, user: str, reference: str | None) -> _Holding:
        effect = request.apply(kind, subject, reference=f"{kind}_{len(self._holdings) + 1}", whose=user)
        holding = _Holding(kind, subject, reference, effect)
        self._holdings.append(holding)
        return holding
