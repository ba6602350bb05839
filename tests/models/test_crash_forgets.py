"""A crash forgets, it does not throw: no `except`, no `finally` and no exit of a context runs in user code."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import durable_sim as ds
from durable_sim.models.registry import COMMON_MODELS

WHOLE_LIFE = ["end", "finally", "exit"]
"""What a body of user code leaves in its diary when it runs to its end undisturbed."""
KILLS = {
    "crash": lambda **when: ds.Crash(**when),
    "hard deploy": lambda **when: ds.Deploy(rolling=False, **when),
    "deploy whose grace is too short": lambda **when: ds.Deploy(rolling=False, grace="1us", **when),
}
MOMENTS = {
    "task_started": {"after": "task_started"},
    "request_sent": {"after": "request_sent", "of": "payments.charge"},
    "effect_applied": {"after": "effect_applied", "of": "payments.charge"},
    "reply_received": {"after": "reply_received", "of": "payments.charge"},
    "result_reported": {"after": "result_reported"},
    "timer_started": {"after": "timer_started"},
}
DROPPING = {"steps": {"sdk": "js"}}
"""The other SDK ends each call with an exception in the user's code, on purpose, crash or no crash."""
IN_THE_MIDDLE = ("request_sent", "effect_applied")
"""Moments at which an attempt waits for an answer, for longer than the short grace."""


def combinations() -> list[tuple[str, str, str]]:
    """Model, way to die and moment; regular code reports to nobody, a microsecond of grace is enough to return, and a
    run of steps that sleeps is in nobody's memory."""
    return [
        (model, kill, moment)
        for model in COMMON_MODELS
        for kill in KILLS
        for moment in MOMENTS
        if not (moment == "result_reported" and "regular" in model)
        if not (moment in ("reply_received", "result_reported") and "grace" in kill)
        if not (moment == "timer_started" and model == "steps")
    ]


class Diary:
    """What happened to each body of user code: one list for every run of a workflow function or attempt."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, list[str]]] = []

    def open(self, what: str) -> list[str]:
        """A body begins."""
        self.bodies.append((what, []))
        return self.bodies[-1][1]

    @asynccontextmanager
    async def guard(self, pages: list[str]) -> AsyncIterator[None]:
        """A context manager as users have them: a lock, a file, a span."""
        try:
            yield
        finally:
            pages.append("exit")

    def workflow(self) -> Any:
        """A workflow with a charge, a pause and a parcel, and its activities; each writes down how it ends."""

        async def act(ctx: ds.ActivityContext, service: str) -> None:
            pages = self.open("activity")
            async with self.guard(pages):
                try:
                    if service == "payments":
                        await ctx.service("payments").charge("ada", 40)
                    else:
                        await ctx.service("shipping").schedule("o-1")
                    pages.append("end")
                except BaseException as error:
                    pages.append(f"except {type(error).__name__}")
                    raise
                finally:
                    pages.append("finally")

        async def guarded(ctx: ds.WorkflowContext, order: Any) -> None:
            pages = self.open("workflow")
            async with self.guard(pages):
                try:
                    await ctx.execute_activity(act, "payments", start_to_close_timeout="30s")
                    await ctx.sleep("1h")
                    await ctx.execute_activity(act, "shipping", start_to_close_timeout="30s")
                    pages.append("end")
                except BaseException as error:
                    pages.append(f"except {type(error).__name__}")
                    raise
                finally:
                    pages.append("finally")

        return guarded


@pytest.fixture
def diary() -> Diary:
    """A diary that was opened after the calm run, which judges write into, too."""
    return Diary()


def lives(diary: Diary, run: ds.Run) -> list[tuple[str, list[str]]]:
    """The bodies of a run once the collector has done its worst."""
    gc.collect()
    assert run is not None
    return diary.bodies


@pytest.mark.parametrize(("model", "kill", "moment"), combinations())
def test_nothing_runs_in_the_code_that_a_crash_or_a_deploy_hits(
    model: str, kill: str, moment: str, diary: Diary
) -> None:
    """Each body of user code has a whole life or leaves no mark at all, before and after the collector has run."""
    run = ds.run(
        diary.workflow(),
        {"order_id": "o-1"},
        model=model,
        faults=[KILLS[kill](**MOMENTS[moment])],
        model_options=DROPPING,
    )
    assert run.faults["hit"] == 1
    found = lives(diary, run)
    assert all(pages in (WHOLE_LIFE, []) for _, pages in found), found
    assert ("activity", []) in found or moment not in IN_THE_MIDDLE


@pytest.mark.parametrize("model", ["regular", "regular_rerun", "status_columns", "status_columns_transactional"])
def test_a_crash_silences_workflow_and_activity_alike(model: str, diary: Diary) -> None:
    """Where both run in one process, a crash in the middle of a call leaves two silent bodies."""
    run = ds.run(
        diary.workflow(),
        {"order_id": "o-1"},
        model=model,
        faults=[ds.Crash(after="request_sent", of="payments.charge")],
        horizon="10s",  # before anybody starts again
    )
    silent = [what for what, pages in lives(diary, run) if not pages]
    assert silent.count("workflow") >= 1 and silent.count("activity") >= 1


def test_a_replay_worker_that_crashes_with_a_cached_workflow_forgets_it(diary: Diary) -> None:
    """The instance in a crashed worker's cache is never woken; the workflow goes on in another body."""
    faults = [ds.Crash(at="30m", worker=worker) for worker in ("w1", "w2")]
    run = ds.run(diary.workflow(), {"order_id": "o-1"}, faults=faults)
    assert run.verdicts == {"completed": 1}
    found = lives(diary, run)
    assert ("workflow", []) in found and ("workflow", WHOLE_LIFE) in found
    assert ("activity", []) not in found


