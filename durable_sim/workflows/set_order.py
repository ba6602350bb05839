"""Where a workflow takes an order from a set, read from its source.

Text is hashed with another seed in each process, so a set of names comes in another order after a restart, and the
commands with it. No call shows this, so the source is read. Always holds: sorted sets, and what does not depend on an
order (`len`, `sum`, membership, set operators), are no findings; where no source is kept (`exec`), there are none.
"""

from __future__ import annotations

import ast
import collections
import functools
import inspect
import itertools
import linecache
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from durable_sim.workflows.forbidden import Finding
from durable_sim.workflows.set_names import SET_METHODS, Names, is_set_annotation, joined

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_REASON = "a set has another order in another process"
_ALTERNATIVE = "sorted(...)"
_FREE = (sorted, min, max, sum, any, all, len, set, frozenset)  # what they are given may come in any order
_FREE_METHODS = SET_METHODS | {
    *("update", "intersection_update", "difference_update", "symmetric_difference_update"),
    *("issubset", "issuperset", "isdisjoint"),
}
_THROUGH = (list, tuple, iter, map, filter)  # they pass on the order of what they are given, and nothing else of it
_ORDERED = (
    *(*_THROUGH, enumerate, zip, collections.deque, collections.Counter, functools.reduce),
    *(value for value in vars(itertools).values() if isinstance(value, type)),
)
_ORDERED_METHODS = frozenset({"join", "extend", "extendleft", "fromkeys"})


def set_order_findings(function: Callable[..., Any]) -> tuple[Finding, ...]:
    """The places where a function, or one of its module's functions that it calls, takes an order from a set.

    >>> async def fine(ctx, names): return [name for name in sorted(set(names))]
    >>> set_order_findings(fine)
    ()
    """
    findings: list[Finding] = []
    waiting: list[Any] = [function]
    seen: list[FunctionType] = []
    while waiting:
        one = inspect.unwrap(waiting.pop(0))
        if isinstance(one, FunctionType) and one not in seen:
            seen.append(one)
            reading = _Reading(one)
            findings += reading.findings()
            waiting += reading.called
    return tuple(findings)


class _Reading:
    """What is found while one function is read."""

    def __init__(self, function: FunctionType) -> None:
        self.called: list[FunctionType] = []
        self._function = function
        self._places: dict[int, str] = {}

    def findings(self) -> list[Finding]:
        """Read the function and what is defined in it."""
        node, offset = _parsed(self._function)
        if node is not None:
            _Reader(self, Names(self._function)).read(node)
        file = self._function.__code__.co_filename
        places = sorted((line + offset, call) for line, call in self._places.items())
        return [
            Finding(call, file, line, _REASON, _ALTERNATIVE, linecache.getline(file, line).strip())
            for line, call in places
        ]

    def report(self, node: ast.expr, call: str) -> None:
        """Note a place, once."""
        self._places.setdefault(node.lineno, call)

    def follow(self, value: Any) -> None:
        """Read a called function too, if it is of the same module."""
        if isinstance(value, FunctionType) and value.__module__ == self._function.__module__:
            self.called.append(value)


