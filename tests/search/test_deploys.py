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
from durable_sim.search.families import Settings
from durable_sim.simulation.run import simulate
from durable_sim.simulation.scenario import Scenario
from durable_sim.studies.deploys import BASE, CHANGES, fate_of
from durable_sim.studies.plans import services, workflow_of
from durable_sim.trace import Record
from durable_sim.workflows.activity_context import ActivityContext
from durable_sim.workflows.context import WorkflowContext
from durable_sim.workflows.definitions import activity, workflow
from durable_sim.workflows.failures import ActivityError
from durable_sim.workflows.retry import RetryPolicy
from durable_sim.world.faults import Crash, Signal
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
    made["no_worse"] = replace(made["safe"], fate="no_worse")
    assert words("safe", "no_worse") == "no worse than the old code"
    assert words("no_worse", "stuck") == "safe only up to index 3"


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


def test_no_history_is_left_out() -> None:
    """A lost reply doubles this charge with the old code alone: new code is judged by the old code, restarted there."""
    sweep = deploy_sweep(PAY_TWICE, PAY_TWICE.workflow, faults=("lose_reply",))
    (broken,) = sweep.broken
    assert broken.faults and broken.violation.kind == "duplicate_effect" and broken.faults in sweep.by_history
    assert sweep.histories == len(sweep.by_history) == 2
    assert sweep.ok and [*sweep.fates] == ["no_worse", "safe"]
    assert sweep.words(sweep.by_history[broken.faults]) == "no worse than the old code"
    assert sweep.guarantee == (
        "replay: next may be shipped while workflows run: nothing new goes wrong at any of "
        f"{len(sweep.shipped)} indexes of 2 histories, but {sweep.fates['no_worse']} no_worse, "
        f"{sweep.fates['safe']} safe; 1 of 2 histories go wrong with the old code alone "
        "(first: history of the lose reply at call of payments.charge run: duplicate_effect payments.charge)"
    )


def test_a_second_fault_makes_more_histories() -> None:
    """To the depth."""
    one = deploy_sweep(GIVE_BACK, GIVE_BACK.workflow, faults="refuse")
    two = deploy_sweep(GIVE_BACK, GIVE_BACK.workflow, faults="refuse", depth=2)
    assert (len(one.broken), len(two.broken)) == (0, 1) and one.ok and two.ok
    assert two.histories == one.histories + 1 and "no_worse" in two.fates


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
    words = ["model", "version", "safe", "histories", "broken", "bounds", "deploys", "fates", "guarantee", "unsafe"]
    assert [*data] == words and data["bounds"] == sweep.bounds
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


# --- new code that only shows where the old code is wrong itself ------------------------------------------------------
ONCE = RetryPolicy(maximum_attempts=1)


@activity
async def charge_once(ctx: ActivityContext, order: Any) -> None:
    """One charge that nobody gives back."""
    await ctx.service("payments").charge("ada", 40, idempotency_key=ctx.idempotency_key)


@activity
async def reserve(ctx: ActivityContext, order: Any) -> None:
    """A book."""
    await ctx.service("inventory").reserve("book", 1, reference=order["order_id"])


@activity
async def open_ticket(ctx: ActivityContext, order: Any) -> None:
    """Somebody is told."""


def failing(ticket: str) -> Any:
    """An order that keeps the money where there is no book, and `ticket`s that: "never", "always" or "patched"."""

    @workflow(name="order")
    async def order(ctx: WorkflowContext, given: Any) -> None:
        await ctx.execute_activity(charge_once, given, start_to_close_timeout="30s", retry_policy=ONCE)
        try:
            await ctx.execute_activity(reserve, given, start_to_close_timeout="30s", retry_policy=ONCE)
        except ActivityError:
            if ticket == "always" or (ticket == "patched" and ctx.patched("ticket")):
                await ctx.execute_activity(open_ticket, given, start_to_close_timeout="30s")
            await ctx.sleep("1h")
            raise

    return order


FAILING = Scenario(failing("never"), (ID,), shop(), horizon="3h")


def test_a_change_of_the_failure_path_is_found_where_the_old_code_goes_wrong_itself() -> None:
    """The charge is left standing anyway; that the execution is stuck is new, and is all that a patch mends."""
    sweep = deploy_sweep(FAILING, failing("always"), faults="refuse")
    assert not sweep.ok and set(sweep.fates) == {"stuck", "no_worse", "safe"}
    assert all(one.faults in {history.faults for history in sweep.broken} for one in sweep.unsafe)
    assert "history of the refuse at call of inventory.reserve run" in str(sweep)
    patched = deploy_sweep(FAILING, failing("patched"), faults="refuse")
    assert patched.ok and set(patched.fates) == {"no_worse", "safe"}


