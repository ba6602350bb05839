"""How much the determinism guard costs: `python tests/benchmarks/guard_cost.py`.

Prints ratios of wall times, measured in turn in one process: workflows of ten activities, each settled at once, with
and without the guard around every stretch of workflow code. No server and no services run, so a whole simulation pays
a smaller share. Then what it takes to read a workflow function for orders that come from sets. A benchmark, no test.
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from durable_sim.workflows.context import WorkflowContext, WorkflowInfo
from durable_sim.workflows.guard import Guard
from durable_sim.workflows.program import Program

WORKFLOWS = 2_000
STEPS = 10
ROUNDS = 9


async def charge(ctx: Any, customer: str, amount: int) -> str:
    """Never runs: its result is settled by hand."""
    return customer


async def fulfil(ctx: WorkflowContext, order: dict[str, Any]) -> list[Any]:
    """Ten activities in a row, with a little work of its own between them."""
    receipts: list[Any] = []
    for item in order["items"]:
        amount = round(item["price"] * item["quantity"], 2)
        receipts.append((await ctx.execute_activity(charge, order["id"], amount, start_to_close_timeout="30s"), amount))
    return sorted(receipts)


def run(number: int, order: dict[str, Any], guarded: AbstractContextManager[Any]) -> None:
    """Run one workflow to its end."""
    program = Program()
    context = WorkflowContext(program, WorkflowInfo(f"o-{number}", "1", "fulfil", lambda: random.Random(number)))
    program.start(fulfil(context, order))
    while True:
        with guarded:
            program.advance()
        issued = program.take_issued()
        if not issued:
            return
        for command in issued:
            program.settle(command.step, "receipt")


def seconds(guarded: AbstractContextManager[Any]) -> float:
    """Wall seconds of all workflows."""
    order = {"id": "o", "items": [{"price": 1.25, "quantity": 3} for _ in range(STEPS)]}
    gc.collect()
    begun = time.perf_counter()
    for number in range(WORKFLOWS):
        run(number, order, guarded)
    return time.perf_counter() - begun


def reading_seconds() -> float:
    """Wall seconds in which a new guard reads one function."""
    begun = time.perf_counter()
    Guard().check(fulfil)
    return time.perf_counter() - begun


def main() -> None:
    """Print the ratios."""
    rounds = [(seconds(nullcontext()), seconds(Guard())) for _ in range(ROUNDS)]
    plain, guarded = (statistics.median(column) * 1e6 / WORKFLOWS / (STEPS + 1) for column in zip(*rounds, strict=True))
    ratios = sorted(with_guard / without for without, with_guard in rounds)
    print(
        f"Python {sys.version.split()[0]}, {WORKFLOWS} workflows, {STEPS} activities each, medians of {ROUNDS} rounds"
    )
    print(f"without the guard   {plain:8.1f} us a stretch")
    print(
        f"with the guard      {guarded:8.1f} us a stretch   "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    first, *later = (reading_seconds() for _ in range(51))
    print(
        f"reading a function  {statistics.median(later) * 1e3:8.2f} ms each guard, {first * 1e3:.2f} ms the first time"
    )


if __name__ == "__main__":
    main()