class _Reader(ast.NodeVisitor):
    """Reads one scope in the order in which it runs."""

    def __init__(self, reading: _Reading, names: Names) -> None:
        self._reading = reading
        self._names = names
        self._inner: list[_Function] = []

    def read(self, node: _Function) -> None:
        """Read a function: its parameters, its body, then the functions in it."""
        arguments = node.args
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self._names.bind(one.arg, is_set_annotation(one.annotation))
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                self._names.bind(rest.arg, False)
        if isinstance(node, ast.Lambda):
            self.visit(node.body)
        else:
            self._block(node.body)
        for inner in self._inner:
            _Reader(self._reading, self._names.inside()).read(inner)

    # expressions: where an order is taken

    def _taken(self, node: ast.expr, call: str) -> None:
        if self._names.is_set(node):
            self._reading.report(node, call)

    def _visit_freely(self, node: ast.expr) -> None:
        """Visit what is given to something like `sorted`, to which its order does not matter."""
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            self._comprehension(node, node.elt, free=True)
        elif isinstance(node, ast.Starred):
            self._visit_freely(node.value)
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            for element in node.elts:
                (self._visit_freely if isinstance(element, ast.Starred) else self.visit)(element)
        elif isinstance(node, ast.Call) and _is_one_of(self._names.resolved(node.func), _THROUGH):
            for part in node.args:
                self._visit_freely(part)
        else:
            self.visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = self._names.resolved(node.func)
        free = _is_one_of(called, _FREE)
        self._reading.follow(called)
        self.visit(node.func)
        if isinstance(node.func, ast.Attribute):
            free = free or (node.func.attr in _FREE_METHODS and self._names.is_set(node.func.value))
            self._method(node.func, node.args)
        if _is_one_of(called, _ORDERED):
            for argument in node.args:
                self._taken(argument, f"{called.__name__}() of a set")
        for argument in node.args:
            (self._visit_freely if free else self.visit)(argument)
        for keyword in node.keywords:
            self.visit(keyword.value)

    def _method(self, method: ast.Attribute, arguments: list[ast.expr]) -> None:
        if method.attr in _ORDERED_METHODS and arguments:
            self._taken(arguments[0], f"{method.attr}() of a set")
        elif method.attr == "pop" and not arguments:
            self._taken(method.value, "pop() of a set")

    def visit_Starred(self, node: ast.Starred) -> None:
        self._taken(node.value, "* of a set")
        self.visit(node.value)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self._taken(node.value, "yield from a set")
        self.visit(node.value)

    def visit_Set(self, node: ast.Set) -> None:
        self._visit_freely(node)

    def visit_ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> None:
        self._comprehension(node, node.elt)

    visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node, node.key, node.value)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node, node.elt, free=True)

    def _comprehension(
        self,
        node: ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.SetComp,
        *elements: ast.expr,
        free: bool = False,
    ) -> None:
        with self._names.own():
            for generator in node.generators:
                if not free:
                    self._taken(generator.iter, "a comprehension over a set")
                (self._visit_freely if free else self.visit)(generator.iter)
                self._bind(generator.target, False)
                for part in generator.ifs:
                    self.visit(part)
            for part in elements:
                self.visit(part)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind(node.target, self._names.is_set(node.value))

    def visit_Lambda(self, node: _Function) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        self._inner.append(node)

    # statements: what becomes of names

    def _bind(self, target: ast.expr, is_set: bool) -> None:
        match target:
            case ast.Name(id=name):
                self._names.bind(name, is_set)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                if is_set:
                    self._reading.report(target, "unpacking of a set")
                for part in parts:
                    self._bind(part, False)
            case ast.Starred(value=part):
                self._bind(part, False)
            case _:
                self.visit(target)

    def _block(self, statements: Iterable[ast.stmt]) -> bool:
        """Read statements; whether the code goes on after them."""
        for statement in statements:
            self.visit(statement)
            if isinstance(statement, (ast.Return, ast.Raise)):
                return False
        return True

    def _branches(self, *branches: Iterable[ast.stmt]) -> None:
        """Read alternatives, of which one runs."""
        before = self._names.known
        after = []
        for branch in branches:
            self._names.known = dict(before)
            if self._block(branch):
                after.append(self._names.known)
        self._names.known = joined(after or [before])

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._branches(node.body, node.orelse)

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._branches(node.body, ())
        self._block(node.orelse)

    def visit_For(self, node: ast.For) -> None:
        self._taken(node.iter, "a for loop over a set")
        self.visit(node.iter)
        self._bind(node.target, False)
        self._branches(node.body, ())
        self._block(node.orelse)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        before = dict(self._names.known)
        after = [self._names.known] if self._block([*node.body, *node.orelse]) else []
        interrupted = joined([before, self._names.known])
        for handler in node.handlers:
            self._names.known = dict(interrupted)
            if self._block(handler.body):
                after.append(self._names.known)
        self._names.known = joined(after or [interrupted])
        self._block(node.finalbody)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self.visit_Try(node)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            for pattern in ast.walk(case.pattern):
                for name in (getattr(pattern, "name", None), getattr(pattern, "rest", None)):
                    if name is not None:
                        self._names.bind(name, False)
        self._branches(*(case.body for case in node.cases), ())

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._bind(target, self._names.is_set(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        self._bind(node.target, is_set_annotation(node.annotation) or self._names.is_set(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)  # `names |= more` leaves a set a set

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars is not None:
            self._bind(node.optional_vars, False)

    def visit_alias(self, node: ast.alias) -> None:
        self._names.bind(node.asname or node.name.partition(".")[0], False)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._names.bind(node.name, False)
        self.visit_Lambda(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        with self._names.own():
            self._block(node.body)
        self._names.bind(node.name, False)


def _parsed(function: FunctionType) -> tuple[Any, int]:
    """The function's syntax tree, if its source is kept, and what to add to a line number in it."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    rest = linecache.getlines(code.co_filename, function.__globals__)[code.co_firstlineno - 1 :]
    indented = bool(rest) and rest[0][:1].isspace()
    try:
        tree = ast.parse("if 1:\n" * indented + "".join(inspect.getblock(rest)))
    except (IndexError, SyntaxError, ValueError):  # no source, or a lambda in the middle of a statement
        return None, 0
    for node in ast.walk(tree):
        if isinstance(node, _Function) and getattr(node, "name", "<lambda>") == code.co_name:
            return node, code.co_firstlineno - 1 - indented
    return None, 0


def _is_one_of(value: Any, known: tuple[Any, ...]) -> bool:
    return any(value is one for one in known)