def waiting(check: bool) -> Any:
    """A charge after a signal that may never come; the next version looks something up first."""

    @workflow(name="wait")
    async def wait(ctx: WorkflowContext, order: Any) -> None:
        said: list[str] = []
        ctx.set_signal_handler("go", said.append)
        if check:
            await ctx.sleep("1s")
        await ctx.wait_condition(lambda: bool(said))
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")

    return wait


def test_where_the_calm_run_goes_wrong_too_little_is_shown() -> None:
    """Nobody signals: the old code waits for ever; the same code is no worse, and may not be called safe."""
    sweep = deploy_sweep(Scenario(waiting(check=False), (ID,), PAYMENTS, horizon="1h"), waiting(check=False))
    assert not sweep.ok and not sweep.unsafe and not sweep.to_json()["safe"]
    assert sweep.broken[0].faults == () and sweep.guarantee.startswith(
        "replay: shows too little: the calm run goes wrong with the old code alone; nothing new at any of "
    )
    assert "(first: history of the calm run: stuck execution)" in sweep.guarantee


def test_what_is_stuck_for_another_reason_is_new() -> None:
    """An execution that waits for ever, and one whose task fails for ever, are both stuck."""

    @workflow(name="wait")
    async def wait(ctx: WorkflowContext, order: Any) -> None:
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
        await ctx.wait_condition(lambda: False)

    @workflow(name="wait")
    async def look(ctx: WorkflowContext, order: Any) -> None:
        await ctx.sleep("1s")
        await wait(ctx, order)

    scenario = Scenario(wait, (ID,), PAYMENTS, horizon="1h")
    assert "stuck" in deploy_sweep(scenario, look, faults="refuse").fates
    assert set(deploy_sweep(scenario, wait, faults="refuse").fates) == {"no_worse"}


# --- mixtures ---------------------------------------------------------------------------------------------------------
@activity
async def charge_elsewhere(ctx: ActivityContext, order: Any) -> None:
    """One charge, at another provider."""
    await ctx.service("newpay").charge("c-1", 40, reference=ctx.workflow_id, idempotency_key=ctx.idempotency_key)


@workflow(name="order")
async def charge_then_wait(ctx: WorkflowContext, order: Any) -> None:
    """The old code."""
    await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    await ctx.sleep("1h")


@workflow(name="order")
async def wait_then_charge_elsewhere(ctx: WorkflowContext, order: Any) -> None:
    """The new code, patched by halves: who was charged before the wait is charged once more after it."""
    if not ctx.patched("elsewhere"):
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    await ctx.sleep("1h")
    await ctx.execute_activity(charge_elsewhere, order, start_to_close_timeout="30s")


@workflow(name="order")
async def charge_once_anywhere(ctx: WorkflowContext, order: Any) -> None:
    """The new code, right: who was charged before the wait is done after it."""
    elsewhere = ctx.patched("elsewhere")
    if not elsewhere:
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")
    await ctx.sleep("1h")
    if elsewhere:
        await ctx.execute_activity(charge_elsewhere, order, start_to_close_timeout="30s")


BOTH = {**PAYMENTS, "newpay": PAYMENTS["payments"]}


def test_a_mixture_of_both_codes_is_right_by_neither() -> None:
    """Charged at both providers: an orphan by either measure, but not the same one."""
    old = Scenario(charge_then_wait, (ID,), BOTH, horizon="3h")
    sweep = deploy_sweep(old, wait_then_charge_elsewhere, faults=("refuse", "crash"))
    assert not sweep.ok and set(sweep.fates) == {"mixed", "safe"}
    first = sweep.unsafe[0].violations
    assert first[0].found == (
        "orphaned_effect newpay.charge (1 left standing) by what the old code owes, "
        "orphaned_effect payments.charge (1 left standing) by what the new code owes"
    )
    assert {one.subject for one in first[1:]} >= {"payments.charge", "newpay.charge"}
    assert deploy_sweep(old, charge_once_anywhere, faults=("refuse", "crash")).ok


def test_charged_by_neither_is_a_mixture_too() -> None:
    """The old code would have charged after the wait, the new one before it."""

    @workflow(name="order")
    async def wait_then_charge(ctx: WorkflowContext, order: Any) -> None:
        await ctx.sleep("1h")
        await ctx.execute_activity(charge, order, start_to_close_timeout="30s")

    @workflow(name="order")
    async def charge_elsewhere_then_wait(ctx: WorkflowContext, order: Any) -> None:
        if ctx.patched("elsewhere"):
            await ctx.execute_activity(charge_elsewhere, order, start_to_close_timeout="30s")
        await ctx.sleep("1h")

    old = Scenario(wait_then_charge, (ID,), BOTH, horizon="3h")
    fates = deploy_sweep(old, charge_elsewhere_then_wait, faults="refuse").fates
    assert fates["mixed"] >= 1 and "lost_effect" not in fates


