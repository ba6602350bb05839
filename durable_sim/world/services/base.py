"""What a simulated service is: operations that answer requests and apply effects.

A service is written as if for production: it knows its own state, its callers' requests and the time, and nothing of
models, faults or checks. To add one, subclass `Service`, declare its effects, and decorate its operations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar, cast

from durable_sim.durations import Duration, duration_us
from durable_sim.errors import UnknownNameError, UserError
from durable_sim.randomness import Distribution, LogNormal
from durable_sim.workflows.failures import Rejected
from durable_sim.world.faults import CALM, Downtime, Mixture, Outage
from durable_sim.world.ledger import EffectKind

if TYPE_CHECKING:
    from durable_sim.world.database import Database
    from durable_sim.world.request import Request

F = TypeVar("F", bound=Callable[..., Any])


class Answer(NamedTuple):
    """What a service replies: a value, or an error."""

    value: Any = None
    error: Exception | None = None


class Service:
    """Base of all simulated services.

    Class attributes to set: `effects`, the kinds of effect that the service can have; `processing_share`, the part of a
    call's latency that passes between the arrival of the request and the effect, from 0 to 1. All other state belongs
    to the instance, made in `__init__`: each run has a fresh one, and what a class keeps would leak into the next run.
    """

    effects: ClassVar[tuple[EffectKind, ...]] = ()
    processing_share: ClassVar[float] = 0.0
    on_database: ClassVar[bool] = False

    def __init__(self, name: str, database: Database | None = None) -> None:
        self.name = name
        self.database = database

    def admit(self, request: Request) -> Answer | None:
        """Look at a request on arrival; an answer here means that the operation does not run."""
        return None

    def finished(self, request: Request, answer: Answer) -> None:
        """Called with the answer of every request that was admitted."""

    def effect_kinds(self) -> tuple[EffectKind, ...]:
        """The effects under their full names, "service.kind"."""
        return tuple(
            replace(kind, name=f"{self.name}.{kind.name}", undoes=kind.undoes and f"{self.name}.{kind.undoes}")
            for kind in self.effects
        )

    def balance(self) -> dict[str, dict[str, int]]:
        """The service's own books: for each kind of effect that it keeps books of, what stands now, by subject.

        Checks hold them against the ledger: the two are kept independently.
        """
        return {}

    @classmethod
    def operations(cls) -> dict[str, Callable[..., Any]]:
        """The operations by name."""
        return dict(_operations(cast(Hashable, cls)))

    @classmethod
    def signature(cls, name: str, operation: str) -> inspect.Signature:
        """What an operation takes, without the service and the request."""
        operations = _operations(cast(Hashable, cls))
        if operation not in operations:
            raise UnknownNameError(f"operation of service {name!r}", operation, operations)
        return _signature(operations[operation])


@cache
def _operations(service: Hashable) -> dict[str, Callable[..., Any]]:
    marked = ((name, getattr(service, name)) for name in dir(service) if hasattr(service, name))
    return {name: function for name, function in marked if getattr(function, "__durable_sim_operation__", False)}


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    whole = inspect.signature(function)
    return whole.replace(parameters=list(whole.parameters.values())[2:])


def operation(function: F) -> F:
    """Mark a method `(self, request, ...)` of a service as an operation that activities can call."""
    function.__durable_sim_operation__ = True  # type: ignore[attr-defined]
    return function


class Tombstones:
    """References that were undone; what arrives for one of them later is refused."""

    __slots__ = ("_buried",)

    def __init__(self) -> None:
        self._buried: dict[str, int] = {}

    def bury(self, reference: str, now_us: int) -> None:
        """Refuse `reference` from now on."""
        self._buried.setdefault(reference, now_us)

    def check(self, subject: str, reference: str | None) -> None:
        """Raise `Canceled` for a buried reference."""
        if reference is not None and reference in self._buried:
            raise Canceled(subject, f"{reference} was cancelled before this request arrived")


class Canceled(Rejected):
    """The action was undone before it arrived; it did not happen and will not."""


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """Settings of one operation, over those of its service."""

    latency: Distribution | None = None
    client_timeout: Duration | None = None
    faults: Mixture | None = None

    def __post_init__(self) -> None:
        _check_timeout(self.client_timeout)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service of a world, as data: its class, how fast and how flaky it is, and options for its constructor.

    `latency` is the whole way there and back; `client_timeout` is how long callers wait for an answer.
    """

    service: type[Service]
    latency: Distribution = LogNormal("80ms", "800ms")
    client_timeout: Duration = "10s"
    faults: Mixture = CALM
    outage: Outage | Downtime | None = None
    operations: Mapping[str, OperationSpec] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.service, type) and issubclass(self.service, Service)):
            raise UserError(f"ServiceSpec: service is {self.service!r}, expected a class derived from Service")
        _check_effects(self.service)
        _check_share(self.service)
        _check_timeout(self.client_timeout)
        for name in self.operations:
            self.service.signature(self.service.__name__.lower(), name)
        try:
            inspect.signature(self.service).bind("name", None, **self.options)
        except TypeError as error:
            raise UserError(f"service {self.service.__name__}: options {dict(self.options)}: {error}") from None

    def create(self, name: str, database: Database | None) -> Service:
        """A fresh service of this kind.

        Raises:
            UserError: its constructor leaves out that of `Service`.
        """
        made = self.service(name, database, **self.options)
        if not (hasattr(made, "name") and hasattr(made, "database")):
            raise UserError(
                f"service {self.service.__name__}: its __init__ is done and there is no name, expected that it begins "
                "with super().__init__(name, database)"
            )
        return made


def _check_effects(service: type[Service]) -> None:
    """What an effect undoes must be an effect of the same service, and one that can be undone."""
    known = {kind.name: kind for kind in service.effects}
    for kind in service.effects:
        if kind.undoes is not None and kind.undoes not in known:
            raise UnknownNameError(f"effect that {service.__name__}.{kind.name} undoes", kind.undoes, known)
        if kind.undoes is not None and known[kind.undoes].irrevocable:
            raise UserError(
                f"effect {service.__name__}.{kind.name} undoes {kind.undoes}, which is irrevocable: expected either"
            )


def _check_share(service: type[Service]) -> None:
    share = service.processing_share
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise UserError(f"service {service.__name__}: processing_share is {share!r}, expected from 0 to 1")


def books_of(service: Service) -> dict[str, Mapping[str, int]]:
    """The service's own books, by the full names of the kinds.

    Raises:
        UserError: they have another shape, or are of an effect that the service does not make.
    """
    books: Any = service.balance()
    whose, kinds = f"service {service.name}: balance()", [kind.name for kind in service.effects if kind.undoes is None]
    if not isinstance(books, Mapping) or not all(isinstance(amounts, Mapping) for amounts in books.values()):
        raise UserError(f'{whose} gave {books!r}, expected amounts by subject by kind, as {{"charge": {{"": 4000}}}}')
    for kind, amounts in books.items():
        if kind not in kinds:
            raise UnknownNameError(f"kind of effect in {whose}", kind, kinds)
        for subject, amount in amounts.items():
            if not isinstance(subject, str) or not isinstance(amount, int):
                raise UserError(f"{whose} gave {amount!r} of {kind} {subject!r}, expected a whole number by a text")
    return {f"{service.name}.{kind}": amounts for kind, amounts in books.items()}


def _check_timeout(client_timeout: Duration | None) -> None:
    if client_timeout is not None and duration_us(client_timeout) == 0:
        raise UserError("service: client_timeout is 0s, expected more")
