"""What is compared, in words: one line for each thing in which a recorded case and its simulated likeness differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from durable_sim.durations import duration_us
from durable_sim.models.steps.protocol import (
    BROKEN,
    ERROR,
    OK,
    STEP_FAILED,
    STEPS,
    Answer,
    Invocation,
    Memo,
    Op,
    WaitFor,
)
from tests.conformance.inngest.playing import Golden, Sequence, golden, memo_of
from tests.models.steps.scenes import Exchange

Row = dict[str, Any]
SIDE_BY_SIDE = ("server_par", "halftidy_finally_step")
"""Sequences with effects of two calls that are under way together."""


# --- sequences ------------------------------------------------------------------------------------------------------
def sequence_differences(name: str) -> Iterator[str]:
    """In what a sequence differs, the number of calls first."""
    told, ours = golden(name), Sequence(name)
    yield from unequal("http_calls", told["http_calls"], len(ours.exchanges))
    left = in_one_order([recorded_row(call) for call in told["calls"]])
    right = in_one_order([simulated_row(one) for one in ours.exchanges])
    for number, (one, other) in enumerate(zip(left, right, strict=False), 1):
        yield from (f"call {number}: {words}" for key in one for words in unequal(key, one[key], other[key]))
    effects = sorted if name in SIDE_BY_SIDE else list
    yield from unequal("effects", effects(told["effects"]), effects(ours.out.effects))
    if "final" in told:
        yield from unequal("final", told["final"], final(ours))
    if "handler_entries" in told:
        yield from unequal("handler_entries", told["handler_entries"], ours.out.body.count("enter"))
        yield from unequal("finally_runs", told["finally_runs"], ours.out.body.count("finally"))


def recorded_row(call: Golden) -> Row:
    """What is compared of a recorded call."""
    request = call.get("request", call)
    return {
        "function": request["fnId"].removeprefix("shop-"),
        "target": request["stepId"],
        "attempt": request["attempt"],
        "max_attempts": request["max_attempts"],
        "disable_immediate_execution": request["disable_immediate_execution"],
        "memo": sorted((step, kind_of(memo_of(value))) for step, value in request["steps"].items()),
        "outcome": recorded_outcome(call),
    }


def simulated_row(one: Exchange) -> Row:
    """The same of a simulated call."""
    call = one.call
    return {
        "function": call.function_id,
        "target": call.target or "step",
        "attempt": call.attempt,
        "max_attempts": call.max_attempts,
        "disable_immediate_execution": call.disable_immediate_execution,
        "memo": sorted((step, kind_of(memo)) for step, memo in call.memo.items()),
        "outcome": simulated_outcome(one.answer),
    }


def in_one_order(rows: list[Row]) -> list[Row]:
    """Calls of single steps may come in either order; those side by side are put in the order of their targets."""
    place, ordered = 0, []
    while place < len(rows):
        end = place + 1
        while rows[place]["target"] != "step" and end < len(rows) and rows[end]["target"] != "step":
            end += 1
        ordered += sorted(rows[place:end], key=lambda row: row["target"])
        place = end
    return ordered


def kind_of(memo: Memo) -> str:
    """Whether data or an error is remembered."""
    return "data" if memo.error is None else "error"


def recorded_outcome(call: Golden) -> Any:
    """The status, and the ops or the error's code."""
    response = call["response"]
    if call["status"] == STEPS:
        return [(op["op"], op["id"]) for op in response]
    return [call["status"], response["code"]] if call["status"] == ERROR else [call["status"]]


def simulated_outcome(answer: Answer | None) -> Any:
    """The same of a simulated answer."""
    if answer is None:
        return [BROKEN]
    if answer.status == STEPS:
        return [(op.op, op.id) for op in answer.ops]
    return [answer.status] if answer.error is None else [answer.status, answer.error.code]


def final(ours: Sequence) -> Any:
    """How the run ended, as the goldens say it."""
    run = ours.played.model.platform.runs_of(ours.played.one)[0]
    if run.failure is None:
        return {"completed": run.result}
    return {"failed": run.failure.to_json() | {"stack": "<stack>"}}


# --- single calls ---------------------------------------------------------------------------------------------------
def reply_differences(recorded: Golden, answer: Answer | None) -> Iterator[str]:
    """In what the SDK's answer to a recorded request differs."""
    js = "inngest-js" in recorded.get("headers", {}).get("x-inngest-sdk", "")
    if answer is None:
        yield from unequal("status", recorded["status"], BROKEN)
        return
    yield from unequal("status", recorded["status"], answer.status)
    yield from unequal("response", recorded_response(recorded, js), simulated_response(answer, js))
    yield from unequal("no_retry", *no_retries(recorded, answer))
    headers = recorded.get("headers", {})
    after = headers.get("retry-after") or recorded.get("retry_after")
    ours = None if answer.retry_after_us is None else str(answer.retry_after_us // 1_000_000)
    yield from unequal("retry_after", after, ours)


def no_retries(recorded: Golden, answer: Answer) -> tuple[bool, bool]:
    """Whether another attempt would be of no use, as both say it."""
    told = recorded.get("headers", {}).get("x-inngest-no-retry") or recorded.get("no_retry")
    return told == "true", answer.no_retry


def recorded_response(recorded: Golden, js: bool) -> Any:
    """What is compared of a recorded response."""
    response = recorded["response"]
    if recorded["status"] == OK:
        return response
    if recorded["status"] == ERROR:
        return response["error"] if js else error_of(response, js)
    return [
        {
            "op": op["op"],
            "id": op["id"],
            "name": op["displayName"],
            "index": op["userland"].get("index"),
            "data": None if op["op"] == STEP_FAILED else op.get("data"),
            "error": error_of(op.get("error"), js),
            "detail": recorded_detail(op),
        }
        for op in response
    ]


def simulated_response(answer: Answer, js: bool) -> Any:
    """The same of a simulated answer."""
    if answer.status == OK:
        return answer.result
    if answer.status == ERROR:
        assert answer.error is not None
        return answer.error.message if js else error_of(answer.error.to_json(), js)
    return [
        {
            "op": op.op,
            "id": op.id,
            "name": op.name,
            "index": op.repeat,
            "data": op.data,
            "error": None if op.error is None else error_of(op.error.to_json(), js),
            "detail": simulated_detail(op),
        }
        for op in answer.ops
    ]


def recorded_detail(op: Golden) -> Any:
    """What a step waits for; the instant at which a sleep ends is a date of the day of the recording."""
    match op["op"]:
        case "WaitForEvent":
            return [op["name"], duration_us(op["opts"]["timeout"]), "if" in op["opts"]]
        case "InvokeFunction":
            return [op["opts"]["function_id"].removeprefix("shop-"), op["opts"]["payload"]["data"]]
    return None


def simulated_detail(op: Op) -> Any:
    """The same of a simulated op."""
    match op.detail:
        case WaitFor():
            return [op.detail.event, op.detail.timeout_us, op.detail.match is not None]
        case Invocation():
            return [op.detail.function_id, op.detail.data]
    return None


def error_of(error: Any, js: bool) -> Any:
    """Name and message of an error, and the code where the SDK has one."""
    if error is None:
        return None
    return {key: error[key] for key in (("name", "message") if js else ("name", "message", "code"))}


def unequal(what: str, recorded: Any, simulated: Any) -> Iterator[str]:
    """A line if the two differ."""
    if _plain(recorded) != _plain(simulated):
        yield f"{what}: recorded {recorded!r}, simulated {simulated!r}"


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
