"""What a test is about, and which file says all of it."""

from __future__ import annotations

from typing import Any

import pytest

from durable_sim.testing.targets import target_of

ORDERS = "scenarios/order_fulfillment.toml"


@pytest.mark.parametrize(
    ("input", "settings", "source", "changes"),
    [
        (None, {}, ORDERS, ()),
        (None, {"changes": ["workers=3"]}, ORDERS, ("workers=3",)),
        (None, {"workers": 3}, "", ()),
        (None, {"changes": ["seed=3"], "workers": 3}, "", ()),
        ({"id": "o"}, {}, "", ()),
    ],
)
def test_a_file_is_the_source_if_it_says_all(
    input: Any, settings: dict[str, Any], source: str, changes: tuple[str, ...]
) -> None:
    """With changes of its own keys, too; where Python has changed the scenario, the file alone would repeat another."""
    target = target_of(ORDERS, input, 0, settings)
    assert (target.source, target.changes) == (source, changes)
