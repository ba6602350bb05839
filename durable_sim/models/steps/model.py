"""The execution model `steps`: each step is an HTTP call of its own, its result is remembered by a platform.

Makes the platform from the model's options, and tells an observer what an open execution waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from durable_sim.durations import Duration, duration_us, seconds
from durable_sim.errors import UserError
from durable_sim.models.executions import Execution, Home
from durable_sim.models.steps.answers import Sdk, SdkKind
from durable_sim.models.steps.directory import Directory
from durable_sim.models.steps.function import StepFunction
from durable_sim.models.steps.platform import Platform
from durable_sim.models.steps.protocol import INVOKE_FUNCTION, SLEEP, Answer, Call, Event, Op
from durable_sim.models.steps.queue import Transport, Wire
from durable_sim.models.steps.retries import RETRIES, RETRIES_MAX
from durable_sim.models.steps.runs import Item, Run
from durable_sim.models.workers import WorkerProcess
from durable_sim.randomness import Constant, Distribution, Exponential, LogNormal, Uniform
from durable_sim.trace import CANCEL_REQUESTED

OVERHEAD = ("100ms", "500ms")
TRANSPORTS = ("serve", "connect")
MISSING_AFTER_US = {"python": 0, "js": 10_000_000}


class Steps:
    """A platform that calls functions step by step.

    Args:
        home: what every model is built from.
        retries: attempts of a step, or of a function outside its steps, after the first; 0 to 20.
        sdk: "python" or "js"; they differ in what ends a call in user code, and in errors that say they are final.
        overhead: what a call costs besides the work: a time span, two ("100ms", "500ms") for evenly between, or a
            distribution of `durable_sim.randomness`.
        checkpoint_batch: None for an answer after each step; else ("js" only) steps run one after the other in one
            call, and so many finished ones are reported at a time: what is not reported is lost in a crash.
        call_timeout: the longest that a call may take; then it is made again.
        api_latency: what a checkpoint or the sending of an event takes; a plausible default, not measured.
        lose_answer: the probability that an answer is lost on its way.
        transport: "serve": workers are called over HTTP, and a call that finds none fails and costs an attempt;
            "connect": workers hold a connection open, and calls wait until there is one.
        functions: more functions, which events start or steps invoke.
    """

    def __init__(
        self,
        home: Home,
        *,
        retries: int = RETRIES,
        sdk: SdkKind = "python",
        overhead: Duration | Iterable[Duration] | Distribution = OVERHEAD,
        checkpoint_batch: int | None = None,
        call_timeout: Duration = "2h",
        api_latency: Duration = "20ms",
        lose_answer: float = 0.0,
        transport: Transport = "serve",
        functions: Iterable[StepFunction] = (),
    ) -> None:
        _check(retries, sdk, checkpoint_batch, lose_answer)
        if transport not in TRANSPORTS:
            raise UserError(f"steps: transport is {transport!r}, expected 'serve' or 'connect'")
        self._home = home
        self._directory = Directory(home, tuple(functions))
        times_us = duration_us(call_timeout), duration_us(api_latency)
        wire = Wire(_distribution(overhead), *times_us, lose_answer, transport)
        kind = Sdk(sdk, checkpoint_batch, MISSING_AFTER_US[sdk])
        self.platform = Platform(home, self._directory, kind, wire, retries)

    def submit(self, execution: Execution) -> None:
        """Start the function of the scenario's workflow."""
        function = self._directory.deployed(self._home.workflow)
        assert function is not None
        self.platform.submit(execution, function)

    def pending(self, execution: Execution) -> str | None:
        """What an open run waits for; None when it waits for nothing that will ever come."""
        if self.platform.gates.holds(execution):
            return "held back by flow control"
        return next((_pending(run) for run in self.platform.runs_of(execution) if run.open), None)

    def stored(self, execution: Execution) -> int:
        """The finished steps that are remembered."""
        return sum(len(run.memo) for run in self.platform.runs_of(execution))

    def worker_started(self, process: WorkerProcess) -> None:
        """Calls that wait for a worker are given out."""
        self.platform.queue.workers_came()

    def worker_stopping(self, process: WorkerProcess) -> None:
        """Nothing to prepare: calls go elsewhere by themselves."""

    def worker_lost(self, process: WorkerProcess) -> None:
        """The connections to the process break."""
        self.platform.queue.worker_lost(process)

    def send(self, event: Event) -> str:
        """Send an event from outside; gives its id."""
        return self.platform.send(event)

    def restart_executor(self, downtime: Duration = "0s") -> None:
        """The platform's executor dies and comes back: calls under way are made again once their leases are over."""
        self.platform.queue.restart(duration_us(downtime))

    # --- from outside -----------------------------------------------------------------------------------------------
    def restart_server(self, downtime_us: int) -> list[str] | None:
        """The executor goes down, unless it is down. Not inside of what the platform is doing now."""
        if self.platform.queue.down:
            return None
        self._home.world.alarms.after(0, self.platform.queue.restart, downtime_us)
        return self.platform.open_executions()

    def signal(self, execution: Execution, name: str, arguments: tuple[Any, ...]) -> list[str] | None:
        """An event of that name is sent, about no execution in particular: the steps that wait for it say what it must
        have in it. The platform takes every event; one that nobody waits for reaches nobody."""
        event = Event(name, _data(arguments))
        self._home.world.alarms.after(0, self._send, event)
        return self.platform.expect(event)

    def cancel(self, execution: Execution) -> list[str] | None:
        """The execution's run is cancelled between its steps; its code never hears of it."""
        runs = [run for run in self.platform.runs_of(execution) if run.open and execution in run.ends]
        for run in runs:
            self._home.world.alarms.after(0, self._cancel, run)
        return [execution.id] if runs else None

    def redrive(self, execution: Execution) -> list[str] | None:
        """What has failed stays so."""
        return None

    def _send(self, event: Event) -> None:
        self.send(event)

    def _cancel(self, run: Run) -> None:
        if run.open:
            run.chronicle.note(CANCEL_REQUESTED, run.id)
            self.platform.cancel(run, "somebody asked it to stop")

    def watch_calls(self, tell: Callable[[Call, Answer | None], None]) -> None:
        """Have `tell` told of every call with its answer, or None where there was none."""
        self.platform.queue.call_log = tell


