"""The syntax of intrinsic functions: `States.Name(argument, ...)` as a small tree.

An argument is a number, true, false, null, a text in single quotes, a path, or another call. In a text, a backslash
makes ' { } and \\ literal.

Always holds: parsing is a plain loop over the text with a bounded depth; nothing is evaluated.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

from durable_sim.models.state_machine.language import paths

DEEPEST = 10
"""Calls nest at most so deep, as in the service."""

_NAME = re.compile(r"States\.(?P<name>\w+)\s*\(\s*")
_TEXT = re.compile(r"'(?P<raw>(?:[^'\\]|\\.)*)'", re.DOTALL)
_WORD = re.compile(
    r"(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])|(?P<word>true|false|null)\b", re.ASCII
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_WORDS = {"true": True, "false": False, "null": None}
_CLOSING = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes, as written between them."""

    raw: str

    @property
    def value(self) -> str:
        return unescaped(self.raw)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, true, false or null."""

    value: int | float | bool | None


@dataclass(frozen=True, slots=True)
class Reference:
    """A path, read when the call is made."""

    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    name: str
    arguments: tuple[Argument, ...]


Argument = Text | Literal | Reference | Call


class IntrinsicSyntaxError(Exception):
    """A text that is no call; the argument says why."""


@lru_cache(maxsize=1024)
def parsed(text: str) -> Call:
    """The call that `text` writes. Raises IntrinsicSyntaxError."""
    call, position = _call(text, 0, 1)
    if text[position:].strip():
        raise IntrinsicSyntaxError(f"{text[position:].strip()!r} follows the closing parenthesis")
    return call


def unescaped(raw: str) -> str:
    """A text without its escapes."""
    return _ESCAPE.sub(r"\1", raw)


def _call(text: str, position: int, depth: int) -> tuple[Call, int]:
    name = _NAME.match(text, position)
    if name is None:
        raise IntrinsicSyntaxError(f"{text[position:]!r} is not 'States.Name(...)'")
    if depth > DEEPEST:
        raise IntrinsicSyntaxError(f"calls nest more than {DEEPEST} deep")
    arguments: list[Argument] = []
    position = name.end()
    if text[position : position + 1] == ")":
        return Call(name["name"], ()), position + 1
    while True:
        argument, position = _argument(text, position, depth)
        arguments.append(argument)
        position = _blank(text, position)
        mark = text[position : position + 1]
        if mark == ")":
            return Call(name["name"], tuple(arguments)), position + 1
        if mark != ",":
            raise IntrinsicSyntaxError(f"expected ',' or ')', found {text[position:] or 'the end'!r}")
        position = _blank(text, position + 1)


def _argument(text: str, position: int, depth: int) -> tuple[Argument, int]:
    if text.startswith("States.", position):
        return _call(text, position, depth + 1)
    if text.startswith("'", position):
        return _text(text, position)
    if text.startswith("$", position):
        return _reference(text, position)
    word = _WORD.match(text, position)
    if word is None:
        found = text[position:] or "the end"
        raise IntrinsicSyntaxError(f"expected a number, a 'text', a path or a call, found {found!r}")
    return Literal(_WORDS[word["word"]] if word["word"] else json.loads(word["number"])), word.end()


def _text(text: str, position: int) -> tuple[Text, int]:
    match = _TEXT.match(text, position)
    if match is None:
        raise IntrinsicSyntaxError(f"the text {text[position:]!r} has no closing quote")
    for escape in _ESCAPE.findall(match["raw"]):
        if escape not in "'{}\\":
            raise IntrinsicSyntaxError(f"'\\{escape}' is no escape; a backslash may stand before ' {{ }} and \\")
    return Text(match["raw"]), match.end()


def _reference(text: str, position: int) -> tuple[Reference, int]:
    end = _path_end(text, position)
    path = text[position:end].rstrip()
    problem = paths.problem_of(path)
    if problem:
        raise IntrinsicSyntaxError(problem)
    return Reference(path), end


def _path_end(text: str, position: int) -> int:
    """Where a path ends: at a comma or a closing parenthesis outside of its own brackets and quotes."""
    open_marks: list[str] = []
    quote = ""
    while position < len(text):
        mark = text[position]
        if quote:
            position += mark == "\\"
            quote = "" if mark == quote else quote
        elif mark in "'\"":
            quote = mark
        elif mark in _CLOSING:
            open_marks.append(_CLOSING[mark])
        elif open_marks and mark == open_marks[-1]:
            open_marks.pop()
        elif not open_marks and mark in ",)":
            return position
        position += 1
    return len(text)


def _blank(text: str, position: int) -> int:
    while text[position : position + 1].isspace():
        position += 1
    return position
