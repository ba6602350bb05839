"""The recorded histories and their manifest, as this package reads them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from durable_sim.models.replay.events import Event
from durable_sim.models.replay.exchange.histories import from_json

FOLDER = Path(__file__).parent
Entry = dict[str, Any]


@cache
def manifest() -> dict[str, Entry]:
    """The entry of every recorded history, by its name."""
    told = json.loads((FOLDER / "manifest.json").read_text())
    return {entry["name"]: entry for entry in told["histories"]}


@cache
def recorded(name: str) -> tuple[Event, ...]:
    """A recorded history."""
    return from_json((FOLDER / manifest()[name]["file"]).read_text())
