"""What the article's order workflow does wrong, each with the twin that does it right."""

from __future__ import annotations

from typing import Any

import pytest

import durable_sim as ds
from durable_sim.errors import UserError
from durable_sim.library.sagas import saga_order
from durable_sim.library.shop import shop

DURABLE = ("status_columns", "status_columns_transactional", "replay")
ORDER = {"order_id": "o-1", "customer": "ada", "total": 40, "items": [{"sku": "book", "quantity": 1}]}
NEVER = ds.Mixture(refuse=1.0)


def net(run: ds.Run, *kinds: str) -> list[int]:
    """What stands of some kinds of effect in the end, in their units."""
    undone = {entry.undoes for entry in run.ledger}
    return [
        sum(e.quantity for e in run.ledger if e.kind == kind and e.index not in undone and e.undoes is None)
        for kind in kinds
    ]


def order_of_undoing(run: ds.Run) -> list[str]:
    """The kinds of the undos in the order in which they took place."""
    return [entry.kind for entry in run.ledger if entry.undoes is not None]


def refusing(service: str, operation: str) -> dict[str, ds.ServiceSpec]:
    """A shop in which one operation refuses for good."""
    return shop(**{service: {"operations": {operation: ds.OperationSpec(faults=NEVER)}}})


@pytest.mark.parametrize("model", DURABLE)
def test_a_key_made_from_the_time_charges_twice_and_a_stable_one_once(model: str, run: Any) -> None:
    """The same lost reply, the same retry: 80 or 40 units of money."""
    lost = (ds.Script("payments", "charge", 1, "lose_reply"),)
    assert net(run("orders.article", ORDER, model, faults=lost), "payments.charge") == [8000]
    assert net(run("orders.correct", ORDER, model, faults=lost), "payments.charge") == [4000]
    assert net(run("orders.saga", ORDER, model, faults=lost), "payments.charge") == [4000]


@pytest.mark.parametrize("model", DURABLE)
def test_where_only_the_charge_is_compensated_the_reservation_leaks(model: str, run: Any) -> None:
    """Money back, one book reserved for nobody; a saga gives back both."""
    world = refusing("shipping", "schedule")
    kinds = ("payments.charge", "inventory.reserve")
    assert net(run("orders.article", ORDER, model, services=world), *kinds) == [0, 1]
    assert net(run("orders.saga", ORDER, model, services=world), *kinds) == [0, 0]


