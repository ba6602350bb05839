"""What a workflow does with signals, queries and updates from outside.

Handlers are set by the running code. A signal that comes before its handler waits for it; an update or a query that
nobody handles is refused. Always holds: a query and an update's validator change nothing and issue no commands.
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, NamedTuple

from durable_sim.errors import UserError
from durable_sim.workflows.commands import AcceptUpdate, CompleteUpdate, RejectUpdate
from durable_sim.workflows.failures import Failure, WorkflowFailure, failure_of
from durable_sim.workflows.payloads import copied
from durable_sim.workflows.program import ContinueRun, Program

Handler = Callable[..., Any]


class UpdateRequest(NamedTuple):
    """An update that the worker is asked to take; `replayed` if the history says that it was accepted before."""

    id: str
    name: str
    arguments: tuple[Any, ...]
    replayed: bool = False


class QueryFailed(Exception):
    """A query could not be answered: no handler of that name, or the handler raised."""


class Handlers:
    """The handlers of one run."""

    __slots__ = ("_early", "_program", "_queries", "_signals", "_updates", "fails_on", "running")

    def __init__(self, program: Program) -> None:
        self._program = program
        self._signals: dict[str, Handler] = {}
        self._queries: dict[str, Handler] = {}
        self._updates: dict[str, tuple[Handler, Handler | None]] = {}
        self._early: list[tuple[str, tuple[Any, ...]]] = []
        self.fails_on: tuple[type[BaseException], ...] = ()
        self.running = 0

    def on_signal(self, name: str, handler: Handler) -> None:
        """Set a signal's handler; those that have come before are handled now, in their order."""
        self._signals[name] = handler
        waiting, self._early = self._early, []
        for early, arguments in waiting:
            self.signal(early, arguments)

    def on_query(self, name: str, handler: Handler) -> None:
        """Set a query's handler."""
        self._queries[name] = handler

    def on_update(self, name: str, handler: Handler, validator: Handler | None) -> None:
        """Set an update's handler and its validator."""
        self._updates[name] = handler, validator

    def signal(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Handle a signal, or keep it for the handler to come."""
        handler = self._signals.get(name)
        if handler is None:
            self._early.append((name, arguments))
        else:
            self._program.spawn(self._handle(handler, arguments))

    def unheard(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the signals that still wait for a handler, and of those that have one."""
        return tuple(dict.fromkeys(name for name, _ in self._early)), tuple(self._signals)

    async def _handle(self, handler: Handler, arguments: tuple[Any, ...]) -> None:
        """Run a signal's handler. What would end the workflow in its main function ends it here too."""
        self.running += 1
        try:
            await _call(handler, arguments)
        except (UserError, GeneratorExit):
            raise
        except (ContinueRun, CancelledError) as error:
            self._program.end(error)
        except Exception as error:
            if isinstance(error, (WorkflowFailure, TimeoutError, *self.fails_on)):
                self._program.end(error)
            else:
                self._program.failure = self._program.failure or error
        finally:
            self.running -= 1

    def update(self, request: UpdateRequest) -> None:
        """Handle an update, in its turn among what else has come."""
        self._program.spawn(self._update(request))

    def _let_in(self, request: UpdateRequest) -> Handler | None:
        """Validate an update and say so; its handler, unless it is refused."""
        tell = self._program.tell
        handler, validator = self._updates.get(request.name, (None, None))
        if handler is None:
            known = ", ".join(self._updates) or "none"
            message = f"Update handler for {request.name!r} expected but not found, and there are: {known}"
            tell(RejectUpdate(request.id, Failure("ApplicationError", message)))
            return None
        refusal = None if validator is None or request.replayed else self._refusal(request, validator)
        if refusal is not None:
            tell(RejectUpdate(request.id, refusal))
            return None
        tell(AcceptUpdate(request.id, request.name, request.arguments))
        return handler

    def _refusal(self, request: UpdateRequest, validator: Handler) -> Failure | None:
        self._program.read_only = f"the validator of update {request.name}"
        try:
            validator(*request.arguments)
        except Exception as error:
            return failure_of(error)
        finally:
            self._program.read_only = None
        return None

    async def _update(self, request: UpdateRequest) -> None:
        handler = self._let_in(request)
        if handler is None:
            return
        self.running += 1
        try:
            result = copied(await _call(handler, request.arguments), f"result of update {request.name}")
        except (UserError, GeneratorExit):
            raise
        except ContinueRun:
            self._program.failure = RuntimeError("cannot continue as new from an update handler")
        except CancelledError as error:
            self._program.tell(CompleteUpdate(request.id, None, failure_of(error)))
        except Exception as error:
            if isinstance(error, (WorkflowFailure, TimeoutError, *self.fails_on)):
                self._program.tell(CompleteUpdate(request.id, None, failure_of(error)))
            else:
                self._program.failure = self._program.failure or error
        else:
            self._program.tell(CompleteUpdate(request.id, result))
        finally:
            self.running -= 1

    def query(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Answer a query.

        Raises:
            QueryFailed: there is no such handler, or it raised.
        """
        handler = self._queries.get(name)
        if handler is None:
            raise QueryFailed(
                f"Query handler for {name!r} expected but not found, known queries: {sorted(self._queries)}"
            )
        self._program.read_only = f"the handler of query {name}"
        try:
            return copied(handler(*arguments), f"answer to query {name}")
        except Exception as error:
            raise QueryFailed(f"{type(error).__name__}: {error}") from error
        finally:
            self._program.read_only = None


async def _call(handler: Handler, arguments: tuple[Any, ...]) -> Any:
    result = handler(*arguments)
    return await result if inspect.isawaitable(result) else result