@pytest.mark.parametrize("model", COMMON_MODELS)
def test_code_that_is_never_woken_again_is_kept_while_the_run_is(model: str, diary: Diary) -> None:
    """An attempt that hangs when the simulation is cut off stays as it is as long as somebody holds the run."""
    lost = ds.library.shop(payments={"faults": ds.Mixture(lose_request=1.0), "client_timeout": "1h"})
    run = ds.run(diary.workflow(), {"order_id": "o-1"}, model=model, services=lost, horizon="10s")
    assert run.verdicts == {"inconclusive": 1}
    silent = [what for what, pages in lives(diary, run) if not pages]
    assert "workflow" in silent and "activity" in silent


def test_an_exception_handler_around_everything_does_not_save_a_workflow(diary: Diary) -> None:
    """Code that swallows every exception there is cannot swallow a crash, nor go on after it."""

    async def charge(ctx: ds.ActivityContext) -> None:
        await ctx.service("payments").charge("ada", 40)

    async def swallows_everything(ctx: ds.WorkflowContext, order: Any) -> str:
        pages = diary.open("workflow")
        for _ in range(3):
            try:
                await ctx.execute_activity(charge, start_to_close_timeout="30s")
            except Exception as error:
                pages.append(type(error).__name__)
        return "fine"

    run = ds.run(
        swallows_everything, {"order_id": "o-1"}, model="regular", faults=[ds.Crash(after="request_sent", nth=2)]
    )
    assert run.execution("o-1").execution.status == "open"
    assert all(not pages for _, pages in lives(diary, run))


# --- zombies --------------------------------------------------------------------------------------------------------
async def charge(ctx: ds.ActivityContext, key: bool = False) -> Any:
    keys = {"idempotency_key": ctx.idempotency_key} if key else {}
    return await ctx.service("payments").charge("ada", 40, **keys)


async def charges(ctx: ds.WorkflowContext, order: Any) -> None:
    await ctx.execute_activity(charge, order["key"], start_to_close_timeout="30s")


def paused(model: str, *, key: bool = False, **options: Any) -> ds.Run:
    """A worker stands still for ten minutes, right after it has sent a charge."""
    pause = ds.Pause(after="request_sent", of="payments.charge", lasts="10m")
    return ds.run(charges, {"order_id": "o-1", "key": key}, model=model, faults=[pause], **options)


def of_kind(run: ds.Run, *kinds: str) -> list[tuple[str, str | None, int | None]]:
    """Kind, worker and attempt of the records of these kinds."""
    return [(record.kind, record.worker, record.attempt) for record in run.trace if record.kind in kinds]


def test_the_late_result_of_a_zombie_is_refused_under_replay() -> None:
    """The attempt times out, another worker does it again, and what the woken worker reports is not taken."""
    run = paused("replay", key=True)
    assert run.faults["hit"] == 1
    (_, zombie, _) = of_kind(run, "worker_paused")[0]
    assert of_kind(run, "attempt_timed_out", "result_recorded", "result_refused") == [
        ("attempt_timed_out", zombie, 1),
        ("result_recorded", "w1" if zombie == "w2" else "w2", 2),
        ("result_refused", zombie, 1),
    ]
    assert run.verdicts == {"completed": 1} and run.ok


def test_the_work_of_a_zombie_stays_done_under_replay() -> None:
    """Refusing the late result does not undo the charge: without a key there are two."""
    run = paused("replay")
    assert len(of_kind(run, "result_refused")) == 1
    assert run.verdicts == {"duplicate_effect": 1}


@pytest.mark.parametrize("model", ["status_columns", "status_columns_transactional"])
def test_a_zombie_and_its_successor_both_run_under_status_columns(model: str) -> None:
    """The claim on the row runs out while its worker stands still, so the sweeper starts another run beside it."""
    run = paused(model)
    assert of_kind(run, "execution_restarted") != []
    assert run.verdicts == {"duplicate_effect": 1}
    safe = paused(model, key=True, model_options={model: {"stable_keys": True}})
    assert of_kind(safe, "execution_restarted") != []
    assert safe.verdicts == {"completed": 1} and safe.ok


@pytest.mark.parametrize("model", ["regular", "regular_rerun"])
def test_regular_code_that_was_paused_goes_on_or_times_out_late(model: str) -> None:
    """Nobody takes over from paused regular code; its own reply comes first when it wakes, and it completes."""
    run = paused(model)
    assert of_kind(run, "execution_restarted") == []
    assert [entry.kind for entry in run.ledger] == ["payments.charge"]


@pytest.mark.parametrize("model", COMMON_MODELS)
def test_a_paused_worker_does_nothing_until_it_wakes(model: str) -> None:
    """Wherever a pause begins, the worker starts, sends, hears and reports nothing before it is over."""
    own = {"request_sent", "reply_received", "call_given_up", "task_started", "result_reported", "execution_started"}
    order = {"order_id": "o-1", "key": True}
    length = len(ds.run(charges, order, model=model).trace)
    paused_runs = 0
    for index in range(length):
        run = ds.run(charges, order, model=model, faults=[ds.Pause(after_record=index, lasts="20s")], workers=1)
        asleep = False
        for record in run.trace:
            if record.kind in ("worker_paused", "worker_resumed"):
                asleep = record.kind == "worker_paused"
                paused_runs += asleep
            assert not (asleep and record.worker == "w1" and record.kind in own), (index, record)
    assert paused_runs >= length // 2
