"""Fingerprints: equal for equal scenarios, on every machine; another one when a setting is another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from durable_sim.library.shop import shop
from durable_sim.randomness import Constant, LogNormal
from durable_sim.simulation.fingerprint import fingerprint
from durable_sim.simulation.scenario import Arrivals, Scenario
from durable_sim.world.faults import Cancel, Crash, Mixture, Script
from durable_sim.world.services.base import OperationSpec, ServiceSpec
from durable_sim.world.services.payments import Payments


async def work(ctx: Any, order: Any) -> None:
    """Does nothing."""


async def other_work(ctx: Any, order: Any) -> None:
    """Does nothing either."""


PLAIN = Scenario(work, ({"order_id": "o-1"},), shop())


def test_equal_scenarios_have_the_same_fingerprint() -> None:
    """Made anew, with the services in another order."""
    turned = dict(reversed(shop().items()))
    assert fingerprint(Scenario(work, ({"order_id": "o-1"},), turned)) == fingerprint(PLAIN)


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    """Pinned: twelve hexadecimal digits, of a world that is spelled out, whatever becomes of the shop."""
    payments = ServiceSpec(Payments, LogNormal("350ms", "2500ms"), "10s", Mixture(lose_reply=0.1))
    scenario = Scenario(work, ({"order_id": "o-1"},), {"payments": payments}, (Crash(at="1s"),))
    assert fingerprint(scenario) == "8c0e74464f1e"


@pytest.mark.parametrize(
    "change",
    [
        {"workflow": other_work},
        {"inputs": ({"order_id": "o-2"},)},
        {"inputs": ({"order_id": "o-1", "total": 1},)},
        {"services": {}},
        {"services": shop(payments={"latency": Constant("1s")})},
        {"services": shop(payments={"faults": Mixture(slow=0.1)})},
        {"services": shop(inventory={"options": {"stock": {"book": 1}}})},
        {"services": shop(payments={"operations": {"charge": OperationSpec(latency=Constant("1s"))}})},
        {"faults": (Crash(at="1s"),)},
        {"faults": (Crash(at="2s"),)},
        {"faults": (Script("payments", "charge", 1, "slow"),)},
        {"stimuli": (Cancel(at="1s"),)},
        {"calm_after": "1h"},
        {"arrivals": Arrivals(every="1s")},
        {"workers": 3},
        {"horizon": "1d"},
        {"versions": {"a": work}},
        {"versions": {"b": work}},
        {"versions": {"a": other_work}},
        {"owed": {"email.send": "exactly_once"}},
        {"model_options": {"regular_rerun": {"reruns_max": 1}}},
        {"name": "mine"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_setting_makes_another_fingerprint(change: dict[str, Any]) -> None:
    """Each setting of a scenario counts."""
    assert fingerprint(replace(PLAIN, **change)) != fingerprint(PLAIN)


def test_changes_have_fingerprints_of_their_own() -> None:
    """Kinds of faults are told apart even where their settings are the same."""
    crash, cancel = (fingerprint(replace(PLAIN, faults=(kind(at="1s"),))) for kind in (Crash, Cancel))
    versions = {fingerprint(replace(PLAIN, versions={name: code})) for name in "ab" for code in (work, other_work)}
    assert crash != cancel and len(versions) == 4


def test_code_is_named_not_read() -> None:
    """A function that was mended keeps the fingerprint; services are named by their class."""

    def mended() -> Any:
        async def work(ctx: Any, order: Any) -> str:
            return "mended"

        work.__qualname__ = "work"
        return work

    assert fingerprint(replace(PLAIN, workflow=mended())) == fingerprint(PLAIN)
    assert PLAIN.services["payments"].service is Payments
