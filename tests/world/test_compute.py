"""Compute: an epoch that is trained again costs again, and is no violation."""

from __future__ import annotations

from typing import Any

from durable_sim.randomness import Constant
from durable_sim.world.services.base import ServiceSpec
from durable_sim.world.services.compute import Compute


def test_epochs_are_counted_by_number_and_owed_at_least_once(bench: Any) -> None:
    """Training one again is another effect of the same subject."""
    b = bench({"compute": ServiceSpec(Compute, latency=Constant("5s"))})
    for epoch in (1, 2, 2):
        assert b.ask("compute.train", "j-1", epoch).value == {"checkpoint": f"j-1/{epoch}"}
    assert [entry.subject for entry in b.ledger] == ["epoch 1", "epoch 2", "epoch 2"]
    assert b.world.services["compute"].balance() == {"train": {"epoch 1": 1, "epoch 2": 2}}
    assert [kind.owed for kind in b.world.services["compute"].effect_kinds()] == ["at_least_once"]