def _pending(run: Run) -> str | None:
    for item in run.items:
        return _item_in_words(item)
    op = run.asleep
    return None if op is None else _wait_in_words(op)


def _item_in_words(item: Item) -> str:
    what = f"call {item.run.calls + 1} of {item.run.function_id}, attempt {item.attempt + 1} of {item.run.max_attempts}"
    match item.state:
        case "calling":
            return f"a call of {item.run.function_id} under way, attempt {item.attempt + 1} of {item.run.max_attempts}"
        case "waiting":
            return f"{what}, waiting for its turn or a worker"
    return f"{what}, due at {seconds(item.due_us)}"


def _wait_in_words(op: Op) -> str:
    if op.op == SLEEP:
        return f"step {op.name} sleeps until {seconds(op.detail)}"
    if op.op == INVOKE_FUNCTION:
        return f"step {op.name} waits for function {op.detail.function_id}"
    return f"step {op.name} waits for event {op.detail.event}"


def _data(arguments: tuple[Any, ...]) -> Any:
    """The data of an event that is sent as a signal."""
    return arguments[0] if len(arguments) == 1 else list(arguments) or None


def _distribution(given: Any) -> Distribution:
    if isinstance(given, (Constant, Uniform, Exponential, LogNormal)):
        return given
    if isinstance(given, (str, timedelta)):
        return Constant(given)
    if isinstance(given, (list, tuple)) and len(given) == 2:
        return Uniform(*given)
    raise UserError(f"steps: overhead is {given!r}, expected a time span, two of them, or a distribution")


def _check(retries: int, sdk: str, checkpoint_batch: int | None, lose_answer: float) -> None:
    if not 0 <= retries <= RETRIES_MAX:
        raise UserError(f"steps: retries is {retries}, expected 0 to {RETRIES_MAX}")
    if sdk not in MISSING_AFTER_US:
        raise UserError(f"steps: sdk is {sdk!r}, expected 'python' or 'js'")
    if checkpoint_batch is not None and (sdk != "js" or checkpoint_batch < 1):
        raise UserError(
            f"steps: checkpoint_batch is {checkpoint_batch} with sdk {sdk!r}, expected 1 or more, with 'js'"
        )
    if not 0 <= lose_answer <= 1:
        raise UserError(f"steps: lose_answer is {lose_answer}, expected a probability")
