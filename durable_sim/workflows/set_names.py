"""Which expressions of a function are sets, as far as its source tells.

Owns what is known of names while a function is read from top to bottom; `set_order` does the reading. Always holds: a
name counts as a set only where every way to get there makes it one.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

Known = dict[str, bool]
SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference", "copy"})
"""Methods of a set that give a set."""

_SET_TYPES = (set, frozenset)
_ABSTRACT = (*_SET_TYPES, collections.abc.Set, collections.abc.MutableSet)
_ANNOTATIONS = frozenset({"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"})
_OPERATORS = (ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub)


class Names:
    """The names of one scope of a function.

    `known` says of each name bound so far whether it is a set at this point; `_ever` whether it is one at every
    binding, which is what a function defined inside can rely on whenever it is called.
    """

    def __init__(self, function: FunctionType, outer: Names | None = None) -> None:
        self.known: Known = {}
        self._ever: Known = {}
        self._function = function
        self._outer = outer

    def inside(self) -> Names:
        """The names of a function defined in this scope."""
        return Names(self._function, self)

    def bind(self, name: str, is_set: bool) -> None:
        """A name is given a value."""
        self.known[name] = is_set
        self._ever[name] = is_set and self._ever.get(name, True)

    @contextmanager
    def own(self) -> Iterator[None]:
        """What is bound in this block is forgotten after it."""
        known, ever = dict(self.known), dict(self._ever)
        yield
        self.known, self._ever = known, ever

    def is_set(self, node: ast.expr | None) -> bool:
        """Whether an expression is a set here for certain."""
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Name(id=name):
                return self._is_set_name(name)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.is_set(value)
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_set(body) and self.is_set(orelse)
            case ast.BoolOp(values=values):
                return all(self.is_set(value) for value in values)
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                return self._is_set_like(left) or self._is_set_like(right)
            case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in SET_METHODS and self.is_set(owner):
                return True
            case ast.Call(func=function):
                return _gives_a_set(self.resolved(function))
        return False

    def resolved(self, node: ast.expr) -> Any:
        """The object that a name or `module.name` stands for now; None if it is the function's own, or unknown."""
        if isinstance(node, ast.Name):
            return None if self._is_own(node.id) else self._value(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.resolved(node.value)
            return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
        return None

    def _is_own(self, name: str) -> bool:
        return name in self.known or (self._outer is not None and self._outer._is_own(name))

    def _is_set_name(self, name: str) -> bool:
        if name in self.known:
            return self.known[name]
        outer = self._outer
        while outer is not None:
            if name in outer._ever:
                return outer._ever[name]
            outer = outer._outer
        return type(self._value(name)) in _SET_TYPES

    def _is_set_like(self, node: ast.expr) -> bool:
        """Whether a set operator on it gives a set, as on a set and on `mapping.keys()`."""
        match node:
            case ast.Call(func=ast.Attribute(attr="keys" | "items"), args=[]):
                return True
        return self.is_set(node)

    def _value(self, name: str) -> Any:
        code, cells = self._function.__code__, self._function.__closure__ or ()
        if name not in code.co_freevars:
            return self._function.__globals__.get(name, getattr(builtins, name, None))
        try:
            return cells[code.co_freevars.index(name)].cell_contents
        except ValueError:  # not bound yet
            return None


def joined(ways: list[Known]) -> Known:
    """What is known where several ways meet: a set only if it is one on each way that binds it."""
    return {name: all(way.get(name, True) for way in ways) for way in ways for name in way}


def is_set_annotation(node: ast.expr | None) -> bool:
    """Whether an annotation says that a name is a set.

    >>> is_set_annotation(ast.parse("set[str] | None", mode="eval").body)
    True
    >>> is_set_annotation(ast.parse("list[set]", mode="eval").body)
    False
    """
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _ANNOTATIONS
        case ast.Subscript(value=value):
            return is_set_annotation(value)
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return is_set_annotation(left)
        case ast.Constant(value=str(text)):
            return _is_set_text(text)
    return False


def _is_set_text(annotation: str) -> bool:
    try:
        return is_set_annotation(ast.parse(annotation, mode="eval").body)
    except SyntaxError:
        return False


def _gives_a_set(function: Any) -> bool:
    if not isinstance(function, FunctionType):
        return function is set or function is frozenset
    annotation = function.__annotations__.get("return")
    if isinstance(annotation, str):
        return _is_set_text(annotation)
    return (typing.get_origin(annotation) or annotation) in _ABSTRACT
