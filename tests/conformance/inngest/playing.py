"""The recorded cases played on the simulator: whole sequences on the platform, single requests on the SDK's side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import durable_sim as ds
from durable_sim.models.executions import Home
from durable_sim.models.steps.answers import Sdk
from durable_sim.models.steps.chronicle import Chronicle
from durable_sim.models.steps.function import StepFunction
from durable_sim.models.steps.handler import Serving
from durable_sim.models.steps.protocol import Answer, Call, Event, Memo, Op, StepFailure
from durable_sim.models.steps.tools import IdiomBody, StepContext
from durable_sim.models.workers import Fleet
from durable_sim.world.world import World
from tests.conformance.inngest.functions import Error, Outside, functions, js_functions, versioned
from tests.models.steps.scenes import Exchange, Played, idiom

FOLDER = Path(__file__).parent / "goldens"
SINGLE = ("single_calls", "js_sdk_protocol")
Golden = dict[str, Any]
JS_SCRIPTS = {
    "step_error_attempt0": "error",
    "step_error_last_attempt": "error",
    "step_nonretriable": "non_retriable",
    "step_retry_after": "retry_after",
}


@cache
def golden(name: str) -> Golden:
    """A golden by its name."""
    told: Golden = json.loads((FOLDER / f"{name}.json").read_text())
    return told


def sequences() -> list[str]:
    """The names of the recorded sequences."""
    return [path.stem for path in sorted(FOLDER.glob("*.json")) if path.stem not in SINGLE]


def on_server(name: str) -> bool:
    """Whether a sequence was recorded on the real server."""
    return name.startswith("server_")


# --- whole sequences ------------------------------------------------------------------------------------------------
class Sequence:
    """A sequence as the simulator plays it."""

    def __init__(self, name: str) -> None:
        told = golden(name)
        self.out = Outside(told["script"])
        known = functions(self.out, handler=on_server(name), retries=told["retries"])
        self.function = told["function"]
        given = [known[self.function], known["child"]]
        changed = {"v2": idiom(versioned(self.out, 2), "versioned")} if self.function == "versioned" else {}
        self.played = Played(
            idiom(given, self.function),
            [{"id": "o1"}],
            versions=changed,
            overhead="150ms",
            retries=told["retries"],
            transport="connect",  # a recorder was never away: not while other code took over, nor after a death
        )
        self.out.die = self._die
        if changed:
            self.played.model.watch_calls(self._deploy_after_the_first)
        if self.function == "sleepwait":
            alarms = self.played.world.alarms
            alarms.after(120_000_000, self.played.model.send, Event("order/paid", {"id": "another"}))
            alarms.after(180_000_000, self.played.model.send, Event("order/paid", {"id": "o1"}))
        self.played.run()

    def _die(self) -> None:
        fleet = self.played.fleet
        worker = fleet.busiest()
        assert worker is not None
        fleet.crash(worker, 1_000_000)

    def _deploy_after_the_first(self, call: Call, answer: Answer | None) -> None:
        played = self.played
        played.calls.append(Exchange(call, answer, played.world.now_us))
        if len(played.calls) == 1:
            played.injector.strike(ds.Deploy(version="v2", rolling=False, at="0s"))

    @property
    def exchanges(self) -> list[Exchange]:
        """The calls of the recorded function, and of its failure handler."""
        own = (self.function, f"{self.function}-failure")
        return [one for one in self.played.calls if one.call.function_id in own]


# --- single requests ------------------------------------------------------------------------------------------------
class Listener:
    """Takes the answer of a call."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def answer(self, answer: Answer) -> None:
        """The call was answered."""
        self.answers.append(answer)

    def checkpoint(self, ops: tuple[Op, ...], then: Any) -> None:
        """No case makes checkpoints."""
        raise AssertionError(ops)

    def send(self, event: Event, then: Any) -> None:
        """No case sends events."""
        raise AssertionError(event)


def answer_of(function: StepFunction, call: Call, kind: str, out: Outside) -> Answer | None:
    """The SDK's answer to a call; None where the process dies."""
    world = World(0, {})
    fleet = Fleet(world, ("w1",), None)
    home = Home(world, fleet, {}, function.id)
    fleet.start(Idle())
    line = Listener()
    out.die = lambda: fleet.crash("w1", None)
    sdk = Sdk("js", missing_after_us=10_000_000) if kind == "js" else Sdk()
    body = IdiomBody(function, StepContext(call.event, call.run_id, call.attempt))
    Serving(home, fleet.processes["w1"], sdk, line, call, body, Chronicle(world.trace, "o1")).begin()
    world.env.run()
    return line.answers[0] if line.answers else None


class Idle:
    """Wants nothing of workers."""

    def worker_started(self, process: Any) -> None:
        """Nothing."""

    def worker_stopping(self, process: Any) -> None:
        """Nothing."""

    def worker_lost(self, process: Any) -> None:
        """Nothing."""


def call_of(request: dict[str, Any], max_attempts: int | None) -> Call:
    """A recorded request as the simulator has it."""
    memo = {step: memo_of(value) for step, value in request["steps"].items()}
    stack = request.get("stack") or tuple(memo)
    target = None if request["stepId"] == "step" else request["stepId"]
    flag = request.get("disable_immediate_execution", request.get("disable", False))
    event = Event("go", {"id": "o1"}, "e-1")
    function = request.get("fnId", request.get("fn", "")).removeprefix("shop-")
    return Call(function, "r-1", event, memo, tuple(stack), request["attempt"], max_attempts, target, flag)


def memo_of(value: Any) -> Memo:
    """A recorded memo value."""
    if value is None:
        return Memo()
    if "error" in value:
        error = value["error"]
        return Memo(error=StepFailure(error["name"], error["message"], error.get("code", "unknown")))
    return Memo(value["data"])


def replies(name: str) -> Iterator[tuple[str, dict[str, Any], Answer | None]]:
    """Each recorded call of a file with its name, and what the simulator's SDK answers to its request."""
    told = golden(name)
    if name == "js_sdk_protocol":
        for case in told["calls"]:
            script = {"charge": [JS_SCRIPTS[case["case"]]]} if case["case"] in JS_SCRIPTS else {}
            out = Outside(script, "boom", Error)
            call = call_of(case["request"], told["retries"][case["request"]["fn"]] + 1)
            yield case["case"], case, answer_of(js_functions(out)[call.function_id], call, "js", out)
        return
    named = told["calls"] if name == "single_calls" else {f"call {n}": one for n, one in enumerate(told["calls"], 1)}
    out = Outside(told.get("script", {}))
    for case, recorded in named.items():
        request = recorded.get("request", recorded)
        if "stepId" in request:
            call = call_of(request, request.get("max_attempts"))
            yield case, recorded, answer_of(_function(name, call, out, case), call, "python", out)


def _function(name: str, call: Call, out: Outside, case: str) -> StepFunction:
    known = functions(out, handler=True)
    if call.function_id == "versioned":
        return versioned(out, 1 if case == "call 1" else 2)
    if call.function_id == "order-failure":
        handler = known["order"].failure_handler()
        assert handler is not None
        return handler
    return known[call.function_id]
