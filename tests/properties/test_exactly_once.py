"""The promise of durable execution, under faults that nobody thought of."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import durable_sim as ds
from durable_sim.library.orders import correct_order
from durable_sim.testing.strategies import fault_plans, mixtures
from durable_sim.world.faults import Fault

ORDER = {
    "order_id": "o-1",
    "customer": "ada",
    "total": 40,
    "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 2}],
}
SERVICES = ("payments", "inventory", "email", "shipping", "orders")
QUICK = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

REFUSE = ds.library.shop(shipping={"operations": {"schedule": ds.OperationSpec(faults=ds.Mixture(refuse=1.0))}})
SCRIPTED = {name: spec for name, spec in REFUSE.items() if name in ("inventory", "email", "orders")}
"""Where a script neither keeps the charge from being made nor the refusal from being given."""


ENGINES = ("replay", "steps", "state_machine")
per_engine = pytest.mark.parametrize("model", ENGINES)


def _run(model: str, keys: bool, plan: tuple[Fault, ...], seed: int, flaky: ds.Mixture | None = None) -> ds.Run:
    services = ds.library.shop(**{name: {"faults": flaky} for name in SERVICES} if flaky else {})
    return ds.run(correct_order(keys), ORDER, model=model, services=services, faults=plan, seed=seed, horizon="7d")


@per_engine
@settings(QUICK, max_examples=400)
@given(plan=fault_plans(), seed=st.integers(0, 1000))
def test_every_effect_exactly_once_under_any_plan(model: str, plan: tuple[Fault, ...], seed: int) -> None:
    """With keys, an engine completes an order or undoes all of it in reverse order, whatever strikes when."""
    run = _run(model, True, plan, seed)
    assert run.ok, run.report()
    assert set(run.verdicts) <= {"completed", "compensated"}


@per_engine
@settings(QUICK, max_examples=250)
@given(plan=fault_plans(max_size=2), flaky=mixtures(), seed=st.integers(0, 1000))
def test_every_effect_exactly_once_in_a_flaky_world(
    model: str, plan: tuple[Fault, ...], flaky: ds.Mixture, seed: int
) -> None:
    """With keys, the same holds where in addition every service fails in every way."""
    run = _run(model, True, plan, seed, flaky)
    assert run.ok, run.report()


@per_engine
@settings(QUICK, max_examples=150)
@given(plan=fault_plans(services=SCRIPTED, max_size=3), seed=st.integers(0, 1000))
def test_undone_orders_are_undone_in_reverse(model: str, plan: tuple[Fault, ...], seed: int) -> None:
    """When shipping is refused for good, what stood is undone, last first, once each."""
    run = ds.run(correct_order(), ORDER, model=model, services=REFUSE, faults=plan, seed=seed, horizon="7d")
    assert run.verdicts == {"compensated": 1}, run.report()
    undone = [
        run.ledger[entry.undoes].step
        for entry in run.ledger
        if entry.undoes is not None and entry.kind != "email.send_cancellation"
    ]
    assert undone == sorted(undone, reverse=True) and len(undone) >= 1


@per_engine
def test_without_keys_a_double_charge_is_found_and_shrunk(model: str) -> None:
    """Without keys the search finds a duplicate, and one fault is enough for it."""
    seeds = 7
    plan = find(
        fault_plans(),
        lambda plan: "duplicate_effect" in _run(model, False, plan, seeds).verdicts,
        settings=settings(QUICK, max_examples=2000),
    )
    assert len(plan) == 1


@per_engine
def test_without_faults_no_engine_needs_luck(model: str) -> None:
    """Without any fault there is no duplicate to be found, keys or no keys."""
    try:
        find(
            st.integers(0, 300),
            lambda seed: not _run(model, False, (), seed).ok,
            settings=settings(QUICK, max_examples=50),
        )
    except NoSuchExample:
        return
    raise AssertionError("an order went wrong although nothing did")
