"""Handles on what runs in a simulation that is driven step by step: workflows, and updates that were asked for.

A handle names a workflow; what it tells is read from the server at that moment.
"""

from __future__ import annotations

from typing import Any

from durable_sim.durations import Duration, duration_us
from durable_sim.models.replay.describe import Description
from durable_sim.models.replay.history import History
from durable_sim.models.replay.server.state import Run
from durable_sim.simulation.driver import Driver
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.handlers import QueryFailed, UpdateRequest
from durable_sim.workflows.payloads import copied


class ExecutionFailed(Exception):
    """A workflow did not complete: its status says how, its cause why."""

    def __init__(self, workflow_id: str, status: str, message: str = "") -> None:
        super().__init__(workflow_id, status, message)
        self.workflow_id = workflow_id
        self.status = status
        self.message = message

    @property
    def cause(self) -> BaseException | None:
        """The failure behind it."""
        return self.__cause__

    def __str__(self) -> str:
        return f"workflow {self.workflow_id}: {self.status}" + (f" ({self.message})" if self.message else "")


class UpdateFailed(Exception):
    """An update was refused by its validator, or its handler failed; the cause says why."""

    def __init__(self, name: str, outcome: str, message: str) -> None:
        super().__init__(name, outcome, message)
        self.name = name
        self.outcome = outcome
        self.message = message

    @property
    def cause(self) -> BaseException | None:
        """The failure behind it."""
        return self.__cause__

    def __str__(self) -> str:
        return f"update {self.name} was {self.outcome}: {self.message}"


class UpdateHandle:
    """An update that was asked for; as time passes it is accepted and done, or refused."""

    def __init__(self, driver: Driver, name: str, id: str) -> None:
        self._driver = driver
        self.name = name
        self.id = id
        self.accepted = False
        self.done = False
        self.failure: Failure | None = None
        self._rejected = False
        self._value: Any = None

    def _told(self, what: str, value: Any, failure: Failure | None) -> None:
        self.accepted = self.accepted or what != "rejected"
        if what != "accepted":
            self.done, self._value, self.failure, self._rejected = True, value, failure, what == "rejected"

    def result(self) -> Any:
        """Let time pass until it is done; what its handler returned.

        Raises:
            UpdateFailed: it was refused, or its handler failed.
        """
        self._driver.until(lambda: self.done, f"update {self.name}")
        if self.failure is not None:
            outcome = "rejected" if self._rejected else "failed"
            raise UpdateFailed(self.name, outcome, self.failure.told) from self.failure.to_exception()
        return copied(self._value)


class WorkflowHandle:
    """A workflow by its id: the current run of it, whichever that is."""

    def __init__(self, driver: Driver, workflow_id: str) -> None:
        self._driver = driver
        self.workflow_id = workflow_id

    @property
    def _run(self) -> Run:
        return self._driver.server.current(self.workflow_id)

    @property
    def status(self) -> str:
        """RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT or CONTINUED_AS_NEW."""
        return self._run.status

    @property
    def runs(self) -> tuple[str, ...]:
        """The ids of its runs, in order."""
        return self._driver.server.chain(self.workflow_id)

    def history(self, run_id: str | None = None, *, transient: bool = False) -> History:
        """The history of a run, by default the current one.

        With `transient`, the events of a second or later attempt of a workflow task are shown behind it, as the real
        server does, which are in the history only once that attempt has succeeded.
        """
        run = self._run if run_id is None else self._driver.server.runs[run_id]
        passing = run.task.transient if transient and run.task is not None and not run.task.speculative else []
        return History([*run.history, *passing])

    def describe(self) -> Description:
        """What an operator sees of it now."""
        run = self._run
        return self._driver.describe(run)

    def signal(self, name: str, *arguments: Any) -> None:
        """Send a signal."""
        self._driver.server.signal(self.workflow_id, name, list(copied(list(arguments), f"argument of signal {name}")))

    def query(self, name: str, *arguments: Any, timeout: Duration = "15s") -> Any:
        """Ask a query, and let time pass until it is answered.

        Raises:
            QueryFailed: there is no such handler, it raised, or nobody answered within `timeout`.
        """
        answers: list[tuple[Any, str | None]] = []
        copies = tuple(copied(list(arguments), f"argument of query {name}"))
        self._driver.server.query(self.workflow_id, name, copies, lambda *answer: answers.append(answer))
        late = None, f"DEADLINE_EXCEEDED: no worker has answered within {timeout}"
        self._driver.world.alarms.after(duration_us(timeout), answers.append, late)
        self._driver.until(lambda: bool(answers), f"query {name}")
        answer, problem = answers[0]
        if problem is not None:
            raise QueryFailed(problem)
        return answer

    def start_update(self, name: str, *arguments: Any, id: str | None = None) -> UpdateHandle:
        """Ask for an update, and do not wait."""
        self._driver.updates += 1
        handle = UpdateHandle(self._driver, name, id or f"update-{self._driver.updates}")
        copies = tuple(copied(list(arguments), f"argument of update {name}"))
        request = UpdateRequest(handle.id, name, copies)
        self._driver.server.update(self.workflow_id, request, handle._told)
        return handle

    def update(self, name: str, *arguments: Any, id: str | None = None) -> Any:
        """Ask for an update, and let time pass until it is done; what its handler returned.

        Raises:
            UpdateFailed: it was refused, or its handler failed.
        """
        return self.start_update(name, *arguments, id=id).result()

    def cancel(self) -> None:
        """Ask it to stop, in its own way."""
        self._driver.server.request_cancel(self.workflow_id)

    def terminate(self, reason: str = "", *details: Any) -> None:
        """End it at once; its code never hears of it."""
        self._driver.server.terminate(self.workflow_id, reason, list(details))

    def reset(self, event_id: int, reason: str = "") -> str:
        """Go back to the workflow task at an event: a new run goes on from there. Gives the id of the run."""
        return self._driver.server.reset(self.workflow_id, event_id, reason)

    def result(self) -> Any:
        """Let time pass until it has ended; what it returned.

        Raises:
            ExecutionFailed: it failed, was cancelled or terminated, or timed out.
            UserError: nothing will ever end it, or it takes more than a year.
        """
        self._driver.until(lambda: not self._run.open and self._run.next_run_id is None, f"workflow {self.workflow_id}")
        run = self._run
        if run.failure is not None:
            error = ExecutionFailed(self.workflow_id, run.status, run.failure.told)
            raise error from run.failure.to_exception()
        return copied(run.result)

    def __repr__(self) -> str:
        return str(self.describe())
