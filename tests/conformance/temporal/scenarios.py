"""The recorded scenarios, played in the simulator: the same code, arguments and options, the same things done to it.

Most are played straight from the manifest: its stimuli at their times. A scenario with a crash, a deploy, a child or
more than one run has a function of its own here. Simulated machines are not slow: where a recorded order came from a
slow machine, `signals_take` says how long a workflow task ran.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import durable_sim as ds
from durable_sim.models.replay.events import Event
from tests.conformance.temporal.comparison import same_but_for_measured
from tests.conformance.temporal.goldens import Entry, manifest
from tests.conformance.temporal.native_workflows import ACTIVITIES, Once, workflows

History = Sequence[Event]
NEVER_COMPARED = ("ns", "rand", "time", "uuid", "now")


class Stage:
    """A simulation with the one workflow of a scenario in it."""

    def __init__(self, entry: Entry, scenario: Scenario) -> None:
        known = workflows(Once(), scenario.signals_take)
        code = [known[entry["workflow_class"]], *(known[name] for name in scenario.also)]
        cache = "warm" if entry["worker"]["max_cached_workflows"] else "cold"
        options = {"workers": 1, "cache": cache, "versions": _versions(known, entry)} | scenario.simulation
        self.entry = entry
        self.sim = ds.Simulation(code, activities=ACTIVITIES, **options)
        timeout = timedelta(seconds=entry["options"].get("task_timeout_s", 10))
        workflow_id = entry["workflow_id"]
        self.run = self.sim.start(code[0], *entry["args"], id=workflow_id, task_timeout=timeout)

    def go_to(self, at_s: float) -> None:
        """Let time pass up to so many seconds after the start."""
        left = timedelta(seconds=at_s) - timedelta(microseconds=self.sim.now_us)
        self.sim.advance(max(left, timedelta(0)))

    def go_until(self, event_type: str, count: int = 1) -> None:
        """Let time pass until there are so many events of a type, looked at every 0.05 s."""
        while [event.type for event in self.run.history()].count(event_type) < count:
            assert self.sim.now_us < 60_000_000, f"no {event_type} within a minute"
            self.sim.advance("50ms")

    def finish(self) -> History:
        """Let everything happen that is still to happen; gives the history."""
        self.sim.run()
        return self.run.history()

    def snapshot(self) -> History:
        """The history as the real server shows it now: with the workflow task that is being tried again."""
        return self.run.history(transient=True)


def _versions(known: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """The code of a scenario's deploys, by the names of the recorded classes."""
    return {name: known[name] for name in dict.fromkeys(entry.get("deploy", {}).values())}


# --- playing the manifest -------------------------------------------------------------------------------------------
def as_recorded(stage: Stage) -> History:
    """Do what the manifest says, when it says."""
    for stimulus in stage.entry["stimuli"]:
        at_s = stimulus.get("at_s")
        if isinstance(at_s, float | int):
            stage.go_to(at_s)
        elif at_s == "after the workflow closed":
            stage.finish()
        if stimulus["kind"] == "fetch_history":
            return stage.snapshot()
        _STIMULI[stimulus["kind"]](stage, stimulus)
    return stage.finish()


def _signal(stage: Stage, stimulus: Entry) -> None:
    stage.run.signal(stimulus["name"], *stimulus["args"])


def _query(stage: Stage, stimulus: Entry) -> None:
    assert stage.run.query(stimulus["name"], *stimulus["args"]) == stimulus["result"]


def _update(stage: Stage, stimulus: Entry) -> None:
    if "result" in stimulus:
        assert stage.run.update(stimulus["name"], *stimulus["args"]) == stimulus["result"]
        return
    try:
        stage.run.update(stimulus["name"], *stimulus["args"])
    except ds.UpdateFailed as refused:
        failure = refused.cause
        assert isinstance(failure, ds.ApplicationError)
        assert (failure.type, failure.message) == (stimulus["failure"]["type"], stimulus["failure"]["message"])
    else:
        raise AssertionError("the update was not refused")


def _cancel(stage: Stage, stimulus: Entry) -> None:
    stage.run.cancel()


def _terminate(stage: Stage, stimulus: Entry) -> None:
    stage.run.terminate("", *stimulus["details"])


def _describe(stage: Stage, stimulus: Entry) -> None:
    """What only a look at the pending activity showed: the second attempt waits, and what the first one said."""
    stage.go_to(0.1)
    (pending,) = stage.run.describe().activities
    assert (pending.name, pending.state, pending.attempt) == ("fail_n", "SCHEDULED", 2)
    assert (pending.last_failure, pending.next_retry_us) == ("Flaky: boom attempt 1", 200_000)


_STIMULI: Mapping[str, Callable[[Stage, Entry], None]] = {
    "signal": _signal,
    "query": _query,
    "update": _update,
    "cancel": _cancel,
    "terminate": _terminate,
    "describe": _describe,
}


# --- scenarios with a story of their own ----------------------------------------------------------------------------
def _child_of_it(stage: Stage) -> History:
    stage.finish()
    return stage.sim.history_of(f"{stage.run.workflow_id}-child")


def _first_run(stage: Stage) -> History:
    stage.sim.run()
    return stage.sim.history_of(stage.run.workflow_id, stage.run.runs[0])


def _second_run(stage: Stage) -> History:
    stage.sim.run()
    return stage.sim.history_of(stage.run.workflow_id, stage.run.runs[1])


def _signals_a_little_earlier(stage: Stage) -> History:
    """The signals as long after the first task as they were recorded; that took 95 ms there."""
    for stimulus in stage.entry["stimuli"]:
        stage.go_to(stimulus["observed_s"] - 0.095)
        _signal(stage, stimulus)
    return stage.finish()


