"""What comes from outside, as pure data: faults of calls and of processes, and stimuli, what people do to executions.

Nothing here acts: world/network.py plays the faults of calls, simulation/injector.py all the others. A cancellation is
a stimulus where a scenario is about it, and a fault where a search injects it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, get_args

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import ScenarioError
from durable_sim.fields import check_fields
from durable_sim.randomness import STRICT, Distribution, Exponential
from durable_sim.workflows.payloads import copied_arguments


def _refuse(name: str, problems: list[str]) -> None:
    """Name all that is wrong with a setting at once."""
    if problems:
        raise ScenarioError(name, problems)


# --- one call -------------------------------------------------------------------------------------------------------
OK: Final = "ok"
REFUSE: Final = "refuse"
ERROR: Final = "error"
ERROR_AFTER_EFFECT: Final = "error_after_effect"
LOSE_REQUEST: Final = "lose_request"
LOSE_REPLY: Final = "lose_reply"
LATE_EFFECT: Final = "late_effect"
DUPLICATE: Final = "duplicate"
SLOW: Final = "slow"

CallFault = Literal[
    "refuse", "error", "error_after_effect", "lose_request", "lose_reply", "late_effect", "duplicate", "slow"
]
CALL_FAULTS: tuple[CallFault, ...] = get_args(CallFault)
"""Each is a probability of `Mixture`, in the order in which they are drawn."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """How often a call goes wrong in which way: probabilities that add up to at most 1.

    refuse: a definite error, no effect. error: a 500, no effect. error_after_effect: a 500 after the effect; the same
    error for the caller. lose_request (no effect), lose_reply (after the effect) and late_effect (it lands `late_by`
    after the caller gave up) are one and the same time-out for the caller. duplicate: the request is delivered twice,
    the second time `duplicate_after` later. slow: the latency is multiplied by `slow_factor`.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    refuse: float = 0.0
    error: float = 0.0
    error_after_effect: float = 0.0
    lose_request: float = 0.0
    lose_reply: float = 0.0
    late_effect: float = 0.0
    duplicate: float = 0.0
    slow: float = 0.0
    slow_factor: float = 10.0
    late_by: Distribution = Exponential("15s")
    duplicate_after: Distribution = Exponential("1s")

    def __post_init__(self) -> None:
        check_fields(self, "faults")
        problems = [
            f"{kind} is {getattr(self, kind)}, expected a probability from 0 to 1"
            for kind in CALL_FAULTS
            if not 0 <= getattr(self, kind) <= 1
        ]
        if not problems and self.total > 1 + 1e-9:
            problems.append(f"the probabilities add up to {self.total:g}, expected at most 1")
        if not 1 <= self.slow_factor < math.inf:
            problems.append(f"slow_factor is {self.slow_factor}, expected 1 or more")
        _refuse("faults", problems)

    @property
    def total(self) -> float:
        """The probability that something goes wrong."""
        return float(sum(getattr(self, kind) for kind in CALL_FAULTS))

    def draw(self, u: float) -> str:
        """The fate of a call for a number in [0, 1)."""
        for kind in CALL_FAULTS:
            share: float = getattr(self, kind)
            if u < share:
                return kind
            u -= share
        return OK


CALM = Mixture()


