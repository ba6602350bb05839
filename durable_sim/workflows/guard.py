"""The determinism guard: catches workflow code at the call that a replay could not repeat.

Two halves. At run time a profile function sees each call made between `enter` and `exit` and raises
`NonDeterministicCall` in the user's code, at the call; before the first run, `check` reads a function for what no call
would show: an order that comes from a set. Always holds: code that keeps to the rules runs the same with and without
the guard, and the guard of one thread sees no other thread.
"""

from __future__ import annotations

import gc
import linecache
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from durable_sim.workflows.forbidden import (
    C_FUNCTIONS,
    Finding,
    Rule,
    is_engine,
    is_quiet,
    is_standard,
    rule_of,
    shown_name,
)
from durable_sim.workflows.set_order import set_order_findings


class NonDeterministicCall(Exception):
    """Workflow code did what a replay could not repeat.

    Raised in the workflow, at the call. `finding` says what, where, why, and what to use instead.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding

    def __str__(self) -> str:
        return str(self.finding)


class Guard:
    """Watches workflow code while it runs.

    Put `enter` and `exit` (or `with guard:`) around each stretch of it; they nest. A call counts when the innermost
    code outside Python's library is not this package's: the user's own, or a library of theirs. Where another profile
    function is installed already, it stays and this guard sees nothing.
    """

    __slots__ = ("_base", "_checked", "_depth", "_traced", "_verdicts", "_watch")

    def __init__(self) -> None:
        self._depth = 0
        self._base: FrameType | None = None
        self._traced: tuple[FrameType, Any, Any] | None = None
        self._checked: dict[Callable[..., Any], tuple[Finding, ...]] = {}
        self._verdicts: dict[int, tuple[CodeType, Rule | None]] = {}
        self._watch = self._watcher()

    def enter(self) -> None:
        """Begin to watch the calling thread."""
        self._enter(sys._getframe(1))

    def exit(self) -> None:
        """End what the matching `enter` began."""
        self._depth -= 1
        if self._depth == 0 and self._base is not None:
            sys.setprofile(None)
            self._base = None
            self._stop_tracing()

    def __enter__(self) -> Guard:
        self._enter(sys._getframe(1))
        return self

    def __exit__(self, *_: object) -> None:
        self.exit()

    def check(self, function: Callable[..., Any]) -> None:
        """Read a workflow function, and what it calls in its own module, before it runs; each once.

        Raises:
            NonDeterministicCall: an order comes from a set.
        """
        if function not in self._checked:
            self._checked[function] = set_order_findings(function)
        for finding in self._checked[function]:
            raise NonDeterministicCall(finding)

    def _enter(self, base: FrameType) -> None:
        self._depth += 1
        if self._depth == 1 and sys.getprofile() is None:
            self._base = base
            sys.setprofile(self._watch)

    def _watcher(self) -> Callable[[FrameType, str, Any], None]:
        """The profile function. It runs at every call and return, so what is rare is left to others.

        A code object's verdict is found by its `id`: its hash would take longer than all the rest. The verdict keeps
        the code object, so that no other one gets the same `id`.
        """
        forbidden, verdicts, judge, report = C_FUNCTIONS.get, self._verdicts, self._judge, self._report

        def watch(frame: FrameType, event: str, called: Any) -> None:
            if event == "c_call":
                rule = forbidden(called)
            elif event == "call":
                code = frame.f_code
                verdict = verdicts.get(id(code))
                rule = verdict[1] if verdict is not None else judge(code, frame)
            else:
                return
            if rule is not None:
                report(frame, event, rule)

        return watch

    def _judge(self, code: CodeType, frame: FrameType) -> Rule | None:
        rule = rule_of(_module_of(frame), code.co_qualname)
        self._verdicts[id(code)] = (code, rule)
        return rule

    def _report(self, frame: FrameType, event: str, rule: Rule) -> None:
        if rule.applies is not None and not rule.applies(frame):
            return
        called = frame if event == "call" else None
        culprit, through = _culprit(frame if called is None else frame.f_back, called, self._base)
        if culprit is None:
            return
        self._watch_again_after(culprit)
        shown = rule.call if through is None else None
        raise NonDeterministicCall(_finding(culprit, shown or _shown(through or frame), rule))

    def _watch_again_after(self, frame: FrameType) -> None:
        """Keep watching although a profile function that raises is removed by Python.

        1. The exception reaches `frame`, the caller, as soon as this profile function has ended and is removed.
        2. A trace function on that frame is told of the exception before any of its handlers runs.
        3. It puts the profile function back and itself away, so tracing costs nothing but this one event.
        """
        self._stop_tracing()
        self._traced = (frame, frame.f_trace, sys.gettrace())
        frame.f_trace = self._resume
        sys.settrace(self._resume)

    def _resume(self, frame: FrameType, event: str, argument: Any) -> Any:
        local, everywhere = self._stop_tracing()
        if self._base is not None:
            sys.setprofile(self._watch)
        debugger = everywhere if event == "call" else local
        return None if debugger is None else debugger(frame, event, argument)

    def _stop_tracing(self) -> tuple[Any, Any]:
        """Put back the trace functions that a debugger may have had, and give them."""
        if self._traced is None:
            return None, None
        frame, local, everywhere = self._traced
        self._traced = None
        frame.f_trace = local
        sys.settrace(everywhere)
        return local, everywhere


def _culprit(
    caller: FrameType | None, called: FrameType | None, base: FrameType | None
) -> tuple[FrameType | None, FrameType | None]:
    """Whose call it is, and the library function through which they made it, if not directly.

    Nobody's when the engine made it, or when it happened in an import, a log record, a tool or the freeing of memory.
    """
    library = None if called is None else _module_of(called).partition(".")[0]
    culprit = through = None
    while caller is not None:
        module, code = _module_of(caller), caller.f_code
        if is_quiet(module) or _is_of_collector(code) or (culprit is None and is_engine(module)):
            return None, None
        if culprit is not None or code.co_qualname.startswith("__create_fn__."):  # what dataclasses generate
            pass
        elif not is_standard(module) and module.partition(".")[0] != library:
            culprit = caller
        elif module != "collections.abc":  # os.environ.get is written there
            through = caller
        if caller is base:
            break
        caller = caller.f_back
    return culprit, through


def _is_of_collector(code: CodeType) -> bool:
    """Whether code runs when memory is freed, which can be in the middle of anything."""
    return code.co_name == "__del__" or any(getattr(one, "__code__", None) is code for one in gc.callbacks)


def _finding(culprit: FrameType, call: str, rule: Rule) -> Finding:
    file, line = culprit.f_code.co_filename, culprit.f_lineno
    source = linecache.getline(file, line, culprit.f_globals).strip()
    return Finding(call, file, line, rule.reason, rule.alternative, source)


def _shown(frame: FrameType) -> str:
    return shown_name(_module_of(frame), frame.f_code.co_qualname)


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
