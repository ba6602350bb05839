"""The interpreter of state machines: one execution, told what happens, says what to do.

Pure: no clock, no SimPy. Each input gives the time and returns actions in order; the history grows on the way. Always
holds: the same inputs give the same actions and events; after `Ended`, no other input but `redrive` does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from durable_sim.durations import SECOND
from durable_sim.models.state_machine.actions import Action, Ended, Status, StopChild
from durable_sim.models.state_machine.core import Core, Identity, Limits
from durable_sim.models.state_machine.distributed import DistributedMap
from durable_sim.models.state_machine.history import History, HistoryFull
from durable_sim.models.state_machine.language.definition import StateMachine
from durable_sim.models.state_machine.language.errors import RUNTIME, TIMEOUT
from durable_sim.models.state_machine.maps import InlineMap, is_distributed
from durable_sim.models.state_machine.parallel import Parallel
from durable_sim.models.state_machine.simple import Choice, Fail, Pass, Succeed, Wait
from durable_sim.models.state_machine.strands import Failure, Stay, Strand, Work
from durable_sim.models.state_machine.tasks import TaskWork
from durable_sim.randomness import Randomness

DEFAULT_LIMITS = Limits()
_WORK: Mapping[str, Callable[[Core, Stay], Work]] = {
    "Pass": Pass,
    "Choice": Choice,
    "Wait": Wait,
    "Succeed": Succeed,
    "Fail": Fail,
    "Task": TaskWork,
    "Parallel": Parallel,
}
_REDRIVABLE: tuple[Status, ...] = ("FAILED", "TIMED_OUT", "ABORTED")


class Machine:
    """One execution of a state machine."""

    def __init__(
        self,
        definition: StateMachine,
        whole_input: Any,
        identity: Identity,
        randomness: Randomness,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.definition = definition
        self.ended = Ended("RUNNING")
        self._core = Core(identity, whole_input, randomness, limits)
        self._core.make_work = self._make_work
        whole = definition.definition
        self._main = Strand(whole["States"], whole["StartAt"], definition.query_language, self, ())

    @property
    def history(self) -> History:
        """What has happened so far."""
        return self._core.history

    @property
    def status(self) -> Status:
        """RUNNING, or how it ended."""
        return self.ended.status

    # --- inputs ---
    def start(self, now_us: int) -> list[Action]:
        """Begin the execution."""
        return self._told(now_us, self._start)

    def task_started(self, token: str, now_us: int, worker: str | None = None) -> list[Action]:
        """The function of a task is being called."""
        return self._to_task(token, now_us, lambda task: task.started(worker))

    def task_ended(self, token: str, value: Any, now_us: int) -> list[Action]:
        """The function of a task returned."""
        return self._to_task(token, now_us, lambda task: task.ended(value))

    def task_failed(self, token: str, error: str, cause: str | None, now_us: int) -> list[Action]:
        """The function of a task raised, or who has the token says that it failed."""
        return self._to_task(token, now_us, lambda task: task.failed(error, cause))

    def task_answered(self, token: str, output: Any, now_us: int) -> list[Action]:
        """Who has the token says that the task succeeded."""
        return self._to_task(token, now_us, lambda task: task.answered(output))

    def task_heartbeat(self, token: str, now_us: int) -> list[Action]:
        """A task says that it is alive."""
        return self._to_task(token, now_us, lambda task: task.heartbeat())

    def child_ended(self, token: str, output: Any, failure: Failure | None, now_us: int) -> list[Action]:
        """A child execution of a distributed Map has come to its end."""
        child = self._core.waiting.pop(token, None)
        return self._told(now_us, lambda: child.child_ended(token, output, failure)) if child is not None else []

    def timer_fired(self, token: str, now_us: int) -> list[Action]:
        """A timer is due."""
        return self._told(now_us, lambda: self._core.fire(token))

    def stop(self, now_us: int, error: str | None = None, cause: str | None = None) -> list[Action]:
        """Somebody stops the execution."""
        return self._told(now_us, lambda: self._cut_off("ABORTED", "ExecutionAborted", error, cause))

    def redrive(self, now_us: int) -> list[Action]:
        """Take an execution up again where it ended, if it can be; what succeeded is not run again."""
        if not self.can_be_redriven:
            return []
        self.ended = Ended("RUNNING")
        return self._told(now_us, self._redrive)

    # --- questions ---
    @property
    def can_be_redriven(self) -> bool:
        """Whether it failed, was stopped or timed out, and its history has room for the redrive and one more event."""
        limit = self._core.limits.history
        return self.status in _REDRIVABLE and (limit is None or len(self.history) < limit - 1)

    def waits_for(self, token: str) -> bool:
        """Whether the end of that task would still count."""
        return token in self._core.waiting

    def waits_for_answer(self, token: str) -> bool:
        """Whether who has that token may answer."""
        task = self._core.waiting.get(token)
        return isinstance(task, TaskWork) and task.waits_for_answer

    # --- the owner of the main strand ---
    def strand_succeeded(self, strand: Strand, output: Any) -> None:
        """The last state has ended."""
        strand.alive = False
        self._finish(Ended("SUCCEEDED", output), "ExecutionSucceeded", output=output)

    def strand_failed(self, strand: Strand, failure: Failure) -> None:
        """A state failed, and nothing caught that."""
        strand.alive = False
        error = failure.error or None
        self._finish(Ended("FAILED", None, error, failure.cause), "ExecutionFailed", error=error, cause=failure.cause)

    # --- inside ---
    def _told(self, now_us: int, act: Callable[[], None]) -> list[Action]:
        """Carry out an input, all that follows from it at once, and give the actions."""
        if self.status != "RUNNING":
            return []
        core = self._core
        core.now_us = now_us
        try:
            act()
            core.run_ready()
        except HistoryFull:
            cause = f"The execution reached the most events that a history can have ({core.limits.history})."
            self._finish(Ended("FAILED", None, RUNTIME, cause), "ExecutionFailed", error=RUNTIME, cause=cause)
        actions, core.actions = core.actions, []
        return actions

    def _to_task(self, token: str, now_us: int, tell: Callable[[TaskWork], None]) -> list[Action]:
        task = self._core.waiting.get(token)
        return self._told(now_us, lambda: tell(task)) if isinstance(task, TaskWork) else []

    def _make_work(self, stay: Stay) -> Work:
        if stay.type == "Map":
            return DistributedMap(self._core, stay) if is_distributed(stay.state) else InlineMap(self._core, stay)
        return _WORK[stay.type](self._core, stay)

    def _start(self) -> None:
        core, main = self._core, self._main
        core.started_us = core.now_us
        core.write_aside(main, "ExecutionStarted", input=core.input, roleArn=core.identity.role)
        self._set_deadline()
        core.go_to(main, main.start_at, core.input)

    def _set_deadline(self) -> None:
        core, own_s = self._core, self.definition.timeout_s
        limits_us = [us for us in (core.limits.execution_us, None if own_s is None else round(own_s * SECOND)) if us]
        if limits_us:
            core.set_timer("execution", core.now_us + min(limits_us), 0, self._timed_out)

    def _timed_out(self) -> None:
        self._cut_off("TIMED_OUT", "ExecutionTimedOut", TIMEOUT, None)

    def _cut_off(self, status: Status, event_type: str, error: str | None, cause: str | None) -> None:
        self._core.abort(self._main)
        told = {} if status == "TIMED_OUT" else {"error": error, "cause": cause}
        self._finish(Ended(status, None, error, cause), event_type, **told)

    def _finish(self, ended: Ended, event_type: str, **details: Any) -> None:
        core, main = self._core, self._main
        told = {name: value for name, value in details.items() if value is not None or name == "output"}
        main.previous_id = core.history.append(event_type, main.previous_id, core.now_us, told, last=True)
        main.alive = False
        core.actions.extend(StopChild(token) for token, one in core.waiting.items() if isinstance(one, DistributedMap))
        core.waiting.clear()
        core.cancel_all_timers()
        core.actions.append(ended)
        self.ended = ended

    def _redrive(self) -> None:
        core, main = self._core, self._main
        core.redrives += 1
        core.write(main, "ExecutionRedriven", redriveCount=core.redrives)
        self._set_deadline()
        core.redrive(main)
