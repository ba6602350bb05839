"""Invariants: what a user says must hold of every finished run, as plain functions.

A function that does not say clearly whether it holds is the user's mistake, and never passes for one that holds.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from pathlib import PurePath
from types import TracebackType
from typing import TypeVar

from durable_sim.checks.violations import Violation
from durable_sim.errors import UserError

T = TypeVar("T")
INVARIANT = "invariant"
_ANSWERS = "expected None or True where it holds, False, a sentence, a list of sentences, or a failed assert"


def invariant(function: Callable[[T], object]) -> Callable[[T], Iterator[Violation]]:
    """Make a check of a function over a finished run (or whatever view of it the check is called with).

    The function holds where it returns None, True or no sentences at all. It is violated where it returns False, a
    sentence, or an iterable of sentences (it may yield them), and where an assertion fails in it. The violation's
    `expected` is the first line of its docstring.

    Raises:
        UserError: it is an `async def`; and from the check: it raised something else, or answered something else.
    """
    name = getattr(function, "__name__", type(function).__name__)
    expected = (inspect.getdoc(function) or "").partition("\n")[0] if inspect.isroutine(function) else ""
    if _is_async(function):
        raise UserError(f"invariant {name} is an `async def`, expected a plain function: nothing waits in it")

    def check(run: T) -> Iterator[Violation]:
        for found in _findings(function, name, run):
            yield Violation(INVARIANT, None, name, found, expected or "it to hold")

    return check


def _is_async(function: Callable[..., object]) -> bool:
    call = getattr(type(function), "__call__", None)  # noqa: B004 (a callable object may have an async one)
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(kind(one) for kind in kinds for one in (function, call))


def _findings(function: Callable[[T], object], name: str, run: T) -> Iterator[str]:
    """What a user's function has to say, while all that it raises is turned into findings or into the user's error."""
    try:
        yield from _sentences(function(run), name)
    except AssertionError as failed:
        said, *more = str(failed).splitlines() or [""]
        place = _place(function, failed.__traceback__)
        yield "\n".join([f"{said} ({place})" if said else f"a failed assertion {place}", *more])
    except _NoAnswer as answer:
        raise UserError(str(answer)) from None
    except Exception as error:
        place = _place(function, error.__traceback__)
        raise UserError(
            f"invariant {name} raised {type(error).__name__}: {error} {place}; an invariant fails with `assert`"
        ) from error


class _NoAnswer(Exception):
    """An answer that says neither yes nor no."""


def _sentences(answer: object, name: str) -> Iterator[str]:
    """The sentences of an answer; none where it says that the invariant holds."""
    if answer is None or answer is True:
        return
    if answer is False:
        yield "False"
    elif isinstance(answer, str):
        yield _sentence(answer, name)
    elif isinstance(answer, (list, tuple, Iterator)):
        for one in answer:
            yield _sentence(one, name)
    else:
        if inspect.iscoroutine(answer):
            answer.close()
        raise _NoAnswer(f"invariant {name} returned {_shown(answer)}, {_ANSWERS}")


def _sentence(one: object, name: str) -> str:
    if not isinstance(one, str) or not one.strip():
        raise _NoAnswer(f"invariant {name} gave {_shown(one)} for a sentence, {_ANSWERS}")
    return one


def _shown(answer: object) -> str:
    shown = repr(answer)
    return f"{shown if len(shown) <= 80 else shown[:77] + '...'} ({type(answer).__name__})"


def _place(function: Callable[..., object], trail: TracebackType | None) -> str:
    """Where it went wrong: the innermost line in the file of the function, or else the innermost of all."""
    frames = traceback.extract_tb(trail)
    code = getattr(inspect.unwrap(function), "__code__", None)
    own = [frame for frame in frames if code is not None and frame.filename == code.co_filename]
    frame = (own or frames)[-1]
    return f"in {frame.name}, {PurePath(frame.filename).name} line {frame.lineno}: {frame.line}"
