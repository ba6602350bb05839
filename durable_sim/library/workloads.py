"""Workloads by name, for scenario files: a workflow with parameters, its inputs, and the services it needs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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


def _numbered(number: int, randomness: Randomness) -> dict[str, Any]:
    return {"id": f"e-{number + 1}"}


@dataclass(frozen=True, slots=True)
class Workload:
    """What a scenario file names as its `workload`: a workflow with the world that it is meant for.

    Args:
        make: gives the workflow function; takes the `parameters` by keyword.
        inputs: gives the n-th input, counted from 0, of any JSON data; what is random in it comes from the randomness,
            so that a seed makes the same inputs everywhere. By default {"id": "e-1"}, {"id": "e-2"} and so on.
        services: gives the services by name, fresh with each call; by default the shop's.
        parameters: the defaults of what can be set in `[parameters]` of a file.

    Raises:
        UserError: `make` is the workflow itself.

    A file names one of a user's own as "module:NAME":

    >>> from durable_sim.library.orders import correct_order
    >>> STRICT = Workload(correct_order, parameters={"keys": True})
    >>> STRICT.inputs(0, Randomness(7))
    {'id': 'e-1'}
    """

    make: Callable[..., Callable[..., Any]]
    inputs: Callable[[int, Randomness], Any] = _numbered
    services: Callable[[], dict[str, ServiceSpec]] = shop
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if inspect.iscoroutinefunction(self.make):
            name = self.make.__name__
            raise UserError(f"Workload: make is the workflow {name} itself; give what makes it, as in lambda: {name}")

    def workflow(self, **parameters: Any) -> Callable[..., Any]:
        """The workflow for these parameters, the others at their defaults."""
        return self.make(**{**self.parameters, **parameters})


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
        "orders.correct": Workload(orders.correct_order, make_order, parameters={"keys": True}),
        "orders.article": Workload(lambda: orders.article_order, make_order),
        "orders.plain": Workload(lambda: orders.plain_order, make_order),
        "orders.database": Workload(lambda: orders.database_order, make_order),
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
    """A workload of the library, or one of the user's own: "module:name" of a `Workload`, or of a workflow function.

    A function is run in the shop's services with the shop's orders; a `Workload` brings its own.

    Raises:
        UserError: there is none of that name.
    """
    if ":" in name:
        found = _imported(name)
        return _guarded(name, found) if isinstance(found, Workload) else Workload(lambda: found, make_order)
    if name not in WORKLOADS:
        raise UnknownNameError("workload", name, WORKLOADS)
    return WORKLOADS[name]


def _imported(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), attribute]):
        raise UserError(f"workload {name!r}: expected a workload of the library or 'module:name' of your own")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the module is the user's: whatever it raises is told, not passed on
        raise UserError(f"workload {name!r}: cannot import {module_name}: {_told(error)}") from None
    known = [key for key, value in vars(module).items() if _is_workload(value)]
    if not hasattr(module, attribute):
        raise UnknownNameError(f"workflow of module {module_name}", attribute, known)
    if attribute not in known:
        raise UserError(
            f"workload {name!r}: neither an async function nor a Workload; define it as 'async def "
            f"{attribute}(ctx, input)', or wrap what makes it in durable_sim.library.Workload"
        )
    return getattr(module, attribute)


def _is_workload(value: Any) -> bool:
    return isinstance(value, Workload) or inspect.iscoroutinefunction(value)


def _guarded(name: str, workload: Workload) -> Workload:
    """The workload, whose functions are the user's: what they raise becomes one line."""

    def guarded(part: str) -> Callable[..., Any]:
        def call(*args: Any, **settings: Any) -> Any:
            try:
                return getattr(workload, part)(*args, **settings)
            except UserError:
                raise
            except Exception as error:
                raise UserError(f"workload {name!r}: {part} fails: {_told(error)}") from None

        return call

    def services() -> dict[str, ServiceSpec]:
        specs = guarded("services")()
        if not isinstance(specs, dict) or not all(isinstance(spec, ServiceSpec) for spec in specs.values()):
            raise UserError(f"workload {name!r}: services gives {specs!r:.60}, expected a dict of ServiceSpec by name")
        return dict(specs)

    return replace(workload, make=guarded("make"), inputs=guarded("inputs"), services=services)


def _told(error: BaseException) -> str:
    where = f" ({error.filename}, line {error.lineno})" if isinstance(error, SyntaxError) else ""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}{where}"
