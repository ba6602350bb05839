"""Accounts: opened once under a user's id, things set up once a request or once a key, closed by reference."""

from __future__ import annotations

from typing import Any

from durable_sim.randomness import Constant
from durable_sim.world.services.accounts import Accounts
from durable_sim.world.services.base import Canceled, ServiceSpec

Bench = Any  # the class that the fixture gives


def desk(bench: Bench) -> Any:
    """A world with accounts."""
    return bench({"accounts": ServiceSpec(Accounts, latency=Constant("80ms"))})


def kinds(b: Any) -> list[str]:
    """The ledger, in short."""
    return [entry.kind.removeprefix("accounts.") for entry in b.ledger]


def test_an_account_is_opened_once(bench: Bench) -> None:
    """The user's id is key enough."""
    b = desk(bench)
    assert b.ask("accounts.open", "ada").value == b.ask("accounts.open", "ada").value == {"user": "ada"}
    assert kinds(b) == ["open"]


def test_a_workspace_is_one_a_request_without_a_key_and_one_a_key_with_one(bench: Bench) -> None:
    """Nothing else tells a retry from a wish for another."""
    b = desk(bench)
    for _ in range(2):
        b.ask("accounts.provision", "ada", "workspace", idempotency_key="k")
    assert kinds(b) == ["provision"]
    b.ask("accounts.provision", "ada", "workspace")
    b.ask("accounts.provision", "ada", "workspace")
    assert kinds(b) == ["provision"] * 3


def test_closing_takes_down_what_is_there_last_first_and_refuses_what_comes(bench: Bench) -> None:
    """It is idempotent, and touches nobody else's."""
    b = desk(bench)
    b.ask("accounts.open", "ada", reference="u-1")
    b.ask("accounts.open", "bea", reference="u-2")
    b.ask("accounts.provision", "ada", "workspace", reference="u-1")
    assert b.ask("accounts.close", reference="u-1").value == {"closed": 2}
    assert b.ask("accounts.close", reference="u-1").value == {"closed": 0}
    assert kinds(b) == ["open", "open", "provision", "take_down", "close"]
    for late in (("accounts.open", "ada"), ("accounts.provision", "ada", "workspace")):
        assert isinstance(b.ask(*late, reference="u-1").error, Canceled)
    assert b.world.services["accounts"].balance() == {"open": {"": 1}, "provision": {}}


def test_a_closed_account_can_be_opened_anew_under_another_reference(bench: Bench) -> None:
    """The user may come back."""
    b = desk(bench)
    b.ask("accounts.open", "ada", reference="u-1")
    b.ask("accounts.close", reference="u-1")
    b.ask("accounts.open", "ada", reference="u-2")
    assert kinds(b) == ["open", "close", "open"]