@dataclass(frozen=True, slots=True)
class Outage:
    """Trouble that comes in bursts: the service is up and down in turn, for exponential times with these means.

    While it is down, the fates of calls are drawn from `faults`.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    mean_up: Duration
    mean_down: Duration
    faults: Mixture = Mixture(refuse=0.4, lose_request=0.4, lose_reply=0.2)

    def __post_init__(self) -> None:
        check_fields(self, "outage")
        names = ("mean_up", "mean_down")
        _refuse("outage", [f"{name} is 0s, expected more" for name in names if duration_us(getattr(self, name)) == 0])


@dataclass(frozen=True, slots=True)
class Downtime:
    """Trouble at a known time: from `start`, for as long as it `lasts`, the fates of calls are drawn from `faults`."""

    __pydantic_config__: ClassVar[Any] = STRICT
    start: Duration
    lasts: Duration
    faults: Mixture = Mixture(refuse=0.4, lose_request=0.4, lose_reply=0.2)

    def __post_init__(self) -> None:
        check_fields(self, "downtime")
        _refuse("downtime", ["lasts is 0s, expected more"] if duration_us(self.lasts) == 0 else [])


@dataclass(frozen=True, slots=True)
class Script:
    """A fault for one certain call: "the 2nd call of shipping.schedule gets a 500".

    `call` counts the calls of the operation from 1, over the run, or within `execution` where that is given. `late_by`
    goes with a late effect: how long after its caller gave up it lands.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    service: str
    operation: str
    call: int
    fault: CallFault
    execution: str | None = None
    late_by: Duration | None = None
    kind: Literal["script"] = field(default="script", repr=False)

    def __post_init__(self) -> None:
        check_fields(self, "Script")
        problems = []
        if self.call < 1:
            problems.append(f"call is {self.call}, expected 1 or more")
        if self.late_by is not None and self.fault != LATE_EFFECT:
            problems.append(f"late_by={self.late_by!r} goes with fault='late_effect'")
        _refuse("Script", problems)

    @property
    def subject(self) -> str:
        """The operation in full: service.operation."""
        return f"{self.service}.{self.operation}"

    @property
    def target(self) -> tuple[str, str | None, int]:
        """Which call is meant."""
        return self.subject, self.execution, self.call


# --- processes ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class _Strikes:
    """When a fault strikes: give exactly one of `at`, `after_record` and `after`.

    at: a time since the start. after_record: right after the trace record with this index. after: right after the `nth`
    trace record of this kind, of the subject `of` and of the `execution` where given (after="reply_received",
    of="payments.charge", execution="o-1").
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    at: Duration | None = None
    after_record: int | None = None
    after: str | None = None
    of: str | None = None
    execution: str | None = None
    nth: int = 1

    def __post_init__(self) -> None:
        check_fields(self, type(self).__name__)
        problems = []
        if sum(way is not None for way in (self.at, self.after_record, self.after)) != 1:
            problems.append("give exactly one of at, after_record and after")
        for name in ("of", "execution"):
            if getattr(self, name) is not None and self.after is None:
                problems.append(f"{name}={getattr(self, name)!r} goes with after='<kind of trace record>'")
        if self.nth < 1 or (self.after_record is not None and self.after_record < 0):
            problems.append("nth counts from 1 and after_record from 0")
        elif self.nth > 1 and self.after is None:
            problems.append(f"nth={self.nth} goes with after='<kind of trace record>'")
        _refuse(type(self).__name__, problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(_Strikes):
    """A worker process dies and forgets; another takes its place after `restart_after`.

    Without a `worker`, the one that the trace record belongs to is hit, or else the first that has work in hand.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["crash"] = field(default="crash", repr=False)
    worker: str | None = None
    restart_after: Duration = "2s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(_Strikes):
    """A worker stands still for a while (a long garbage collection, a frozen machine), then goes on as if nothing had
    happened: a zombie, if others took over meanwhile."""

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["pause"] = field(default="pause", repr=False)
    worker: str | None = None
    lasts: Duration = "1m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy(_Strikes):
    """The workers are restarted, on other code where `version` names some.

    With a `grace` period a worker takes no new work and may finish what it has in hand before it is killed; without,
    it is killed at once. `rolling` replaces one worker after the other, otherwise all stop together. A worker is away
    for `downtime`.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["deploy"] = field(default="deploy", repr=False)
    version: str | None = None
    grace: Duration | None = None
    rolling: bool = True
    downtime: Duration = "1s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRestart(_Strikes):
    """The engine's server loses its memory, and goes on from its store after `downtime`.

    Models without a server of their own (`regular`, `status_columns`, and `state_machine`, whose service is durable)
    cannot be struck: the fault does not fire.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["restart_server"] = field(default="restart_server", repr=False)
    downtime: Duration = "0s"


