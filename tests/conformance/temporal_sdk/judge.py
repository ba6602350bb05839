"""What the real SDK's Replayer says of a history."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner


def verdict(code: type, workflow_id: str, document: dict[str, Any]) -> Exception | None:
    """What the Replayer says of a history and a class: nothing, or why the one is not made by the other."""

    async def replay() -> Exception | None:
        replayer = Replayer(workflows=[code], workflow_runner=UnsandboxedWorkflowRunner())
        history = WorkflowHistory.from_json(workflow_id, document)
        return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure

    return asyncio.run(replay())
