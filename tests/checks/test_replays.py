"""The replay check: silent on deterministic code, and it finds what a whole replay would not."""

from __future__ import annotations

import itertools
from typing import Any

import durable_sim as ds
from durable_sim.checks.replays import replays
from durable_sim.library.orders import correct_order
from durable_sim.models.replay.history import History
from durable_sim.models.replay.native import replay_history

ORDER = {"order_id": "o-1", "items": [{"sku": "book", "quantity": 1}, {"sku": "lamp", "quantity": 2}]}


@ds.activity
async def echo(ctx: ds.ActivityContext, told: Any) -> Any:
    return told


async def draws(ctx: ds.WorkflowContext, order: Any) -> None:
    """Correct: chance and time come from the context."""
    for _ in range(4):
        await ctx.execute_activity(echo, [str(ctx.uuid4()), ctx.now().isoformat()], start_to_close_timeout="5s")
        await ctx.sleep(f"{ctx.random.randint(1, 9)}s")


def test_it_is_silent_on_a_correct_order_that_crashes_and_compensates() -> None:
    """Every prefix of every history of a run with crashes is replayed to the same arguments."""
    down = ds.library.shop(shipping={"operations": {"schedule": ds.OperationSpec(faults=ds.Mixture(error=1.0))}})
    run = ds.run(correct_order(), ORDER, services=down, faults=[ds.Crash(after="result_recorded"), ds.Crash(at="40s")])
    assert run.faults["hit"] >= 1 and run.verdicts == {"compensated": 1}
    assert run.check_replays() == ()


def test_it_is_silent_on_chance_and_time_from_the_context() -> None:
    """Random numbers, UUIDs and times of a replay are those of the run, in every prefix."""
    assert ds.run(draws, ORDER, seed=5).check_replays() == ()


def test_it_finds_arguments_that_depend_on_how_often_the_code_was_run() -> None:
    """A counter in a module is another number at every replay; only a strict comparison shows it."""
    counter = itertools.count()

    async def counts(ctx: ds.WorkflowContext, order: Any) -> None:
        await ctx.execute_activity(echo, next(counter), start_to_close_timeout="5s")

    run = ds.run(counts, ORDER)
    [violation] = run.check_replays()
    assert violation.kind == "non_determinism" and "arguments" in violation.found
    assert violation.subject.startswith("history of run ") and violation.expected == "what it records"
    assert ["arguments" in one.found for one in replays(run.recording)] == [True]
    assert run.check_replays(strict=False) == ()


def test_it_finds_global_state_that_a_replay_of_the_whole_history_does_not() -> None:
    """Code that skips its first step once that was done in this process passes one replay, but not that of every
    prefix."""
    runs = itertools.count()

    async def remembers(ctx: ds.WorkflowContext, order: Any) -> None:
        if next(runs) % 2 == 0:
            await ctx.execute_activity(echo, "a", start_to_close_timeout="5s")
        await ctx.execute_activity(echo, "b", start_to_close_timeout="5s")

    run = ds.run(remembers, ORDER)
    model: Any = run.recording.engine[0]
    history = History(model.server.runs["o-1"].history)
    if next(runs) % 2 == 0:
        next(runs)
    replay_history(remembers, history)
    [violation] = run.check_replays(strict=False)
    assert violation.execution == "o-1" and "event" in violation.found


def test_a_simulation_checks_its_histories_too() -> None:
    """`check_replays` of a simulation raises for the first history that its code does not follow."""
    counter = itertools.count()

    async def counts(ctx: ds.WorkflowContext) -> None:
        await ctx.execute_activity(echo, next(counter), start_to_close_timeout="5s")

    sim = ds.Simulation([counts, draws])
    sim.start(draws, None, id="d-1").result()
    sim.check_replays()
    sim.start(counts, id="c-1").result()
    try:
        sim.check_replays()
    except ds.UserError as error:
        assert "c-1" in str(error)
    else:
        raise AssertionError("nothing was found")
