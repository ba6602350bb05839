"""Inventory: stock in the application's SQL database, reserved with a conditional update.

The update is the one of the article: `reserved = reserved + n WHERE available >= n`. There, nothing makes `available`
go down; here it is computed from the stock and what is reserved, without which the statement would never refuse. One
request reserves one item, so an order of several can be left half reserved. Release is by reference, idempotent, and
safe before its reservation arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.workflows.failures import Rejected
from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Canceled, Service, operation

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request

_SCHEMA = """
CREATE TABLE inventory (
    sku TEXT PRIMARY KEY,
    stock INTEGER NOT NULL,
    reserved INTEGER NOT NULL DEFAULT 0,
    available INTEGER GENERATED ALWAYS AS (stock - reserved) VIRTUAL
);
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY,
    idempotency_key TEXT UNIQUE,
    reference TEXT,
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    effect INTEGER,
    released INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX reservations_reference ON reservations (reference);
CREATE TABLE released (reference TEXT PRIMARY KEY);
"""
_LOOK = """
SELECT (SELECT 1 FROM released WHERE reference = ?), (SELECT id FROM reservations WHERE idempotency_key = ?)
"""


class OutOfStock(Rejected):
    """409: not enough of the item is left."""


class Inventory(Service):
    """Stock keeping. `stock` gives the units by item; of an item not named there are `default_stock`."""

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("reserve", "exactly_once", "units"),
        EffectKind("release", "exactly_once", "units", undoes="reserve"),
    )
    on_database: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        database: Database | None,
        stock: Mapping[str, int] | None = None,
        default_stock: int = 1_000_000,
    ) -> None:
        super().__init__(name, database)
        assert database is not None
        self._sql = database
        self._default_stock = default_stock
        database.script(_SCHEMA)
        for sku, units in (stock or {}).items():
            database.execute("INSERT INTO inventory (sku, stock) VALUES (?, ?)", (sku, units))
        self._effects: dict[int, Effect] = {}

    @operation
    def reserve(
        self,
        request: Request,
        sku: str,
        quantity: int,
        *,
        reference: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Set units of one item aside. Gives {"reservation"}."""
        sql = self._sql
        if quantity <= 0:
            raise Rejected(request.subject, f"400 the quantity is {quantity}, expected 1 or more")
        released, known = sql.execute(_LOOK, (reference, idempotency_key)).fetchone()
        if released:
            raise Canceled(request.subject, f"{reference} was released before this request arrived")
        if known:
            return {"reservation": known}
        update = "UPDATE inventory SET reserved = reserved + ? WHERE sku = ? AND available >= ?"
        if sql.execute(update, (quantity, sku, quantity)).rowcount == 0 and not self._first_time(sku, quantity):
            raise OutOfStock(request.subject, f"fewer than {quantity} of {sku} are left")
        insert = "INSERT INTO reservations (idempotency_key, reference, sku, quantity) VALUES (?, ?, ?, ?)"
        reservation = sql.execute(insert, (idempotency_key, reference, sku, quantity)).lastrowid
        assert reservation is not None
        self._effects[reservation] = request.apply("reserve", sku, quantity, f"rs_{reservation}")
        return {"reservation": reservation}

    def _first_time(self, sku: str, quantity: int) -> bool:
        """Stock an item that nobody has asked for before, and reserve from it."""
        insert = "INSERT OR IGNORE INTO inventory (sku, stock, reserved) SELECT ?, ?, ? WHERE ? <= ?"
        values = (sku, self._default_stock, quantity, quantity, self._default_stock)
        return self._sql.execute(insert, values).rowcount == 1

    @operation
    def release(self, request: Request, *, reference: str) -> dict[str, Any]:
        """Put back whatever is reserved under a reference, and refuse what arrives for it later."""
        sql = self._sql
        sql.execute("INSERT OR IGNORE INTO released (reference) VALUES (?)", (reference,))
        query = "SELECT id, sku, quantity FROM reservations WHERE reference = ? AND released = 0 ORDER BY id DESC"
        held = sql.execute(query, (reference,)).fetchall()
        for reservation, sku, quantity in held:
            sql.execute("UPDATE inventory SET reserved = reserved - ? WHERE sku = ?", (quantity, sku))
            sql.execute("UPDATE reservations SET released = 1 WHERE id = ?", (reservation,))
            request.undo(self._effects[reservation], "release", f"rs_{reservation}")
        return {"released": len(held)}

    def balance(self) -> dict[str, dict[str, int]]:
        rows = self._sql.execute("SELECT sku, reserved FROM inventory WHERE reserved != 0 ORDER BY sku").fetchall()
        return {"reserve": dict(rows)}