# --- executions -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(_Strikes):
    """Somebody sends a signal to an execution: a `name`, and `arguments` that are JSON-like data.

    `target` is the execution, by default that of the trigger, or else the only one. Under `steps` a signal is an event
    of that name, whose data is the argument (the list of them, if there are several). One to an execution that has not
    begun or has ended is refused, and has not fired.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["signal"] = field(default="signal", repr=False)
    name: str
    arguments: tuple[Any, ...] = ()
    target: str | None = None

    def __post_init__(self) -> None:
        _Strikes.__post_init__(self)
        problems = [] if self.name else ["name is empty, expected the signal's name"]
        if not isinstance(self.arguments, tuple):
            problems.append(f"arguments are {self.arguments!r}, expected a tuple of JSON-like data")
        _refuse("Signal", problems)
        object.__setattr__(self, "arguments", copied_arguments(self.arguments, f"argument of signal {self.name}"))

    def __hash__(self) -> int:
        return hash((self.name, self.at, self.after, self.of, self.nth))  # arguments may be dicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(_Strikes):
    """Somebody asks an execution to stop; what follows is up to its code, or, in models without such manners, its end.

    `target` is the execution, by default that of the trigger or of the record that triggers it, or else the only one.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["cancel"] = field(default="cancel", repr=False)
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive(_Strikes):
    """Somebody takes an execution up again that has failed, was stopped or timed out, where it ended (`state_machine`).

    What succeeded is not run again; the definition is that of the beginning, the code of functions that of now.
    `target` as for `Cancel`. One that is open, completed, Express, ended more than 14 days ago or has no room left in
    its history is not taken up, and the redrive has not fired. The calm world has none: nothing fails there by fault.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["redrive"] = field(default="redrive", repr=False)
    target: str | None = None


ProcessFault = Crash | Pause | Deploy | ServerRestart
Stimulus = Signal | Cancel | Redrive
Planned = ProcessFault | Stimulus
"""All that strikes at an instant of a run."""


# --- at random ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """Crashes at random: exponential gaps with mean `every`, any worker, from `start` to `until` after the start."""

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["crashes"] = field(default="crashes", repr=False)
    every: Duration
    until: Duration
    start: Duration = "0s"
    restart_after: Duration = "2s"

    def __post_init__(self) -> None:
        _check_random(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploys:
    """Deploys at random: exponential gaps with mean `every`, from `start` to `until` after the start."""

    __pydantic_config__: ClassVar[Any] = STRICT
    kind: Literal["deploys"] = field(default="deploys", repr=False)
    every: Duration
    until: Duration
    start: Duration = "0s"
    grace: Duration | None = None
    rolling: bool = True
    downtime: Duration = "1s"

    def __post_init__(self) -> None:
        _check_random(self)


Fault = ProcessFault | Cancel | Crashes | Deploys | Script
Placeable = Fault | Signal
"""What a search places: a fault, or a signal of the scenario's own, which then comes here and not when it was to."""
RANDOM_FAULTS_MAX: Final = 100_000
"""A plan with more of them is a mistyped unit, and would fill the memory before the run begins."""


def _check_random(fault: Crashes | Deploys) -> None:
    check_fields(fault, type(fault).__name__)
    every_us, start_us, until_us = duration_us(fault.every), duration_us(fault.start), duration_us(fault.until)
    problems = []
    if every_us == 0:
        problems.append("every is 0s, expected more")
    elif (until_us - start_us) / every_us > RANDOM_FAULTS_MAX:
        problems.append(f"every {fault.every!r} until {fault.until!r} makes more than {RANDOM_FAULTS_MAX:,} of them")
    if until_us < start_us:
        problems.append(f"until {fault.until!r} is before start {fault.start!r}")
    _refuse(type(fault).__name__, problems)
