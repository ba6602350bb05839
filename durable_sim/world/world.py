"""The world of one run: clock, services, network, ledger and trace. Everything that an engine cannot control."""

from __future__ import annotations

from collections.abc import Mapping

from durable_sim.errors import UserError
from durable_sim.world.database import Database
from durable_sim.world.faults import Script
from durable_sim.world.ground import Ground
from durable_sim.world.ledger import EffectKind
from durable_sim.world.network import Network
from durable_sim.world.services.base import Service, ServiceSpec, books_of


class World(Ground):
    """A fresh world for the given seed and services."""

    def __init__(
        self,
        seed: int,
        specs: Mapping[str, ServiceSpec],
        scripts: tuple[Script, ...] = (),
        start_us: int = 0,
        calm_after_us: int | None = None,
    ) -> None:
        _check_tables(specs)
        super().__init__(seed, start_us)
        self.database = Database(self.env)
        self.services = {
            name: spec.create(name, self.database if spec.service.on_database else None) for name, spec in specs.items()
        }
        self.network = Network(self, self.services, specs, scripts, calm_after_us)

    def effect_kinds(self) -> dict[str, EffectKind]:
        """What kinds of effect the services of this world can have, by name."""
        return {kind.name: kind for service in self.services.values() for kind in service.effect_kinds()}

    def balances(self) -> dict[str, Mapping[str, int]]:
        """The services' own books, by kind of effect and subject."""
        return {kind: amounts for service in self.services.values() for kind, amounts in books_of(service).items()}


def _check_tables(specs: Mapping[str, ServiceSpec]) -> None:
    """Two services of one kind would own the same tables of the one database."""
    owners: dict[type[Service], str] = {}
    for name, spec in specs.items():
        if spec.service.on_database and owners.setdefault(spec.service, name) != name:
            other = owners[spec.service]
            raise UserError(f"services {other} and {name} are both {spec.service.__name__}, which has its tables once")
