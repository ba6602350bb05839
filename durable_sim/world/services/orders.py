"""The application's own orders table: real SQL rows whose status says what became of an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Canceled, Service, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request

_SCHEMA = """
CREATE TABLE orders (id TEXT PRIMARY KEY, status TEXT NOT NULL, reference TEXT);
CREATE TABLE cancelled (reference TEXT PRIMARY KEY);
"""
_COMPLETE = """
INSERT INTO orders (id, status, reference) SELECT ?, 'complete', ?
WHERE NOT EXISTS (SELECT 1 FROM cancelled WHERE reference = ?)
ON CONFLICT (id) DO UPDATE SET status = 'complete', reference = excluded.reference WHERE status != 'complete'
"""


class Orders(Service):
    """The orders table. Completing is idempotent, being a plain update of a row."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("complete", "exactly_once", "orders"),
        EffectKind("cancel", "exactly_once", "orders", undoes="complete"),
    )
    on_database: ClassVar[bool] = True

    def __init__(self, name: str, database: Database | None) -> None:
        super().__init__(name, database)
        assert database is not None
        self._sql = database
        database.script(_SCHEMA)
        self._effects: dict[str, Effect] = {}

    @operation
    def complete(self, request: Request, order_id: str, *, reference: str | None = None) -> dict[str, Any]:
        """Mark an order complete, unless it was cancelled under this reference."""
        changed = self._sql.execute(_COMPLETE, (order_id, reference, reference)).rowcount
        if changed:
            self._effects[order_id] = request.apply("complete", reference=order_id, whose=order_id)
        elif self._is_cancelled(reference):
            raise Canceled(request.subject, f"{reference} was cancelled before this request arrived")
        return {"status": "complete"}

    @operation
    def cancel(self, request: Request, order_id: str, *, reference: str) -> dict[str, Any]:
        """Mark an order cancelled, and refuse a completion under this reference that arrives later."""
        sql = self._sql
        sql.execute("INSERT OR IGNORE INTO cancelled (reference) VALUES (?)", (reference,))
        row = sql.execute("SELECT status FROM orders WHERE id = ?", (order_id,)).fetchone()
        sql.execute(
            "INSERT OR REPLACE INTO orders (id, status, reference) VALUES (?, 'cancelled', ?)", (order_id, reference)
        )
        if row is not None and row[0] == "complete":
            request.undo(self._effects[order_id], "cancel", order_id)
        return {"status": "cancelled"}

    @operation
    def get(self, request: Request, order_id: str) -> dict[str, Any]:
        """Read an order's row. Gives {"id", "status"}; the status of an order without a row is "new"."""
        row = self._sql.execute("SELECT status FROM orders WHERE id = ?", (order_id,)).fetchone()
        return {"id": order_id, "status": row[0] if row else "new"}

    def _is_cancelled(self, reference: str | None) -> bool:
        query = "SELECT 1 FROM cancelled WHERE reference = ?"
        return self._sql.execute(query, (reference,)).fetchone() is not None

    def balance(self) -> dict[str, dict[str, int]]:
        (complete,) = self._sql.execute("SELECT count(*) FROM orders WHERE status = 'complete'").fetchone()
        return {"complete": {"": complete}}
