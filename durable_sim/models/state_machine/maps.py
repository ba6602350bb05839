"""A Map state: the same states for each item, within one history (inline) or as child executions (distributed).

Always holds: at most as many iterations run at once as MaxConcurrency says; outputs are in the order of the items.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from durable_sim.models.state_machine import flow
from durable_sim.models.state_machine.core import Core
from durable_sim.models.state_machine.language.errors import QUERY_EVALUATION_ERROR, RUNTIME, StatesError
from durable_sim.models.state_machine.strands import Failure, Stay, Strand


def processor_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The states that each item goes through; Iterator is their older name."""
    found: Mapping[str, Any] = state["ItemProcessor"] if "ItemProcessor" in state else state["Iterator"]
    return found


def is_distributed(state: Mapping[str, Any]) -> bool:
    """Whether the items are child executions."""
    return bool(processor_of(state).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def items_of(state: Mapping[str, Any], view: flow.View) -> list[Any]:
    """The items of a Map, before ItemSelector.

    Raises:
        StatesError: they are no array.
    """
    if view.jsonata:
        items, error = view.evaluate(state["Items"]) if "Items" in state else view.input, QUERY_EVALUATION_ERROR
    else:
        items, error = view.read(state.get("ItemsPath", "$"), flow.effective_input(state, view)), RUNTIME
    if isinstance(items, Mapping):
        raise StatesError(
            error, "the items of a Map are an object, whose pairs are not modelled: make an array of them"
        )
    if not isinstance(items, list):
        raise StatesError(error, f"the items of a Map are {type(items).__name__}, expected an array")
    return items


def item_context(place: int, item: Any) -> dict[str, Any]:
    """What the context object tells of an iteration."""
    return {"Index": place, "Value": item}


def selected_item(core: Core, stay: Stay, place: int, item: Any) -> Any:
    """The input of an iteration: the item, or what ItemSelector makes of it."""
    selector = stay.state.get("ItemSelector", stay.state.get("Parameters"))
    if selector is None:
        return item
    view = core.view(stay, item=item_context(place, item))
    return view.evaluate(selector) if view.jsonata else view.fill(selector, flow.effective_input(stay.state, view))


class InlineMap:
    """The iterations of one inline Map state."""

    __slots__ = ("_core", "_items", "_outputs", "_stay", "_strands", "_view", "_waiting")

    def __init__(self, core: Core, stay: Stay) -> None:
        self._core = core
        self._stay = stay
        self._items: list[Any] = []
        self._strands: dict[int, Strand] = {}
        self._waiting: deque[int] = deque()
        self._outputs: dict[int, Any] = {}
        self._view: flow.View | None = None

    def begin(self) -> None:
        """Begin as many iterations as may run at once."""
        core, stay = self._core, self._stay
        view = self._view = core.view(stay)
        items = items_of(stay.state, view)
        self._items = [selected_item(core, stay, place, item) for place, item in enumerate(items)]
        concurrency = self._concurrency(view)
        core.write(stay.strand, "MapStateStarted", length=len(items))
        self._strands, self._outputs, self._waiting = {}, {}, deque(range(len(items)))
        if not items:
            return self._succeeded(stay.strand.previous_id)
        for _ in range(min(concurrency, len(items))):
            self._begin_next(stay.strand.previous_id)

    def _concurrency(self, view: flow.View) -> int:
        """How many iterations may run at once; 0 leaves it to the service."""
        asked = flow.number_of(self._stay.state, "MaxConcurrency", view) or self._core.limits.inline_iterations
        return min(int(asked), self._core.limits.inline_iterations)

    def _begin_next(self, previous_id: int) -> None:
        if not self._waiting:
            return
        core, stay, place = self._core, self._stay, self._waiting.popleft()
        processor = processor_of(stay.state)
        item = self._items[place]
        strand = self._strands[place] = Strand(
            processor["States"],
            processor["StartAt"],
            processor.get("QueryLanguage", stay.strand.query_language),
            self,
            (*stay.path, place),
            place,
            dict(stay.strand.variables),
            item_context(place, item),
            previous_id,
        )
        core.write(strand, "MapIterationStarted", name=stay.name, index=place)
        core.go_to(strand, strand.start_at, item)

    def strand_succeeded(self, strand: Strand, output: Any) -> None:
        """An iteration has come to its end: begin the next, or end the state."""
        previous_id = strand.previous_id
        strand.alive = False
        self._core.write(strand, "MapIterationSucceeded", name=self._stay.name, index=strand.place)
        self._outputs[strand.place] = output
        if len(self._outputs) == len(self._items):
            self._succeeded(strand.previous_id)
        else:
            self._begin_next(previous_id)

    def _succeeded(self, previous_id: int) -> None:
        core, stay, view = self._core, self._stay, self._view
        assert view is not None
        stay.strand.previous_id = previous_id
        core.write_aside(stay.strand, "MapStateSucceeded")
        core.complete(stay, [self._outputs[place] for place in range(len(self._items))], view)

    def strand_failed(self, strand: Strand, failure: Failure) -> None:
        """An iteration has failed: stop the others, and fail."""
        core, stay = self._core, self._stay
        strand.alive = False
        core.write_aborted(strand)
        previous_id = strand.previous_id
        core.write(strand, "MapIterationFailed", name=stay.name, index=strand.place)
        self.abort()
        stay.strand.previous_id = previous_id
        core.write(stay.strand, "MapStateFailed", error=failure.error, cause=failure.cause)
        core.failed(stay, failure)

    def abort(self) -> None:
        """Stop all iterations that run."""
        for strand in self._strands.values():
            if strand.alive:
                self._core.abort(strand)
                self._core.write(strand, "MapIterationAborted", name=self._stay.name, index=strand.place)

    def redrive(self) -> None:
        """Take up the iterations that had begun and did not end; the others are begun as places become free."""
        unfinished = [strand for place, strand in self._strands.items() if place not in self._outputs]
        if not unfinished:
            return self.begin()
        for strand in unfinished:
            self._core.redrive(strand)

    def close(self, failure: Failure) -> None:
        """Nobody was asked for anything but by the iterations."""
