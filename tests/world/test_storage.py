"""Storage: to put again changes nothing, to append does; deletion by reference refuses what comes later."""

from __future__ import annotations

from typing import Any

from durable_sim.randomness import Constant
from durable_sim.world.faults import CallFault, Mixture
from durable_sim.world.services.base import Canceled, ServiceSpec
from durable_sim.world.services.storage import NoSuchObject, Storage

Bench = Any  # the class that the fixture gives


def bucket(bench: Bench, subject: str = "storage.put", *faults: CallFault | None) -> Any:
    """A world with a bucket."""
    spec = ServiceSpec(Storage, latency=Constant("80ms"), faults=Mixture(late_by=Constant("5s")))
    return bench({"storage": spec}, scripts=bench.script(subject, *faults))


def kinds(b: Any) -> list[tuple[str, str]]:
    """The ledger, in short."""
    return [(entry.kind.removeprefix("storage."), entry.subject) for entry in b.ledger]


def test_an_object_that_is_put_again_is_replaced(bench: Bench) -> None:
    """One effect, the newer value."""
    b = bucket(bench)
    b.ask("storage.put", "a", 1)
    b.ask("storage.put", "a", 2)
    assert kinds(b) == [("write", "a")]
    assert b.ask("storage.get", "a").value == {"name": "a", "parts": [2]}


def test_what_is_appended_again_is_there_again(bench: Bench) -> None:
    """Unless a key says that it is the same."""
    b = bucket(bench)
    for _ in range(2):
        b.ask("storage.append", "a", 1)
        b.ask("storage.append", "b", 1, idempotency_key="k")
    assert kinds(b) == [("write", "a"), ("write", "b"), ("write", "a")]


def test_a_deleted_object_is_gone_and_can_be_put_again(bench: Bench) -> None:
    """By name nothing is remembered; to delete nothing is no error."""
    b = bucket(bench)
    b.ask("storage.append", "a", 1)
    b.ask("storage.append", "a", 2)
    assert b.ask("storage.delete", "a").value == {"deleted": 2}
    assert b.ask("storage.delete", "a").value == {"deleted": 0}
    assert isinstance(b.ask("storage.get", "a").error, NoSuchObject)
    b.ask("storage.put", "a", 3)
    assert b.undone_or("storage.write") == 1


def test_what_is_deleted_by_reference_does_not_come_back(bench: Bench) -> None:
    """A write that arrives late for it is refused; others are left alone."""
    b = bucket(bench, "storage.put", None, None, "late_effect")
    b.ask("storage.put", "a", 1, reference="o-1")
    b.ask("storage.put", "b", 1, reference="o-2")
    late = b.send("storage.put", "c", 1, reference="o-1")
    assert b.ask("storage.delete", reference="o-1").value == {"deleted": 1}
    b.run()
    assert late.error is not None
    assert kinds(b) == [("write", "a"), ("write", "b"), ("delete", "a")]
    assert isinstance(b.ask("storage.append", "a", 1, reference="o-1").error, Canceled)


def test_to_delete_one_must_say_what(bench: Bench) -> None:
    """Neither name nor reference is refused."""
    assert "give name or reference" in str(bucket(bench).ask("storage.delete").error)


def test_the_books_count_the_parts_that_are_there(bench: Bench) -> None:
    """By name, deleted ones left out."""
    b = bucket(bench)
    for name in ("a", "a", "b"):
        b.ask("storage.append", name, 1)
    b.ask("storage.delete", "b")
    assert b.world.services["storage"].balance() == {"write": {"a": 2}}
