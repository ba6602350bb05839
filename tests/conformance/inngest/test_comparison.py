"""The comparison of calls: it must be able to see a difference."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from durable_sim.models.steps.protocol import STEPS, Answer
from tests.conformance.inngest.comparison import recorded_row, reply_differences
from tests.conformance.inngest.playing import SINGLE, golden, replies, sequences


def spoilt(value: Any) -> Any:
    """Another value in the place of one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return f"another {value}"


@pytest.mark.parametrize("name", sequences())
@pytest.mark.parametrize("key", ["fnId", "stepId", "attempt", "max_attempts", "disable_immediate_execution"])
def test_a_change_of_any_part_of_a_request_is_seen(name: str, key: str) -> None:
    """A recorded call with one part changed has another row."""
    call = golden(name)["calls"][0]
    other = deepcopy(call)
    request = other.get("request", other)
    request[key] = spoilt(request[key])
    assert recorded_row(call) != recorded_row(other)


def test_a_memo_that_holds_an_error_is_another() -> None:
    """Data and error under the same id are told apart."""
    call = golden("order_happy")["calls"][1]
    other = deepcopy(call)
    step = next(iter(other["request"]["steps"]))
    other["request"]["steps"][step] = {"error": {"name": "Error", "message": "boom"}}
    assert recorded_row(call) != recorded_row(other)


@pytest.mark.parametrize("name", [*sequences(), *SINGLE])
def test_a_change_of_any_part_of_an_answer_is_seen(name: str) -> None:
    """An answer with another status, op, name, id, number, error, data or header is a difference."""
    for _, recorded, answer in replies(name):
        if answer is not None:
            unseen = [what for what, other in others(answer) if not list(reply_differences(recorded, other))]
            assert unseen == []


def others(answer: Answer) -> list[tuple[str, Answer]]:
    """The same answer with one thing changed."""
    changed = [
        ("status", replace(answer, status=418)),
        ("no_retry", replace(answer, no_retry=not answer.no_retry)),
        ("retry_after", replace(answer, retry_after_us=7_000_000)),
    ]
    if answer.status == STEPS:
        first, rest = answer.ops[0], answer.ops[1:]
        for key in ("op", "id", "name", "repeat"):
            changed.append((key, replace(answer, ops=(first._replace(**{key: "another"}), *rest))))
        changed.append(("ops", replace(answer, ops=rest)))
        if first.error is not None:
            error = first.error._replace(message="another")
            changed.append(("error", replace(answer, ops=(first._replace(error=error), *rest))))
    elif answer.error is not None:
        changed.append(("error", replace(answer, error=answer.error._replace(message="another"))))
    else:
        changed.append(("result", replace(answer, result="another")))
    return changed
