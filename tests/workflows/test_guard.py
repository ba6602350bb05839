"""The determinism guard: every forbidden call is caught at its line, and code that keeps to the rules runs freely."""

from __future__ import annotations

import asyncio
import copy
import gc
import linecache
import pickle
import random
import sys
import textwrap
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from tempfile import gettempdir
from typing import Any

import pytest

from durable_sim.workflows.forbidden import Finding
from durable_sim.workflows.guard import Guard, NonDeterministicCall
from durable_sim.workflows.set_order import set_order_findings

CLOCK, WAIT, RANDOM, UUID = "ctx.now()", "ctx.sleep(...)", "ctx.random", "ctx.uuid4()"
INPUT, ACTIVITY = "pass it in the workflow's input", "an activity"
THREAD = "an activity, or ctx.spawn(...) for coroutines"

FORBIDDEN = [
    ("import time", "time.time()", "time.time", CLOCK),
    ("from time import time as clock", "clock()", "time.time", CLOCK),
    ("import time", "time.time_ns()", "time.time_ns", CLOCK),
    ("import time", "time.monotonic()", "time.monotonic", CLOCK),
    ("import time", "time.perf_counter()", "time.perf_counter", CLOCK),
    ("import time", "time.localtime()", "time.localtime", CLOCK),
    ("import time", "time.strftime('%Y')", "time.strftime", CLOCK),
    ("import time", "time.sleep(60)", "time.sleep", WAIT),
    ("import datetime", "datetime.datetime.now()", "datetime.now", CLOCK),
    ("import datetime", "datetime.datetime.now(datetime.UTC)", "datetime.now", CLOCK),
    ("import datetime", "datetime.datetime.utcnow()", "datetime.utcnow", CLOCK),
    ("import datetime", "datetime.datetime.today()", "datetime.today", CLOCK),
    ("import datetime", "datetime.date.today()", "date.today", CLOCK),
    ("import email.utils", "email.utils.formatdate()", "email.utils.formatdate", CLOCK),
    ("import random", "random.random()", "random.random", RANDOM),
    ("import random", "random.choice([1, 2])", "random.choice", RANDOM),
    ("import random", "random.randint(1, 6)", "random.randint", RANDOM),
    ("import random", "random.shuffle([1, 2])", "random.shuffle", RANDOM),
    ("import random", "random.seed(7)", "random.seed", RANDOM),
    ("import random", "random.Random()", "random.Random", RANDOM),
    ("import random", "random.Random(7).seed()", "random.seed", RANDOM),
    ("import random", "random.SystemRandom().random()", "random.Random", RANDOM),
    ("import secrets", "secrets.token_hex()", "secrets.token_hex", RANDOM),
    ("import os", "os.urandom(8)", "os.urandom", RANDOM),
    ("import uuid", "uuid.uuid4()", "uuid.uuid4", UUID),
    ("import uuid", "uuid.uuid1()", "uuid.uuid1", UUID),
    ("import os", "os.environ['HOME']", "os.environ", INPUT),
    ("import os", "os.environ.get('HOME')", "os.environ", INPUT),
    ("import os", "'HOME' in os.environ", "os.environ", INPUT),
    ("import os", "len(os.environ)", "os.environ", INPUT),
    ("import os", "os.getenv('HOME')", "os.getenv", INPUT),
    ("import os", "os.getpid()", "os.getpid", INPUT),
    ("import platform", "platform.node()", "platform.node", INPUT),
    ("", "open('prices.json')", "open", ACTIVITY),
    ("from pathlib import Path", "Path('prices.json').read_text()", "pathlib.Path.read_text", ACTIVITY),
    ("from pathlib import Path", "Path('prices.json').write_text('')", "pathlib.Path.write_text", ACTIVITY),
    ("from pathlib import Path", "Path('prices.json').exists()", None, ACTIVITY),
    ("import os", "os.listdir('.')", "os.listdir", ACTIVITY),
    ("import os", "os.path.exists('prices.json')", None, ACTIVITY),
    ("import tempfile", "tempfile.mkdtemp()", "tempfile.mkdtemp", ACTIVITY),
    ("import socket", "socket.socket()", "socket.socket", ACTIVITY),
    ("import socket", "socket.create_connection(('localhost', 1))", "socket.create_connection", ACTIVITY),
    ("import socket", "socket.gethostname()", "socket.gethostname", ACTIVITY),
    ("import urllib.request", "urllib.request.urlopen('http://localhost:1')", "urllib.request.urlopen", ACTIVITY),
    ("import subprocess", "subprocess.run(['true'])", "subprocess.run", ACTIVITY),
    ("import os", "os.system('true')", "os.system", ACTIVITY),
    ("import threading", "threading.Thread(target=print).start()", "threading.Thread.start", THREAD),
    (
        "from concurrent.futures import ThreadPoolExecutor",
        "ThreadPoolExecutor(1)",
        "concurrent.futures.ThreadPoolExecutor",
        THREAD,
    ),
    ("", "input('sure? ')", "input", "a signal, or pass it in the workflow's input"),
    ("import asyncio", "await asyncio.sleep(1)", "asyncio.sleep", WAIT),
    ("import asyncio", "await asyncio.sleep(0)", "asyncio.sleep", WAIT),
    ("import asyncio", "await asyncio.to_thread(print)", "asyncio.to_thread", ACTIVITY),
    ("import asyncio", "asyncio.create_task(None)", "asyncio.create_task", "ctx.spawn(...)"),
    ("import asyncio", "await asyncio.wait_for(None, 1)", "asyncio.wait_for", "ctx.timeout(...)"),
]