def quoting(unit: int) -> Any:
    """An order whose price is quoted in `unit`s of a cent, an hour before it is charged."""

    @activity(name="quote")
    async def quote(ctx: ActivityContext, order: Any) -> int:
        return 40 * unit

    @activity(name="charge")
    async def charge_quoted(ctx: ActivityContext, order: Any, amount: int) -> None:
        await ctx.service("payments").charge("ada", amount / unit, idempotency_key=ctx.idempotency_key)

    @workflow(name="order")
    async def order(ctx: WorkflowContext, order: Any) -> None:
        amount = await ctx.execute_activity(quote, order, start_to_close_timeout="30s")
        await ctx.sleep("1h")
        await ctx.execute_activity(charge_quoted, order, amount, start_to_close_timeout="30s")

    return order


@pytest.mark.parametrize("model", ["replay", "steps"])
def test_a_wrong_amount_is_no_safe_deploy(model: str) -> None:
    """Quoted in dollars by the old code, taken for cents by the new one: one charge, of a hundredth."""
    old = Scenario(quoting(1), (ID,), shop(), horizon="3h")
    sweep = deploy_sweep(old, quoting(100), model, faults="refuse")
    assert not sweep.ok and sweep.fates["safe"] >= 1
    assert any("40 cents" in one.found and "4000 cents" in one.expected for one in sweep.unsafe[0].violations)
    assert deploy_sweep(old, quoting(1), model, faults="refuse").ok


# --- signals, rolling deploys, bounds ---------------------------------------------------------------------------------
def approved(tell: str) -> Any:
    """A charge, two waits, and between them what somebody who has approved is told: "never", "always" or "patched"."""

    @workflow(name="order")
    async def order(ctx: WorkflowContext, given: Any) -> None:
        said: list[str] = []
        ctx.set_signal_handler("approve", said.append)
        await ctx.execute_activity(charge, given, start_to_close_timeout="30s")
        await ctx.sleep("10s")
        if said and (tell == "always" or (tell == "patched" and ctx.patched("tell"))):
            await ctx.execute_activity(open_ticket, given, start_to_close_timeout="30s")
        await ctx.sleep("1h")

    return order


def test_a_signal_that_comes_at_another_instant_makes_other_histories() -> None:
    """It comes too late in the scenario for what the new code does with it; unless it is moved, that is said."""
    late = Signal(at="30m", name="approve", arguments=("yes",))
    old = Scenario(approved("never"), (ID,), PAYMENTS, stimuli=(late,), horizon="3h")
    still = deploy_sweep(old, approved("always"), faults="refuse")
    assert still.ok and still.bounds.endswith("; signals only when the scenario sends them")
    moved = deploy_sweep(old, approved("always"), faults=("refuse", "signal"))
    assert not moved.ok and {one.faults[0].family for one in moved.unsafe} == {"signal"}
    assert "history of the signal approve after " in str(moved) and "signals only" not in moved.bounds
    assert deploy_sweep(old, approved("patched"), faults=("refuse", "signal")).ok


@pytest.mark.parametrize(
    ("rolling", "fate", "how"),
    [
        pytest.param(False, "safe", "all workers are replaced together", id="together"),
        pytest.param(True, "repeated", "workers are replaced one after the other", id="rolling"),
    ],
)
def test_workers_that_are_replaced_one_after_the_other_share_an_execution(rolling: bool, fate: str, how: str) -> None:
    """While the first is away another runs the old code: a step that has another name now is done by both."""
    renamed = workflow_of(CHANGES["rename a finished step"])
    away = Settings(downtime="10m")
    sweep = deploy_sweep(OLD, renamed, "steps", faults="lose_reply", rolling=rolling, settings=away)
    assert sweep.by_history[()][0].fate == fate and sweep.bounds.endswith(f"; {how}")
    assert deploy_sweep(OLD, OLD.workflow, "steps", faults="lose_reply", rolling=rolling, settings=away).ok


def test_what_the_scenario_has_and_the_sweep_leaves_out_is_said() -> None:
    """Its own plan, and the executions that were not run, stand below the answer."""
    two = replace(OLD, inputs=({"id": "e-1"}, {"id": "e-2"}), faults=(Crash(at="1s"),))
    sweep = deploy_sweep(two, OLD.workflow, faults="refuse")
    left_out = "left out: 1 fault(s) of the scenario's own plan, 1 of 2 executions"
    assert left_out in sweep.bounds and str(sweep).splitlines()[1] == f"  {sweep.bounds}"
    assert left_out.replace("'", "&#x27;") in sweep._repr_html_()


def test_an_effect_that_the_history_does_not_tell_of_makes_another_one() -> None:
    """An error before and one after the effect look the same to the engine, and are not the same."""
    one = deploy_sweep(PAY_TWICE, PAY_TWICE.workflow, faults="error")
    two = deploy_sweep(PAY_TWICE, PAY_TWICE.workflow, faults=("error", "error_after_effect"))
    assert two.histories == one.histories + 1 and (len(one.broken), len(two.broken)) == (0, 1)
