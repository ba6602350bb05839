"""A bug of the gallery: the same scenario with a mistake and without it, and what finds the difference."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.checks.oracles import Oracle
from durable_sim.simulation.scenario import Scenario

RETRYING = ("status_columns", "status_columns_transactional", "replay")
"""The models to which a retry policy means something."""
RESUMING = ("regular_rerun", *RETRYING, "steps")
"""The models that go on after a crash, from where they were or from the top."""


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake that real workflows make.

    `mistake` and `remedy` say in a sentence each what is wrong and what is right; `source` is where it was made in
    public, empty where that is not known. Always holds: under each of `models`, a sweep of `faults` to `depth` finds
    `shows_as` (a verdict, or the kind of violation that one of `oracles` gives) in `broken`, and nothing in `fixed`.
    """

    name: str
    mistake: str
    remedy: str
    shows_as: str
    broken: Scenario
    fixed: Scenario
    faults: tuple[str, ...] = ("crash",)
    depth: int = 1
    models: tuple[str, ...] = ("replay",)
    oracles: tuple[Oracle, ...] = ()
    source: str = ""
