"""What workflow code must not do, as data: which function, why, and what to use in its place.

Owns the rules, not the watching. A function of C is known by identity, a Python function by module and qualified name,
so that no module has to be imported in order to be forbidden. Always holds: what depends only on its arguments
(datetime arithmetic, a seeded `random.Random`, `uuid.UUID(int=...)`) is in no table.
"""

from __future__ import annotations

import _thread
import builtins
import datetime
import os
import random
import socket
import sys
import time
from collections.abc import Callable, Mapping
from opcode import opmap
from types import FrameType
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """One place where a function is not deterministic. `source` is the line itself, empty where nobody kept it."""

    call: str
    file: str
    line: int
    reason: str
    alternative: str
    source: str = ""

    def __str__(self) -> str:
        source = f" ({self.source})" if self.source else ""
        return f"{self.call} at {self.file}:{self.line}{source}: {self.reason}; instead: {self.alternative}"


class Rule(NamedTuple):
    """Why a call is forbidden and what to write instead.

    `call` is the name to show when it is not the function's own; `applies` looks at the frame of the event (the caller
    of a C function, the called Python function itself), for what is forbidden with some arguments only.
    """

    reason: str
    alternative: str
    call: str | None = None
    applies: Callable[[FrameType], bool] | None = None


def _argument_count(frame: FrameType) -> int | None:
    """With how many arguments the frame is calling, where that is written in the call itself."""
    code, place = frame.f_code.co_code, frame.f_lasti
    return code[place + 1] if code[place] in _CALLS else None


def _without_arguments(frame: FrameType) -> bool:
    return _argument_count(frame) == 0


def _with_format_only(frame: FrameType) -> bool:
    return _argument_count(frame) == 1


def _unpredictable(frame: FrameType) -> bool:
    """Whether a method of `random.Random` is about to draw from the shared generator, the system, or no seed."""
    names = frame.f_locals
    generator = names.get("self")
    if generator is _SHARED or isinstance(generator, random.SystemRandom):
        return True
    seed = {"__init__": "x", "seed": "a"}.get(frame.f_code.co_name)
    return seed is not None and names.get(seed) is None


_CALLS = {opmap[name] for name in ("CALL", "PRECALL") if name in opmap}
_SHARED = getattr(random.random, "__self__", None)

_CLOCK = Rule("it reads the wall clock, and a replay sees another time", "ctx.now()")
_WAIT = Rule("it waits in real time, and again on every replay", "ctx.sleep(...)")
_RANDOM = Rule("a replay draws other numbers", "ctx.random", applies=_unpredictable)
_SYSTEM_RANDOM = Rule("a replay gets other bytes", "ctx.random")
_UUID = Rule("a replay gets another id", "ctx.uuid4()")
_ENVIRONMENT = Rule("the next worker may have another environment", "pass it in the workflow's input")
_FILES = Rule("a file may be different on a replay, and on another machine", "an activity")
_NETWORK = Rule("a replay asks the outside world again, and may get another answer", "an activity")
_PROCESS = Rule("another process runs outside the history, and again on every replay", "an activity")
_THREAD = Rule("threads run in an order that no history keeps", "an activity, or ctx.spawn(...) for coroutines")
_INPUT = Rule("a replay would ask again", "a signal, or pass it in the workflow's input")
_LOOP = "it needs asyncio's event loop, and a workflow is not run by one"


def _functions_of(module: Any, shown: str, names: str, rule: Rule) -> dict[Any, Rule]:
    prefix = shown and f"{shown}."
    found = ((name, getattr(module, name, None)) for name in names.split())
    return {one: rule._replace(call=f"{prefix}{name}") for name, one in found if one is not None}


C_FUNCTIONS: Mapping[Any, Rule] = {
    **_functions_of(
        time,
        "time",
        "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time "
        "thread_time_ns clock_gettime clock_gettime_ns",
        _CLOCK,
    ),
    **_functions_of(time, "time", "localtime gmtime ctime asctime", _CLOCK._replace(applies=_without_arguments)),
    **_functions_of(time, "time", "strftime", _CLOCK._replace(applies=_with_format_only)),
    **_functions_of(time, "time", "sleep", _WAIT),
    **_functions_of(datetime.datetime, "datetime", "now utcnow today", _CLOCK),
    **_functions_of(datetime.date, "date", "today", _CLOCK),
    **_functions_of(random, "random", "random getrandbits", _SYSTEM_RANDOM._replace(reason=_RANDOM.reason)),
    **_functions_of(os, "os", "urandom getrandom", _SYSTEM_RANDOM),
    **_functions_of(
        os, "os", "getpid getppid getuid getlogin uname cpu_count times getloadavg putenv unsetenv", _ENVIRONMENT
    ),
    **_functions_of(
        os,
        "os",
        "listdir scandir stat lstat access open remove unlink rename replace mkdir rmdir chdir getcwd readlink symlink "
        "link truncate chmod utime statvfs",
        _FILES,
    ),
    **_functions_of(os, "os", "system fork kill posix_spawn execv execve waitpid", _PROCESS),
    **_functions_of(builtins, "", "open", _FILES),
    **_functions_of(builtins, "", "input", _INPUT),
    **_functions_of(socket, "socket", "gethostname gethostbyname gethostbyaddr getservbyname", _NETWORK),
    **_functions_of(_thread, "_thread", "start_new_thread start_joinable_thread", _THREAD),
}
"""Functions of C by identity. A bound one equals another of the same object: `random.random`, no other generator's."""

