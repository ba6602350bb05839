"""A distributed Map: child executions with histories of their own, of which some may fail.

Always holds: children fail for their parent only once more have failed than are tolerated, and then by one name; the
results are those of the children that succeeded, in the order of the items.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from durable_sim.models.state_machine import flow
from durable_sim.models.state_machine.actions import StartChild, StopChild
from durable_sim.models.state_machine.core import Core
from durable_sim.models.state_machine.language.definition import StateMachine, parse
from durable_sim.models.state_machine.language.errors import EXCEED_TOLERATED_FAILURE_THRESHOLD, RUNTIME, StatesError
from durable_sim.models.state_machine.maps import items_of, processor_of, selected_item
from durable_sim.models.state_machine.strands import Failure, Stay

_UNMODELLED = ("ItemReader", "ResultWriter")


class DistributedMap:
    """The map run of one distributed Map state."""

    __slots__ = (
        "_began",
        "_core",
        "_failed",
        "_inputs",
        "_machine",
        "_outputs",
        "_percentage",
        "_running",
        "_stay",
        "_tolerated",
        "_view",
        "_waiting",
    )

    def __init__(self, core: Core, stay: Stay) -> None:
        self._core = core
        self._stay = stay
        self._machine: StateMachine | None = None
        self._inputs: list[Any] = []
        self._waiting: deque[int] = deque()
        self._running: dict[str, int] = {}
        self._outputs: dict[int, Any] = {}
        self._began: dict[int, None] = {}
        self._failed: list[int] = []
        self._tolerated: float | None = None
        self._percentage: float | None = None
        self._view: flow.View | None = None

    def begin(self) -> None:
        """Start as many children as may run at once."""
        core, stay = self._core, self._stay
        view = self._view = core.view(stay)
        self._machine = _child_machine(stay)
        self._inputs = self._child_inputs(view)
        self._tolerated = flow.number_of(stay.state, "ToleratedFailureCount", view)
        self._percentage = flow.number_of(stay.state, "ToleratedFailurePercentage", view)
        core.write(stay.strand, "MapStateStarted", length=len(self._inputs))
        core.write(stay.strand, "MapRunStarted", mapRunArn=self._arn)
        self._outputs, self._failed, self._running, self._began = {}, [], {}, {}
        self._waiting = deque(range(len(self._inputs)))
        self._go_on(view)

    def _go_on(self, view: flow.View) -> None:
        asked = flow.number_of(self._stay.state, "MaxConcurrency", view) or self._core.limits.child_executions
        for _ in range(min(int(asked), self._core.limits.child_executions, len(self._waiting))):
            self._start_next()
        if not self._running:
            self._succeeded()

    def child_ended(self, token: str, output: Any, failure: Failure | None) -> None:
        """A child has come to its end: start the next, or end the map run."""
        place = self._running.pop(token)
        if failure is None:
            self._outputs[place] = output
        else:
            self._failed.append(place)
        if self._too_many_failed():
            return self._fail()
        if self._waiting:
            self._start_next()
        elif not self._running:
            self._succeeded()

    def abort(self) -> None:
        """Stop all children that run, and start no more."""
        for token in list(self._running):
            self._core.waiting.pop(token, None)
            self._core.actions.append(StopChild(token))
            self._failed.append(self._running.pop(token))

    def redrive(self) -> None:
        """Run the children again that did not succeed."""
        view = self._view
        if view is None or len(self._outputs) == len(self._inputs):
            return self.begin()
        self._core.write(self._stay.strand, "MapRunRedriven", mapRunArn=self._arn, redriveCount=self._core.redrives)
        self._waiting = deque(place for place in range(len(self._inputs)) if place not in self._outputs)
        self._failed = []
        self._go_on(view)

    def close(self, failure: Failure) -> None:
        """Nobody was asked for anything but by the children."""

    # --- inside ---
    @property
    def _arn(self) -> str:
        label = self._stay.state.get("Label", self._stay.name)
        return f"{self._core.identity.machine_arn.replace('stateMachine', 'mapRun')}/{label}:{self._stay.step}"

    def _child_inputs(self, view: flow.View) -> list[Any]:
        core, stay = self._core, self._stay
        items = [selected_item(core, stay, place, item) for place, item in enumerate(items_of(stay.state, view))]
        batcher = stay.state.get("ItemBatcher")
        if batcher is None:
            return items
        size = int(flow.number_of(batcher, "MaxItemsPerBatch", view) or len(items) or 1)
        more = _batch_input(batcher, stay.state, view)
        return [{**more, "Items": items[start : start + size]} for start in range(0, len(items), size)]

    def _start_next(self) -> None:
        core, place, machine = self._core, self._waiting.popleft(), self._machine
        assert machine is not None
        token = core.token()
        core.waiting[token] = self
        self._running[token] = place
        name = f"{core.identity.name}/{self._stay.name}:{self._stay.step}/{place}"
        data = self._inputs[place]
        core.actions.append(StartChild(token, name, machine, data, place in self._began))
        self._began[place] = None

    def _too_many_failed(self) -> bool:
        failed, count, percentage = len(self._failed), self._tolerated, self._percentage
        if not failed:
            return False
        if count is None and percentage is None:
            return True
        over_percentage = percentage is not None and failed * 100 > percentage * len(self._inputs)
        return over_percentage or (count is not None and failed > count)

    def _succeeded(self) -> None:
        core, stay, view = self._core, self._stay, self._view
        assert view is not None
        core.write(stay.strand, "MapRunSucceeded")
        core.write_aside(stay.strand, "MapStateSucceeded")
        core.complete(stay, [self._outputs[place] for place in sorted(self._outputs)], view)

    def _fail(self) -> None:
        core, stay = self._core, self._stay
        cause = f"{len(self._failed)} of {len(self._inputs)} child executions failed, more than are tolerated."
        failure = Failure(EXCEED_TOLERATED_FAILURE_THRESHOLD, cause)
        self.abort()
        core.write(stay.strand, "MapRunFailed", error=failure.error, cause=failure.cause)
        core.write(stay.strand, "MapStateFailed", error=failure.error, cause=failure.cause)
        core.failed(stay, failure)


def _child_machine(stay: Stay) -> StateMachine:
    for field in _UNMODELLED:
        if field in stay.state:
            raise StatesError(RUNTIME, f"{field} of state '{stay.name}' is not modelled: give the items in the input")
    processor = processor_of(stay.state)
    language = processor.get("QueryLanguage", stay.strand.query_language)
    return parse({"QueryLanguage": language, "StartAt": processor["StartAt"], "States": processor["States"]})


def _batch_input(batcher: Mapping[str, Any], state: Mapping[str, Any], view: flow.View) -> dict[str, Any]:
    template = batcher.get("BatchInput")
    if template is None:
        return {}
    data = flow.effective_input(state, view)
    return {"BatchInput": view.evaluate(template) if view.jsonata else view.fill(template, data)}