def _killed_in_activity(stage: Stage) -> History:
    """The worker dies as soon as the second activity runs; another is there 2.4 s later."""
    stage.go_until("ActivityTaskScheduled", 2)
    stage.sim.crash("w1", restart_after="2.4s")
    return stage.finish()


def _killed_between_tasks(stage: Stage) -> History:
    stage.go_to(1.0)
    stage.sim.crash("w1", restart_after="100ms")
    return stage.finish()


def _killed_in_task(stage: Stage) -> History:
    """The worker dies while its second workflow task stalls."""
    stage.go_until("WorkflowTaskStarted", 2)
    stage.sim.crash("w1", restart_after="100ms")
    return stage.finish()


def _bad_deploy(stage: Stage, ready_s: float) -> None:
    """The worker dies once the timer has started; another, with the new code, is there at `ready_s`."""
    stage.go_until("TimerStarted")
    stage.sim.crash("w1", restart_after=None)
    stage.go_to(ready_s)
    stage.sim.deploy(version=stage.entry["deploy"]["to"])
    stage.sim.start_worker("w1")


def _stuck_renamed(stage: Stage) -> History:
    _bad_deploy(stage, 2.7)
    stage.go_to(3.0)
    return stage.snapshot()


def _stuck_ended_early(stage: Stage) -> History:
    _bad_deploy(stage, 17.9)
    stage.go_to(18.2)
    return stage.snapshot()


def _stuck_for_long(stage: Stage) -> History:
    _bad_deploy(stage, 6.75)
    stage.go_to(6.75 + 70)
    return stage.snapshot()


def _rolled_back(stage: Stage) -> History:
    _bad_deploy(stage, 6.75)
    stage.go_to(6.75 + 70)
    stage.sim.crash("w1", restart_after=None)
    stage.go_to(82.4)
    stage.sim.deploy(version=stage.entry["deploy"]["rollback_to"])
    stage.sim.start_worker("w1")
    return stage.finish()


# --- the table ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Scenario:
    """How a recorded scenario is played, and what of it can be compared.

    `also` has further workflow classes that it needs, `ignoring` attributes that are not compared, `gaps` pairs of
    event ids whose distance in time is. `signals_take` tells the workflow how long the task of a signal runs.
    """

    play: Callable[[Stage], History] = as_recorded
    also: tuple[str, ...] = ()
    simulation: dict[str, Any] = field(default_factory=dict)
    signals_take: dict[str, str] = field(default_factory=dict)
    ignoring: tuple[str, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    same_result: Callable[[Any, Any], bool] = same_but_for_measured


def _same_keys(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    """The values come from a seed and a clock; the clock's nanoseconds have no likeness here."""
    return set(found) <= set(expected)


SPECIAL: Mapping[str, Scenario] = {
    "d_start_to_close_retry": Scenario(),
    "e4_sched_to_close_no_time_left": Scenario(gaps=((5, 6),)),
    "e5_start_to_close_no_time_left": Scenario(gaps=((5, 7),)),
    "e_sched_to_close_running": Scenario(gaps=((5, 7),)),
    "e2_sched_to_close_backoff": Scenario(simulation={"minimum_delay": "1.1s"}, gaps=((5, 6),)),
    "f3_sched_to_start": Scenario(gaps=((5, 6),)),
    "g_nonretry_default_policy": Scenario(gaps=((5, 6),)),
    "h_timer": Scenario(gaps=((5, 6),)),
    "k_child_ok": Scenario(also=("Child",)),
    "k_child_ok__child": Scenario(_child_of_it, also=("Child",)),
    "l_continue_as_new_run1": Scenario(_first_run),
    "l_continue_as_new_run2": Scenario(_second_run),
    "m3_act_cancel_wait_cancellation_completed": Scenario(gaps=((6, 7), (5, 13))),
    "m4_act_cancel_wait_ignored": Scenario(gaps=((6, 7), (5, 13))),
    "n_patched_true": Scenario(gaps=((19, 20),)),
    "o2_buffered": Scenario(
        _signals_a_little_earlier,
        simulation={"minimum_delay": "1s"},
        signals_take={"s1": "100ms", "s2": "400ms"},
    ),
    "p_sigkill_in_activity": Scenario(_killed_in_activity, gaps=((14, 15),)),
    "q4_sigkill_between_tasks_sticky": Scenario(_killed_between_tasks, gaps=((5, 6), (7, 8))),
    "q_sigkill_in_workflow_task": Scenario(_killed_in_task, gaps=((9, 10),)),
    "r0_deploy_v1": Scenario(gaps=((11, 12),)),
    "r2_deploy_rename_activity": Scenario(_stuck_renamed),
    "r4_deploy_early_end": Scenario(_stuck_ended_early),
    "r_deploy_nondeterminism": Scenario(_stuck_for_long),
    "r_deploy_nondeterminism__after_rollback": Scenario(_rolled_back),
    "s2_sandbox_datetime_now": Scenario(simulation={"guard": True}),
    "s_det": Scenario(ignoring=("result",), same_result=_same_keys),
    "t_workflow_task_timed_out": Scenario(gaps=((9, 10),)),
}
"""What needs more than its manifest entry."""

STARTED_BY: Mapping[str, str] = {
    "k_child_ok__child": "k_child_ok",
    "l_continue_as_new_run2": "l_continue_as_new_run1",
}
"""Histories of runs that another one starts: that one's scenario is played."""


def simulated(name: str) -> History:
    """Play the scenario of a recorded history; gives the simulated one."""
    scenario = scenario_of(name)
    return scenario.play(Stage(manifest()[STARTED_BY.get(name, name)], scenario))


def scenario_of(name: str) -> Scenario:
    """How a recorded scenario is played."""
    return SPECIAL.get(name, Scenario())
