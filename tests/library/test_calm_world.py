"""Every workload where nothing goes wrong: completed under every model, its effects exactly those that are owed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from durable_sim.checks.ledgers import key_of
from durable_sim.library import WORKLOADS
from durable_sim.randomness import Randomness

MODELS = ("regular", "regular_rerun", "status_columns", "status_columns_transactional", "replay")
ORDER = {"order_id": "o-1", "items": [{"sku": "book", "quantity": 2}, {"sku": "lamp", "quantity": 1}]}
Effects = dict[tuple[str, str, str], int]
"""How many there are: of what kind, of what, for whom."""


def ordered(customer: str) -> Effects:
    """What an order leaves behind."""
    return {
        ("payments.charge", "", customer): 1,
        ("inventory.reserve", "book", ""): 1,
        ("inventory.reserve", "lamp", ""): 1,
        ("email.send", "order-confirmation", customer): 1,
        ("shipping.schedule", "", "o-1"): 1,
        ("orders.complete", "", "o-1"): 1,
    }


ORDERED = ordered("customer of o-1")
BRANCHES = ("clicks", "orders", "returns", "views")
OWED: dict[str, tuple[Any, Effects]] = {
    "orders.correct": (ORDER, ORDERED),
    "orders.article": (ORDER, ORDERED),
    "orders.plain": (ORDER, ORDERED),
    "orders.saga": (ORDER, ordered("ada")),
    "orders.database": (
        ORDER,
        {key: 1 for key in ORDERED if key[0] in ("inventory.reserve", "orders.complete")},
    ),
    "payments": (
        {"payment_id": "p-1"},
        {("acquirer.charge", "", "ada"): 1, ("acquirer.payout", "", "shop"): 1, ("email.send", "receipt", "ada"): 1},
    ),
    "onboarding": (
        {"user_id": "u-1"},
        {
            ("accounts.open", "", "u-1"): 1,
            ("accounts.provision", "workspace", "u-1"): 1,
            ("email.send", "welcome", "u-1"): 1,
            ("email.send", "guide", "u-1"): 1,
        },
    ),
    "drip": ({"user_id": "u-1"}, {("email.send", mail, "u-1"): 1 for mail in ("welcome", "guide", "highlight")}),
    "trials": (
        {"trial_id": "t-1"},
        {
            ("subscriptions.start_trial", "", "t-1"): 1,
            ("email.send", "expiration-warning", "t-1"): 1,
            ("subscriptions.end_trial", "", "t-1"): 1,
        },
    ),
    "approvals": (
        {"purchase_id": "p-1", "amount": 40},
        {("email.send", "please-decide", "approver of p-1"): 1},  # nobody decides
    ),
    "reports": (
        {"report_id": "r", "days": 2},
        {
            (kind, f"r/day-{day}", whose): 1
            for kind, whose in (("storage.write", ""), ("email.send", "the board"))
            for day in (1, 2)
        },
    ),
    "pipelines": (
        {"batch_id": "b"},
        {("storage.write", f"b/{name}", ""): 1 for name in (*BRANCHES, "published")},
    ),
    "training": (
        {"job_id": "j", "epochs": 3},
        {("storage.write", "models/j", ""): 1, **{("compute.train", f"epoch {epoch}", "j"): 1 for epoch in (1, 2, 3)}},
    ),
    "notifications": (
        {"message_id": "n", "recipients": 3},
        {("email.send", f"to r-{number}", f"r-{number}"): 1 for number in (1, 2, 3)},
    ),
}


def standing(ledger: Any) -> Effects:
    """The effects that were not undone, by kind and subject, and for whom they are."""
    undone = {entry.undoes for entry in ledger}
    return dict(Counter(tuple(key_of(entry)) for entry in ledger if entry.undoes is None and entry.index not in undone))


def test_every_workload_is_in_the_table() -> None:
    """A new one must say what it owes."""
    assert set(OWED) == set(WORKLOADS)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("workload", OWED)
def test_a_calm_world_gets_exactly_what_it_is_owed(workload: str, model: str, run: Any) -> None:
    """Completed, nothing to complain of, nothing twice."""
    given, effects = OWED[workload]
    done = run(workload, given, model)
    assert done.verdicts == {"completed": 1}
    assert not done.violations
    assert done.repeats == 0
    assert standing(done.ledger) == effects


@pytest.mark.parametrize("workload", WORKLOADS)
def test_inputs_depend_on_the_seed_and_the_number_only(workload: str) -> None:
    """And each has an id of its own."""
    make = WORKLOADS[workload].inputs
    made = [make(number, Randomness(3)) for number in range(20)]
    assert made == [make(number, Randomness(3)) for number in range(20)]
    ids = [next(value for key, value in one.items() if key.endswith("_id")) for one in made]
    assert len(dict.fromkeys(ids)) == 20


@pytest.mark.parametrize("workload", WORKLOADS)
def test_parameters_at_their_defaults_are_the_workload_without_parameters(workload: str) -> None:
    """What a scenario file may set is what the function takes."""
    found = WORKLOADS[workload]
    assert found.make(**found.parameters).__name__ == found.make().__name__


def test_histories_of_all_workloads_replay(run: Any) -> None:
    """Every prefix of every history fits its own code."""
    for workload, (given, _) in OWED.items():
        assert run(workload, given).check_replays() == (), workload
