"""Exceptions: three kinds of trouble that must never be mixed up.

    DurableSimError
    |-- UserError            the user's mistake: which, found, expected, what to do next
    |   |-- DurationError    a time span that cannot be read
    |   |-- UnknownNameError a name that is not there, with the nearest one that is
    |   `-- ScenarioError    every mistake of one scenario file (or one setting) at once
    `-- InternalError        our own bug; please report it

What goes wrong in the simulated world (a timed-out call, a declined card, a failed activity) is neither:
those exceptions are part of the simulation, and workflows/failures.py owns them.

Always holds: the fields go to `super().__init__` and the text is made in `__str__`, so that an exception survives
pickling and the copy that SimPy makes of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED = 40


class DurableSimError(Exception):
    """Base of what this package raises on its own account."""


class UserError(DurableSimError, ValueError):
    """The user's mistake, told in one line: which, found, expected, next."""


class InternalError(DurableSimError):
    """A state that our own code should have made impossible."""

    def __str__(self) -> str:
        return f"internal error: {super().__str__()} (a bug of durable_sim: please report it)"


class DurationError(UserError):
    """A time span that cannot be read as whole microseconds."""

    def __init__(self, value: object, problem: str) -> None:
        super().__init__(value, problem)
        self.value = value
        self.problem = problem

    def __str__(self) -> str:
        return f"duration {self.value!r}: {self.problem}; write for example '30s', '1h30m', '250 ms' or a timedelta"


class UnknownNameError(UserError, LookupError):
    """A name that is not among those known; says which one is nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = tuple(known)
        super().__init__(kind, name, known)
        self.kind = kind
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}: {did_you_mean(self.name, self.known)}"


class ScenarioError(UserError):
    """All the mistakes of one scenario file or one setting, a line each, as `file: key: what is wrong`."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        problems = tuple(problems)
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(f"{self.source}: {problem}" for problem in self.problems)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, or the list of them.

    >>> did_you_mean("paymets", ["payments", "email"])
    "did you mean 'payments'?"
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = len(known) - _LISTED
    listed = ", ".join(known[:_LISTED]) + (f" and {more} more" if more > 0 else "")
    return f"known: {listed}" if known else "none is known here"
