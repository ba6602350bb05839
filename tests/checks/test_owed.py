"""What is owed: the calm run of the workflow itself is the specification."""

from __future__ import annotations

from typing import Any

import durable_sim as ds
from durable_sim.checks.ledgers import EffectKey
from durable_sim.checks.owed import debts
from durable_sim.library.orders import correct_order
from durable_sim.simulation.scenario import Scenario
from durable_sim.world.faults import Signal

ITEMS = [{"sku": "book", "quantity": 2}, {"sku": "lamp", "quantity": 1}]


async def charge(ctx: ds.ActivityContext, amount: int) -> Any:
    return await ctx.service("payments").charge("ada", amount)


async def refund(ctx: ds.ActivityContext, charge_id: str) -> Any:
    return await ctx.service("payments").refund(charge_id)


def scenario(workflow: Any, *inputs: Any, services: Any = None, **options: Any) -> Scenario:
    """A scenario in the shop."""
    return Scenario(workflow, inputs, services or ds.library.shop(), **options)


def test_the_calm_run_says_which_effects_are_owed_and_in_what_quantities() -> None:
    """A debt holds each effect that stands after a run without faults, by kind and subject."""
    (debt,) = debts(scenario(correct_order(), {"order_id": "o-1", "total": 40, "items": ITEMS}), seed=1)
    assert debt.completes
    assert debt.effects == {
        ("payments.charge", "", "customer of o-1"): 1,
        ("inventory.reserve", "book", ""): 1,
        ("inventory.reserve", "lamp", ""): 1,
        ("email.send", "order-confirmation", "customer of o-1"): 1,
        ("shipping.schedule", "", "o-1"): 1,
        ("orders.complete", "", "o-1"): 1,
    }
    assert debt.quantities[EffectKey("payments.charge", "", "customer of o-1")] == 4000
    assert debt.quantities[EffectKey("inventory.reserve", "book")] == 2


def test_faults_latencies_and_outages_do_not_change_what_is_owed() -> None:
    """The calm run has the scenario's services without any of their troubles, and none of its faults."""
    order = {"order_id": "o-1"}
    calm = debts(scenario(correct_order(), order), seed=1)
    broken = ds.library.shop(
        payments={"faults": ds.Mixture(lose_request=1.0), "latency": ds.Constant("2h")},
        shipping={"outage": ds.Outage("1us", "30d")},
        email={"operations": {"send": ds.OperationSpec(ds.Constant("3h"), "1s", ds.Mixture(error=1.0))}},
    )
    faults = (ds.Crash(at="0s"), ds.Script("inventory", "reserve", 1, "error"), ds.Crashes(every="1s", until="1h"))
    assert debts(scenario(correct_order(), order, services=broken, faults=faults, workers=5), seed=1) == calm


def test_what_the_calm_run_undoes_is_not_owed() -> None:
    """A charge that the workflow itself takes back is part of no debt."""

    async def tries_the_card(ctx: ds.WorkflowContext, order: Any) -> None:
        probe = await ctx.execute_activity(charge, 1, start_to_close_timeout="30s")
        await ctx.execute_activity(refund, probe["id"], start_to_close_timeout="30s")
        await ctx.execute_activity(charge, 40, start_to_close_timeout="30s")

    (debt,) = debts(scenario(tries_the_card, {"order_id": "o-1"}), seed=1)
    assert debt.effects == {EffectKey("payments.charge", ""): 1}
    assert debt.quantities == {EffectKey("payments.charge", ""): 4000}


def test_an_input_that_fails_even_in_calm_owes_nothing() -> None:
    """A declined card makes the calm run fail: its debt is empty, and the failed execution is compensated."""
    declined = {"order_id": "o-1", "card": "card_declined"}
    (debt,) = debts(scenario(correct_order(), declined), seed=1)
    assert not debt.completes and debt.effects == {}
    run = ds.run(correct_order(), declined)
    assert run.verdicts == {"compensated": 1} and run.ok


