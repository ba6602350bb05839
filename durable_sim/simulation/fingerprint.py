"""A digest of a scenario: equal for equal scenarios, on every machine, and another one when a setting is another.

Code is named, not read: the digest stays when a function is mended, for that is when one wants to run it once more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from durable_sim.simulation.scenario import Scenario

LENGTH = 12
DIGITS = 12
"""So much of the digest of a trace tells one run from another."""


def fingerprint(scenario: Scenario) -> str:
    """Twelve hexadecimal digits that stand for a scenario."""
    text = json.dumps(_plain(scenario), sort_keys=True, default=lambda one: type(one).__qualname__)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def _plain(value: Any) -> Any:
    """A setting as JSON data; functions and classes by their names."""
    if is_dataclass(value) and not isinstance(value, type):
        settings = {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
        return {"is": type(value).__name__, **settings}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if callable(value):
        return getattr(value, "__qualname__", type(value).__qualname__)
    return value