ALLOWED = [
    ("import datetime", "datetime.datetime(2026, 1, 1) + datetime.timedelta(days=1)"),
    ("import datetime", "datetime.datetime.fromisoformat('2026-01-01').isoformat()"),
    ("import datetime", "datetime.datetime.strptime('2026-01-01', '%Y-%m-%d')"),
    ("import datetime", "datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()"),
    ("import zoneinfo", "zoneinfo.ZoneInfo.no_cache('Europe/Berlin')"),
    ("import time", "time.gmtime(0)"),
    ("import time", "time.strftime('%Y', time.gmtime(0))"),
    ("import random", "random.Random(7).choice([1, 2, 3])"),
    ("import random", "random.Random('seed').random()"),
    ("import random", "random.Random(7).shuffle([1, 2])"),
    ("import uuid", "uuid.UUID(int=1)"),
    ("import uuid", "uuid.uuid5(uuid.NAMESPACE_DNS, 'order-1')"),
    ("import json", "json.loads(json.dumps({'a': [1, 2.5, None]}, indent=2))"),
    ("import decimal", "decimal.Decimal('1.10').quantize(decimal.Decimal('0.1'))"),
    ("import hashlib", "hashlib.sha256(b'order-1').hexdigest()"),
    ("import re", "re.compile('a+b').match('aab')"),
    ("import dataclasses", "dataclasses.make_dataclass('Order', ['id'])(1)"),
    ("import pathlib", "pathlib.PurePath('a') / 'b'"),
    ("import os.path", "os.path.join('a', 'b')"),
    ("import threading", "threading.Lock()"),
    ("import logging", "logging.getLogger('orders').warning('late: %s', 1)"),
    ("import warnings", "warnings.warn('old', DeprecationWarning)"),
    ("import traceback", "traceback.format_stack()"),
    ("", "print('charged', end='')"),
    ("", "__import__('colorsys')"),
    ("", "sorted({'b', 'a'})"),
]


CELL = f"{gettempdir()}/ipykernel_7/123.py"
"""How Jupyter names the file of a cell."""


def made(imports: str, expression: str, file: str = CELL) -> Callable[..., Any]:
    """A workflow made as a notebook cell makes it: its code has a file name, and no file; the call is in line 4."""
    source = (
        f"{imports}\nasync def workflow(ctx):\n    order = 'o-1'\n    found = {expression}\n    return [order, found]\n"
    )
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), names)
    return names["workflow"]  # type: ignore[no-any-return]


def run(guard: Guard, function: Callable[..., Any]) -> Any:
    """Run a coroutine function that waits for nothing under a guard."""
    coroutine = function(None)
    try:
        with guard:
            coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


def caught(guard: Guard, function: Callable[..., Any]) -> Finding:
    """What the guard finds."""
    with pytest.raises(NonDeterministicCall) as raised:
        run(guard, function)
    return raised.value.finding


