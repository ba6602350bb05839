"""Deploy sweeps: what becomes of every history, against what a study of one deploy measured, and in words."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from durable_sim.api import run_scenario
from durable_sim.durations import HOUR
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library.orders import correct_order
from durable_sim.library.shop import shop
from durable_sim.models.executions import Execution, Model
from durable_sim.search.deploys import PATHS, DeploySweep, deploy_sweep
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.studies.deploys import BASE, CHANGES, fate_of
from durable_sim.studies.plans import services, workflow_of
from durable_sim.trace import Record
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from tests.search.scenes import GIVE_BACK, ID, ORDER, PAY, PAY_TWICE, PAYMENTS, charge, give_up_after_two, pay

OLD = Scenario(workflow_of(BASE), ({"id": "e-1"},), services(), horizon="3d")
FATES = {"completed": "safe", "duplicate_effect": "repeated", "lost_effect": "failed", "stuck": "stuck"}
"""What a deploy sweep calls what a study calls so; the effects of a plan are mails, owed at least once."""


@cache
def swept(change: str, model: str, faults: str = "lose_reply") -> DeploySweep:
    """The sweep of one of the changes."""
    return deploy_sweep(OLD, workflow_of(CHANGES[change]), model, faults=faults)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("model", ["replay", "steps", "state_machine", "status_columns"])
def test_the_sweep_agrees_with_the_study_of_a_deploy_in_the_nap(model: str, change: str) -> None:
    """The last index before the nap is over is where the study deploys."""
    sweep = swept(change, model)
    calm = run_scenario(OLD, model, 0).trace
    waking = next(record.index for record in calm if record.time_us >= HOUR)
    asleep = [one for one in sweep.by_history[()] if one.place.at < waking][-1]
    assert asleep.fate == FATES[fate_of(change, model).verdict]


@pytest.mark.parametrize("change", CHANGES)
def test_a_renamed_step_is_stuck_in_replay_and_repeated_in_steps(change: str) -> None:
    """Replay is stuck wherever the past was changed; a step goes by its name."""
    assert ("stuck" in swept(change, "replay").fates) == (
        change not in ("none", "change arguments", "change the timer")
    )
    assert swept(change, "steps").ok == (change != "rename a finished step")


def test_words_say_from_where_or_up_to_where_a_deploy_is_safe() -> None:
    """Of the indexes of one history."""
    words = {change: swept(change, "replay").words(swept(change, "replay").by_history[()]) for change in CHANGES}
    assert words["none"] == "safe at any time"
    assert words["reorder finished steps"].startswith("safe only from index ")
    assert words["insert a step after"].startswith("not safe at index ")
    assert words["insert a step before"].startswith("not safe from index ")
    renamed = swept("rename a finished step", "steps")
    assert renamed.words(renamed.by_history[()]) == "safe only up to index 1"


def test_words_are_those_of_the_fates() -> None:
    """Whatever the indexes are."""
    sweep = swept("insert a step before", "replay")
    made = {fate: next(one for one in sweep.shipped if one.fate == fate) for fate in ("safe", "stuck")}

    def words(*fates: str) -> str:
        return sweep.words([replace(made[fate], index=index) for index, fate in enumerate(fates, start=3)])

    assert words("safe", "safe") == "safe at any time" and words("stuck", "stuck") == "never safe"
    assert words("safe", "stuck", "stuck") == "safe only up to index 3"
    assert words("stuck", "safe", "safe") == "safe only from index 4 on"
    assert words("safe", "stuck", "safe") == "not safe at index 4"
    assert words("safe", "stuck", "safe", "stuck", "safe") == "not safe from index 4 to 6"


@workflow(name="pay")
async def pay_and_check(ctx: WorkflowContext, order: Any) -> str:
    """Looks the order up first."""
    await ctx.sleep("1s")
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    return "paid"


@workflow(name="pay")
async def pay_and_check_patched(ctx: WorkflowContext, order: Any) -> str:
    """Looks the order up first, where the execution began with this code."""
    if ctx.patched("look up first"):
        await ctx.sleep("1s")
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    return "paid"


def test_a_patched_change_may_be_shipped_at_any_time() -> None:
    """The same change without the patch may not."""
    paths = ("refuse", "lose_reply", "crash")
    patched = deploy_sweep(PAY, pay_and_check_patched, faults=paths)
    assert patched.ok and patched.fates == {"safe": len(patched.shipped)}
    assert patched.guarantee == (
        f"replay: next may be shipped while workflows run: safe at each of {len(patched.shipped)} indexes of "
        f"{patched.histories} histories"
    )
    plain = deploy_sweep(PAY, pay_and_check, faults=paths)
    assert not plain.ok and [*plain.fates] == ["stuck", "safe"]
    assert plain.guarantee == (
        f"replay: next is not safe for running workflows: {plain.fates['stuck']} stuck, "
        f"{plain.fates['safe']} safe of {len(plain.shipped)} indexes of {plain.histories} histories"
    )
    assert len(plain.unsafe) == len(plain.shipped) - plain.fates["safe"]


def test_histories_of_faults_are_deployed_into_from_the_fault_on() -> None:
    """What comes before is the calm history, which is tried already; each history counts once."""
    sweep = deploy_sweep(ORDER, correct_order(), faults=("lose_reply", "cancel"))
    assert sweep.histories == len(sweep.by_history) > 2
    for placed, shipped in sweep.by_history.items():
        since = placed[-1].place.at if placed else 0
        assert all(one.place.at >= since for one in shipped)
        assert [one.index for one in shipped] == sorted({one.index for one in shipped})
    cancelled = [shipped for placed, shipped in sweep.by_history.items() if placed and placed[0].family == "cancel"]
    assert cancelled and all(str(one).startswith("history of the cancel after ") for one in cancelled[0])
    assert str(sweep.shipped[0]).startswith(
        "history of the calm run, index 5 (after task scheduled of charge_card): safe"
    )
    assert sweep.ok


def test_each_index_of_the_calm_history_is_tried() -> None:
    """Each record at which the history grew, up to the length that it has in the end."""
    grown: dict[int, int] = {}

    def watch(engine: Model, executions: tuple[Execution, ...], record: Record) -> None:
        grown[record.index] = engine.stored(executions[0])

    simulate(PAY, "replay", 0, observe=watch)
    lengths = sorted(set(grown.values()) - {0})
    found = deploy_sweep(PAY, pay, faults="refuse").by_history[()]
    assert [one.index for one in found] == lengths and found[-1].place.kind == "execution_ended"


def test_histories_that_go_wrong_anyway_are_left_out() -> None:
    """A crash alone doubles this charge: such a history says nothing of the deploy, and is counted."""
    sweep = deploy_sweep(PAY_TWICE, pay_and_check, faults=("lose_reply",))
    assert sweep.skipped == 1 and sweep.histories == 1
    assert f"\n  {sweep.skipped} histories left out: they go wrong with the old code alone\n" in str(sweep)
    assert "left out" not in str(deploy_sweep(PAY, pay_and_check, faults="lose_reply"))


def test_a_second_fault_makes_more_histories() -> None:
    """To the depth."""
    one = deploy_sweep(GIVE_BACK, GIVE_BACK.workflow, faults="refuse")
    two = deploy_sweep(GIVE_BACK, GIVE_BACK.workflow, faults="refuse", depth=2)
    assert (one.skipped, two.skipped) == (0, 1) and one.ok and two.ok


def test_code_that_owes_less_is_judged_by_both() -> None:
    """What either code alone would have left is fine; a charge that neither leaves twice is not."""
    giving_up = Scenario(give_up_after_two, (ID,), PAYMENTS, versions={"same": give_up_after_two})
    assert deploy_sweep(giving_up, faults="refuse").ok


def test_the_only_version_is_deployed_by_default() -> None:
    """Else it has to be named, and has to be there."""
    one = replace(PAY, versions={"next": pay})
    assert deploy_sweep(one, faults="refuse").version == "next"
    two = replace(PAY, versions={"v1": pay, "v2": pay_and_check})
    assert deploy_sweep(two, "v1", faults="refuse").ok and not deploy_sweep(two, "v2", faults="refuse").ok
    with pytest.raises(UnknownNameError, match="unknown code version 'v3'"):
        deploy_sweep(two, "v3")
    for scenario, known in ((PAY, "no versions"), (two, "versions v1, v2")):
        with pytest.raises(UserError) as refused:
            deploy_sweep(scenario)
        assert str(refused.value) == f"deploy: the scenario has {known}; say which one is to be deployed"


def test_the_text_shows_one_deploy_of_each_fate() -> None:
    """The first that went wrong so, with what is wrong, after a line for each kind of history."""
    sweep = swept("rename a finished step", "steps")
    lines = str(sweep).splitlines()
    assert lines[0] == sweep.guarantee and f"  {sweep.unsafe[0]}" in lines
    assert any("made again, expected 0, as when the old code is restarted" in line for line in lines)
    assert sum(line.endswith(": repeated") for line in lines) == 1
    assert repr(sweep) == str(sweep) and "steps: next is not safe" in sweep._repr_html_()


def test_json_says_the_same() -> None:
    """With each unsafe deploy."""
    sweep = swept("rename a finished step", "steps")
    data = sweep.to_json()
    assert [*data] == ["model", "version", "safe", "histories", "skipped", "deploys", "fates", "guarantee", "unsafe"]
    assert (data["safe"], data["deploys"], data["fates"]) == (False, len(sweep.shipped), sweep.fates)
    assert len(data["unsafe"]) == sweep.fates["repeated"] and data["unsafe"][0]["violations"]


def test_the_usual_paths_are_failure_retry_compensation_and_cancellation() -> None:
    """The faults that lead a history down other paths."""
    assert PATHS == ("refuse", "error_after_effect", "lose_reply", "crash", "cancel")


def test_new_code_that_cannot_take_what_the_old_asked_for_is_an_error() -> None:
    """The same activity by its name, which now wants another argument: told as a fate, and the sweep goes on."""

    def giving_back(by_id: bool) -> Any:
        @activity(name="release")
        async def release(ctx: ActivityContext, argument: Any) -> None:
            reference = argument if by_id else argument["order_id"]
            await ctx.service("inventory").release(reference=reference)

        @workflow(name="give_back")
        async def give_back(ctx: WorkflowContext, order: dict[str, str]) -> None:
            argument: Any = order["order_id"] if by_id else order
            await ctx.execute_activity(release, argument, start_to_close_timeout="30s")

        return give_back

    old = Scenario(giving_back(by_id=False), ({"order_id": "o-1"},), shop(), horizon="1h")
    sweep = deploy_sweep(old, giving_back(by_id=True), faults="refuse")
    assert not sweep.ok and sweep.fates["error"] >= 1
    first = next(one for one in sweep.unsafe if one.fate == "error")
    assert "the service cannot take this" in first.violations[0].found