def test_a_loop_over_items_leaks_the_first_when_the_second_is_out_of_stock(run: Any) -> None:
    """Only a transaction or an undo by reference gives it back."""
    order = {**ORDER, "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 1}]}
    world = shop(inventory={"options": {"stock": {"lamp": 0}}})
    left = {model: net(run("orders.article", order, model, services=world), "inventory.reserve") for model in DURABLE}
    assert left == {"status_columns": [1], "status_columns_transactional": [0], "replay": [1]}
    assert net(run("orders.saga", order, services=world), "inventory.reserve") == [0]


@pytest.mark.parametrize("model", DURABLE)
def test_the_article_refunds_an_order_that_is_shipped_if_it_cannot_be_marked_complete(model: str, run: Any) -> None:
    """The money is back and the parcel is under way; a saga voids the label too."""
    world = refusing("orders", "complete")
    kinds = ("payments.charge", "shipping.schedule")
    assert net(run("orders.article", ORDER, model, services=world), *kinds) == [0, 1]
    assert net(run("orders.saga", ORDER, model, services=world), *kinds) == [0, 0]


def test_what_was_done_first_is_undone_last_or_first(run: Any) -> None:
    """Both orders undo all; the check finds the forward one."""
    world = refusing("orders", "complete")
    backward = run("orders.saga", ORDER, services=world)
    forward = run("orders.saga", ORDER, services=world, parameters={"order": "forward"})
    undos = ["shipping.void", "email.send_cancellation", "inventory.release", "payments.refund"]
    assert order_of_undoing(backward) == undos
    assert order_of_undoing(forward) == undos[::-1]
    assert backward.verdicts == {"compensated": 1}
    assert forward.verdicts == {"compensation_order": 1}


def test_forward_a_label_that_cannot_be_voided_is_a_gift_and_in_reverse_it_is_a_sale(run: Any) -> None:
    """The customer keeps the goods either way; what differs is whether the money went back before anybody knew."""
    world = shop(
        orders={"operations": {"complete": ds.OperationSpec(faults=NEVER)}},
        shipping={"operations": {"void": ds.OperationSpec(faults=NEVER)}},
    )
    kinds = ("payments.charge", "shipping.schedule")
    few = {"patience": "few"}
    assert net(run("orders.saga", ORDER, services=world, parameters=few), *kinds) == [4000, 1]
    assert net(run("orders.saga", ORDER, services=world, parameters={**few, "order": "forward"}), *kinds) == [0, 1]


@pytest.mark.parametrize(("order", "left"), [("reverse", [0, 0]), ("forward", [0, 1])])
def test_a_refund_that_is_not_idempotent_is_best_done_last(order: str, left: list[int], run: Any) -> None:
    """Its lost reply makes the retry an error, which stops what comes after it."""
    done = run(
        "orders.saga",
        ORDER,
        services=refusing("shipping", "schedule"),
        parameters={"order": order, "undo": "result", "patience": "few"},
        faults=(ds.Script("payments", "refund", 1, "lose_reply"),),
    )
    assert net(done, "payments.charge", "inventory.reserve") == left


def test_a_release_whose_reply_is_lost_is_released_once(run: Any) -> None:
    """To release what is released changes nothing, and no error stops the refund."""
    done = run(
        "orders.saga",
        ORDER,
        services=refusing("shipping", "schedule"),
        parameters={"undo": "result", "patience": "few"},
        faults=(ds.Script("inventory", "release", 1, "lose_reply"),),
    )
    assert done.verdicts == {"compensated": 1}
    assert order_of_undoing(done).count("inventory.release") == 1


def test_a_saga_that_loses_patience_leaves_what_is_below(run: Any) -> None:
    """The refund is not tried once the release has failed for good."""
    world = refusing("shipping", "schedule")
    refused = tuple(ds.Script("inventory", "release", number, "refuse") for number in range(1, 6))
    few = run("orders.saga", ORDER, services=world, faults=refused, parameters={"patience": "few"})
    patient = run("orders.saga", ORDER, services=world, faults=refused)
    assert net(few, "payments.charge", "inventory.reserve") == [4000, 1]
    assert net(patient, "payments.charge", "inventory.reserve") == [0, 0]


@pytest.mark.parametrize(("undo", "left"), [("result", [4000]), ("reference", [0])])
def test_an_undo_overtakes_the_late_charge_that_it_should_undo(undo: str, left: list[int], run: Any) -> None:
    """By the charge's id there is nothing to undo yet; by reference what comes later is refused."""
    late = ds.OperationSpec(faults=ds.Mixture(late_effect=1.0, late_by=ds.Constant("10m")))
    world = shop(payments={"operations": {"charge": late}})
    done = run("orders.saga", ORDER, services=world, parameters={"undo": undo})
    assert net(done, "payments.charge") == left


@pytest.mark.parametrize(
    ("model", "undo", "verdict"),
    [
        ("replay", "result", "compensated"),
        ("status_columns", "result", "lost_effect"),
        ("status_columns", "reference", "compensated"),
    ],
)
def test_a_crash_during_a_compensation_turns_status_columns_round(
    model: str, undo: str, verdict: str, run: Any
) -> None:
    """They go forward again, and complete what is half undone, unless the undo has barred the way."""
    failing = tuple(ds.Script("orders", "complete", number, "refuse") for number in range(1, 5))
    crash = ds.Crash(after="effect_applied", of="inventory.release")
    done = run("orders.saga", ORDER, model, faults=(*failing, crash), parameters={"undo": undo})
    assert done.verdicts == {verdict: 1}


def test_the_review_waits_after_the_reservation(run: Any) -> None:
    """Between reservation and parcel there are the minutes that were asked for."""
    done = run("orders.saga", ORDER, parameters={"review": "2m"})
    times = {entry.kind: entry.time_us for entry in done.ledger}
    assert 120 <= (times["email.send"] - times["inventory.reserve"]) / 1e6 < 130


@pytest.mark.parametrize("parameter", ["order", "undo", "patience"])
def test_another_word_for_a_parameter_is_refused(parameter: str) -> None:
    """With the two that there are."""
    with pytest.raises(UserError, match=rf"orders\.saga: {parameter} is 'sideways', expected '\w+' or '\w+'"):
        saga_order(**{parameter: "sideways"})
