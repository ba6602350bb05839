"""State machines run by a service: the definition is data, the service keeps where each execution stands.

The service lives outside of the workers and does not die with them; workers are the environments in which functions
run. A running execution keeps the definition that it started with; functions run the code that their worker has.
Standard executions run once. Express ones may be started twice or, when their host dies, from the start again
(`express_async`), or are lost with it (`express_sync`).

A Lambda task takes 15 minutes at most, as Lambda has it; longer work is an activity's
(`arn:aws:states:...:activity:NAME`), whose worker polls for it and has no such limit.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from durable_sim import trace as kinds
from durable_sim.durations import DAY, MINUTE, Duration, duration_us
from durable_sim.errors import UserError
from durable_sim.models.executions import Execution, Home, Outcome, Unreachable
from durable_sim.models.state_machine.actions import Ended
from durable_sim.models.state_machine.callbacks import STATES_SERVICE, States
from durable_sim.models.state_machine.core import Identity, Limits
from durable_sim.models.state_machine.history import History
from durable_sim.models.state_machine.idiom import Deployed, check_express, deployed
from durable_sim.models.state_machine.invocations import Invocations
from durable_sim.models.state_machine.runs import Run
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.failures import Failure

Kind = Literal["standard", "express_async", "express_sync"]
KINDS: tuple[Kind, ...] = ("standard", "express_async", "express_sync")
EXPRESS_LASTS_US = 5 * MINUTE
LAMBDA_LASTS_US = 15 * MINUTE
REDRIVE_WITHIN_US = 14 * DAY
_HOST_DIED = Failure("HostDied", "the host of the express execution died; whoever started it got no answer")
_DIES_WITHIN_EVENTS = 30


class StateMachines(Unreachable):
    """The service, for one simulation.

    `crash_notice` is how long the death of a function's environment takes to be told, and `crash_error` the name of the
    error: by default "Lambda.Unknown"; a definition whose retriers wait for "Lambda.ServiceException" or the like is
    tried with that. `lambda_timeout` is the longest that a call of a Lambda function may take, 15 minutes at most: then
    it ends as "Sandbox.Timedout", and its code dies as in a crash. For Express, `started_twice` and `host_dies` are the
    probabilities that an execution is started twice and that its host dies on the way.
    """

    def __init__(
        self,
        home: Home,
        express: Kind = "standard",
        transition_latency: Duration = "20ms",
        history_limit: int | None = 25_000,
        payload_limit: int = 262_144,
        crash_notice: Duration = "1s",
        crash_error: str = "Lambda.Unknown",
        lambda_timeout: Duration = "15m",
        started_twice: float = 0.0,
        host_dies: float = 0.0,
    ) -> None:
        _check(express, duration_us(transition_latency), started_twice, host_dies)
        _check_lambda(crash_error, lambda_timeout)
        self._home = home
        self._kind = express
        self._is_express = express != "standard"
        self._twice = started_twice
        self._dies = host_dies
        self._limits = Limits(
            history=None if self._is_express else history_limit,
            payload_bytes=payload_limit,
            transition_us=duration_us(transition_latency),
            execution_us=EXPRESS_LASTS_US if self._is_express else None,
        )
        self._deployed: dict[str | None, Deployed] = {}
        self._runs: dict[str, list[Run]] = {}
        self._ended_us: dict[str, int] = {}
        self._tokens: dict[str, Run] = {}
        self._invocations = Invocations(
            home, self._function, duration_us(crash_notice), crash_error, duration_us(lambda_timeout)
        )
        service = home.world.services.get(STATES_SERVICE)
        if isinstance(service, States):
            service.desk = self

    # --- executions ---
    def submit(self, execution: Execution) -> None:
        """Start the state machine that is deployed now."""
        found = self._code(self._home.fleet.version)
        runs = self._runs[execution.id] = []
        chances = self._home.world.randomness.uniforms("express", execution.id)
        dies = self._is_express and chances[0] < self._dies
        self._start(execution, found, dies_after=1 + int(chances[1] * _DIES_WITHIN_EVENTS) if dies else None)
        if self._kind == "express_async" and chances[2] < self._twice:
            self._start(execution, found)
        assert runs

    def redrive(self, execution: Execution) -> list[str] | None:
        """Take up a Standard execution again that failed, was stopped or timed out 14 days ago or less, where it ended.

        One whose history is full cannot be, nor can an Express one.
        """
        if not self._can_be_redriven(execution):
            return None
        self._home.world.alarms.after(0, self._redrive, execution)  # not inside of what the service is doing now
        return [execution.id]

    def _can_be_redriven(self, execution: Execution) -> bool:
        if self._is_express or execution.status != "failed":
            return False
        age_us = self._home.world.now_us - self._ended_us[execution.id]
        return age_us <= REDRIVE_WITHIN_US and self._runs[execution.id][-1].machine.can_be_redriven

    def _redrive(self, execution: Execution) -> None:
        if self._can_be_redriven(execution):
            execution.status, execution.failure, execution.ended_us = "open", None, None
            self._home.began(execution, redriven=True)
            self._runs[execution.id][-1].redrive()

    def stop(self, execution: Execution, error: str | None = None, cause: str | None = None) -> None:
        """End an execution as aborted; functions that are being called run on."""
        for run in self._runs[execution.id]:
            run.stop(error, cause)

    def cancel(self, execution: Execution) -> list[str] | None:
        """Somebody stops a Standard execution, which ends at once; nobody can stop an Express one."""
        if self._is_express or execution.status != "open" or execution.id not in self._runs:
            return None
        self._home.world.alarms.after(0, self._cancel, execution)  # not inside of what the service is doing now
        return [execution.id]

    def _cancel(self, execution: Execution) -> None:
        if execution.status == "open":
            self._home.world.trace.add(kinds.CANCEL_REQUESTED, execution.id)
            self.stop(execution, "Cancelled", "somebody asked it to stop")

    def pending(self, execution: Execution) -> str | None:
        """What the service waits for; a task token that nobody's time-out guards is nothing."""
        for run in self._runs.get(execution.id, ()):
            told = run.pending()
            if told is not None:
                return told
        return None

    def stored(self, execution: Execution) -> int:
        """The events of its runs."""
        return sum(len(run.machine.history) for run in self._runs.get(execution.id, ()))

    def runs(self, execution: Execution) -> tuple[Run, ...]:
        """The runs of an execution: one, unless it is Express."""
        return tuple(self._runs[execution.id])

    def history(self, execution: Execution) -> History:
        """The history of its last run."""
        return self._runs[execution.id][-1].machine.history

    # --- task tokens ---
    def answer(self, token: str, output: Any) -> bool | None:
        """Who has the token says that the task succeeded: whether that counts, None for an unknown token."""
        run = self._tokens.get(token)
        return None if run is None else run.answer(token, output)

    def fail(self, token: str, error: str, cause: str) -> bool | None:
        """Who has the token says that the task failed: whether that counts, None for an unknown token."""
        run = self._tokens.get(token)
        return None if run is None else run.fail(token, error, cause)

    def beat(self, token: str) -> bool | None:
        """Who has the token says that the task goes on: whether that counts, None for an unknown token."""
        run = self._tokens.get(token)
        return None if run is None else run.beat(token)

    # --- workers ---
    def worker_started(self, process: WorkerProcess) -> None:
        """An environment is there: make the calls that waited for one."""
        self._invocations.worker_started()

    def worker_stopping(self, process: WorkerProcess) -> None:
        """Nothing to prepare: new calls go elsewhere by themselves."""

    def worker_lost(self, process: WorkerProcess) -> None:
        """The calls in that environment fail."""
        self._invocations.worker_lost(process)

    # --- inside ---
    def _code(self, version: str | None) -> Deployed:
        """The state machine and the functions of a version."""
        found = self._deployed.get(version)
        if found is None:
            home = self._home
            found = self._deployed[version] = deployed(home.definition(version), home.build(version))
            if self._is_express:
                check_express(home.workflow, found.machine)
        return found

    def _function(self, version: str | None, name: str) -> Any:
        return self._code(version).function(name)

    def _start(self, execution: Execution, found: Deployed, dies_after: int | None = None) -> None:
        runs = self._runs[execution.id]
        number = len(runs) + 1
        run_id = execution.id if number == 1 else f"{execution.id}#{number}"
        run = Run(
            self._home,
            self._invocations,
            execution.id,
            found.machine,
            execution.input,
            Identity(execution.id, run_id, self._home.workflow),
            self._limits,
            partial(self._ended, execution),
            self._tokens.__setitem__,
        )
        if dies_after is not None:
            run.dies_after, run.on_death = dies_after, partial(self._host_died, execution, found)
        runs.append(run)
        self._home.began(execution)
        run.start()

    def _host_died(self, execution: Execution, found: Deployed, run: Run) -> None:
        run.drop()
        if self._kind == "express_async":
            self._start(execution, found)
        else:
            self._end(execution, Outcome(failure=_HOST_DIED))

    def _ended(self, execution: Execution, run: Run, ended: Ended) -> None:
        if ended.status == "SUCCEEDED":
            self._end(execution, Outcome(ended.output))
        else:
            error = ended.error or f"States.{ended.status}"
            self._end(execution, Outcome(failure=Failure(error, ended.cause or error)))

    def _end(self, execution: Execution, outcome: Outcome) -> None:
        if execution.status == "open":  # of two runs of an Express execution, the first to end counts
            self._ended_us[execution.id] = self._home.world.now_us
            self._home.ended(execution, outcome)


def _check(express: str, transition_us: int, *chances: float) -> None:
    if express not in KINDS:
        raise UserError(f"state_machine: express is {express!r}, expected one of {', '.join(KINDS)}")
    if express != "standard" and transition_us == 0:
        raise UserError(
            "state_machine: transition_latency is 0s, expected more for Express, whose histories have no end"
        )
    if any(not 0 <= chance <= 1 for chance in chances):
        raise UserError(f"state_machine: started_twice and host_dies are {chances}, expected probabilities, 0 to 1")


def _check_lambda(crash_error: object, lambda_timeout: Duration) -> None:
    if not isinstance(crash_error, str) or not crash_error or crash_error.startswith("States."):
        raise UserError(
            f"state_machine: crash_error is {crash_error!r}, expected the name of an error of Lambda, such as "
            "'Lambda.Unknown' or 'Lambda.ServiceException'"
        )
    if not 0 < duration_us(lambda_timeout) <= LAMBDA_LASTS_US:
        raise UserError(
            f"state_machine: lambda_timeout is {lambda_timeout!r}, expected more than 0s and at most 15m, which is "
            "Lambda's own limit; make work that takes longer an activity (Resource 'arn:aws:states:...:activity:NAME')"
        )
