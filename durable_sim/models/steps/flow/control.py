"""All the settings of flow control of one function."""

from __future__ import annotations

from dataclasses import dataclass

from durable_sim.errors import UserError
from durable_sim.models.steps.flow.batch import Batch
from durable_sim.models.steps.flow.cancelling import CancelOn, Timeouts
from durable_sim.models.steps.flow.concurrency import Concurrency
from durable_sim.models.steps.flow.debounce import Debounce
from durable_sim.models.steps.flow.idempotency import Idempotency
from durable_sim.models.steps.flow.limits import check_cancel_on, check_concurrency_entries, check_triggers
from durable_sim.models.steps.flow.priority import Priority
from durable_sim.models.steps.flow.rate_limit import RateLimit
from durable_sim.models.steps.flow.singleton import Singleton
from durable_sim.models.steps.flow.throttle import Throttle
from durable_sim.models.steps.flow.triggers import Trigger

_NOT_TOGETHER = (("batch", "debounce"), ("batch", "priority"), ("rate_limit", "idempotency"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowControl:
    """The settings of one function; None and () set no rule.

    At most 10 `triggers` (with none, every event that is given to the gate starts a run), 2 entries of `concurrency`,
    which differ in scope or key, and 5 of `cancel_on`. A `batch` goes with neither `debounce` nor `priority`, a
    `rate_limit` not with `idempotency`.
    """

    triggers: tuple[Trigger, ...] = ()
    throttle: Throttle | None = None
    rate_limit: RateLimit | None = None
    debounce: Debounce | None = None
    batch: Batch | None = None
    concurrency: tuple[Concurrency, ...] = ()
    idempotency: Idempotency | None = None
    priority: Priority | None = None
    singleton: Singleton | None = None
    cancel_on: tuple[CancelOn, ...] = ()
    timeouts: Timeouts | None = None

    def __post_init__(self) -> None:
        for name, kind in _LISTS.items():
            object.__setattr__(self, name, _listed(name, getattr(self, name), kind))
        for name, kind in _SINGLES.items():
            _check_kind(name, getattr(self, name), kind)
        check_triggers(len(self.triggers))
        check_concurrency_entries(len(self.concurrency))
        check_cancel_on(len(self.cancel_on))
        self._check_together()

    def _check_together(self) -> None:
        for one, other in _NOT_TOGETHER:
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise UserError(f"FlowControl: found {one} and {other} together, expected one of them")
        lines = [(one.scope, one.key) for one in self.concurrency]
        if len(lines) == 2 and lines[0] == lines[1]:
            scope, key = lines[0]
            raise UserError(
                f"FlowControl: found two entries of concurrency with scope {scope!r} and key {key!r}, expected one"
            )


_LISTS: dict[str, type] = {"triggers": Trigger, "concurrency": Concurrency, "cancel_on": CancelOn}
_SINGLES: dict[str, type] = {
    "throttle": Throttle,
    "rate_limit": RateLimit,
    "debounce": Debounce,
    "batch": Batch,
    "idempotency": Idempotency,
    "priority": Priority,
    "singleton": Singleton,
    "timeouts": Timeouts,
}


def _listed(name: str, given: object, kind: type) -> tuple[object, ...]:
    """One setting alone, or several, as a tuple."""
    listed = (given,) if isinstance(given, kind) else given
    if not isinstance(listed, tuple | list):
        raise UserError(f"FlowControl: {name} is {given!r}, expected a {kind.__name__} or a tuple of them")
    for one in listed:
        if not isinstance(one, kind):
            raise UserError(f"FlowControl: {name} has {one!r}, expected a {kind.__name__}")
    return tuple(listed)


def _check_kind(name: str, given: object, kind: type) -> None:
    if given is not None and not isinstance(given, kind):
        raise UserError(f"FlowControl: {name} is {given!r}, expected a {kind.__name__}")
