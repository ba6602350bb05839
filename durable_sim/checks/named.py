"""For whom effects are, as far as that can be compared between two runs.

What is owed comes from another run. Customers and addresses that come from the inputs are the same there; a name that
a run makes up itself (a random id, a time) is another one. So a name counts where an input speaks of it: it is a value
or a key there, or holds a text of it between the edges of words ("ada@example.com", "o-1/2").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from durable_sim.simulation.scenario import Scenario
from durable_sim.world.ledger import Entry

_EDGES = re.compile(r"(?<![^\W_])(?=[^\W_])|(?<=[^\W_])(?![^\W_])")
"""The places at which a word of letters and digits begins or ends."""


class Names:
    """The names of which the inputs of a scenario speak, and what people say to its executions."""

    __slots__ = ("_spoken_of", "_texts")

    def __init__(self, scenario: Scenario) -> None:
        told = [*scenario.inputs, *(getattr(one, "arguments", ()) for one in scenario.stimuli)]
        values, keys = _values_and_keys(told)
        self._texts = frozenset(value for value in values if isinstance(value, str))
        self._spoken_of = dict.fromkeys(["", *keys, *map(str, values)], True)

    def __contains__(self, name: str) -> bool:
        """Whether an input speaks of a name, or it is nobody's."""
        known = self._spoken_of.get(name)
        if known is None:
            known = self._spoken_of[name] = any(part in self._texts for part in _parts(name))
        return known

    def kept(self, ledger: Iterable[Entry]) -> list[Entry]:
        """The entries, with the names that count; the others are for nobody in particular."""
        return [entry if entry.whose in self else entry._replace(whose="") for entry in ledger]


def _parts(name: str) -> Iterator[str]:
    edges = [found.start() for found in _EDGES.finditer(name)]
    return (name[start:end] for place, start in enumerate(edges) for end in edges[place + 1 :])


def _values_and_keys(told: Any) -> tuple[list[str | int], list[str]]:
    """The texts and whole numbers in data, and the keys of its tables."""
    values: list[str | int] = []
    keys: list[str] = []
    rest = [told]
    while rest:
        one = rest.pop()
        if isinstance(one, dict):
            keys += one
            rest += one.values()
        elif isinstance(one, (list, tuple)):
            rest += one
        elif is_dataclass(one):
            rest.append({each.name: getattr(one, each.name) for each in fields(one)})
        elif isinstance(one, (str, int)) and not isinstance(one, bool):
            values.append(one)
    return values, keys
