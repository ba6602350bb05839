"""A workflow function driven by hand: the test settles what it waits for and looks at the commands that it issues."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

from durable_sim.randomness import Randomness
from durable_sim.workflows.commands import Command
from durable_sim.workflows.context import WorkflowContext, WorkflowInfo
from durable_sim.workflows.handlers import Handlers
from durable_sim.workflows.markers import Markers
from durable_sim.workflows.program import Program, Task

Workflow = Callable[[WorkflowContext], Coroutine[Any, Any, Any]]


def info(run_id: str = "o-1/1", **more: Any) -> WorkflowInfo:
    """Which run it is; its random numbers belong to the run."""

    def stream() -> random.Random:
        return Randomness(1).stream("workflow", run_id)

    return WorkflowInfo("o-1", run_id, "fulfill", stream, **more)


class Driven:
    """One run."""

    def __init__(self, workflow: Workflow | None = None, **more: Any) -> None:
        self.program = Program()
        self.handlers = Handlers(self.program)
        self.markers = Markers(self.program)
        self.ctx = WorkflowContext(self.program, info(**more), self.handlers, self.markers)
        if workflow is not None:
            self.program.start(workflow(self.ctx))
            self.program.advance()

    @property
    def main(self) -> Task[Any]:
        """The main coroutine."""
        assert self.program.main is not None
        return self.program.main

    def commands(self) -> list[Command]:
        """What was issued since the last time, as if a workflow task were completed here."""
        return self.program.take_issued()

    def settle(self, step: int, value: Any = None, error: BaseException | None = None) -> None:
        """Give a command's result, and let the code go on."""
        self.program.settle(step, value, error)
        self.program.advance()

    def cancel(self) -> None:
        """Ask the workflow to stop."""
        self.main.cancel()
        self.program.advance()

    def signal(self, name: str, *arguments: Any) -> None:
        """Send a signal."""
        self.handlers.signal(name, arguments)
        self.program.advance()


async def charge(ctx: Any, *arguments: Any) -> Any:
    """An activity, which is never run here."""
