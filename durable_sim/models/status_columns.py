"""Status columns: a row per order in the application's own database, a column per step. Check, do, update.

Runs are local; after each step its column and result are written with one SQL update, and a sweeper job restarts
orders that are unfinished and have not been touched for a while. Between a step's effect and the update there is a
window, and it is really there: two requests over the network, with a crash possible between any two instants. Retries
are counted in memory. A run in a living process renews its claim on the row; without `renew_claims`, a long sleep or a
slow step looks like a crash to the sweeper. A failed step leaves no mark, so a restart during a compensation goes
forward again. A sleep leaves none either: it is the process's own, and a restart sleeps it from its beginning. An
application that sleeps for days keeps a column due_at, and a job that looks at it; here that is code of one's own.

The sweeper runs in the workers: while none is awake nobody sweeps, no restart is counted and no row is touched.

A restart is another run of the code, with another run id and so other idempotency keys: nothing in the pattern keeps
them. With `stable_keys` they are derived from the row instead, and services that honour keys then close the window.

With `transactional`, the statements of a step that act on the same database, and its column, are one transaction.
That closes the window for these steps, and only for these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import simpy

from durable_sim import trace as kinds
from durable_sim.durations import Duration, duration_us
from durable_sim.models.executions import Execution, Home, Outcome, Unreachable
from durable_sim.models.local import LocalRun, LocalStep
from durable_sim.models.workers import WorkerProcess
from durable_sim.randomness import LogNormal
from durable_sim.workflows.commands import CallService, ScheduleActivity
from durable_sim.workflows.payloads import as_json
from durable_sim.world.database import Database, Transaction
from durable_sim.world.request import Sender
from durable_sim.world.services.base import Answer, Service, ServiceSpec, operation

if TYPE_CHECKING:
    from durable_sim.world.request import Request

STATUS_SERVICE = "status"
_SCHEMA = """
CREATE TABLE status_rows (id TEXT PRIMARY KEY, status TEXT NOT NULL, touched_us INTEGER NOT NULL);
CREATE TABLE status_columns (id TEXT NOT NULL, name TEXT NOT NULL, result TEXT NOT NULL, PRIMARY KEY (id, name));
"""


class StatusTable(Service):
    """The rows and columns, as the application reads and writes them."""

    on_database: ClassVar[bool] = True

    def __init__(self, name: str, database: Database | None) -> None:
        super().__init__(name, database)
        assert database is not None
        self._sql = database
        self.on_finished: Callable[[str], None] | None = None
        database.script(_SCHEMA)

    def insert(self, row: str, now_us: int) -> None:
        """A new order, written by whoever takes orders."""
        self._sql.execute("INSERT INTO status_rows (id, status, touched_us) VALUES (?, 'new', ?)", (row, now_us))

    def untouched_since(self, before_us: int) -> list[str]:
        """The unfinished rows that nobody has touched since."""
        query = "SELECT id FROM status_rows WHERE status = 'new' AND touched_us <= ? ORDER BY rowid"
        return [row for (row,) in self._sql.execute(query, (before_us,))]

    def touch(self, row: str, now_us: int) -> None:
        """Renew the claim on a row."""
        self._sql.execute("UPDATE status_rows SET touched_us = ? WHERE id = ?", (now_us, row))

    def columns(self, row: str) -> int:
        """How many columns of a row are filled."""
        ((count,),) = self._sql.execute("SELECT count(*) FROM status_columns WHERE id = ?", (row,))
        return int(count)

    @operation
    def load(self, request: Request, row: str) -> dict[str, Any]:
        """Read the columns of a row."""
        self.touch(row, request.now_us)
        query = "SELECT name, result FROM status_columns WHERE id = ? ORDER BY rowid"
        return {name: json.loads(result) for name, result in self._sql.execute(query, (row,))}

    @operation
    def update(self, request: Request, row: str, column: str, result: str) -> None:
        """Write a column."""
        self._write(request, row, column, result)
        request.note(kinds.RESULT_RECORDED, {"column": column})

    @operation
    def commit(self, request: Request, row: str, column: str, result: str) -> None:
        """Write a column and commit the transaction that the request belongs to."""
        assert request.transaction is not None
        self._write(request, row, column, result)
        self._sql.close(request.transaction, commit=True)
        request.note(kinds.RESULT_RECORDED, {"column": column})

    @operation
    def finish(self, request: Request, row: str, status: str) -> None:
        """Say that an order is done with; the first to say so is right."""
        statement = "UPDATE status_rows SET status = ?, touched_us = ? WHERE id = ? AND status = 'new'"
        if self._sql.execute(statement, (status, request.now_us, row)).rowcount and self.on_finished is not None:
            self.on_finished(row)

    def _write(self, request: Request, row: str, column: str, result: str) -> None:
        statement = "INSERT OR REPLACE INTO status_columns (id, name, result) VALUES (?, ?, ?)"
        self._sql.execute(statement, (row, column, result))
        self.touch(row, request.now_us)


STATUS_SPEC = ServiceSpec(StatusTable, latency=LogNormal("2ms", "15ms"))
"""The database as fast as a local one is, and without faults of its own."""


class StatusColumns(Unreachable):
    """Check, do, update; and a sweeper."""

    def __init__(
        self,
        home: Home,
        *,
        transactional: bool = False,
        sweep_every: Duration = "30s",
        claim_lasts: Duration = "2m",
        restarts_max: int = 10,
        stable_keys: bool = False,
        renew_claims: bool = True,
    ) -> None:
        self.home = home
        self._transactional = transactional
        self._sweep_every_us = duration_us(sweep_every)
        self._claim_us = duration_us(claim_lasts)
        self._restarts_max = restarts_max
        self._stable_keys = stable_keys
        self._renew_claims = renew_claims
        table = home.world.services[STATUS_SERVICE]
        assert isinstance(table, StatusTable)
        self._table = table
        table.on_finished = self._finished
        self._outcomes: dict[str, tuple[Outcome, str]] = {}
        self._executions: dict[str, Execution] = {}
        self._starts: dict[str, int] = {}
        self._runs: dict[str, LocalRun] = {}
        self._sweeping = False

    def submit(self, execution: Execution) -> None:
        """Insert the row, which is what accepting the order means, and start on it."""
        self._executions[execution.id] = execution
        self._starts[execution.id] = 0
        self.home.world.env.process(self._accept(execution))
        if not self._sweeping:
            self._sweeping = True
            self.home.world.env.process(self._sweep())

    def pending(self, execution: Execution) -> str | None:
        """An unfinished row will be swept, until it has been restarted too often."""
        return "the sweeper will restart it" if self._restartable(execution) else None

    def stored(self, execution: Execution) -> int:
        """The columns of its row."""
        return self._table.columns(execution.id)

    def worker_started(self, process: WorkerProcess) -> None:
        """Nothing: the sweeper finds what is unfinished."""

    def worker_stopping(self, process: WorkerProcess) -> None:
        """Nothing: new runs go elsewhere by themselves."""

    def worker_lost(self, process: WorkerProcess) -> None:
        """Nothing: the rows are in the database."""

    def perform(self, run: LocalRun, command: ScheduleActivity) -> None:
        """Check the column; do the step if it is empty; update the column."""
        column = _column(run, command.name)
        columns = run.memory["columns"]
        if column in columns:
            run.finish_step(command, Outcome(columns[column]))
            return
        done = partial(self._done, run, command, column)
        LocalStep(run, command, done, retries=True, transactional=self._transactional).begin()

    def run_ended(self, run: LocalRun, outcome: Outcome) -> None:
        """Close the row: the order is done with once the database says so."""
        self._let_go(run)
        status = "completed" if outcome.failure is None else "failed"
        self._outcomes.setdefault(run.execution.id, (outcome, run.process.worker_id))
        self._call(run, "finish", (run.execution.id, status), _whatever)

    def _restartable(self, execution: Execution) -> bool:
        return execution.status == "open" and self._starts[execution.id] <= self._restarts_max

    def _start(self, execution: Execution) -> None:
        """Start on a row and claim it, if there is a process to do so."""
        number = self._starts[execution.id] + 1
        process = self.home.fleet.pick(execution.ordinal + number)
        if process is None:
            return
        self._starts[execution.id] = number
        self._table.touch(execution.id, self.home.world.now_us)
        run_id = execution.id if self._stable_keys else f"{execution.id}#{number}"
        run = LocalRun(self, process, execution, run_id, ("run", number) if number > 1 else ())
        self._runs[execution.id] = run
        process.deliver(self._load, run)

    def _anybody_awake(self) -> bool:
        return any(not process.paused for process in self.home.fleet.processes.values())

    def _let_go(self, run: LocalRun) -> None:
        if self._runs.get(run.execution.id) is run:
            del self._runs[run.execution.id]

    def _renewed(self) -> list[str]:
        """The rows whose claim a living process renews; one that stands still does not."""
        if not self._renew_claims:
            return []
        return [row for row, run in self._runs.items() if run.process.alive and not run.process.paused]

    def _load(self, run: LocalRun) -> None:
        self._call(run, "load", (run.execution.id,), partial(self._loaded, run))

    def _loaded(self, run: LocalRun, answer: Answer) -> None:
        if answer.error is None:
            run.memory["columns"] = answer.value
            run.begin()
        else:
            self._let_go(run)

    def _done(
        self, run: LocalRun, command: ScheduleActivity, column: str, outcome: Outcome, transaction: Transaction | None
    ) -> None:
        if outcome.failure is not None:
            run.finish_step(command, outcome)
            return
        run.note(kinds.RESULT_REPORTED, command.name, command.step)
        arguments = (run.execution.id, column, json.dumps(as_json(outcome.value)))
        updated = partial(self._updated, run, command, outcome, transaction)
        name = "update" if transaction is None else "commit"
        run.process.deliver(self._call, run, name, arguments, updated, transaction, command.step)

    def _updated(
        self,
        run: LocalRun,
        command: ScheduleActivity,
        outcome: Outcome,
        transaction: Transaction | None,
        answer: Answer,
    ) -> None:
        if answer.error is None:
            run.finish_step(command, outcome)
            return
        if transaction is not None:
            run.world.database.close(transaction, commit=False)
        run.note(kinds.EXECUTION_LOST, data={"error": str(answer.error)})
        self._let_go(run)
        run.abandon()  # the application's error handler gives up; the sweeper comes by later

    def _finished(self, row: str) -> None:
        self.home.ended(self._executions[row], *self._outcomes[row])

    def _accept(self, execution: Execution) -> Generator[simpy.Event, Any, None]:
        """The order desk: insert the row as soon as the database lets us, then start."""
        world = self.home.world
        yield from world.database.turn(None)
        self._table.insert(execution.id, world.now_us)
        self._start(execution)

    def _sweep(self) -> Generator[simpy.Event, Any, None]:
        """The sweeper job: look for unfinished rows every so often, as long as there can be any."""
        table, world = self._table, self.home.world
        while any(map(self._restartable, self._executions.values())):
            yield world.env.timeout(self._sweep_every_us)
            if not self._anybody_awake():
                continue
            yield from world.database.turn(None)
            for row in self._renewed():
                table.touch(row, world.now_us)
            for row in table.untouched_since(world.now_us - self._claim_us):
                if self._restartable(self._executions[row]):
                    self._start(self._executions[row])
        self._sweeping = False

    def _call(
        self,
        run: LocalRun,
        name: str,
        arguments: tuple[Any, ...],
        then: Any,
        transaction: Transaction | None = None,
        step: int | None = None,
    ) -> None:
        command = CallService(0, STATUS_SERVICE, name, arguments, {})
        self.home.world.network.send(command, Sender(run.execution.id, step, None), run.process, then, transaction)


def _whatever(answer: Answer) -> None:
    """What the answer is makes no difference to the caller."""


def _column(run: LocalRun, name: str) -> str:
    """The column of an activity: its name, numbered where the workflow calls it more than once."""
    counts = run.memory.setdefault("counts", {})
    counts[name] = counts.get(name, 0) + 1
    return name if counts[name] == 1 else f"{name}_{counts[name]}"
