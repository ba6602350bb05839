"""Workloads by name, for scenario files: a workflow with parameters, its inputs, and the services it needs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from durable_sim.errors import UnknownNameError, UserError
from durable_sim.library import (
    approvals,
    drip,
    notifications,
    onboarding,
    orders,
    payments,
    pipelines,
    reports,
    sagas,
    training,
    trials,
)
from durable_sim.library.shop import shop
from durable_sim.randomness import Randomness
from durable_sim.world.services.base import ServiceSpec


@dataclass(frozen=True, slots=True)
class Workload:
    """`make` gives the workflow for the parameters; `inputs` the n-th input; `services` the world it is meant for."""

    make: Callable[..., Callable[..., Any]]
    inputs: Callable[[int, Randomness], Any]
    services: Callable[[], dict[str, ServiceSpec]]
    parameters: Mapping[str, Any] = field(default_factory=dict)


def make_order(number: int, randomness: Randomness) -> dict[str, Any]:
    """The n-th order of a shop: one to three items, a total that goes with them, rarely a card that is declined."""
    chance = randomness.uniforms("order", number)
    quantities = {f"item-{int(chance[place] * 20)}": 1 + int(chance[place + 3] * 3) for place in range(3)}
    items = list(quantities.items())[: 1 + int(chance[6] * 3)]
    order: dict[str, Any] = {
        "order_id": f"o-{number + 1}",
        "customer": f"c-{number + 1}",
        "total": sum(10 * quantity for _, quantity in items),
        "items": [{"sku": sku, "quantity": quantity} for sku, quantity in items],
    }
    return order | ({"card": "card_declined"} if chance[7] < 0.01 else {})


WORKLOADS: Mapping[str, Workload] = MappingProxyType(
    {
        "orders.correct": Workload(orders.correct_order, make_order, shop, {"keys": True}),
        "orders.article": Workload(lambda: orders.article_order, make_order, shop),
        "orders.plain": Workload(lambda: orders.plain_order, make_order, shop),
        "orders.database": Workload(lambda: orders.database_order, make_order, shop),
        "orders.saga": Workload(
            sagas.saga_order,
            make_order,
            shop,
            {"order": "reverse", "undo": "reference", "patience": "until_done", "review": "0s"},
        ),
        "payments": Workload(
            payments.process_payment, payments.make_payment, payments.payment_services, {"keys": True}
        ),
        "onboarding": Workload(
            onboarding.onboard, onboarding.make_user, onboarding.onboarding_services, {"keys": True}
        ),
        "drip": Workload(lambda: drip.drip_campaign, onboarding.make_user, drip.drip_services),
        "trials": Workload(trials.expire_trial, trials.make_trial, trials.trial_services, {"conditional": True}),
        "approvals": Workload(lambda: approvals.approve_purchase, approvals.make_purchase, approvals.approval_services),
        "reports": Workload(reports.report_schedule, reports.make_schedule, reports.report_services, {"whole": True}),
        "pipelines": Workload(
            pipelines.data_pipeline,
            pipelines.make_batch,
            pipelines.pipeline_services,
            {"whole": True, "wait_for_all": True, "undo": "reference"},
        ),
        "training": Workload(
            training.train_model,
            training.make_job,
            training.training_services,
            {"heartbeats": True, "heartbeat_timeout": "12m"},
        ),
        "notifications": Workload(
            notifications.notify, notifications.make_message, notifications.notification_services, {"fan_out": True}
        ),
    }
)


def find_workload(name: str) -> Workload:
    """A workload of the library, or the workflow function named as "module:function" (with the shop's services).

    Raises:
        UserError: there is none of that name.
    """
    if ":" in name:
        function = _imported(name)
        return Workload(lambda: function, make_order, shop)
    if name not in WORKLOADS:
        raise UnknownNameError("workload", name, WORKLOADS)
    return WORKLOADS[name]


def _imported(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), attribute]):
        raise UserError(f"workload {name!r}: expected a workload of the library or 'module:function'")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the module is the user's: whatever it raises is told, not passed on
        raise UserError(f"workload {name!r}: cannot import {module_name}: {_told(error)}") from None
    known = [key for key, value in vars(module).items() if inspect.iscoroutinefunction(value)]
    if not hasattr(module, attribute):
        raise UnknownNameError(f"async function of module {module_name}", attribute, known)
    if attribute not in known:
        raise UserError(f"workload {name!r}: not an async function; define it as 'async def {attribute}(ctx, input)'")
    return getattr(module, attribute)  # type: ignore[no-any-return]


def _told(error: BaseException) -> str:
    where = f" ({error.filename}, line {error.lineno})" if isinstance(error, SyntaxError) else ""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}{where}"
