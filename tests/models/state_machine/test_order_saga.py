"""The order saga as a state machine, in a shop, under crashes at every instant."""

from __future__ import annotations

from functools import cache

import pytest

import durable_sim as ds
from durable_sim.library.orders import article_order, correct_order
from durable_sim.library.shop import shop
from tests.models.state_machine.shop import ORDER, Simulated, simulate

ORDERS = {
    "plain": ORDER,
    "two items": {"order_id": "o-2", "items": [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 3}]},
    "declined": {"order_id": "o-3", "card": "card_declined"},
}
FORWARD = ["payments.charge", "inventory.reserve", "email.send", "shipping.schedule", "orders.complete"]
NO_PARCEL = tuple(ds.Script("shipping", "schedule", call, "error") for call in range(1, 9))


def verdicts(simulated: Simulated) -> dict[str, int]:
    """The verdicts on a simulation that has run."""
    return simulated.judgement().counts()


@cache
def calm_length(name: str) -> int:
    """How many records a run of an order has where nothing fails."""
    return len(simulate(correct_order(), inputs=(ORDERS[name],)).run().trace)


def test_in_calm_weather_the_order_is_fulfilled() -> None:
    """Each step once, in order; the history of five tasks and a Succeed has 29 events."""
    calm = simulate(correct_order()).run()
    assert calm.made == FORWARD
    assert verdicts(calm) == {"completed": 1}
    assert len(calm.types) == 1 + 5 * 5 + 2 + 1
    assert calm.execution.result == ORDER  # every task drops its result


@pytest.mark.parametrize("name", ORDERS)
def test_a_crash_after_any_record_doubles_and_loses_nothing(name: str) -> None:
    """With idempotency keys, the order ends as it should wherever the worker dies."""
    found = {}
    for index in range(calm_length(name)):
        struck = simulate(correct_order(), ds.Crash(after_record=index), inputs=(ORDERS[name],)).run()
        judgement = struck.judgement()
        assert [strike.fired_us is not None for strike in struck.injector.strikes] == [True]
        found[index] = (*judgement.counts(), *judgement.violations)
    expected = "compensated" if name == "declined" else "completed"
    assert set(found.values()) == {(expected,)}


def test_without_keys_a_crash_between_effect_and_answer_charges_twice() -> None:
    """The service calls the function again, and nothing tells the payment provider that it is the same charge."""
    crash = ds.Crash(after="effect_applied", of="payments.charge")
    assert verdicts(simulate(correct_order(keys=False), crash).run()) == {"duplicate_effect": 1}
    assert verdicts(simulate(correct_order(), crash).run()) == {"completed": 1}


def test_a_failed_step_is_undone_in_reverse_order() -> None:
    """No parcel: what was done is undone, the last first, and the order ends as failed with the first error."""
    failed = simulate(correct_order(), *NO_PARCEL).run()
    assert failed.made == [*FORWARD[:3], "email.send_cancellation", "inventory.release", "payments.refund"]
    assert verdicts(failed) == {"compensated": 1}
    assert failed.execution.failure is not None
    assert failed.execution.failure.type == "ServerError"
    assert failed.types[-2:] == ["FailStateEntered", "ExecutionFailed"]


@pytest.mark.parametrize("moment", ["effect_applied", "result_reported", "task_started", "backoff_begun"])
def test_a_crash_while_compensating_compensates_once(moment: str) -> None:
    """Undoing goes on after a crash, and nothing is undone twice."""
    crashes = [ds.Crash(after=moment, nth=nth, restart_after="5s") for nth in range(3, 6)]
    struck = simulate(correct_order(), *NO_PARCEL, *crashes).run()
    assert struck.made.count("payments.refund") == struck.made.count("inventory.release") == 1
    assert verdicts(struck) == {"compensated": 1}


def test_many_orders_in_bad_weather() -> None:
    """Random crashes and lossy services: every order ends, completed or compensated, and nothing stands twice."""
    orders = tuple({"order_id": f"o-{number}"} for number in range(20))
    weather = (ds.Crashes(every="2s", until="1m", restart_after="1s"), ds.Deploys(every="20s", until="1m"))
    services = shop(
        payments={"faults": ds.Mixture(lose_reply=0.2, late_effect=0.1)},
        shipping={"faults": ds.Mixture(lose_request=0.2, lose_reply=0.1)},
    )
    struck = simulate(correct_order(), *weather, inputs=orders, services=services, seed=5).run()
    judgement = struck.judgement()
    assert judgement.violations == ()
    assert sum(judgement.counts().values()) == 20
    assert sum(strike.fired_us is not None for strike in struck.injector.strikes) > 10


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two runs with crashes and lost replies leave traces that are equal to the byte."""
    weather = (ds.Crashes(every="2s", until="1m", restart_after="1s"),)
    first, second = (simulate(correct_order(), *weather, seed=9).run() for _ in range(2))
    assert first.world.trace.digest() == second.world.trace.digest()
    assert len(first.of("worker_crashed")) > 1


def test_a_workflow_without_a_definition_is_refused_in_words() -> None:
    """The error says which workflow, and how to give it a state machine."""

    async def lonely(ctx: ds.WorkflowContext, order: object) -> None: ...

    with pytest.raises(
        ds.UserError, match=r'workflow lonely has no state-machine definition.*idioms=\{"state_machine"'
    ):
        simulate(lonely).run()


def test_the_article_has_none() -> None:
    """The article writes its workflow as a function only."""
    with pytest.raises(ds.UserError, match="has no state-machine definition"):
        simulate(article_order).run()
