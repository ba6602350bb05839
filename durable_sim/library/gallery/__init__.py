"""Bugs that real workflows have, each broken and fixed side by side, with what finds it.

>>> from durable_sim.library.gallery import BUGS
>>> print(BUGS["no_key"].mistake)
The charge is sent without an idempotency key, so a retry is another charge.
"""

from collections.abc import Mapping
from types import MappingProxyType

from durable_sim.library.gallery import columns, compensations, deploys, determinism, keys, retries, signals, workers
from durable_sim.library.gallery.bug import Bug

BUGS: Mapping[str, Bug] = MappingProxyType(
    {
        bug.name: bug
        for theme in (keys, compensations, retries, columns, workers, determinism, deploys, signals)
        for bug in theme.BUGS
    }
)
"""All of them by name."""
