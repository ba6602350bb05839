"""Definitions of state machines: read from JSON or YAML, checked as a whole, and kept.

Always holds: a `StateMachine` has no problem that the validator knows; its definition is read, never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from durable_sim.errors import UserError
from durable_sim.models.state_machine.language.checking import JSONPATH
from durable_sim.models.state_machine.language.validator import Problem, problems
from durable_sim.models.state_machine.language.values import compact
from durable_sim.models.state_machine.language.yaml_text import NotData, load_yaml

BYTES_MAX = 1_048_576
"""The service takes definitions of up to 1 MB."""


class DefinitionError(UserError):
    """All the problems of one definition, a line each, as `path: what is wrong`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        problems = tuple(problems)
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(f"{problem.path}: {problem.message}" for problem in self.problems)


@dataclass(frozen=True, slots=True)
class StateMachine:
    """A definition without problems; `definition` is the data as it was given, to be read only."""

    definition: Mapping[str, Any]
    name: str | None = None
    comment: str | None = None
    query_language: str = JSONPATH
    timeout_s: int | None = None


def load(text: str) -> Any:
    """The data of a definition in JSON (a text that begins with "{") or YAML.

    Raises:
        UserError: it is neither; one line with the line number.
    """
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _load_json(text.lstrip("\ufeff"))
    try:
        return load_yaml(text)
    except NotData as problem:
        raise UserError(f"definition: {problem}") from None


def parse(data: Any, limits: Any = None, *, name: str | None = None) -> StateMachine:
    """The state machine of a definition; `limits.definition_bytes`, if it is there, is the size it may have.

    Raises:
        DefinitionError: lists every problem of the definition.
    """
    found = problems(data)
    most = getattr(limits, "definition_bytes", BYTES_MAX)
    if not found and most is not None and len(compact(data).encode()) > most:
        found = [Problem("$", f"the definition has {len(compact(data).encode())} bytes, expected at most {most}")]
    if found:
        raise DefinitionError(found)
    return StateMachine(
        definition=data,
        name=name,
        comment=data.get("Comment"),
        query_language=query_language(data),
        timeout_s=data.get("TimeoutSeconds"),
    )


def query_language(state: Mapping[str, Any], default: str = JSONPATH) -> str:
    """The query language of a state (or of a whole machine); `default` is that of what it is in."""
    return str(state.get("QueryLanguage", default))


def _load_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as problem:
        raise UserError(f"definition: line {problem.lineno}, column {problem.colno}: {problem.msg}") from None
    except _Refused as problem:
        line = _line_of(text, problem.found)
        raise UserError(f"definition: line {line}: {problem}") from None
    except RecursionError:
        raise UserError("definition: line 1: it nests too deep to be read") from None


class _Refused(ValueError):
    def __init__(self, found: str, told: str) -> None:
        super().__init__(found, told)
        self.found = found
        self.told = told

    def __str__(self) -> str:
        return self.told


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise _Refused(json.dumps(twice), f"the key {twice!r} is there twice in one object; the first would be lost")
    return data


def _no_constant(name: str) -> Any:
    raise _Refused(name, f"{name} is not JSON; write a number")


def _line_of(text: str, found: str) -> int:
    """The line of the last place where `found` is written."""
    return text.count("\n", 0, max(text.rfind(found), 0)) + 1
