"""The services of a small web shop, with latencies as such services have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from durable_sim.errors import UnknownNameError
from durable_sim.randomness import LogNormal
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.email import Email
from durable_sim.world.services.inventory import Inventory
from durable_sim.world.services.orders import Orders
from durable_sim.world.services.payments import Payments
from durable_sim.world.services.shipping import Shipping


def shop(**changes: Mapping[str, Any]) -> dict[str, ServiceSpec]:
    """payments, inventory, email, shipping and orders, without faults; `changes` gives settings by service.

    The latencies (p50, p99) are plausible defaults, not measurements.

    >>> from durable_sim import Mixture
    >>> shop(email={"faults": Mixture(lose_reply=0.1)})["email"].faults.lose_reply
    0.1

    Raises:
        UnknownNameError: a service that the shop does not have.
    """
    specs = {
        "payments": ServiceSpec(Payments, latency=LogNormal("350ms", "2500ms")),
        "inventory": ServiceSpec(Inventory, latency=LogNormal("8ms", "60ms")),
        "email": ServiceSpec(Email, latency=LogNormal("80ms", "800ms")),
        "shipping": ServiceSpec(Shipping, latency=LogNormal("600ms", "6s")),
        "orders": ServiceSpec(Orders, latency=LogNormal("2ms", "15ms")),
    }
    for name, settings in changes.items():
        if name not in specs:
            raise UnknownNameError("service", name, specs)
        specs[name] = replace(specs[name], **settings)
    return specs