PYTHON_FUNCTIONS: Mapping[str, Rule] = {
    **{f"uuid.{name}": _UUID for name in ("uuid1", "uuid4", "uuid6", "uuid7", "getnode")},
    "os.getenv": _ENVIRONMENT,
    "os.getenvb": _ENVIRONMENT,
    "threading.Thread.start": _THREAD,
    "urllib.request.urlopen": _NETWORK,
    "requests.api.request": _NETWORK,
    "requests.sessions.Session.request": _NETWORK,
    "httpx._client.Client.request": _NETWORK,
    "httpx._client.AsyncClient.request": _NETWORK,
    "IPython.core.interactiveshell._modified_open": _FILES._replace(call="open"),
    "ipykernel.kernelbase.Kernel.raw_input": _INPUT._replace(call="input"),
    "asyncio.tasks.sleep": _WAIT._replace(reason=_LOOP),
    "asyncio.threads.to_thread": _THREAD._replace(alternative="an activity"),
    "asyncio.runners.run": Rule(_LOOP, "await it"),
    "asyncio.tasks.gather": Rule(_LOOP, "ctx.gather(...)"),
    "asyncio.taskgroups.TaskGroup.__init__": Rule(_LOOP, "ctx.gather(...)"),
    "asyncio.tasks.create_task": Rule(_LOOP, "ctx.spawn(...)"),
    "asyncio.tasks.ensure_future": Rule(_LOOP, "ctx.spawn(...)"),
    "asyncio.tasks.wait": Rule(_LOOP, "ctx.first_of(...)"),
    "asyncio.tasks.as_completed": Rule(_LOOP, "ctx.first_of(...)"),
    "asyncio.tasks.wait_for": Rule(_LOOP, "ctx.timeout(...)"),
    "asyncio.timeouts.timeout": Rule(_LOOP, "ctx.timeout(...)"),
    "asyncio.tasks.shield": Rule(_LOOP, "ctx.shield(...)"),
}
"""Python functions by module and qualified name."""

PYTHON_CLASSES: Mapping[str, Rule] = {
    "random.Random": _RANDOM,
    "random.SystemRandom": _SYSTEM_RANDOM,
    "os._Environ": _ENVIRONMENT._replace(call="os.environ"),
}
"""Classes of which every method counts."""

MODULES: Mapping[str, Rule] = {
    "secrets": _SYSTEM_RANDOM,
    **dict.fromkeys(("tempfile", "shutil", "glob", "fileinput"), _FILES),
    **dict.fromkeys(("socket", "ssl", "http.client", "ftplib", "smtplib", "selectors"), _NETWORK),
    **dict.fromkeys(("subprocess", "multiprocessing"), _PROCESS),
    "concurrent.futures": _THREAD,
    "platform": _ENVIRONMENT,
}
"""Modules of which every Python function counts, with what is below them."""

QUIET = frozenset(
    (
        *("importlib._bootstrap", "importlib._bootstrap_external", "zoneinfo", "_strptime"),
        *("weakref", "logging", "warnings", "traceback", "linecache", "inspect", "tokenize", "bdb", "pdb", "cmd"),
        *("IPython", "ipykernel", "_pytest", "pluggy", "coverage", "debugpy", "pydevd", "_pydevd_bundle"),
    )
)
"""Modules and packages whose doings change no result: importing, freeing, reporting, tools around the code."""

_SHOWN = {"genericpath": "os.path", "posixpath": "os.path", "ntpath": "os.path"}


def rule_of(module: str, qualified_name: str) -> Rule | None:
    """The rule for a Python function.

    >>> rule_of("uuid", "uuid4").alternative
    'ctx.uuid4()'
    >>> rule_of("uuid", "UUID.__init__") is None
    True
    """
    owner = f"{module}.{qualified_name.rpartition('.')[0]}"
    rule = PYTHON_FUNCTIONS.get(f"{module}.{qualified_name}") or PYTHON_CLASSES.get(owner)
    while rule is None and module:
        rule = MODULES.get(module)
        module = module.rpartition(".")[0]
    return rule


def shown_name(module: str, qualified_name: str) -> str:
    """A Python function's name as its users write it.

    >>> shown_name("pathlib._local", "Path.read_text"), shown_name("random", "Random.choice")
    ('pathlib.Path.read_text', 'random.choice')
    """
    for package in ("asyncio", "concurrent.futures", "pathlib"):
        if module.startswith(package):
            module = package
    name = qualified_name.removesuffix(".__init__").replace(".<locals>", "")
    if module == "random" and name != "Random":
        name = name.removeprefix("Random.")
    return f"{_SHOWN.get(module, module)}.{name}"


def is_engine(module: str) -> bool:
    """Whether a module is this package's machinery; its library holds workflows, as user code does."""
    return f"{module}.".startswith("durable_sim.") and not f"{module}.".startswith("durable_sim.library.")


def is_standard(module: str) -> bool:
    """Whether a module belongs to Python's own library."""
    return module.partition(".")[0] in sys.stdlib_module_names


def is_quiet(module: str) -> bool:
    """Whether nothing that happens below a function of this module counts."""
    return module in QUIET or module.partition(".")[0] in QUIET
