"""Storage: a bucket of named objects, as reports, partitions of a data set and published tables are kept.

To put the same object again changes nothing; to append does, every time, unless a key says that it is the same
append. Deletion by name takes what is there and forgets about it; deletion by reference also refuses what arrives
later. A write that comes with a fencing token is refused when a higher one was there before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from durable_sim.workflows.failures import Rejected
from durable_sim.world.ledger import Effect, EffectKind
from durable_sim.world.services.base import Service, Tombstones, operation
from durable_sim.world.services.fencing import Fence

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request


class NoSuchObject(Rejected):
    """404: there is no object of that name."""


@dataclass(slots=True)
class _Part:
    name: str
    value: Any
    reference: str | None
    effect: Effect
    deleted: bool = False


class Storage(Service):
    """A bucket. What is counted is parts: an object that was put has one, an appended one several.

    Where it is `fenced`, every write and deletion must have a fencing token.
    """

    effects: ClassVar[tuple[EffectKind, ...]] = (
        EffectKind("write", "exactly_once", "parts"),
        EffectKind("delete", "exactly_once", "parts", undoes="write"),
    )

    def __init__(self, name: str, database: Database | None = None, fenced: bool = False) -> None:
        super().__init__(name, database)
        self._fence = Fence(fenced)
        self._parts: list[_Part] = []
        self._keys: dict[str, str] = {}
        self._cancelled = Tombstones()

    @operation
    def put(
        self,
        request: Request,
        name: str,
        value: Any,
        *,
        reference: str | None = None,
        fencing_token: Sequence[object] | None = None,
    ) -> dict[str, Any]:
        """Write an object whole; what it was before is replaced. Gives {"name"}."""
        self._fence.check(request.subject, fencing_token)
        self._cancelled.check(request.subject, reference)
        standing = self._standing(name)
        for part in standing:
            part.value = value
        if not standing:
            self._write(request, name, value, reference)
        return {"name": name}

    @operation
    def append(
        self,
        request: Request,
        name: str,
        value: Any,
        *,
        reference: str | None = None,
        idempotency_key: str | None = None,
        fencing_token: Sequence[object] | None = None,
    ) -> dict[str, Any]:
        """Add a part to an object. Gives {"name"}."""
        self._fence.check(request.subject, fencing_token)
        self._cancelled.check(request.subject, reference)
        if idempotency_key is not None:
            if idempotency_key in self._keys:
                return {"name": self._keys[idempotency_key]}
            self._keys[idempotency_key] = name
        self._write(request, name, value, reference)
        return {"name": name}

    @operation
    def get(self, request: Request, name: str) -> dict[str, Any]:
        """Read an object. Gives {"name", "parts"}."""
        parts = [part.value for part in self._standing(name)]
        if not parts:
            raise NoSuchObject(request.subject, f"404 there is no object {name}")
        return {"name": name, "parts": parts}

    @operation
    def delete(
        self,
        request: Request,
        name: str | None = None,
        *,
        reference: str | None = None,
        fencing_token: Sequence[object] | None = None,
    ) -> dict[str, Any]:
        """Delete an object by its name, or all there are under a reference (and refuse what arrives for it later)."""
        self._fence.check(request.subject, fencing_token)
        if name is None and reference is None:
            raise Rejected(request.subject, "400 give name or reference")
        if name is not None:
            due = self._standing(name)
        else:
            assert reference is not None
            self._cancelled.bury(reference, request.now_us)
            due = [part for part in self._parts if part.reference == reference and not part.deleted]
        for part in reversed(due):
            part.deleted = True
            request.undo(part.effect, "delete", part.name)
        return {"deleted": len(due)}

    def balance(self) -> dict[str, dict[str, int]]:
        amounts: dict[str, int] = {}
        for part in self._parts:
            if not part.deleted:
                amounts[part.name] = amounts.get(part.name, 0) + 1
        return {"write": amounts}

    def _standing(self, name: str) -> list[_Part]:
        return [part for part in self._parts if part.name == name and not part.deleted]

    def _write(self, request: Request, name: str, value: Any, reference: str | None) -> None:
        effect = request.apply("write", name, reference=f"part_{len(self._parts) + 1}")
        self._parts.append(_Part(name, value, reference, effect))
