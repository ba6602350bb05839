"""What an operator sees at an instant: each open execution, what it hangs on, and which need help first.

Reads the trace up to that instant. The one thing that no operator could know is told apart: `stuck`, that nothing will
ever move the execution on, is what the simulator found out at the end of the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from durable_sim import trace as kinds
from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.health.attempts import error_told
from durable_sim.models.executions import Execution
from durable_sim.models.replay.events import ACTIVITY_TASK_SCHEDULED
from durable_sim.models.replay.model import Replay
from durable_sim.models.steps.model import Steps
from durable_sim.preformatted import preformatted
from durable_sim.simulation.run import Recording
from durable_sim.trace import Record

State = Literal["stuck", "failing", "running", "waiting"]
STATES: Final[tuple[State, ...]] = ("stuck", "failing", "running", "waiting")
"""In the order in which they are shown. failing: the last attempt failed, of a step or of the code itself."""
Limits = dict[int, int]
"""The most attempts by step; 0: without limit."""


@dataclass(frozen=True, slots=True)
class PendingStep:
    """A step that has not come to its end. `attempts_max` is 0 where there is no limit, None where it is not known;
    `next_retry_us` is set in a back-off only, `worker` only while an attempt is under way."""

    name: str
    since_us: int
    attempt: int = 0
    attempts_max: int | None = None
    last_error: str | None = None
    next_retry_us: int | None = None
    worker: str | None = None

    def __str__(self) -> str:
        limit = {None: "", 0: " of unlimited"}.get(self.attempts_max, f" of {self.attempts_max}")
        return f"{self.name}, attempt {self.attempt}{limit}" if self.attempt else f"{self.name}, not begun"


@dataclass(frozen=True, slots=True)
class OpenExecution:
    """An execution that is under way; `steps` that are pending, those with the most attempts first; `waits_for` says
    what it waits for where no step is pending, or why it is stuck."""

    id: str
    state: State
    age_us: int
    late: bool
    steps: tuple[PendingStep, ...]
    waits_for: str = ""
    last_error: str | None = None

    def told(self, now_us: int) -> list[str]:
        """The execution as the cells of a table: see `HEADINGS`."""
        step = self.steps[0] if self.steps else None
        more = f" (+{len(self.steps) - 1})" if len(self.steps) > 1 else ""
        retry_us = None if step is None else step.next_retry_us
        return [
            self.id,
            self.state + (", late" if self.late else ""),
            _span(self.age_us),
            self.waits_for if step is None else f"{step}{more}",
            "" if retry_us is None else f"in {_span(retry_us - now_us)}",
            self.last_error or "",
        ]


SHOWN: Final = 30
"""So many executions are printed; `open` has them all."""
HEADINGS: Final = ("execution", "state", "age", "pending", "next retry", "last error")


@dataclass(frozen=True, slots=True)
class OperatorView:
    """The open executions at an instant, those that need help first."""

    at_us: int
    open: tuple[OpenExecution, ...]
    ended: int

    def count(self, state: State) -> int:
        """How many are in a state."""
        return sum(one.state == state for one in self.open)

    def __str__(self) -> str:
        counts = ", ".join(f"{self.count(state)} {state}" for state in STATES if self.count(state)) or "none"
        head = f"at {_span(self.at_us)}: {len(self.open)} open ({counts}), {self.ended} ended"
        rows = [list(HEADINGS), *(one.told(self.at_us) for one in self.open[:SHOWN])] if self.open else []
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
        more = [f"... and {len(self.open) - SHOWN} more"] if len(self.open) > SHOWN else []
        return "\n".join([head, *("  ".join(row).rstrip() for row in cells), *more])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return preformatted(self)


def operator_view(recording: Recording, at_us: int | None = None, *, expected: Duration | None = None) -> OperatorView:
    """The executions that are open at an instant, by default at the end of the run.

    First those that nothing will ever move, then those whose last attempt failed (most attempts first), then the
    others; among equals the oldest first. `late` are those older than `expected`.

    Raises:
        UserError: `at_us` is negative.
    """
    now_us = recording.ended_us if at_us is None else at_us
    if now_us < 0:
        raise UserError(f"operator view: at_us is {now_us}, expected an instant from the start, 0 or later")
    seen = _seen(recording, now_us)
    expected_us = None if expected is None else duration_us(expected)
    here = [one for one in recording.executions if one.arrived_us <= now_us]
    shown = [
        _open(recording, one, seen.get(one.id, _Seen()), now_us, expected_us) for one in here if _is_open(one, now_us)
    ]
    return OperatorView(now_us, tuple(sorted(shown, key=_urgency)), len(here) - len(shown))


def _is_open(execution: Execution, now_us: int) -> bool:
    return execution.ended_us is None or execution.ended_us > now_us


def _urgency(one: OpenExecution) -> tuple[int, int, int]:
    attempts = one.steps[0].attempt if one.steps else 0
    return STATES.index(one.state), -attempts if one.state == "failing" else 0, -one.age_us


def _open(
    recording: Recording, execution: Execution, seen: _Seen, now_us: int, expected_us: int | None
) -> OpenExecution:
    limits, age_us = _limits(recording, execution), now_us - execution.arrived_us
    steps = sorted((step.shown(limits) for step in seen.steps.values()), key=lambda step: -step.attempt)
    hopeless = recording.pending.get(execution.id, "") is None and not seen.more
    error = next((step.last_error for step in steps if step.last_error), seen.code_error)
    state: State = "stuck" if hopeless else "failing" if error else "running" if seen.running else "waiting"
    late = expected_us is not None and age_us > expected_us
    return OpenExecution(execution.id, state, age_us, late, tuple(steps), seen.waits_for(hopeless), error)


# --- from the trace -------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Step:
    name: str
    number: int
    since_us: int
    home: str | None
    attempt: int = 0
    last_error: str | None = None
    next_retry_us: int | None = None
    worker: str | None = None

    def shown(self, limits: Limits) -> PendingStep:
        limit = limits.get(self.number, limits.get(0))
        return PendingStep(
            self.name, self.since_us, self.attempt, limit, self.last_error, self.next_retry_us, self.worker
        )

    def take(self, record: Record) -> None:
        """Take in what becomes of an attempt."""
        if record.kind == kinds.TASK_STARTED:
            self.attempt, self.worker, self.next_retry_us = record.attempt or self.attempt + 1, record.worker, None
        elif (error := error_told(record)) is not None:
            self.last_error, self.worker = error, None
        if record.kind == kinds.BACKOFF_BEGUN:
            self.next_retry_us = record.time_us + (record.data or {}).get("delay_us", 0)
        elif record.kind == kinds.BACKOFF_ENDED:
            self.next_retry_us = None


@dataclass(slots=True)
class _Seen:
    """What the trace says of an execution up to an instant; `more` if it says more later."""

    steps: dict[int, _Step] = field(default_factory=dict)
    timers: dict[int, int] = field(default_factory=dict)
    code_error: str | None = None
    lost: bool = False
    begun: bool = False
    more: bool = False

    @property
    def running(self) -> bool:
        return any(step.worker is not None for step in self.steps.values())

    def waits_for(self, hopeless: bool) -> str:
        if hopeless:
            return "nothing: its run was lost" if self.lost else "nothing"
        if self.timers:
            return f"a timer, due at {_span(min(self.timers.values()))}"
        return "its code or a message" if self.begun else "a worker to begin it"

    def take(self, record: Record) -> None:
        """Take in one record."""
        match record.kind:
            case kinds.EXECUTION_STARTED | kinds.EXECUTION_RESTARTED | kinds.EXECUTION_LOST:
                self._from_the_top(lost=record.kind == kinds.EXECUTION_LOST)
            case kinds.WORKFLOW_TASK_FAILED:
                self.code_error = f"workflow task: {(record.data or {}).get('message', '')}"
            case kinds.TIMER_STARTED:
                self.timers[record.step or 0] = record.time_us + (record.data or {}).get("duration_us", 0)
            case kinds.TIMER_FIRED | kinds.TIMER_CANCELLED:
                self.timers.pop(record.step or 0, None)
            case kinds.TASK_COMPLETED:
                self.steps.pop(record.step or 0, None)
            case _:
                self._step(record)

    def worker_died(self, worker: str | None) -> None:
        """What lived in its memory is gone: the steps that it had planned itself; those of a durable engine stay."""
        self.steps = {number: step for number, step in self.steps.items() if step.home is None or step.home != worker}

    def _from_the_top(self, *, lost: bool) -> None:
        self.steps, self.timers, self.code_error, self.lost, self.begun = {}, {}, None, lost, True

    def _step(self, record: Record) -> None:
        number = record.step or 0
        if record.kind in (kinds.TASK_SCHEDULED, kinds.TASK_STARTED) and number not in self.steps:
            self.steps[number] = _Step(record.subject or "", number, record.time_us, record.worker)
            self.code_error = None
        if record.kind in _OF_STEPS and number in self.steps:
            self.steps[number].take(record)


_OF_THE_WORLD: Final = (kinds.REQUEST_RECEIVED, kinds.EFFECT_APPLIED, kinds.REPLY_SENT)
"""These may come when nobody waits for the answer any more."""
_OF_STEPS: Final = (
    kinds.TASK_STARTED,
    kinds.RESULT_RECORDED,
    kinds.ATTEMPT_TIMED_OUT,
    kinds.BACKOFF_BEGUN,
    kinds.BACKOFF_ENDED,
)


def _seen(recording: Recording, now_us: int) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    for record in recording.trace:
        if record.kind in (kinds.WORKER_CRASHED, kinds.WORKER_STOPPED) and record.time_us <= now_us:
            for each in found.values():
                each.worker_died(record.worker)
        if record.execution is None:
            continue
        one = found.setdefault(record.execution, _Seen())
        if record.time_us <= now_us:
            one.take(record)
        elif record.kind not in _OF_THE_WORLD:
            one.more = True
    return found


# --- from the engine ------------------------------------------------------------------------------------------------
def _limits(recording: Recording, execution: Execution) -> Limits:
    """The most attempts by step, under 0 for all steps alike; nothing where the engine does not say."""
    model, _ = recording.engine
    if isinstance(model, Replay):
        return dict(_scheduled(model, execution))
    if isinstance(model, Steps):
        return {0: max((run.max_attempts for run in model.platform.runs_of(execution)), default=1)}
    return {}


def _scheduled(model: Replay, execution: Execution) -> Iterator[tuple[int, int]]:
    for run in model.server.runs.values():
        for event in run.history if run.trace_id == execution.id else ():
            if event.type == ACTIVITY_TASK_SCHEDULED:
                number = model.server.numbers.known(execution.id, run.run_id, event.attributes["step"])
                yield number or 0, event.attributes["retry_policy"].maximum_attempts


def _span(us: int) -> str:
    """Rough enough to be read at a glance."""
    for unit, size in (("d", 86_400e6), ("h", 3_600e6), ("min", 60e6)):
        if us >= 2 * size:
            return f"{us / size:.3g} {unit}"
    return f"{us / 1e6:.3g} s"