@pytest.fixture(autouse=True)
def no_profiler() -> Iterator[None]:
    """Nothing stays installed after a test."""
    traced = sys.gettrace()
    yield
    assert sys.getprofile() is None
    assert sys.gettrace() is traced


@pytest.mark.parametrize(("imports", "expression", "call", "alternative"), FORBIDDEN, ids=[row[1] for row in FORBIDDEN])
def test_a_forbidden_call_is_caught_at_its_line(
    imports: str, expression: str, call: str | None, alternative: str
) -> None:
    """The finding names the call as its user writes it, the file and the line, and what to use instead."""
    finding = caught(Guard(), made(imports, expression))
    assert (finding.file, finding.line, finding.alternative) == (CELL, 4, alternative)
    assert call is None or finding.call == call


@pytest.mark.parametrize(("imports", "expression"), ALLOWED, ids=[row[1] for row in ALLOWED])
def test_deterministic_code_is_left_alone(imports: str, expression: str) -> None:
    """What depends on its arguments only, and what only reports, is no finding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(Guard(), made(imports, expression))
    assert result[0] == "o-1"


def test_code_without_a_file_or_a_module_name_is_watched() -> None:
    """Code from a bare `exec` is user code too."""
    names: dict[str, Any] = {}
    exec("import time\nasync def workflow(ctx):\n    return time.time()\n", names)
    finding = caught(Guard(), names["workflow"])
    assert (finding.file, finding.line, finding.source) == ("<string>", 3, "")


def test_a_call_in_a_notebook_cell_is_shown_with_its_source() -> None:
    """Where the source is registered, as IPython does, the finding shows the line."""
    file = "<ipython-input-7-abc>"
    linecache.cache[file] = (0, None, ["import time\n", "\n", "\n", "    found = time.time()\n"], file)
    try:
        finding = caught(Guard(), made("import time", "time.time()", file))
    finally:
        del linecache.cache[file]
    assert str(finding) == (
        "time.time at <ipython-input-7-abc>:4 (found = time.time()): "
        "it reads the wall clock, and a replay sees another time; instead: ctx.now()"
    )


def test_the_error_survives_pickling() -> None:
    """The finding is the exception's argument."""
    error = NonDeterministicCall(Finding("open", "shop.py", 3, "why", "an activity"))
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.finding, str(back)) == (NonDeterministicCall, error.finding, str(error))
    assert copy.copy(error).finding == error.finding


def test_the_call_does_not_happen() -> None:
    """The exception comes in place of the call: nothing is slept, written or started."""
    started = time.perf_counter()
    caught(Guard(), made("import time", "time.sleep(3600)"))
    assert time.perf_counter() - started < 60


def test_a_swallowed_finding_is_found_again() -> None:
    """The guard goes on after a workflow has caught the exception, in C calls, Python calls and awaits alike."""
    found: list[str] = []

    async def stubborn(ctx: object) -> str:
        for _ in range(3):
            try:
                time.time()
            except Exception as error:
                found.append(str(error))
            try:
                random.choice([1])
            except Exception as error:
                found.append(str(error))
            try:
                await asyncio.sleep(1)
            except Exception as error:
                found.append(str(error))
            try:
                list(map(_seconds, [1]))
            except Exception as error:
                found.append(str(error))
        return "done"

    assert run(Guard(), stubborn) == "done"
    assert [text.split()[0] for text in found] == ["time.time", "random.choice", "asyncio.sleep", "time.time"] * 3


def _seconds(_: int) -> float:
    return time.time()


def test_a_finding_in_a_finally_after_a_finding_is_found() -> None:
    """Cleaning up is workflow code too."""

    async def cleaning(ctx: object) -> None:
        try:
            time.time()
        finally:
            time.monotonic()

    assert caught(Guard(), cleaning).call == "time.monotonic"


def test_the_line_is_that_of_the_helper_that_calls() -> None:
    """The place is the innermost code of the user, not the workflow that called it."""
    finding = caught(Guard(), _calls_a_helper)
    assert finding.line == _seconds.__code__.co_firstlineno + 1
    assert finding.source == "return time.time()"


async def _calls_a_helper(ctx: object) -> float:
    return _seconds(1)


