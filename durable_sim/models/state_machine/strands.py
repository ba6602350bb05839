"""Where an execution stands: strands of states, and the stay in a state that each is in. Data only.

A strand is one line of states, one after the other: the execution's own, a branch's or an iteration's. Always holds: a
strand is in at most one state; two stays share a step number only if one repeats the other (a retry of the Parallel or
Map around it, or a redrive).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from durable_sim.models.state_machine.language.retrying import Retriers

Path = tuple[int, ...]


class Failure(NamedTuple):
    """Why a state failed. `matched` is the name that retriers and catchers see where it is not the one shown."""

    error: str
    cause: str | None = None
    matched: str | None = None

    @property
    def name(self) -> str:
        """The name that retriers and catchers are held against."""
        return self.matched or self.error


class Owner(Protocol):
    """Who has started a strand."""

    def strand_succeeded(self, strand: Strand, output: Any) -> None:
        """It has come to its end."""

    def strand_failed(self, strand: Strand, failure: Failure) -> None:
        """A state of it failed, and nothing caught that."""


class Work(Protocol):
    """What goes on in a state."""

    def begin(self) -> None:
        """Begin it, or begin it again (a retry)."""

    def abort(self) -> None:
        """Stop: nobody wants the outcome any more."""

    def redrive(self) -> None:
        """Take it up again after the execution had ended."""

    def close(self, failure: Failure) -> None:
        """It failed, and is not tried again."""


@dataclass(slots=True, eq=False)
class Strand:
    """One line of states. `place` is its number among those of its owner; `item` what a Map tells of an iteration."""

    states: Mapping[str, Any]
    start_at: str
    query_language: str
    owner: Owner
    path: Path
    place: int = 0
    variables: dict[str, Any] = field(default_factory=dict)
    item: Mapping[str, Any] | None = None
    previous_id: int = 0
    entries: int = 0
    alive: bool = True
    stay: Stay | None = None
    on_the_way: tuple[str, Any] | None = None
    transition: str | None = None


@dataclass(slots=True, eq=False)
class Stay:
    """One stay in a state. `attempts` counts calls of its task over all stays of its step; `retries` since it began."""

    strand: Strand
    name: str
    state: Mapping[str, Any]
    input: Any
    step: int
    path: Path
    entered_us: int
    retriers: Retriers
    work: Work | None = None
    retries: int = 0
    backoff: str | None = None

    @property
    def type(self) -> str:
        """The type of the state."""
        return str(self.state["Type"])

    @property
    def jsonata(self) -> bool:
        """Whether the state's expressions are JSONata."""
        return bool(self.state.get("QueryLanguage", self.strand.query_language) == "JSONata")
