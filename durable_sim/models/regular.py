"""Regular code: a function in a process's memory, as the article begins with.

`Regular`: a crash loses the run where it stands, a failed call ends it. `RegularRerun`: somebody notices, and runs
the whole function from the top again, a bounded number of times. Retry policies mean nothing to either.
"""

from __future__ import annotations

from durable_sim import trace as kinds
from durable_sim.durations import Duration, duration_us, seconds
from durable_sim.models.executions import Execution, Home, Outcome, Unreachable
from durable_sim.models.local import LocalRun, LocalStep
from durable_sim.models.workers import WorkerProcess
from durable_sim.workflows.commands import ScheduleActivity


class Regular(Unreachable):
    """Memory only."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._waiting: list[Execution] = []
        self._running: dict[str, LocalRun] = {}

    def submit(self, execution: Execution) -> None:
        """Run the function in the next free process; wait at the door while there is none."""
        process = self.home.fleet.pick(execution.ordinal)
        if process is None:
            self._waiting.append(execution)
            return
        number = execution.runs + 1
        stream = ("run", number) if number > 1 else ()
        run = LocalRun(self, process, execution, f"{execution.id}#{number}", stream)
        self._running[execution.id] = run
        process.deliver(run.begin)

    def pending(self, execution: Execution) -> str | None:
        """A run in a living process will go on; one that was lost will not."""
        run = self._running.get(execution.id)
        if run is not None and run.process.alive:
            return f"running on {run.process.worker_id}"
        return "waiting for a worker" if execution in self._waiting else None

    def stored(self, execution: Execution) -> int:
        """Nothing outlives the process."""
        return 0

    def worker_started(self, process: WorkerProcess) -> None:
        """Let in those who wait."""
        waiting, self._waiting = self._waiting, []
        for execution in waiting:
            self.submit(execution)

    def worker_stopping(self, process: WorkerProcess) -> None:
        """Nothing to prepare: new runs go elsewhere by themselves."""

    def worker_lost(self, process: WorkerProcess) -> None:
        """Every run of the process is lost where it stood."""
        lost = [run for run in self._running.values() if run.process is process]
        for run in lost:
            run.note(kinds.EXECUTION_LOST)
            self.lost(run)

    def lost(self, run: LocalRun) -> None:
        """What comes after the loss of a run: nothing."""

    def perform(self, run: LocalRun, command: ScheduleActivity) -> None:
        """Call the activity once."""
        LocalStep(run, command, lambda outcome, _: run.finish_step(command, outcome), retries=False).begin()

    def run_ended(self, run: LocalRun, outcome: Outcome) -> None:
        """What the function returned or raised is the end."""
        del self._running[run.execution.id]
        self.home.ended(run.execution, outcome, run.process.worker_id)


class RegularRerun(Regular):
    """Memory only, and somebody who reruns what was lost or failed after `rerun_after`, at most `reruns_max` times."""

    def __init__(self, home: Home, rerun_after: Duration = "1m", reruns_max: int = 3) -> None:
        super().__init__(home)
        self._rerun_after_us = duration_us(rerun_after)
        self._reruns_max = reruns_max
        self._due_us: dict[str, int] = {}

    def pending(self, execution: Execution) -> str | None:
        """As for `Regular`; a planned rerun counts too."""
        due_us = self._due_us.get(execution.id)
        return f"will be rerun at {seconds(due_us)}" if due_us is not None else super().pending(execution)

    def lost(self, run: LocalRun) -> None:
        """Somebody notices, later."""
        del self._running[run.execution.id]
        self._rerun(run.execution)

    def run_ended(self, run: LocalRun, outcome: Outcome) -> None:
        """A failed run is run again while the bound allows."""
        if outcome.failure is None or not self._rerun(run.execution):
            super().run_ended(run, outcome)
        else:
            del self._running[run.execution.id]

    def _rerun(self, execution: Execution) -> bool:
        if execution.runs > self._reruns_max:
            return False
        self._due_us[execution.id] = self.home.world.now_us + self._rerun_after_us
        self.home.world.alarms.after(self._rerun_after_us, self._again, execution)
        return True

    def _again(self, execution: Execution) -> None:
        del self._due_us[execution.id]
        self.submit(execution)
