"""A workflow for the real SDK whose code is data: a list of operations, done one after the other.

See test_other_code.py, which has its likeness. What it is to do is told from outside, as another build would be.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError, FailureError

Operations = Sequence[tuple[Any, ...]]
LIMIT: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}
_TOLD: list[Operations] = []


@contextmanager
def telling(operations: Operations) -> Iterator[None]:
    """The code that there is, for as long as this lasts."""
    _TOLD.append(operations)
    try:
        yield
    finally:
        _TOLD.pop()


def told() -> Operations:
    """What is to be done."""
    return _TOLD[-1]


async def perform(operations: Operations) -> None:
    """Do them."""
    running: dict[str, Any] = {}
    for what, *details in operations:
        match what:
            case "activity":
                await workflow.execute_activity(details[0], **LIMIT)
            case "begin":
                running[details[0]] = workflow.start_activity(details[0], **LIMIT)
            case "cancel":
                running[details[0]].cancel()
            case "join":
                with suppress(FailureError, CancelledError):
                    await running[details[0]]
            case "local":
                await workflow.execute_local_activity(details[0], **LIMIT)
            case "begin local":
                running[details[0]] = workflow.start_local_activity(details[0], **LIMIT)
            case "sleep":
                await workflow.sleep(timedelta(seconds=details[0]))
            case "patched":
                await perform(details[1 if workflow.patched(details[0]) else 2])
            case "deprecate":
                workflow.deprecate_patch(details[0])
            case "signal":
                with suppress(FailureError):
                    await workflow.get_external_workflow_handle(details[0]).signal(details[1])
            case "ask to cancel":
                with suppress(FailureError):
                    await workflow.get_external_workflow_handle(details[0]).cancel()
            case "attribute":
                workflow.upsert_search_attributes([SearchAttributeKey.for_keyword(details[0]).value_set("v")])
            case "memo":
                workflow.upsert_memo({details[0]: "v"})
            case "child":
                await workflow.execute_child_workflow(details[0], id=details[1])
            case "begin child":
                kind = workflow.ChildWorkflowCancellationType[details[2]]
                running[details[1]] = await workflow.start_child_workflow(
                    details[0], id=details[1], cancellation_type=kind
                )
            case "fail":
                raise ApplicationError("no", non_retryable=True)


@workflow.defn(name="Programmed")
class Programmed:
    """Does what it is told to."""

    @workflow.run
    async def run(self) -> None:
        await perform(told())
