"""Anything, in any order: a state machine drives a simulation, and a simple model says what must hold after each step.

Steps start workflows, signal, query, update, cancel, terminate and reset them, crash, stop, freeze and deploy workers,
restart the server, and let time pass. In the end everything gets what it waits for, and must end.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import durable_sim as ds
from durable_sim import trace
from durable_sim.durations import MINUTE, SECOND, duration_us
from durable_sim.models.replay.native import replay_history
from durable_sim.models.replay.outcomes import JOBS
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.state import Run
from durable_sim.models.replay.server.timers import Timers
from durable_sim.simulation.handles import UpdateHandle
from durable_sim.simulation.live import WorkflowAlreadyStarted
from durable_sim.workflows.handlers import Handlers, QueryFailed
from tests.properties import machine_model as model

WORKFLOW_IDS = ("a", "b", "c", "d")
NOBODY_ANSWERED = "DEADLINE_EXCEEDED"
ANY = st.integers(0, 11)
"""Picks one of what there is: taken modulo the number of candidates, so that shrinking leads to the first."""
FLAKY = ds.Mixture(error=0.04, error_after_effect=0.04, lose_request=0.04, lose_reply=0.06, late_effect=0.04,
                   duplicate=0.06, slow=0.05)  # fmt: skip


@dataclass
class Case:
    """A workflow as its client knows it: one life of a workflow id.

    `adds` are the values signalled, in order; those in `unsure` were sent while the server was down, when the client
    had no answer.
    """

    workflow_id: str
    kind: str
    tag: str
    may_time_out: bool
    adds: list[int] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)
    updates: dict[int, UpdateHandle] = field(default_factory=dict)
    was_reset: bool = False


class Machine(RuleBasedStateMachine):
    """One simulation, and what its clients know."""

    @initialize(
        seed=st.integers(0, 1000),
        workers=st.integers(1, 3),
        cache=st.sampled_from(["warm", "cold", "evicted", 1]),
        rpc=st.sampled_from(["0s", "5ms", "80ms"]),
        flaky=st.booleans(),
    )
    def begin(self, seed: int, workers: int, cache: Any, rpc: str, flaky: bool) -> None:
        """Draw a world."""
        self.sim = ds.Simulation(
            model.BASE,
            activities=model.ACTIVITIES,
            services=model.books(FLAKY if flaky else ds.Mixture()),
            workers=workers,
            seed=seed,
            versions={"v2": model.V2},
            cache=cache,
            rpc_latency=rpc,
        )
        self.seed = seed
        self.worker_ids = tuple(f"w{number + 1}" for number in range(workers))
        self.cases: dict[str, Case] = {}
        self.current: dict[str, Case] = {}
        self.value = 0
        self.version: str | None = None
        self.rolled = False
        self.up_us = 0
        self.ever_down = False
        self.calm_us = 0
        self.stopped: set[str] = set()
        self.may_be_terminated: set[str] = set()
        self.updates: list[tuple[Case, int, UpdateHandle]] = []
        self.seen: dict[str, ds.History] = {}
        self.written: dict[str, tuple[str, ...]] = {}
        self.seen_us = 0
        self.read_to = 0

    # --- what there is ----------------------------------------------------------------------------------------------
    @property
    def up(self) -> bool:
        """Whether the server answers."""
        return self.sim.now_us >= self.up_us

    @property
    def calm(self) -> bool:
        """Whether everything has been well for so long that nobody may wait for anything but services and timers."""
        well = self.up and set(self.sim.workers) == set(self.worker_ids) and not self.stopped
        return well and self.sim.now_us >= self.calm_us

    def disturbed(self, lasts_us: int) -> None:
        """Something is not well for so long, and some time after."""
        self.calm_us = max(self.calm_us, self.sim.now_us + lasts_us + 40 * SECOND)

    def some(self, pick: int, kinds: tuple[str, ...] = (), status: str | None = "RUNNING") -> Case | None:
        """One of the workflows of some kinds and a status."""
        fitting = [
            case
            for case in self.current.values()
            if (not kinds or case.kind in kinds) and status in (None, self.sim.handle(case.workflow_id).status)
        ]
        return fitting[pick % len(fitting)] if fitting else None

    def path(self, case: Case) -> list[str]:
        """The runs of a workflow that count."""
        return model.path_of(self.sim.handle(case.workflow_id).runs[-1], self.sim.histories())

    def with_a_worker(self, case: Case) -> bool:
        """Whether a worker has its workflow task: then what happens waits in a buffer."""
        task = self.sim.handle(case.workflow_id).describe().task
        return task is not None and task.state == "STARTED"

    def next_value(self) -> int:
        """A value that was not used before."""
        self.value += 1
        return self.value

    # --- starting ---------------------------------------------------------------------------------------------------
    def start(self, kind: str, workflow_id: str, pick: int, **options: Any) -> ds.WorkflowHandle:
        """Start a workflow, and know it from now on."""
        tag = f"{workflow_id}~{len(self.cases)}"
        policies = ["TERMINATE", "ABANDON", "REQUEST_CANCEL"]
        arguments: dict[str, tuple[Any, ...]] = {
            "sequence": (1 + pick % 4,),
            "counter": ([], pick % 4),
            "parent": ([policies[(pick + place) % 3] for place in range(1 + pick % 3)],),
            "mix": (model.CANCELLATIONS[pick % 3],),
            "beating": (model.CANCELLATIONS[pick % 3],),
            "saga": (1 + pick % 3,),
            "sleeper": (5,),
            "messenger": (list(WORKFLOW_IDS[: 1 + pick % 4]),),
        }
        if kind == "retried":
            options["retry_policy"] = model.AGAIN
        handle = self.sim.start(kind, tag, *arguments.get(kind, ()), id=workflow_id, **options)
        may_time_out = "execution_timeout" in options or "run_timeout" in options
        case = Case(workflow_id, kind, tag, may_time_out)
        self.cases[handle.runs[-1]] = self.current[workflow_id] = case
        return handle

    @precondition(lambda self: self.up)
    @rule(kind=st.sampled_from([one.__name__ for one in model.BASE if one is not model.leaf]), pick=ANY,
          timeout=st.sampled_from([None, None, None, None, "20s", "2m"]), whole=st.booleans())  # fmt: skip
    def start_workflow(self, kind: str, pick: int, timeout: str | None, whole: bool) -> None:
        """Start a workflow of some kind under a free id."""
        free = [one for one in WORKFLOW_IDS if self.status(one) != "RUNNING"]
        if free:
            limit = {"execution_timeout" if whole else "run_timeout": timeout} if timeout else {}
            self.start(kind, free[pick % len(free)], pick, **limit)

    def status(self, workflow_id: str) -> str | None:
        """The status of a workflow; None if there never was one of that id."""
        return self.sim.handle(workflow_id).status if workflow_id in self.current else None

    @precondition(lambda self: self.up and self.current)
    @rule(
        pick=ANY,
        reuse=st.sampled_from(
            ["ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE", "TERMINATE_IF_RUNNING"]
        ),
        conflict=st.sampled_from(["FAIL", "USE_EXISTING", "TERMINATE_EXISTING"]),
    )
    def start_under_a_used_id(self, pick: int, reuse: Any, conflict: Any) -> None:
        """The policies decide."""
        case = self.some(pick, status=None)
        assert case is not None
        handle = self.sim.handle(case.workflow_id)
        status, runs = handle.status, handle.runs
        options = {"id_reuse_policy": reuse, "id_conflict_policy": conflict}
        if status == "RUNNING" and reuse != "TERMINATE_IF_RUNNING" and conflict == "USE_EXISTING":
            assert self.sim.start("collector", "x", id=case.workflow_id, **options).runs == runs
            return
        refused = conflict == "FAIL" and reuse != "TERMINATE_IF_RUNNING" if status == "RUNNING" else (
            reuse == "REJECT_DUPLICATE" or (reuse == "ALLOW_DUPLICATE_FAILED_ONLY" and status == "COMPLETED")
        )  # fmt: skip
        if refused:
            with pytest.raises(WorkflowAlreadyStarted):
                self.sim.start("collector", "x", id=case.workflow_id, **options)
            assert handle.runs == runs
        else:
            self.may_be_terminated.update(runs[-1:])
            self.start("collector", case.workflow_id, pick, **options)
            assert len(handle.runs) == len(runs) + 1
            if status == "RUNNING":
                assert model.status_of(handle.history(runs[-1])) == "TERMINATED"

    @precondition(lambda self: self.up)
    @rule(pick=ANY)
    def signal_with_start(self, pick: int) -> None:
        """Signal a collector, which starts if it does not run."""
        workflow_id = WORKFLOW_IDS[pick % len(WORKFLOW_IDS)]
        if self.status(workflow_id) == "RUNNING" and self.current[workflow_id].kind not in model.LISTENING:
            return
        value = self.next_value()
        if self.status(workflow_id) == "RUNNING":
            self.sim.start("collector", "x", id=workflow_id, signal=("add", value))
        else:
            handle = self.start("collector", workflow_id, pick, signal=("add", value))
            assert handle.history().types[:2] == ("WorkflowExecutionStarted", "WorkflowExecutionSignaled")
        self.current[workflow_id].adds.append(value)

    # --- talking to workflows ---------------------------------------------------------------------------------------
    @rule(pick=ANY, times=st.integers(1, 3))
    def signal(self, pick: int, times: int) -> None:
        """Signal one that listens."""
        case = self.some(pick, model.LISTENING)
        for _ in range(times if case else 0):
            assert case is not None
            value = self.next_value()
            self.sim.handle(case.workflow_id).signal("add", value)
            case.adds.append(value)
            if not self.up:
                case.unsure.add(value)

    @rule(pick=ANY)
    def finish(self, pick: int) -> None:
        """Tell one that listens to finish."""
        case = self.some(pick, model.LISTENING)
        if case is not None:
            self.sim.handle(case.workflow_id).signal("finish")

    @rule(pick=ANY)
    def query(self, pick: int) -> None:
        """The code has got the signals that its history holds, in order; where it has ended, those that a task gave it
        before, at least."""
        case = self.some(pick, model.LISTENING, status=None)
        if case is None:
            return
        calm, before = self.calm, self.told(case)
        ran = any(self.sim.handle(case.workflow_id).history(run).of("WorkflowTaskCompleted") for run in self.path(case))
        try:
            answer = self.sim.handle(case.workflow_id).query("adds")
        except QueryFailed as error:
            assert NOBODY_ANSWERED in str(error) or not ran, error
            assert not calm or not ran, f"nobody answered, and yet all is well\n{self.sim.handle(case.workflow_id)}"
            return
        after = self.told(case)
        assert after[: len(before)] == before, "signals are in another order now"
        given = before[: self.given(case)]
        assert answer[: len(given)] == given and after[: len(answer)] == answer, (
            f"{answer}, history {after}\n{self.sim.handle(case.workflow_id).history()}"
        )

    def given(self, case: Case) -> int:
        """How many of its values a workflow's code has been given: all, but for those for which a run that was ended
        from outside had no time left."""
        *earlier, last = self.path(case)
        history = self.sim.handle(case.workflow_id).history(last)
        done = [place for place, event in enumerate(history) if event.type == "WorkflowTaskCompleted"]
        end = (done or [0])[-1] if model.is_closed(history) else len(history)
        return len(model.signals("add", [*earlier, last], self.sim.histories() | {last: ds.History(history[:end])}))

    def told(self, case: Case) -> list[Any]:
        """The values that the histories of a workflow hold."""
        return model.signals("add", self.path(case), self.sim.histories())

    @precondition(lambda self: self.up)
    @rule(pick=ANY, wait=st.booleans())
    def update(self, pick: int, wait: bool) -> None:
        """Ask for an update that will be accepted."""
        case = self.some(pick, ("collector",))
        if case is None:
            return
        value = self.next_value()
        handle = self.sim.handle(case.workflow_id).start_update("put", value, id=f"u{value}")
        case.updates[value] = handle
        self.updates.append((case, value, handle))
        if wait and self.calm:
            try:
                assert handle.result() == value
            except ds.UpdateFailed as error:  # it was told to finish before, or timed out
                assert error.outcome != "failed" or "completed before" in error.message, error

    @precondition(lambda self: self.calm)
    @rule(pick=ANY)
    def update_that_is_refused(self, pick: int) -> None:
        """Its validator refuses it, and no event tells of it."""
        case = self.some(pick, ("collector",))
        if case is None:
            return
        with pytest.raises(ds.UpdateFailed) as caught:
            self.sim.handle(case.workflow_id).update("put", -1, id=f"u-{self.next_value()}")
        assert caught.value.outcome == "rejected"

    @rule(pick=ANY)
    def cancel(self, pick: int) -> None:
        """Ask one to stop."""
        case = self.some(pick)
        if case is not None:
            self.sim.handle(case.workflow_id).cancel()

    @rule(pick=ANY)
    def terminate(self, pick: int) -> None:
        """End one at once."""
        case = self.some(pick)
        if case is None:
            return
        handle = self.sim.handle(case.workflow_id)
        self.may_be_terminated.update(handle.runs[-1:])
        handle.terminate("enough")
        assert handle.status == "TERMINATED" or not self.up

    @precondition(lambda self: self.up)
    @rule(pick=ANY, point=ANY)
    def reset(self, pick: int, point: int) -> None:
        """Go back to some workflow task, of an open or a closed workflow."""
        case = self.some(pick, status=None)
        if case is None:
            return
        handle = self.sim.handle(case.workflow_id)
        points = [event.id for event in handle.history().of("WorkflowTaskCompleted")]
        if not points:
            return
        runs, base = handle.runs, handle.runs[-1]
        self.may_be_terminated.add(base)
        case.was_reset = True
        run_id = handle.reset(points[point % len(points)], "try again")
        assert run_id in handle.runs[len(runs) :]
        assert model.is_closed(handle.history(base))

    # --- workers, the server, time ----------------------------------------------------------------------------------
    @rule(pick=ANY, away=st.sampled_from(["100ms", "2s", "1m"]))
    def crash(self, pick: int, away: str) -> None:
        """Kill a worker; another takes its place."""
        self.sim.crash(self.worker_ids[pick % len(self.worker_ids)], away)
        self.disturbed(duration_us(away))

    @rule(pick=ANY)
    def crash_for_ever(self, pick: int) -> None:
        """Kill a worker."""
        self.sim.crash(self.worker_ids[pick % len(self.worker_ids)], None)
        self.disturbed(0)

    @rule()
    def start_workers(self) -> None:
        """Start the workers that do not run."""
        for worker in self.worker_ids:
            if self.sim.start_worker(worker):
                self.stopped.discard(worker)
        self.disturbed(0)

    @rule(pick=ANY)
    def stop(self, pick: int) -> None:
        """Stop a worker with grace."""
        worker = self.worker_ids[pick % len(self.worker_ids)]
        if self.sim.stop(worker):
            self.stopped.add(worker)
        self.disturbed(0)

    @rule(pick=ANY, lasts=st.sampled_from(["1s", "15s", "2m"]))
    def pause(self, pick: int, lasts: str) -> None:
        """Freeze a worker: a zombie, when it wakes up."""
        self.sim.pause(self.worker_ids[pick % len(self.worker_ids)], lasts)
        self.disturbed(duration_us(lasts))

    @rule(newer=st.booleans(), rolling=st.booleans(), grace=st.sampled_from([None, "5s"]))
    def deploy(self, newer: bool, rolling: bool, grace: str | None) -> None:
        """Restart the workers, perhaps on the newer code; never back."""
        if newer and self.version is None:
            self.version = "v2"
            self.rolled = rolling or grace is not None
            self.disturbed(20 * MINUTE)
        self.sim.deploy(self.version, rolling=rolling, grace=grace)
        self.disturbed(30 * SECOND)

    @precondition(lambda self: self.up)
    @rule(downtime=st.sampled_from(["0s", "3s", "1m"]))
    def restart_server(self, downtime: str) -> None:
        """Let the server lose its memory."""
        self.sim.restart_server(downtime)
        self.up_us = self.sim.now_us + duration_us(downtime)
        if downtime == "0s":
            self.sim.advance("1us")
        self.ever_down = True
        self.disturbed(duration_us(downtime))

    @rule(ms=st.integers(0, 8000))
    def let_some_time_pass(self, ms: int) -> None:
        """Milliseconds."""
        self.pass_time(ms * 1000)

    @rule(span=st.sampled_from(["12s", "45s", "5m", "1 day", "6 days"]))
    def let_much_time_pass(self, span: str) -> None:
        """Up to days."""
        self.pass_time(duration_us(span))

    def pass_time(self, us: int) -> None:
        """Exactly as much as asked for."""
        before_us = self.sim.now_us
        self.sim.advance(f"{us}us")
        assert self.sim.now_us == before_us + us

    @precondition(lambda self: self.up)
    @rule()
    def settle(self) -> None:
        """Make everything well, and give it a minute."""
        self.make_well()
        self.pass_time(MINUTE)

    def make_well(self) -> None:
        """All workers run; one that would stop once it has finished is not waited for."""
        for worker in sorted(self.stopped):
            self.sim.crash(worker, None)
        self.stopped.clear()
        self.pass_time(30 * SECOND)  # by then every deploy is over
        self.start_workers()

    # --- what always holds ------------------------------------------------------------------------------------------
    def changed(self) -> dict[str, ds.History]:
        """The histories that are longer than they were after the last step."""
        return {run: h for run, h in self.sim.histories().items() if len(h) != len(self.seen.get(run, ()))}

    def new_records(self) -> list[trace.Record]:
        """What the trace tells of the last step."""
        return [self.sim.trace[place] for place in range(self.read_to, len(self.sim.trace))]

    @invariant()
    def clock_and_trace_go_forward(self) -> None:
        """Time does not go back, and nothing is dated later than now."""
        assert self.sim.now_us >= self.seen_us
        times = [record.time_us for record in self.new_records()]
        assert times == sorted(times) and all(self.seen_us <= time <= self.sim.now_us for time in times)
        for history in self.changed().values():
            assert max(event.time_us for event in history) <= self.sim.now_us

    @invariant()
    def histories_are_well_formed(self) -> None:
        """Ids are dense, and each event may follow those before it."""
        for history in self.changed().values():
            assert [event.id for event in history] == list(range(1, len(history) + 1))
            history.check()

    @invariant()
    def histories_only_grow(self) -> None:
        """What was once written stays, and nothing follows the end of a run."""
        histories = self.sim.histories()
        assert list(histories)[: len(self.seen)] == list(self.seen)
        for run, before in self.seen.items():
            assert histories[run][: len(before)] == before[:]
            assert not model.is_closed(before) or len(histories[run]) == len(before), run

    @invariant()
    def replay_accepts_every_history(self) -> None:
        """The newest code replays all of them, the old code those that only old code made."""
        for history in self.changed().values():
            replay_history(model.NEWEST, history, seed=self.seed)
            if not any(event.attributes.get("build_id") == "v2" for event in history.of("WorkflowTaskCompleted")):
                replay_history(model.BASE, history, seed=self.seed)

    @invariant()
    def what_is_pending_follows_from_the_history(self) -> None:
        """Activities, timers and children that `describe` shows."""
        for workflow_id in dict.fromkeys(model.started(h)["workflow_id"] for h in self.changed().values()):
            handle = self.sim.handle(workflow_id)
            seen = handle.describe()
            assert seen.waits_problem is None or self.rolled, seen
            assert seen.status == model.status_of(handle.history()) and seen.history_events == len(handle.history())
            model.check_pending(handle.history(), seen)

    @invariant()
    def one_open_run_of_a_workflow(self) -> None:
        """At most, and it is the last one."""
        runs: dict[str, list[bool]] = {}
        for history in self.sim.histories().values():
            runs.setdefault(model.started(history)["workflow_id"], []).append(not model.is_closed(history))
        assert not any(any(is_open[:-1]) for is_open in runs.values()), runs

    @invariant()
    def signals_arrive_once_and_in_order(self) -> None:
        """Those that were accepted, in the histories of the runs that count."""
        for case in self.current.values():
            if case.kind in model.LISTENING:
                told = [value for value in self.told(case) if isinstance(value, int)]
                if self.up and case.unsure:
                    lost = set() if self.with_a_worker(case) else case.unsure - set(told)
                    assert not lost or self.status(case.workflow_id) != "RUNNING", f"{lost} were lost"
                    case.adds = [value for value in case.adds if value not in lost]
                    case.unsure = case.unsure if self.with_a_worker(case) else set()
                expected = [value for value in case.adds if value not in case.unsure or value in told]
                if self.with_a_worker(case):  # the last ones may be in the buffer
                    expected = expected[: len(told)]
                assert told == expected, f"{told}, expected {expected}"

    @invariant()
    def updates_are_applied_once_or_refused(self) -> None:
        """One that has returned stands in a history once, a refused one in none."""
        histories = self.sim.histories()
        for history in self.changed().values():
            model.check_updates(history)
        for case, value, handle in [one for one in self.updates if one[2].done]:
            self.updates.remove((case, value, handle))
            found = [
                event.type
                for history in histories.values()
                for event in history
                if event.attributes.get("update_id") == handle.id
            ]
            accepted, completed = f"{_UPDATE}Accepted", f"{_UPDATE}Completed"
            try:
                assert handle.result() == value
                assert found == [accepted, completed] or case.was_reset, found
                assert accepted in found and completed in found, found
            except ds.UpdateFailed as error:
                assert (accepted in found) == (error.outcome == "failed"), (error, found)
                assert completed not in found

    @invariant()
    def timers_fire_once_and_on_time(self) -> None:
        """Not early; and not late, but for the time in which the server was down."""
        for history in self.changed().values():
            copied = any(event.attributes.get("base_run_id") for event in history)
            model.check_timers(history, on_time=not self.ever_down and not copied)

    @invariant()
    def attempts_stay_within_their_policy(self) -> None:
        """Those that are recorded, and those that were made."""
        for history in self.changed().values():
            model.check_attempts(history)
        for record in self.new_records():
            if record.kind == trace.TASK_STARTED and record.subject == "fails":
                assert record.attempt is not None and record.attempt <= model.THREE.maximum_attempts

    @invariant()
    def effects_happen_once_for_each_key(self) -> None:
        """In the ledger, whatever was sent how often."""
        model.check_effects(self.sim.ledger, self.sim.histories())

    @invariant()
    def workflows_agree_on_what_was_between_them(self) -> None:
        """How children ended; and what was done is in the ledger."""
        histories = self.sim.histories()
        for history in self.changed().values():
            model.check_children(histories, history)
            if model.is_closed(history):
                model.check_done(self.sim.ledger, history)

    @invariant()
    def no_workflow_task_fails(self) -> None:
        """But for what is overtaken, forced or reset, and for old code that is given what newer code did while a
        deploy goes from worker to worker."""
        for record in self.new_records():
            if record.kind == trace.WORKFLOW_TASK_FAILED:
                assert self.rolled and record.data["cause"] == "NON_DETERMINISTIC_ERROR", record
        for history in self.changed().values():
            for event in history.of("WorkflowTaskFailed"):
                cause, begun = event.attributes["cause"], history[event.attributes["started_event_id"] - 1]
                assert cause in ("UNHANDLED_COMMAND", "FORCE_CLOSE_COMMAND", "RESET_WORKFLOW") or (
                    cause == "NON_DETERMINISTIC_ERROR" and self.rolled and "build_id" not in begun.attributes
                ), event

    @invariant()
    def zzz_remember(self) -> None:
        """Runs last: what there is now is what there was, in the next step."""
        for run, history in self.changed().items():
            self.seen[run] = history
            self.written[run] = self.written.get(run, ()) + tuple(map(repr, history[len(self.written.get(run, ())) :]))
        self.seen_us, self.read_to = self.sim.now_us, len(self.sim.trace)

    # --- the end ----------------------------------------------------------------------------------------------------
    def teardown(self) -> None:
        """Faults stop, everything gets what it waits for: everything ends, as the model predicts."""
        if sys.exc_info()[0] is not None or not hasattr(self, "sim"):
            return  # it has failed already
        self.pass_time(max(0, self.up_us - self.sim.now_us) + 3 * MINUTE)
        self.make_well()
        for case in self.current.values():
            if case.kind in model.LISTENING and self.status(case.workflow_id) == "RUNNING":
                self.sim.handle(case.workflow_id).signal("finish")
        self.sim.run("30 days")
        self.check_all()
        histories = self.sim.histories()
        for run, history in histories.items():
            model.check_messages(histories, history)
            assert model.is_closed(history), (
                f"{run} never ends\n{self.sim.handle(model.started(history)['workflow_id'])}\n{history}"
            )
            assert tuple(map(repr, history)) == self.written[run], f"{run} was changed"
            self.check_end(run, histories)
        assert not self.updates, "updates that never end"
        for workflow_id in self.current:
            self.check_outcome(self.sim.handle(workflow_id))

    def check_all(self) -> None:
        """Everything that always holds, once more after the last step."""
        for one in self.setup_state().invariants:
            one.function(self)

    def check_end(self, run: str, histories: Any) -> None:
        """One run."""
        told = model.started(histories[run])
        case = self.cases.get(told["first_run_id"])
        model.check_end(
            run,
            histories,
            self.sim.ledger,
            may_time_out=case is not None and case.may_time_out,
            may_be_terminated=run in self.may_be_terminated or "parent" in told,
        )
        again = ds.History.from_json(json.dumps(histories[run].to_json()))
        assert again.types == histories[run].types

    @staticmethod
    def check_outcome(handle: ds.WorkflowHandle) -> None:
        """What a client is given."""
        last = handle.history()[-1]
        try:
            assert handle.result() == last.attributes["result"] and handle.status == "COMPLETED"
        except ds.ExecutionFailed as error:
            assert error.status == handle.status == model.status_of(handle.history()) != "COMPLETED"


_UPDATE = "WorkflowExecutionUpdate"
CALM = settings(
    max_examples=250,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
TestMachine = Machine.TestCase
TestMachine.settings = CALM


# --- planted bugs ---------------------------------------------------------------------------------------------------
def lose_signals(patch: pytest.MonkeyPatch) -> None:
    """What comes while a task runs is not always written."""
    flush = Run.flush

    def forgetful(run: Run) -> bool:
        run.buffered = [one for one in run.buffered if one[0] != "WorkflowExecutionSignaled"]
        return flush(run)

    patch.setattr(Run, "flush", forgetful)


def late_timers(patch: pytest.MonkeyPatch) -> None:
    """Every timer is a second late."""
    patch.setattr(Journal, "stretched_us", lambda journal, delay_us: delay_us + SECOND)


def timers_that_stay(patch: pytest.MonkeyPatch) -> None:
    """A timer is still there after it has fired or was called off."""

    def call_off(timers: Timers, run: Run, timer: Any) -> tuple[str, int]:
        return timer.timer_id, timer.started_event_id

    patch.setattr(Timers, "_call_off", call_off)


def endless_attempts(patch: pytest.MonkeyPatch) -> None:
    """The limit of attempts is not kept."""
    patch.setattr(
        "durable_sim.models.replay.server.activities.next_retry", lambda policy, failure, attempt, *rest: SECOND
    )


def forgotten_requests(patch: pytest.MonkeyPatch) -> None:
    """A request to cancel is written down, and the code never hears of it."""
    patch.setitem(JOBS, "WorkflowExecutionCancelRequested", lambda instance, event: None)


def updates_that_pass(patch: pytest.MonkeyPatch) -> None:
    """No validator is asked."""
    patch.setattr(Handlers, "_refusal", lambda handlers, request, validator: None)


@pytest.mark.parametrize(
    "plant",
    [lose_signals, late_timers, timers_that_stay, endless_attempts, forgotten_requests,
     updates_that_pass],
)  # fmt: skip
def test_the_machine_finds_what_is_wrong(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine with one planted mistake does not come through."""
    plant(monkeypatch)
    hasty = settings(CALM, max_examples=400, phases=[Phase.generate], database=None)
    with pytest.raises((AssertionError, ds.DurableSimError, pytest.fail.Exception)):
        run_state_machine_as_test(Machine, settings=hasty)
