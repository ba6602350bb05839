"""The injector: faults strike when the plan says, and what was planned is counted against what fired and hit."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.durations import MILLISECOND, SECOND, duration_us
from durable_sim.library.orders import correct_order
from durable_sim.models.registry import COMMON_MODELS

ORDER = {"order_id": "o-1"}


async def work(ctx: ds.ActivityContext) -> None:
    await ctx.sleep("10s")


async def works(ctx: ds.WorkflowContext, order: Any) -> None:
    await ctx.execute_activity(work, start_to_close_timeout="1h")


async def works_thrice(ctx: ds.WorkflowContext, order: Any) -> None:
    for _ in range(3):
        await ctx.execute_activity(work, start_to_close_timeout="1h")


def run(*faults: Any, workflow: Any = works, model: str = "regular", **options: Any) -> ds.Run:
    """One execution that works for ten seconds on w1."""
    return ds.run(workflow, ORDER, faults=faults, model=model, **options)


def life(run: ds.Run) -> list[tuple[int, str, str | None]]:
    """What was done to the workers after they had first started: time in ms, what, and to whom."""
    return [
        (record.time_us // MILLISECOND, record.kind.removeprefix("worker_"), record.worker)
        for record in run.trace
        if record.kind.startswith("worker_") and (record.kind, record.time_us) != ("worker_started", 0)
    ]


# --- planned, fired, hit --------------------------------------------------------------------------------------------
def test_what_was_planned_fired_and_hit_are_three_numbers() -> None:
    """One crash hits work, one hits an idle worker, one comes when all is over, one waits for what never happens."""
    found = run(
        ds.Crash(at="1s", worker="w1"),
        ds.Crash(at="1s", worker="w2"),
        ds.Crash(at="20d", worker="w1"),
        ds.Crash(after="timer_fired"),
    )
    assert found.faults == {"planned": 4, "fired": 3, "hit": 1}
    assert not found.vacuous
    strikes = {strike.fault.at: strike for strike in found.recording.strikes}
    assert strikes["1s"].fired_us == SECOND
    assert [strike.hit for strike in found.recording.strikes].count(["o-1"]) == 1
    assert strikes[None].fired_us is None


def test_a_fault_after_the_horizon_does_not_fire() -> None:
    """What the run does not live to see has not fired."""
    assert run(ds.Crash(at="2h"), horizon="1h").faults == {"planned": 1, "fired": 0, "hit": 0}


@pytest.mark.parametrize(
    "fault",
    [
        ds.Crash(at="5s", worker="w2"),
        ds.Crash(at="5s", worker="w2", restart_after="0s"),
        ds.Pause(at="5s", worker="w2"),
        ds.Crash(after="timer_fired"),
        ds.Crash(after_record=10_000),
        ds.Deploy(at="1m", rolling=False),
        ds.Script("payments", "charge", 1, "error"),
    ],
)
def test_a_plan_that_hits_nothing_says_so(fault: Any) -> None:
    """A run whose faults hit nothing in flight is vacuous, and its text warns of it."""
    found = run(fault)
    assert found.faults["planned"] == 1 and found.faults["hit"] == 0
    assert found.vacuous and "WARNING" in str(found)


def test_a_plan_that_hits_something_does_not_warn() -> None:
    """One hit among several faults is enough; no plan at all is no vacuous plan."""
    found = run(ds.Crash(at="5s", worker="w2"), ds.Crash(at="5s", worker="w1"))
    assert not found.vacuous and "WARNING" not in str(found)
    assert not run().vacuous


def test_a_comparison_warns_of_the_models_under_which_nothing_was_hit() -> None:
    """A rerun is hit where there is one; under models without reruns the same plan shows nothing."""
    faults = [ds.Crash(after="execution_restarted")]
    compared = ds.compare(works, ORDER, models=["regular", "replay"], faults=faults)
    assert compared.faults == {"planned": 1, "fired": 0, "hit": 0}
    assert "regular, replay" in str(compared)


def test_the_crash_of_a_dead_worker_has_not_fired() -> None:
    """A second crash while the worker is away counts as planned, not as fired, and does not delay its return."""
    found = run(ds.Crash(at="1s", worker="w1", restart_after="5s"), ds.Crash(at="3s", worker="w1", restart_after="1h"))
    assert found.faults == {"planned": 2, "fired": 1, "hit": 1}
    assert life(found) == [(1_000, "crashed", "w1"), (6_000, "started", "w1")]


def test_a_crash_without_a_worker_while_all_are_dead_has_not_fired() -> None:
    """With nobody to hit there is no crash."""
    found = run(ds.Crash(at="1s", worker="w1"), ds.Crash(at="2s"), workers=1)
    assert found.faults["fired"] == 1


def test_scripted_calls_that_never_come_have_not_fired() -> None:
    """A script for the second charge of an order that charges once is planned only."""
    scripts = [ds.Script("payments", "charge", call, "slow") for call in (1, 2)]
    found = ds.run(correct_order(), ORDER, faults=scripts)
    assert found.faults == {"planned": 2, "fired": 1, "hit": 1}


# --- triggers -------------------------------------------------------------------------------------------------------
def test_at_strikes_at_a_time() -> None:
    """`at` is simulated time since the start."""
    assert life(run(ds.Crash(at="1500ms", worker="w1")))[0] == (1_500, "crashed", "w1")


def test_without_a_worker_the_first_that_has_work_is_hit() -> None:
    """At a time a crash looks for work in hand; where nobody has any it takes the first worker."""
    inputs = [{"order_id": "o-1"}, {"order_id": "o-2"}]
    busy = ds.run(works, inputs=inputs, arrivals=ds.Arrivals(every="8s"), model="regular", faults=[ds.Crash(at="12s")])
    assert life(busy)[0] == (12_000, "crashed", "w2")  # o-1 on w1 is over
    idle = run(ds.Crash(at="1m"))
    assert life(idle)[0] == (60_000, "crashed", "w1")


@pytest.mark.parametrize("index", range(2, 12))
def test_after_record_strikes_right_after_the_record_with_this_index(index: int) -> None:
    """The crash is the very next record, at the same instant, and on the worker that the record belongs to."""
    calm = ds.run(correct_order(), ORDER, model="regular").trace
    found = ds.run(correct_order(), ORDER, model="regular", faults=[ds.Crash(after_record=index)]).trace
    assert list(found)[: index + 1] == list(calm)[: index + 1]
    assert (found[index + 1].kind, found[index + 1].time_us) == ("worker_crashed", calm[index].time_us)
    assert found[index + 1].worker == calm[index].worker


def test_after_the_first_record_of_all() -> None:
    """Record 0 is the start of a worker, which can be hit as well."""
    found = run(ds.Crash(after_record=0))
    assert [(record.kind, record.worker) for record in found.trace][:2] == [
        ("worker_started", "w1"),
        ("worker_crashed", "w1"),
    ]
    assert found.verdicts == {"completed": 1}


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_after_of_nth_strikes_after_the_nth_record_of_this_kind_and_subject(nth: int) -> None:
    """Records of another kind or subject do not count."""
    found = run(ds.Crash(after="task_started", of="work", nth=nth), workflow=works_thrice)
    crashed = next(record for record in found.trace if record.kind == "worker_crashed")
    before = found.trace[crashed.index - 1]
    assert (before.kind, before.subject) == ("task_started", "work")
    assert crashed.time_us == (nth - 1) * 10 * SECOND


def test_of_leaves_other_subjects_alone() -> None:
    """The third request is not the first of shipping."""
    found = ds.run(correct_order(), ORDER, faults=[ds.Crash(after="request_sent", of="shipping.schedule")])
    crashed = next(record for record in found.trace if record.kind == "worker_crashed")
    before = found.trace[crashed.index - 1]
    assert (before.kind, before.subject, before.worker) == ("request_sent", "shipping.schedule", crashed.worker)


def test_a_trigger_strikes_once() -> None:
    """After it has fired, a fault does not fire again on the next record of the kind."""
    found = run(ds.Crash(after="task_started", of="work", restart_after="0s"), workflow=works_thrice, model="replay")
    assert [what for _, what, _ in life(found)].count("crashed") == 1


def test_a_named_worker_is_hit_wherever_the_record_belongs() -> None:
    """`worker` goes before the worker of the record."""
    found = run(ds.Crash(after="task_started", of="work", worker="w2"))
    assert life(found)[0][1:] == ("crashed", "w2")
    assert found.verdicts == {"completed": 1}


def test_two_faults_may_strike_at_the_same_record() -> None:
    """Both workers die at one record."""
    faults = [ds.Crash(after="task_started", of="work", worker=worker) for worker in ("w1", "w2")]
    found = run(*faults)
    assert found.faults["fired"] == 2
    assert [(what, worker) for _, what, worker in life(found)][:2] == [("crashed", "w1"), ("crashed", "w2")]


def test_a_fault_may_be_triggered_by_another() -> None:
    """The second worker dies the instant that the first has died."""
    found = run(ds.Crash(at="1s", worker="w1"), ds.Crash(after="worker_crashed", worker="w2"))
    assert [record for record in life(found) if record[1] == "crashed"] == [
        (1_000, "crashed", "w1"),
        (1_000, "crashed", "w2"),
    ]


# --- restarts, deploys, pauses --------------------------------------------------------------------------------------
def test_a_worker_is_back_after_its_delay() -> None:
    """`restart_after` is the time between the crash and the next life of the worker."""
    assert life(run(ds.Crash(at="1s", worker="w1", restart_after="90s"))) == [
        (1_000, "crashed", "w1"),
        (91_000, "started", "w1"),
    ]


def test_a_rolling_deploy_takes_one_worker_after_the_other() -> None:
    """The next worker is stopped when the one before it is back."""
    found = run(ds.Deploy(at="1m", downtime="5s"), workers=3)
    assert life(found) == [
        (60_000, "stopped", "w1"),
        (65_000, "started", "w1"),
        (65_000, "stopped", "w2"),
        (70_000, "started", "w2"),
        (70_000, "stopped", "w3"),
        (75_000, "started", "w3"),
    ]


def test_a_deploy_all_at_once_stops_everybody() -> None:
    """With `rolling` off there is a time without any worker."""
    found = run(ds.Deploy(at="1m", downtime="5s", rolling=False), workers=3)
    assert life(found) == [
        *[(60_000, "stopped", worker) for worker in ("w1", "w2", "w3")],
        *[(65_000, "started", worker) for worker in ("w1", "w2", "w3")],
    ]


def test_a_deploy_that_is_triggered_begins_with_the_worker_of_the_record() -> None:
    """The worker that made the record is replaced first."""
    found = ds.run(
        works,
        inputs=[{"order_id": "o-1"}, {"order_id": "o-2"}],
        model="regular",
        workers=3,
        faults=[ds.Deploy(after="task_started", of="work", nth=2)],
    )
    assert [worker for _, what, worker in life(found) if what == "stopped"] == ["w2", "w1", "w3"]


def test_work_that_ends_within_the_grace_period_is_not_lost() -> None:
    """The worker takes no new work, finishes what it has, and stops as soon as it is idle."""
    found = run(ds.Deploy(at="5s", grace="30s", downtime="1s"), workers=1)
    assert life(found) == [(5_000, "stopping", "w1"), (10_000, "stopped", "w1"), (11_000, "started", "w1")]
    assert found.faults == {"planned": 1, "fired": 1, "hit": 0}
    assert found.verdicts == {"completed": 1}


def test_work_that_outlasts_the_grace_period_is_killed() -> None:
    """When the grace is over the worker is stopped in the middle of its work."""
    found = run(ds.Deploy(at="5s", grace="2s", downtime="1s"), workers=1)
    assert life(found) == [(5_000, "stopping", "w1"), (7_000, "stopped", "w1"), (8_000, "started", "w1")]
    assert found.faults["hit"] == 1
    assert found.verdicts == {"stuck": 1}


@pytest.mark.parametrize("model", COMMON_MODELS)
def test_a_worker_that_is_stopping_gets_no_new_work(model: str) -> None:
    """Within the grace period no attempt and no workflow begins on the worker."""
    found = ds.run(
        works_thrice,
        inputs=[{"order_id": f"o-{number}"} for number in range(6)],
        arrivals=ds.Arrivals(every="2s"),
        model=model,
        faults=[ds.Deploy(at="5s", grace="20s", rolling=True)],
    )
    assert found.faults["fired"] == 1
    stopping: dict[str | None, bool] = {}
    begun = 0
    for record in found.trace:
        if record.kind.startswith("worker_"):
            stopping[record.worker] = record.kind == "worker_stopping"
        elif record.worker is not None and record.kind == (
            "task_started" if model in ("replay", "steps") else "execution_started"
        ):
            assert not stopping[record.worker]
            begun += 1
    assert begun >= 6


def test_a_crash_during_the_grace_period_does_not_hold_up_a_rolling_deploy() -> None:
    """A worker that dies while it drains is passed over, and the others follow."""
    found = run(ds.Deploy(at="5s", grace="20s"), ds.Crash(at="6s", worker="w1", restart_after="2s"))
    stopped = [worker for _, what, worker in life(found) if what == "stopped"]
    assert stopped == ["w2"]
    assert found.faults["fired"] == 2


def test_a_deploy_passes_over_a_worker_that_is_stopping_already() -> None:
    """A second deploy does not drain again what the first one drains; it goes on to the next worker."""
    found = run(ds.Deploy(at="5s", grace="30s"), ds.Deploy(at="6s", grace="30s"))
    assert [one for one in life(found) if one[2] == "w1"] == [
        (5_000, "stopping", "w1"),
        (10_000, "stopped", "w1"),
        (11_000, "started", "w1"),
    ]
    assert [(at, what) for at, what, worker in life(found) if worker == "w2" and what == "stopped"] == [
        (6_000, "stopped"),
        (11_000, "stopped"),
    ]
    assert found.faults["fired"] == 2 and found.verdicts == {"completed": 1}


def test_a_worker_that_is_away_comes_back_on_the_new_code() -> None:
    """A deploy does not wait for a crashed worker; its next life runs the deployed version."""

    async def other(ctx: ds.WorkflowContext, order: Any) -> str:
        return "other"

    found = ds.run(
        works,
        inputs=[{"order_id": "o-1"}, {"order_id": "o-2"}],
        arrivals=ds.Arrivals(every="1m"),
        model="regular",
        workers=1,
        versions={"other": other},
        faults=[ds.Crash(at="20s", restart_after="10s"), ds.Deploy(at="25s", version="other")],
    )
    assert found.execution("o-2").execution.result == "other"
    started = [record for record in found.trace if record.kind == "worker_started"]
    assert started[-1].data == {"version": "other"}


def test_a_pause_ends_by_itself() -> None:
    """A paused worker goes on after `lasts`, with what has come in meanwhile."""
    found = run(ds.Pause(at="5s", worker="w1", lasts="1m"))
    assert life(found) == [(5_000, "paused", "w1"), (65_000, "resumed", "w1")]
    assert found.faults["hit"] == 1
    assert found.executions[0].execution.ended_us == 65 * SECOND
    assert found.verdicts == {"completed": 1}


def test_a_paused_worker_that_crashes_does_not_wake() -> None:
    """A crash ends a pause for good: no resumption follows, and the next life is a fresh one."""
    found = run(ds.Pause(at="1s", worker="w1", lasts="1m"), ds.Crash(at="5s", worker="w1"))
    assert life(found) == [(1_000, "paused", "w1"), (5_000, "crashed", "w1"), (7_000, "started", "w1")]
    assert found.verdicts == {"stuck": 1}


def test_the_pause_of_a_paused_worker_has_not_fired() -> None:
    """A second pause while the first lasts is planned only."""
    found = run(ds.Pause(at="1s", worker="w1", lasts="1m"), ds.Pause(at="2s", worker="w1", lasts="1h"))
    assert found.faults["fired"] == 1
    assert life(found)[-1] == (61_000, "resumed", "w1")


# --- plans drawn at random ------------------------------------------------------------------------------------------
def test_random_crashes_keep_to_their_window_and_their_rate() -> None:
    """Crashes fall between `start` and `until`, on average `every` so often, on every worker."""
    found = run(ds.Crashes(every="1m", start="1h", until="11h", restart_after="1s"), workers=3, horizon="1d")
    times = [strike.fired_us for strike in found.recording.strikes if strike.fired_us is not None]
    assert 500 < len(times) < 700
    assert min(times) >= duration_us("1h") and max(times) < duration_us("11h")
    assert {worker for _, what, worker in life(found) if what == "crashed"} == {"w1", "w2", "w3"}


def test_the_plan_depends_on_the_seed_and_not_on_the_model() -> None:
    """All models meet the same crashes; another seed draws others."""
    faults = [ds.Crashes(every="3s", until="1m"), ds.Deploys(every="20s", until="1m", grace="2s")]

    def plan(model: str, seed: int) -> list[Any]:
        return [strike.fault for strike in run(*faults, model=model, seed=seed).recording.strikes]

    plans = [plan(model, 4) for model in COMMON_MODELS]
    assert len(plans[0]) > 10 and all(one == plans[0] for one in plans)
    assert plan("regular", 5) != plans[0]


def test_a_second_random_fault_leaves_the_first_as_it_was() -> None:
    """Each fault of a plan draws from a stream of its own."""
    crashes = ds.Crashes(every="3s", until="1m")

    def crashed(*faults: Any) -> list[Any]:
        return [one.fault.at for one in run(*faults).recording.strikes if isinstance(one.fault, ds.Crash)]

    assert crashed(crashes) == crashed(crashes, ds.Deploys(every="5s", until="1m"))


# --- scripts --------------------------------------------------------------------------------------------------------
def test_two_scripts_for_one_call_are_refused() -> None:
    """A call that is scripted twice is a mistake: one of the two faults would never be seen."""
    twice = [ds.Script("payments", "charge", 1, fault) for fault in ("error", "lose_reply")]
    with pytest.raises(ds.UserError, match=r"two scripts for call 1 of payments\.charge"):
        run(*twice)
