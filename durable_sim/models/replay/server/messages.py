"""What comes from outside to a run: signals, requests to cancel, updates and queries.

Signals and requests to cancel are events. An update is handed to the code with a workflow task of its own, and is an
event only once the code has let it in; a query never is one. Always holds: a query to an open run is answered by code
that has been given all that the history holds, one to a closed run by code that has been given what its tasks gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from durable_sim import trace
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.queues import Queues
from durable_sim.models.replay.server.state import Run
from durable_sim.workflows.commands import AcceptUpdate, CompleteUpdate, RejectUpdate
from durable_sim.workflows.failures import Failure
from durable_sim.workflows.handlers import UpdateRequest

OnUpdate = Callable[[str, Any, Failure | None], None]
"""Called with "accepted", "completed" or "rejected", the result, and the failure."""
OnAnswer = Callable[[Any, str | None], None]
"""Called with the answer to a query, or why there is none."""

UNFINISHED = Failure(
    "AcceptedUpdateCompletedWorkflow",
    "Workflow completed before the Update completed.",
    non_retryable=True,
)
NOT_FOUND = "workflow execution already completed"


class Ticket(NamedTuple):
    """An update whose end somebody waits for, or several. Volatile."""

    request: UpdateRequest
    waiting: list[OnUpdate]

    def tell(self, what: str, result: Any, failure: Failure | None) -> None:
        """Tell all who wait."""
        for tell in self.waiting:
            tell(what, result, failure)


class Query(NamedTuple):
    """A question that somebody waits to have answered. Volatile."""

    number: int
    run: Run
    name: str
    arguments: tuple[Any, ...]
    tell: OnAnswer


class Messages:
    """Signals, requests to cancel, updates and queries of all runs."""

    def __init__(self, journal: Journal, queues: Queues, schedule: Callable[[Run, bool], None]) -> None:
        self._journal = journal
        self._queues = queues
        self._schedule = schedule
        self._tickets: dict[str, dict[str, Ticket]] = {}
        self._queries: dict[int, Query] = {}
        self._asked = 0

    # --- signals and cancellation -----------------------------------------------------------------------------------
    def signal(self, run: Run, name: str, arguments: Sequence[Any], identity: str = "client") -> None:
        """A signal has come; one that comes too late reaches nobody."""
        if not run.open:
            return
        self._journal.note(trace.SIGNAL_RECEIVED, run, data={"name": name})
        attributes = {"signal_name": name, "input": list(arguments), "identity": identity}
        self._journal.happened(run, (kinds.WORKFLOW_EXECUTION_SIGNALED, attributes))

    def request_cancel(self, run: Run, cause: str = "", identity: str = "client") -> None:
        """Somebody wants the workflow to stop, in its own way. A second request changes nothing."""
        if run.cancel_requested or not run.open:
            return
        run.cancel_requested = True
        self._journal.note(trace.CANCEL_REQUESTED, run)
        attributes = {"cause": cause, "identity": identity}
        self._journal.happened(run, (kinds.WORKFLOW_EXECUTION_CANCEL_REQUESTED, attributes))

    # --- updates ----------------------------------------------------------------------------------------------------
    def update(self, run: Run, request: UpdateRequest, tell: OnUpdate) -> None:
        """Somebody asks for an update and waits. The same id again waits for the same outcome."""
        if request.id in run.update_outcomes:
            result, failure = run.update_outcomes[request.id]
            tell("completed", result, failure)
            return
        if not run.open:
            tell("rejected", None, Failure("NotFound", NOT_FOUND))
            return
        tickets = self._tickets.setdefault(run.run_id, {})
        tickets.setdefault(request.id, Ticket(request, [])).waiting.append(tell)
        if request.id in run.updates:
            tell("accepted", None, None)
        else:
            self._schedule(run, True)

    def take_updates(self, run: Run) -> Sequence[UpdateRequest]:
        """The updates that go to the worker with the task that is being started: those not let in yet."""
        if not self._tickets:
            return ()
        tickets = self._tickets.get(run.run_id, {})
        return [one.request for name, one in tickets.items() if name not in run.updates]

    def accept(self, run: Run, command: AcceptUpdate, completed: int) -> None:
        """The code has let an update in."""
        attributes = {
            "update_id": command.id,
            "name": command.name,
            "input": list(command.arguments),
            "sequencing_event_id": completed - 2,
            "identity": "client",
        }
        run.updates[command.id] = self._journal.append(run, kinds.WORKFLOW_EXECUTION_UPDATE_ACCEPTED, attributes)
        self._journal.note(trace.UPDATE_ACCEPTED, run, data={"name": command.name, "id": command.id})
        self._tell(run, command.id, "accepted", None, None)

    def reject(self, run: Run, command: RejectUpdate) -> None:
        """The code has refused an update."""
        self._tell(run, command.id, "rejected", None, command.failure)
        self._tickets.get(run.run_id, {}).pop(command.id, None)

    def complete(self, run: Run, command: CompleteUpdate) -> None:
        """An update's handler has come to its end."""
        attributes: dict[str, Any] = {"update_id": command.id, "accepted_event_id": run.updates[command.id]}
        attributes |= {"identity": "client"}
        attributes |= {"result": command.result} if command.failure is None else {"failure": command.failure}
        self._journal.append(run, kinds.WORKFLOW_EXECUTION_UPDATE_COMPLETED, attributes)
        self._journal.note(trace.UPDATE_COMPLETED, run, data={"id": command.id})
        run.update_outcomes[command.id] = command.result, command.failure
        self._tell(run, command.id, "completed", command.result, command.failure)
        self._tickets.get(run.run_id, {}).pop(command.id, None)

    def _tell(self, run: Run, name: str, what: str, result: Any, failure: Failure | None) -> None:
        ticket = self._tickets.get(run.run_id, {}).get(name)
        if ticket is not None:
            ticket.tell(what, result, failure)

    def run_ended(self, run: Run) -> None:
        """Updates that were let in stay unfinished; those that were not are refused."""
        for name, ticket in self._tickets.pop(run.run_id, {}).items():
            if name in run.updates:
                run.update_outcomes[name] = None, UNFINISHED
                ticket.tell("completed", None, UNFINISHED)
            else:
                ticket.tell("rejected", None, Failure("NotFound", NOT_FOUND))

    def take_over(self, before: Messages, runs: dict[str, Run]) -> None:
        """After a restart, clients ask again for what they had been waiting for; old answers still on their way answer
        nothing new."""
        self._asked = before._asked
        for run_id, tickets in before._tickets.items():
            for ticket in list(tickets.values()):
                for tell in ticket.waiting:
                    self.update(runs[run_id], ticket.request, tell)
        for query in before._queries.values():
            self.query(runs[query.run.run_id], query.name, query.arguments, query.tell)

    # --- queries ----------------------------------------------------------------------------------------------------
    def query(self, run: Run, name: str, arguments: tuple[Any, ...], tell: OnAnswer) -> None:
        """Somebody asks, and waits for an answer as long as he likes."""
        self._asked += 1
        query = self._queries[self._asked] = Query(self._asked, run, name, arguments, tell)
        self._ask(query)

    def task_done(self, run: Run) -> None:
        """A workflow task has been completed: the queries that waited for that can be asked, and updates that came
        meanwhile get a task of their own."""
        if self._tickets and run.open and self.take_updates(run):
            self._schedule(run, True)
        if self._queries:
            for query in [one for one in self._queries.values() if one.run is run]:
                self._ask(query)

    def worker_came(self) -> None:
        """A worker is there: ask what nobody could be asked."""
        for query in list(self._queries.values()):
            self._ask(query)

    def _ask(self, query: Query) -> None:
        run = query.run
        if run.open and (run.task is not None or run.last_completed_event_id == 0):
            return  # it is asked when the task is done
        poller = self._queues.sticky_poller(run.sticky) if run.sticky is not None else None
        poller = poller or self._queues.connected(run.options.task_queue, run.build)
        if poller is not None:
            asked = query.number, run.run_id, run.history, query.name, query.arguments
            self._journal.send(poller.process, poller.query, *asked)

    def answered(self, number: int, answer: Any, problem: str | None) -> None:
        """A worker has answered."""
        query = self._queries.pop(number, None)
        if query is not None:
            query.tell(answer, problem)