def test_a_default_made_by_a_dataclass_is_found_where_the_class_is_used() -> None:
    """The code that `dataclass` writes has no lines of its own."""
    source = """
    import dataclasses, uuid
    @dataclasses.dataclass
    class Order:
        id: object = dataclasses.field(default_factory=uuid.uuid4)
    async def workflow(ctx):
        return Order()
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), "cell", "exec"), names)
    sys.modules.setdefault("__main__", types.ModuleType("__main__"))
    finding = caught(Guard(), names["workflow"])
    assert (finding.call, finding.file, finding.line) == ("uuid.uuid4", "cell", 7)


@pytest.mark.parametrize(
    ("module", "found"),
    [("durable_sim.models.replay", False), ("durable_sim.library.orders", True), ("durable_simple", True), ("x", True)],
)
def test_the_engines_own_calls_do_not_count(module: str, found: bool) -> None:
    """A forbidden call is the engine's when the innermost code outside Python's library is; its library holds
    workflows."""
    names: dict[str, Any] = {"__name__": module}
    exec("import uuid\nasync def workflow(ctx):\n    return [uuid.uuid4()]\n", names)
    if found:
        assert caught(Guard(), names["workflow"]).call == "uuid.uuid4"
    else:
        assert len(run(Guard(), names["workflow"])) == 1


def test_what_happens_inside_an_import_does_not_count() -> None:
    """A module may read the clock while it is loaded."""
    code = compile("import os, time\nLOADED = time.time(), os.environ.get('HOME')\n", "late.py", "exec")

    class Loader:
        def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, self) if name == "durable_late" else None  # type: ignore[arg-type]

        def create_module(self, spec: object) -> None: ...

        def exec_module(self, module: types.ModuleType) -> None:
            exec(code, vars(module))

    loader = Loader()
    sys.meta_path.insert(0, loader)  # type: ignore[arg-type]
    try:
        result = run(Guard(), made("", "__import__('durable_late').LOADED"))
    finally:
        sys.meta_path.remove(loader)  # type: ignore[arg-type]
        sys.modules.pop("durable_late", None)
    assert result[1][0] > 0


def test_what_happens_while_memory_is_freed_does_not_count() -> None:
    """When an object is freed is not up to the workflow: finalizers and collector callbacks may do anything."""
    ended: list[float] = []

    class Old:
        def __del__(self) -> None:
            ended.append(time.time())

    def collecting(phase: str, info: object) -> None:
        ended.append(time.perf_counter())

    async def frees(ctx: object) -> None:
        Old()
        gc.collect()

    gc.callbacks.append(collecting)
    try:
        run(Guard(), frees)
    finally:
        gc.callbacks.remove(collecting)
    assert len(ended) >= 3  # more where the collector comes of itself


def test_code_outside_is_not_watched() -> None:
    """Between `exit` and the next `enter` everything is allowed, also after a finding."""
    guard = Guard()
    caught(guard, made("import time", "time.time()"))
    assert time.time() > 0
    guard.enter()
    with pytest.raises(NonDeterministicCall):
        time.time()
    guard.exit()
    assert time.time() > 0


def test_guards_nest() -> None:
    """Only the outermost `exit` ends the watch; a second guard inside leaves it to the first."""
    guard, other = Guard(), Guard()
    with guard:
        with guard, other:
            pass
        with pytest.raises(NonDeterministicCall):
            time.time()
    assert time.time() > 0


def test_another_profile_function_stays() -> None:
    """A profiler that is at work already is left alone, and nothing is found."""
    events: list[str] = []

    def profiler(frame: object, event: str, argument: object) -> None:
        events.append(event)

    guard = Guard()
    sys.setprofile(profiler)
    try:
        with guard:
            time.time()
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert "c_call" in events


def test_a_debugger_keeps_its_trace_function() -> None:
    """The tracing that puts the guard back after a finding gives way to what was there, and tells it the event."""
    before = sys.gettrace()
    events: list[tuple[str, str]] = []

    def debugger(frame: Any, event: str, argument: object) -> Any:
        if frame.f_code.co_name == "stubborn":
            events.append((event, frame.f_code.co_name))
        return debugger

    async def stubborn(ctx: object) -> None:
        try:
            time.time()
        except NonDeterministicCall:
            pass
        assert sys.gettrace() is debugger

    sys.settrace(debugger)
    try:
        run(Guard(), stubborn)
    finally:
        sys.settrace(before)
    assert ("exception", "stubborn") in events
    assert events[-1] == ("return", "stubborn")


def test_other_threads_are_not_watched() -> None:
    """The guard sees the thread that entered it, no other."""
    begin, seen = threading.Event(), []

    def beside() -> None:
        begin.wait(10)
        seen.append(time.time())

    thread = threading.Thread(target=beside)
    thread.start()
    with Guard():
        begin.set()
        thread.join(10)
    assert len(seen) == 1


# ---- order from sets

LIMITS = {"b", "a"}
RULES = ["b", "a"]


async def _for_loop(ctx: Any) -> None:
    for name in {"b", "a"}:  # here: a for loop over a set
        ctx(name)


async def _list_comprehension(ctx: Any) -> Any:
    names = set(RULES)
    return [ctx(name) for name in names]  # here: a comprehension over a set


async def _dict_comprehension(ctx: Any) -> Any:
    return {name: len(name) for name in frozenset(RULES)}  # here: a comprehension over a set


async def _generator(ctx: Any) -> Any:
    return ", ".join(name.upper() for name in LIMITS)  # here: a comprehension over a set


async def _join(ctx: Any) -> Any:
    return ", ".join({name.upper() for name in RULES})  # here: join() of a set


async def _list(ctx: Any) -> Any:
    return list(set(RULES) | set(ctx))  # here: list() of a set


async def _tuple(ctx: Any) -> Any:
    return tuple(set(RULES).difference(ctx))  # here: tuple() of a set


async def _enumerate(ctx: Any) -> Any:
    for number, name in enumerate(LIMITS - {"a"}):  # here: enumerate() of a set
        ctx(number, name)


async def _zip(ctx: Any) -> Any:
    return dict(zip(RULES, LIMITS, strict=True))  # here: zip() of a set


async def _map(ctx: Any) -> Any:
    return ctx(map(str, LIMITS))  # here: map() of a set


async def _next(ctx: Any) -> Any:
    return next(iter(LIMITS))  # here: iter() of a set


async def _pop(ctx: Any) -> Any:
    waiting = set(RULES)
    waiting.add("c")
    return waiting.pop()  # here: pop() of a set


async def _starred(ctx: Any) -> Any:
    return await ctx.gather(*{ctx(name) for name in RULES})  # here: * of a set


async def _unpacked(ctx: Any) -> Any:
    first, second = set(RULES)  # here: unpacking of a set
    return first, second


async def _parameter(ctx: Any, names: set[str] | None) -> Any:
    for name in names or LIMITS:  # here: a for loop over a set
        ctx(name)


async def _annotated(ctx: Any) -> Any:
    names: frozenset[str] = ctx()
    for name in names:  # here: a for loop over a set
        ctx(name)


async def _keys(ctx: Any) -> Any:
    for name in ctx.old.keys() & ctx.new.keys():  # here: a for loop over a set
        ctx(name)


async def _both_branches(ctx: Any) -> Any:
    if ctx:
        names = set(RULES)
    else:
        ctx()
        names = LIMITS | {"c"}
    for name in names:  # here: a for loop over a set
        ctx(name)


async def _after_return(ctx: Any) -> Any:
    names: Any = set(RULES)
    if ctx:
        names = sorted(names)
        return names
    return list(names)  # here: list() of a set


async def _handler(ctx: Any) -> Any:
    waiting = set()

    def add(name: str) -> None:
        waiting.add(name)
        for one in waiting:  # here: a for loop over a set
            ctx(one)

    ctx(add)


async def _lambda(ctx: Any) -> Any:
    return ctx(lambda: [name.upper() for name in LIMITS])  # here: a comprehension over a set


def _missing(ctx: Any) -> set[str]:
    return LIMITS - set(ctx)


async def _returned(ctx: Any) -> Any:
    for name in _missing(ctx):  # here: a for loop over a set
        ctx(name)


def _first(names: set[str]) -> str:
    return list(names)[-1]  # here: list() of a set


async def _helper(ctx: Any) -> Any:
    return _first(LIMITS)


async def _match(ctx: Any) -> Any:
    match ctx:
        case {"names": _}:
            names = LIMITS
        case _:
            names = set(RULES)
    return [*names]  # here: * of a set


SET_ORDERS = [
    *(_for_loop, _list_comprehension, _dict_comprehension, _generator, _join, _list, _tuple, _enumerate, _zip, _map),
    *(_next, _pop, _starred, _unpacked, _parameter, _annotated, _keys, _both_branches, _after_return, _handler),
    *(_lambda, _returned, _match),
]


def marked(function: Callable[..., Any]) -> tuple[int, str]:
    """The line and the text of the comment `# here: ...` in a function."""
    first = function.__code__.co_firstlineno
    for line in range(first, first + 20):
        _, found, text = linecache.getline(__file__, line).partition("# here: ")
        if found:
            return line, text.strip()
    raise AssertionError("no mark")


@pytest.mark.parametrize("function", SET_ORDERS, ids=[function.__name__ for function in SET_ORDERS])
def test_an_order_from_a_set_is_found(function: Callable[..., Any]) -> None:
    """Each way to take an order from a set is found in the source, at its line, once."""
    (finding,) = set_order_findings(function)
    assert (finding.line, finding.call) == marked(function)
    assert (finding.file, finding.alternative) == (__file__, "sorted(...)")


def test_a_called_function_of_the_same_module_is_read_too() -> None:
    """The finding is in the helper."""
    (finding,) = set_order_findings(_helper)
    assert (finding.line, finding.call) == marked(_first)


async def _careful(ctx: Any, names: set[str], prices: dict[str, int], *rest: str) -> Any:
    """Uses sets in every way that needs no order."""
    for name in sorted(names):
        ctx(name)
    for name, price in prices.items():
        ctx(name, price)
    for name in rest:
        ctx(name)
    counts = [len(names), sum(names), min(names), max(names), any(names), all(names), "a" in names]
    texts = (
        sorted(name.upper() for name in names),
        sorted([*names]),
        sorted(map(str, tuple(names))),
        sorted(map(str, names)),
    )
    more = {name.upper() for name in names} | {*names} | frozenset(list(names)) | names.union(n for n in names)
    more.update(name for name in names)
    names |= more
    both = [name for name in rest if name in names]
    total = sum(prices[name] for name in names)
    ordered = sorted(names)
    names = ordered  # type: ignore[assignment]
    for name in names:
        ctx(name)
    chosen: Any = LIMITS if ctx else RULES
    for name in chosen:
        ctx(name)
    waiting: Any = set(rest)
    if ctx:
        waiting = sorted(waiting)
    for name in [*waiting]:
        ctx(name)
    shuffled: Any = set(rest)
    try:
        shuffled = sorted(shuffled)
    except TypeError:
        return None
    ctx(list(shuffled))
    later: Any = set(rest)
    ctx(lambda: list(later))
    later = sorted(later)
    sooner: Any = list(rest)
    ctx(lambda: list(sooner))
    sooner = set(sooner)
    limits = [list(LIMITS) for LIMITS in rest]
    return counts, texts, both, total, limits, rest.index("a"), prices.pop("a"), [1].pop()


def test_sets_used_without_their_order_are_no_findings() -> None:
    """Sorting, counting, membership, set operators, and names that are only sometimes sets are left alone."""
    assert set_order_findings(_careful) == ()


def test_functions_without_source_have_no_set_findings() -> None:
    """Code from a bare `exec`, builtins and objects that can be called are not read."""
    names: dict[str, Any] = {}
    exec("async def workflow(ctx):\n    return list({1, 2})\n", names)
    assert set_order_findings(names["workflow"]) == ()
    assert set_order_findings(print) == ()
    assert set_order_findings(Guard) == ()


def test_a_notebook_cell_is_read() -> None:
    """The source that IPython keeps for a cell is enough."""
    source = "NAMES = {'a', 'b'}\n\nasync def workflow(ctx):\n    for name in NAMES:\n        ctx(name)\n"
    file = CELL
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), names)
    try:
        (finding,) = set_order_findings(names["workflow"])
    finally:
        del linecache.cache[file]
    assert (finding.file, finding.line, finding.source) == (file, 4, "for name in NAMES:")


def test_check_raises_the_first_finding_each_time() -> None:
    """A function is read once for each guard and refused as often as it is started."""
    guard = Guard()
    for _ in range(2):
        with pytest.raises(NonDeterministicCall, match=r"a for loop over a set at .*sorted\(\.\.\.\)"):
            guard.check(_for_loop)
    guard.check(_careful)
    assert set(guard._checked) == {_for_loop, _careful}