def test_an_execution_that_completes_against_its_specification_is_inconclusive() -> None:
    """Who completes where the calm run fails owes nobody knows what; that is said, not guessed."""

    async def refuses_in_the_end(ctx: ds.ActivityContext) -> None:
        if ctx.attempt == 1:
            raise ds.ApplicationError("try once more")
        raise ds.ApplicationError("no", non_retryable=True)

    async def is_content_with_one_try(ctx: ds.WorkflowContext, order: Any) -> None:
        try:
            await ctx.execute_activity(refuses_in_the_end, start_to_close_timeout="30s")
        except ds.ActivityError as error:
            if "once more" not in str(error.cause):
                raise

    run = ds.run(is_content_with_one_try, {"order_id": "o-1"}, model="regular")
    assert run.execution("o-1").execution.status == "completed"
    assert run.verdicts == {"inconclusive": 1}
    assert run.violations[0].expected == "a failure, as without any fault"
    assert ds.run(is_content_with_one_try, {"order_id": "o-1"}).verdicts == {"compensated": 1}


def test_each_input_has_its_own_debt() -> None:
    """Debts come in the order of the inputs, each from a run of its own."""
    inputs = [{"order_id": f"o-{n}", "total": 10 * n} for n in (1, 2, 3)]
    found = debts(scenario(correct_order(), *inputs), seed=1)
    assert [next(iter(debt.quantities.values())) for debt in found] == [1000, 2000, 3000]


def test_stock_that_others_have_taken_changes_no_debt() -> None:
    """Each calm run is alone: the last copy is owed to both orders, so one of them is compensated and not blamed."""
    scarce = ds.library.shop(inventory={"options": {"stock": {"book": 1}, "default_stock": 0}})
    inputs = [{"order_id": "o-1"}, {"order_id": "o-2"}]
    assert all(debt.completes for debt in debts(scenario(correct_order(), *inputs, services=scarce), seed=1))
    run = ds.run(correct_order(), inputs=inputs, services=scarce)
    assert run.verdicts == {"completed": 1, "compensated": 1} and run.ok


def test_the_same_debts_serve_every_model() -> None:
    """Who compares passes the debts along: judging with them and without them is the same."""
    one = scenario(correct_order(), {"order_id": "o-1"}, faults=(ds.Crash(after="effect_applied"),))
    compared = ds.compare_scenario(one, seed=3)
    assert {model: run.verdicts for model, run in compared.runs.items()} == {
        model: ds.run_scenario(one, model, 3).verdicts for model in ds.MODELS
    }


def test_what_people_do_to_one_execution_is_part_of_its_debt_only() -> None:
    """Who was paid in time owes a receipt; the other owes a reminder. Faults of processes change neither."""

    async def mail(ctx: ds.ActivityContext, template: str) -> Any:
        return await ctx.service("email").send("ada", template)

    async def bill(ctx: ds.WorkflowContext, order: Any) -> None:
        payments: list[str] = []
        ctx.set_signal_handler("pay", payments.append)
        try:
            await ctx.wait_condition(lambda: bool(payments), timeout="1d")
        except TimeoutError:
            await ctx.execute_activity(mail, "reminder", start_to_close_timeout="30s")
        else:
            await ctx.execute_activity(mail, "receipt", start_to_close_timeout="30s")

    paid = Signal(at="1h", name="pay", arguments=("cash",), target="b-2")
    bills = scenario(bill, {"bill_id": "b-1"}, {"bill_id": "b-2"}, stimuli=(paid,), faults=(ds.Crash(at="1h"),))
    assert [debt.effects for debt in debts(bills, seed=1)] == [
        {EffectKey("email.send", "reminder"): 1},
        {EffectKey("email.send", "receipt"): 1},
    ]
    assert ds.run_scenario(bills).verdicts == {"completed": 2}
