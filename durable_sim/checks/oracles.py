"""Oracles: further questions to a finished run, each asked only where it is wanted.

An oracle reads a recording and yields a violation for each thing that is not as it should be. To add one, write it in a
file of its own and give it a line in `ORACLES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from durable_sim.checks.conservation import conservation
from durable_sim.checks.invariants import invariant
from durable_sim.checks.liveness import liveness
from durable_sim.checks.outcomes import same_outcome
from durable_sim.checks.replays import replays
from durable_sim.checks.saga_shape import saga_shape
from durable_sim.checks.violations import Violation
from durable_sim.checks.zombies import no_zombie_commits
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.simulation.run import Recording

__all__ = ["ORACLES", "Oracle", "findings", "invariant", "oracle_name", "oracles_of"]

Oracle = Callable[[Recording], Iterable[Violation]]
"""A question to a finished run."""

ORACLES: Mapping[str, Oracle] = MappingProxyType(
    {
        "saga_shape": saga_shape,
        "conservation": conservation,
        "no_zombie_commits": no_zombie_commits,
        "same_outcome": same_outcome,
        "liveness": liveness(),
        "replays": replays,
    }
)
"""The questions that come with the package, by name."""


def oracles_of(wanted: str | Oracle | Iterable[str | Oracle]) -> tuple[Oracle, ...]:
    """The oracles that are meant by names or by functions, in this order.

    Raises:
        UnknownNameError: there is no oracle of that name.
    """
    several = (wanted,) if isinstance(wanted, str) or callable(wanted) else tuple(wanted)
    return tuple(_oracle(one) for one in several)


def _oracle(wanted: str | Oracle) -> Oracle:
    if not isinstance(wanted, str):
        return wanted
    if wanted not in ORACLES:
        raise UnknownNameError("oracle", wanted, ORACLES)
    return ORACLES[wanted]


def oracle_name(oracle: Oracle) -> str | None:
    """The name of an oracle that comes with the package; None of another."""
    return next((name for name, known in ORACLES.items() if known is oracle), None)


def findings(oracle: Oracle, recording: Recording) -> Iterator[Violation]:
    """What an oracle finds in a run.

    Raises:
        UserError: it answers something else than violations.
    """
    answer = oracle(recording)
    for found in answer if isinstance(answer, Iterable) else [answer]:
        if not isinstance(found, Violation):
            name, gave = getattr(oracle, "__name__", type(oracle).__name__), f"{found!r:.80} ({type(found).__name__})"
            raise UserError(
                f"oracle {name} gave {gave}, expected violations: `yield Violation(...)` for each, `return []` for none"
            )
        yield found
